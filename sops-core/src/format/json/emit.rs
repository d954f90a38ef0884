//! A subtree as JSON in the style of the reference, for output that has no source text of its own.

use super::render;
use crate::{
    format::{EmitError, EmitStyle},
    tree::{NodeId, NodeKind, Tree, ValueRef, traverse::Event},
};

/// Returns the text of a subtree, indented by one tab a level, or by the blanks of the style, with a line break at its end.
/// Comments are dropped. Escapes and numbers are as Go's encoder writes them.
pub(crate) fn emit(
    source: &str,
    tree: &Tree,
    id: NodeId,
    style: &EmitStyle<'_>,
) -> Result<String, EmitError> {
    let unit = style
        .indent
        .map_or_else(|| "\t".to_owned(), |width| " ".repeat(width));
    let mut out = String::new();
    let mut problem = None;
    // For each open container: its closing bracket, whether it holds something already.
    let mut open: Vec<(char, bool)> = Vec::new();
    let mut after_key = false;
    let is_small = tree.traverse(id, |event| {
        let starts_item = matches!(event, Event::Start { .. } | Event::Leaf(_) | Event::Key(_));
        let depth = open.len();
        if starts_item
            && !after_key
            && let Some((_, has_item)) = open.last_mut()
        {
            out.push_str(if *has_item { ",\n" } else { "\n" });
            *has_item = true;
            out.push_str(&unit.repeat(depth));
        }
        match event {
            Event::Start { id, .. } => {
                after_key = false;
                let is_map = matches!(tree[id].kind, NodeKind::Map { .. });
                out.push(if is_map { '{' } else { '[' });
                open.push((if is_map { '}' } else { ']' }, false));
            }
            Event::End { .. } => {
                let Some((bracket, has_item)) = open.pop() else {
                    return;
                };
                if has_item {
                    out.push('\n');
                    out.push_str(&unit.repeat(open.len()));
                }
                out.push(bracket);
            }
            Event::Key(id) => {
                if let NodeKind::Key { text, .. } = &tree[id].kind {
                    push_escaped(&mut out, &String::from_utf8_lossy(text.bytes(source)));
                    out.push_str(": ");
                    after_key = true;
                }
            }
            Event::Leaf(id) => {
                after_key = false;
                if let NodeKind::Scalar(scalar) = &tree[id].kind {
                    match scalar.value.view(source) {
                        ValueRef::Str(bytes) => push_bytes(&mut out, bytes),
                        ValueRef::Float(value) if !value.is_finite() => problem = Some(id),
                        ValueRef::Float(value) if !style.keeps_floats => {
                            let text = render::float_text(value);
                            out.push_str(text.strip_suffix(".0").unwrap_or(&text));
                        }
                        value => out.push_str(&render::value_text(value)),
                    }
                }
            }
            Event::Comment(_) => {}
        }
    });
    if let Some(id) = problem {
        return Err(EmitError::NotFinite {
            path: tree.path_of(source, id).to_string(),
        });
    }
    if !is_small {
        return Err(EmitError::TooManyNodes);
    }
    out.push('\n');
    Ok(out)
}

/// Appends a string; a byte that is no UTF-8 becomes the escape of U+FFFD, as in Go.
fn push_bytes(out: &mut String, bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        return push_escaped(out, text);
    }
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        let mut quoted = zeroize::Zeroizing::new(String::new());
        push_escaped(&mut quoted, chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        out.push_str(&"\\ufffd".repeat(chunk.invalid().len()));
    }
    out.push('"');
}

/// Appends a string with the escapes of Go's encoder, which keeps HTML safe.
fn push_escaped(out: &mut String, text: &str) {
    let start = out.len();
    render::push_string(out, text);
    if out[start..].contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let safe = out[start..]
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
        out.truncate(start);
        out.push_str(&safe);
    }
}
