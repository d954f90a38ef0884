//! The age file format, version 1 (C2SP, age.md), as far as SOPS needs it: files for X25519 recipients, in memory.

mod armor;
mod header;
mod payload;
mod x25519;

#[cfg(test)]
mod tests;

pub(super) use armor::{from_armor, to_armor};
pub(super) use x25519::{Identity, Recipient};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use header::Header;

/// The key of a file: what a stanza of the header wraps for each recipient.
type FileKey = Zeroizing<[u8; 16]>;

/// Why a file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The armor is damaged.
    Armor,
    /// The header is damaged, or is not one of version 1.
    Header,
    /// The header is not the one that was written.
    HeaderMac,
    /// The content is damaged.
    Payload,
    /// The file is encrypted with a passphrase.
    Passphrase,
    /// None of the identities fits.
    NoMatch,
}

/// Encrypts for recipients.
///
/// # Errors
/// If there is no randomness, or a recipient is a point that gives away its secrets.
pub(super) fn encrypt(
    plaintext: &[u8],
    recipients: &[&Recipient],
) -> Result<Vec<u8>, EncryptError> {
    let mut file_key = FileKey::default();
    fill(&mut *file_key)?;
    let mut stanzas = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        stanzas.push(recipient.wrap(&file_key)?);
    }
    let mut file = Header::new(stanzas).to_bytes(&file_key);
    payload::encrypt(plaintext, &file_key, &mut file)?;
    Ok(file)
}

/// Decrypts with the first identity that fits.
pub(super) fn decrypt(
    file: &[u8],
    identities: &[Identity],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (header, payload) = Header::parse(file)?;
    if header.has_passphrase()? {
        return Err(OpenError::Passphrase);
    }
    let stanzas = x25519::Wrapped::all_of(&header)?;
    let file_key = identities
        .iter()
        .find_map(|identity| stanzas.iter().find_map(|stanza| identity.unwrap(stanza)))
        .ok_or(OpenError::NoMatch)?;
    header.check(&file_key)?;
    payload::decrypt(payload, &file_key)
}

/// Why a file could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EncryptError {
    #[error("the system gives no random numbers")]
    NoRandomness,
    #[error("the recipient is no key that secrets can be encrypted for")]
    WeakRecipient,
}

fn fill(bytes: &mut [u8]) -> Result<(), EncryptError> {
    getrandom::fill(bytes).map_err(|_| EncryptError::NoRandomness)
}

/// HKDF with SHA-256 and 32 bytes of output.
fn derive(secret: &[u8], salt: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(label, &mut *key)
        .expect("32 bytes are not too many");
    key
}
