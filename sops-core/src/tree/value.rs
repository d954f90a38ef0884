//! Typed values of leaves, and the canonical plaintext that is encrypted and hashed.

use std::fmt;

use super::{span::Span, timestamp::Timestamp};

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
