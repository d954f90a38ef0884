//! Metadata before it is understood: nested maps, lists and scalars.

use crate::tree::{NodeId, NodeKind, Tree, ValueRef};

use super::rfc3339;

/// A metadata value as a file has it, before it is read into [`Metadata`](super::Metadata), or after.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Raw {
    /// `null`, or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text that YAML reads as a time because it is not quoted, as RFC 3339.
    Time(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A map, in the order of the file.
    Map(Vec<(String, Self)>),
}

/// The deepest nesting that is read. Metadata has five levels; what lies deeper could only be under an unknown key.
const MAX_DEPTH: usize = 64;

/// How many nodes are read, those of aliases counted as often as they are named.
const MAX_NODES: usize = 1_000_000;

impl Raw {
    /// Copies the node and all below it; comments are left out, and aliases replaced by what they stand for.
    ///
    /// Beyond limits that no metadata comes near (64 levels, 1,000,000 nodes), nodes are read as null.
    pub(crate) fn from_tree(source: &str, tree: &Tree, node: NodeId) -> Self {
        Copier {
            source,
            tree,
            budget: MAX_NODES,
        }
        .copy(node, 0)
    }

    /// Returns what this is, in the words of messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Time(_) => "an unquoted time",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

struct Copier<'t> {
    source: &'t str,
    tree: &'t Tree,
    budget: usize,
}

impl Copier<'_> {
    /// Recursive; the depth is limited.
    fn copy(&mut self, node: NodeId, depth: usize) -> Raw {
        if depth > MAX_DEPTH || self.budget == 0 {
            return Raw::Null;
        }
        self.budget -= 1;
        let tree = self.tree;
        match &tree[node].kind {
            NodeKind::Map { .. } => Raw::Map(
                tree.entries(node)
                    .map(|(key, value)| (self.key(key), self.copy(value, depth + 1)))
                    .collect(),
            ),
            NodeKind::Sequence => Raw::List(
                tree.children(node)
                    .filter(|&child| !matches!(tree[child].kind, NodeKind::Comment))
                    .map(|child| self.copy(child, depth + 1))
                    .collect(),
            ),
            NodeKind::Document => match tree.root(node) {
                Some(root) => self.copy(root, depth + 1),
                None => Raw::Null,
            },
            NodeKind::Scalar(scalar) => scalar_to_raw(scalar.value.view(self.source)),
            // The depth grows with every alias, so that one inside its own target cannot go on for ever.
            NodeKind::Alias { target } => self.copy(*target, depth + 1),
            NodeKind::Key { .. } | NodeKind::Comment => Raw::Null,
        }
    }

    fn key(&self, key: NodeId) -> String {
        match &self.tree[key].kind {
            NodeKind::Key { text, .. } => lossy(text.bytes(self.source)),
            _ => String::new(),
        }
    }
}

fn scalar_to_raw(value: ValueRef<'_>) -> Raw {
    match value {
        ValueRef::Null => Raw::Null,
        ValueRef::Bool(value) => Raw::Bool(value),
        ValueRef::Int(value) => Raw::Int(value),
        // No key of the metadata takes such a number; as a text it keeps its digits.
        ValueRef::Unsigned(value) => Raw::Text(value.to_string()),
        ValueRef::Float(value) => Raw::Float(value),
        ValueRef::Time(value) => Raw::Time(rfc3339::format(value)),
        ValueRef::Str(bytes) => Raw::Text(lossy(bytes)),
    }
}

/// Only YAML's `!!binary` can hold what is not UTF-8, and no metadata does.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Span, Text, Value, value};

    /// Builds `{list: [1, # comment ⏎ *list_item], self: …}` by hand.
    #[test]
    fn follows_aliases_and_skips_comments() {
        let source = "list time text";
        let mut tree = Tree::default();
        let span = Span::new(0, 4);
        let key = |tree: &mut Tree, at: Span| {
            tree.push(
                NodeKind::Key {
                    text: Text::Source(at),
                    alias: false,
                },
                at,
                at.start,
            )
        };
        let scalar = |tree: &mut Tree, value: Value| {
            let scalar = crate::tree::Scalar {
                value,
                style: crate::tree::Style::Plain,
                flow: true,
                converting_tag: false,
            };
            tree.push(NodeKind::Scalar(scalar), span, 0)
        };
        let document = tree.push(NodeKind::Document, span, 0);
        let map = tree.push(NodeKind::Map { flow: true }, span, 0);
        key(&mut tree, Span::new(0, 4));
        let list = tree.push(NodeKind::Sequence, span, 0);
        let one = scalar(&mut tree, Value::Int(1));
        tree.push(NodeKind::Comment, span, 0);
        tree.push(NodeKind::Alias { target: one }, span, 0);
        tree.close(list, 4);
        key(&mut tree, Span::new(5, 9));
        scalar(
            &mut tree,
            value::Value::Str(Text::Source(Span::new(10, 14))),
        );
        tree.close(map, 4);
        tree.close(document, 4);

        let expected = Raw::Map(vec![
            ("list".to_owned(), Raw::List(vec![Raw::Int(1), Raw::Int(1)])),
            ("time".to_owned(), Raw::Text("text".to_owned())),
        ]);
        assert_eq!(Raw::from_tree(source, &tree, map), expected);
        assert_eq!(Raw::from_tree(source, &tree, document), expected);
    }

    #[test]
    fn an_alias_to_its_own_container_ends() {
        let mut tree = Tree::default();
        let span = Span::new(0, 0);
        let list = tree.push(NodeKind::Sequence, span, 0);
        tree.push(NodeKind::Alias { target: list }, span, 0);
        tree.push(NodeKind::Alias { target: list }, span, 0);
        tree.close(list, 0);
        assert!(matches!(Raw::from_tree("", &tree, list), Raw::List(_)));
    }
}
