//! The proof, piece by piece while a file is encrypted, that each piece decrypts to what it was.

use zeroize::Zeroizing;

use super::PIECE;
use crate::crypto::{GcmStream, TAG_LEN};

/// Decrypts what was just encrypted, and compares it with a copy.
pub(super) struct Recheck<'c> {
    stream: GcmStream<'c>,
    before: Zeroizing<Vec<u8>>,
    again: Zeroizing<Vec<u8>>,
    is_same: bool,
}

impl<'c> Recheck<'c> {
    /// Takes a stream of its own, with the nonce and the additional data of the one that encrypts.
    pub(super) fn new(stream: GcmStream<'c>) -> Self {
        Self {
            stream,
            before: Zeroizing::new(Vec::with_capacity(PIECE)),
            again: Zeroizing::new(Vec::with_capacity(PIECE)),
            is_same: true,
        }
    }

    /// Encrypts the next piece where it lies.
    pub(super) fn encrypt(&mut self, encrypting: &mut GcmStream<'_>, piece: &mut [u8]) {
        self.before.clear();
        self.before.extend_from_slice(piece);
        encrypting.encrypt(piece);
        self.again.clear();
        self.again.extend_from_slice(piece);
        self.stream.decrypt(&mut self.again);
        self.is_same &= self.before == self.again;
    }

    /// Returns whether all pieces were the same, and have the tag.
    pub(super) fn finish(self, tag: &[u8; TAG_LEN]) -> bool {
        self.is_same && self.stream.finish_and_compare(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Cipher, DataKey};

    #[test]
    fn other_keys_and_tags_are_found() {
        let cipher = Cipher::new(&DataKey::generate().unwrap());
        let other = Cipher::new(&DataKey::generate().unwrap());
        let (nonce, data) = ([7; 32], b"data:".as_slice());
        for (checking, flipped, expected) in
            [(&cipher, 0, true), (&cipher, 1, false), (&other, 0, false)]
        {
            let mut encrypting = cipher.stream(&nonce, data);
            let mut recheck = Recheck::new(checking.stream(&nonce, data));
            let mut bytes = [[1; 48], [2; 48]].concat();
            for piece in bytes.chunks_mut(48) {
                recheck.encrypt(&mut encrypting, piece);
            }
            let mut tag = encrypting.finish();
            tag[3] ^= flipped;
            assert_eq!(recheck.finish(&tag), expected);
        }
    }
}
