//! Where a path leads in a tree.

use super::ChangeError;
use crate::tree::{NodeId, NodeKind, Step, Tree, TreePath};

/// Where a path leads.
pub(super) enum Target<'p> {
    Node(NodeId),
    /// A scalar is in the way.
    Scalar {
        node: NodeId,
        rest: &'p [Step],
    },
    /// The container has no such entry, or the list is shorter.
    Missing {
        container: NodeId,
        key: Option<String>,
        rest: &'p [Step],
    },
}

impl<'p> Target<'p> {
    pub(super) fn find(text: &str, tree: &Tree, path: &'p TreePath) -> Result<Self, ChangeError> {
        let document = tree.documents().next();
        let mut node = document
            .and_then(|document| tree.root(document))
            .ok_or(ChangeError::NoMapping)?;
        if path.steps().is_empty() {
            return Err(ChangeError::Root);
        }
        for (at, step) in path.steps().iter().enumerate() {
            let rest = &path.steps()[at + 1..];
            let found = match (&tree[node].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    let entry = tree.entry(text, node, key);
                    entry.map(|(_, value)| value).ok_or(Some(key.clone()))
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    tree.items(node).nth(*index).ok_or(None)
                }
                (NodeKind::Map { .. }, _) => return Err(ChangeError::IndexIntoMapping),
                (NodeKind::Sequence, _) => return Err(ChangeError::KeyIntoList),
                (NodeKind::Alias { .. }, _) => return Err(ChangeError::Aliases),
                _ if at == 0 => return Err(ChangeError::NoMapping),
                _ => {
                    return Ok(Self::Scalar {
                        node,
                        rest: &path.steps()[at..],
                    });
                }
            };
            match found {
                Ok(next) => node = next,
                Err(key) => {
                    return Ok(Self::Missing {
                        container: node,
                        key,
                        rest,
                    });
                }
            }
        }
        match tree[node].kind {
            NodeKind::Alias { .. } => Err(ChangeError::Aliases),
            _ => Ok(Self::Node(node)),
        }
    }

    /// The steps that lead to nothing that is there.
    pub(super) fn rest(&self) -> &'p [Step] {
        match self {
            Self::Node(_) => &[],
            Self::Missing { rest, .. } | Self::Scalar { rest, .. } => rest,
        }
    }
}
