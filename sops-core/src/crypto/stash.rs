//! Nonces of values that were decrypted, so that a value that did not change keeps its ciphertext.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// Remembers under which nonce a (path, plaintext) was encrypted.
///
/// Encrypting the same plaintext under the same key, nonce and additional data gives the same bytes, so it tells
/// nobody anything new; any other plaintext or path gets a nonce of its own. What is remembered is a digest, not the
/// plaintext.
#[derive(Default)]
pub(crate) struct Stash(HashMap<[u8; 32], [u8; 32]>);

impl Stash {
    pub(crate) fn remember(&mut self, additional_data: &[u8], plaintext: &[u8], nonce: [u8; 32]) {
        self.0.insert(digest(additional_data, plaintext), nonce);
    }

    /// Takes over what another one remembers.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn nonce(&self, additional_data: &[u8], plaintext: &[u8]) -> Option<[u8; 32]> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&digest(additional_data, plaintext)).copied()
    }
}

fn digest(additional_data: &[u8], plaintext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((additional_data.len() as u64).to_le_bytes());
    hash.update(additional_data);
    hash.update(plaintext);
    hash.finalize().into()
}
