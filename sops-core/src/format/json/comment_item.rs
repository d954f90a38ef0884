//! Encrypted comments as items of JSON lists: left there by a conversion from YAML. JSON has no comments, so they go.

use crate::{
    format::{CommentItem, edit::Edit},
    tree::{NodeId, Span, Tree},
};

/// Cuts the items out of their lists, each with one comma. Items come in the order of the text.
pub(crate) fn removed(tree: &Tree, items: &[CommentItem], edits: &mut Vec<Edit>) {
    let mut rest = items;
    while let [first, ..] = rest {
        let Some(list) = tree.parent(first.id) else {
            return;
        };
        let siblings: Vec<NodeId> = tree.children(list).collect();
        let within = rest.partition_point(|item| item.id.0 < tree[list].end);
        let (of_list, others) = rest.split_at(within);
        let goes = |id: &NodeId| of_list.iter().any(|item| item.id == *id);
        let mut kept: Option<NodeId> = None;
        let mut at = 0;
        while at < siblings.len() {
            let run = siblings[at..].iter().take_while(|id| goes(id)).count();
            if run == 0 {
                kept = Some(siblings[at]);
                at += 1;
                continue;
            }
            let (head, tail) = (siblings[at], siblings[at + run - 1]);
            let cut = match (kept, siblings.get(at + run)) {
                (Some(before), _) => Span {
                    start: tree[before].span.end,
                    end: tree[tail].span.end,
                },
                (None, Some(&after)) => Span {
                    start: tree[head].span.start,
                    end: tree[after].span.start,
                },
                (None, None) => Span {
                    start: tree[head].span.start,
                    end: tree[tail].span.end,
                },
            };
            edits.push(Edit::new(cut, ""));
            at += run;
        }
        rest = others;
    }
}
