//! The encoding that SSH has for lists of numbers and texts (RFC 4251, section 5).

/// Reads one after the other; `None` when the data ends too soon.
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

impl<'d> Reader<'d> {
    pub(super) fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    pub(super) fn string(&mut self) -> Option<&'d [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<&'d str> {
        str::from_utf8(self.string()?).ok()
    }

    /// Reads a large number, which must not be negative. Returns its bytes without zeros before it.
    pub(super) fn large_number(&mut self) -> Option<&'d [u8]> {
        let bytes = self.string()?;
        if bytes.first().is_some_and(|&first| first >= 0x80) {
            return None;
        }
        Some(without_zeros(bytes))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts off the zeros at the beginning.
pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}
