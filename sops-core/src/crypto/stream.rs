//! AES-256-GCM in pieces, for values too large to be copied: whoever encrypts or decrypts brings one piece after the
//! other, and works where they lie.

use aes_gcm::aes::{Aes256, Block, cipher::BlockCipherEncrypt};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The length of a tag, in bytes.
pub(crate) const TAG_LEN: usize = 16;

const BLOCK_LEN: usize = 16;

/// How many blocks of keystream are made at once: enough for the processor to work on several in parallel.
const BATCH: usize = 64;

/// One value on its way through AES-GCM.
///
/// The pieces have whole blocks of 16 bytes, but for the last one. What was decrypted is nobody's business before
/// [`GcmStream::finish`] gave the right tag.
pub(crate) struct GcmStream<'c> {
    block_cipher: &'c Aes256,
    hash: GHash,
    counter_block: [u8; BLOCK_LEN],
    /// The keystream of the first counter block, which covers the tag.
    mask: [u8; BLOCK_LEN],
    additional_len: u64,
    length: u64,
}

impl<'c> GcmStream<'c> {
    /// Starts a value with a nonce of any length (NIST SP 800-38D, 7.1).
    pub(super) fn new(block_cipher: &'c Aes256, nonce: &[u8], additional_data: &[u8]) -> Self {
        let mut hash_key = ghash::Key::default();
        block_cipher.encrypt_block(&mut hash_key);
        let mut hash = GHash::new(&hash_key);
        hash_key.zeroize();

        let counter_block = if nonce.len() == 12 {
            let mut block = [0; BLOCK_LEN];
            block[..12].copy_from_slice(nonce);
            block[15] = 1;
            block
        } else {
            let mut hash = hash.clone();
            hash.update_padded(nonce);
            finish_with_lengths(hash, 0, nonce.len() as u64)
        };
        let mut mask = counter_block;
        block_cipher.encrypt_block((&mut mask).into());
        hash.update_padded(additional_data);
        Self {
            block_cipher,
            hash,
            counter_block,
            mask,
            additional_len: additional_data.len() as u64,
            length: 0,
        }
    }

    /// Encrypts the next piece in place.
    pub(crate) fn encrypt(&mut self, piece: &mut [u8]) {
        self.apply_keystream(piece);
        self.hash.update_padded(piece);
    }

    /// Decrypts the next piece in place.
    pub(crate) fn decrypt(&mut self, piece: &mut [u8]) {
        self.hash.update_padded(piece);
        self.apply_keystream(piece);
    }

    /// Takes the next piece of a ciphertext into the tag, and leaves it as it is.
    pub(crate) fn authenticate(&mut self, piece: &[u8]) {
        self.hash.update_padded(piece);
        self.length += piece.len() as u64;
    }

    /// Returns the tag of all pieces.
    pub(crate) fn finish(self) -> [u8; TAG_LEN] {
        let mut tag = finish_with_lengths(self.hash.clone(), self.additional_len, self.length);
        for (byte, mask) in tag.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        tag
    }

    /// Returns whether `tag` is that of all pieces.
    pub(crate) fn finish_and_compare(self, tag: &[u8; TAG_LEN]) -> bool {
        self.finish().ct_eq(tag).into()
    }

    fn apply_keystream(&mut self, piece: &mut [u8]) {
        let mut keystream = [Block::default(); BATCH];
        for batch in piece.chunks_mut(BATCH * BLOCK_LEN) {
            let blocks = &mut keystream[..batch.len().div_ceil(BLOCK_LEN)];
            for block in blocks.iter_mut() {
                increment(&mut self.counter_block);
                *block = self.counter_block.into();
            }
            self.block_cipher.encrypt_blocks(blocks);
            let (whole, rest) = batch.as_chunks_mut::<BLOCK_LEN>();
            let keys = blocks.iter().map(|block| <[u8; BLOCK_LEN]>::from(*block));
            for (bytes, key) in whole.iter_mut().zip(keys) {
                *bytes = (u128::from_ne_bytes(*bytes) ^ u128::from_ne_bytes(key)).to_ne_bytes();
            }
            for (byte, key) in rest
                .iter_mut()
                .zip(blocks.iter().skip(whole.len()).flatten())
            {
                *byte ^= key;
            }
        }
        keystream
            .as_mut_slice()
            .iter_mut()
            .for_each(|block| block.as_mut_slice().zeroize());
        self.length += piece.len() as u64;
    }
}

impl Drop for GcmStream<'_> {
    fn drop(&mut self) {
        self.mask.zeroize();
        self.counter_block.zeroize();
    }
}

/// Ends a hash with a block that holds two lengths in bits.
fn finish_with_lengths(mut hash: GHash, first: u64, second: u64) -> [u8; BLOCK_LEN] {
    let mut lengths = ghash::Block::default();
    lengths[..8].copy_from_slice(&(first * 8).to_be_bytes());
    lengths[8..].copy_from_slice(&(second * 8).to_be_bytes());
    hash.update(&[lengths]);
    hash.finalize().into()
}

/// Adds one to the last 32 bits.
fn increment(counter_block: &mut [u8; BLOCK_LEN]) {
    let [.., a, b, c, d] = *counter_block;
    let next = u32::from_be_bytes([a, b, c, d]).wrapping_add(1);
    counter_block[12..].copy_from_slice(&next.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_wraps_within_its_last_four_bytes() {
        let mut block = [0xff; 16];
        increment(&mut block);
        assert_eq!(block[..12], [0xff; 12]);
        assert_eq!(block[12..], [0; 4]);
    }
}
