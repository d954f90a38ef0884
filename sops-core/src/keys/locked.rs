//! Identities that need a passphrase, which is asked for once.

use std::{fmt, sync::OnceLock};

use super::{
    Identities, KeyError,
    age_file::{Identity, OpenError, Sealed, from_armor, ssh},
    asker::{Asker, NotAccepted},
};
use crate::secret::{SecretBytes, SecretText};

/// A private key of SSH with a passphrase.
#[derive(Debug)]
pub(super) struct LockedSshKey {
    place: String,
    key: ssh::LockedKey,
    unlocked: OnceLock<Result<Identity, KeyError>>,
}

/// A file of identities that is encrypted with a passphrase.
pub(super) struct LockedFile {
    place: String,
    sealed: Sealed,
    /// Whether several identities may stand on a line.
    has_words: bool,
    unlocked: OnceLock<Result<Identities, KeyError>>,
}

impl LockedSshKey {
    pub(super) fn new(place: &str, key: ssh::LockedKey) -> Self {
        Self {
            place: place.to_owned(),
            key,
            unlocked: OnceLock::new(),
        }
    }

    pub(super) fn recipient(&self) -> &ssh::Recipient {
        self.key.recipient()
    }

    /// Returns the identity, after asking for the passphrase if that was not done before.
    pub(super) fn unlock(&self, asker: &Asker) -> Result<&Identity, &KeyError> {
        let ask = || {
            asker.secret(&format!("Passphrase for {}", self.place), |passphrase| {
                self.key
                    .unlock(passphrase)
                    .map(Identity::Ssh)
                    .map_err(|error| self.not_accepted(error))
            })
        };
        self.unlocked.get_or_init(ask).as_ref()
    }

    fn not_accepted(&self, error: ssh::UnlockError) -> NotAccepted {
        let place = &self.place;
        let error = match error {
            ssh::UnlockError::Passphrase => return NotAccepted::Wrong,
            ssh::UnlockError::Damaged => {
                KeyError::new(format!("{place}: {}", ssh::PrivateKeyError::Damaged))
            }
            ssh::UnlockError::OtherKey => {
                KeyError::new(format!("{place}: {place}.pub is not its public key"))
                    .with_hint(format!("`ssh-keygen -y -f {place}` prints that"))
            }
        };
        NotAccepted::Failed(error)
    }
}

impl LockedFile {
    /// Reads a file in age's own format or its armor.
    pub(super) fn parse(text: &[u8], place: &str, has_words: bool) -> Result<Self, OpenError> {
        let sealed = match str::from_utf8(text) {
            Ok(text) if text.trim_start().starts_with("-----BEGIN") => {
                Sealed::parse(&from_armor(text)?)
            }
            _ => Sealed::parse(text),
        }?;
        Ok(Self {
            place: place.to_owned(),
            sealed,
            has_words,
            unlocked: OnceLock::new(),
        })
    }

    pub(super) fn has_passphrase(&self) -> bool {
        self.sealed.has_passphrase()
    }

    /// Returns the identities, after asking for the passphrase if that was not done before.
    pub(super) fn unlock(&self, asker: &Asker) -> Result<&Identities, &KeyError> {
        let ask = || {
            let question = format!("Passphrase for the identities in {}", self.place);
            asker.secret(&question, |passphrase| self.open(passphrase))
        };
        self.unlocked.get_or_init(ask).as_ref()
    }

    fn open(&self, passphrase: &SecretText) -> Result<Identities, NotAccepted> {
        let failed =
            |what: &str| NotAccepted::Failed(KeyError::new(format!("{}: {what}", self.place)));
        let file_key = self.sealed.unwrap_passphrase(passphrase);
        let opened = self.sealed.open(&file_key.ok_or(NotAccepted::Wrong)?);
        let mut text = opened.map_err(|_| failed("the encrypted file is damaged"))?;
        let text = SecretBytes::new(std::mem::take(&mut *text));
        let identities = match self.has_words {
            true => Identities::parse_words(&text, &self.place),
            false => Identities::parse(&text, &self.place),
        };
        let identities = identities.map_err(|error| {
            let hint = error.hint();
            NotAccepted::Failed(KeyError::new(error.to_string()).with_hint(hint))
        })?;
        match identities.has_locked_files() {
            // A passphrase in a passphrase: nobody does that, and it could go on for ever.
            true => Err(failed("what is encrypted in it is encrypted again")),
            false => Ok(identities),
        }
    }
}

impl fmt::Debug for LockedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockedFile({})", self.place)
    }
}
