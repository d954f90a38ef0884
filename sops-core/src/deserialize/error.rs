//! Why a value does not fit its type.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::tree::{TreePath, path::Step};

/// Why a document does not have the shape of a type.
///
/// Never contains a value: not the one that does not fit, and not the message of a type that refuses it, which might
/// quote it.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", Prefix(path))]
#[non_exhaustive]
pub struct DeserializeError {
    /// Where the value stands.
    pub path: TreePath,
    /// What is wrong with it.
    pub message: String,
}

struct Prefix<'a>(&'a TreePath);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.steps().is_empty() {
            return Ok(());
        }
        write!(f, "{}: ", self.0)
    }
}

/// The error on its way up; every level adds its step.
#[derive(Debug)]
pub(super) struct Error {
    steps: Vec<Step>,
    message: String,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            steps: Vec::new(),
            message: message.into(),
        }
    }

    pub(super) fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn finish(mut self) -> DeserializeError {
        self.steps.reverse();
        DeserializeError {
            path: TreePath::new(self.steps),
            message: self.message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // What serde itself says names types only. Other messages might quote the value.
        if message.starts_with("data did not match any variant of ") {
            return Self::new(message);
        }
        Self::new("the value is not one that its type accepts")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            expectation(expected),
            kind(&unexpected)
        ))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if let Unexpected::Bytes(_) = unexpected {
            return Self::invalid_type(unexpected, expected);
        }
        Self::new(format!(
            "expected {}, and the value does not fit",
            expectation(expected)
        ))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found another number of items",
            expectation(expected)
        ))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of: {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "unknown key {field:?}, expected one of: {}",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing key {field:?}"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the key {field:?} stands twice"))
    }
}

/// Returns what a visitor expects, in words for the names of Rust's numbers.
fn expectation(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match &*expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128"
        | "isize" => format!("an integer ({expected})"),
        "f32" | "f64" => format!("a number ({expected})"),
        _ => expected,
    }
}

fn kind(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Bytes(_) => "bytes that are not UTF-8",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        _ => "something else",
    }
}
