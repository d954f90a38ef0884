//! What is wrong with a text, and where.

use crate::tree::span::Position;

/// A text that is not in its format, or that is, but holds what SOPS cannot.
///
/// Never contains a piece of the text: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{position}: {message}")]
#[non_exhaustive]
pub struct SyntaxError {
    /// What class of problem this is.
    pub kind: SyntaxErrorKind,
    /// Where it is.
    pub position: Position,
    /// What it is, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

/// The classes of [`SyntaxError`] that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxErrorKind {
    /// The text is not in the format.
    Malformed,
    /// The text has zero bytes.
    Empty,
    /// The text has no document: only blanks and comments.
    NoDocument,
    /// The top level of a document is not a mapping.
    NotAMapping,
    /// A mapping has a key twice.
    DuplicateKey,
    /// A mapping key is a number, boolean, null or time.
    NonStringKey,
    /// Nested more deeply than we accept.
    TooDeep,
    /// Aliases would expand to too many nodes.
    AliasBomb,
    /// An alias names an anchor that is not there, or one that contains it.
    BadAlias,
    /// An integer of 2^63 to 2^64-1.
    IntegerOutOfRange,
    /// Merge-conflict markers of git stand in the text.
    ConflictMarkers,
    /// The text is not UTF-8.
    NotUtf8,
    /// The text has 4 GiB or more.
    TooLarge,
}

impl SyntaxError {
    /// Returns the error at the byte `offset` of `source`.
    pub(crate) fn at(
        source: &str,
        offset: usize,
        kind: SyntaxErrorKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            position: Position::of(source, offset),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
