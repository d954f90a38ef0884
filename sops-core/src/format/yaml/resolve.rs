//! The types of scalars, as Go's yaml v3 resolves them.

use std::{borrow::Cow, fmt};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::tree::{
    float,
    timestamp::{OffsetOutOfRange, Timestamp},
};

/// What a scalar stands for.
#[derive(Clone, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// 2^63 to 2^64-1.
    Unsigned(u64),
    Float(f64),
    Time(Timestamp),
    /// The text itself.
    Str,
    /// The bytes that a `!!binary` encodes.
    Bytes(Vec<u8>),
}

/// May be a secret.
impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// A scalar that stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// The text is none of the type that its tag asks for.
    Impossible,
    /// The text under `!!binary` is not base64.
    BadBase64,
    /// A time whose offset is a day or more.
    TimeOffset,
}

/// Returns what a scalar stands for: its text without quotes, its tag in the short or the long form (`None` without
/// one, and for the tag `!`), and whether it is written plain.
pub(super) fn resolve(
    text: &str,
    tag: Option<&str>,
    plain: bool,
) -> Result<Resolved, ResolveError> {
    let Some(tag) = tag else {
        return match plain {
            true => untagged(text),
            false => Ok(Resolved::Str),
        };
    };
    let core = tag
        .strip_prefix("!!")
        .or_else(|| tag.strip_prefix("tag:yaml.org,2002:"));
    let found = match core {
        Some("binary") => return decode_base64(text),
        Some("int" | "float" | "bool" | "null") => look_up(text, Times::No)?,
        Some("timestamp") => look_up(text, Times::Yes)?,
        _ => return Ok(Resolved::Str),
    };
    match (core, found) {
        (Some("int"), found @ (Resolved::Int(_) | Resolved::Unsigned(_)))
        | (Some("float"), found @ Resolved::Float(_))
        | (Some("bool"), found @ Resolved::Bool(_))
        | (Some("null"), found @ Resolved::Null)
        | (Some("timestamp"), found @ Resolved::Time(_)) => Ok(found),
        (Some("float"), Resolved::Int(value)) => Ok(Resolved::Float(value as f64)),
        _ => Err(ResolveError::Impossible),
    }
}

/// Resolves a plain scalar without a tag.
pub(super) fn untagged(text: &str) -> Result<Resolved, ResolveError> {
    look_up(text, Times::Yes)
}

#[derive(Clone, Copy, PartialEq)]
enum Times {
    Yes,
    No,
}

/// The first byte tells almost every text from everything that is not one.
fn look_up(text: &str, times: Times) -> Result<Resolved, ResolveError> {
    let bytes = text.as_bytes();
    Ok(match bytes.first() {
        None => Resolved::Null,
        Some(b'0'..=b'9') => {
            if times == Times::Yes && has_year(bytes) {
                match Timestamp::from_yaml(bytes) {
                    Some(Ok(time)) => return Ok(Resolved::Time(time)),
                    Some(Err(OffsetOutOfRange)) => return Err(ResolveError::TimeOffset),
                    None => {}
                }
            }
            number(text)
        }
        Some(b'-' | b'+') => match &bytes[1..] {
            b".inf" | b".Inf" | b".INF" if bytes[0] == b'-' => Resolved::Float(f64::NEG_INFINITY),
            b".inf" | b".Inf" | b".INF" => Resolved::Float(f64::INFINITY),
            _ => number(text),
        },
        Some(b'.') => match bytes {
            b".inf" | b".Inf" | b".INF" => Resolved::Float(f64::INFINITY),
            b".nan" | b".NaN" | b".NAN" => Resolved::Float(f64::NAN),
            _ => float::parse(text).map_or(Resolved::Str, Resolved::Float),
        },
        Some(b't' | b'T') => match bytes {
            b"true" | b"True" | b"TRUE" => Resolved::Bool(true),
            _ => Resolved::Str,
        },
        Some(b'f' | b'F') => match bytes {
            b"false" | b"False" | b"FALSE" => Resolved::Bool(false),
            _ => Resolved::Str,
        },
        Some(b'n' | b'N' | b'~') => match bytes {
            b"null" | b"Null" | b"NULL" | b"~" => Resolved::Null,
            _ => Resolved::Str,
        },
        Some(_) => Resolved::Str,
    })
}

fn has_year(text: &[u8]) -> bool {
    text.len() >= 8 && text[4] == b'-' && text[..4].iter().all(u8::is_ascii_digit)
}

/// Resolves what starts with a digit or a sign. All `_` are ignored.
fn number(text: &str) -> Resolved {
    // No number has another byte; most texts that start with a digit do.
    let is_possible = text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || b"+-._xXoO".contains(&byte));
    if !is_possible {
        return Resolved::Str;
    }
    let plain = match text.contains('_') {
        true => Cow::Owned(text.replace('_', "")),
        false => Cow::Borrowed(text),
    };
    if let Some(value) = integer(&plain) {
        return value;
    }
    if is_float(plain.as_bytes()) {
        return float::parse(&plain).map_or(Resolved::Str, Resolved::Float);
    }
    Resolved::Str
}

/// Resolves an integer: decimal, with a prefix of its base, or octal with a leading zero.
fn integer(text: &str) -> Option<Resolved> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = unsigned.len() < text.len();
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return sign_behind_prefix(text, digits, base);
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    match (i64::try_from(magnitude), negative) {
        (Ok(value), false) => Some(Resolved::Int(value)),
        (Ok(value), true) => Some(Resolved::Int(-value)),
        (Err(_), true) => 0_i64.checked_sub_unsigned(magnitude).map(Resolved::Int),
        // With a `+` in front Go reads no unsigned integer, but goes on to floats.
        (Err(_), false) => (!signed).then_some(Resolved::Unsigned(magnitude)),
    }
}

/// Go's parser cuts `0b` and `0o` off by itself and hands on what is left, sign and all: `0b-1` is -1.
fn sign_behind_prefix(text: &str, digits: &str, base: u32) -> Option<Resolved> {
    if !text.starts_with("0b") && !text.starts_with("0o") {
        return None;
    }
    i64::from_str_radix(digits, base).ok().map(Resolved::Int)
}

/// Whether a text is `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn is_float(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let whole = digits(text);
    let rest = match &text[whole..] {
        [b'.', rest @ ..] => {
            let fraction = digits(rest);
            if whole + fraction == 0 {
                return false;
            }
            &rest[fraction..]
        }
        _ if whole == 0 => return false,
        rest => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

/// Decodes as Go does: line breaks are skipped, padding must be there, unused bits may be set.
fn decode_base64(text: &str) -> Result<Resolved, ResolveError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !b"\r\n".contains(byte))
        .collect();
    LENIENT
        .decode(text)
        .map(Resolved::Bytes)
        .map_err(|_| ResolveError::BadBase64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::ValueRef;

    /// Every scalar of the table of what the reference makes of it, as far as it can be told without a parser: the
    /// tag, then a text that is plain or in quotes without escapes.
    #[test]
    fn types_are_those_of_the_reference() {
        let table = include_str!("../../../../testdata/yaml/typing-yaml.tsv");
        let mut seen = 0;
        for row in table.lines().skip(1) {
            let mut columns = row.split('\t');
            let (literal, expected, plaintext) = (
                columns.next().unwrap(),
                columns.next().unwrap(),
                columns.next().unwrap(),
            );
            if expected.contains("aad differs") || literal.contains('\\') {
                continue;
            }
            let Some((text, tag, plain)) = scalar(literal) else {
                continue;
            };
            let resolved = resolve(text, tag, plain);
            seen += 1;
            match expected {
                "ERROR rc=2" => assert!(resolved.is_err(), "{literal}"),
                "ERROR rc=23" => assert!(
                    matches!(
                        resolved,
                        Ok(Resolved::Unsigned(_)) | Err(ResolveError::TimeOffset)
                    ),
                    "{literal}"
                ),
                "CLEAR: k: null" => assert_eq!(resolved, Ok(Resolved::Null), "{literal}"),
                "CLEAR: k: \"\"" => match resolved.unwrap() {
                    Resolved::Str => assert_eq!(text, ""),
                    other => assert_eq!(other, Resolved::Bytes(Vec::new()), "{literal}"),
                },
                _ => {
                    let resolved = resolved.expect(literal);
                    let value = match &resolved {
                        Resolved::Null => ValueRef::Null,
                        Resolved::Bool(value) => ValueRef::Bool(*value),
                        Resolved::Int(value) => ValueRef::Int(*value),
                        Resolved::Unsigned(value) => ValueRef::Unsigned(*value),
                        Resolved::Float(value) => ValueRef::Float(*value),
                        Resolved::Time(value) => ValueRef::Time(*value),
                        Resolved::Str => ValueRef::Str(text.as_bytes()),
                        Resolved::Bytes(bytes) => ValueRef::Str(bytes),
                    };
                    assert_eq!(value.type_word(), expected, "{literal}");
                    let mut out = Vec::new();
                    value.plaintext(&mut out);
                    let plaintext = plaintext.replace("\\\\xff", "\u{1}").replace("\\0", "\0");
                    let out: Vec<u8> = out
                        .into_iter()
                        .map(|b| if b == 255 { 1 } else { b })
                        .collect();
                    assert_eq!(out, plaintext.as_bytes(), "{literal}");
                }
            }
        }
        assert!(seen > 350, "{seen}");
    }

    fn scalar(literal: &str) -> Option<(&str, Option<&str>, bool)> {
        let mut rest = literal;
        let mut tag = None;
        while rest.starts_with(['!', '&']) {
            let (property, next) = rest.split_once(' ').unwrap_or((rest, ""));
            if property.starts_with('!') && property != "!" {
                tag = Some(match property.strip_prefix("!<") {
                    Some(verbatim) => verbatim.strip_suffix('>').unwrap(),
                    None => property,
                });
            }
            rest = next;
        }
        match rest.as_bytes() {
            [quote @ (b'"' | b'\''), inner @ .., last]
                if last == quote && !inner.contains(quote) =>
            {
                Some((&rest[1..rest.len() - 1], tag, false))
            }
            [
                b'#' | b'@' | b'%' | b'`' | b'*' | b'|' | b'>' | b'[' | b'{' | b',',
                ..,
            ]
            | [b'-' | b'?', b' ', ..]
            | b"-" => None,
            _ if rest.contains(": ") || rest.ends_with(':') || rest.contains(" #") => None,
            _ => Some((rest.trim_end_matches(' '), tag, true)),
        }
    }

    #[test]
    fn strange_numbers_are_those_of_go() {
        for (text, expected) in [
            ("0b-1", Resolved::Int(-1)),
            ("0o-17", Resolved::Int(-15)),
            ("0b+1", Resolved::Int(1)),
            ("0x-1", Resolved::Str),
            ("0B-1", Resolved::Str),
            ("-0b-1", Resolved::Str),
            ("0-1", Resolved::Str),
            (
                "+9223372036854775808",
                Resolved::Float(9_223_372_036_854_775_808.0),
            ),
            ("+0x8000000000000000", Resolved::Str),
            (
                "-0b1000000000000000000000000000000000000000000000000000000000000000",
                Resolved::Int(i64::MIN),
            ),
            ("0b-", Resolved::Str),
            ("1__", Resolved::Int(1)),
            ("+_", Resolved::Str),
            ("-", Resolved::Str),
            ("+.5", Resolved::Float(0.5)),
            ("0x1F.", Resolved::Str),
            ("1e5x", Resolved::Str),
            ("٣", Resolved::Str),
            (
                "2001-1-1",
                Resolved::Time(Timestamp {
                    seconds: 978_307_200,
                    nanoseconds: 0,
                    offset_minutes: 0,
                }),
            ),
        ] {
            assert_eq!(untagged(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_tag_that_the_text_cannot_have_is_refused() {
        for (text, tag) in [
            ("", "!!int"),
            ("3.0", "!!int"),
            ("18446744073709551615", "!!float"),
            ("2001-12-14", "!!int"),
            ("5", "!!timestamp"),
            ("x", "!!null"),
            ("1", "!!bool"),
            ("~", "tag:yaml.org,2002:bool"),
        ] {
            assert_eq!(
                resolve(text, Some(tag), true),
                Err(ResolveError::Impossible),
                "{text}"
            );
        }
        assert_eq!(
            resolve("2001-12-14T21:59:43+24:00", Some("!!timestamp"), false),
            Err(ResolveError::TimeOffset)
        );
        for text in ["a", "aGVsbG8", "aGVs bG8=", "=", "aGVsbG8=="] {
            assert_eq!(
                resolve(text, Some("!!binary"), true),
                Err(ResolveError::BadBase64),
                "{text}"
            );
        }
        assert_eq!(
            resolve("aGVs\nbG9=\n", Some("!!binary"), false),
            Ok(Resolved::Bytes(b"hello".to_vec()))
        );
    }
}
