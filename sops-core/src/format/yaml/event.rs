//! Events: what the parser makes of tokens.

use super::comments::Pieces;
use crate::tree::{Span, Style, Text};

/// A step through the structure of the text.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    /// Where the node starts with its tag and anchor.
    pub(super) outer_start: usize,
    /// Where its content starts.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) comments: Taken,
}

/// The comments of an event, if it has any: few have, and events are moved a lot.
pub(super) type Taken = Option<Box<Attached>>;

/// Comments by where they stand to a node.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) head: Pieces,
    pub(super) line: Pieces,
    pub(super) foot: Pieces,
}

#[derive(Debug)]
pub(super) enum EventKind {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    MappingStart {
        properties: MaybeProperties,
        flow: bool,
    },
    MappingEnd,
    SequenceStart {
        properties: MaybeProperties,
        flow: bool,
    },
    SequenceEnd,
    Scalar {
        properties: MaybeProperties,
        text: Text,
        style: Style,
    },
    Alias {
        name: Span,
    },
    /// See [`AppendedKey`](super::token::TokenKind::AppendedKey).
    AppendedKey,
}

/// The properties of a node, if it has any: few have, and events are moved a lot.
pub(super) type MaybeProperties = Option<Box<Properties>>;

/// Tag and anchor of a node.
#[derive(Debug, Default)]
pub(super) struct Properties {
    /// Resolved, and shortened: `!!str`, `!custom`.
    pub(super) tag: Option<String>,
    /// The name.
    pub(super) anchor: Option<Span>,
}

/// Returns the tag among the properties.
pub(super) fn tag_of(properties: &MaybeProperties) -> Option<&str> {
    properties.as_ref()?.tag.as_deref()
}

/// Returns the name of the anchor among the properties.
pub(super) fn anchor_of(properties: &MaybeProperties) -> Option<Span> {
    properties.as_ref()?.anchor
}

/// Returns an event without properties and comments.
pub(super) fn bare(kind: EventKind, start: usize, end: usize) -> Event {
    Event {
        kind,
        outer_start: start,
        start,
        end,
        comments: None,
    }
}

/// Returns a value that is not there.
pub(super) fn empty_scalar(at: usize) -> Event {
    let kind = EventKind::Scalar {
        properties: None,
        text: Text::Source(Span::new(at, at)),
        style: Style::Plain,
    };
    bare(kind, at, at)
}

/// Returns comments that all stand before what they are about.
pub(super) fn head_only(head: Pieces) -> Taken {
    (!head.is_empty()).then(|| {
        Box::new(Attached {
            head,
            ..Attached::default()
        })
    })
}
