//! The `sops` block of a YAML document.
//!
//! Documents are told apart by their text, not by spans: a line that starts with `---` or `...` ends a document
//! wherever it stands, and an empty document has no node whose place would tell where it is.

use super::{
    metadata_text::{flow, push_block},
    place::{
        column, indentation_step, line_break_at, line_break_of, line_end, line_start, next_line,
    },
};
use crate::{
    format::edit::Edit,
    metadata::Raw,
    tree::{NodeId, NodeKind, Span, Tree},
};

const KEY: &str = "sops";

/// Returns the edits that add the block to every document: behind all its content, comments and blank lines.
pub(crate) fn insert(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let step = indentation_step(source, tree, usize::MAX);
    let mut edits = Vec::new();
    let mut document_start = 0;
    for document in tree.documents() {
        let Some(root) = tree.root(document) else {
            continue;
        };
        let node = &tree[root];
        if let NodeKind::Map { flow: true } = node.kind {
            edits.push(insert_flow(source, tree, root, metadata));
            document_start = document_end(source, node.span.end as usize);
            continue;
        }
        let (content_end, indentation) = match node.kind {
            NodeKind::Map { .. } => (
                node.span.end as usize,
                indentation_of_line(source, node.span.start as usize),
            ),
            // A null that is written out makes room; one that is not has no place of its own.
            _ if (node.outer_start..node.span.end).is_empty() => {
                (start_marker(source, document_start), 0)
            }
            _ => {
                let span = Span {
                    start: node.outer_start,
                    end: node.span.end,
                };
                edits.push(Edit::new(span, ""));
                (node.span.end as usize, 0)
            }
        };
        let end = document_end(source, content_end);
        edits.push(insert_block(source, end, indentation, step, metadata));
        document_start = end;
    }
    edits
}

/// Returns the edits that replace the block of every document that has one.
pub(crate) fn replace(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let step = indentation_step(source, tree, usize::MAX);
    blocks(source, tree)
        .map(|block| {
            if block.in_flow {
                return Edit::new(block.value_span(source, tree), flow(metadata));
            }
            let key = tree[block.key].outer_start as usize;
            let start = line_start(source, key);
            let end = line_end(source, block.value_end(source, tree));
            let text = block_text(source, indentation_of_line(source, key), step, metadata);
            Edit::new(Span::new(start, end), text)
        })
        .collect()
}

/// Returns the edits that cut the block out of every document; what [`insert`] added is gone to the byte.
pub(crate) fn remove(source: &str, tree: &Tree) -> Vec<Edit> {
    blocks(source, tree)
        .map(|block| match block.in_flow {
            true => remove_flow(source, tree, &block),
            false => remove_block(source, tree, &block),
        })
        .collect()
}

/// The entry `sops` of a document, and its neighbours.
struct Block {
    root: NodeId,
    in_flow: bool,
    previous: Option<(NodeId, NodeId)>,
    key: NodeId,
    value: NodeId,
    next: Option<NodeId>,
    /// Whether nothing announces the document but its content.
    is_bare: bool,
}

impl Block {
    fn value_end(&self, source: &str, tree: &Tree) -> usize {
        entry_end(source, tree, self.key, self.value)
    }

    fn value_span(&self, source: &str, tree: &Tree) -> Span {
        let end = self.value_end(source, tree);
        let start = tree[self.value].outer_start as usize;
        Span::new(start.min(end), end)
    }
}

fn blocks<'t>(source: &'t str, tree: &'t Tree) -> impl Iterator<Item = Block> + 't {
    let mut before_root = 0;
    tree.documents().filter_map(move |document| {
        let root = tree.root(document)?;
        let NodeKind::Map { flow } = tree[root].kind else {
            return None;
        };
        let start = tree[root].outer_start as usize;
        let is_bare = !has_start_marker(&source[before_root.min(start)..start]);
        before_root = tree[root].span.end as usize;
        let mut previous = None;
        let mut entries = tree.entries(root);
        while let Some((key, value)) = entries.next() {
            if is_sops(source, tree, key) {
                return Some(Block {
                    root,
                    in_flow: flow,
                    previous,
                    key,
                    value,
                    next: entries.next().map(|(key, _)| key),
                    is_bare,
                });
            }
            previous = Some((key, value));
        }
        None
    })
}

fn is_sops(source: &str, tree: &Tree, key: NodeId) -> bool {
    match &tree[key].kind {
        NodeKind::Key { text, .. } => text.bytes(source) == KEY.as_bytes(),
        _ => false,
    }
}

fn insert_block(source: &str, end: usize, indentation: usize, step: usize, metadata: &Raw) -> Edit {
    let line_break = line_break_of(source);
    let mut text = block_text(source, indentation, step, metadata);
    if source[..end].is_empty() || source[..end].ends_with(['\n', '\r']) {
        text.push_str(line_break);
    } else {
        // The file has no final line break, and has none with the block: so removing finds back what was there.
        text.insert_str(0, line_break);
    }
    Edit::new(Span::new(end, end), text)
}

fn block_text(source: &str, indentation: usize, step: usize, metadata: &Raw) -> String {
    let mut text = format!("{:indentation$}{KEY}:", "");
    push_block(
        &mut text,
        metadata,
        indentation,
        step,
        line_break_of(source),
    );
    text
}

fn remove_block(source: &str, tree: &Tree, block: &Block) -> Edit {
    let mut start = line_start(source, tree[block.key].outer_start as usize);
    let value_end = line_end(source, block.value_end(source, tree));
    let end = next_line(source, value_end);
    if end == value_end {
        start = without_line_break(source, start);
    }
    // A document that is nothing but an empty mapping, with no marker that says so, would be no document.
    let is_all = block.is_bare && block.previous.is_none() && block.next.is_none();
    let text = match is_all {
        true => format!("{{}}{}", line_break_at(source, value_end)),
        false => String::new(),
    };
    Edit::new(Span::new(start, end), text)
}

fn without_line_break(source: &str, end: usize) -> usize {
    let before = &source[..end];
    let shorter = before.strip_suffix('\n').unwrap_or(before);
    let shorter = shorter.strip_suffix('\r').unwrap_or(shorter);
    shorter.len()
}

/// Adds the block behind the last entry, before a comma that may follow.
fn insert_flow(source: &str, tree: &Tree, root: NodeId, metadata: &Raw) -> Edit {
    let value = flow(metadata);
    let (at, separator) = match tree.entries(root).last() {
        None => (tree[root].span.start as usize + 1, ""),
        Some((key, value)) => {
            let at = entry_end(source, tree, key, value);
            // Directly behind a `:` some readers take the comma for a part of the key.
            match source[..at].ends_with(':') {
                true => (at, " , "),
                false => (at, ", "),
            }
        }
    };
    Edit::new(Span::new(at, at), format!("{separator}\"{KEY}\": {value}"))
}

fn remove_flow(source: &str, tree: &Tree, block: &Block) -> Edit {
    let end = block.value_end(source, tree);
    let key = tree[block.key].outer_start as usize;
    let span = match block.previous {
        Some((previous_key, previous_value)) => {
            Span::new(entry_end(source, tree, previous_key, previous_value), end)
        }
        // With its comma and the blanks behind that, if another entry follows.
        None if block.next.is_some() => {
            let behind = source[end..].trim_start_matches([' ', '\t', '\n', '\r']);
            let behind = behind.strip_prefix(',').unwrap_or(behind);
            let behind = behind.trim_start_matches([' ', '\t']);
            Span::new(key, source.len() - behind.len())
        }
        None => Span::new(key, end.min(tree[block.root].span.end as usize)),
    };
    Edit::new(span, "")
}

/// Returns where an entry ends. A value that is not written stands nowhere: then the entry ends behind its `:`, or
/// behind its key if that has none.
fn entry_end(source: &str, tree: &Tree, key: NodeId, value: NodeId) -> usize {
    let value = &tree[value];
    if value.outer_start < value.span.end {
        return value.span.end as usize;
    }
    let key_end = tree[key].span.end as usize;
    let behind = source[key_end..].trim_start_matches([' ', '\t', '\n', '\r']);
    match behind.strip_prefix(':') {
        Some(behind) => source.len() - behind.len(),
        None => key_end,
    }
}

/// The indentation of the line that the byte at `offset` stands on.
fn indentation_of_line(source: &str, offset: usize) -> usize {
    let start = line_start(source, offset);
    let line = &source[start..offset];
    let blanks = line.len() - line.trim_start_matches(' ').len();
    blanks.min(column(source, offset))
}

/// Returns where the document ends whose content ends at `content_end`: before the next marker, or at the end.
fn document_end(source: &str, content_end: usize) -> usize {
    let mut line = next_line(source, content_end);
    while line < source.len()
        && !is_marker(&source[line..], "---")
        && !is_marker(&source[line..], "...")
    {
        line = next_line(source, line);
    }
    line
}

/// Returns where the `---` starts of an empty document that starts at `from` or behind.
fn start_marker(source: &str, from: usize) -> usize {
    let mut line = from;
    while line < source.len() {
        let start = if line == 0 {
            source.len() - source.trim_start_matches('\u{FEFF}').len()
        } else {
            line
        };
        if is_marker(&source[start..], "---") {
            return start;
        }
        line = next_line(source, line);
    }
    source.len()
}

fn has_start_marker(text: &str) -> bool {
    text.trim_start_matches('\u{FEFF}')
        .split(['\n', '\r'])
        .any(|line| is_marker(line, "---"))
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}
