//! AES-256-GCM as SOPS uses it, from bytes to `ENC[…]` and back.

use std::fmt;

use aes_gcm::{
    AeadInOut, AesGcm, KeyInit,
    aead::{consts::U32, inout::InOutBuf},
    aes::Aes256,
};
use base64::{
    Engine,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use zeroize::Zeroize;

use super::{
    DataKey, EncryptedValue,
    encrypted_value::PREFIX,
    nonce::NONCE_LEN,
    stream::{GcmStream, TAG_LEN},
};

/// Ciphertext up to this length is put together on the stack.
const SMALL: usize = 512;

/// Go's decoder does not look at the bits that padding leaves over.
const BASE64_CONFIG: GeneralPurposeConfig =
    general_purpose::PAD.with_decode_allow_trailing_bits(true);

pub(crate) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, BASE64_CONFIG);

/// Returns what [`BASE64`] does, for large pieces: by instructions that take many letters at once, where there are such.
/// Finding out takes longer than a small file does.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) fn base64_of_pieces() -> impl Engine {
    base64::engine::Simd::standard(BASE64_CONFIG)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn base64_of_pieces() -> impl Engine {
    BASE64
}

/// Encrypts and decrypts values with one data key, whose key schedule is computed once.
///
/// Wiped when dropped, by the ciphers themselves.
pub(crate) struct Cipher {
    /// For nonces of 32 bytes: every value that SOPS ever wrote.
    gcm: AesGcm<Aes256, U32>,
    /// The same key, for nonces of any other length.
    block_cipher: Aes256,
}

impl Cipher {
    /// Returns the cipher of `data_key`.
    pub(crate) fn new(data_key: &DataKey) -> Self {
        let block_cipher = Aes256::new(data_key.expose().into());
        Self {
            gcm: AesGcm::from(block_cipher.clone()),
            block_cipher,
        }
    }

    /// Appends to `out` the text of `plaintext` encrypted as a value of the type that the word `kind` names, bound to
    /// `additional_data`.
    ///
    /// A nonce is used for one plaintext only. Nothing is appended on failure; an empty plaintext is refused, since no
    /// reader would open it.
    pub(crate) fn encrypt_into(
        &self,
        plaintext: &[u8],
        kind: &str,
        additional_data: &[u8],
        nonce: &[u8; NONCE_LEN],
        out: &mut String,
    ) -> Result<(), CipherError> {
        if plaintext.is_empty() {
            return Err(CipherError::EmptyPlaintext);
        }
        let mut small = [0; SMALL];
        let mut large = Vec::new();
        let ciphertext = if plaintext.len() <= SMALL {
            &mut small[..plaintext.len()]
        } else {
            large.resize(plaintext.len(), 0);
            &mut large[..]
        };
        let buffer = InOutBuf::new(plaintext, ciphertext).map_err(|_| CipherError::TooLong)?;
        let tag = self
            .gcm
            .encrypt_inout_detached(nonce.into(), additional_data, buffer)
            .map_err(|_| CipherError::TooLong)?;

        out.reserve(text_len(plaintext.len(), kind.len()));
        out.push_str(PREFIX);
        push_base64(ciphertext, out);
        out.push_str(",iv:");
        push_base64(nonce, out);
        out.push_str(",tag:");
        push_base64(&tag, out);
        out.push_str(",type:");
        out.push_str(kind);
        out.push(']');
        Ok(())
    }

    /// Replaces what is in `out` by the plaintext of `value`, after checking that it was encrypted with this key for
    /// `additional_data`. The type word is not looked at: it is not authenticated.
    ///
    /// What `out` held is wiped first; on failure nothing is left in it.
    pub(crate) fn decrypt_into(
        &self,
        value: &EncryptedValue<'_>,
        additional_data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        wipe(out);
        let result = self.open(value, additional_data, out);
        if result.is_err() {
            wipe(out);
        }
        result
    }

    /// Starts encrypting or decrypting a value in pieces, with a nonce of any length but 0.
    pub(crate) fn stream(&self, nonce: &[u8], additional_data: &[u8]) -> GcmStream<'_> {
        GcmStream::new(&self.block_cipher, nonce, additional_data)
    }

    fn open(
        &self,
        value: &EncryptedValue<'_>,
        additional_data: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        // The reference joins data and tag before it opens them, so that only the last 16 bytes of both together are
        // the tag, wherever the text divides them.
        decode_base64(value.data, out)?;
        decode_base64(value.tag, out)?;
        let Some(length) = out.len().checked_sub(TAG_LEN) else {
            return Err(CipherError::Authentication);
        };
        let (data, tag) = out.split_at_mut(length);
        let tag: &[u8; TAG_LEN] = (&*tag)
            .try_into()
            .map_err(|_| CipherError::Authentication)?;

        let mut nonce = [0; NONCE_LEN];
        if decode_nonce(value.iv, &mut nonce) {
            self.gcm
                .decrypt_inout_detached((&nonce).into(), additional_data, data.into(), tag.into())
                .map_err(|_| CipherError::Authentication)?;
        } else {
            let mut nonce = Vec::new();
            decode_base64(value.iv, &mut nonce)?;
            if nonce.is_empty() {
                return Err(CipherError::EmptyNonce);
            }
            // The library has the length of the nonce in the type. Other lengths are in files by other hands only.
            let mut stream = GcmStream::new(&self.block_cipher, &nonce, additional_data);
            stream.decrypt(data);
            if !stream.finish_and_compare(tag) {
                return Err(CipherError::Authentication);
            }
        }
        out.truncate(length);
        Ok(())
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher([REDACTED])")
    }
}

/// Why a value could not be encrypted or decrypted. Says nothing of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CipherError {
    /// The text is not an encrypted value.
    #[error("not of the form ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]")]
    BadFormat,
    /// One of its parts is not base64.
    #[error("its data, iv or tag is not standard base64 with padding")]
    BadBase64,
    /// The `iv` holds no byte.
    #[error("its iv is empty")]
    EmptyNonce,
    /// Another key, another place in the document, or a changed text.
    #[error(
        "authentication failed: it was changed, moved to another key, or encrypted with another data key"
    )]
    Authentication,
    /// An empty plaintext cannot be written as an encrypted value.
    #[error("an empty value cannot be encrypted")]
    EmptyPlaintext,
    /// More than AES-GCM can take (64 GiB).
    #[error("the value is too long")]
    TooLong,
}

/// Returns how long the text of an encrypted value is.
fn text_len(plaintext: usize, kind: usize) -> usize {
    const FIXED: usize =
        PREFIX.len() + ",iv:".len() + 44 + ",tag:".len() + 24 + ",type:".len() + "]".len();
    FIXED + plaintext.div_ceil(3) * 4 + kind
}

fn push_base64(bytes: &[u8], out: &mut String) {
    // Nonces, tags and most values are short; for them the library's way through a kilobyte of buffer takes twice as
    // long.
    let mut short = [0; 128];
    if let Ok(length) = BASE64.encode_slice(bytes, &mut short)
        && let Ok(text) = str::from_utf8(&short[..length])
    {
        out.push_str(text);
    } else {
        BASE64.encode_string(bytes, out);
    }
}

/// Appends the bytes of `text` to `out`. Go's decoder skips carriage returns.
fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Result<(), CipherError> {
    let start = out.len();
    let decoded = BASE64.decode_vec(text, out).or_else(|error| {
        if !text.contains(&b'\r') {
            return Err(error);
        }
        out.truncate(start);
        let text: Vec<u8> = text.iter().copied().filter(|&byte| byte != b'\r').collect();
        BASE64.decode_vec(text, out)
    });
    decoded.map_err(|_| CipherError::BadBase64)
}

/// Decodes a nonce of the usual length; returns false if `text` is anything else.
pub(crate) fn decode_nonce(text: &[u8], nonce: &mut [u8; NONCE_LEN]) -> bool {
    // 32 bytes and one byte of padding: room for what 44 letters may decode to.
    let mut decoded = [0; NONCE_LEN + 1];
    if text.len() != 44 || BASE64.decode_slice(text, &mut decoded) != Ok(NONCE_LEN) {
        return false;
    }
    nonce.copy_from_slice(&decoded[..NONCE_LEN]);
    true
}

fn wipe(out: &mut Vec<u8>) {
    // Only what is in use: all the rest has been wiped before, and wiping a large capacity for each of many small
    // values would cost too much.
    out.as_mut_slice().zeroize();
    out.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::NonceSource, secret::SecretBytes};

    const GOLDEN: &str = include_str!("../../../testdata/crypto/golden-values.tsv");
    const NONCE_LENGTHS: &str = include_str!("../../../testdata/crypto/nonce-lengths.tsv");
    const LENIENCY: &str = include_str!("../../../testdata/crypto/leniency.tsv");

    const FORMAT: &str = include_str!("../../../docs/format.md");

    /// The vectors that docs/format.md quotes are those of the table, and hold.
    #[test]
    fn vectors_of_the_documentation() {
        let cipher = Cipher::new(&golden_key());
        let quoted: Vec<Vec<&str>> = FORMAT
            .lines()
            .filter(|line| line.starts_with("| `") && line.contains("ENC[AES256_GCM,"))
            .map(|line| line.split('`').skip(1).step_by(2).collect())
            .collect();
        assert_eq!(quoted.len(), 6);
        for row in quoted {
            let [additional_data, plaintext, text] = row[..] else {
                panic!("three columns");
            };
            assert!(
                GOLDEN.contains(&format!("{text}\t{additional_data}\t{plaintext}")),
                "{text}"
            );
            assert_eq!(
                decrypt(&cipher, text, additional_data).as_deref(),
                Ok(plaintext)
            );
        }
        let key = GOLDEN.lines().find_map(|line| line.strip_prefix("# key "));
        assert!(FORMAT.contains(key.expect("the key")));
        let shares = include_str!("../../../testdata/keys/shamir.tsv");
        let row = shares
            .lines()
            .find(|line| !line.starts_with('#'))
            .expect("a row");
        for text in row.split('\t') {
            assert!(FORMAT.contains(text), "{text}");
        }
    }

    fn golden_key() -> DataKey {
        let hex = GOLDEN
            .lines()
            .find_map(|line| line.strip_prefix("# key "))
            .expect("the key");
        let bytes = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
            .collect();
        DataKey::from_bytes(&SecretBytes::new(bytes)).expect("32 bytes")
    }

    fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
        table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
    }

    fn decrypt(cipher: &Cipher, text: &str, additional_data: &str) -> Result<String, CipherError> {
        let value = EncryptedValue::parse(text.as_bytes())?;
        let mut out = b"left over".to_vec();
        let result = cipher.decrypt_into(&value, additional_data.as_bytes(), &mut out);
        if result.is_err() {
            assert!(out.is_empty(), "nothing is left after a failure");
        }
        result.map(|()| String::from_utf8(out).expect("text"))
    }

    #[test]
    fn opens_what_the_reference_wrote() {
        let cipher = Cipher::new(&golden_key());
        for row in rows(GOLDEN).chain(rows(NONCE_LENGTHS)) {
            assert_eq!(
                decrypt(&cipher, row[0], row[1]).as_deref(),
                Ok(row[2]),
                "{}",
                row[0]
            );
            assert_eq!(
                decrypt(&cipher, row[0], &format!("{}:", row[1])),
                Err(CipherError::Authentication),
                "moved: {}",
                row[0]
            );
        }
    }

    #[test]
    fn writes_what_the_reference_writes() {
        let cipher = Cipher::new(&golden_key());
        for row in rows(GOLDEN) {
            let value = EncryptedValue::parse(row[0].as_bytes()).expect("a value");
            let mut nonce = [0; NONCE_LEN];
            assert!(decode_nonce(value.iv, &mut nonce));
            let mut out = "before ".to_owned();
            cipher
                .encrypt_into(
                    row[2].as_bytes(),
                    value.kind,
                    row[1].as_bytes(),
                    &nonce,
                    &mut out,
                )
                .expect("encrypts");
            assert_eq!(out.strip_prefix("before "), Some(row[0]));
        }
    }

    #[test]
    fn is_as_lenient_as_the_reference() {
        let cipher = Cipher::new(&golden_key());
        for row in rows(LENIENCY) {
            let text = row[1].replace("\\r", "\r").replace("\\n", "\n");
            let plaintext = decrypt(&cipher, &text, "database:user:");
            match row[2] {
                "refused" => assert!(plaintext.is_err(), "{}", row[0]),
                expected => assert_eq!(plaintext.as_deref(), Ok(expected), "{}", row[0]),
            }
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let cipher = Cipher::new(&golden_key());
        let error = |text| decrypt(&cipher, text, "a:").err();
        assert_eq!(error("plain text"), Some(CipherError::BadFormat));
        assert_eq!(
            error("ENC[AES256_GCM,data:AA,iv:AA==,tag:AA==,type:str]"),
            Some(CipherError::BadBase64)
        );
        assert_eq!(
            error("ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"),
            Some(CipherError::Authentication)
        );
        assert_eq!(
            error("ENC[AES256_GCM,data:AAAA,iv:\r,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]"),
            Some(CipherError::EmptyNonce)
        );
        let mut out = String::new();
        assert_eq!(
            cipher.encrypt_into(b"", "str", b"a:", &[0; NONCE_LEN], &mut out),
            Err(CipherError::EmptyPlaintext)
        );
        assert!(out.is_empty());
    }

    #[test]
    fn every_length_comes_back() {
        let cipher = Cipher::new(&golden_key());
        let mut nonces = NonceSource::new();
        let mut out = Vec::new();
        for length in (1..70).chain([SMALL - 1, SMALL, SMALL + 1, 100_000]) {
            let plaintext: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let nonce = nonces.draw().expect("randomness");
            let mut text = String::new();
            cipher
                .encrypt_into(&plaintext, "bytes", b"", &nonce, &mut text)
                .expect("encrypts");
            assert_eq!(text.len(), text_len(length, "bytes".len()));
            let value = EncryptedValue::parse(text.as_bytes()).expect("a value");
            cipher.decrypt_into(&value, b"", &mut out).expect("opens");
            assert_eq!(out, plaintext);
        }
    }

    #[test]
    fn pieces_are_as_the_whole() {
        let cipher = Cipher::new(&golden_key());
        let nonce = [7; NONCE_LEN];
        for length in [1, 16, 17, 1024, 1025, 10_000] {
            let plaintext: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut whole = String::new();
            cipher
                .encrypt_into(&plaintext, "str", b"data:", &nonce, &mut whole)
                .expect("encrypts");
            let mut pieces = plaintext.clone();
            let mut stream = cipher.stream(&nonce, b"data:");
            pieces
                .chunks_mut(48)
                .for_each(|piece| stream.encrypt(piece));
            let tag = stream.finish();
            let value = EncryptedValue::parse(whole.as_bytes()).expect("a value");
            assert_eq!(value.data, BASE64.encode(&pieces).as_bytes());
            assert_eq!(value.tag, BASE64.encode(tag).as_bytes());

            let mut stream = cipher.stream(&nonce, b"data:");
            pieces
                .chunks(160)
                .for_each(|piece| stream.authenticate(piece));
            assert!(stream.finish_and_compare(&tag));

            let mut stream = cipher.stream(&nonce, b"data:");
            pieces
                .chunks_mut(160)
                .for_each(|piece| stream.decrypt(piece));
            assert!(stream.finish_and_compare(&tag));
            assert_eq!(pieces, plaintext);
        }
    }
}
