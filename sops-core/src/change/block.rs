//! Changes in YAML's block style, where indentation tells what belongs together.

use super::{ChangeError, NewValue, end_of, is_empty_node, parts};
use crate::{
    format::{
        EmitStyle, Format,
        edit::Edit,
        yaml::place::{
            indentation_step, line_break_of, line_end, line_start, next_line, parent_indentation,
        },
    },
    tree::{NodeId, NodeKind, Span, Style, Tree, ValueRef},
};

/// Adds an entry or item behind the last one.
pub(super) fn add(
    text: &str,
    tree: &Tree,
    container: NodeId,
    key: Option<&str>,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let parts = parts(tree, container);
    let &(first, value) = parts.last().ok_or(ChangeError::Unwritable)?;
    let indentation = parent_indentation(text, tree, value);
    let one_line = new.one_line;
    let written = match key {
        Some(key) => new.with_entry(key, |source, new, id| {
            emit(text, tree, source, new, id, one_line)
        }),
        None => new.with_item(|source, new, id| emit(text, tree, source, new, id, one_line)),
    }??;
    let line_break = line_break_of(text);
    let mut lines = String::from(line_break);
    lines += &indented(&written, indentation, line_break, true);
    let end = line_end(text, end_of(text, tree, first, value));
    let mut edits = Vec::new();
    // What ends the text without a line break gets one now, and must not take it for its own.
    if let Some((last, _)) = tree.numbered().next_back() {
        Format::Yaml.engine().kept(text, tree, last, &mut edits);
    }
    edits.push(Edit::new(Span::new(end, end), lines));
    Ok(edits)
}

/// Writes a value in the place of another.
pub(super) fn replace(
    text: &str,
    tree: &Tree,
    node: NodeId,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let key = node.index().checked_sub(1).map(|key| &tree.nodes()[key]);
    let key = key.filter(|key| matches!(key.kind, NodeKind::Key { .. }));
    let one_line = new.one_line;
    let (start, end, written) = match key {
        Some(key) => {
            let key_end = key.span.end as usize;
            let behind = text[key_end..].trim_start_matches([' ', '\t']);
            let behind = behind.strip_prefix(':').ok_or(ChangeError::Unwritable)?;
            let start = text.len() - behind.len();
            let written = new.with_entry("k", |source, new, id| {
                emit(text, tree, source, new, id, one_line)
            })??;
            (start, start, written)
        }
        None => {
            let before = text[..tree[node].outer_start as usize].trim_end();
            if !before.ends_with('-') {
                return Err(ChangeError::Unwritable);
            }
            let written =
                new.with_item(|source, new, id| emit(text, tree, source, new, id, one_line))??;
            (before.len(), before.len(), written)
        }
    };
    let end = match is_empty_node(tree, node) {
        true => end,
        false if is_empty_block(text, tree, node) => {
            let header = tree[node].span.start as usize + 1;
            let behind = text[header..].trim_start_matches(|next: char| INDICATORS.contains(next));
            text.len() - behind.len()
        }
        false => tree[node].span.end as usize,
    };
    // What was written stands behind its own key or dash.
    let written = written
        .strip_prefix(if key.is_some() { "k:" } else { "-" })
        .ok_or(ChangeError::Unwritable)?;
    let line_break = line_break_of(text);
    let indentation = parent_indentation(text, tree, node);
    let mut written = indented(written, indentation, line_break, false);

    // A comment beside the old value, or between the key and the old block, stays on the line of the key.
    let first_line = &text[start..line_end(text, start).max(start)];
    let behind = &text[end..line_end(text, end)];
    let mut edits = Vec::new();
    let comment = if is_comment(first_line) {
        first_line
    } else if is_comment(behind) && written.contains('\n') {
        edits.push(Edit::new(Span::new(end, end + behind.len()), ""));
        behind
    } else {
        ""
    };
    let at = written.find(['\r', '\n']).unwrap_or(written.len());
    if !comment.is_empty() && (!is_empty_node(tree, node) || written.contains('\n')) {
        written.insert_str(at, comment);
        if end == start {
            edits.push(Edit::new(Span::new(end, end + comment.len()), ""));
        }
    }
    edits.push(Edit::new(Span::new(start, end), written));
    Ok(merged(edits))
}

/// What may stand behind the `|` or `>` of a block scalar.
const INDICATORS: &str = "+-123456789";

/// Whether a node is a block scalar without any line.
pub(super) fn is_empty_block(text: &str, tree: &Tree, node: NodeId) -> bool {
    match &tree[node].kind {
        NodeKind::Scalar(scalar) => {
            matches!(scalar.style, Style::Literal | Style::Folded)
                && matches!(scalar.value.view(text), ValueRef::Str(b""))
        }
        _ => false,
    }
}

/// Removes an entry or item that is not the only one, with the comment on its last line.
pub(super) fn remove(
    text: &str,
    tree: &Tree,
    container: NodeId,
    first: NodeId,
    value: NodeId,
) -> Result<Vec<Edit>, ChangeError> {
    let is_list = matches!(tree[container].kind, NodeKind::Sequence);
    let start_of = |first: NodeId| {
        let start = tree[first].outer_start as usize;
        match is_list {
            false => start,
            true => text[..start].trim_end().len().saturating_sub(1),
        }
    };
    let start = start_of(first);
    let end = end_of(text, tree, first, value);
    let line = line_start(text, start);
    if text[line..start].bytes().all(|byte| byte == b' ') {
        let mut from = line;
        let to = next_line(text, end);
        if to == text.len() && !text.ends_with(['\n', '\r']) && line > 0 {
            // The file ends without a line break, and still does.
            from = text[..line].trim_end_matches(['\n', '\r']).len();
        }
        return Ok(vec![Edit::new(Span::new(from, to), "")]);
    }
    // Behind a dash or a marker: the next one moves up.
    let mut parts = parts(tree, container)
        .into_iter()
        .skip_while(|(known, _)| *known != first);
    let next = start_of(parts.nth(1).ok_or(ChangeError::Unwritable)?.0);
    // With the comments above it.
    let rest = line_end(text, end).min(next);
    let to = text[rest..next].find('#').map_or(next, |at| rest + at);
    Ok(vec![Edit::new(Span::new(start, to), "")])
}

/// Writes the first entry of a document that is `{}`, alone on its line. `None` if it is not.
pub(super) fn first_of_root(
    text: &str,
    tree: &Tree,
    root: NodeId,
    key: &str,
    new: &NewValue,
) -> Result<Option<Vec<Edit>>, ChangeError> {
    let node = &tree[root];
    let start = node.outer_start as usize;
    let is_alone =
        line_start(text, start) == start && text[start..line_end(text, start)].trim_end() == "{}";
    if !is_alone {
        return Ok(None);
    }
    let written = new.with_entry(key, |source, new_tree, id| {
        emit(text, tree, source, new_tree, id, new.one_line)
    })??;
    let written = indented(&written, 0, line_break_of(text), true);
    Ok(Some(vec![Edit::new(node.span, written)]))
}

/// Removes the only entry of a document.
pub(super) fn empty_root(text: &str, tree: &Tree, first: NodeId, value: NodeId) -> Vec<Edit> {
    let start = tree[first].outer_start as usize;
    let end = end_of(text, tree, first, value);
    vec![Edit::new(Span::new(start, end), "{}")]
}

fn is_comment(behind: &str) -> bool {
    behind.starts_with([' ', '\t']) && behind.trim_start().starts_with('#')
}

/// Writes in the style of the reference, with the indentation of the text.
fn emit(
    text: &str,
    tree: &Tree,
    source: &str,
    new: &Tree,
    node: NodeId,
    one_line: bool,
) -> Result<String, ChangeError> {
    let style = EmitStyle {
        indent: Some(indentation_step(text, tree, usize::MAX)),
        beside: &|_| true,
        from: Format::Json.engine(),
        one_line,
        keeps_floats: true,
    };
    Format::Yaml
        .engine()
        .emit(source, new, node, &style)
        .map_err(|_| ChangeError::Unwritable)
}

/// Indents lines, the first one only if asked for, and takes the last line break away.
fn indented(text: &str, indentation: usize, line_break: &str, with_first: bool) -> String {
    // A block scalar that keeps its line breaks ends with one that counts.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut indented = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            indented += line_break;
        }
        if !line.is_empty() && (at > 0 || with_first) {
            indented.extend(std::iter::repeat_n(' ', indentation));
        }
        indented += line;
    }
    indented
}

/// One edit of those that touch each other.
fn merged(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut merged: Vec<Edit> = Vec::new();
    for edit in edits {
        match merged.last_mut() {
            Some(last) if last.span.end == edit.span.start => {
                last.text = [&*last.text, &edit.text].concat().into();
                last.span.end = edit.span.end;
            }
            _ => merged.push(edit),
        }
    }
    merged
}
