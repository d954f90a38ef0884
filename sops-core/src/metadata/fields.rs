//! The entries of a metadata mapping, read as leniently as the reference reads them.
//!
//! Key names match in any case. Numbers and booleans stand for texts and the other way round, a single mapping for a
//! list of one, null for an absent key.

use super::{MetadataError, Raw, rfc3339};

/// A mapping whose entries are taken out one by one; what nobody took is unknown.
pub(super) struct Fields<'r> {
    path: String,
    entries: Vec<&'r (String, Raw)>,
}

impl<'r> Fields<'r> {
    /// Starts reading `raw`, which stands at `path`.
    pub(super) fn new(path: impl Into<String>, raw: &'r Raw) -> Result<Self, MetadataError> {
        let path = path.into();
        match raw {
            Raw::Map(entries) => Ok(Self {
                path,
                entries: entries.iter().collect(),
            }),
            Raw::Null => Ok(Self {
                path,
                entries: Vec::new(),
            }),
            other => Err(mismatch(&path, "a mapping", other)),
        }
    }

    /// Returns the path of the entry `name`, for messages.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// Takes an entry out; `None` if it is absent or null.
    ///
    /// Entries whose name differs only in case go too: were they kept as unknown and this one left out when it is
    /// written, readers would take them for it.
    pub(super) fn take(&mut self, name: &str) -> Option<&'r Raw> {
        let mut found: Option<&'r (String, Raw)> = None;
        self.entries.retain(|entry| {
            if !same_name(&entry.0, name) {
                return true;
            }
            if found.is_none() || entry.0 == name {
                found = Some(entry);
            }
            false
        });
        found
            .map(|(_, value)| value)
            .filter(|value| **value != Raw::Null)
    }

    /// Takes a text; empty if absent.
    pub(super) fn text(&mut self, name: &str) -> Result<String, MetadataError> {
        match self.take(name) {
            Some(raw) => text(&self.path_of(name), raw),
            None => Ok(String::new()),
        }
    }

    /// Takes a text; `None` if it is absent or empty.
    pub(super) fn text_if_set(&mut self, name: &str) -> Result<Option<String>, MetadataError> {
        Ok(Some(self.text(name)?).filter(|text| !text.is_empty()))
    }

    /// Takes a time, which must be there and in RFC 3339, as it is written.
    pub(super) fn time(&mut self, name: &str) -> Result<String, MetadataError> {
        let time = self.text_if_set(name)?.ok_or_else(|| {
            MetadataError::new(self.path_of(name), format!("missing; {EXPECTED_TIME}"))
        })?;
        match rfc3339::to_seconds(&time) {
            Some(_) => Ok(time),
            None => Err(MetadataError::new(
                self.path_of(name),
                format!("not a time; {EXPECTED_TIME}"),
            )),
        }
    }

    /// Takes a boolean; false if absent.
    pub(super) fn boolean(&mut self, name: &str) -> Result<bool, MetadataError> {
        let Some(raw) = self.take(name) else {
            return Ok(false);
        };
        let path = self.path_of(name);
        match raw {
            Raw::Bool(value) => Ok(*value),
            Raw::Int(value) => Ok(*value != 0),
            Raw::Float(value) => Ok(*value != 0.0),
            Raw::Text(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(
                    MetadataError::new(path, "expected true or false, found another text")
                        .with_hint("write true or false, not yes or no"),
                ),
            },
            other => Err(mismatch(&path, "true or false", other)),
        }
    }

    /// Takes a whole number; 0 if absent, or negative, as the reference writes it if told to and then ignores it.
    pub(super) fn count(&mut self, name: &str) -> Result<usize, MetadataError> {
        let Some(raw) = self.take(name) else {
            return Ok(0);
        };
        let path = self.path_of(name);
        let number = match raw {
            Raw::Int(value) => Some(*value),
            // Fractions are cut off, as in the reference.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the range is tested before, the fraction is to go"
            )]
            Raw::Float(value) if value.abs() < 1e15 => Some(value.trunc() as i64),
            Raw::Float(_) => None,
            Raw::Bool(value) => Some(i64::from(*value)),
            Raw::Text(text) => parse_integer(text),
            other => return Err(mismatch(&path, "a whole number", other)),
        };
        number
            .map(|number| usize::try_from(number).unwrap_or(0))
            .ok_or_else(|| MetadataError::new(path, "expected a whole number"))
    }

    /// Takes a list of mappings; empty if absent. A single mapping is a list of one, an empty one an empty list.
    pub(super) fn mappings(&mut self, name: &str) -> Result<Vec<Self>, MetadataError> {
        let path = self.path_of(name);
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Raw::Map(entries)) if entries.is_empty() => Ok(Vec::new()),
            Some(Raw::List(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| Self::new(format!("{path}[{index}]"), item))
                .collect(),
            Some(single) => match Self::new(path.as_str(), single) {
                Ok(fields) => Ok(vec![fields]),
                Err(_) => Err(mismatch(&path, "a list of mappings", single)),
            },
        }
    }

    /// Takes a mapping from texts to texts; empty if absent.
    pub(super) fn text_map(&mut self, name: &str) -> Result<Vec<(String, String)>, MetadataError> {
        let path = self.path_of(name);
        let maps: &[Raw] = match self.take(name) {
            None => &[],
            // A list of mappings counts as their union.
            Some(Raw::List(items)) => items,
            Some(other) => std::slice::from_ref(other),
        };
        let mut texts = Vec::new();
        for map in maps {
            match map {
                Raw::Map(entries) => {
                    for (key, value) in entries {
                        let path = format!("{path}.{key}");
                        if *value == Raw::Null {
                            return Err(mismatch(&path, "a text", value));
                        }
                        texts.push((key.clone(), text(&path, value)?));
                    }
                }
                Raw::Null => {}
                other => return Err(mismatch(&path, "a mapping", other)),
            }
        }
        Ok(texts)
    }

    /// Returns the entries that were not taken.
    pub(super) fn into_unknown(self) -> Vec<(String, Raw)> {
        self.entries.into_iter().cloned().collect()
    }
}

const EXPECTED_TIME: &str = "expected a time like 2024-05-01T12:00:00Z (RFC 3339)";

fn text(path: &str, raw: &Raw) -> Result<String, MetadataError> {
    match raw {
        Raw::Null => Ok(String::new()),
        Raw::Text(text) => Ok(text.clone()),
        Raw::Bool(value) => Ok(if *value { "1" } else { "0" }.to_owned()),
        Raw::Int(value) => Ok(value.to_string()),
        Raw::Float(value) => Ok(value.to_string()),
        Raw::Time(_) => Err(MetadataError::new(
            path,
            "expected a text, found a time without quotes",
        )
        .with_hint("put quotes around it: \"2024-05-01T12:00:00Z\"")),
        Raw::List(_) | Raw::Map(_) => Err(mismatch(path, "a text", raw)),
    }
}

fn mismatch(path: &str, expected: &str, found: &Raw) -> MetadataError {
    MetadataError::new(
        path,
        format!("expected {expected}, found {}", found.describe()),
    )
}

/// Whether two key names are the same but for case. The two letters beyond ASCII that fold to ASCII count too.
fn same_name(one: &str, other: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// An integer with Go's prefixes: `0x`, `0o`, `0b`, a leading zero for octal. The empty text is 0.
fn parse_integer(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // `from_str_radix` would accept a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_like_go() {
        for (text, expected) in [
            ("", Some(0)),
            ("1", Some(1)),
            ("+2", Some(2)),
            ("-3", Some(-3)),
            ("0x1F", Some(31)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0b11", Some(3)),
            ("0", Some(0)),
            ("1.9", None),
            ("08", None),
            ("+-1", None),
            ("0x-1", None),
            ("0x", None),
            (" 1", None),
            ("two", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_integer(text), expected, "{text}");
        }
    }

    #[test]
    fn the_exact_name_comes_first() {
        let raw = Raw::Map(vec![
            ("MAC".to_owned(), Raw::Int(1)),
            ("mac".to_owned(), Raw::Int(2)),
        ]);
        let mut fields = Fields::new("sops", &raw).expect("a mapping");
        assert_eq!(fields.text("mac").expect("a number is a text"), "2");
        assert!(fields.into_unknown().is_empty());
    }

    #[test]
    fn names_fold_beyond_ascii() {
        assert!(same_name("\u{212a}M\u{17f}", "kms"));
        assert!(!same_name("kms ", "kms"));
    }
}
