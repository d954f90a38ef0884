//! Changes of a source text.

use crate::tree::Span;

/// Replace the bytes of `span` by `text`. An empty span inserts.
pub(crate) struct Edit {
    pub(crate) span: Span,
    pub(crate) text: String,
}
