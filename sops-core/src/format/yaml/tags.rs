//! Scanning tags and directives.

use super::{
    characters::{byte, is_blank, is_blank_or_end, is_break_or_end, is_uri, is_word},
    scanner::Scanner,
    token::{ScanError, TokenKind},
};

impl Scanner<'_> {
    /// Scans a tag: `!<uri>`, `!handle!suffix`, `!suffix` or `!`. Returns handle and suffix.
    pub(super) fn scan_tag(&mut self) -> Result<(String, String), ScanError> {
        let start = self.mark.index;
        let (handle, suffix);
        if byte(self.bytes, start + 1) == b'<' {
            self.skip();
            self.skip();
            suffix = self.scan_uri(true)?;
            handle = String::new();
            if byte(self.bytes, self.mark.index) != b'>' {
                return Err(ScanError::new(start, "a tag that starts with !< has no >"));
            }
            self.skip();
        } else {
            let first = self.scan_handle();
            if first.len() > 1 && first.ends_with('!') {
                suffix = self.scan_uri(true)?;
                handle = first;
            } else {
                let rest = self.scan_uri(false)?;
                let whole = format!("{}{rest}", &first[1..]);
                (handle, suffix) = if whole.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), whole)
                };
            }
        }
        if !is_blank_or_end(self.bytes, self.mark.index) {
            return Err(ScanError::new(
                self.mark.index,
                "a tag must be followed by a blank or a line break",
            )
            .hint("put a value that starts with ! in quotes"));
        }
        Ok((handle, suffix))
    }

    fn scan_handle(&mut self) -> String {
        let start = self.mark.index;
        self.skip();
        while is_word(byte(self.bytes, self.mark.index)) {
            self.skip();
        }
        if byte(self.bytes, self.mark.index) == b'!' {
            self.skip();
        }
        String::from_utf8_lossy(&self.bytes[start..self.mark.index]).into_owned()
    }

    fn scan_uri(&mut self, is_required: bool) -> Result<String, ScanError> {
        let start = self.mark.index;
        let mut uri = Vec::new();
        while is_uri(byte(self.bytes, self.mark.index)) {
            let at = self.mark.index;
            if self.bytes[at] == b'%' {
                let digits = self
                    .bytes
                    .get(at + 1..at + 3)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let octet = digits
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                    .ok_or_else(|| {
                        ScanError::new(at, "a % in a tag is not followed by two hexadecimal digits")
                    })?;
                uri.push(octet);
                self.skip();
                self.skip();
            } else {
                uri.push(self.bytes[at]);
            }
            self.skip();
        }
        if is_required && uri.is_empty() {
            return Err(ScanError::new(start, "a tag is cut off"));
        }
        String::from_utf8(uri).map_err(|_| ScanError::new(start, "an escape in a tag is not UTF-8"))
    }

    /// Scans `%YAML 1.1` or `%TAG !e! prefix`, with the rest of its line.
    pub(super) fn scan_directive(&mut self) -> Result<TokenKind, ScanError> {
        let start = self.mark.index;
        let fail = |message| Err(ScanError::new(start, message));
        self.skip();
        let name_start = self.mark.index;
        while is_word(byte(self.bytes, self.mark.index)) {
            self.skip();
        }
        let name = &self.bytes[name_start..self.mark.index];
        if name.is_empty() || !is_blank_or_end(self.bytes, self.mark.index) {
            return fail("a % at the start of a line must start a directive: %YAML or %TAG");
        }
        let is_version = name == b"YAML";
        if !is_version && name != b"TAG" {
            return fail("an unknown directive: only %YAML and %TAG are known");
        }
        while is_blank(byte(self.bytes, self.mark.index)) {
            self.skip();
        }
        let kind = if is_version {
            let Some((major, minor)) = self.scan_version() else {
                return fail("a %YAML directive must name a version such as 1.1");
            };
            if major != 1 {
                return fail("a version of YAML that is not 1.x");
            }
            TokenKind::VersionDirective(minor)
        } else {
            if byte(self.bytes, self.mark.index) != b'!' {
                return fail("the handle of a %TAG directive must start with !");
            }
            let handle = self.scan_handle();
            if !handle.ends_with('!') || !is_blank(byte(self.bytes, self.mark.index)) {
                return fail("the handle of a %TAG directive must end with !, and a blank");
            }
            while is_blank(byte(self.bytes, self.mark.index)) {
                self.skip();
            }
            let prefix = self.scan_uri(true)?;
            if !is_blank_or_end(self.bytes, self.mark.index) {
                return fail("a %TAG directive must end after its prefix");
            }
            TokenKind::TagDirective(Box::new((handle, prefix)))
        };
        while is_blank(byte(self.bytes, self.mark.index)) {
            self.skip();
        }
        if byte(self.bytes, self.mark.index) == b'#' {
            self.scan_directive_comment();
        }
        if !is_break_or_end(self.bytes, self.mark.index) {
            return fail("a directive must be alone on its line");
        }
        self.skip_break();
        Ok(kind)
    }

    fn scan_version(&mut self) -> Option<(u8, u8)> {
        let major = self.scan_number()?;
        if byte(self.bytes, self.mark.index) != b'.' {
            return None;
        }
        self.skip();
        Some((major, self.scan_number()?))
    }

    fn scan_number(&mut self) -> Option<u8> {
        let start = self.mark.index;
        while byte(self.bytes, self.mark.index).is_ascii_digit() {
            self.skip();
        }
        let digits = &self.bytes[start..self.mark.index];
        (digits.len() <= 2)
            .then(|| std::str::from_utf8(digits).ok()?.parse().ok())
            .flatten()
    }
}
