//! A subtree as a series of events, aliases followed: for writing it out, or reading it into something else.

use super::{NodeId, NodeKind, Tree};

/// What comes next in a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A mapping or list starts; `is_empty` if it holds no entry or item (it may hold comments).
    Start {
        id: NodeId,
        is_empty: bool,
    },
    /// The mapping or list that started last, and has not ended, ends.
    End {
        id: NodeId,
    },
    /// The key of the value that comes next.
    Key(NodeId),
    Leaf(NodeId),
    Comment(NodeId),
}

/// Nodes that a subtree may have beyond ten times those of the tree, before it counts as a bomb of aliases.
const FREE_NODES: usize = 1_000_000;

impl Tree {
    /// Calls `visit` for everything in the subtree of `id`. Returns false if aliases blow it up.
    pub(crate) fn traverse(&self, id: NodeId, mut visit: impl FnMut(Event)) -> bool {
        let mut budget = FREE_NODES + 10 * self.len();
        // Each frame: the container, where its nodes end, where to go on afterwards.
        let mut frames: Vec<(Option<NodeId>, u32, u32)> = vec![(None, self[id].end, self[id].end)];
        let mut next = id.0;
        while let Some(&(container, end, resume)) = frames.last() {
            if next >= end {
                if let Some(id) = container {
                    visit(Event::End { id });
                }
                frames.pop();
                next = resume;
                continue;
            }
            let Some(left) = budget.checked_sub(1) else {
                return false;
            };
            budget = left;
            let id = NodeId(next);
            next += 1;
            let node = &self[id];
            match node.kind {
                NodeKind::Map { .. } | NodeKind::Sequence => {
                    visit(Event::Start {
                        id,
                        is_empty: self.items(id).next().is_none(),
                    });
                    frames.push((Some(id), node.end, node.end));
                }
                NodeKind::Alias { target } => {
                    frames.push((None, self[target].end, next));
                    next = target.0;
                }
                NodeKind::Key { .. } => visit(Event::Key(id)),
                NodeKind::Scalar(_) => visit(Event::Leaf(id)),
                NodeKind::Comment => visit(Event::Comment(id)),
                NodeKind::Document => {}
            }
        }
        true
    }
}
