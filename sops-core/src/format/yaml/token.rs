//! Tokens: what the scanner makes of characters.

use crate::tree::{Span, Style, Text};

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The byte.
    pub(super) index: usize,
    /// Counted from 0.
    pub(super) line: usize,
    /// In characters, counted from 0.
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: Mark,
    /// The byte after the token.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) enum TokenKind {
    StreamStart,
    StreamEnd,
    /// `%YAML 1.` and this.
    VersionDirective(u8),
    /// Handle and prefix. Boxed like [`TokenKind::Tag`], to keep tokens small: they are moved a lot.
    TagDirective(Box<(String, String)>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    /// The name.
    Alias(Span),
    /// The name.
    Anchor(Span),
    /// Handle and suffix.
    Tag(Box<(String, String)>),
    Scalar {
        text: Text,
        style: Style,
    },
    /// The key that will be appended to the document, see [`ParseOptions`](crate::format::ParseOptions).
    AppendedKey,
}

/// What is wrong, at which byte.
#[derive(Debug)]
pub(super) struct ScanError {
    pub(super) at: usize,
    pub(super) message: &'static str,
    pub(super) hint: Option<&'static str>,
    pub(super) is_too_deep: bool,
}

impl ScanError {
    pub(super) fn new(at: usize, message: &'static str) -> Self {
        Self {
            at,
            message,
            hint: None,
            is_too_deep: false,
        }
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// The error of a character that no text may have.
pub(super) fn control_character(at: usize) -> ScanError {
    ScanError::new(at, "control characters are not allowed")
        .hint("write it as an escape in double quotes, such as \"\\x07\"")
}
