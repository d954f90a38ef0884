//! From text to tree.

use std::borrow::Cow;

use foldhash::HashMap;

use super::{
    COMMENT_MARKS, DEFAULT_SECTION, DELIMITERS,
    comment::{Lines, without_marks},
    value::{self, Unreadable, line_after},
};
use crate::{
    format::{SyntaxError, SyntaxErrorKind, conflict_markers},
    tree::{NodeId, NodeKind, Scalar, Span, Style, Text, Tree, Value, span::Position},
};

/// Parses a text into one document: a map of sections, each a map of texts.
pub(crate) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    Parser {
        source,
        tree: Tree::default(),
        at: 0,
        comments: Lines::default(),
        keys: HashMap::default(),
        auto_keys: 0,
    }
    .run()
    .map_err(|error| conflict_markers::explain(source, error))
}

struct Parser<'s> {
    source: &'s str,
    tree: Tree,
    /// Where the next line starts.
    at: usize,
    /// The comment lines since the last key or section.
    comments: Lines,
    /// The keys of the current section.
    keys: HashMap<Cow<'s, str>, NodeId>,
    /// How many keys `-` the section has.
    auto_keys: usize,
}

impl<'s> Parser<'s> {
    fn run(mut self) -> Result<Tree, SyntaxError> {
        let len = self.source.len();
        let whole = Span::new(0, len);
        let document = self.tree.push(NodeKind::Document, whole, 0);
        let root = self.tree.push(NodeKind::Map { flow: false }, whole, 0);
        if self.source.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let default = Text::Owned(DEFAULT_SECTION.as_bytes().into());
        let mut section = self.open_section(default, Span::new(self.at, self.at), self.at);
        let mut end = self.at;
        while self.at < len {
            let next = line_after(self.source, self.at);
            let line = &self.source[self.at..next];
            let text = line.trim();
            let start = next - line.trim_start().len();
            if text.is_empty() {
                self.comments.blank();
                self.at = next;
            } else if text.starts_with(COMMENT_MARKS) {
                self.comments.push(Span::new(start, start + text.len()));
                self.at = next;
            } else if text.starts_with('[') {
                let (name, rest) = self.section_name(start, start + text.len())?;
                if name.of(self.source) == "sops" {
                    // Nothing that follows in the clear text: they would stand at its end.
                    self.trailing_comments();
                }
                self.tree.close(section, Span::new(end, end).end);
                section = self.section(name, start, rest);
                self.at = next;
                end = start + text.len();
            } else {
                end = self.key(start, next)?;
            }
        }
        self.trailing_comments();
        self.tree.close(section, Span::new(end, end).end);
        self.tree.close(root, whole.end);
        self.tree.close(document, whole.end);
        Ok(self.tree)
    }

    /// `header` is the line with the brackets and the comment behind them.
    fn open_section(&mut self, text: Text, header: Span, outer_start: usize) -> NodeId {
        let kind = NodeKind::Key { text, alias: false };
        self.tree
            .push(kind, header, Span::new(outer_start, outer_start).start);
        let body = Span::new(header.end as usize, header.end as usize);
        self.keys.clear();
        self.auto_keys = 0;
        self.tree
            .push(NodeKind::Map { flow: false }, body, body.start)
    }

    /// Returns the name between the brackets, and what stands behind them.
    fn section_name(&self, start: usize, end: usize) -> Result<(Span, Span), SyntaxError> {
        let line = &self.source[start..end];
        let Some(close) = line.rfind(']') else {
            return Err(self.malformed(start, "a section without ]", "close its name with ]"));
        };
        if close == 1 {
            return Err(self.malformed(start, "a section without a name", "name it"));
        }
        let name = Span::new(start + 1, start + close);
        let rest = Span::new(start + close + 1, end);
        let behind = rest.of(self.source).trim_start();
        if !behind.is_empty() && !behind.contains(COMMENT_MARKS) {
            let at = end - behind.len();
            let message = "text behind the name of a section";
            return Err(self.malformed(at, message, "put it on a line of its own"));
        }
        Ok((name, rest))
    }

    fn section(&mut self, name: Span, start: usize, rest: Span) -> NodeId {
        let comments = std::mem::take(&mut self.comments);
        let outer_start = comments.start().map_or(start, |start| start as usize);
        let header = Span::new(start, rest.end as usize);
        let map = self.open_section(Text::Source(name), header, outer_start);
        self.comments(comments.above(self.source));
        if let Some(mark) = rest.of(self.source).find(COMMENT_MARKS) {
            let comment = Span::new(rest.start as usize + mark, rest.end as usize);
            self.comment(without_marks(self.source, comment));
        }
        map
    }

    /// Reads a key and its value; returns where they end. `next` is where the next line starts.
    fn key(&mut self, start: usize, next: usize) -> Result<usize, SyntaxError> {
        let (name, value_start) = self.key_name(start, next)?;
        let value = value::read(self.source, value_start, next).map_err(|error| match error {
            Unreadable::Unclosed(at) => {
                self.malformed(at, "quotes that are not closed", "close them")
            }
            Unreadable::BehindQuotes(at) => {
                let message = "text behind closing quotes, which readers drop";
                self.malformed(at, message, "put it into the quotes, or remove it")
            }
        })?;
        let comments = std::mem::take(&mut self.comments);
        let outer_start = comments.start().unwrap_or(Span::new(start, start).start);
        self.comments(comments.above(self.source));
        if let Some(comment) = value.comment {
            self.comment(without_marks(self.source, comment));
        }
        let (text, bytes) = match name.of(self.source) {
            "-" => {
                self.auto_keys += 1;
                let text = format!("#{}", self.auto_keys);
                (
                    Text::Owned(text.clone().into_bytes().into()),
                    Cow::Owned(text),
                )
            }
            text => (Text::Source(name), Cow::Borrowed(text)),
        };
        let kind = NodeKind::Key { text, alias: false };
        let id = self.tree.push(kind, name, outer_start);
        if let Some(first) = self.keys.insert(bytes, id) {
            let place = self.tree[first].span.start as usize;
            let message = format!(
                "the key {:?} stands twice in one section, first at {}",
                name.of(self.source),
                Position::of(self.source, place)
            );
            let kind = SyntaxErrorKind::DuplicateKey;
            return Err(SyntaxError::at(self.source, start, kind, message)
                .with_hint("remove one of the two: readers use only one value"));
        }
        let scalar = Scalar {
            value: Value::Str(value.text),
            style: Style::Plain,
            flow: false,
            converting_tag: false,
        };
        self.tree
            .push(NodeKind::Scalar(scalar), value.span, value.span.start);
        self.at = value.next;
        Ok(value.comment.unwrap_or(value.span).end as usize)
    }

    /// Returns the name of a key, without quotes, and where its value starts.
    fn key_name(&self, start: usize, next: usize) -> Result<(Span, usize), SyntaxError> {
        let line = &self.source[start..next];
        let quote = match line.as_bytes()[0] {
            b'"' if line.len() > 6 && line.starts_with("\"\"\"") => "\"\"\"",
            b'"' => "\"",
            b'`' => "`",
            _ => "",
        };
        let without_value = || {
            self.malformed(
                start,
                "a line that is no section, no comment and no key with a value",
                "a line is [section], KEY = value, or a comment that starts with ; or #",
            )
        };
        if quote.is_empty() {
            let end = line.find(DELIMITERS).ok_or_else(without_value)?;
            if end == 0 {
                return Err(self.malformed(start, "a value without a key", "name the key"));
            }
            let name = line[..end].trim_end();
            return Ok((Span::new(start, start + name.len()), start + end + 1));
        }
        let Some(close) = line[quote.len()..].find(quote) else {
            return Err(self.malformed(start, "quotes that are not closed", "close them"));
        };
        let inside = &line[quote.len()..quote.len() + close];
        let name = inside.trim();
        let name_start = start + quote.len() + (inside.len() - inside.trim_start().len());
        let after = quote.len() + close + quote.len();
        let delimiter = line
            .get(after..)
            .and_then(|rest| rest.find(DELIMITERS))
            .ok_or_else(without_value)?;
        if name.is_empty() {
            return Err(self.malformed(start, "a key without a name", "name the key"));
        }
        if !line[after..after + delimiter].trim().is_empty() {
            let message = "text between a key in quotes and its value";
            return Err(self.malformed(start + after, message, "remove it"));
        }
        Ok((
            Span::new(name_start, name_start + name.len()),
            start + after + delimiter + 1,
        ))
    }

    fn comment(&mut self, span: Span) {
        if !span.is_empty() {
            self.tree.push(NodeKind::Comment, span, span.start);
        }
    }

    fn comments(&mut self, spans: Vec<Span>) {
        for span in spans {
            self.comment(span);
        }
    }

    /// Readers skip comments that nothing follows, so that each line may stand by itself.
    fn trailing_comments(&mut self) {
        let comments = std::mem::take(&mut self.comments);
        self.comments(comments.one_by_one(self.source));
    }

    fn malformed(&self, at: usize, message: &str, hint: &str) -> SyntaxError {
        SyntaxError::at(self.source, at, SyntaxErrorKind::Malformed, message).with_hint(hint)
    }
}
