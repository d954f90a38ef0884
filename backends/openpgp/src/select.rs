//! Which key a fingerprint names, and whether it may be encrypted for.

use std::time::UNIX_EPOCH;

use sequoia_openpgp::{
    Cert, KeyHandle,
    cert::{
        ValidCert,
        amalgamation::{ValidAmalgamation, key::ValidErasedKeyAmalgamation},
    },
    packet::{Key, key},
    policy::StandardPolicy,
    types::RevocationStatus,
};
use sops_core::keys::KeyError;

use crate::key_files::said_by;

/// Lengths, in digits, of what names a key.
const KEY_ID: usize = 16;
const FINGERPRINT: usize = 40;
const LONG_FINGERPRINT: usize = 64;

type PublicKey = Key<key::PublicParts, key::UnspecifiedRole>;

/// A key that a fingerprint names.
pub(crate) struct Found<'a> {
    cert: &'a Cert,
    /// This very one, if the fingerprint ends in `!`.
    forced: Option<KeyHandle>,
}

/// Finds the key with a fingerprint or key ID, its own or that of a subkey.
pub(crate) fn find<'a>(certs: &'a [Cert], fingerprint: &str) -> Option<Found<'a>> {
    let text: String = fingerprint.split_whitespace().collect();
    let digits = text.strip_suffix('!');
    let is_forced = digits.is_some();
    let digits = digits.unwrap_or(&text);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    // Shorter ones would do for the library, and could mean any key.
    if ![KEY_ID, FINGERPRINT, LONG_FINGERPRINT].contains(&digits.len()) {
        return None;
    }
    let handle: KeyHandle = digits.parse().ok()?;
    let cert = certs.iter().find(|cert| {
        cert.keys()
            .any(|key| key.key().key_handle().aliases(&handle))
    })?;
    Some(Found {
        cert,
        forced: is_forced.then_some(handle),
    })
}

impl Found<'_> {
    /// Returns the newest subkey for encryption, or the one that is asked for.
    ///
    /// # Errors
    ///
    /// Fails if the key has expired, is revoked, or is not for encryption, and says which.
    pub(crate) fn encryption_key(&self) -> Result<PublicKey, KeyError> {
        let policy = StandardPolicy::new();
        let owner = owner(self.cert);
        let refused = |what: String, hint: &str| KeyError::new(what).with_hint(hint);
        let renew = "get a copy that has been extended, and export it again";
        let cert = self.cert.with_policy(&policy, None).map_err(|error| {
            refused(
                format!("the key{owner} is not valid: {}", said_by(&error)),
                "use another key of its owner",
            )
        })?;
        if let RevocationStatus::Revoked(_) = cert.revocation_status() {
            return Err(refused(
                format!("the key{owner} has been revoked"),
                "use another key of its owner, or a newer copy of this one",
            ));
        }
        if cert.alive().is_err() {
            let when = expiry(&cert.primary_key().into());
            return Err(refused(format!("the key{owner} has expired{when}"), renew));
        }
        let candidates = self.candidates(&cert);
        let usable = candidates
            .iter()
            .filter(|key| {
                key.alive().is_ok() && !is_revoked(key) && key.key().pk_algo().is_supported()
            })
            .max_by_key(|key| key.key().creation_time());
        if let Some(key) = usable {
            return Ok(key.key().parts_as_public().role_as_unspecified().clone());
        }
        Err(match candidates.first() {
            None if self.forced.is_some() => refused(
                format!(
                    "this one of the keys{owner} is not for encryption, and the ! asks for it alone"
                ),
                "leave out the !, or name a subkey that is for encryption",
            ),
            None => refused(
                format!("the key{owner} is not for encryption: it can only sign or certify"),
                "its owner can add a subkey: `gpg --quick-add-key FINGERPRINT cv25519 encr`",
            ),
            Some(key) if is_revoked(key) => refused(
                format!("the subkey for encryption of the key{owner} has been revoked"),
                "use another key of its owner, or a newer copy of this one",
            ),
            Some(key) if key.alive().is_err() => refused(
                format!(
                    "the key{owner} has no valid subkey for encryption: it has expired{}",
                    expiry(key)
                ),
                renew,
            ),
            Some(key) => refused(
                format!(
                    "{} keys, as the one{owner} is, are supported through gpg only",
                    key.key().pk_algo()
                ),
                "install GnuPG and import the key, or unset SOPS_PGP_KEY_FILE",
            ),
        })
    }

    /// The keys that are for encryption, be they usable or not.
    fn candidates<'b>(
        &self,
        cert: &ValidCert<'b>,
    ) -> Vec<ValidErasedKeyAmalgamation<'b, key::PublicParts>> {
        cert.keys()
            .for_storage_encryption()
            .for_transport_encryption()
            .filter(|key| match &self.forced {
                Some(handle) => key.key().key_handle().aliases(handle),
                None => true,
            })
            .collect()
    }
}

fn is_revoked(key: &ValidErasedKeyAmalgamation<'_, key::PublicParts>) -> bool {
    matches!(key.revocation_status(), RevocationStatus::Revoked(_))
}

/// The first user ID, in brackets after a blank.
pub(crate) fn owner(cert: &Cert) -> String {
    let name = cert.userids().next().map(|user| {
        let text = String::from_utf8_lossy(user.userid().value()).into_owned();
        text.chars()
            .filter(|letter| !letter.is_control())
            .collect::<String>()
    });
    name.map_or_else(String::new, |name| format!(" ({name})"))
}

/// When a key expired, after a blank.
fn expiry(key: &ValidErasedKeyAmalgamation<'_, key::PublicParts>) -> String {
    let time = key.key_expiration_time();
    let seconds = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    match seconds {
        Some(seconds) => {
            let time = sops_core::rfc3339(UNIX_EPOCH + seconds);
            format!(" on {}", time.split('T').next().unwrap_or_default())
        }
        None => String::new(),
    }
}
