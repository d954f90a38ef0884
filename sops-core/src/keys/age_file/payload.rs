//! The content: chunks of 64 KiB, each under ChaCha20-Poly1305 with its number as the nonce.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use zeroize::Zeroizing;

use super::{EncryptError, FileKey, OpenError, derive, fill};

const NONCE_LEN: usize = 16;
const CHUNK_LEN: usize = 64 << 10;
const TAG_LEN: usize = 16;

/// Appends the encrypted content.
pub(super) fn encrypt(
    plaintext: &[u8],
    file_key: &FileKey,
    file: &mut Vec<u8>,
) -> Result<(), EncryptError> {
    let mut nonce = [0; NONCE_LEN];
    fill(&mut nonce)?;
    file.extend_from_slice(&nonce);
    let cipher = cipher(file_key, &nonce);
    let chunks = plaintext.len().div_ceil(CHUNK_LEN).max(1);
    for number in 0..chunks {
        let start = number * CHUNK_LEN;
        let end = plaintext.len().min(start + CHUNK_LEN);
        let mut chunk = Zeroizing::new(plaintext[start..end].to_vec());
        let nonce = chunk_nonce(number, number + 1 == chunks);
        let tag = cipher
            .encrypt_inout_detached((&nonce).into(), &[], chunk.as_mut_slice().into())
            .expect("a chunk is not too long");
        file.extend_from_slice(&chunk);
        file.extend_from_slice(&tag);
    }
    Ok(())
}

/// Decrypts the content. Nothing of it is given out before all of it was checked.
pub(super) fn decrypt(payload: &[u8], file_key: &FileKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    // A nonce that is cut off belongs to the header, in the words of the test vectors.
    let (nonce, mut rest) = payload
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(OpenError::Header)?;
    let cipher = cipher(file_key, nonce);
    let mut plaintext = Zeroizing::new(Vec::with_capacity(rest.len()));
    for number in 0.. {
        let length = rest.len().min(CHUNK_LEN + TAG_LEN);
        let (chunk, after) = rest.split_at(length);
        let is_last = after.is_empty();
        let (chunk, tag) = chunk
            .split_last_chunk::<TAG_LEN>()
            .ok_or(OpenError::Payload)?;
        // Only a file without content ends with a chunk without content.
        if chunk.is_empty() && number > 0 {
            return Err(OpenError::Payload);
        }
        let start = plaintext.len();
        plaintext.extend_from_slice(chunk);
        cipher
            .decrypt_inout_detached(
                (&chunk_nonce(number, is_last)).into(),
                &[],
                plaintext[start..].as_mut().into(),
                tag.into(),
            )
            .map_err(|_| OpenError::Payload)?;
        if is_last {
            break;
        }
        rest = after;
    }
    Ok(plaintext)
}

fn cipher(file_key: &FileKey, nonce: &[u8; NONCE_LEN]) -> ChaCha20Poly1305 {
    let key = derive(&**file_key, nonce, b"payload");
    ChaCha20Poly1305::new((&*key).into())
}

/// Eleven bytes for the number, and one that marks the last chunk.
fn chunk_nonce(number: usize, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce
}
