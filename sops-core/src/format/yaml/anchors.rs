//! Anchors and their aliases.

use super::{
    compose::{Composer, PendingKey},
    event::{MaybeProperties, Taken, anchor_of},
};
use crate::{
    format::{SyntaxError, SyntaxErrorKind},
    tree::{NodeId, NodeKind, Scalar, Span, Style, Text, Value},
};

/// What an anchor names.
pub(super) enum Target {
    Node(NodeId),
    /// A key: an alias to it is a copy of its text.
    Key(Box<[u8]>),
}

impl Composer<'_> {
    pub(super) fn alias(
        &mut self,
        name: Span,
        span: Span,
        comments: Taken,
    ) -> Result<(), SyntaxError> {
        let bad = |message| {
            let kind = SyntaxErrorKind::BadAlias;
            Err(SyntaxError::at(
                self.source,
                span.range().start,
                kind,
                message,
            ))
        };
        let key_text = |text: &[u8]| Text::Owned(text.into());
        let Some(target) = self.anchors.get(name.of(self.source)) else {
            return bad("the alias names an anchor that is not defined above it").map_err(
                |error: SyntaxError| error.with_hint("put a value that starts with * in quotes"),
            );
        };
        if self.expects_key() {
            let (text, target) = match target {
                Target::Key(text) => (key_text(text), None),
                Target::Node(id) => match &self.tree[*id].kind {
                    NodeKind::Scalar(Scalar {
                        value: Value::Str(text),
                        ..
                    }) => (key_text(text.bytes(self.source)), Some(*id)),
                    _ => return bad("a mapping key is an alias of something that is no text"),
                },
            };
            let key = PendingKey {
                text,
                is_alias: true,
                target,
                span,
                outer_start: span.range().start,
                foot: Vec::new(),
                is_merge: false,
            };
            self.key(key, comments);
            return Ok(());
        }
        let kind = match target {
            Target::Node(id) => {
                // Containers inside of others have higher numbers.
                if self
                    .frames
                    .binary_search_by_key(id, |frame| frame.id)
                    .is_ok()
                {
                    return bad("the alias stands inside of what it names");
                }
                NodeKind::Alias { target: *id }
            }
            Target::Key(text) => NodeKind::Scalar(Scalar {
                value: Value::Str(key_text(text)),
                style: Style::Plain,
                flow: self.frames.last().is_some_and(|frame| frame.flow),
                converting_tag: false,
            }),
        };
        self.leaf(kind, span, span.range().start, comments)?;
        Ok(())
    }

    pub(super) fn anchor(&mut self, properties: &MaybeProperties, id: NodeId) {
        if let Some(name) = anchor_of(properties) {
            self.anchors.insert(name.of(self.source), Target::Node(id));
        }
    }
}
