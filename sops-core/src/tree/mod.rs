//! The tree of a document.
//!
//! A [`Tree`] is one flat list of nodes in depth-first order: a container is followed by its descendants, and knows
//! where they end. Walking a document of any size and depth is a loop over that list, without recursion and without an
//! allocation per node. Nodes carry byte spans into the source text, which the tree does not own.
//!
//! The order of the children of a container is the *item order of the reference*: comments stand where its YAML parser
//! attaches them (before or after an item, in this or that container), which is not always where they stand in the
//! text. Comments decide nothing about the order of values.

pub(crate) mod float;
pub(crate) mod path;
pub(crate) mod span;
pub(crate) mod timestamp;
pub(crate) mod traverse;
pub(crate) mod value;

pub use path::{PathError, Step, TreePath};
pub(crate) use span::Span;
pub(crate) use value::{PlaintextError, Text, Value, ValueRef};

use std::{ops::Index, sync::OnceLock};

/// The place of a node in a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One node; its children, if any, follow it in the tree up to `end`.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// The bytes of the node's content. A block scalar's span starts at its `|` or `>` and ends before the line break
    /// of its last line, trailing blank lines included only when they are part of the value (`|+`). A comment's span
    /// starts *after* the `#`, and ends before the line break. A collection in flow style spans its brackets; one in
    /// block style the first byte of its first item to the last byte of its last.
    pub(crate) span: Span,
    /// Where the node starts when its properties (YAML tag and anchor) are counted; `span.start` if there are none.
    pub(crate) outer_start: u32,
    /// One past the index of the node's last descendant.
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    /// A document: its one root value, after and before it the comments that belong to no mapping
    /// (there are such only when the root is not a mapping).
    Document,
    /// Children: comments, and keys each followed directly by its value.
    Map {
        flow: bool,
    },
    /// Children: comments and values.
    Sequence,
    /// A mapping key. `alias` when it is written as an alias (`*name : value`).
    Key {
        text: Text,
        alias: bool,
    },
    Scalar(Scalar),
    /// An alias stands for a copy of the node it names, at its own path.
    Alias {
        target: NodeId,
    },
    /// One line of comment; a run of comment lines is as many nodes.
    Comment,
}

/// A leaf with a value.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) value: Value,
    pub(crate) style: Style,
    /// Whether it stands inside a flow collection (always, in JSON).
    pub(crate) flow: bool,
    /// Whether it has a tag that an encrypted value must not keep, because it would convert the `ENC[…]` text
    /// (`!!int`, `!!float`, `!!bool`, `!!null`, `!!timestamp`, `!!binary`).
    pub(crate) converting_tag: bool,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// All nodes of a file, documents one after the other.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// The top-level key under which the metadata of each document stands.
    metadata_key: &'static str,
    /// The keys that are written as aliases of values, each with the value.
    pub(crate) aliased_keys: Vec<(NodeId, NodeId)>,
    /// Where the metadata of each document is, once that was asked for.
    metadata: OnceLock<MetadataEntries>,
}

/// What [`Tree::metadata_entry`] found in a tree of so many nodes: the entry of each document.
#[derive(Debug)]
struct MetadataEntries {
    nodes: usize,
    entries: Vec<(NodeId, Option<(NodeId, NodeId)>)>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::with_metadata_key("sops")
    }
}

impl Tree {
    /// Returns an empty tree whose metadata stands under another key than `sops`.
    pub(crate) fn with_metadata_key(metadata_key: &'static str) -> Self {
        Self {
            nodes: Vec::new(),
            metadata_key,
            aliased_keys: Vec::new(),
            metadata: OnceLock::new(),
        }
    }

    /// Returns an empty tree with room for so many nodes.
    pub(crate) fn with_room(nodes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(nodes),
            ..Self::default()
        }
    }

    /// Appends a node that has no descendants yet.
    pub(crate) fn push(&mut self, kind: NodeKind, span: Span, outer_start: u32) -> NodeId {
        let id = NodeId(
            u32::try_from(self.nodes.len())
                .expect("a source below 4 GiB has fewer nodes than bytes"),
        );
        self.nodes.push(Node {
            kind,
            span,
            outer_start,
            end: id.0 + 1,
        });
        id
    }

    /// Appends nodes that have their ends already.
    pub(crate) fn append(&mut self, nodes: impl ExactSizeIterator<Item = Node>) {
        self.nodes.reserve_exact(nodes.len());
        self.nodes.extend(nodes);
    }

    /// Declares every node after `container` to be its descendant, and sets where its text ends.
    pub(crate) fn close(&mut self, container: NodeId, text_end: u32) {
        let end = u32::try_from(self.nodes.len()).expect("checked by push");
        let node = &mut self.nodes[container.index()];
        node.end = end;
        node.span.end = text_end;
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the nodes with their numbers.
    pub(crate) fn numbered(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| {
            let id = u32::try_from(index).expect("checked by push");
            (NodeId(id), node)
        })
    }

    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    pub(crate) fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the documents of the file.
    pub(crate) fn documents(&self) -> Children<'_> {
        Children {
            tree: self,
            next: 0,
            end: u32::try_from(self.nodes.len()).expect("checked by push"),
        }
    }

    /// Returns the direct children of a node, in the order of [`NodeKind`].
    pub(crate) fn children(&self, id: NodeId) -> Children<'_> {
        Children {
            tree: self,
            next: id.0 + 1,
            end: self[id].end,
        }
    }

    /// Returns the root value of a document: the child that is not a comment.
    pub(crate) fn root(&self, document: NodeId) -> Option<NodeId> {
        self.children(document)
            .find(|&child| !matches!(self[child].kind, NodeKind::Comment))
    }

    /// Returns the keys of a mapping with their values.
    pub(crate) fn entries(&self, map: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = self.children(map);
        std::iter::from_fn(move || {
            loop {
                let child = children.next()?;
                if matches!(self[child].kind, NodeKind::Key { .. }) {
                    return Some((child, children.next()?));
                }
            }
        })
    }

    /// Returns the key node and the value node of the entry `key` of a mapping.
    pub(crate) fn entry(&self, source: &str, map: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        self.entries(map).find(|&(id, _)| match &self[id].kind {
            NodeKind::Key { text, .. } => text.bytes(source) == key.as_bytes(),
            _ => false,
        })
    }

    /// Returns the key node and the value node of the metadata of a document.
    pub(crate) fn metadata_entry(
        &self,
        source: &str,
        document: NodeId,
    ) -> Option<(NodeId, NodeId)> {
        // A document may have very many keys, and this is asked for again and again.
        let known = self.metadata.get_or_init(|| MetadataEntries {
            nodes: self.nodes.len(),
            entries: self
                .documents()
                .map(|document| (document, self.find_metadata(source, document)))
                .collect(),
        });
        if known.nodes != self.nodes.len() {
            return self.find_metadata(source, document);
        }
        let found = known
            .entries
            .binary_search_by_key(&document, |(document, _)| *document);
        known.entries[found.ok()?].1
    }

    /// Tells where the metadata of the only document of a finished tree are, so that nobody has to look for them.
    pub(crate) fn know_metadata(&mut self, document: NodeId, entry: Option<(NodeId, NodeId)>) {
        self.metadata = OnceLock::from(MetadataEntries {
            nodes: self.nodes.len(),
            entries: vec![(document, entry)],
        });
    }

    fn find_metadata(&self, source: &str, document: NodeId) -> Option<(NodeId, NodeId)> {
        let root = self.root(document)?;
        match self[root].kind {
            NodeKind::Map { .. } => self.entry(source, root, self.metadata_key),
            _ => None,
        }
    }

    /// Returns the container of a node.
    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.ancestors(id).last()
    }

    /// Returns the nodes around a node, from its document down.
    pub(crate) fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut siblings = self.documents();
        std::iter::from_fn(move || {
            let around = siblings.find(|&node| self[node].end > id.0)?;
            siblings = self.children(around);
            (around != id).then_some(around)
        })
    }

    /// Follows an alias to the node it names; other nodes are returned as they are.
    pub(crate) fn resolve(&self, id: NodeId) -> NodeId {
        match self[id].kind {
            NodeKind::Alias { target } => target,
            _ => id,
        }
    }
}

impl Index<NodeId> for Tree {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
}

/// Iterates over siblings.
#[derive(Clone)]
pub(crate) struct Children<'t> {
    tree: &'t Tree,
    next: u32,
    end: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.next >= self.end {
            return None;
        }
        let id = NodeId(self.next);
        self.next = self.tree[id].end;
        Some(id)
    }
}
