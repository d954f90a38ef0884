//! Bytes and text that must not be seen: wiped when dropped, never printed.

use std::{
    fmt,
    io::{self, Read},
};

use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

/// What most secrets fit into, in bytes.
const FIRST_ROOM: usize = 4096;

/// Secret bytes: a decrypted document, a data key before it has its type, the text of an identity.
///
/// Wiped from memory when dropped; `Debug` prints `[REDACTED]`. Reading is the visible call [`SecretBytes::expose`].
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes ownership of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads to the end, without leaving copies behind. Of devices and pipes that never end, no more is read than `limit`
    /// allows.
    ///
    /// # Errors
    ///
    /// Fails if reading does, and with [`io::ErrorKind::FileTooLarge`] if there are more than `limit` bytes.
    pub fn read_limited(mut reader: impl Read, limit: usize) -> io::Result<Self> {
        // One byte more than there may be tells that there are too many.
        let most = limit.saturating_add(1);
        let mut bytes = Self::new(vec![0; most.min(FIRST_ROOM)]);
        let mut length = 0;
        loop {
            if length == most {
                return Err(too_large(limit));
            }
            if length == bytes.len() {
                let mut larger = Self::new(vec![0; most.min(2 * length)]);
                larger.0[..length].copy_from_slice(bytes.expose());
                bytes = larger;
            }
            match reader.read(&mut bytes.0[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.0.truncate(length);
        Ok(bytes)
    }

    /// Returns the bytes. Whoever copies them has to wipe the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes. Whoever takes them has to wipe them.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        // As a slice, many bytes at once: a vector wipes them one by one.
        self.0.as_mut_slice().zeroize();
        self.0.spare_capacity_mut().zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

fn too_large(limit: usize) -> io::Error {
    let limit = match limit {
        0..1024 => format!("{limit} bytes"),
        1024..0x10_0000 => format!("{} KiB", limit >> 10),
        _ => format!("{} MiB", limit >> 20),
    };
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it is larger than {limit}"),
    )
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// Secret text, such as one decrypted value.
///
/// Wiped from memory when dropped; `Debug` prints `[REDACTED]`. Reading is the visible call [`SecretText::expose`].
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Reads to the end, as [`SecretBytes::read_limited`] does.
    ///
    /// # Errors
    ///
    /// Those of [`SecretBytes::read_limited`]; fails with [`io::ErrorKind::InvalidData`] if it is not UTF-8.
    pub fn read_limited(reader: impl Read, limit: usize) -> io::Result<Self> {
        let bytes = SecretBytes::read_limited(reader, limit)?;
        String::from_utf8(bytes.into_vec())
            .map(Self::new)
            .map_err(|error| {
                drop(SecretBytes::new(error.into_bytes()));
                io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8")
            })
    }

    /// Returns the text. Whoever copies it has to wipe the copy.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    /// Takes a text out of a document. Whether the document leaves copies behind, its reader decides.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl SecretText {
    /// Returns the text as bytes, without copying it.
    pub(crate) fn into_bytes(mut self) -> SecretBytes {
        SecretBytes::new(std::mem::take(&mut *self.0).into_bytes())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, and is interrupted before each.
    struct Dripping<'a>(&'a [u8], bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => self.0.read(&mut buffer[..1]),
            }
        }
    }

    #[test]
    fn reading_ends_at_the_limit() {
        let text: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        for length in [0, 1, 4095, 4096, 4097, 8192, 20_000] {
            let text = &text[..length];
            for limit in [length, length + 1, usize::MAX] {
                let read = SecretBytes::read_limited(text, limit).expect("small enough");
                assert!(read.expose() == text, "{length} of {limit}");
            }
            let read = SecretBytes::read_limited(Dripping(text, false), length);
            assert!(read.expect("small enough").expose() == text, "{length}");
            if length > 0 {
                let error = SecretBytes::read_limited(text, length - 1).expect_err("too large");
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{length}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_too_large() {
        for (limit, said) in [
            (0, "it is larger than 0 bytes"),
            (64 << 10, "it is larger than 64 KiB"),
            (4 << 20, "it is larger than 4 MiB"),
        ] {
            let error = SecretBytes::read_limited(io::repeat(b'a'), limit).expect_err("endless");
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn texts_are_read_if_they_are_some() {
        let read = |bytes: &[u8]| SecretText::read_limited(bytes, 4);
        assert_eq!(read("aü".as_bytes()).expect("a text").expose(), "aü");
        let error = read(b"\xfft").expect_err("no text");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read(b"aaaaa").expect_err("too large").kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
