//! Encrypted comments as list items, `- ENC[…,type:comment]`: so the reference writes the comments that stand in lists.

use super::place::LINE_BREAKS;
use crate::{
    format::{CommentItem, edit::Edit},
    tree::{NodeId, NodeKind, Span, Tree},
};

/// Writes each item as the comment it is, on the line of the item.
pub(crate) fn restored(source: &str, tree: &Tree, items: &[CommentItem], edits: &mut Vec<Edit>) {
    for (index, CommentItem { id, text }) in items.iter().enumerate() {
        let node = &tree[*id];
        let (start, end) = (node.outer_start as usize, node.span.end as usize);
        let before = source[..start].trim_end_matches([' ', '\t', '\r', '\n']);
        let edit = match before.strip_suffix('-') {
            // In block style the comment stands where the dash stood.
            Some(head) => {
                let mut comment = format!("#{}", text.expose());
                if ends_list_of_comments(tree, &items[..=index]) {
                    // A list without items would be a null.
                    let column = head.rsplit(LINE_BREAKS).next().map_or(0, str::len);
                    comment.push_str(&format!("\n{:column$}  []", ""));
                }
                Edit::new(Span::new(head.len(), end), comment)
            }
            // In flow style what follows needs a line of its own; a comma in front of nothing is allowed.
            None => {
                let after = &source[end..];
                let comma = after.trim_start_matches([' ', '\t', '\r', '\n']);
                let end = if comma.starts_with(',') {
                    source.len() - comma.len() + 1
                } else {
                    end
                };
                Edit::new(Span::new(start, end), format!("#{}\n", text.expose()))
            }
        };
        edits.push(edit);
    }
}

/// Whether the last of `items` ends a list that holds nothing but such items.
fn ends_list_of_comments(tree: &Tree, items: &[CommentItem]) -> bool {
    let Some(last) = items.last() else {
        return false;
    };
    let mut first = last.id;
    let mut earlier = items.iter().rev().map(|item| item.id).peekable();
    // Items are single nodes: those of one list stand side by side, with at most comments between them.
    while let Some(before) = first.0.checked_sub(1).map(NodeId) {
        match tree[before].kind {
            // An empty list in the item before is another one.
            NodeKind::Sequence if tree[before].end <= last.id.0 => return false,
            NodeKind::Sequence => {
                let rest = last.id.0 + 1..tree[before].end;
                let mut rest = rest.map(|id| &tree[NodeId(id)].kind);
                return rest.all(|kind| matches!(kind, NodeKind::Comment));
            }
            NodeKind::Comment => {}
            NodeKind::Scalar(_) => {
                while earlier.next_if(|id| *id > before).is_some() {}
                if earlier.peek() != Some(&before) {
                    return false;
                }
            }
            _ => return false,
        }
        first = before;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::{ParseOptions, edit::splice},
        secret::SecretText,
    };

    /// Restores all scalars that are called `ENC` as comments.
    fn restore(source: &str) -> String {
        let tree = crate::format::yaml::parse(source, ParseOptions::default()).expect("YAML");
        let items: Vec<CommentItem> = tree
            .nodes()
            .iter()
            .enumerate()
            .filter(|(_, node)| {
                matches!(node.kind, NodeKind::Scalar(_)) && node.span.of(source) == "ENC"
            })
            .map(|(index, _)| CommentItem {
                id: NodeId(u32::try_from(index).expect("few nodes")),
                text: SecretText::new(" text".to_owned()),
            })
            .collect();
        let mut edits = Vec::new();
        restored(source, &tree, &items, &mut edits);
        splice(source, &mut edits)
    }

    #[test]
    fn items_become_comments_where_they_stood() {
        assert_eq!(restore("a:\n  - ENC\n  - b\n"), "a:\n  # text\n  - b\n");
        assert_eq!(restore("a:\n- b\n- ENC\n"), "a:\n- b\n# text\n");
        assert_eq!(restore("a: [ENC, b]\n"), "a: [# text\n b]\n");
        assert_eq!(
            restore("a:\n  - b: []\n  - ENC\n  - c\n"),
            "a:\n  - b: []\n  # text\n  - c\n"
        );
    }

    #[test]
    fn a_list_of_nothing_but_comments_stays_a_list() {
        assert_eq!(
            restore("a:\n  - ENC\nb: c\n"),
            "a:\n  # text\n    []\nb: c\n"
        );
        assert_eq!(
            restore("a:\n  - ENC\n  - ENC\n"),
            "a:\n  # text\n  # text\n    []\n"
        );
        assert_eq!(
            restore(
                "- - ENC\n  - ENC\n"
                    .replace("- - ", "a:\n  - - ")
                    .replace("\n  - ENC\n", "\n    - ENC\n")
                    .as_str()
            ),
            "a:\n  - # text\n    # text\n      []\n"
        );
    }
}
