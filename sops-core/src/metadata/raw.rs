//! Metadata before it is understood: nested maps, lists and scalars.

/// A metadata value as a file has it, before it is read into [`Metadata`](super::Metadata), or after.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Raw {
    /// `null`, or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text that YAML reads as a time because it is not quoted, as RFC 3339.
    Time(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Raw>),
    /// A map, in the order of the file.
    Map(Vec<(String, Raw)>),
}
