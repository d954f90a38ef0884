//! Changes inside brackets: all of JSON, and YAML's flow style.

use super::{ChangeError, NewValue, end_of, is_empty_node, parts};
use crate::{
    format::{
        EmitStyle, Format,
        edit::Edit,
        json::render::string_text,
        yaml::place::{line_end, line_start, next_line},
    },
    tree::{NodeId, NodeKind, Span, Tree},
};

/// Adds an entry or item behind the last one.
pub(super) fn add(
    text: &str,
    tree: &Tree,
    format: Format,
    container: NodeId,
    key: Option<&str>,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let layout = Layout::of(text, tree, format);
    let span = tree[container].span;
    let parts = parts(tree, container);
    let with_key = |value: String| match key {
        Some(key) => format!("{}: {value}", string_text(key)),
        None => value,
    };
    let Some(&(first, value)) = parts.last() else {
        let (start, end) = (span.start as usize + 1, span.end as usize - 1);
        if !text[start..end].trim().is_empty() {
            return Err(ChangeError::Unwritable);
        }
        let prefix = indentation(text, span.start as usize);
        let inner = match &layout.unit {
            Some(unit) => {
                let deeper = format!("{prefix}{unit}");
                let value = with_key(layout.write(new, Some(&deeper))?);
                let line_break = layout.line_break;
                format!("{line_break}{deeper}{value}{line_break}{prefix}")
            }
            None => with_key(layout.write(new, None)?),
        };
        return Ok(vec![Edit::new(Span::new(start, end), inner)]);
    };
    let start = tree[first].outer_start as usize;
    let before = &text[..start];
    let gap = &before[before.trim_end().len()..];
    let on_own_line = gap.contains(['\n', '\r']);
    let prefix = gap.rsplit(['\n', '\r']).next().filter(|_| on_own_line);
    let written = with_key(layout.write(new, prefix.filter(|_| layout.unit.is_some()))?);
    let gap = match gap {
        "" if parts.len() == 1 && layout.is_spaced(text) => " ",
        gap => gap,
    };
    let end = end_of(text, tree, first, value);
    // A comma directly behind a colon is part of a key to some readers.
    let blank = match text[..end].ends_with(':') {
        true => " ",
        false => "",
    };
    if is_pair(text, tree, container) {
        // With more than one entry it takes braces.
        let start = span.start as usize;
        return Ok(vec![
            Edit::new(Span::new(start, start), "{"),
            Edit::new(Span::new(end, end), format!("{blank}, {written}}}")),
        ]);
    }
    Ok(vec![Edit::new(
        Span::new(end, end),
        format!("{blank},{gap}{written}"),
    )])
}

/// Writes a value in the place of another.
pub(super) fn replace(
    text: &str,
    tree: &Tree,
    format: Format,
    node: NodeId,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let layout = Layout::of(text, tree, format);
    let start = tree[node].outer_start as usize;
    if is_empty_node(tree, node) {
        let key = NodeId(node.0.saturating_sub(1));
        let end = end_of(text, tree, key, node);
        let is_key = matches!(tree[key].kind, NodeKind::Key { .. });
        let colon = match is_key && !text[..end].ends_with(':') {
            // The name of an alias could end with a colon.
            true if tree[key].span.of(text).starts_with('*') => " :",
            true => ":",
            false => "",
        };
        let written = format!("{colon} {}", layout.write(new, None)?);
        return Ok(vec![Edit::new(Span::new(end, end), written)]);
    }
    let prefix = indentation(text, start);
    let written = layout.write(new, layout.unit.is_some().then_some(prefix))?;
    let span = Span::new(start, tree[node].span.end as usize);
    Ok(vec![Edit::new(span, written)])
}

/// Removes an entry or item, and a comma with it.
pub(super) fn remove(
    text: &str,
    tree: &Tree,
    container: NodeId,
    first: NodeId,
    value: NodeId,
) -> Vec<Edit> {
    let parts = parts(tree, container);
    let at = parts.iter().position(|part| part.0 == first).unwrap_or(0);
    let end = end_of(text, tree, first, value);
    if is_pair(text, tree, container) {
        let start = tree[container].span.start as usize;
        return vec![Edit::new(Span::new(start, end), "{}")];
    }
    let start = tree[first].outer_start as usize;
    let before = (at > 0).then(|| end_of(text, tree, parts[at - 1].0, parts[at - 1].1));
    let inner_end = tree[container].span.end as usize - 1;
    let after = parts
        .get(at + 1)
        .map_or(inner_end, |(next, _)| tree[*next].outer_start as usize);
    let gaps = [&text[before.unwrap_or(start)..start], &text[end..after]];
    if gaps.iter().any(|gap| gap.contains('#')) {
        return remove_between_comments(text, tree, container, before, Span::new(start, end));
    }
    let span = if let Some(before) = before {
        Span::new(before, end)
    } else if let Some((next, _)) = parts.get(1) {
        Span::new(start, tree[*next].outer_start as usize)
    } else {
        let inner = tree[container].span;
        let (inner_start, inner_end) = (inner.start as usize + 1, inner.end as usize - 1);
        let is_alone = text[inner_start..start].trim().is_empty()
            && text[end..inner_end]
                .trim_matches([' ', '\t', '\n', '\r', ','])
                .is_empty();
        match is_alone {
            true => Span::new(inner_start, inner_end),
            false => Span::new(start, end),
        }
    };
    vec![Edit::new(span, "")]
}

/// Removes an entry or item between comments: with its line, and the comment behind it, if it has a line of its own. The entry
/// before it ends at `before`.
fn remove_between_comments(
    text: &str,
    tree: &Tree,
    container: NodeId,
    before: Option<usize>,
    part: Span,
) -> Vec<Edit> {
    let comma = |from: usize| {
        let rest = text[from..].trim_start_matches([' ', '\t', '\n', '\r']);
        let at = text.len() - rest.len();
        rest.starts_with(',').then_some(at)
    };
    let part = part.range();
    let comma_behind = comma(part.end);
    let end = comma_behind.map_or(part.end, |comma| comma + 1);
    let line = line_start(text, part.start);
    let has_line = line > tree[container].span.start as usize
        && text[line..part.start].trim().is_empty()
        && !text[end..line_end(text, end)]
            .trim_start()
            .starts_with(|first| first != '#');
    let mut edits = Vec::new();
    if comma_behind.is_none()
        && let Some(comma) = before.and_then(comma)
    {
        edits.push(Edit::new(Span::new(comma, comma + 1), ""));
    }
    let cut = match has_line {
        true => Span::new(line, next_line(text, end)),
        false => Span::new(part.start, end),
    };
    edits.push(Edit::new(cut, ""));
    edits
}

/// Whether a container is a mapping without braces: the one pair that is an item of a list, as in `[key: value]`.
fn is_pair(text: &str, tree: &Tree, container: NodeId) -> bool {
    !tree[container].span.of(text).starts_with(['{', '['])
}

/// How containers are written in a text.
struct Layout {
    /// What a level is indented by; `None` if everything goes on one line.
    unit: Option<String>,
    line_break: &'static str,
}

impl Layout {
    fn of(text: &str, tree: &Tree, format: Format) -> Self {
        let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
        // In YAML, lines inside brackets are a matter of taste that is not guessed at.
        let unit = (format == Format::Json).then(|| unit(text, tree)).flatten();
        Self { unit, line_break }
    }

    /// Writes a value; over several lines, indented by `prefix`, if there is one.
    fn write(&self, new: &NewValue, prefix: Option<&str>) -> Result<String, ChangeError> {
        let blanks = self
            .unit
            .as_ref()
            .filter(|unit| !unit.contains('\t'))
            .map(String::len);
        let style = EmitStyle {
            indent: blanks,
            beside: &|_| true,
            from: Format::Json.engine(),
            one_line: true,
            keeps_floats: true,
        };
        let written = new
            .with_value(|source, tree, value| {
                Format::Json.engine().emit(source, tree, value, &style)
            })?
            .map_err(|_| ChangeError::Unwritable)?;
        // Line breaks inside texts are escaped, so that a line is a line.
        let lines = written.trim_end().lines();
        Ok(match prefix {
            Some(prefix) => lines
                .collect::<Vec<_>>()
                .join(&format!("{}{prefix}", self.line_break)),
            None => lines.fold(String::new(), |mut line, next| {
                if line.ends_with(',') {
                    line.push(' ');
                }
                line.push_str(next.trim_start());
                line
            }),
        })
    }

    /// Whether blanks follow commas.
    fn is_spaced(&self, text: &str) -> bool {
        text.contains(", ") || !text.contains(',')
    }
}

/// What the first entry of the document is indented by, if it stands on a line of its own.
fn unit(text: &str, tree: &Tree) -> Option<String> {
    let root = tree
        .documents()
        .next()
        .and_then(|document| tree.root(document))?;
    let NodeKind::Map { .. } = tree[root].kind else {
        return None;
    };
    let Some((key, _)) = tree.entries(root).next() else {
        return Some("\t".to_owned());
    };
    let start = tree[key].outer_start as usize;
    let line = text[..start].rfind(['\n', '\r'])? + 1;
    let unit = &text[line..start];
    unit.trim()
        .is_empty()
        .then(|| unit.to_owned())
        .filter(|unit| !unit.is_empty())
}

/// The blanks that the line of the byte at `offset` starts with.
fn indentation(text: &str, offset: usize) -> &str {
    let line = text[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let rest = &text[line..offset];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}
