//! PEM, the text that private keys are written in, and its own way to encrypt them with a passphrase.

use aes::{Aes128, Aes192, Aes256};
use base64::{Engine, engine::general_purpose::STANDARD};
use cbc::cipher::{
    BlockCipherDecrypt, BlockModeDecrypt, BlockSizeUser, KeyInit, KeyIvInit, consts::U16,
};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::PrivateKeyError;
use crate::secret::SecretText;

const BLOCK: usize = 16;
const MAX_KEY: usize = 32;
const SALT: usize = 8;

/// The first block of a text in PEM.
pub(super) struct Pem<'t> {
    pub(super) label: &'t str,
    pub(super) encryption: Option<PemEncryption>,
    pub(super) content: Zeroizing<Vec<u8>>,
}

/// How the content is encrypted: by one of the ciphers of `ssh-keygen` and openssl, in the mode CBC.
pub(super) struct PemEncryption {
    cipher: PemCipher,
    start: [u8; BLOCK],
}

#[derive(Clone, Copy)]
enum PemCipher {
    Aes128,
    Aes192,
    Aes256,
}

impl<'t> Pem<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, PrivateKeyError> {
        let mut lines = text.lines().map(str::trim);
        let label = lines
            .find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
            .ok_or(PrivateKeyError::NoKey)?;
        let mut is_encrypted = false;
        let mut encryption = None;
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let line = lines.next().ok_or(PrivateKeyError::Damaged)?;
            if line.starts_with("-----END ") {
                break;
            }
            match line.split_once(':') {
                Some(("Proc-Type", value)) => is_encrypted |= value.contains("ENCRYPTED"),
                Some(("DEK-Info", value)) => encryption = Some(PemEncryption::parse(value)?),
                // Other headers say nothing that matters.
                Some(_) => {}
                None => body.push_str(line),
            }
        }
        if is_encrypted && encryption.is_none() {
            return Err(PrivateKeyError::Damaged);
        }
        let mut content = Zeroizing::new(vec![0; body.len()]);
        let length = STANDARD
            .decode_slice(body.as_bytes(), &mut content)
            .map_err(|_| PrivateKeyError::Damaged)?;
        content.truncate(length);
        Ok(Self {
            label,
            encryption: encryption.filter(|_| is_encrypted),
            content,
        })
    }
}

impl PemEncryption {
    /// Reads the name of the cipher, and what it begins with.
    fn parse(value: &str) -> Result<Self, PrivateKeyError> {
        let (cipher, start) = value.split_once(',').ok_or(PrivateKeyError::Damaged)?;
        let cipher = match cipher.trim() {
            "AES-128-CBC" => PemCipher::Aes128,
            "AES-192-CBC" => PemCipher::Aes192,
            "AES-256-CBC" => PemCipher::Aes256,
            _ => return Err(PrivateKeyError::Cipher),
        };
        let start = from_hex(start.trim()).ok_or(PrivateKeyError::Damaged)?;
        Ok(Self { cipher, start })
    }

    /// Decrypts the content, and returns it without its padding; `None` if the passphrase is wrong, or anything else is. The
    /// padding looks right after one of 256 wrong passphrases.
    pub(super) fn decrypt<'c>(
        &self,
        content: &'c mut [u8],
        passphrase: &SecretText,
    ) -> Option<&'c [u8]> {
        let key = self.derive_key(passphrase);
        let (blocks, []) = content.as_chunks_mut::<BLOCK>() else {
            return None;
        };
        match self.cipher {
            PemCipher::Aes128 => decrypt_cbc::<Aes128>(key.get(..16)?, &self.start, blocks)?,
            PemCipher::Aes192 => decrypt_cbc::<Aes192>(key.get(..24)?, &self.start, blocks)?,
            PemCipher::Aes256 => decrypt_cbc::<Aes256>(key.get(..32)?, &self.start, blocks)?,
        }
        let padding = usize::from(*content.last()?);
        let (content, padding) = content.split_at_checked(content.len().checked_sub(padding)?)?;
        let is_padding = (1..=BLOCK).contains(&padding.len())
            && padding
                .iter()
                .all(|&byte| usize::from(byte) == padding.len());
        is_padding.then_some(content)
    }

    /// The key is hashed from the passphrase, as openssl did it before anything better was known.
    fn derive_key(&self, passphrase: &SecretText) -> Zeroizing<[u8; MAX_KEY]> {
        let mut key = Zeroizing::new([0; MAX_KEY]);
        let mut last: &[u8] = &[];
        let (halves, _) = key.as_chunks_mut::<16>();
        for half in halves {
            let hash = Md5::new()
                .chain_update(last)
                .chain_update(passphrase.expose())
                .chain_update(&self.start[..SALT]);
            hash.finalize_into((&mut *half).into());
            last = half;
        }
        key
    }
}

/// Decrypts whole blocks in the mode CBC; `None` if the key has another length.
pub(super) fn decrypt_cbc<C>(key: &[u8], start: &[u8], blocks: &mut [[u8; BLOCK]]) -> Option<()>
where
    C: KeyInit + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut cipher = cbc::Decryptor::<C>::new_from_slices(key, start).ok()?;
    for block in blocks {
        cipher.decrypt_block(block.into());
    }
    Some(())
}

fn from_hex(text: &str) -> Option<[u8; BLOCK]> {
    let mut bytes = [0; BLOCK];
    // Checked, because a sign would be taken for a digit.
    if text.len() != 2 * BLOCK || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
