//! Scanning scalars. A value that stands in the text as it is, is not copied.

use super::{
    characters::{break_length, byte, is_blank, is_blank_or_end, is_break, is_break_or_end},
    scanner::Scanner,
    token::{ScanError, control_character},
};
use crate::tree::{Span, Text};

/// A value that is put together while it is scanned.
#[derive(Default)]
struct Builder(Vec<u8>);

impl Builder {
    /// Appends the line break at `at` as YAML reads it: LF, but LS and PS stay what they are.
    fn push_break(&mut self, bytes: &[u8], at: usize) {
        match break_length(bytes, at) {
            3 => self.0.extend_from_slice(&bytes[at..at + 3]),
            _ => self.0.push(b'\n'),
        }
    }

    fn text(self) -> Text {
        Text::Owned(self.0.into_boxed_slice())
    }
}

/// The bytes at which a run of a plain scalar may end: blanks, breaks and what starts one, `:`, and indicators of flow
/// collections.
const MAY_END_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let ends = b" \t\n\r\0:,?[]{}\xC2\xE2";
    let mut at = 0;
    while at < ends.len() {
        table[ends[at] as usize] = true;
        at += 1;
    }
    table
};

/// How many bytes of a plain scalar are looked at together, by instructions that take many.
const WIDE: usize = 16;

/// Whether a byte may be one of [`MAY_END_PLAIN`]: quicker to tell, and never wrong about those that are.
fn may_be_special(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // And `-`, `.`, `/`.
    let is_digit = byte.wrapping_sub(b'-') < 13;
    !(is_letter | is_digit | (byte == b'+'))
}

/// Returns how many characters of ASCII that are neither blanks nor control characters a text starts with.
fn printable_length(bytes: &[u8]) -> usize {
    let is_printable = |byte: u8| byte.wrapping_sub(b'!') < 0x7F - b'!';
    let mut length = 0;
    while let Some(chunk) = bytes[length..].first_chunk::<WIDE>()
        && chunk
            .iter()
            .fold(true, |all, &byte| all & is_printable(byte))
    {
        length += WIDE;
    }
    let rest = bytes[length..].iter();
    length + rest.take_while(|&&byte| is_printable(byte)).count()
}

/// The line breaks between two lines of a flow scalar.
#[derive(Default)]
struct Fold {
    first: Option<usize>,
    more: Vec<u8>,
}

impl Fold {
    fn push(&mut self, bytes: &[u8], at: usize) {
        if self.first.is_none() {
            self.first = Some(at);
        } else {
            let mut breaks = Builder(std::mem::take(&mut self.more));
            breaks.push_break(bytes, at);
            self.more = breaks.0;
        }
    }

    /// Joins the lines: one break becomes a blank, more of them lose the first. A first break that is LS or PS stays.
    fn join(&mut self, bytes: &[u8], out: &mut Builder) {
        if let Some(first) = self.first.take() {
            if break_length(bytes, first) == 3 {
                out.push_break(bytes, first);
            } else if self.more.is_empty() {
                out.0.push(b' ');
            }
        }
        out.0.append(&mut self.more);
    }
}

impl Scanner<'_> {
    /// Scans a plain scalar. Returns its text, where it ends, and whether line breaks follow it or stand in it.
    pub(super) fn scan_plain(&mut self) -> Result<(Text, usize, bool), ScanError> {
        let start = self.mark.index;
        let indent = self.indent + 1;
        let mut end = start;
        let mut owned: Option<Builder> = None;
        // What of the text after `copied` is not in `owned` yet.
        let mut copied = start;
        let mut fold = Fold::default();
        let mut after_break = false;
        loop {
            if self.mark.column == 0 && self.is_document_indicator(self.mark.index)
                || byte(self.bytes, self.mark.index) == b'#'
            {
                break;
            }
            let word_end = self.plain_word_end();
            if word_end > self.mark.index {
                if after_break {
                    let out = owned.get_or_insert_with(Builder::default);
                    out.0.extend_from_slice(&self.bytes[copied..end]);
                    fold.join(self.bytes, out);
                    copied = self.mark.index;
                    after_break = false;
                }
                self.newlines = 0;
                self.advance(word_end);
                end = word_end;
            }
            let here = byte(self.bytes, self.mark.index);
            if !is_blank(here) && !is_break(self.bytes, self.mark.index) {
                break;
            }
            loop {
                let at = self.mark.index;
                if is_blank(byte(self.bytes, at)) {
                    let column = isize::try_from(self.mark.column).unwrap_or(isize::MAX);
                    if after_break && column < indent && byte(self.bytes, at) == b'\t' {
                        return Err(ScanError::new(
                            at,
                            "a tab stands where only blanks may indent",
                        )
                        .hint("indent with blanks"));
                    }
                    self.skip();
                } else if is_break(self.bytes, at) {
                    fold.push(self.bytes, at);
                    after_break = true;
                    self.skip_break();
                } else {
                    break;
                }
            }
            let column = isize::try_from(self.mark.column).unwrap_or(isize::MAX);
            if self.flow_level == 0 && column < indent {
                break;
            }
        }
        let text = match owned {
            None => Text::Source(Span::new(start, end)),
            Some(mut out) => {
                out.0.extend_from_slice(&self.bytes[copied..end]);
                out.text()
            }
        };
        Ok((text, end, after_break))
    }

    /// Where the run of characters ends that are no blanks, and part of a plain scalar.
    fn plain_word_end(&self) -> usize {
        let bytes = self.bytes;
        let in_flow = self.flow_level > 0;
        let start = self.mark.index;
        let mut at = start;
        if !in_flow {
            loop {
                at += printable_length(&bytes[at..]);
                let ends = match byte(bytes, at) {
                    b' ' | b'\t' | b'\n' | b'\r' | 0 => true,
                    _ => is_break(bytes, at),
                };
                if ends {
                    // Of all colons, only the last one has a blank behind it.
                    let is_key = at > start && bytes[at - 1] == b':';
                    return at - usize::from(is_key);
                }
                at += 1;
            }
        }
        loop {
            while let Some(chunk) = bytes[at..].first_chunk::<WIDE>()
                && !chunk
                    .iter()
                    .fold(false, |may, &byte| may | may_be_special(byte))
            {
                at += WIDE;
            }
            let rest = &bytes[at..];
            let Some(stop) = rest
                .iter()
                .position(|&byte| MAY_END_PLAIN[usize::from(byte)])
            else {
                return bytes.len();
            };
            at += stop;
            let ends = match bytes[at] {
                b' ' | b'\t' | b'\n' | b'\r' | 0 => true,
                b':' => is_blank_or_end(bytes, at + 1),
                0xC2 | 0xE2 => is_break(bytes, at),
                _ => true,
            };
            if ends {
                return at;
            }
            at += 1;
        }
    }

    /// Goes on to `end` on the same line.
    fn advance(&mut self, end: usize) {
        self.mark.column += super::characters::count(&self.bytes[self.mark.index..end]);
        self.mark.index = end;
    }

    /// Scans a quoted scalar, from one quote to the other.
    pub(super) fn scan_quoted(&mut self, is_single: bool) -> Result<Text, ScanError> {
        let opening = self.mark.index;
        let quote = if is_single { b'\'' } else { b'"' };
        self.skip();
        if let Some(end) = self.simple_quoted_end(quote) {
            let text = Text::Source(Span::new(self.mark.index, end));
            self.newlines = 0;
            self.advance(end + 1);
            return Ok(text);
        }
        let mut out = Builder::default();
        let mut fold = Fold::default();
        loop {
            if self.mark.column == 0 && self.is_document_indicator(self.mark.index) {
                return Err(unclosed(
                    opening,
                    "a document marker stands inside the quotes",
                ));
            }
            if self.mark.index >= self.bytes.len() {
                return Err(unclosed(opening, "the closing quote is missing"));
            }
            let mut after_break = false;
            while !is_blank_or_end(self.bytes, self.mark.index) {
                let at = self.mark.index;
                let here = self.bytes[at];
                if here == quote {
                    if is_single && byte(self.bytes, at + 1) == quote {
                        out.0.push(quote);
                        self.skip();
                        self.skip();
                        continue;
                    }
                    break;
                }
                if here == b'\\' && !is_single {
                    if is_break(self.bytes, at + 1) {
                        self.skip();
                        self.skip_break();
                        after_break = true;
                        break;
                    }
                    self.scan_escape(&mut out.0)?;
                    continue;
                }
                self.skip();
                out.0.extend_from_slice(&self.bytes[at..self.mark.index]);
            }
            if byte(self.bytes, self.mark.index) == 0 && self.mark.index < self.bytes.len() {
                return Err(control_character(self.mark.index));
            }
            if byte(self.bytes, self.mark.index) == quote {
                break;
            }
            let mut blanks = Vec::new();
            loop {
                let at = self.mark.index;
                if is_blank(byte(self.bytes, at)) {
                    if !after_break {
                        blanks.push(self.bytes[at]);
                    }
                    self.skip();
                } else if is_break(self.bytes, at) {
                    if after_break && fold.first.is_none() {
                        // After an escaped break every further one counts.
                        let mut more = Builder(std::mem::take(&mut fold.more));
                        more.push_break(self.bytes, at);
                        fold.more = more.0;
                    } else {
                        fold.push(self.bytes, at);
                    }
                    after_break = true;
                    self.skip_break();
                } else {
                    break;
                }
            }
            if after_break {
                fold.join(self.bytes, &mut out);
            } else {
                out.0.append(&mut blanks);
            }
        }
        self.skip();
        Ok(out.text())
    }

    /// Where the closing quote is, if the value stands between the quotes as it is: no escape, no line break.
    fn simple_quoted_end(&self, quote: u8) -> Option<usize> {
        let bytes = self.bytes;
        let mut at = self.mark.index;
        loop {
            match *bytes.get(at)? {
                b'\n' | b'\r' | b'\\' | 0 if quote == b'"' => return None,
                b'\n' | b'\r' | 0 => return None,
                0xC2 | 0xE2 if is_break(bytes, at) => return None,
                byte if byte == quote => {
                    let is_doubled = quote == b'\'' && bytes.get(at + 1) == Some(&quote);
                    return (!is_doubled).then_some(at);
                }
                _ => at += 1,
            }
        }
    }

    /// Scans an escape of a double-quoted scalar.
    fn scan_escape(&mut self, out: &mut Vec<u8>) -> Result<(), ScanError> {
        let at = self.mark.index;
        let digits = match byte(self.bytes, at + 1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            letter => {
                let meaning: &[u8] = match letter {
                    b'0' => &[0],
                    b'a' => &[7],
                    b'b' => &[8],
                    b't' | b'\t' => b"\t",
                    b'n' => b"\n",
                    b'v' => &[11],
                    b'f' => &[12],
                    b'r' => b"\r",
                    b'e' => &[27],
                    b' ' => b" ",
                    b'"' => b"\"",
                    b'\'' => b"'",
                    b'\\' => b"\\",
                    b'N' => "\u{85}".as_bytes(),
                    b'_' => "\u{a0}".as_bytes(),
                    b'L' => "\u{2028}".as_bytes(),
                    b'P' => "\u{2029}".as_bytes(),
                    _ => {
                        return Err(ScanError::new(at, "an unknown escape in double quotes")
                            .hint("write a backslash as \\\\, or use single quotes"));
                    }
                };
                out.extend_from_slice(meaning);
                self.skip();
                self.skip();
                return Ok(());
            }
        };
        let text = self.bytes.get(at + 2..at + 2 + digits).unwrap_or_default();
        let number = std::str::from_utf8(text)
            .ok()
            .filter(|text| {
                text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
            .and_then(|text| u32::from_str_radix(text, 16).ok());
        let Some(number) = number else {
            return Err(ScanError::new(
                at,
                "an escape has too few hexadecimal digits",
            ));
        };
        let Some(letter) = char::from_u32(number) else {
            return Err(ScanError::new(at, "an escape is no character")
                .hint("write characters above U+FFFF as \\U and eight digits"));
        };
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        for _ in 0..digits + 2 {
            self.skip();
        }
        Ok(())
    }

    /// Scans a block scalar. Returns its text, and where its last line ends.
    pub(super) fn scan_block_scalar(
        &mut self,
        is_literal: bool,
    ) -> Result<(Text, usize), ScanError> {
        let start_mark = self.mark;
        self.skip();
        let mut chomping = 0;
        let mut increment = None;
        for _ in 0..2 {
            match byte(self.bytes, self.mark.index) {
                sign @ (b'+' | b'-') if chomping == 0 => {
                    chomping = if sign == b'+' { 1 } else { -1 };
                    self.skip();
                }
                digit @ b'0'..=b'9' if increment.is_none() => {
                    if digit == b'0' {
                        return Err(ScanError::new(
                            self.mark.index,
                            "an indentation indicator cannot be 0",
                        ));
                    }
                    increment = Some(isize::from(digit - b'0'));
                    self.skip();
                }
                _ => break,
            }
        }
        let header_end = self.mark.index;
        while is_blank(byte(self.bytes, self.mark.index)) {
            self.skip();
        }
        if byte(self.bytes, self.mark.index) == b'#' {
            self.scan_line_comment(start_mark);
        }
        if !is_break_or_end(self.bytes, self.mark.index) {
            return Err(ScanError::new(
                self.mark.index,
                "the first line of a block scalar holds more than its indicators and a comment",
            )
            .hint("put the text on the lines below, or in quotes"));
        }
        self.skip_break();

        let mut indent = increment.map_or(0, |increment| self.indent.max(0) + increment);
        let mut out = Builder::default();
        let mut trailing = Builder::default();
        let mut end = header_end;
        // Where the last line break starts that belongs to the value if breaks at the end are kept.
        let mut last_break = None;
        self.scan_block_breaks(&mut indent, &mut trailing, &mut last_break)?;
        let mut only_line = None;
        let mut lines = 0;
        let mut leading_break: Option<usize> = None;
        let mut leading_blank = false;
        while isize::try_from(self.mark.column).unwrap_or(isize::MAX) == indent
            && self.mark.index < self.bytes.len()
        {
            let line = self.mark.index;
            let is_indented = is_blank(self.bytes[line]);
            let line_feed = leading_break.is_some_and(|at| break_length(self.bytes, at) != 3);
            if !is_literal && line_feed && !leading_blank && !is_indented {
                if trailing.0.is_empty() {
                    out.0.push(b' ');
                }
            } else if let Some(at) = leading_break {
                out.push_break(self.bytes, at);
            }
            out.0.append(&mut trailing.0);
            leading_blank = is_indented;
            let mut line_end = line;
            while !is_break_or_end(self.bytes, line_end) {
                line_end += 1;
            }
            if byte(self.bytes, line_end) == 0 && line_end < self.bytes.len() {
                return Err(control_character(line_end));
            }
            only_line = (lines == 0 && out.0.is_empty()).then_some(Span::new(line, line_end));
            lines += 1;
            out.0.extend_from_slice(&self.bytes[line..line_end]);
            if !self.bytes[line..line_end].iter().copied().all(is_blank) {
                self.newlines = 0;
            }
            self.advance(line_end);
            end = line_end;
            leading_break = is_break(self.bytes, line_end).then_some(line_end);
            last_break = leading_break;
            self.skip_break();
            self.scan_block_breaks(&mut indent, &mut trailing, &mut last_break)?;
        }
        if chomping == 1
            && let Some(at) = last_break
        {
            end = end.max(at);
        }
        if chomping != -1
            && let Some(at) = leading_break
        {
            out.push_break(self.bytes, at);
            only_line = None;
        }
        if chomping == 1 && !trailing.0.is_empty() {
            out.0.append(&mut trailing.0);
            only_line = None;
        }
        Ok((only_line.map_or_else(|| out.text(), Text::Source), end))
    }

    /// Goes on over indentation and empty lines; finds out the indentation, if it is not known yet.
    fn scan_block_breaks(
        &mut self,
        indent: &mut isize,
        breaks: &mut Builder,
        last_break: &mut Option<usize>,
    ) -> Result<(), ScanError> {
        let mut deepest = 0;
        loop {
            let column =
                |scanner: &Self| isize::try_from(scanner.mark.column).unwrap_or(isize::MAX);
            while (*indent == 0 || column(self) < *indent)
                && byte(self.bytes, self.mark.index) == b' '
            {
                self.skip();
            }
            deepest = deepest.max(column(self));
            let is_short = *indent == 0 || column(self) < *indent;
            if is_short && byte(self.bytes, self.mark.index) == b'\t' {
                return Err(ScanError::new(
                    self.mark.index,
                    "a tab stands where only blanks may indent",
                )
                .hint("indent with blanks"));
            }
            if !is_break(self.bytes, self.mark.index) {
                break;
            }
            *last_break = Some(self.mark.index);
            breaks.push_break(self.bytes, self.mark.index);
            self.skip_break();
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

fn unclosed(at: usize, message: &'static str) -> ScanError {
    ScanError::new(at, message).hint("close the quotes that open here")
}
