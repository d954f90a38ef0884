//! Characters and classes of characters: escapes, `\Q…\E` and bracket expressions.

use super::{RegexError, class, translate::Translator};

impl Translator<'_> {
    pub(super) fn backslash(&mut self) -> Result<(), RegexError> {
        let Some(next) = self.rest()[1..].chars().next() else {
            return Err(self.error_at(self.at, "a \\ at the end escapes nothing"));
        };
        let anchor = match next {
            'A' => Some(r"(?:\A)"),
            'z' => Some(r"(?:\z)"),
            'b' => Some(r"(?-u:\b)"),
            'B' => Some(r"(?-u:\B)"),
            _ => None,
        };
        if let Some(anchor) = anchor {
            self.at += 2;
            self.atom(anchor);
        } else if next == 'Q' {
            self.at += 2;
            self.quoted();
        } else if let Some(class) = self.class_escape()? {
            self.bracketed(&class, false);
        } else {
            let literal = self.escape()?;
            self.literal(literal);
        }
        Ok(())
    }

    /// `\Q…\E`, or to the end of the pattern.
    fn quoted(&mut self) {
        let rest = self.rest();
        let (text, length) = match rest.split_once(r"\E") {
            Some((text, _)) => (text, text.len() + 2),
            None => (rest, rest.len()),
        };
        for literal in text.chars() {
            self.literal(literal);
        }
        self.at += length;
    }

    /// Reads `[…]`.
    pub(super) fn bracket(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        self.bump('[');
        let negated = self.peek() == Some('^');
        if negated {
            self.bump('^');
        }
        let mut items = String::new();
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(self.error_at(start, "missing closing ]")),
                Some(']') if !first => break,
                Some(_) => {}
            }
            first = false;
            if let Some(class) = self.named_class()? {
                items.push_str(&class);
            } else if let Some(class) = self.class_escape()? {
                items.push_str(&class);
            } else {
                items.push_str(&self.class_range(start)?);
            }
        }
        self.bump(']');
        self.bracketed(&items, negated);
        Ok(())
    }

    /// Reads `[:name:]` inside a bracket expression.
    fn named_class(&mut self) -> Result<Option<String>, RegexError> {
        let Some(rest) = self.rest().strip_prefix("[:") else {
            return Ok(None);
        };
        let Some((name, _)) = rest.split_once(":]") else {
            return Ok(None);
        };
        let class = class::posix(name)
            .ok_or_else(|| self.error_at(self.at, "not one of the class names, like [:alpha:]"))?;
        self.at += "[::]".len() + name.len();
        Ok(Some(class))
    }

    /// Reads `\d`, `\pL`, `\p{Greek}` and the like; `None` if there is none here.
    fn class_escape(&mut self) -> Result<Option<String>, RegexError> {
        let Some(rest) = self.rest().strip_prefix('\\') else {
            return Ok(None);
        };
        let Some(letter) = rest.chars().next() else {
            return Ok(None);
        };
        if let Some(class) = class::perl(letter) {
            self.at += 2;
            return Ok(Some(class.to_owned()));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let rest = &rest[1..];
        let (name, length) = match (rest.strip_prefix('{'), rest.chars().next()) {
            (Some(braced), _) => match braced.split_once('}') {
                Some((name, _)) => (name, name.len() + 2),
                None => return Err(self.error_at(self.at, "missing closing } of a class name")),
            },
            (None, Some(letter)) => (&rest[..letter.len_utf8()], letter.len_utf8()),
            (None, None) => {
                return Err(self.error_at(self.at, "expected the name of a class, like \\p{L}"));
            }
        };
        let class = class::unicode(name, letter == 'P').ok_or_else(|| {
            self.error_at(self.at, "not a class of characters that Go knows")
                .with_hint("it knows general categories like \\p{Lu} and scripts of one word like \\p{Greek}")
        })?;
        self.at += 2 + length;
        Ok(Some(class))
    }

    /// Reads one character or a range of characters inside a bracket expression.
    fn class_range(&mut self, bracket: usize) -> Result<String, RegexError> {
        let start = self.at;
        let low = self.class_character(bracket)?;
        let mut high = low;
        let rest = self.rest();
        if rest.len() >= 2 && rest.starts_with('-') && !rest.starts_with("-]") {
            self.bump('-');
            high = self.class_character(bracket)?;
            if high < low {
                return Err(self.error_at(start, "the range is in the wrong order"));
            }
        }
        Ok(format!(
            r"\x{{{:X}}}-\x{{{:X}}}",
            u32::from(low),
            u32::from(high)
        ))
    }

    fn class_character(&mut self, bracket: usize) -> Result<char, RegexError> {
        match self.peek() {
            None => Err(self.error_at(bracket, "missing closing ]")),
            Some('\\') => self.escape(),
            Some(character) => {
                self.bump(character);
                Ok(character)
            }
        }
    }

    /// Reads an escape that stands for one character.
    fn escape(&mut self) -> Result<char, RegexError> {
        let start = self.at;
        self.bump('\\');
        let Some(next) = self.peek() else {
            return Err(self.error_at(start, "a \\ at the end escapes nothing"));
        };
        self.bump(next);
        match next {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            'x' => self.hexadecimal(start),
            '0'..='7' => self.octal(start, next),
            '8' | '9' => Err(self.backreference(start)),
            punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => {
                Ok(punctuation)
            }
            _ => Err(self.error_at(start, "not an escape that RE2, the syntax of Go, has")),
        }
    }

    /// Up to three digits; one alone would be a backreference, unless it is 0.
    fn octal(&mut self, start: usize, first: char) -> Result<char, RegexError> {
        let is_octal = |digit: &char| ('0'..='7').contains(digit);
        if first != '0' && self.peek().filter(is_octal).is_none() {
            return Err(self.backreference(start));
        }
        let mut number = first.to_digit(8).unwrap_or(0);
        for _ in 0..2 {
            let Some(digit) = self.peek().filter(is_octal) else {
                break;
            };
            self.bump(digit);
            number = number * 8 + digit.to_digit(8).unwrap_or(0);
        }
        self.character(start, number)
    }

    /// Two digits, or any number of them in braces.
    fn hexadecimal(&mut self, start: usize) -> Result<char, RegexError> {
        let rest = self.rest();
        let (digits, length) = match rest.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some((digits, _)) => (digits, digits.len() + 2),
                None => ("", 0),
            },
            None => (rest.get(..2).unwrap_or(""), 2),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let digits = digits.trim_start_matches('0');
        if !is_number || digits.len() > 6 {
            return Err(self.error_at(
                start,
                "expected two hexadecimal digits after \\x, or up to 10FFFF in braces",
            ));
        }
        self.at += length;
        let number = u32::from_str_radix(digits, 16).unwrap_or(0);
        self.character(start, number)
    }

    fn character(&self, start: usize, number: u32) -> Result<char, RegexError> {
        char::from_u32(number)
            .ok_or_else(|| self.error_at(start, "the escape stands for no Unicode character"))
    }

    fn backreference(&self, start: usize) -> RegexError {
        self.error_at(start, "a backreference is not in RE2, the syntax of Go")
    }
}
