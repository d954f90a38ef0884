//! Encrypted comments as list items, `- ENC[…,type:comment]`: so the reference writes the comments that stand in lists.

use crate::{
    format::{CommentItem, edit::Edit},
    tree::{Span, Tree},
};

/// Writes each item as the comment it is, on the line of the item.
pub(crate) fn restored(source: &str, tree: &Tree, items: &[CommentItem], edits: &mut Vec<Edit>) {
    for CommentItem { id, text } in items {
        let node = &tree[*id];
        let (start, end) = (node.outer_start as usize, node.span.end as usize);
        let before = source[..start].trim_end_matches([' ', '\t', '\r', '\n']);
        let edit = match before.strip_suffix('-') {
            // In block style the comment stands where the dash stood.
            Some(head) => Edit::new(Span::new(head.len(), end), format!("#{}", text.expose())),
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
