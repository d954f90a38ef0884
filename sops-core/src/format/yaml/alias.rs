//! Aliases that are written out, because what they stand for is encrypted.

use super::{
    flow_copy::{flow_copy, key_text},
    place::{LINE_BREAKS, column, line_break_of},
};
use crate::{
    format::edit::Edit,
    tree::{NodeId, NodeKind, Span, Tree},
};

/// Writes aliases out, in the order of the file.
pub(crate) struct Expansion<'t> {
    source: &'t str,
    tree: &'t Tree,
    /// How far flow collections were looked for, and where the last one found ends.
    seen: u32,
    flow_end: u32,
}

impl<'t> Expansion<'t> {
    pub(crate) fn new(source: &'t str, tree: &'t Tree) -> Self {
        Self {
            source,
            tree,
            seen: 0,
            flow_end: 0,
        }
    }

    /// Writes out what the alias `id` stands for, see [`flow_copy`]. Returns the comment that is inside of what was
    /// written then, and was beside the alias.
    pub(crate) fn write_out(
        &mut self,
        id: NodeId,
        leaf: &mut dyn FnMut(NodeId) -> Option<String>,
        is_kept: &mut dyn FnMut(NodeId) -> bool,
        edits: &mut Vec<Edit>,
    ) -> Option<Span> {
        let target = self.tree.resolve(id);
        let copy = flow_copy(self.source, self.tree, target, leaf, is_kept);
        let alias = self.tree[id].span;
        let Some(comment) = self.movable_comment(id) else {
            edits.push(Edit::new(alias, copy));
            let is_scalar = matches!(self.tree[target].kind, NodeKind::Scalar(_));
            let behind = |comment: &Span| comment.start > alias.end && !is_scalar;
            return comment_of_value(self.tree, id).filter(behind);
        };
        // Behind a collection the comment would be one inside of it. Between the key and a value that starts on a later
        // line it stays one of the mapping.
        let before_comment = Span {
            start: alias.start,
            end: comment.start - 1,
        };
        let behind_comment = Span {
            start: comment.end,
            end: comment.end,
        };
        let indentation = column(self.source, alias.start as usize);
        let text = format!("{}{:indentation$}{copy}", line_break_of(self.source), "");
        edits.push(Edit::new(before_comment, ""));
        edits.push(Edit::new(behind_comment, text));
        None
    }

    /// Returns the comment behind the alias `id` if it has to stand before what the alias is written out as.
    fn movable_comment(&mut self, id: NodeId) -> Option<Span> {
        let comment = comment_behind_alias(self.source, self.tree, id)?;
        let target = &self.tree[self.tree.resolve(id)].kind;
        let is_collection = matches!(target, NodeKind::Map { .. } | NodeKind::Sequence);
        (is_collection && !self.is_in_flow(id)).then_some(comment)
    }

    fn is_in_flow(&mut self, id: NodeId) -> bool {
        for seen in self.seen..id.0 {
            let node = &self.tree[NodeId(seen)];
            let is_flow = match node.kind {
                NodeKind::Map { flow } => flow,
                NodeKind::Sequence => self.source[node.span.range()].starts_with('['),
                _ => false,
            };
            if is_flow && seen >= self.flow_end {
                self.flow_end = node.end;
            }
        }
        self.seen = self.seen.max(id.0);
        id.0 < self.flow_end
    }
}

/// Writes out a key that is an alias.
pub(crate) fn written_out_key(source: &str, tree: &Tree, key: NodeId) -> Option<Edit> {
    let NodeKind::Key { text, .. } = &tree[key].kind else {
        return None;
    };
    let text = String::from_utf8_lossy(text.bytes(source));
    Some(Edit::new(tree[key].span, key_text(&text)))
}

/// Returns the comment behind the alias `id`, the value of a key, if the three stand on one line.
pub(crate) fn comment_behind_alias(source: &str, tree: &Tree, id: NodeId) -> Option<Span> {
    let alias = tree[id].span;
    let comment = comment_of_value(tree, id).filter(|comment| comment.start > alias.end)?;
    let key = tree[NodeId(id.0 - 1)].span;
    let between = &source[key.range().end..alias.range().start];
    let behind_colon = between.rsplit(':').next().unwrap_or(between);
    let is_beside_key = !between.contains('#') && !behind_colon.contains(LINE_BREAKS);
    is_beside_key.then_some(comment)
}

/// Returns the comment between a key and its value that starts on a later line.
pub(crate) fn comment_before_value(tree: &Tree, value: NodeId) -> Option<Span> {
    let start = tree[value].outer_start;
    comment_of_value(tree, value).filter(|comment| comment.end < start)
}

/// Returns the last comment before an entry of a mapping, if it stands behind the key.
fn comment_of_value(tree: &Tree, value: NodeId) -> Option<Span> {
    let before = |distance| Some(&tree[NodeId(value.0.checked_sub(distance)?)]);
    let (key, comment) = (before(1)?, before(2)?);
    let is_one = matches!(key.kind, NodeKind::Key { .. })
        && matches!(comment.kind, NodeKind::Comment)
        && comment.span.start > key.span.end;
    is_one.then_some(comment.span)
}
