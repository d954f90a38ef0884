//! Native recipients and identities: X25519 keys, written in Bech32.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bech32::{Bech32, Hrp, primitives::decode::CheckedHrpstring};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{
    EncryptError, FileKey, OpenError, derive, fill,
    header::{Header, Stanza, decode},
};

const KIND: &str = "X25519";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT_PREFIX: Hrp = Hrp::parse_unchecked("age");
const IDENTITY_PREFIX: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-");

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyTextError;

/// A public key to encrypt for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient(PublicKey);

/// A secret key to decrypt with. Wiped when dropped.
pub(crate) struct Identity {
    secret: StaticSecret,
    public: PublicKey,
}

/// What an X25519 stanza holds.
pub(super) struct Wrapped {
    share: PublicKey,
    body: [u8; BODY_LEN],
}

const TAG_LEN: usize = 16;
const BODY_LEN: usize = 16 + TAG_LEN;

impl Recipient {
    pub(super) fn wrap(&self, file_key: &FileKey) -> Result<Stanza, EncryptError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let ephemeral = StaticSecret::from(*bytes);
        let share = PublicKey::from(&ephemeral);
        let key =
            wrap_key(&ephemeral, &self.0, &share, &self.0).ok_or(EncryptError::WeakRecipient)?;
        let mut body = file_key.to_vec();
        let tag = ChaCha20Poly1305::new((&*key).into())
            .encrypt_inout_detached((&[0; 12]).into(), &[], body.as_mut_slice().into())
            .expect("a file key is not too long");
        body.extend_from_slice(&tag);
        Ok(Stanza {
            kind: KIND.to_owned(),
            arguments: vec![STANDARD_NO_PAD.encode(share.as_bytes())],
            body,
        })
    }
}

impl Identity {
    pub(crate) fn generate() -> Result<Self, EncryptError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*bytes);
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }

    pub(crate) fn to_recipient(&self) -> Recipient {
        Recipient(self.public)
    }

    /// Appends the text of the key. Growing would leave pieces of it behind: there should be room for 74 characters.
    pub(crate) fn push_text(&self, text: &mut String) {
        bech32::encode_upper_to_fmt::<Bech32, _>(text, IDENTITY_PREFIX, self.secret.as_bytes())
            .expect("32 bytes are not too long, and writing to a text does not fail");
    }

    /// Returns the file key, if the stanza is for this identity.
    pub(super) fn unwrap(&self, wrapped: &Wrapped) -> Option<FileKey> {
        let key = wrap_key(&self.secret, &wrapped.share, &wrapped.share, &self.public)?;
        let (body, tag) = wrapped.body.split_last_chunk::<TAG_LEN>()?;
        let mut file_key = FileKey::default();
        file_key.copy_from_slice(body);
        ChaCha20Poly1305::new((&*key).into())
            .decrypt_inout_detached(
                (&[0; 12]).into(),
                &[],
                file_key.as_mut_slice().into(),
                tag.into(),
            )
            .ok()?;
        Some(file_key)
    }
}

impl Wrapped {
    /// Reads all X25519 stanzas of a header; one that is malformed spoils the file.
    pub(super) fn all_of(header: &Header) -> Result<Vec<Self>, OpenError> {
        let stanzas = header.stanzas.iter().filter(|stanza| stanza.kind == KIND);
        stanzas.map(Self::read).collect()
    }

    fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        let [share] = &stanza.arguments[..] else {
            return Err(OpenError::Header);
        };
        let share: [u8; 32] = decode(share)
            .and_then(|share| share.try_into().ok())
            .ok_or(OpenError::Header)?;
        let body = stanza.body[..].try_into().map_err(|_| OpenError::Header)?;
        // A point of low order gives the same secret with every key.
        if !StaticSecret::from([1; 32])
            .diffie_hellman(&PublicKey::from(share))
            .was_contributory()
        {
            return Err(OpenError::Header);
        }
        Ok(Self {
            share: PublicKey::from(share),
            body,
        })
    }
}

/// Returns the key that wraps the file key; `None` if the secret would not depend on both sides.
fn wrap_key(
    secret: &StaticSecret,
    public: &PublicKey,
    share: &PublicKey,
    recipient: &PublicKey,
) -> Option<Zeroizing<[u8; 32]>> {
    let shared = secret.diffie_hellman(public);
    let salt = [*share.as_bytes(), *recipient.as_bytes()].concat();
    shared
        .was_contributory()
        .then(|| derive(shared.as_bytes(), &salt, LABEL))
}

impl FromStr for Recipient {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = from_bech32(text, RECIPIENT_PREFIX)?;
        let recipient = Self(PublicKey::from(*bytes));
        (recipient.to_string() == text)
            .then_some(recipient)
            .ok_or(KeyTextError)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode_lower::<Bech32>(RECIPIENT_PREFIX, self.0.as_bytes());
        f.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Identity {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = from_bech32(text, IDENTITY_PREFIX)?;
        let identity = Self::from_bytes(&bytes);
        let mut written = Zeroizing::new(String::with_capacity(text.len()));
        identity.push_text(&mut written);
        (written.as_str() == text)
            .then_some(identity)
            .ok_or(KeyTextError)
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([REDACTED])")
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

fn from_bech32(text: &str, prefix: Hrp) -> Result<Zeroizing<[u8; 32]>, KeyTextError> {
    let checked = CheckedHrpstring::new::<Bech32>(text).map_err(|_| KeyTextError)?;
    if checked.hrp() != prefix {
        return Err(KeyTextError);
    }
    let mut key = Zeroizing::new([0; 32]);
    let mut bytes = checked.byte_iter();
    for byte in key.iter_mut() {
        *byte = bytes.next().ok_or(KeyTextError)?;
    }
    match bytes.next() {
        None => Ok(key),
        Some(_) => Err(KeyTextError),
    }
}
