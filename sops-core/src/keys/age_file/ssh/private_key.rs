//! Private keys, as `ssh-keygen` writes them: in the format of OpenSSH, or in an older one.

use aes::Aes256;
use ctr::cipher::{KeyIvInit, StreamCipher};
use curve25519_dalek::edwards::EdwardsPoint;
use rsa::oaep::DecryptingKey;
use sha2::{Digest, Sha512};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::{
    ED25519, Identity, RSA, RSA_LABEL, Recipient, RecipientError, Secret, der,
    pem::{Pem, PemEncryption, decrypt_cbc},
    public_key::boxed,
    wire::{Reader, without_zeros},
};
use crate::secret::SecretText;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What the contents of an encrypted key are a multiple of, and of one that is not.
const CIPHER_BLOCK: usize = 16;
const KEY_LEN: usize = 32;
/// The most rounds of bcrypt that are computed: some minutes. The usual number is 16 or 24.
const MAX_ROUNDS: u32 = 10_000;

const ID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A private key that was read.
#[derive(Debug)]
pub(crate) enum PrivateKey {
    Open(Identity),
    Locked(LockedKey),
    Nameless(NamelessKey),
}

/// A private key that needs a passphrase, and does not say without it which public key is its own: the older format.
#[derive(Debug)]
pub(crate) struct NamelessKey(Encrypted);

/// A private key that needs a passphrase. Its public key does not.
pub(crate) struct LockedKey {
    recipient: Recipient,
    pub(super) content: Encrypted,
}

/// The secret part of a private key, encrypted with a passphrase.
pub(super) struct Encrypted {
    encryption: Encryption,
    pub(super) bytes: Vec<u8>,
}

enum Encryption {
    OpenSsh {
        cipher: Cipher,
        salt: Vec<u8>,
        rounds: u32,
    },
    Pem(PemEncryption),
}

#[derive(Clone, Copy)]
enum Cipher {
    Ctr,
    Cbc,
}

/// Why a text is no private key that can be used. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivateKeyError {
    #[error("not a private key of SSH")]
    NoKey,
    #[error("a damaged private key of SSH")]
    Damaged,
    #[error("{0}")]
    Recipient(#[from] RecipientError),
    #[error("a private key of SSH with a passphrase in the old format, without its public key")]
    OldPassphrase,
    #[error("a private key of SSH with a passphrase, encrypted in an unknown way")]
    Cipher,
}

impl PrivateKeyError {
    /// Returns what to do about it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::NoKey | Self::Damaged => {
                "name a file with a private key, such as ~/.ssh/id_ed25519"
            }
            Self::Recipient(_) => {
                "make a key with `sops keygen` or `ssh-keygen -t ed25519`, and have the files encrypted for that"
            }
            Self::OldPassphrase => {
                "`ssh-keygen -p -f FILE` writes it in the new format; the passphrase can stay the same"
            }
            Self::Cipher => {
                "`ssh-keygen -p -Z aes256-ctr -f FILE` encrypts it anew; the passphrase can stay the same"
            }
        }
    }
}

/// Why a key was not unlocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnlockError {
    Passphrase,
    Damaged,
    /// It is the key to another public key than the one that was given for it.
    OtherKey,
}

impl PrivateKey {
    /// Reads the text of a private key.
    pub(crate) fn parse(text: &str) -> Result<Self, PrivateKeyError> {
        let pem = Pem::parse(text)?;
        let open = match (pem.label, pem.encryption) {
            ("OPENSSH PRIVATE KEY", None) => return Self::from_openssh(&pem.content),
            ("RSA PRIVATE KEY", Some(encryption)) => {
                return Ok(Self::Nameless(NamelessKey(Encrypted {
                    encryption: Encryption::Pem(encryption),
                    bytes: pem.content.to_vec(),
                })));
            }
            ("RSA PRIVATE KEY", None) => from_pkcs1(&pem.content),
            ("PRIVATE KEY", None) => from_pkcs8(&pem.content),
            ("EC PRIVATE KEY" | "DSA PRIVATE KEY", _) => Err(RecipientError::Type.into()),
            ("ENCRYPTED PRIVATE KEY", None) => Err(PrivateKeyError::Cipher),
            _ => Err(PrivateKeyError::NoKey),
        };
        open.map(Self::Open)
    }

    fn from_openssh(content: &[u8]) -> Result<Self, PrivateKeyError> {
        use PrivateKeyError::Damaged;

        let content = content.strip_prefix(MAGIC).ok_or(Damaged)?;
        let mut reader = Reader(content);
        let cipher = reader.text().ok_or(Damaged)?;
        let derivation = reader.text().ok_or(Damaged)?;
        let options = reader.string().ok_or(Damaged)?;
        if reader.number() != Some(1) {
            return Err(Damaged);
        }
        let recipient = Recipient::from_blob(reader.string().ok_or(Damaged)?)?;
        let private = reader.string().ok_or(Damaged)?;
        // Some ciphers have a tag behind; none of those is known here.
        let cipher = match (cipher, derivation) {
            ("none", "none") => {
                return match contents(private, &recipient) {
                    Some(identity) => Ok(Self::Open(identity)),
                    None => Err(Damaged),
                };
            }
            ("aes256-ctr", "bcrypt") => Cipher::Ctr,
            ("aes256-cbc", "bcrypt") => Cipher::Cbc,
            _ => return Err(PrivateKeyError::Cipher),
        };
        let mut options = Reader(options);
        let salt = options.string().ok_or(Damaged)?;
        let rounds = options.number().ok_or(Damaged)?;
        if salt.is_empty()
            || !(1..=MAX_ROUNDS).contains(&rounds)
            || private.is_empty()
            || !private.len().is_multiple_of(CIPHER_BLOCK)
        {
            return Err(Damaged);
        }
        Ok(Self::Locked(LockedKey {
            recipient,
            content: Encrypted {
                encryption: Encryption::OpenSsh {
                    cipher,
                    salt: salt.to_vec(),
                    rounds,
                },
                bytes: private.to_vec(),
            },
        }))
    }
}

impl NamelessKey {
    /// Takes `recipient` for its public key.
    pub(crate) fn with_public_key(self, recipient: Recipient) -> LockedKey {
        LockedKey {
            recipient,
            content: self.0,
        }
    }
}

impl LockedKey {
    pub(crate) fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// Decrypts the key. Takes as long as the file says.
    pub(crate) fn unlock(&self, passphrase: &SecretText) -> Result<Identity, UnlockError> {
        let Encrypted { encryption, bytes } = &self.content;
        let mut private = Zeroizing::new(bytes.clone());
        match encryption {
            Encryption::OpenSsh {
                cipher,
                salt,
                rounds,
            } => {
                cipher.decrypt(&mut private, passphrase, salt, *rounds)?;
                // Two equal numbers say that the passphrase is right.
                let mut reader = Reader(&private);
                let checks = (reader.number(), reader.number());
                if checks.0 != checks.1 {
                    return Err(UnlockError::Passphrase);
                }
                contents(&private, &self.recipient).ok_or(UnlockError::Damaged)
            }
            Encryption::Pem(encryption) => {
                // Nothing says that the passphrase is right but that the result makes sense.
                let private = encryption
                    .decrypt(&mut private, passphrase)
                    .filter(|private| pkcs1_numbers(private).is_some())
                    .ok_or(UnlockError::Passphrase)?;
                let identity = from_pkcs1(private).map_err(|_| UnlockError::Damaged)?;
                match identity.recipient == self.recipient {
                    true => Ok(identity),
                    false => Err(UnlockError::OtherKey),
                }
            }
        }
    }
}

impl Cipher {
    fn decrypt(
        self,
        private: &mut [u8],
        passphrase: &SecretText,
        salt: &[u8],
        rounds: u32,
    ) -> Result<(), UnlockError> {
        let mut key = Zeroizing::new([0; KEY_LEN + CIPHER_BLOCK]);
        bcrypt_pbkdf::bcrypt_pbkdf(passphrase.expose().as_bytes(), salt, rounds, &mut *key)
            // The other parameters were checked, so this is an empty passphrase.
            .map_err(|_| UnlockError::Passphrase)?;
        let (key, start) = key.split_at(KEY_LEN);
        match self {
            Self::Ctr => ctr::Ctr128BE::<Aes256>::new_from_slices(key, start)
                .map_err(|_| UnlockError::Damaged)?
                .apply_keystream(private),
            Self::Cbc => {
                let (blocks, _) = private.as_chunks_mut::<CIPHER_BLOCK>();
                decrypt_cbc::<Aes256>(key, start, blocks).ok_or(UnlockError::Damaged)?;
            }
        }
        Ok(())
    }
}

/// Shows nothing of the key.
impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encrypted([REDACTED])")
    }
}

impl std::fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LockedKey({})", self.recipient)
    }
}

/// Reads the secret part of a key in the format of OpenSSH, which must be that of `recipient`.
fn contents(private: &[u8], recipient: &Recipient) -> Option<Identity> {
    let mut reader = Reader(private);
    if reader.number()? != reader.number()? {
        return None;
    }
    let identity = match reader.text()? {
        ED25519 => {
            let public: &[u8] = reader.string()?;
            let (seed, point) = reader.string()?.split_first_chunk::<32>()?;
            if point != public {
                return None;
            }
            ed25519(seed).ok()?
        }
        RSA => {
            let [n, e, d] = [
                reader.large_number()?,
                reader.large_number()?,
                reader.large_number()?,
            ];
            let _inverse = reader.large_number()?;
            let [p, q] = [reader.large_number()?, reader.large_number()?];
            rsa(n, e, d, [p, q]).ok()?
        }
        _ => return None,
    };
    let _comment = reader.string()?;
    let is_padding = reader
        .0
        .iter()
        .zip(1_u8..)
        .all(|(&byte, number)| byte == number);
    (is_padding && identity.recipient == *recipient).then_some(identity)
}

fn from_pkcs1(content: &[u8]) -> Result<Identity, PrivateKeyError> {
    let [n, e, d, p, q] = pkcs1_numbers(content).ok_or(PrivateKeyError::Damaged)?;
    rsa(n, e, d, [p, q])
}

/// The modulus, the exponents, and the primes.
fn pkcs1_numbers(content: &[u8]) -> Option<[&[u8]; 5]> {
    let mut reader = der::Reader(content).sequence()?;
    let _version = reader.number()?;
    let mut number = || reader.number();
    Some([number()?, number()?, number()?, number()?, number()?])
}

fn from_pkcs8(content: &[u8]) -> Result<Identity, PrivateKeyError> {
    let parts = || {
        let mut reader = der::Reader(content).sequence()?;
        let _version = reader.number()?;
        let algorithm = reader.sequence()?.identifier()?;
        Some((algorithm, reader.octets()?))
    };
    let (algorithm, key) = parts().ok_or(PrivateKeyError::Damaged)?;
    if algorithm == ID_RSA {
        from_pkcs1(key)
    } else if algorithm == ID_ED25519 {
        let seed = der::Reader(key).octets();
        let seed = seed.and_then(|seed| seed.try_into().ok());
        ed25519(seed.ok_or(PrivateKeyError::Damaged)?)
    } else {
        Err(RecipientError::Type.into())
    }
}

fn ed25519(seed: &[u8; 32]) -> Result<Identity, PrivateKeyError> {
    let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    let (half, _) = hash.split_first_chunk().expect("64 bytes have 32");
    let secret = StaticSecret::from(*half);
    let point = EdwardsPoint::mul_base_clamped(*half).compress();
    Ok(Identity {
        recipient: Recipient::from_ed25519(point.as_bytes())?,
        secret: Secret::Ed25519(secret),
    })
}

fn rsa(n: &[u8], e: &[u8], d: &[u8], primes: [&[u8]; 2]) -> Result<Identity, PrivateKeyError> {
    let recipient = Recipient::from_rsa(without_zeros(n), without_zeros(e))?;
    let [p, q] = primes.map(boxed);
    let numbers = (boxed(n), boxed(e), boxed(d), p, q);
    let (Some(n), Some(e), Some(d), Some(p), Some(q)) = numbers else {
        return Err(PrivateKeyError::Damaged);
    };
    let key = rsa::PrivateKey::from_components(n, e, d, vec![p, q])
        .map_err(|_| PrivateKeyError::Damaged)?;
    Ok(Identity {
        recipient,
        secret: Secret::Rsa(Box::new(DecryptingKey::new_with_label(key, RSA_LABEL))),
    })
}
