//! Nonces for encrypted values.

use std::fmt;

use zeroize::Zeroize;

/// The length of the nonces we write, in bytes.
pub(crate) const NONCE_LEN: usize = 32;

/// How many nonces one request to the operating system brings: 4 KiB of randomness.
const NONCES_PER_BLOCK: usize = 128;

/// Random nonces, drawn from the operating system in blocks: a file of 400,000 values makes some thousand system
/// calls, not 400,000. Each nonce is given out once, and forgotten.
pub(crate) struct NonceSource {
    block: Box<[u8; NONCES_PER_BLOCK * NONCE_LEN]>,
    /// How many bytes of the block have been given out.
    used: usize,
}

impl NonceSource {
    /// Returns a source that has drawn nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            block: Box::new([0; NONCES_PER_BLOCK * NONCE_LEN]),
            used: NONCES_PER_BLOCK * NONCE_LEN,
        }
    }

    /// Returns the next nonce.
    pub(crate) fn draw(&mut self) -> Result<[u8; NONCE_LEN], NoRandomness> {
        if self.used == self.block.len() {
            getrandom::fill(&mut *self.block).map_err(|_| NoRandomness)?;
            self.used = 0;
        }
        let slot = &mut self.block[self.used..self.used + NONCE_LEN];
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(slot);
        slot.zeroize();
        self.used += NONCE_LEN;
        Ok(nonce)
    }
}

impl Drop for NonceSource {
    fn drop(&mut self) {
        self.block.zeroize();
    }
}

impl fmt::Debug for NonceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSource([REDACTED])")
    }
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandomness;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_nonce_comes_twice() {
        let mut source = NonceSource::new();
        let drawn: HashSet<_> = (0..1000)
            .map(|_| source.draw().expect("randomness"))
            .collect();
        assert_eq!(drawn.len(), 1000);
        assert!(!drawn.contains(&[0; NONCE_LEN]));
    }

    #[test]
    fn what_was_given_out_is_wiped() {
        let mut source = NonceSource::new();
        source.draw().expect("randomness");
        source.draw().expect("randomness");
        assert!(source.block[..2 * NONCE_LEN].iter().all(|&byte| byte == 0));
        assert!(source.block[2 * NONCE_LEN..].iter().any(|&byte| byte != 0));
    }
}
