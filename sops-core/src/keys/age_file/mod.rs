//! The age file format, version 1 (C2SP, age.md), in memory.

mod armor;
mod bech32;
mod header;
pub(super) mod hybrid;
mod payload;
mod scrypt;
pub(super) mod ssh;
pub(super) mod x25519;

#[cfg(test)]
mod tests;

pub(super) use armor::{from_armor, to_armor};
pub(super) use bech32::{one_wrong_character, prefix as bech32_prefix};
pub(super) use header::{Stanza, VERSION, decode as decode_unpadded};

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::SecretText;
use header::Header;

const FILE_KEY_LEN: usize = 16;
const TAG_LEN: usize = 16;
/// A file key with its tag.
const WRAPPED_LEN: usize = FILE_KEY_LEN + TAG_LEN;

/// The key of a file: what a stanza of the header wraps for each recipient.
pub(super) type FileKey = Zeroizing<[u8; FILE_KEY_LEN]>;

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
}

/// Why a file could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EncryptError {
    #[error("the system gives no random numbers")]
    NoRandomness,
    #[error("the recipient is no key that secrets can be encrypted for")]
    WeakRecipient,
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyTextError;

/// Encrypts for the recipients that `wrap` wraps the file key for.
pub(super) fn seal<E: From<EncryptError>>(
    plaintext: &[u8],
    wrap: impl FnOnce(&FileKey) -> Result<Vec<Stanza>, E>,
) -> Result<Vec<u8>, E> {
    let mut file_key = FileKey::default();
    fill(&mut *file_key)?;
    let mut file = Header::new(wrap(&file_key)?).to_bytes(&file_key);
    payload::encrypt(plaintext, &file_key, &mut file)?;
    Ok(file)
}

/// A file that was read, but not opened.
pub(super) struct Sealed {
    header: Header,
    wrapped: Vec<Wrapped>,
    payload: Vec<u8>,
}

/// What a stanza holds, if it is of a kind that is known here.
enum Wrapped {
    X25519(x25519::Wrapped),
    Hybrid(Box<hybrid::Wrapped>),
    Ssh(ssh::Wrapped),
    Passphrase(scrypt::Wrapped),
    Other,
}

impl Sealed {
    /// Reads a file. A malformed stanza spoils it, if it is of a known kind.
    pub(super) fn parse(file: &[u8]) -> Result<Self, OpenError> {
        let (header, payload) = Header::parse(file)?;
        header.check_passphrase_is_alone()?;
        let wrapped = header.stanzas.iter().map(Wrapped::read);
        Ok(Self {
            wrapped: wrapped.collect::<Result<_, _>>()?,
            payload: payload.to_vec(),
            header,
        })
    }

    pub(super) fn stanzas(&self) -> &[Stanza] {
        &self.header.stanzas
    }

    /// Whether it is encrypted with a passphrase, and nothing else.
    pub(super) fn has_passphrase(&self) -> bool {
        matches!(self.wrapped[..], [Wrapped::Passphrase(_)])
    }

    /// Whether it is encrypted for some key of SSH.
    pub(super) fn has_ssh(&self) -> bool {
        self.ssh().next().is_some()
    }

    /// Whether it is encrypted for this key, by the first bytes of the key's hash.
    pub(super) fn is_for(&self, key: &ssh::Recipient) -> bool {
        self.ssh().any(|wrapped| wrapped.is_for(key))
    }

    /// Returns the file key, if a stanza is for this identity. `named` is whom the file is said to be for.
    pub(super) fn unwrap(&self, identity: &Identity, named: &str) -> Option<FileKey> {
        self.wrapped
            .iter()
            .find_map(|wrapped| match (identity, wrapped) {
                (Identity::X25519(identity), Wrapped::X25519(wrapped)) => {
                    identity.unwrap(wrapped, named.parse().ok().as_ref())
                }
                (Identity::Hybrid(identity), Wrapped::Hybrid(wrapped)) => identity.unwrap(wrapped),
                (Identity::Ssh(identity), Wrapped::Ssh(wrapped)) => identity.unwrap(wrapped),
                _ => None,
            })
    }

    /// Returns the file key, if it is encrypted with this passphrase. Takes as long as the file says.
    pub(super) fn unwrap_passphrase(&self, passphrase: &SecretText) -> Option<FileKey> {
        match &self.wrapped[..] {
            [Wrapped::Passphrase(wrapped)] => wrapped.unwrap(passphrase),
            _ => None,
        }
    }

    /// Decrypts the content.
    pub(super) fn open(&self, file_key: &FileKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.header.check(file_key)?;
        payload::decrypt(&self.payload, file_key)
    }

    fn ssh(&self) -> impl Iterator<Item = &ssh::Wrapped> {
        self.wrapped.iter().filter_map(|wrapped| match wrapped {
            Wrapped::Ssh(wrapped) => Some(wrapped),
            _ => None,
        })
    }
}

impl Wrapped {
    fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        match stanza.kind.as_str() {
            x25519::KIND => x25519::Wrapped::read(stanza).map(Self::X25519),
            hybrid::KIND => hybrid::Wrapped::read(stanza)
                .map(Box::new)
                .map(Self::Hybrid),
            ssh::ED25519 | ssh::RSA => ssh::Wrapped::read(stanza).map(Self::Ssh),
            scrypt::KIND => scrypt::Wrapped::read(stanza).map(Self::Passphrase),
            _ => Ok(Self::Other),
        }
    }
}

/// A secret key that is at hand.
#[derive(Debug)]
pub(super) enum Identity {
    X25519(x25519::Identity),
    Hybrid(Box<hybrid::Identity>),
    Ssh(ssh::Identity),
}

impl Identity {
    /// Returns the public key, as a recipient is written.
    pub(super) fn recipient(&self) -> String {
        match self {
            Self::X25519(identity) => identity.to_recipient().to_string(),
            Self::Hybrid(identity) => identity.to_recipient().to_string(),
            Self::Ssh(identity) => identity.recipient().to_string(),
        }
    }
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

/// Encrypts a file key, with a key that is used for nothing else.
fn seal_file_key(key: &[u8; 32], file_key: &FileKey) -> Vec<u8> {
    let mut body = file_key.to_vec();
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached((&[0; 12]).into(), &[], body.as_mut_slice().into())
        .expect("a file key is not too long");
    body.extend_from_slice(&tag);
    body
}

/// Decrypts a file key, if the key is right.
fn open_file_key(key: &[u8; 32], body: &[u8; WRAPPED_LEN]) -> Option<FileKey> {
    let (body, tag) = body.split_last_chunk::<TAG_LEN>()?;
    let mut file_key = FileKey::default();
    file_key.copy_from_slice(body);
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(
            (&[0; 12]).into(),
            &[],
            file_key.as_mut_slice().into(),
            tag.into(),
        )
        .ok()?;
    Some(file_key)
}
