//! Public keys, as `.pub` files and lists of authorized keys hold them.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use curve25519_dalek::edwards::CompressedEdwardsY;
use rsa::BoxedUint;
use sha2::{Digest, Sha256};
use x25519_dalek::PublicKey;

use super::{ED25519, RSA, Tag, wire::Reader};
use crate::keys::age_file::x25519;

/// The sizes of RSA keys that are used. Smaller ones are too weak; nobody has larger ones.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=16384;

/// A public key to encrypt for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    blob: Vec<u8>,
    pub(super) key: Key,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The key as one of X25519.
    Ed25519(PublicKey),
    Rsa(Box<rsa::PublicKey>),
}

/// Why a text or data is no key to encrypt for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecipientError {
    #[error("SSH keys of this type cannot be used for encryption; ssh-ed25519 and ssh-rsa can")]
    Type,
    #[error("malformed SSH key: it was cut, or something was added")]
    Malformed,
    #[error("the RSA key has less than 2048 bits, which is too weak, or more than 16384")]
    RsaSize,
}

impl Recipient {
    /// Reads the data that a public key consists of.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, RecipientError> {
        let mut reader = Reader(blob);
        let key = match reader.text().ok_or(RecipientError::Malformed)? {
            ED25519 => {
                let point = reader.string().and_then(|point| point.try_into().ok());
                ed25519(point.ok_or(RecipientError::Malformed)?)?
            }
            RSA => {
                let exponent = reader.large_number().ok_or(RecipientError::Malformed)?;
                let modulus = reader.large_number().ok_or(RecipientError::Malformed)?;
                rsa(modulus, exponent)?
            }
            _ => return Err(RecipientError::Type),
        };
        match reader.is_at_end() {
            true => Ok(Self {
                blob: blob.to_vec(),
                key,
            }),
            false => Err(RecipientError::Malformed),
        }
    }

    /// Returns the key of a secret key's Ed25519 point.
    pub(super) fn from_ed25519(point: &[u8; 32]) -> Result<Self, RecipientError> {
        let mut blob = Vec::new();
        push_string(&mut blob, ED25519.as_bytes());
        push_string(&mut blob, point);
        Self::from_blob(&blob)
    }

    /// Returns the key of a secret key's RSA numbers.
    pub(super) fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, RecipientError> {
        let mut blob = Vec::new();
        push_string(&mut blob, RSA.as_bytes());
        for number in [exponent, modulus] {
            // A zero before it, where it would look negative.
            let is_high = number.first().is_some_and(|&first| first >= 0x80);
            let zero: &[u8] = if is_high { &[0] } else { &[] };
            push_string(&mut blob, &[zero, number].concat());
        }
        Self::from_blob(&blob)
    }

    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    pub(super) fn tag(&self) -> Tag {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(&self.blob));
        [a, b, c, d]
    }

    fn kind(&self) -> &'static str {
        match self.key {
            Key::Ed25519(_) => ED25519,
            Key::Rsa(_) => RSA,
        }
    }
}

/// Reads a line of a `.pub` file. The comment in it does not matter.
impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let mut words = text.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default();
        if ![ED25519, RSA].contains(&kind) {
            return Err(RecipientError::Type);
        }
        let blob = words.next().and_then(|word| STANDARD.decode(word).ok());
        let recipient = Self::from_blob(&blob.ok_or(RecipientError::Malformed)?)?;
        match recipient.kind() == kind {
            true => Ok(recipient),
            false => Err(RecipientError::Malformed),
        }
    }
}

/// Writes the key without a comment.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), STANDARD.encode(&self.blob))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

fn ed25519(point: [u8; 32]) -> Result<Key, RecipientError> {
    let point = CompressedEdwardsY(point).decompress();
    let public = point.ok_or(RecipientError::Malformed)?.to_montgomery();
    match x25519::is_contributory(public.as_bytes()) {
        true => Ok(Key::Ed25519(PublicKey::from(public.to_bytes()))),
        false => Err(RecipientError::Malformed),
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Key, RecipientError> {
    if !RSA_BITS.contains(&(modulus.len() * 8)) {
        return Err(RecipientError::RsaSize);
    }
    let (modulus, exponent) = (boxed(modulus), boxed(exponent));
    let (Some(modulus), Some(exponent)) = (modulus, exponent) else {
        return Err(RecipientError::Malformed);
    };
    let key = rsa::PublicKey::new_with_size_limits(modulus, exponent, RSA_BITS);
    key.map(|key| Key::Rsa(Box::new(key)))
        .map_err(|error| match error {
            rsa::Error::ModulusTooSmall | rsa::Error::ModulusTooLarge => RecipientError::RsaSize,
            _ => RecipientError::Malformed,
        })
}

/// Returns a number from its bytes.
pub(super) fn boxed(bytes: &[u8]) -> Option<BoxedUint> {
    let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
    BoxedUint::from_be_slice(bytes, bits.max(1).next_multiple_of(64)).ok()
}

fn push_string(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys are not that long");
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}
