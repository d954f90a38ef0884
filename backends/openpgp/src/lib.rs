//! OpenPGP keys from exported key files: for machines without a `gpg`, and for keys that are in no keyring.
//!
//! [`OpenPgp`] wraps and unwraps data keys in this process, with [Sequoia](https://docs.rs/sequoia-openpgp). It is a
//! [`KeyService`] like any other:
//!
//! ```no_run
//! use sops_core::Keyring;
//! use sops_openpgp::OpenPgp;
//!
//! let keys = OpenPgp::from_key_files(["deploy.asc"]);
//! let keyring = Keyring::new().with_service(keys);
//! let text = std::fs::read("secrets.enc.yaml")?;
//! let plaintext = sops_core::decrypt(&text, sops_core::Format::Yaml, &keyring)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! RSA, and ECDH on Curve25519 and the curves of NIST, are supported; ElGamal is not. Private RSA operations take a time
//! that depends on the key: do not let strangers measure how long you take to decrypt what they chose.
//!
//! Sequoia is under the LGPL, version 2 or later: whoever passes on a program that contains this crate has to let its
//! users exchange that library, for which the sources are enough.

mod decrypt;
mod encrypt;
mod key_files;
mod select;

use std::{
    env,
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

use sops_core::{
    Prompt, SecretBytes, Warning,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

use crate::{decrypt::Unlocked, key_files::KeyFiles};

/// The key files, separated as the folders in `PATH` are.
const KEY_FILE: &str = "SOPS_PGP_KEY_FILE";

/// Wraps and unwraps data keys with OpenPGP keys from files.
///
/// The files are read when the first OpenPGP key is needed, and once. They may be armored or binary, and hold several
/// keys, public and secret ones. A secret key under a passphrase is unlocked when a message needs it, and once.
pub struct OpenPgp {
    place: Place,
    files: OnceLock<KeyFiles>,
    unlocked: Mutex<Unlocked>,
    prompt: Option<Box<dyn Prompt>>,
}

/// Where the files are.
enum Place {
    /// In places that someone named.
    Named { by: String, paths: Vec<PathBuf> },
    /// Where an old GnuPG has its keyrings, if it has some.
    OldKeyrings(Vec<PathBuf>),
}

impl OpenPgp {
    /// Returns a service with the keys of these files.
    #[must_use]
    pub fn from_key_files<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        Self::new(Place::Named {
            by: "the key files".to_owned(),
            paths,
        })
    }

    /// Returns a service with the keys of the files that `SOPS_PGP_KEY_FILE` names, if it is set. Several are separated
    /// as the folders in `PATH` are. Reads the environment.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let paths = env::var_os(KEY_FILE)?;
        Some(Self::new(Place::Named {
            by: KEY_FILE.to_owned(),
            paths: env::split_paths(&paths)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
        }))
    }

    /// Returns a service with the keyrings of GnuPG 1 and 2.0, `secring.gpg` and `pubring.gpg`, in `GNUPGHOME` or
    /// `~/.gnupg`. Files that are not there count as empty, and a key that is not in them is not its business. Reads the
    /// environment.
    #[must_use]
    pub fn from_old_keyrings() -> Self {
        let home = match env::var_os("GNUPGHOME").filter(|home| !home.is_empty()) {
            Some(home) => Some(PathBuf::from(home)),
            None => env::home_dir().map(|home| home.join(".gnupg")),
        };
        let paths = home.into_iter();
        Self::new(Place::OldKeyrings(
            paths
                .flat_map(|home| ["secring.gpg", "pubring.gpg"].map(|name| home.join(name)))
                .collect(),
        ))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            files: OnceLock::new(),
            unlocked: Mutex::default(),
            prompt: None,
        }
    }

    /// Sets who is asked for the passphrase of a secret key. Without, such keys cannot be used.
    #[must_use]
    pub fn with_prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Some(Box::new(prompt));
        self
    }

    fn files(&self) -> &KeyFiles {
        self.files.get_or_init(|| match &self.place {
            Place::Named { by, paths } => KeyFiles::read(paths, Some(by)),
            Place::OldKeyrings(paths) => KeyFiles::read(paths, None),
        })
    }

    /// What to say if no key fits. What may be there, but need not, is not worth a word.
    fn nothing_fits(&self, what: &str) -> Option<KeyError> {
        let Place::Named { by, .. } = &self.place else {
            return None;
        };
        let files = self.files();
        let mut message = match files.certs.len() {
            0 => format!("there is no OpenPGP key in {by}"),
            1 => format!("the one OpenPGP key in {by} is not this {what}"),
            count => format!("none of the {count} OpenPGP keys in {by} is this {what}"),
        };
        let mut hint = None;
        for problem in &files.problems {
            message.push_str("; ");
            message.push_str(&problem.message);
            hint = hint.or_else(|| problem.hint.clone());
        }
        let error = KeyError::new(message);
        Some(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }
}

impl KeyService for OpenPgp {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Pgp { fingerprint } = key else {
            return None;
        };
        match select::find(&self.files().certs, fingerprint) {
            Some(found) => Some(encrypt::encrypt(found, share)),
            None => self.nothing_fits("key").map(Err),
        }
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let MasterKey::Pgp { fingerprint } = &entry.key else {
            return None;
        };
        let certs = &self.files().certs;
        // Held while someone types: who needs the same key waits for it.
        let mut unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        match unlocked.decrypt(certs, fingerprint, &entry.enc, self.prompt.as_deref()) {
            Some(outcome) => Some(outcome),
            None => self.nothing_fits("secret key").map(Err),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let files = self.files.get();
        files
            .map(|files| files.warnings.clone())
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for OpenPgp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenPgp")
            .field("keys", &self.files.get().map(|files| files.certs.len()))
            .finish_non_exhaustive()
    }
}
