//! The message authentication code over all values of a file.

use std::fmt;

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// SHA-256 of `sops`: what the hash starts with when it covers encrypted leaves only, so that a MAC of the one sort
/// never passes for one of the other.
const ONLY_ENCRYPTED_SEED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The MAC of a file while its leaves go by: SHA-512 over their plaintexts, in document order, without separators.
#[derive(Clone)]
pub(crate) struct Mac(Sha512);

impl Mac {
    /// Starts a MAC; `only_encrypted` as the metadata's `mac_only_encrypted` has it.
    pub(crate) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED_SEED);
        }
        Self(hash)
    }

    /// Adds the plaintext of the next leaf.
    pub(crate) fn update(&mut self, plaintext: &[u8]) {
        self.0.update(plaintext);
    }

    /// Returns the MAC of all that was added.
    pub(crate) fn finish(self) -> MacDigest {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut hash = self.0.finalize();
        let mut text = Box::new([0; MacDigest::LEN]);
        for (pair, byte) in text.chunks_exact_mut(2).zip(&hash) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        hash.as_mut_slice().zeroize();
        MacDigest(text)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac([REDACTED])")
    }
}

/// A finished MAC: 128 hexadecimal digits in upper case. A hash of plaintext, hence secret: encrypted before it is
/// written, wiped, not printed, and compared in constant time only.
pub(crate) struct MacDigest(Box<[u8; Self::LEN]>);

impl MacDigest {
    const LEN: usize = 128;

    /// Returns the digits, to be encrypted.
    pub(crate) fn expose(&self) -> &[u8] {
        &*self.0
    }

    /// Returns whether `decrypted`, what a file holds as its MAC, is this one, to the letter.
    pub(crate) fn matches(&self, decrypted: &[u8]) -> bool {
        self.0.as_slice().ct_eq(decrypted).into()
    }
}

impl Drop for MacDigest {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MacDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacDigest([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac_of(only_encrypted: bool, leaves: &[&str]) -> MacDigest {
        let mut mac = Mac::new(only_encrypted);
        for leaf in leaves {
            mac.update(leaf.as_bytes());
        }
        mac.finish()
    }

    /// The last row of the table is the MAC of the file the others are from, which has one more leaf left in clear.
    #[test]
    fn is_that_of_the_reference() {
        let table = include_str!("../../../testdata/crypto/golden-values.tsv");
        let mut plaintexts: Vec<_> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split('\t').nth(2))
            .collect();
        let expected = plaintexts.pop().expect("the MAC");
        plaintexts.push("visible");
        assert!(mac_of(false, &plaintexts).matches(expected.as_bytes()));
        assert!(!mac_of(true, &plaintexts).matches(expected.as_bytes()));
    }

    #[test]
    fn the_seed_is_the_hash_of_the_word() {
        assert_eq!(
            sha2::Sha256::digest(b"sops").as_slice(),
            ONLY_ENCRYPTED_SEED
        );
    }

    #[test]
    fn has_no_separators() {
        let digest = mac_of(false, &["ab", "", "c"]);
        assert!(digest.matches(mac_of(false, &["abc"]).expose()));
        assert!(!digest.matches(mac_of(false, &["acb"]).expose()));
    }

    #[test]
    fn only_the_very_letters_match() {
        let digest = mac_of(false, &["x"]);
        let text = String::from_utf8(digest.expose().to_vec()).expect("digits");
        assert!(digest.matches(text.as_bytes()));
        assert!(!digest.matches(text.to_lowercase().as_bytes()));
        assert!(!digest.matches(&text.as_bytes()[..127]));
        assert!(!digest.matches(format!("{text}\n").as_bytes()));
        assert!(!digest.matches(b""));
        assert_eq!(format!("{digest:?}"), "MacDigest([REDACTED])");
    }
}
