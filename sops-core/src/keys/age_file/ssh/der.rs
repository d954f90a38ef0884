//! As much of DER as older private keys need.

use super::wire::without_zeros;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// Reads one element after the other; `None` when the next one is another, or ends too late.
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

impl<'d> Reader<'d> {
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.element(SEQUENCE).map(Self)
    }

    /// Reads a number that is not negative. Returns its bytes without zeros before it.
    pub(super) fn number(&mut self) -> Option<&'d [u8]> {
        let bytes = self.element(INTEGER)?;
        match bytes.first() {
            Some(0..0x80) => Some(without_zeros(bytes)),
            _ => None,
        }
    }

    pub(super) fn octets(&mut self) -> Option<&'d [u8]> {
        self.element(OCTETS)
    }

    pub(super) fn identifier(&mut self) -> Option<&'d [u8]> {
        self.element(IDENTIFIER)
    }

    fn element(&mut self, tag: u8) -> Option<&'d [u8]> {
        let rest = self.0.strip_prefix(&[tag])?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }
}
