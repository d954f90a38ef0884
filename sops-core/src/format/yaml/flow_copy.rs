//! A whole subtree in flow style on one line: what stands for an alias that has to be written out.

use super::{
    place::line_end,
    plain_value,
    quote::{double_quoted, is_plain},
    render::{binary, one_line},
};
use crate::tree::{Node, NodeId, NodeKind, Scalar, Style, Tree, ValueRef};

/// Keys must start and end within 1024 characters unless a `?` announces them.
const LONGEST_SIMPLE_KEY: usize = 1000;

/// Returns the text of a subtree. `leaf` is asked for the ciphertext of every scalar, in the order of the tree; aliases
/// are followed. Scalars without one are written so that they read back as the same value. Comments, tags and anchors
/// are dropped.
pub(crate) fn flow_copy(
    source: &str,
    tree: &Tree,
    target: NodeId,
    leaf: &mut dyn FnMut(NodeId) -> Option<String>,
) -> String {
    let mut copy = Copy {
        source,
        tree,
        out: String::new(),
        open: Vec::new(),
    };
    copy.push(target, leaf);
    while let Some(container) = copy.open.last_mut() {
        if container.next >= container.end {
            copy.out.push(container.closing);
            copy.open.pop();
            continue;
        }
        let child = NodeId(container.next);
        container.next = tree[child].end;
        match &tree[child].kind {
            NodeKind::Comment => continue,
            NodeKind::Key { .. } => {
                container.separate(&mut copy.out);
                copy.push_key(child);
            }
            _ => {
                if container.closing == ']' {
                    container.separate(&mut copy.out);
                }
                copy.push(child, leaf);
            }
        }
    }
    copy.out
}

struct Copy<'a> {
    source: &'a str,
    tree: &'a Tree,
    out: String,
    /// The containers around the place that is written; as deep as the document, hence no recursion.
    open: Vec<Container>,
}

struct Container {
    next: u32,
    end: u32,
    closing: char,
    is_empty: bool,
}

impl Container {
    fn separate(&mut self, out: &mut String) {
        if !self.is_empty {
            out.push_str(", ");
        }
        self.is_empty = false;
    }
}

impl Copy<'_> {
    fn push(&mut self, id: NodeId, leaf: &mut dyn FnMut(NodeId) -> Option<String>) {
        let mut id = id;
        while let NodeKind::Alias { target } = self.tree[id].kind {
            id = target;
        }
        let node = &self.tree[id];
        let (opening, closing) = match &node.kind {
            NodeKind::Map { .. } => ('{', '}'),
            NodeKind::Sequence { .. } => ('[', ']'),
            NodeKind::Scalar(scalar) => {
                match leaf(id) {
                    // In quotes even where it stands alone: the alias may stand in a flow collection.
                    Some(enc) => self.out.push_str(&double_quoted(&enc)),
                    None => self.push_clear(node, scalar),
                }
                return;
            }
            NodeKind::Document
            | NodeKind::Key { .. }
            | NodeKind::Comment
            | NodeKind::Alias { .. } => return,
        };
        self.out.push(opening);
        self.open.push(Container {
            next: id.0 + 1,
            end: node.end,
            closing,
            is_empty: true,
        });
    }

    fn push_key(&mut self, id: NodeId) {
        let node = &self.tree[id];
        let NodeKind::Key { text, alias } = &node.kind else {
            return;
        };
        let text = String::from_utf8_lossy(text.bytes(self.source));
        let is_quoted = node.span.of(self.source).starts_with(['"', '\'']);
        // A merge key is one only when it is plain, hence stays as it is.
        let plain = is_plain(&text, true) && (text != "<<" || !is_quoted && !alias);
        let key = match plain {
            true => text.into_owned(),
            false => double_quoted(&text),
        };
        if key.len() > LONGEST_SIMPLE_KEY {
            self.out.push_str("? ");
            self.out.push_str(&key);
            self.out.push_str(" : ");
        } else {
            self.out.push_str(&key);
            self.out.push_str(": ");
        }
    }

    /// Writes a clear scalar: as it is if it can stand here so, else in a form of ours.
    fn push_clear(&mut self, node: &Node, scalar: &Scalar) {
        let start = node.span.start as usize;
        let spelling = node.span.of(self.source);
        let has_properties = node.outer_start as usize != start;
        let on_one_line = line_end(self.source, start) >= node.span.end as usize;
        let as_it_is = match scalar.style {
            // Of texts the plain ones need care; other plain scalars hold nothing that ends them.
            Style::Plain => {
                !spelling.is_empty()
                    && (is_plain(spelling, true)
                        || !matches!(scalar.value.view(self.source), ValueRef::Str(_)))
            }
            Style::SingleQuoted | Style::DoubleQuoted => true,
            Style::Literal | Style::Folded => false,
        };
        if as_it_is && on_one_line && !has_properties {
            self.out.push_str(spelling);
            return;
        }
        match scalar.value.view(self.source) {
            ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.out.push_str(&one_line(text, false, true)),
                Err(_) => self.out.push_str(&binary(bytes)),
            },
            value => self.out.push_str(&plain_value::text(value)),
        }
    }
}
