//! Comments that get their place in a tree when it is finished.

use super::compose::narrow;
use crate::tree::{Node, NodeId, NodeKind, Span, Tree};

/// A comment whose place was known only after the nodes that follow it.
pub(super) struct Insertion {
    pub(super) before: NodeId,
    /// The container that it is the first item of; `None` if it comes beside the node.
    pub(super) inside: Option<NodeId>,
    pub(super) span: Span,
}

/// Rebuilds a tree with the comments in their places.
pub(super) fn insert_comments(mut tree: Tree, mut insertions: Vec<Insertion>) -> Tree {
    insertions.sort_by_key(|insertion| (insertion.before.0, insertion.inside.is_none()));
    let mut rebuilt = Tree::default();
    let aliased_keys = std::mem::take(&mut tree.aliased_keys);
    let mut numbers: Vec<u32> = Vec::with_capacity(tree.len());
    // Open containers: their numbers and ends in the old tree.
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut pending = insertions.into_iter().peekable();
    let close = |rebuilt: &mut Tree,
                 numbers: &[u32],
                 open: &mut Vec<(u32, u32)>,
                 closes: &dyn Fn(u32, u32) -> bool| {
        while let Some(&(id, end)) = open.last().filter(|(id, end)| closes(*id, *end)) {
            let _ = end;
            let text_end = rebuilt[NodeId(numbers[id as usize])].span.end;
            rebuilt.close(NodeId(numbers[id as usize]), text_end);
            open.pop();
        }
    };
    for (index, node) in tree.into_nodes().into_iter().enumerate() {
        let index = narrow(index);
        while let Some(insertion) = pending.next_if(|insertion| insertion.before.0 <= index) {
            match insertion.inside {
                Some(container) => close(&mut rebuilt, &numbers, &mut open, &|id, _| {
                    id != container.0
                }),
                None => close(&mut rebuilt, &numbers, &mut open, &|_, end| end <= index),
            }
            rebuilt.push(NodeKind::Comment, insertion.span, insertion.span.start);
        }
        close(&mut rebuilt, &numbers, &mut open, &|_, end| end <= index);
        let Node {
            kind,
            span,
            outer_start,
            end,
        } = node;
        numbers.push(rebuilt.push(kind, span, outer_start).0);
        if end > index + 1
            || matches!(
                rebuilt[NodeId(numbers[index as usize])].kind,
                NodeKind::Map { .. } | NodeKind::Sequence
            )
        {
            open.push((index, end));
        }
    }
    for insertion in pending {
        if let Some(container) = insertion.inside {
            close(&mut rebuilt, &numbers, &mut open, &|id, _| {
                id != container.0
            });
        }
        rebuilt.push(NodeKind::Comment, insertion.span, insertion.span.start);
    }
    close(&mut rebuilt, &numbers, &mut open, &|_, _| true);
    for node in rebuilt.nodes_mut() {
        if let NodeKind::Alias { target } = &mut node.kind {
            *target = NodeId(numbers[target.index()]);
        }
    }
    let renumbered = |id: NodeId| NodeId(numbers[id.index()]);
    let aliased_keys = aliased_keys.into_iter();
    rebuilt.aliased_keys = aliased_keys
        .map(|(key, target)| (renumbered(key), renumbered(target)))
        .collect();
    rebuilt
}
