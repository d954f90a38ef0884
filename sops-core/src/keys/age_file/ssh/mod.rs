//! Keys of SSH as recipients and identities: `ssh-ed25519` and `ssh-rsa`.

mod der;
mod pem;
mod private_key;
mod public_key;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use private_key::{LockedKey, PrivateKey, PrivateKeyError, UnlockError};
pub(crate) use public_key::{Recipient, RecipientError};

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use getrandom::SysRng;
use rsa::{
    oaep::{DecryptingKey, EncryptingKey},
    traits::{RandomizedDecryptor, RandomizedEncryptor},
};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{
    EncryptError, FILE_KEY_LEN, FileKey, OpenError, WRAPPED_LEN, derive, fill,
    header::{Stanza, decode},
    open_file_key, seal_file_key, x25519,
};
use public_key::Key;

pub(super) const ED25519: &str = "ssh-ed25519";
pub(super) const RSA: &str = "ssh-rsa";
const ED25519_LABEL: &[u8] = b"age-encryption.org/v1/ssh-ed25519";
const RSA_LABEL: &[u8] = b"age-encryption.org/v1/ssh-rsa";

/// The first bytes of a key's hash, by which a stanza names it.
type Tag = [u8; 4];

/// A secret key to decrypt with. Wiped when dropped.
pub(crate) struct Identity {
    recipient: Recipient,
    secret: Secret,
}

enum Secret {
    Ed25519(StaticSecret),
    Rsa(Box<DecryptingKey<Sha256>>),
}

/// What a stanza of this kind holds.
pub(super) struct Wrapped {
    tag: Tag,
    body: Body,
}

enum Body {
    Ed25519 {
        share: PublicKey,
        body: [u8; WRAPPED_LEN],
    },
    Rsa(Vec<u8>),
}

impl Recipient {
    pub(crate) fn wrap(&self, file_key: &FileKey) -> Result<Stanza, EncryptError> {
        let tag = STANDARD_NO_PAD.encode(self.tag());
        match &self.key {
            Key::Ed25519(public) => {
                let mut bytes = Zeroizing::new([0; 32]);
                fill(&mut *bytes)?;
                let ephemeral = StaticSecret::from(*bytes);
                let share = PublicKey::from(&ephemeral);
                let key = self
                    .wrap_key(&ephemeral, public, &share, public)
                    .ok_or(EncryptError::WeakRecipient)?;
                Ok(Stanza {
                    kind: ED25519.to_owned(),
                    arguments: vec![tag, STANDARD_NO_PAD.encode(share.as_bytes())],
                    body: seal_file_key(&key, file_key),
                })
            }
            Key::Rsa(public) => {
                // Where there is no randomness, this says so; what fails below is the key.
                fill(&mut [0; 1])?;
                let key = EncryptingKey::<Sha256>::new_with_label((**public).clone(), RSA_LABEL);
                let body = key
                    .encrypt_with_rng(&mut SysRng, &**file_key)
                    .map_err(|_| EncryptError::WeakRecipient)?;
                Ok(Stanza {
                    kind: RSA.to_owned(),
                    arguments: vec![tag],
                    body,
                })
            }
        }
    }

    /// Returns the key that wraps the file key; `None` if the secret would not depend on both sides. It is tied to this
    /// key of SSH by one more agreement.
    fn wrap_key(
        &self,
        secret: &StaticSecret,
        public: &PublicKey,
        share: &PublicKey,
        recipient: &PublicKey,
    ) -> Option<Zeroizing<[u8; 32]>> {
        let shared = secret.diffie_hellman(public);
        if !shared.was_contributory() {
            return None;
        }
        let tweak = StaticSecret::from(*derive(&[], self.blob(), ED25519_LABEL));
        let tweaked = tweak.diffie_hellman(&PublicKey::from(*shared.as_bytes()));
        let salt = [*share.as_bytes(), *recipient.as_bytes()].concat();
        Some(derive(tweaked.as_bytes(), &salt, ED25519_LABEL))
    }
}

impl Identity {
    pub(crate) fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Returns the file key, if the stanza is for this identity.
    pub(super) fn unwrap(&self, wrapped: &Wrapped) -> Option<FileKey> {
        if !wrapped.is_for(&self.recipient) {
            return None;
        }
        match (&self.secret, &self.recipient.key, &wrapped.body) {
            (Secret::Ed25519(secret), Key::Ed25519(public), Body::Ed25519 { share, body }) => {
                let key = self.recipient.wrap_key(secret, share, share, public)?;
                open_file_key(&key, body)
            }
            (Secret::Rsa(secret), Key::Rsa(_), Body::Rsa(body)) => {
                let opened = secret.decrypt_with_rng(&mut SysRng, body).ok()?;
                let opened = Zeroizing::new(opened);
                let mut file_key = FileKey::default();
                if opened.len() != FILE_KEY_LEN {
                    return None;
                }
                file_key.copy_from_slice(&opened);
                Some(file_key)
            }
            _ => None,
        }
    }
}

impl Wrapped {
    pub(super) fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        let read_tag = |tag: &str| {
            let bytes = decode(tag).and_then(|tag| Tag::try_from(tag).ok());
            bytes.ok_or(OpenError::Header)
        };
        match (stanza.kind.as_str(), &stanza.arguments[..]) {
            (ED25519, [tag, share]) => {
                let share: [u8; 32] = decode(share)
                    .and_then(|share| share.try_into().ok())
                    .ok_or(OpenError::Header)?;
                if !x25519::is_contributory(&share) {
                    return Err(OpenError::Header);
                }
                Ok(Self {
                    tag: read_tag(tag)?,
                    body: Body::Ed25519 {
                        share: PublicKey::from(share),
                        body: stanza.body[..].try_into().map_err(|_| OpenError::Header)?,
                    },
                })
            }
            (RSA, [tag]) => Ok(Self {
                tag: read_tag(tag)?,
                body: Body::Rsa(stanza.body.clone()),
            }),
            _ => Err(OpenError::Header),
        }
    }

    pub(super) fn is_for(&self, recipient: &Recipient) -> bool {
        let is_same_kind = matches!(
            (&self.body, &recipient.key),
            (Body::Ed25519 { .. }, Key::Ed25519(_)) | (Body::Rsa(_), Key::Rsa(_))
        );
        is_same_kind && self.tag == recipient.tag()
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([REDACTED])")
    }
}
