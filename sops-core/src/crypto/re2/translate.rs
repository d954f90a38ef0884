//! Reads a pattern by Go's rules and writes it for the `regex` crate.
//!
//! Only whether something matches is wanted, never what: groups capture nothing, and greed is dropped.

use super::{RegexError, class};

/// Returns the pattern in the syntax of the `regex` crate.
pub(super) fn translate(pattern: &str) -> Result<String, RegexError> {
    let mut translator = Translator {
        pattern,
        at: 0,
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        level: Level::default(),
        outer: Vec::new(),
    };
    translator.run()?;
    Ok(translator.out)
}

/// The deepest nesting of groups and repetitions.
const MAX_DEPTH: usize = 200;

/// The largest count of a repetition, nested ones multiplied.
const MAX_REPEAT: u32 = 1000;

struct Translator<'p> {
    pattern: &'p str,
    /// The byte of the pattern that comes next.
    at: usize,
    out: String,
    flags: Flags,
    level: Level,
    /// The groups around the current one, with the flags and the place in the output where it starts.
    outer: Vec<(Level, Flags, usize)>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
}

/// What a group holds so far.
#[derive(Clone, Copy, Default)]
struct Level {
    /// What a repetition would repeat.
    last: Option<Atom>,
    /// The largest product of counts.
    weight: u32,
    /// The deepest nesting.
    depth: usize,
    /// Whether the previous token was a repetition, which cannot be repeated.
    after_repetition: bool,
}

#[derive(Clone, Copy)]
struct Atom {
    /// Where it starts in the output.
    start: usize,
    weight: u32,
    depth: usize,
}

impl<'p> Translator<'p> {
    fn run(&mut self) -> Result<(), RegexError> {
        while let Some(next) = self.peek() {
            let repetition = self.token(next)?;
            self.level.after_repetition = repetition;
        }
        if self.outer.is_empty() {
            Ok(())
        } else {
            Err(self.error_at(self.pattern.len(), "missing closing )"))
        }
    }

    /// Translates one token; returns whether it is a repetition.
    fn token(&mut self, next: char) -> Result<bool, RegexError> {
        match next {
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.bump('|');
                self.out.push('|');
                self.level.last = None;
            }
            '^' => {
                self.bump('^');
                let multi_line = self.flags.multi_line;
                self.atom(if multi_line { "(?m:^)" } else { r"(?:\A)" });
            }
            '$' => {
                self.bump('$');
                let multi_line = self.flags.multi_line;
                self.atom(if multi_line { "(?m:$)" } else { r"(?:\z)" });
            }
            '.' => {
                self.bump('.');
                let all = self.flags.dot_matches_newline;
                self.atom(if all { "(?s:.)" } else { r"[^\n]" });
            }
            '[' => self.bracket()?,
            '*' | '+' | '?' => {
                let start = self.at;
                self.bump(next);
                self.repeat(start, next.to_string(), 1)?;
                return Ok(true);
            }
            '{' => return self.brace(),
            '\\' => self.backslash()?,
            literal => {
                self.bump(literal);
                self.literal(literal);
            }
        }
        Ok(false)
    }

    fn open(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        let flags = if self.rest().starts_with("(?") {
            match self.special_group()? {
                Group::Opens(flags) => flags,
                Group::SetsFlags(flags) => {
                    self.flags = flags;
                    return Ok(());
                }
            }
        } else {
            self.bump('(');
            self.flags
        };
        if self.outer.len() >= MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        self.outer.push((self.level, self.flags, self.out.len()));
        self.flags = flags;
        self.level = Level::default();
        self.out.push_str("(?:");
        Ok(())
    }

    fn close(&mut self) -> Result<(), RegexError> {
        let inner = self.level;
        let Some((level, flags, start)) = self.outer.pop() else {
            return Err(self.error_at(self.at, "unexpected ), there is no group to close"));
        };
        self.bump(')');
        self.out.push(')');
        self.level = level;
        self.flags = flags;
        self.push_atom(Atom {
            start,
            weight: inner.weight.max(1),
            depth: inner.depth + 1,
        });
        Ok(())
    }

    /// Reads what starts with `(?`.
    fn special_group(&mut self) -> Result<Group, RegexError> {
        let start = self.at;
        let rest = self.rest();
        let unsupported = [
            ("(?=", "look-ahead"),
            ("(?!", "look-ahead"),
            ("(?<=", "look-behind"),
            ("(?<!", "look-behind"),
            ("(?>", "an atomic group"),
            ("(?#", "a comment"),
            ("(?P=", "a backreference"),
            ("(?P>", "recursion"),
            ("(?R", "recursion"),
            ("(?&", "recursion"),
            ("(?|", "a branch-reset group"),
        ];
        if let Some((_, what)) = unsupported.iter().find(|(text, _)| rest.starts_with(text)) {
            return Err(self
                .error_at(start, format!("{what} is not in RE2, the syntax of Go"))
                .with_hint("SOPS knows no look-around; choose by listing what is wanted, or use the opposite selector"));
        }
        let name = rest
            .strip_prefix("(?P<")
            .or_else(|| rest.strip_prefix("(?<"));
        if let Some(name) = name {
            let end = name.find('>').filter(|&end| {
                end > 0
                    && name[..end]
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
            let Some(end) = end else {
                return Err(self.error_at(
                    start,
                    "the name of a group must be of letters, digits and _, and end with >",
                ));
            };
            self.at += rest.len() - name.len() + end + 1;
            return Ok(Group::Opens(self.flags));
        }
        self.at += "(?".len();
        self.group_flags(start)
    }

    fn group_flags(&mut self, start: usize) -> Result<Group, RegexError> {
        let mut flags = self.flags;
        let mut value = true;
        let mut seen_after_minus = true;
        loop {
            let here = self.at;
            let Some(next) = self.peek() else {
                return Err(self.error_at(start, "missing closing )"));
            };
            self.bump(next);
            match next {
                'i' => flags.fold_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_matches_newline = value,
                'U' => {}
                '-' if value => {
                    value = false;
                    seen_after_minus = false;
                    continue;
                }
                ':' if seen_after_minus => return Ok(Group::Opens(flags)),
                ')' if seen_after_minus => return Ok(Group::SetsFlags(flags)),
                'x' => {
                    return Err(self.error_at(
                        here,
                        "the flag x is not in RE2, the syntax of Go; it has i, m, s and U",
                    ));
                }
                _ => {
                    return Err(self.error_at(
                        here,
                        "not a group that RE2, the syntax of Go, has: expected the flags i, m, s, U, then : or )",
                    ));
                }
            }
            seen_after_minus = true;
        }
    }

    /// `{n}`, `{n,}` and `{n,m}` repeat; any other `{` is a literal. Returns whether it repeats.
    fn brace(&mut self) -> Result<bool, RegexError> {
        let start = self.at;
        let Some((count, length)) = Count::read(self.rest()) else {
            self.bump('{');
            self.literal('{');
            return Ok(false);
        };
        self.at += length;
        let too_large = |number: Option<u32>| number.is_none_or(|number| number > MAX_REPEAT);
        let max = count.max.unwrap_or(count.min);
        if too_large(count.min) || too_large(max) {
            return Err(self.error_at(start, "a repetition of more than 1000 is not in RE2"));
        }
        let (min, max) = (count.min.unwrap_or(0), max.unwrap_or(0));
        if max < min {
            return Err(self.error_at(start, "the counts of the repetition are in the wrong order"));
        }
        let operator = match count.max {
            Some(_) if min == max => format!("{{{min}}}"),
            Some(_) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        self.repeat(
            start,
            operator,
            if count.max.is_some() { max } else { min.max(1) },
        )?;
        let last = self.level.last.map_or(0, |atom| atom.weight);
        if max >= 2 && last > MAX_REPEAT {
            return Err(self.error_at(
                start,
                "nested repetitions of more than 1000 together are not in RE2",
            ));
        }
        Ok(true)
    }

    /// Repeats the last atom. `count` is the factor by which that multiplies it; 0 leaves nothing.
    fn repeat(&mut self, start: usize, operator: String, count: u32) -> Result<(), RegexError> {
        if self.peek() == Some('?') {
            self.bump('?');
        }
        if self.level.after_repetition {
            return Err(self.error_at(
                start,
                "a repetition of a repetition (like ** or possessive +) is not in RE2",
            ));
        }
        let Some(atom) = self.level.last else {
            let error = self.error_at(start, "there is nothing to repeat");
            return Err(if start == 0 {
                error.with_hint(
                    r"this is a regular expression, not a glob: write .*\.yaml$ for *.yaml",
                )
            } else {
                error
            });
        };
        if self.outer.len() + atom.depth >= MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        self.out.insert_str(atom.start, "(?:");
        self.out.push(')');
        self.out.push_str(&operator);
        // Wrapped again, or else a repetition that follows after `(?i)` would read as "lazy".
        self.out.insert_str(atom.start, "(?:");
        self.out.push(')');
        self.push_atom(Atom {
            start: atom.start,
            weight: if count == 0 {
                1
            } else {
                atom.weight.saturating_mul(count)
            },
            depth: atom.depth + 1,
        });
        Ok(())
    }

    fn backslash(&mut self) -> Result<(), RegexError> {
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
    fn bracket(&mut self) -> Result<(), RegexError> {
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

    fn too_deep(&self, start: usize) -> RegexError {
        self.error_at(start, "groups and repetitions are nested too deeply")
    }

    fn literal(&mut self, literal: char) {
        let start = self.out.len();
        let folds = self.flags.fold_case && (literal.is_ascii_alphabetic() || !literal.is_ascii());
        if folds {
            self.out.push_str("(?i:");
        }
        if literal.is_ascii_alphanumeric() {
            self.out.push(literal);
        } else {
            self.out
                .push_str(&format!(r"\x{{{:X}}}", u32::from(literal)));
        }
        if folds {
            self.out.push(')');
        }
        self.push_atom(Atom {
            start,
            weight: 1,
            depth: 0,
        });
    }

    fn bracketed(&mut self, items: &str, negated: bool) {
        let (open, close) = match self.flags.fold_case {
            true => ("(?i:[", "])"),
            false => ("[", "]"),
        };
        let caret = if negated { "^" } else { "" };
        self.atom(&format!("{open}{caret}{items}{close}"));
    }

    fn atom(&mut self, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.push_atom(Atom {
            start,
            weight: 1,
            depth: 0,
        });
    }

    fn push_atom(&mut self, atom: Atom) {
        self.level.weight = self.level.weight.max(atom.weight);
        self.level.depth = self.level.depth.max(atom.depth);
        self.level.last = Some(atom);
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    fn bump(&mut self, next: char) {
        self.at += next.len_utf8();
    }

    fn error_at(&self, offset: usize, message: impl Into<String>) -> RegexError {
        RegexError::new(self.pattern[..offset].chars().count() + 1, message)
    }
}

enum Group {
    Opens(Flags),
    SetsFlags(Flags),
}

/// The counts of a repetition; an inner `None` is a number too large to matter.
struct Count {
    min: Option<u32>,
    max: Option<Option<u32>>,
}

impl Count {
    /// Reads `{n}`, `{n,}` or `{n,m}` and returns it with its length.
    fn read(text: &str) -> Option<(Self, usize)> {
        let (inside, _) = text.strip_prefix('{')?.split_once('}')?;
        let number = |digits: &str| {
            let canonical = !digits.is_empty()
                && digits.bytes().all(|digit| digit.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            canonical.then(|| digits.parse().ok())
        };
        let count = match inside.split_once(',') {
            None => {
                let count = number(inside)?;
                Self {
                    min: count,
                    max: Some(count),
                }
            }
            Some((min, "")) => Self {
                min: number(min)?,
                max: None,
            },
            Some((min, max)) => Self {
                min: number(min)?,
                max: Some(number(max)?),
            },
        };
        Some((count, inside.len() + 2))
    }
}
