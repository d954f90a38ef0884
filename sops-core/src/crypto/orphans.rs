//! Values that are encrypted although nothing says so, and must not be written in the clear.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

/// What was found encrypted where the selector, read as it stands in the file, wants clear text: a comment that governed it
/// was moved, changed or taken away since. Whoever encrypts the file again by its selector would give such values away.
///
/// What is remembered are digests, not plaintexts.
#[derive(Default)]
pub(crate) struct Orphans {
    places: HashSet<[u8; 32]>,
    plaintexts: HashSet<[u8; 32]>,
}

impl Orphans {
    /// Takes note of a value, under the path that it stands at.
    pub(crate) fn add_value(&mut self, path: &[u8], plaintext: &[u8]) {
        self.places.insert(Sha256::digest(path).into());
        self.add_comment(plaintext);
    }

    /// Takes note of a comment. Others stand at the same path.
    pub(crate) fn add_comment(&mut self, plaintext: &[u8]) {
        self.plaintexts.insert(Sha256::digest(plaintext).into());
    }

    /// Whether a value that is about to be written in the clear is one of these: it stands where one stood, or is one that
    /// stood elsewhere. Items of a list have one place: then none of them may be in the clear.
    pub(crate) fn has_value(&self, path: &[u8], plaintext: &[u8]) -> bool {
        !self.plaintexts.is_empty()
            && (self.places.contains(&*Sha256::digest(path)) || self.has_comment(plaintext))
    }

    /// Whether a comment that is about to be written in the clear is one of these.
    pub(crate) fn has_comment(&self, plaintext: &[u8]) -> bool {
        !self.plaintexts.is_empty() && self.plaintexts.contains(&*Sha256::digest(plaintext))
    }

    /// Takes over what another one knows.
    pub(crate) fn extend(&mut self, other: Self) {
        self.places.extend(other.places);
        self.plaintexts.extend(other.plaintexts);
    }
}
