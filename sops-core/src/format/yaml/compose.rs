//! From events to the tree: keys with their values, anchors with their aliases, and comments among the items of the
//! container under whose path the reference encrypts them.

use std::collections::HashMap;

use super::{
    anchors::Target,
    characters::forbidden_character,
    comments::{Piece, Pieces},
    event::{Attached, Event, EventKind, MaybeProperties, Taken, anchor_of, tag_of},
    late_comments::{Insertion, insert_comments},
    mapping_checks::{check_duplicates, check_merges},
    parser::Parser,
    resolve::{self, ResolveError, Resolved},
    token::{ScanError, control_character},
};
use crate::{
    format::{SyntaxError, SyntaxErrorKind, conflict_markers},
    tree::{NodeId, NodeKind, Scalar, Span, Style, Text, Tree, Value},
};

/// A key that waits for its value: comments of the value come before it.
pub(super) struct PendingKey {
    pub(super) text: Text,
    pub(super) is_alias: bool,
    /// The value that it is an alias of.
    pub(super) target: Option<NodeId>,
    pub(super) span: Span,
    pub(super) outer_start: usize,
    pub(super) foot: Pieces,
    pub(super) is_merge: bool,
}

/// A collection that is being put together.
pub(super) struct Frame {
    pub(super) id: NodeId,
    pub(super) is_map: bool,
    pub(super) flow: bool,
    pub(super) key: Option<PendingKey>,
    pub(super) has_entry: bool,
    /// The first node after the comments that stand before all items.
    pub(super) first_item: NodeId,
    /// The key of this container in the one around it, whose foot comments come after the container.
    pub(super) own_key_foot: Pieces,
    /// Where the last value in it ends.
    pub(super) text_end: usize,
    /// The value is that of the key that will be appended: it gets no nodes.
    pub(super) skips_value: bool,
}

pub(super) struct Composer<'s> {
    pub(super) source: &'s str,
    pub(super) tree: Tree,
    pub(super) frames: Vec<Frame>,
    /// Those of earlier documents are still there, as for the reference.
    pub(super) anchors: HashMap<&'s str, Target>,
    pub(super) document: Option<NodeId>,
    pub(super) last_document: Option<NodeId>,
    /// The keys `<<` that ask for a merge.
    pub(super) merge_keys: Vec<NodeId>,
    /// Comments before the root value.
    pub(super) document_head: Pieces,
    /// Comments that belong before a node that is in the tree already.
    pub(super) insertions: Vec<Insertion>,
    pub(super) has_content: bool,
}

/// Parses a whole text, on one core.
pub(super) fn compose(source: &str, before_root_key: bool) -> Result<Tree, SyntaxError> {
    compose_with_room(source, before_root_key, 0)
}

/// Parses a text as [`compose`] does, with room for so many nodes.
pub(super) fn compose_with_room(
    source: &str,
    before_root_key: bool,
    nodes: usize,
) -> Result<Tree, SyntaxError> {
    if let Some(at) = forbidden_character(source) {
        return Err(malformed(source, &control_character(at)));
    }
    // The second one takes a column for the reference, and is part of the first key for us.
    if source.starts_with("\u{feff}\u{feff}") {
        let error = ScanError::new('\u{feff}'.len_utf8(), "a second byte order mark");
        return Err(malformed(source, &error.hint("remove it")));
    }
    let mut parser = Parser::new(source, before_root_key);
    let mut composer = Composer {
        source,
        tree: Tree::with_room(nodes),
        frames: Vec::new(),
        anchors: HashMap::new(),
        document: None,
        last_document: None,
        merge_keys: Vec::new(),
        document_head: Vec::new(),
        insertions: Vec::new(),
        has_content: false,
    };
    loop {
        let event = parser
            .next_event()
            .map_err(|error| malformed(source, &error))?;
        let is_last = matches!(event.kind, EventKind::StreamEnd);
        composer.event(event)?;
        if is_last {
            break;
        }
    }
    if before_root_key {
        check_merges(source, &composer.tree, &composer.merge_keys)?;
    }
    let mut tree = composer.tree;
    if !composer.insertions.is_empty() {
        tree = insert_comments(tree, composer.insertions);
    }
    if !composer.has_content {
        let error = if source.is_empty() {
            SyntaxError::at(source, 0, SyntaxErrorKind::Empty, "the file is empty")
        } else {
            let message = "the file has no document: only blanks and comments";
            SyntaxError::at(source, 0, SyntaxErrorKind::NoDocument, message)
        };
        return Err(error.with_hint("write at least one key with a value"));
    }
    check_duplicates(source, &tree)?;
    Ok(tree)
}

impl<'s> Composer<'s> {
    fn event(&mut self, event: Event) -> Result<(), SyntaxError> {
        let Event {
            mut kind,
            mut outer_start,
            mut start,
            mut end,
            comments,
        } = event;
        // A value that is not there is before the last character of its key, if that ends the text: so the reference
        // counts, and places comments by it.
        if let EventKind::Scalar { text, .. } = &mut kind
            && let Some(key) = self.frames.last().and_then(|frame| frame.key.as_ref())
            && start == end
            && start < key.span.range().end
        {
            end = key.span.range().end;
            (start, outer_start) = (end, end);
            *text = Text::Source(Span::new(end, end));
        }
        let span = Span::new(start, end);
        match kind {
            EventKind::DocumentStart => {
                let id = self
                    .tree
                    .push(NodeKind::Document, Span::new(start, start), narrow(start));
                self.document = Some(id);
                self.document_head = comments.map(|comments| comments.head).unwrap_or_default();
                self.has_content = true;
            }
            EventKind::DocumentEnd => self.end_document(start, &comments),
            EventKind::StreamEnd => self.end_stream(&comments),
            EventKind::AppendedKey => {
                self.after(&comments);
                self.before(&comments);
                if let Some(frame) = self.frames.last_mut() {
                    frame.skips_value = true;
                }
            }
            EventKind::Scalar {
                properties,
                text,
                style,
            } => {
                self.scalar(properties, text, style, span, outer_start, comments)?;
            }
            EventKind::Alias { name } => self.alias(name, span, comments)?,
            EventKind::MappingStart { properties, flow } => {
                self.start(true, flow, &properties, span, outer_start, comments)?;
            }
            EventKind::SequenceStart { properties, flow } => {
                self.start(false, flow, &properties, span, outer_start, comments)?;
            }
            EventKind::MappingEnd | EventKind::SequenceEnd => self.end(end, comments),
        }
        Ok(())
    }

    fn comments(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            if let Piece::Line(span) = piece {
                self.tree.push(NodeKind::Comment, *span, span.start);
            }
        }
    }

    /// Pushes the comments that come before a node.
    fn before(&mut self, comments: &Taken) {
        if let Some(comments) = comments {
            self.comments(&comments.head);
            self.comments(&comments.line);
        }
    }

    /// Pushes the comments that come after a node.
    fn after(&mut self, comments: &Taken) {
        if let Some(comments) = comments {
            self.comments(&comments.foot);
        }
    }

    /// Whether the next node is a key of the current mapping.
    pub(super) fn expects_key(&self) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| frame.is_map && frame.key.is_none() && !frame.skips_value)
    }

    fn scalar(
        &mut self,
        properties: MaybeProperties,
        text: Text,
        style: Style,
        span: Span,
        outer_start: usize,
        comments: Taken,
    ) -> Result<(), SyntaxError> {
        if self.frames.last().is_some_and(|frame| frame.skips_value) {
            if let Some(frame) = self.frames.last_mut() {
                frame.skips_value = false;
            }
            self.before(&comments);
            self.after(&comments);
            return Ok(());
        }
        let is_key = self.expects_key();
        let resolved = self.resolve(&properties, &text, style, span)?;
        if is_key {
            if !matches!(resolved, Resolved::Str | Resolved::Bytes(_)) {
                let message =
                    "a mapping key is a number, boolean, null or time; only texts can be keys";
                let kind = SyntaxErrorKind::NonStringKey;
                let error = SyntaxError::at(self.source, span.range().start, kind, message);
                return Err(error.with_hint("put the key in quotes"));
            }
            if let Some(name) = anchor_of(&properties) {
                let copy = text.bytes(self.source).into();
                self.anchors.insert(name.of(self.source), Target::Key(copy));
            }
            let is_merge = text.bytes(self.source) == b"<<"
                && match tag_of(&properties) {
                    None | Some("!") => style == Style::Plain,
                    Some(tag) => tag == "!!merge",
                };
            let key = PendingKey {
                text,
                is_alias: false,
                target: None,
                span,
                outer_start,
                foot: Vec::new(),
                is_merge,
            };
            self.key(key, comments);
            return Ok(());
        }
        let converting_tag = tag_of(&properties).is_some_and(|tag| CONVERTING_TAGS.contains(&tag));
        let value = match resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(value) => Value::Bool(value),
            Resolved::Int(value) => Value::Int(value),
            Resolved::Unsigned(value) => Value::Unsigned(value),
            Resolved::Float(value) => Value::Float(value),
            Resolved::Time(value) => Value::Time(value),
            Resolved::Bytes(bytes) => Value::Str(Text::Owned(bytes.into_boxed_slice())),
            Resolved::Str => Value::Str(text),
        };
        let flow = self.frames.last().is_some_and(|frame| frame.flow);
        let scalar = Scalar {
            value,
            style,
            flow,
            converting_tag,
        };
        let id = self.leaf(NodeKind::Scalar(scalar), span, outer_start, comments)?;
        self.anchor(&properties, id);
        Ok(())
    }

    fn resolve(
        &self,
        properties: &MaybeProperties,
        text: &Text,
        style: Style,
        span: Span,
    ) -> Result<Resolved, SyntaxError> {
        let tag = tag_of(properties).filter(|&tag| tag != "!");
        let is_plain = style == Style::Plain;
        let text = match text {
            Text::Source(span) => Ok(span.of(self.source)),
            Text::Owned(bytes) => std::str::from_utf8(bytes),
        };
        let resolved = match text {
            Ok(text) => resolve::resolve(text, tag, is_plain),
            Err(_) => Ok(Resolved::Str),
        };
        resolved.map_err(|error| {
            let (message, hint) = match error {
                ResolveError::Impossible => (
                    "the tag does not fit the value",
                    "correct the tag or the value",
                ),
                ResolveError::BadBase64 => {
                    ("the !!binary value is not base64", "correct the value")
                }
                ResolveError::TimeOffset => (
                    "the offset of the time is a day or more",
                    "put the value in quotes",
                ),
            };
            SyntaxError::at(
                self.source,
                span.range().start,
                SyntaxErrorKind::Malformed,
                message,
            )
            .with_hint(hint)
        })
    }

    pub(super) fn key(&mut self, mut key: PendingKey, comments: Taken) {
        // In block style, a foot found at a key is that of the entry before.
        let Some(frame) = self.frames.last() else {
            return;
        };
        if !frame.flow && frame.has_entry {
            self.after(&comments);
        } else if let Some(comments) = &comments {
            key.foot.clone_from(&comments.foot);
        }
        self.before(&comments);
        if let Some(frame) = self.frames.last_mut() {
            frame.key = Some(key);
            frame.has_entry = true;
        }
    }

    /// Pushes the key that waits for the value that comes now. Returns the comments that come after the value.
    fn push_key(&mut self) -> Pieces {
        let Some(key) = self.frames.last_mut().and_then(|frame| frame.key.take()) else {
            return Vec::new();
        };
        let kind = NodeKind::Key {
            text: key.text,
            alias: key.is_alias,
        };
        let id = self.tree.push(kind, key.span, narrow(key.outer_start));
        if let Some(target) = key.target {
            self.tree.aliased_keys.push((id, target));
        }
        if key.is_merge {
            self.merge_keys.push(id);
        }
        // A key without a value may be the last thing in a mapping.
        if let Some(frame) = self.frames.last_mut() {
            frame.text_end = frame.text_end.max(key.span.range().end);
        }
        key.foot
    }

    /// Pushes a scalar or alias as a value or item.
    pub(super) fn leaf(
        &mut self,
        kind: NodeKind,
        span: Span,
        outer_start: usize,
        comments: Taken,
    ) -> Result<NodeId, SyntaxError> {
        if self.frames.is_empty() {
            self.check_root(&kind, span)?;
            let document_head = std::mem::take(&mut self.document_head);
            self.comments(&document_head);
        }
        self.before(&comments);
        let key_foot = self.push_key();
        let id = self.tree.push(kind, span, narrow(outer_start));
        self.after(&comments);
        self.comments(&key_foot);
        if let Some(frame) = self.frames.last_mut() {
            frame.text_end = frame.text_end.max(span.range().end);
        }
        Ok(id)
    }

    fn check_root(&self, kind: &NodeKind, span: Span) -> Result<(), SyntaxError> {
        match kind {
            NodeKind::Scalar(scalar) if matches!(scalar.value, Value::Null) => Ok(()),
            _ => Err(not_a_mapping(self.source, span, "a single value")),
        }
    }

    fn start(
        &mut self,
        is_map: bool,
        flow: bool,
        properties: &MaybeProperties,
        span: Span,
        outer_start: usize,
        comments: Taken,
    ) -> Result<(), SyntaxError> {
        if self.expects_key() {
            let message = "a mapping key is a list or a mapping; only texts can be keys";
            let kind = SyntaxErrorKind::Malformed;
            return Err(
                SyntaxError::at(self.source, span.range().start, kind, message)
                    .with_hint("put a key, or a value, that starts with [ or { in quotes"),
            );
        }
        if self.frames.is_empty() && !is_map {
            return Err(not_a_mapping(self.source, span, "a list"));
        }
        let in_list = self.frames.last().is_some_and(|frame| !frame.is_map);
        if in_list {
            self.before(&comments);
            self.after(&comments);
        }
        let own_key_foot = self.push_key();
        let kind = if is_map {
            NodeKind::Map { flow }
        } else {
            NodeKind::Sequence
        };
        let id = self.tree.push(kind, span, narrow(outer_start));
        self.anchor(properties, id);
        if self.frames.is_empty() {
            let document_head = std::mem::take(&mut self.document_head);
            self.comments(&document_head);
        }
        if !in_list {
            self.before(&comments);
            self.after(&comments);
        }
        let first_item = NodeId(narrow(self.tree.len()));
        self.frames.push(Frame {
            id,
            is_map,
            flow,
            key: None,
            has_entry: false,
            first_item,
            own_key_foot,
            text_end: span.range().end,
            skips_value: false,
        });
        Ok(())
    }

    fn end(&mut self, end: usize, comments: Taken) {
        let Attached { head, line, foot } = comments.map(|comments| *comments).unwrap_or_default();
        let Some(frame) = self.frames.last() else {
            return;
        };
        let (flow, is_map, id, first_item) = (frame.flow, frame.is_map, frame.id, frame.first_item);
        let is_root = self.frames.len() == 1;
        // A flow collection's brackets end it; a block ends with its last value.
        let text_end = if flow && end > frame.text_end {
            end
        } else {
            frame.text_end
        };
        // Comments after the last entry of a block mapping are its own; those after other collections are the foot of
        // their key, unless that has one.
        let stays_inside = is_map && !flow || !frame.own_key_foot.is_empty();
        self.comments(&head);
        if stays_inside {
            self.comments(&foot);
        }
        let in_list = self.frames.len() > 1 && !self.frames[self.frames.len() - 2].is_map;
        // The comment on the line of the closing bracket comes before the first item; for an item of a list, before it.
        let (before, inside) = if in_list {
            (id, None)
        } else {
            (first_item, Some(id))
        };
        for piece in &line {
            if let Piece::Line(span) = piece {
                self.insertions.push(Insertion {
                    before,
                    inside,
                    span: *span,
                });
            }
        }
        if is_root {
            // The root stays open until the document ends, for the comments in between.
            if !stays_inside {
                self.comments(&foot);
            }
            if let Some(frame) = self.frames.last_mut() {
                frame.text_end = text_end;
            }
            return;
        }
        let Some(frame) = self.frames.pop() else {
            return;
        };
        self.tree.close(id, narrow(text_end));
        if !stays_inside {
            self.comments(&foot);
        }
        self.comments(&frame.own_key_foot);
        if let Some(parent) = self.frames.last_mut() {
            parent.text_end = parent.text_end.max(text_end);
        }
    }

    fn end_document(&mut self, at: usize, comments: &Taken) {
        self.before(comments);
        self.after(comments);
        if let Some(root) = self.frames.pop() {
            self.comments(&root.own_key_foot);
            self.tree.close(root.id, narrow(root.text_end));
        }
        self.frames.clear();
        let head = std::mem::take(&mut self.document_head);
        self.comments(&head);
        if let Some(document) = self.document.take() {
            self.tree.close(document, narrow(at));
            self.last_document = Some(document);
        }
    }

    /// Adds the comments behind the marker that ends the last document to that document, lest they stay in the clear.
    /// (The reference drops them.)
    fn end_stream(&mut self, comments: &Taken) {
        let Some(document) = self.last_document.filter(|_| comments.is_some()) else {
            return;
        };
        self.before(comments);
        self.after(comments);
        let root = self.tree.root(document);
        if let Some(root) =
            root.filter(|&root| matches!(self.tree[root].kind, NodeKind::Map { .. }))
        {
            self.tree.close(root, self.tree[root].span.end);
        }
        self.tree.close(document, self.tree[document].span.end);
    }
}

/// Tags that would convert the text of an encrypted value.
const CONVERTING_TAGS: [&str; 6] = [
    "!!int",
    "!!float",
    "!!bool",
    "!!null",
    "!!timestamp",
    "!!binary",
];

/// A place in the text as nodes have it.
pub(super) fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).expect("sources of 4 GiB and more are refused before parsing")
}

fn malformed(source: &str, error: &ScanError) -> SyntaxError {
    let kind = if error.is_too_deep {
        SyntaxErrorKind::TooDeep
    } else {
        SyntaxErrorKind::Malformed
    };
    let mut shown = SyntaxError::at(source, error.at, kind, error.message);
    shown.hint = error.hint.map(str::to_owned);
    conflict_markers::explain(source, shown)
}

fn not_a_mapping(source: &str, span: Span, what: &str) -> SyntaxError {
    let message = format!("the top level of the document is {what}; it must be a mapping");
    SyntaxError::at(
        source,
        span.range().start,
        SyntaxErrorKind::NotAMapping,
        message,
    )
    .with_hint("put it under a key")
}
