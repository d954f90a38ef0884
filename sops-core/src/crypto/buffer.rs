//! Plaintexts on their way through a walk.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes that are wiped when dropped.
///
/// One that has no memory is not: it is taken out, and put back, for each leaf, and wiping nothing at no address takes the
/// processor longer than decrypting a short value.
#[derive(Default)]
pub(super) struct Buffer(Vec<u8>);

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() > 0 {
            self.0.zeroize();
        }
    }
}
