//! A subtree as YAML in the style of the reference: block style, four blanks a level unless told otherwise.

use std::borrow::Cow;

use super::{
    plain_value,
    quote::{double_quoted, is_printable},
    render::{binary, one_line},
};
use crate::{
    format::EmitError,
    tree::{NodeId, NodeKind, Span, Tree, ValueRef, traverse::Event},
};

/// Blanks a level, if nothing else is asked for.
pub(crate) const DEFAULT_INDENT: usize = 4;

/// Returns the text of a subtree, with a line break at its end.
pub(crate) fn emit(
    source: &str,
    tree: &Tree,
    id: NodeId,
    indent: usize,
) -> Result<String, EmitError> {
    let mut emitter = Emitter {
        source,
        tree,
        indent,
        out: String::new(),
        open: Vec::new(),
        place: Place::LineStart,
        comments: Vec::new(),
    };
    if !tree.traverse(id, |event| emitter.event(event)) {
        return Err(EmitError::TooManyNodes);
    }
    emitter.own_line_comments(u32::MAX);
    Ok(emitter.out)
}

/// What stands before the next node on its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    /// `key:`
    AfterKey,
    /// `-` and the blanks after it: an entry may start on this line.
    AfterDash,
}

struct Emitter<'t> {
    source: &'t str,
    tree: &'t Tree,
    indent: usize,
    out: String,
    /// The open collections: whether each is a list, and its column; `None` for an empty one.
    open: Vec<Option<(bool, usize)>>,
    place: Place,
    /// Comments that wait for the node they stand before or beside.
    comments: Vec<Span>,
}

impl Emitter<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Comment(id) => self.comments.push(self.tree[id].span),
            Event::Start { id, is_empty } => {
                self.start_item(id);
                let is_list = matches!(self.tree[id].kind, NodeKind::Sequence);
                if is_empty {
                    self.value(if is_list { "[]" } else { "{}" });
                    self.open.push(None);
                    return;
                }
                let column = match self.open.last() {
                    // Lists start two columns after the dash they stand behind, whatever the indentation is.
                    Some(Some((true, column))) => column + DASH,
                    Some(Some((false, column))) => column + self.indent,
                    _ => 0,
                };
                if self.place == Place::AfterKey {
                    self.out.push('\n');
                    self.place = Place::LineStart;
                }
                self.open.push(Some((is_list, column)));
            }
            Event::End { .. } => {
                self.own_line_comments(u32::MAX);
                self.open.pop();
            }
            Event::Key(id) => {
                self.own_line_comments(self.tree[id].span.start);
                self.start_line();
                if let NodeKind::Key { text, .. } = &self.tree[id].kind {
                    let text = String::from_utf8_lossy(text.bytes(self.source));
                    self.out.push_str(&quoted_for_all(&text));
                    self.out.push(':');
                }
                self.place = Place::AfterKey;
            }
            Event::Leaf(id) => {
                self.start_item(id);
                if let NodeKind::Scalar(scalar) = &self.tree[id].kind {
                    match scalar.value.view(self.source) {
                        ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
                            Ok(text) if is_block(text) => self.block(text),
                            Ok(text) => self.value(&quoted_for_all(text)),
                            Err(_) => self.value(&binary(bytes)),
                        },
                        value => self.value(&plain_value::text(value)),
                    }
                }
            }
        }
    }

    /// Starts an item of a list; does nothing before the value of a key.
    fn start_item(&mut self, id: NodeId) {
        if let Some(Some((true, _))) = self.open.last() {
            self.own_line_comments(self.tree[id].span.start);
            self.start_line();
            self.out.push_str("- ");
            self.place = Place::AfterDash;
        }
    }

    fn column(&self) -> usize {
        self.open
            .iter()
            .rev()
            .flatten()
            .next()
            .map_or(0, |(_, column)| *column)
    }

    /// Goes to the column of the current collection.
    fn start_line(&mut self) {
        if self.place == Place::LineStart {
            self.out.push_str(&" ".repeat(self.column()));
        }
        self.place = Place::LineStart;
    }

    /// Writes the comments that stand before `start` on lines of their own.
    fn own_line_comments(&mut self, start: u32) {
        let column = self.column();
        for span in std::mem::take(&mut self.comments) {
            if span.start > start {
                self.comments.push(span);
                continue;
            }
            if self.place == Place::LineStart {
                self.out.push_str(&" ".repeat(column));
            }
            self.out.push('#');
            self.out.push_str(span.of(self.source));
            self.out.push('\n');
            self.place = Place::LineStart;
        }
    }

    /// Writes a value on the current line, and the comments that stand beside it.
    fn value(&mut self, text: &str) {
        if self.place == Place::AfterKey {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.end_line();
    }

    fn end_line(&mut self) {
        for span in std::mem::take(&mut self.comments) {
            self.out.push_str(" #");
            self.out.push_str(span.of(self.source));
        }
        self.out.push('\n');
        self.place = Place::LineStart;
    }

    fn block(&mut self, text: &str) {
        let column = match self.open.last() {
            Some(Some((true, column))) => column + DASH,
            Some(Some((false, column))) => column + self.indent,
            _ => self.indent,
        };
        if self.place == Place::AfterKey {
            self.out.push(' ');
        }
        self.out.push('|');
        let lines = text.trim_end_matches('\n');
        match text.len() - lines.len() {
            0 => self.out.push('-'),
            1 => {}
            _ => self.out.push('+'),
        }
        self.end_line();
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                self.out.push_str(&" ".repeat(column));
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
    }
}

/// Returns a text on one line. What readers of YAML 1.1 take for a boolean or a number in base 60 is quoted, as the
/// reference does.
fn quoted_for_all(text: &str) -> Cow<'_, str> {
    const BOOLEANS: [&str; 16] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_base_60 = digits.contains(':')
        && digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'_' | b'.'));
    match BOOLEANS.contains(&text) || is_base_60 {
        true => Cow::Owned(double_quoted(text)),
        false => one_line(text, false, false),
    }
}

/// The columns that a dash and its blank take.
const DASH: usize = 2;

/// Whether a text is written as a literal block: it has several lines, and a block can hold them.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.trim_matches('\n').is_empty()
        && !text.starts_with([' ', '\t', '\n'])
        && text
            .split('\n')
            .all(|line| !line.ends_with([' ', '\t']) && line.chars().all(is_printable))
}
