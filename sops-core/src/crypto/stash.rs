//! What is known of the values of a file that is encrypted again: their nonces, so that one that did not change keeps its
//! ciphertext, and which have to stay encrypted.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use sha2::{Digest, Sha256};

use super::orphans::Orphans;

/// Remembers under which nonces each (path, plaintext) was encrypted, in the order of the document: items of a list have
/// one path, and may have one plaintext.
///
/// Encrypting the same plaintext under the same key, nonce and additional data gives the same bytes, so it tells
/// nobody anything new; any other plaintext or path gets a nonce of its own, and so does one that stands there more often
/// than before. What is remembered is a digest, not the plaintext.
#[derive(Default)]
pub(crate) struct Stash {
    nonces: HashMap<[u8; 32], Nonces>,
    has_repetitions: bool,
    /// What must stay encrypted, whatever the selector says.
    pub(crate) orphans: Orphans,
}

#[derive(Default)]
struct Nonces {
    all: Vec<[u8; 32]>,
    /// How many were given out.
    given: AtomicUsize,
}

impl Stash {
    pub(crate) fn remember(&mut self, additional_data: &[u8], plaintext: &[u8], nonce: [u8; 32]) {
        let nonces = self
            .nonces
            .entry(digest(additional_data, plaintext))
            .or_default();
        self.has_repetitions |= !nonces.all.is_empty();
        nonces.all.push(nonce);
    }

    /// Takes over what another one remembers.
    pub(crate) fn extend(&mut self, other: Self) {
        self.has_repetitions |= other.has_repetitions;
        self.nonces.extend(other.nonces);
        self.orphans.extend(other.orphans);
    }

    /// Whether something was encrypted more than once, so that the order matters in which nonces are given out.
    pub(crate) fn has_repetitions(&self) -> bool {
        self.has_repetitions
    }

    /// Gives all nonces out again, for a document that is encrypted from its beginning.
    pub(crate) fn rewind(&self) {
        for nonces in self.nonces.values() {
            nonces.given.store(0, Ordering::Relaxed);
        }
    }

    /// Gives out the next nonce of a (path, plaintext), none of them twice.
    pub(crate) fn nonce(&self, additional_data: &[u8], plaintext: &[u8]) -> Option<[u8; 32]> {
        if self.nonces.is_empty() {
            return None;
        }
        let nonces = self.nonces.get(&digest(additional_data, plaintext))?;
        let given = nonces.given.fetch_add(1, Ordering::Relaxed);
        nonces.all.get(given).copied()
    }
}

fn digest(additional_data: &[u8], plaintext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((additional_data.len() as u64).to_le_bytes());
    hash.update(additional_data);
    hash.update(plaintext);
    hash.finalize().into()
}
