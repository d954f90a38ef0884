//! Whether two passes over a large file saw the same bytes.

use ghash::{GHash, universal_hash::UniversalHash};
use zeroize::Zeroize;

use crate::error::Error;

/// The key of a [`Likeness`]: drawn anew for each file.
pub(super) struct LikenessKey([u8; 16]);

impl LikenessKey {
    pub(super) fn draw() -> Result<Self, Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Self(key))
    }
}

impl Drop for LikenessKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A hash under a secret random key: no two texts that differ have the same, but by a chance of one in 2^100. Much faster
/// than the hash that the MAC is made of, and of no use to anybody else.
pub(super) struct Likeness {
    hash: GHash,
    length: u64,
}

impl Likeness {
    pub(super) fn new(key: &LikenessKey) -> Self {
        Self {
            hash: GHash::new((&key.0).into()),
            length: 0,
        }
    }

    /// Adds the next piece. Pieces have whole blocks of 16 bytes, but for the last one.
    pub(super) fn update(&mut self, piece: &[u8]) {
        self.hash.update_padded(piece);
        self.length += piece.len() as u64;
    }

    pub(super) fn finish(self) -> (u64, [u8; 16]) {
        (self.length, self.hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(key: &LikenessKey, pieces: &[&[u8]]) -> (u64, [u8; 16]) {
        let mut likeness = Likeness::new(key);
        pieces.iter().for_each(|piece| likeness.update(piece));
        likeness.finish()
    }

    #[test]
    fn bytes_that_differ_are_told_apart() {
        let key = LikenessKey::draw().expect("randomness");
        let whole = likeness(&key, &[&[1; 16], &[2; 5]]);
        assert_eq!(whole, likeness(&key, &[&[1; 16], &[2; 5]]));
        for other in [
            likeness(&key, &[&[1; 16], &[2; 4]]),
            likeness(&key, &[&[1; 16], &[2, 2, 2, 2, 2, 0]]),
            likeness(&key, &[&[2; 16], &[2; 5]]),
            likeness(&key, &[]),
        ] {
            assert_ne!(whole, other);
        }
        let other_key = LikenessKey::draw().expect("randomness");
        assert_ne!(whole, likeness(&other_key, &[&[1; 16], &[2; 5]]));
    }
}
