//! Native recipients and identities: X25519 keys, written in Bech32.

use std::{fmt, str::FromStr, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bech32::Hrp;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::{
    EncryptError, FileKey, KeyTextError, OpenError, WRAPPED_LEN, bech32 as text, derive, fill,
    header::{Stanza, decode},
    open_file_key, seal_file_key,
};

pub(super) const KIND: &str = "X25519";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT_PREFIX: Hrp = Hrp::parse_unchecked("age");
const IDENTITY_PREFIX: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-");

/// A public key to encrypt for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient(PublicKey);

/// A secret key to decrypt with. Wiped when dropped.
pub(crate) struct Identity {
    secret: StaticSecret,
    /// Computed when it is first needed, which takes as long as parsing a small file does.
    public: OnceLock<PublicKey>,
}

/// What an X25519 stanza holds.
pub(super) struct Wrapped {
    share: PublicKey,
    body: [u8; WRAPPED_LEN],
}

impl Recipient {
    pub(crate) fn wrap(&self, file_key: &FileKey) -> Result<Stanza, EncryptError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        let ephemeral = StaticSecret::from(*bytes);
        let share = PublicKey::from(&ephemeral);
        let shared = ephemeral.diffie_hellman(&self.0);
        if !shared.was_contributory() {
            return Err(EncryptError::WeakRecipient);
        }
        let key = wrap_key(&shared, &share, &self.0);
        Ok(Stanza {
            kind: KIND.to_owned(),
            arguments: vec![STANDARD_NO_PAD.encode(share.as_bytes())],
            body: seal_file_key(&key, file_key),
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
        Self {
            secret: StaticSecret::from(*bytes),
            public: OnceLock::new(),
        }
    }

    pub(crate) fn to_recipient(&self) -> Recipient {
        Recipient(*self.public())
    }

    fn public(&self) -> &PublicKey {
        self.public.get_or_init(|| PublicKey::from(&self.secret))
    }

    /// Appends the text of the key. Growing would leave pieces of it behind: there should be room for 74 characters.
    pub(crate) fn push_text(&self, text: &mut String) {
        text::push(text, IDENTITY_PREFIX, self.secret.as_bytes());
    }

    /// Returns the file key, if the stanza is for this identity. `named` is who the stanza is said to be for, which may not
    /// be so.
    pub(super) fn unwrap(&self, wrapped: &Wrapped, named: Option<&Recipient>) -> Option<FileKey> {
        let shared = self.secret.diffie_hellman(&wrapped.share);
        if !shared.was_contributory() {
            return None;
        }
        let open =
            |public| open_file_key(&wrap_key(&shared, &wrapped.share, public), &wrapped.body);
        // If it opens with the name that it was given, there is no need to know our own.
        let by_name = match self.public.get() {
            None => named.and_then(|recipient| open(&recipient.0)),
            Some(_) => None,
        };
        by_name.or_else(|| open(self.public()))
    }
}

impl Wrapped {
    pub(super) fn read(stanza: &Stanza) -> Result<Self, OpenError> {
        let [share] = &stanza.arguments[..] else {
            return Err(OpenError::Header);
        };
        let share: [u8; 32] = decode(share)
            .and_then(|share| share.try_into().ok())
            .ok_or(OpenError::Header)?;
        let body = stanza.body[..].try_into().map_err(|_| OpenError::Header)?;
        if !is_contributory(&share) {
            return Err(OpenError::Header);
        }
        Ok(Self {
            share: PublicKey::from(share),
            body,
        })
    }
}

/// Whether the secret that is agreed on with this key depends on the other one. With a point of low order it does not.
///
/// To agree on one and look at it would take longer than all the rest that is done for a small file.
pub(super) fn is_contributory(public: &[u8; 32]) -> bool {
    let mut coordinate = *public;
    // The highest bit has no meaning, by RFC 7748.
    coordinate[31] &= 0x7f;
    !LOW_ORDER.contains(&coordinate)
}

/// All coordinates of points whose order divides 8, on the curve or its twist: 0, 1, -1, the two of order 8, and how 0
/// and 1 are written with the prime added.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    ends(1, 0, 0),
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
];

/// A number that has the same byte everywhere but at its ends.
const fn ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Returns the key that wraps the file key.
fn wrap_key(
    shared: &SharedSecret,
    share: &PublicKey,
    recipient: &PublicKey,
) -> Zeroizing<[u8; 32]> {
    let salt = [*share.as_bytes(), *recipient.as_bytes()].concat();
    derive(shared.as_bytes(), &salt, LABEL)
}

impl FromStr for Recipient {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = text::decode(text, RECIPIENT_PREFIX)?;
        Ok(Self(PublicKey::from(*bytes)))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::encode(RECIPIENT_PREFIX, self.0.as_bytes()))
    }
}

impl FromStr for Identity {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let bytes = text::decode(text, IDENTITY_PREFIX)?;
        Ok(Self::from_bytes(&bytes))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks the curve itself. A multiplier that 8 divides, as all are here, takes a point of low order to the neutral
    /// element.
    fn agrees_on_nothing(public: &[u8; 32]) -> bool {
        let secret = StaticSecret::from([1; 32]);
        !secret
            .diffie_hellman(&PublicKey::from(*public))
            .was_contributory()
    }

    #[test]
    fn points_of_low_order_are_known() {
        for point in &LOW_ORDER {
            assert!(agrees_on_nothing(point), "{point:x?}");
            let mut other = *point;
            other[31] |= 0x80;
            for point in [point, &other] {
                assert!(!is_contributory(point), "{point:x?}");
            }
        }
    }

    #[test]
    fn their_neighbours_are_of_use() {
        let steps = (0..=255).flat_map(|byte| [(0, byte), (15, byte), (31, byte)]);
        for ((place, byte), point) in steps.flat_map(|step| LOW_ORDER.map(|point| (step, point))) {
            let mut near = point;
            near[place] = byte;
            assert_eq!(
                is_contributory(&near),
                !agrees_on_nothing(&near),
                "{near:x?}"
            );
        }
    }
}
