//! The key that a file's values are encrypted with.

use std::fmt;

use zeroize::Zeroize;

use crate::secret::SecretBytes;

/// The 32 bytes that encrypt the values of one file.
///
/// Every master key of the file wraps these bytes (or a share of them). They live in one place on the heap, are wiped
/// when dropped, and are never printed.
pub struct DataKey(Box<[u8; Self::LEN]>);

impl DataKey {
    /// The number of bytes of a data key.
    pub const LEN: usize = 32;

    /// Returns a new data key drawn from the randomness of the operating system.
    ///
    /// # Errors
    ///
    /// [`DataKeyError::NoRandomness`] when the operating system gives none.
    pub fn generate() -> Result<Self, DataKeyError> {
        let mut key = Self(Box::new([0; Self::LEN]));
        getrandom::fill(&mut *key.0).map_err(|_| DataKeyError::NoRandomness)?;
        Ok(key)
    }

    /// Returns the data key that `bytes` are.
    ///
    /// # Errors
    ///
    /// [`DataKeyError::Length`] when there are not exactly 32 of them.
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, DataKeyError> {
        if bytes.len() != Self::LEN {
            return Err(DataKeyError::Length { found: bytes.len() });
        }
        let mut key = Self(Box::new([0; Self::LEN]));
        key.0.copy_from_slice(bytes.expose());
        Ok(key)
    }

    /// Returns a copy of the bytes, to be wrapped.
    #[must_use]
    pub fn to_secret(&self) -> SecretBytes {
        SecretBytes::new(self.0.to_vec())
    }

    /// Returns the bytes. Whoever copies them has to wipe the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

/// Why there is no data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataKeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The bytes that were unwrapped are not a data key.
    #[error("a data key has 32 bytes, but {found} were recovered")]
    Length {
        /// How many bytes there are.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_lengths_are_refused() {
        for length in [0, 1, 16, 31, 33, 64] {
            let bytes = SecretBytes::new(vec![7; length]);
            assert_eq!(
                DataKey::from_bytes(&bytes).err(),
                Some(DataKeyError::Length { found: length })
            );
        }
    }

    #[test]
    fn bytes_come_back() {
        let bytes = SecretBytes::new((0..32).collect());
        let key = DataKey::from_bytes(&bytes).expect("32 bytes");
        assert_eq!(key.expose().as_slice(), bytes.expose());
        assert_eq!(key.to_secret().expose(), bytes.expose());
    }

    #[test]
    fn generated_keys_differ_and_are_not_printed() {
        let first = DataKey::generate().expect("randomness");
        let second = DataKey::generate().expect("randomness");
        assert_ne!(first.expose(), second.expose());
        assert_eq!(format!("{first:?}"), "DataKey([REDACTED])");
    }
}
