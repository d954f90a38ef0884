//! A tree of any format as dotenv lines, as the reference writes them.

use std::fmt::Write as _;

use super::escaped;
use crate::{
    format::{EmitError, Engine, Format, text_value},
    tree::{NodeId, NodeKind, Tree, ValueRef},
};

/// Returns the lines of a map, or the text of a single value.
pub(super) fn emit(
    source: &str,
    tree: &Tree,
    node: NodeId,
    from: &dyn Engine,
) -> Result<String, EmitError> {
    let node = tree.resolve(node);
    let is_nested = |id: NodeId| EmitError::Nested {
        path: tree.path_of(source, id).to_string(),
        format: Format::Dotenv,
    };
    match &tree[node].kind {
        NodeKind::Map { .. } => {}
        NodeKind::Scalar(scalar) => return Ok(value(scalar.value.view(source))),
        _ => return Err(is_nested(node)),
    }
    // Writing to a text does not fail.
    let mut out = String::new();
    let mut key = None;
    for child in tree.children(node) {
        match &tree[child].kind {
            NodeKind::Comment => {
                for line in from.comment_text(source, tree, child).split('\n') {
                    let _ = writeln!(out, "#{line}");
                }
            }
            NodeKind::Key { text, .. } => key = Some(text.bytes(source)),
            _ => {
                let NodeKind::Scalar(scalar) = &tree[tree.resolve(child)].kind else {
                    return Err(is_nested(child));
                };
                let key = String::from_utf8_lossy(key.take().unwrap_or_default());
                let value = value(scalar.value.view(source));
                let _ = writeln!(out, "{key}={value}");
            }
        }
    }
    Ok(out)
}

/// Returns a value as it stands behind the `=`.
pub(super) fn value(value: ValueRef<'_>) -> String {
    escaped(&text_value::text(value))
}
