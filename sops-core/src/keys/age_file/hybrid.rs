//! Post-quantum recipients and identities: ML-KEM-768 and X25519 together, through HPKE.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bech32::Hrp;
use getrandom::{SysRng, rand_core::UnwrapErr};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::XWing,
};
use zeroize::Zeroizing;

use super::{
    EncryptError, FILE_KEY_LEN, FileKey, KeyTextError, OpenError, WRAPPED_LEN, bech32 as text,
    fill,
    header::{Stanza, decode},
    x25519,
};

pub(super) const KIND: &str = "mlkem768x25519";
const LABEL: &[u8] = b"age-encryption.org/mlkem768x25519";
const RECIPIENT_PREFIX: Hrp = Hrp::parse_unchecked("age1pq");
const IDENTITY_PREFIX: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-PQ-");

const SEED_LEN: usize = 32;
const PUBLIC_LEN: usize = 1216;
const ENCAPSULATED_LEN: usize = 1120;
/// Both of the above end with an X25519 key.
const X25519_LEN: usize = 32;

type PublicKey = <XWing as Kem>::PublicKey;
type PrivateKey = <XWing as Kem>::PrivateKey;
type Encapsulated = <XWing as Kem>::EncappedKey;

/// A public key to encrypt for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient(PublicKey);

/// A secret key to decrypt with. Wiped when dropped.
pub(crate) struct Identity {
    seed: Zeroizing<[u8; SEED_LEN]>,
    secret: PrivateKey,
}

/// What a stanza of this kind holds.
pub(super) struct Wrapped {
    encapsulated: Encapsulated,
    body: [u8; WRAPPED_LEN],
}

impl Recipient {
    pub(crate) fn wrap(&self, file_key: &FileKey) -> Result<Stanza, EncryptError> {
        // Where there is no randomness, this says so before the generator below could panic.
        fill(&mut [0; 1])?;
        let (encapsulated, body) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
                &OpModeS::Base,
                &self.0,
                LABEL,
                &**file_key,
                &[],
                &mut UnwrapErr(SysRng),
            )
            .map_err(|_| EncryptError::WeakRecipient)?;
        Ok(Stanza {
            kind: KIND.to_owned(),
            arguments: vec![STANDARD_NO_PAD.encode(encapsulated.to_bytes())],
            body,
        })
    }
}

impl Identity {
    pub(crate) fn generate() -> Result<Self, EncryptError> {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        fill(&mut *seed)?;
        Ok(Self::from_seed(seed))
    }

    fn from_seed(seed: Zeroizing<[u8; SEED_LEN]>) -> Self {
        let secret = PrivateKey::from_bytes(&*seed).expect("every seed of this length is a key");
        Self { seed, secret }
    }

    pub(crate) fn to_recipient(&self) -> Recipient {
        Recipient(XWing::sk_to_pk(&self.secret))
    }

    /// Appends the text of the key. Growing would leave pieces of it behind: there should be room for 77 characters.
    pub(crate) fn push_text(&self, text: &mut String) {
        text::push(text, IDENTITY_PREFIX, &*self.seed);
    }

    /// Returns the file key, if the stanza is for this identity.
    pub(super) fn unwrap(&self, wrapped: &Wrapped) -> Option<FileKey> {
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.secret,
            &wrapped.encapsulated,
            LABEL,
            &wrapped.body,
            &[],
        );
        let opened = Zeroizing::new(opened.ok()?);
        let mut file_key = FileKey::default();
        file_key.copy_from_slice(opened.get(..FILE_KEY_LEN)?);
        Some(file_key)
    }
}

impl Wrapped {
    pub(super) fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        let [encapsulated] = &stanza.arguments[..] else {
            return Err(OpenError::Header);
        };
        let bytes: [u8; ENCAPSULATED_LEN] = decode(encapsulated)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(OpenError::Header)?;
        let (_, share) = bytes
            .split_last_chunk::<X25519_LEN>()
            .ok_or(OpenError::Header)?;
        if !x25519::is_contributory(share) {
            return Err(OpenError::Header);
        }
        Ok(Self {
            encapsulated: Encapsulated::from_bytes(&bytes).map_err(|_| OpenError::Header)?,
            body: stanza.body[..].try_into().map_err(|_| OpenError::Header)?,
        })
    }
}

impl FromStr for Recipient {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = text::decode::<PUBLIC_LEN>(text, RECIPIENT_PREFIX)?;
        let (_, x25519_part) = bytes.split_last_chunk::<X25519_LEN>().ok_or(KeyTextError)?;
        let key = PublicKey::from_bytes(&*bytes).map_err(|_| KeyTextError)?;
        // Numbers that are too large would be taken for smaller ones.
        (x25519::is_contributory(x25519_part) && key.to_bytes()[..] == bytes[..])
            .then_some(Self(key))
            .ok_or(KeyTextError)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::encode(RECIPIENT_PREFIX, &self.0.to_bytes()))
    }
}

impl FromStr for Identity {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        text::decode(text, IDENTITY_PREFIX).map(Self::from_seed)
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
        f.write_str("Recipient(age1pq1…)")
    }
}
