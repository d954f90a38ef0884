//! Reads a pattern by Go's rules and writes it for the `regex` crate.
//!
//! Only whether something matches is wanted, never what: groups capture nothing, and greed is dropped.

use super::{RegexError, count::Count};

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

pub(super) struct Translator<'p> {
    pattern: &'p str,
    /// The byte of the pattern that comes next.
    pub(super) at: usize,
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

    fn too_deep(&self, start: usize) -> RegexError {
        self.error_at(start, "groups and repetitions are nested too deeply")
    }

    pub(super) fn literal(&mut self, literal: char) {
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

    pub(super) fn bracketed(&mut self, items: &str, negated: bool) {
        let (open, close) = match self.flags.fold_case {
            true => ("(?i:[", "])"),
            false => ("[", "]"),
        };
        let caret = if negated { "^" } else { "" };
        self.atom(&format!("{open}{caret}{items}{close}"));
    }

    pub(super) fn atom(&mut self, text: &str) {
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

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    pub(super) fn bump(&mut self, next: char) {
        self.at += next.len_utf8();
    }

    pub(super) fn error_at(&self, offset: usize, message: impl Into<String>) -> RegexError {
        RegexError::new(self.pattern[..offset].chars().count() + 1, message)
    }
}

enum Group {
    Opens(Flags),
    SetsFlags(Flags),
}
