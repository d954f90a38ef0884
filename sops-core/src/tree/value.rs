//! Typed values of leaves, and the canonical plaintext that is encrypted and hashed.

use std::{fmt, io::Write};

use super::{float, span::Span, timestamp::Timestamp};

/// The value of a leaf. Text that stands in the source as it is, is not copied.
#[derive(PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// 2^63 to 2^64-1: parsed, but refused by the reference wherever a tree is walked.
    Unsigned(u64),
    Float(f64),
    Time(Timestamp),
    Str(Text),
}

/// Text of a leaf or key: a piece of the source, or, where escapes and line folding make it differ, its own bytes.
/// Not always UTF-8: YAML's `!!binary` decodes to any bytes.
#[derive(PartialEq)]
pub(crate) enum Text {
    Source(Span),
    Owned(Box<[u8]>),
}

impl Text {
    pub(crate) fn bytes<'a>(&'a self, source: &'a str) -> &'a [u8] {
        match self {
            Self::Source(span) => &source.as_bytes()[span.range()],
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if let Self::Owned(bytes) = self {
            zeroize::Zeroize::zeroize(&mut **bytes);
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(span) => write!(f, "Source({}..{})", span.start, span.end),
            Self::Owned(_) => f.write_str("[REDACTED]"),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool([REDACTED])",
            Self::Int(_) | Self::Unsigned(_) => "Int([REDACTED])",
            Self::Float(_) => "Float([REDACTED])",
            Self::Time(_) => "Time([REDACTED])",
            Self::Str(_) => "Str([REDACTED])",
        })
    }
}

impl Value {
    /// Returns the value with its text looked up.
    pub(crate) fn view<'a>(&'a self, source: &'a str) -> ValueRef<'a> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Int(value) => ValueRef::Int(*value),
            Self::Unsigned(value) => ValueRef::Unsigned(*value),
            Self::Float(value) => ValueRef::Float(*value),
            Self::Time(value) => ValueRef::Time(*value),
            Self::Str(text) => ValueRef::Str(text.bytes(source)),
        }
    }
}

/// A [`Value`] with its text looked up in the source; also a value just decrypted.
#[derive(Clone, Copy)]
pub(crate) enum ValueRef<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Time(Timestamp),
    Str(&'a [u8]),
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// A decrypted plaintext that is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaintextError {
    /// There is no such type word.
    UnknownType,
    /// The text is not one of its type.
    NotOfItsType,
}

impl<'a> ValueRef<'a> {
    /// Returns a value with its own copy of the text.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Unsigned(value) => Value::Unsigned(value),
            Self::Float(value) => Value::Float(value),
            Self::Time(value) => Value::Time(value),
            Self::Str(bytes) => Value::Str(Text::Owned(bytes.into())),
        }
    }

    /// Appends the plaintext: the bytes that are encrypted, and hashed into the MAC. A null has none.
    pub(crate) fn plaintext(&self, out: &mut Vec<u8>) {
        const CANNOT_FAIL: &str = "writing to memory does not fail";
        match self {
            Self::Null => {}
            Self::Bool(true) => out.extend_from_slice(b"True"),
            Self::Bool(false) => out.extend_from_slice(b"False"),
            Self::Int(value) => write!(out, "{value}").expect(CANNOT_FAIL),
            Self::Unsigned(value) => write!(out, "{value}").expect(CANNOT_FAIL),
            Self::Float(value) if value.is_infinite() => {
                out.extend_from_slice(if *value > 0.0 { b"+Inf" } else { b"-Inf" });
            }
            Self::Float(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
            Self::Float(value) => float::push_decimal(out, *value),
            Self::Time(value) => value.push_rfc3339(out),
            Self::Str(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// Returns the word that stands behind `type:`. A null has one, too, although it is never encrypted.
    pub(crate) fn type_word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Unsigned(_) => "int",
            Self::Float(_) => "float",
            Self::Time(_) => "time",
            Self::Str(_) => "str",
        }
    }

    /// Returns the value that a decrypted plaintext stands for, as leniently as the reference reads it
    /// (`aes/cipher.go`): the MAC covers the canonical spelling, not the one that was encrypted.
    ///
    /// # Errors
    ///
    /// An unknown type word (comments, too, are none of these), or a plaintext that is not of its type.
    pub(crate) fn from_plaintext(
        type_word: &str,
        plaintext: &'a [u8],
    ) -> Result<Self, PlaintextError> {
        let text = || std::str::from_utf8(plaintext).ok();
        let value = match type_word {
            // The reference crashes on `bytes`; other writers mean a text.
            "str" | "bytes" => Some(Self::Str(plaintext)),
            // Go and Rust agree on signs and leading zeros.
            "int" => text().and_then(|text| text.parse().ok()).map(Self::Int),
            "float" => text().and_then(float::parse).map(Self::Float),
            "bool" => parse_bool(plaintext).map(Self::Bool),
            "time" => Timestamp::from_rfc3339(plaintext).map(Self::Time),
            _ => return Err(PlaintextError::UnknownType),
        };
        value.ok_or(PlaintextError::NotOfItsType)
    }
}

fn parse_bool(plaintext: &[u8]) -> Option<bool> {
    match plaintext {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plaintext(value: ValueRef<'_>) -> String {
        let mut out = Vec::new();
        value.plaintext(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_have_the_fewest_digits_and_no_exponent() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (-0.0, "-0"),
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
        ] {
            assert_eq!(plaintext(ValueRef::Float(value)), expected);
        }
        assert_eq!(plaintext(ValueRef::Float(5e-324)).len(), 326);
        assert_eq!(plaintext(ValueRef::Float(f64::MAX)).len(), 309);
    }

    #[test]
    fn other_values_have_one_spelling() {
        assert_eq!(plaintext(ValueRef::Bool(true)), "True");
        assert_eq!(plaintext(ValueRef::Bool(false)), "False");
        assert_eq!(plaintext(ValueRef::Int(i64::MIN)), "-9223372036854775808");
        assert_eq!(plaintext(ValueRef::Null), "");
        assert_eq!(plaintext(ValueRef::Str("é".as_bytes())), "é");
    }

    #[test]
    fn reads_plaintexts_as_leniently_as_the_reference() {
        for (word, text, expected) in [
            ("int", "+1", "1"),
            ("int", "007", "7"),
            ("int", "-0", "0"),
            ("float", "1.10", "1.1"),
            ("float", ".5", "0.5"),
            ("float", "5.", "5"),
            ("float", "1E3", "1000"),
            ("float", "0x1p4", "16"),
            ("float", "inf", "+Inf"),
            ("float", "NAN", "NaN"),
            ("float", "-0", "-0"),
            ("bool", "t", "True"),
            ("bool", "0", "False"),
            (
                "time",
                "2001-12-14T21:59:43.10-05:00",
                "2001-12-14T21:59:43.1-05:00",
            ),
            ("str", "", ""),
            ("bytes", "x", "x"),
        ] {
            let value = ValueRef::from_plaintext(word, text.as_bytes()).unwrap();
            assert_eq!(plaintext(value), expected, "{word} {text}");
            assert_eq!(value.type_word(), word.replace("bytes", "str"));
        }
    }

    #[test]
    fn refuses_plaintexts_that_are_not_of_their_type() {
        for (word, text) in [
            ("int", ""),
            ("int", "+"),
            ("int", "0x1F"),
            ("int", "1_000"),
            ("int", " 1"),
            ("int", "1\n"),
            ("int", "1.5"),
            ("int", "9223372036854775808"),
            ("float", ""),
            ("float", "1e400"),
            ("float", "-nan"),
            ("bool", "yes"),
            ("bool", "tRUE"),
            ("bool", ""),
            ("time", "2001-12-14"),
            ("time", "2001-12-14T01:02:03+24:00"),
        ] {
            assert_eq!(
                ValueRef::from_plaintext(word, text.as_bytes()).err(),
                Some(PlaintextError::NotOfItsType),
                "{word} {text}"
            );
        }
        assert!(ValueRef::from_plaintext("int", b"\xff").is_err());
        for word in ["", "Str", "str]", "comment", "null"] {
            assert_eq!(
                ValueRef::from_plaintext(word, b"1").err(),
                Some(PlaintextError::UnknownType)
            );
        }
    }
}
