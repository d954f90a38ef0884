//! What is known of the values of a file that is encrypted again: their nonces, so that one that did not change keeps its
//! ciphertext, and which have to stay encrypted.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{alignment::align, orphans::Orphans};

/// A value or comment, by its path and plaintext. A digest, so that no plaintext lies around.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn of(additional_data: &[u8], plaintext: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((additional_data.len() as u64).to_le_bytes());
        hash.update(additional_data);
        hash.update(plaintext);
        Self(hash.finalize().into())
    }
}

/// Remembers under which nonce each value and comment was encrypted, in the order of the document.
///
/// Encrypting the same plaintext under the same key, nonce and additional data gives the same bytes, so it tells
/// nobody anything new; any other plaintext or path gets a nonce of its own, and so does one that stands there more often
/// than before.
#[derive(Default)]
pub(crate) struct Stash {
    tokens: Vec<Token>,
    nonces: Vec<[u8; 32]>,
    /// What must stay encrypted, whatever the selector says.
    pub(crate) orphans: Orphans,
}

impl Stash {
    pub(crate) fn remember(&mut self, additional_data: &[u8], plaintext: &[u8], nonce: [u8; 32]) {
        self.tokens.push(Token::of(additional_data, plaintext));
        self.nonces.push(nonce);
    }

    /// Takes over what another one remembers.
    pub(crate) fn extend(&mut self, other: Self) {
        self.tokens.extend(other.tokens);
        self.nonces.extend(other.nonces);
        self.orphans.extend(other.orphans);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns the nonces for a document that is to be encrypted, given what is encrypted in it, in its order.
    ///
    /// Items of a list have one path, and may have one plaintext: which of them a value was, the values around it tell. So
    /// one that stays keeps its own ciphertext, and nobody sees from those that move up that they are equal.
    pub(crate) fn for_document(&self, document: &[Token]) -> KeptNonces {
        let mut kept: HashMap<Token, Vec<Option<[u8; 32]>>> =
            HashMap::with_capacity(document.len());
        let mut has_repetitions = false;
        for (token, from) in document.iter().zip(align(&self.tokens, document)) {
            let nonces = kept.entry(*token).or_default();
            has_repetitions |= !nonces.is_empty();
            nonces.push(from.map(|from| self.nonces[from]));
        }
        KeptNonces {
            kept,
            has_repetitions,
        }
    }

    /// Returns the nonce of what there is but once, in the metadata.
    pub(crate) fn nonce(&self, additional_data: &[u8], plaintext: &[u8]) -> Option<[u8; 32]> {
        if self.is_empty() {
            return None;
        }
        let token = Token::of(additional_data, plaintext);
        let at = self.tokens.iter().position(|known| *known == token)?;
        Some(self.nonces[at])
    }
}

/// The nonces of the values of one document that keep theirs.
#[derive(Default)]
pub(crate) struct KeptNonces {
    /// For each value, in the order in which equal ones stand there.
    kept: HashMap<Token, Vec<Option<[u8; 32]>>>,
    has_repetitions: bool,
}

impl KeptNonces {
    /// Whether there are equal values at one path, so that their order matters.
    pub(crate) fn has_repetitions(&self) -> bool {
        self.has_repetitions
    }

    /// Returns the nonce of a value, which is the one that stands there after `before` others that are equal.
    pub(crate) fn nonce(
        &self,
        additional_data: &[u8],
        plaintext: &[u8],
        before: impl FnOnce(Token) -> usize,
    ) -> Option<[u8; 32]> {
        if self.kept.is_empty() {
            return None;
        }
        let token = Token::of(additional_data, plaintext);
        let nonces = self.kept.get(&token)?;
        let at = if nonces.len() > 1 { before(token) } else { 0 };
        *nonces.get(at)?
    }
}
