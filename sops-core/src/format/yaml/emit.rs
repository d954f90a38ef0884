//! A subtree as YAML in the style of the reference: block style, four blanks a level unless told otherwise.

use super::emitted_scalar::{self, Emitted};
use crate::{
    format::{EmitError, EmitStyle},
    tree::{NodeId, NodeKind, Tree, ValueRef, traverse::Event},
};

/// Blanks a level, if nothing else is asked for.
pub(crate) const DEFAULT_INDENT: usize = 4;

/// The columns that a dash and its blank take.
const DASH: usize = 2;

/// Longer keys, and those of several lines, stand behind a question mark.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Returns the text of a subtree, with a line break at its end.
///
/// Comments stand before what they belong to, or beside it.
pub(crate) fn emit(
    source: &str,
    tree: &Tree,
    id: NodeId,
    indent: usize,
    style: &EmitStyle<'_>,
) -> Result<String, EmitError> {
    let mut emitter = Emitter {
        source,
        tree,
        indent,
        style,
        out: String::new(),
        open: Vec::new(),
        place: Place::LineStart,
        dashes: Vec::new(),
        comments: Vec::new(),
        line_comments: Vec::new(),
    };
    if !tree.traverse(id, |event| emitter.event(event)) {
        return Err(EmitError::TooManyNodes);
    }
    emitter.comments_above(0);
    Ok(emitter.out)
}

/// What stands before the next node on its line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    /// `key:`
    AfterKey,
    /// `:` on the line after a key behind a question mark.
    AfterColon,
}

/// A collection that is being written.
struct Open {
    is_list: bool,
    /// Where its keys or dashes stand.
    column: usize,
    /// Whether it is written as `{}` or `[]`.
    is_empty: bool,
}

struct Emitter<'t> {
    source: &'t str,
    tree: &'t Tree,
    indent: usize,
    style: &'t EmitStyle<'t>,
    out: String,
    open: Vec<Open>,
    place: Place,
    /// The columns of dashes that are written when their item is.
    dashes: Vec<usize>,
    /// Comments that wait for the node they belong to.
    comments: Vec<NodeId>,
    /// Comments that wait for the end of the line.
    line_comments: Vec<NodeId>,
}

impl Emitter<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Comment(id) => self.comments.push(id),
            Event::Start { id, is_empty } => self.start(id, is_empty),
            Event::End { .. } => self.end(),
            Event::Key(id) => self.key(id),
            Event::Leaf(id) => self.leaf(id),
        }
    }

    fn start(&mut self, id: NodeId, is_empty: bool) {
        let is_item = self.dash();
        let is_list = matches!(self.tree[id].kind, NodeKind::Sequence);
        let column = if self.open.is_empty() {
            0
        } else {
            self.deeper()
        };
        if is_empty && !self.open.is_empty() {
            self.start_line(false);
            self.value(if is_list { "[]" } else { "{}" });
        } else if !is_item && self.place == Place::AfterKey {
            self.end_line();
        }
        self.open.push(Open {
            is_list,
            column,
            is_empty,
        });
    }

    fn end(&mut self) {
        let column = self.column();
        self.comments_above(column);
        // What there is in a document without keys stands above it.
        if let Some(root) = self.open.pop()
            && root.is_empty
            && self.open.is_empty()
        {
            self.value(if root.is_list { "[]" } else { "{}" });
        }
    }

    fn key(&mut self, id: NodeId) {
        self.take_line_comments(NodeId(id.0 + 1));
        self.start_line(true);
        let NodeKind::Key { text, .. } = &self.tree[id].kind else {
            return;
        };
        let text = String::from_utf8_lossy(text.bytes(self.source));
        if text.len() <= LONGEST_SIMPLE_KEY && !text.contains('\n') {
            self.out.push_str(&emitted_scalar::one_line(&text));
            self.out.push(':');
            self.place = Place::AfterKey;
            return;
        }
        self.out.push_str("? ");
        match emitted_scalar::is_block(&text) {
            true => self.block(&text),
            false => {
                self.out.push_str(&emitted_scalar::one_line(&text));
                self.out.push('\n');
            }
        }
        self.out.push_str(&" ".repeat(self.column()));
        self.out.push(':');
        self.place = Place::AfterColon;
    }

    fn leaf(&mut self, id: NodeId) {
        if self.dash() {
            self.take_line_comments(id);
        }
        self.start_line(false);
        let NodeKind::Scalar(scalar) = &self.tree[id].kind else {
            return;
        };
        let value = scalar.value.view(self.source);
        match (emitted_scalar::value(value, self.style.keeps_floats), value) {
            (Emitted::Line(text), _) => self.value(&text),
            (Emitted::Block, ValueRef::Str(bytes)) if self.style.one_line => {
                self.value(&emitted_scalar::one_line(&String::from_utf8_lossy(bytes)));
            }
            (Emitted::Block, ValueRef::Str(bytes)) => {
                self.blank_after_colon();
                self.block(&String::from_utf8_lossy(bytes));
            }
            (Emitted::Block, _) => {}
        }
    }

    /// Takes note of a dash, if an item of a list comes.
    fn dash(&mut self) -> bool {
        let column = match self.open.last() {
            Some(open) if open.is_list => open.column,
            _ => return false,
        };
        self.dashes.push(column);
        true
    }

    /// Sets the comments aside that stay on the line of a scalar.
    fn take_line_comments(&mut self, value: NodeId) {
        let (line, above) = std::mem::take(&mut self.comments)
            .into_iter()
            .partition(|&comment| self.is_beside(comment, value) && (self.style.beside)(comment));
        (self.line_comments, self.comments) = (line, above);
    }

    /// Whether a comment stands on the line where a scalar ends, or on the first of a block scalar.
    fn is_beside(&self, comment: NodeId, value: NodeId) -> bool {
        let leaf = &self.tree[self.tree.resolve(value)];
        let span = self.tree[value].span;
        let start = self.tree[comment].span.start;
        if !matches!(leaf.kind, NodeKind::Scalar(_)) || span.is_empty() || start <= span.start {
            return false;
        }
        let Some(after) = self.source.get(span.end as usize..start as usize) else {
            return true;
        };
        after
            .strip_suffix('#')
            .is_some_and(|gap| gap.trim_matches([' ', '\t', ',']).is_empty())
    }

    /// Goes to the column of the current collection, behind the dashes that wait. Comments stand above all of them.
    fn start_line(&mut self, is_key: bool) {
        if let Some(&column) = self.dashes.first() {
            self.comments_above(column);
            self.out.push_str(&" ".repeat(column));
            for _ in std::mem::take(&mut self.dashes) {
                self.out.push_str("- ");
            }
        } else if is_key {
            let column = self.column();
            match self.place {
                Place::AfterColon => self.out.push_str(&" ".repeat(column.saturating_sub(1))),
                _ => {
                    self.comments_above(column);
                    self.out.push_str(&" ".repeat(column));
                }
            }
        }
    }

    /// The column of the current collection.
    fn column(&self) -> usize {
        self.open
            .iter()
            .rev()
            .find(|open| !open.is_empty)
            .map_or(0, |open| open.column)
    }

    /// The column of what stands inside the current collection.
    fn deeper(&self) -> usize {
        match self.open.last() {
            // Behind a dash, whatever the indentation is.
            Some(open) if open.is_list => open.column + DASH,
            // A mapping behind a dash stands off the grid of the indentation; what is inside it is back on it.
            Some(open) => (open.column / self.indent + 1) * self.indent,
            None => self.indent,
        }
    }

    /// Writes the comments that wait on lines of their own.
    fn comments_above(&mut self, column: usize) {
        for comment in std::mem::take(&mut self.comments) {
            let (from, tree, source) = (self.style.from, self.tree, self.source);
            let text = from.comment_text(source, tree, comment);
            for (index, line) in text.split('\n').enumerate() {
                let line = line.trim_end_matches('\r');
                self.out.push_str(&" ".repeat(column));
                // Formats with comments of several lines leave the marks of all but the first in them.
                if index == 0 {
                    self.out.push('#');
                } else if !line.starts_with('#') {
                    self.out.push_str("# ");
                }
                self.out.push_str(line);
                self.out.push('\n');
            }
        }
    }

    fn comment(&mut self, id: NodeId) {
        self.out.push('#');
        self.out.push_str(self.tree[id].span.of(self.source));
    }

    /// Writes a value on the current line, and the comments that stand beside it.
    fn value(&mut self, text: &str) {
        self.blank_after_colon();
        self.out.push_str(text);
        self.end_line();
    }

    fn blank_after_colon(&mut self) {
        if self.place != Place::LineStart {
            self.out.push(' ');
        }
        self.place = Place::LineStart;
    }

    fn end_line(&mut self) {
        for comment in std::mem::take(&mut self.line_comments) {
            self.out.push(' ');
            self.comment(comment);
        }
        self.out.push('\n');
        self.place = Place::LineStart;
    }

    fn block(&mut self, text: &str) {
        let column = self.deeper();
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push_str(&self.indent.to_string());
        }
        let lines = text.trim_end_matches('\n');
        match text.len() - lines.len() {
            0 => self.out.push('-'),
            1 if !lines.is_empty() => {}
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
