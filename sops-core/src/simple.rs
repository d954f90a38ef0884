//! The one-call API.

use crate::{
    document::{DecryptOptions, EncryptOptions, EncryptedFile, PlainFile},
    error::Error,
    format::Format,
    keys::Keyring,
    plaintext::Plaintext,
};

/// Decrypts a file: recovers the data key with `keyring`, decrypts every value, checks the MAC.
///
/// # Errors
/// See [`EncryptedFile::parse`], [`EncryptedFile::unlock`] and [`Unlocked::decrypt`](crate::Unlocked::decrypt).
pub fn decrypt(bytes: &[u8], format: Format, keyring: &Keyring) -> Result<Plaintext, Error> {
    EncryptedFile::parse(bytes, format)?
        .unlock(keyring)?
        .decrypt(&DecryptOptions::default())
}

/// Encrypts a file under a new data key.
///
/// The result differs from `bytes` where a value or comment is encrypted, and by the `sops` block; decrypting it gives
/// `bytes` back. Warnings are dropped; [`PlainFile::encrypt`] returns them.
///
/// # Errors
/// See [`PlainFile::parse`] and [`PlainFile::encrypt`].
pub fn encrypt(
    bytes: &[u8],
    format: Format,
    options: &EncryptOptions,
    keyring: &Keyring,
) -> Result<Vec<u8>, Error> {
    Ok(PlainFile::parse(bytes, format)?
        .encrypt(options, keyring)?
        .bytes)
}
