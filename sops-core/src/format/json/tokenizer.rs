//! The tokens of JSON: strings, numbers and words, as strict as Go's `encoding/json`.

use crate::{
    format::{SyntaxError, SyntaxErrorKind},
    tree::{Span, Text, Value},
};

/// A place in the source, moving forward.
pub(super) struct Cursor<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            bytes: source.as_bytes(),
            at: 0,
        }
    }

    pub(super) fn source(&self) -> &'s str {
        self.source
    }

    /// Returns the offset of the next byte.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over the byte that was peeked at.
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads a string, from its opening quote to behind its closing quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text, SyntaxError> {
        let start = self.at + 1;
        let end = verbatim_end(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text::Source(Span::new(start, end)));
        }
        self.escaped_string(start)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self
                    .malformed("a number must not start with 0")
                    .with_hint("drop the leading zeros, or put the value in double quotes"));
            }
        } else {
            self.digits("a digit")?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits("a digit after the decimal point")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits("a digit in the exponent")?;
        }
        let text = &self.source[start..self.at];
        if integer && let Ok(value) = text.parse() {
            return Ok(Value::Int(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(value)),
            _ => Err(SyntaxError::at(
                self.source,
                start,
                SyntaxErrorKind::Malformed,
                "the number is too large for a 64-bit float",
            )
            .with_hint("put it in double quotes")),
        }
    }

    /// Reads `true`, `false` or `null`.
    pub(super) fn word(&mut self) -> Result<Value, SyntaxError> {
        let rest = &self.bytes[self.at..];
        let (value, len) = if rest.starts_with(b"true") {
            (Value::Bool(true), 4)
        } else if rest.starts_with(b"false") {
            (Value::Bool(false), 5)
        } else if rest.starts_with(b"null") {
            (Value::Null, 4)
        } else {
            return Err(self.expected("a value"));
        };
        self.at += len;
        Ok(value)
    }

    /// Returns the error that something else was expected at this place.
    pub(super) fn expected(&self, what: &str) -> SyntaxError {
        if self.peek().is_none() {
            return self
                .malformed(format!("expected {what}, but the text ends here"))
                .with_hint("the file may be cut off");
        }
        let error = self.malformed(format!("expected {what}"));
        match self.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    pub(super) fn malformed(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::at(self.source, self.at, SyntaxErrorKind::Malformed, message)
    }

    /// Returns what may have been meant by the next byte, which is wrong here.
    fn hint(&self) -> Option<&'static str> {
        let byte = self.peek()?;
        Some(match byte {
            b'/' | b'#' => "JSON has no comments",
            b'\'' => "JSON strings stand in double quotes",
            b'+' | b'.' | b'0'..=b'9' => {
                "a JSON number is a minus sign or nothing, digits, and perhaps a fraction and an exponent"
            }
            b',' => "there is a comma too many",
            b'}' | b']' => "a bracket or a comma is not where it should be",
            b'"' => "a comma or a colon is missing before it",
            byte if byte.is_ascii_alphabetic() => {
                "texts stand in double quotes; the only words are true, false and null"
            }
            _ => return None,
        })
    }

    fn digits(&mut self, what: &str) -> Result<(), SyntaxError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected(what));
        }
        Ok(())
    }

    fn escaped_string(&mut self, start: usize) -> Result<Text, SyntaxError> {
        // Once to learn the size, once to fill: growing would leave pieces of a secret in freed memory.
        let mut len = 0;
        self.string_pieces(start, |piece| len += piece.len())?;
        let mut decoded = Vec::with_capacity(len);
        self.at = self.string_pieces(start, |piece| decoded.extend_from_slice(piece))?;
        Ok(Text::Owned(decoded.into_boxed_slice()))
    }

    /// Hands the decoded pieces of a string to `take`, and returns the offset behind its closing quote.
    fn string_pieces(
        &self,
        start: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, SyntaxError> {
        let mut at = start;
        loop {
            let end = verbatim_end(self.bytes, at);
            take(&self.bytes[at..end]);
            match self.bytes.get(end) {
                Some(b'"') => return Ok(end + 1),
                Some(b'\\') => {
                    let (decoded, behind) = self.escape(end)?;
                    take(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                    at = behind;
                }
                Some(b'\n' | b'\r') => {
                    return Err(self
                        .malformed_at(end, "a string must not contain a line break")
                        .with_hint("close the string, or write the line break as \\n"));
                }
                Some(b'\t') => {
                    return Err(self
                        .malformed_at(end, "a string must not contain a tab")
                        .with_hint("write it as \\t"));
                }
                Some(_) => {
                    return Err(self
                        .malformed_at(end, "a string must not contain a control character")
                        .with_hint("write it as \\u and four hexadecimal digits"));
                }
                None => {
                    return Err(self
                        .malformed_at(start - 1, "the string that starts here is not closed")
                        .with_hint("the file may be cut off"));
                }
            }
        }
    }

    /// Decodes the escape whose backslash is at `at`, and returns the offset behind it.
    fn escape(&self, at: usize) -> Result<(char, usize), SyntaxError> {
        let decoded = match self.bytes.get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(at),
            _ => {
                return Err(self
                    .malformed_at(at, "there is no such escape in JSON")
                    .with_hint("a backslash itself is written as \\\\"));
            }
        };
        Ok((decoded, at + 2))
    }

    fn unicode_escape(&self, at: usize) -> Result<(char, usize), SyntaxError> {
        let unit = self.hex_unit(at).ok_or_else(|| {
            self.malformed_at(at, "\\u must be followed by four hexadecimal digits")
        })?;
        if let Some(decoded) = char::from_u32(unit) {
            return Ok((decoded, at + 6));
        }
        let low = self
            .hex_unit(at + 6)
            .filter(|low| (0xdc00..0xe000).contains(low));
        match low {
            Some(low) if unit < 0xdc00 => {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                let decoded =
                    char::from_u32(code).expect("a surrogate pair is a character by construction");
                Ok((decoded, at + 12))
            }
            _ => Err(self
                .malformed_at(
                    at,
                    "a lone surrogate is no character: half of a \\u pair is missing",
                )
                .with_hint("other tools replace it silently by U+FFFD; correct the text")),
        }
    }

    /// Returns the number in `\uXXXX` at `at`.
    fn hex_unit(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, &digit| {
            Some(unit << 4 | char::from(digit).to_digit(16)?)
        })
    }

    fn malformed_at(&self, at: usize, message: &str) -> SyntaxError {
        SyntaxError::at(self.source, at, SyntaxErrorKind::Malformed, message)
    }
}

/// Returns the offset of the first byte from `start` on that does not stand for itself in a string:
/// a quote, a backslash, a control character; or the length of the text.
fn verbatim_end(bytes: &[u8], start: usize) -> usize {
    let mut at = match special_within(bytes, start, start + WIDE) {
        Ok(found) => return found,
        // Most strings end before this.
        Err(at) => at,
    };
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WIDE>())
        && !chunk
            .iter()
            .fold(false, |found, &byte| found | is_special(byte))
    {
        at += WIDE;
    }
    let at = match special_within(bytes, at, bytes.len()) {
        Ok(found) => return found,
        Err(at) => at,
    };
    let rest = &bytes[at.min(bytes.len())..];
    let found = rest.iter().position(|&byte| is_special(byte));
    at + found.unwrap_or(rest.len())
}

/// How many bytes of a long string are looked at together, by instructions that take many.
const WIDE: usize = 64;

/// Looks at eight bytes at a time, until there are less or `limit` is reached. Returns the first special one; an error
/// is how far none was found.
fn special_within(bytes: &[u8], start: usize, limit: usize) -> Result<usize, usize> {
    let mut at = start;
    while at < limit
        && let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>())
    {
        let found = special_bytes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Ok(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    Err(at)
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// Sets the top bit of the first byte (from the low end) that is a quote, a backslash or a control character. Bytes
/// above the first hit may be set wrongly, by borrowing.
fn special_bytes(chunk: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const TOPS: u64 = ONES << 7;
    let below = |chunk: u64, limit: u64| chunk.wrapping_sub(ONES * limit) & !chunk & TOPS;
    below(chunk, 0x20)
        | below(chunk ^ (ONES * u64::from(b'"')), 1)
        | below(chunk ^ (ONES * u64::from(b'\\')), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_the_verbatim_bytes_like_a_byte_loop() {
        for special in ["\"", "\\", "\n", "\0", "\u{1f}"] {
            for before in (0..20).chain(56..73).chain(120..140) {
                for fill in ["a", " ", "é", "\u{7f}", "\u{ff}", "!#"] {
                    let text = format!("{}{special}\"\\\u{1}abc", fill.repeat(before));
                    assert_eq!(
                        verbatim_end(text.as_bytes(), 0),
                        fill.len() * before,
                        "{text:?}"
                    );
                }
            }
        }
        assert_eq!(verbatim_end(b"abc", 0), 3);
        assert_eq!(verbatim_end(b"abcdefghijk", 1), 11);
        assert_eq!(verbatim_end(b"", 0), 0);
    }
}
