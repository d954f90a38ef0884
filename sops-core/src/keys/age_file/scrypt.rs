//! Files that are encrypted with a passphrase.

use ::scrypt::{Params, scrypt};
use zeroize::Zeroizing;

use super::{
    FileKey, OpenError, WRAPPED_LEN,
    header::{Stanza, decode},
    open_file_key,
};
use crate::secret::SecretText;

pub(super) const KIND: &str = "scrypt";
const LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const SALT_LEN: usize = 16;
const BLOCK_SIZE: u32 = 8;
const LANES: u32 = 1;

/// The most work that is done for a passphrase: what age itself does. It takes some ten seconds, and 4 GiB.
const MAX_WORK: u8 = 22;

/// What a stanza of this kind holds.
pub(super) struct Wrapped {
    salt: [u8; SALT_LEN],
    parameters: Params,
    body: [u8; WRAPPED_LEN],
}

impl Wrapped {
    pub(super) fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        let [salt, work] = &stanza.arguments[..] else {
            return Err(OpenError::Header);
        };
        let is_number = work.bytes().all(|byte| byte.is_ascii_digit()) && !work.starts_with('0');
        let work = work
            .parse()
            .ok()
            .filter(|&work| is_number && work <= MAX_WORK);
        let parameters = work.and_then(|work| Params::new(work, BLOCK_SIZE, LANES).ok());
        Ok(Self {
            salt: decode(salt)
                .and_then(|salt| salt.try_into().ok())
                .ok_or(OpenError::Header)?,
            parameters: parameters.ok_or(OpenError::Header)?,
            body: stanza.body[..].try_into().map_err(|_| OpenError::Header)?,
        })
    }

    /// Returns the file key, if the passphrase is right.
    pub(super) fn unwrap(&self, passphrase: &SecretText) -> Option<FileKey> {
        let salt = [LABEL, &self.salt].concat();
        let mut key = Zeroizing::new([0; 32]);
        scrypt(
            passphrase.expose().as_bytes(),
            &salt,
            &self.parameters,
            &mut *key,
        )
        .ok()?;
        open_file_key(&key, &self.body)
    }
}
