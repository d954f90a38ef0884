//! JSON with spans.
//!
//! As strict as Go's `encoding/json`, and stricter where the reference lets damage pass silently: text after the
//! object, keys that stand twice, lone surrogates.

mod comment_item;
mod emit;
mod engine;
mod metadata_block;
pub(crate) mod render;
#[cfg(test)]
mod tests;
mod tokenizer;

pub(crate) use engine::Json;

use foldhash::{HashMap, HashMapExt};

use crate::{
    format::{SyntaxError, SyntaxErrorKind, conflict_markers},
    tree::{NodeId, NodeKind, Scalar, Span, Style, Tree, Value, span::Position},
};
use tokenizer::Cursor;

/// How many objects and lists may stand inside each other: as many as for the reference.
const MAX_DEPTH: usize = 10_000;

/// Up to so many keys are compared each with each, which is faster than hashing them.
const FEW_KEYS: usize = 8;

/// Parses a JSON text whose top level is an object.
///
/// The tree has one document; the spans of strings and keys include the quotes, those of objects and lists the
/// brackets.
pub(crate) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    Parser::new(source)
        .run()
        .map_err(|error| conflict_markers::explain(source, error))
}

struct Parser<'s> {
    cursor: Cursor<'s>,
    tree: Tree,
    open: Vec<Open>,
    /// The keys so far of all open objects, the innermost last.
    keys: Vec<NodeId>,
}

/// An object or list whose end has not been reached.
#[derive(Clone, Copy)]
struct Open {
    node: NodeId,
    kind: Kind,
    /// Where its keys start in [`Parser::keys`].
    first_key: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Object,
    List,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            cursor: Cursor::new(source),
            tree: Tree::default(),
            open: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Tree, SyntaxError> {
        self.expect_object()?;
        let len = self.cursor.source().len();
        let document = self.tree.push(NodeKind::Document, Span::new(0, len), 0);
        self.value()?;
        while let Some(&open) = self.open.last() {
            self.next_member(open)?;
        }
        self.cursor.skip_blanks();
        if self.cursor.peek().is_some() {
            return Err(self
                .cursor
                .malformed("text after the end of the object")
                .with_hint(
                    "a JSON file is one object; other tools drop silently what follows it",
                ));
        }
        self.tree.close(document, Span::new(0, len).end);
        Ok(self.tree)
    }

    /// Moves to the brace that opens the file, or says what is there instead.
    fn expect_object(&mut self) -> Result<(), SyntaxError> {
        let source = self.cursor.source();
        if source.is_empty() {
            let kind = SyntaxErrorKind::Empty;
            return Err(SyntaxError::at(source, 0, kind, "the file is empty")
                .with_hint("an empty JSON object is {}"));
        }
        if source.starts_with('\u{feff}') {
            return Err(self
                .cursor
                .malformed("the file starts with a byte order mark")
                .with_hint("remove it: JSON files have none"));
        }
        self.cursor.skip_blanks();
        let (kind, message, hint) = match self.cursor.peek() {
            Some(b'{') => return Ok(()),
            None => (
                SyntaxErrorKind::NoDocument,
                "the file has only blanks",
                "an empty JSON object is {}",
            ),
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => (
                SyntaxErrorKind::NotAMapping,
                "the top level is not an object",
                "wrap the content in an object, such as {\"data\": …}",
            ),
            Some(_) => return Err(self.cursor.expected("{")),
        };
        Err(SyntaxError::at(source, self.cursor.offset(), kind, message).with_hint(hint))
    }

    /// Reads the next entry or item of the innermost open object or list, or its end.
    fn next_member(&mut self, open: Open) -> Result<(), SyntaxError> {
        let is_first = self.tree.len() == open.node.index() + 1;
        self.cursor.skip_blanks();
        let next = self.cursor.peek();
        if next == Some(open.kind.closing_bracket()) {
            return self.close(open);
        }
        if !is_first {
            if next != Some(b',') {
                return Err(self.cursor.expected(open.kind.comma_or_end()));
            }
            let comma = self.cursor.offset();
            self.cursor.advance();
            self.cursor.skip_blanks();
            if self.cursor.peek() == Some(open.kind.closing_bracket()) {
                return Err(SyntaxError::at(
                    self.cursor.source(),
                    comma,
                    SyntaxErrorKind::Malformed,
                    "a comma after the last value",
                )
                .with_hint("remove it: JSON has no trailing commas"));
            }
        }
        if open.kind == Kind::Object {
            self.key()?;
        }
        self.value()
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        if self.cursor.peek() != Some(b'"') {
            return Err(self.cursor.expected("a key in double quotes"));
        }
        let start = self.cursor.offset();
        let text = self.cursor.string()?;
        let span = Span::new(start, self.cursor.offset());
        let kind = NodeKind::Key { text, alias: false };
        self.keys.push(self.tree.push(kind, span, span.start));
        self.cursor.skip_blanks();
        if self.cursor.peek() != Some(b':') {
            return Err(self.cursor.expected("a colon after the key"));
        }
        self.cursor.advance();
        self.cursor.skip_blanks();
        Ok(())
    }

    /// Reads a scalar, or opens an object or list.
    fn value(&mut self) -> Result<(), SyntaxError> {
        let start = self.cursor.offset();
        let (value, style) = match self.cursor.peek() {
            Some(b'"') => (Value::Str(self.cursor.string()?), Style::DoubleQuoted),
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::List),
            Some(b'-' | b'0'..=b'9') => (self.cursor.number()?, Style::Plain),
            _ => (self.cursor.word()?, Style::Plain),
        };
        let scalar = NodeKind::Scalar(Scalar {
            value,
            style,
            flow: true,
            converting_tag: false,
        });
        let span = Span::new(start, self.cursor.offset());
        self.tree.push(scalar, span, span.start);
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), SyntaxError> {
        let start = self.cursor.offset();
        if self.open.len() == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} objects and lists inside each other");
            let source = self.cursor.source();
            return Err(SyntaxError::at(
                source,
                start,
                SyntaxErrorKind::TooDeep,
                message,
            ));
        }
        self.cursor.advance();
        let span = Span::new(start, start + 1);
        let node = self.tree.push(kind.node(), span, span.start);
        self.open.push(Open {
            node,
            kind,
            first_key: self.keys.len(),
        });
        Ok(())
    }

    fn close(&mut self, open: Open) -> Result<(), SyntaxError> {
        self.cursor.advance();
        let end = self.cursor.offset();
        self.tree.close(open.node, Span::new(end, end).end);
        self.refuse_duplicates(&self.keys[open.first_key..])?;
        self.keys.truncate(open.first_key);
        self.open.pop();
        Ok(())
    }

    fn refuse_duplicates(&self, keys: &[NodeId]) -> Result<(), SyntaxError> {
        let text = |id: NodeId| match &self.tree[id].kind {
            NodeKind::Key { text, .. } => text.bytes(self.cursor.source()),
            _ => unreachable!("only keys are pushed to the list of keys"),
        };
        if keys.len() <= FEW_KEYS {
            for (index, &key) in keys.iter().enumerate().skip(1) {
                let earlier = keys[..index]
                    .iter()
                    .find(|&&earlier| text(earlier) == text(key));
                if let Some(&first) = earlier {
                    return Err(self.duplicate(first, key, text(key)));
                }
            }
            return Ok(());
        }
        let mut seen = HashMap::with_capacity(keys.len());
        for &key in keys {
            if let Some(first) = seen.insert(text(key), key) {
                return Err(self.duplicate(first, key, text(key)));
            }
        }
        Ok(())
    }

    fn duplicate(&self, first: NodeId, second: NodeId, name: &[u8]) -> SyntaxError {
        let source = self.cursor.source();
        let place = |id: NodeId| self.tree[id].span.start as usize;
        let message = format!(
            "the key {:?} stands twice in one object, first at {}",
            String::from_utf8_lossy(name),
            Position::of(source, place(first))
        );
        let kind = SyntaxErrorKind::DuplicateKey;
        SyntaxError::at(source, place(second), kind, message).with_hint("remove one of the two")
    }
}

impl Kind {
    fn node(self) -> NodeKind {
        match self {
            Self::Object => NodeKind::Map { flow: true },
            Self::List => NodeKind::Sequence,
        }
    }

    fn closing_bracket(self) -> u8 {
        match self {
            Self::Object => b'}',
            Self::List => b']',
        }
    }

    fn comma_or_end(self) -> &'static str {
        match self {
            Self::Object => "a comma or }",
            Self::List => "a comma or ]",
        }
    }
}
