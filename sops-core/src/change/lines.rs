//! Changes in dotenv and INI, where each value has a line of its own.

use zeroize::Zeroizing;

use super::{ChangeError, NewValue};
use crate::{
    format::{
        Format, dotenv, edit::Edit, ini, json::render::string_text, text_value,
        yaml::place::line_break_of,
    },
    secret::SecretText,
    tree::{NodeId, NodeKind, Span, Step, Tree, TreePath, ValueRef},
};

/// Returns a value as the formats hold it: a text, or a section of texts, in the section that the rest of a path asks for.
pub(super) fn texts_of(
    json: &SecretText,
    format: Format,
    path: &TreePath,
    rest: &[Step],
) -> Result<NewValue, ChangeError> {
    let is_section = format == Format::Ini && path.steps().len() == 1;
    let depth = match format {
        Format::Ini => 2,
        _ => 1,
    };
    let new = NewValue::read(json, &[])?;
    let texts = new.with_value(|source, tree, value| {
        if path.steps().len() > depth {
            return Err(ChangeError::Nested(format));
        }
        if !is_section {
            return text_of(source, tree, value, format);
        }
        if !matches!(tree[value].kind, NodeKind::Map { .. }) {
            return Err(ChangeError::Nested(format));
        }
        let mut section = Zeroizing::new(String::from("{"));
        for (index, (key, value)) in tree.entries(value).enumerate() {
            let text = text_of(source, tree, value, format)?;
            let comma = if index > 0 { "," } else { "" };
            let key = string_text(&key_text(source, tree, key));
            // Made in its size at once: what growing leaves behind would not be wiped.
            section = Zeroizing::new([section.as_str(), comma, &key, ":", text.expose()].concat());
        }
        Ok(SecretText::new([section.as_str(), "}"].concat()))
    })??;
    NewValue::read(&texts, rest)
}

/// Returns the JSON text for a scalar.
fn text_of(
    source: &str,
    tree: &Tree,
    value: NodeId,
    format: Format,
) -> Result<SecretText, ChangeError> {
    let NodeKind::Scalar(scalar) = &tree[value].kind else {
        return Err(ChangeError::Nested(format));
    };
    let value = scalar.value.view(source);
    match value {
        ValueRef::Null => Err(ChangeError::Null(format)),
        value => {
            let text = text_value::text(value);
            Ok(SecretText::new(string_text(&text)))
        }
    }
}

/// Adds a line, or a section with its lines, behind what is there.
pub(super) fn add(
    text: &str,
    tree: &Tree,
    format: Format,
    container: NodeId,
    key: &str,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let is_key = match format {
        Format::Dotenv => {
            !key.contains(['=', '\n'])
                && !key.starts_with('#')
                && !key.starts_with(dotenv::METADATA_PREFIX)
        }
        _ => is_ini_key(key),
    };
    if !is_key {
        return Err(ChangeError::Key(format));
    }
    new.with_value(|source, new_tree, value| {
        let line_break = line_break_of(text);
        if let NodeKind::Map { .. } = new_tree[value].kind {
            let lines = section_lines(source, new_tree, value, line_break)?;
            let gap = match text.trim_start_matches('\u{feff}') {
                "" => "",
                text if text.ends_with('\n') => line_break,
                _ => &[line_break, line_break].concat(),
            };
            let section = [gap, "[", key, "]", line_break, &lines].concat();
            return Ok(vec![insertion(text.len(), section)]);
        }
        let text_value = scalar_text(source, new_tree, value);
        if format == Format::Dotenv {
            let before = match text.is_empty() || text.ends_with('\n') {
                true => "",
                false => "\n",
            };
            let line = [before, key, "=", &dotenv::escaped(&text_value), "\n"].concat();
            return Ok(vec![insertion(text.len(), line)]);
        }
        add_to_section(text, tree, container, key, &text_value)
    })?
}

/// Returns the edits that give a value another text. In INI, blanks keep it apart from the delimiter, and from a comment
/// behind it, where there was nothing.
pub(super) fn set_apart(
    text: &str,
    tree: &Tree,
    format: Format,
    value: NodeId,
    edits: Vec<Edit>,
) -> Vec<Edit> {
    let span = tree[value].span;
    if format == Format::Dotenv || !span.is_empty() {
        return edits;
    }
    let at = span.start as usize;
    let name = text[..at].strip_suffix(ini::DELIMITERS);
    let is_spaced = name.is_some_and(|name| name.ends_with([' ', '\t']));
    let is_commented = text[at..].starts_with(ini::COMMENT_MARKS);
    let blank = |is_there: bool| is_there.then(|| insertion(at, " ".to_owned()));
    blank(is_spaced)
        .into_iter()
        .chain(edits)
        .chain(blank(is_commented))
        .collect()
}

/// Adds a line behind the last one of the section that does not take in the line behind it.
fn add_to_section(
    text: &str,
    tree: &Tree,
    section: NodeId,
    key: &str,
    value: &str,
) -> Result<Vec<Edit>, ChangeError> {
    let line_break = line_break_of(text);
    let written = value_text(value)?;
    let key = ini::written_key(key);
    let next = next_key(text, tree, section);
    let entries = tree.entries(section);
    let before = match next {
        Some(next) => entries.take_while(|&(key, _)| key != next).last(),
        None => entries.last(),
    };
    let last = tree.entries(section).last();
    let line = match before.or(last) {
        Some(like) => line_like(text, tree, like, &key, &written),
        None => [&key, " = ", &written].concat(),
    };
    let header = tree.nodes()[section.index() - 1].span;
    if before.is_none() && header.is_empty() {
        // The keys without a section come first.
        let at = header.start as usize;
        let gap = match last.is_some() || text[at..].is_empty() {
            true => "",
            false => line_break,
        };
        return Ok(vec![insertion(at, [&line, line_break, gap].concat())]);
    }
    let end = before.map_or(header.end, |(_, value)| tree[value].span.end);
    let at = line_end(text, end as usize);
    let line = [line_break_before(text, at), &line].concat();
    Ok(vec![insertion(at, line)])
}

/// Returns the key that a new line of a section has to stand before: a line behind a value that ends with `\` would be
/// part of it. `None` if it can stand behind all of them.
pub(super) fn next_key(text: &str, tree: &Tree, section: NodeId) -> Option<NodeId> {
    let takes_lines_in = |value: NodeId| tree[value].span.of(text).ends_with('\\');
    let mut next = None;
    for (key, value) in tree.entries(section) {
        next = match takes_lines_in(value) {
            true => next.or(Some(key)),
            false => None,
        };
    }
    next
}

/// Writes a line in the style of another, with the delimiter below the one there.
fn line_like(
    text: &str,
    tree: &Tree,
    (like_key, like_value): (NodeId, NodeId),
    key: &str,
    written: &str,
) -> String {
    let key_span = tree[like_key].span;
    let start = line_start(text, key_span.start as usize);
    let line = &text[start..tree[like_value].span.start as usize];
    let indentation = &line[..line.len() - line.trim_start().len()];
    let name_end = key_span.end as usize - start;
    let delimiter = line[name_end..].find(ini::DELIMITERS).unwrap_or_default() + name_end;
    let before = line[..delimiter].trim_end().len();
    let blanks = match delimiter - before {
        0 => 0,
        _ => delimiter
            .saturating_sub(indentation.len() + key.len())
            .max(1),
    };
    let delimiter = match line[delimiter..].trim_end() {
        "" => "=",
        _ => line[delimiter..].trim_end_matches(['\r', '\n']),
    };
    [indentation, key, &" ".repeat(blanks), delimiter, written].concat()
}

/// Writes the lines of a section anew.
pub(super) fn replace_section(
    text: &str,
    tree: &Tree,
    section: NodeId,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    new.with_value(|source, new_tree, value| {
        let line_break = line_break_of(text);
        let lines = section_lines(source, new_tree, value, line_break)?;
        let header = tree.nodes()[section.index() - 1].span;
        let last = tree.entries(section).last();
        let end = last.map_or(header.end, |(_, value)| tree[value].span.end);
        let (start, end) = match header.is_empty() {
            true => (header.start as usize, next_line(text, end as usize)),
            false => (
                next_line(text, header.end as usize),
                next_line(text, end as usize),
            ),
        };
        let gap = match text[..start].ends_with('\n') || start == 0 {
            true => "",
            false => line_break,
        };
        let span = Span::new(start, end);
        Ok(vec![Edit::new(span, [gap, &lines].concat())])
    })?
}

/// Whether a node is the section of an INI file that holds what stands before all headers.
pub(super) fn is_without_header(tree: &Tree, format: Format, node: NodeId) -> bool {
    format == Format::Ini
        && matches!(tree[node].kind, NodeKind::Map { .. })
        && tree.nodes()[node.index() - 1].span.is_empty()
}

/// Removes the line of a value; or a section, with the comments above it and all its lines.
pub(super) fn remove(text: &str, tree: &Tree, format: Format, value: NodeId) -> Vec<Edit> {
    let key = &tree.nodes()[value.index() - 1];
    let is_section = matches!(tree[value].kind, NodeKind::Map { .. });
    let (start, end) = match is_section && format == Format::Ini {
        true => {
            let next = tree.nodes()[tree[value].end as usize..]
                .iter()
                .find(|node| matches!(node.kind, NodeKind::Key { .. }));
            let last = tree.entries(value).last();
            let last = last.map_or(key.span.end, |(_, value)| tree[value].span.end);
            let end = match next {
                Some(next) => line_start(text, next.outer_start as usize),
                None => next_line(text, last as usize),
            };
            (line_start(text, key.outer_start as usize), end)
        }
        false => (
            line_start(text, key.span.start as usize),
            next_line(text, tree[value].span.end as usize),
        ),
    };
    let mut start = start;
    if end == text.len() && start < end {
        let before = &text[..start];
        if is_section {
            // The blank lines before the last section separate it from nothing now.
            let kept = before.trim_end_matches(['\n', '\r']);
            start = next_line(text, kept.len()).min(start);
        }
        if !text.ends_with('\n') {
            // The line before is the last one now, and has no line break either.
            let before = &text[..start];
            let before = before.strip_suffix('\n').unwrap_or(before);
            start = before.strip_suffix('\r').unwrap_or(before).len();
        }
    }
    vec![Edit::new(Span::new(start, end), "")]
}

fn section_lines(
    source: &str,
    tree: &Tree,
    section: NodeId,
    line_break: &str,
) -> Result<Zeroizing<String>, ChangeError> {
    let mut lines = Zeroizing::new(String::new());
    for (key, value) in tree.entries(section) {
        let key = key_text(source, tree, key);
        if !is_ini_key(&key) {
            return Err(ChangeError::Key(Format::Ini));
        }
        let value = value_text(&scalar_text(source, tree, value))?;
        let key = ini::written_key(&key);
        let pieces = [lines.as_str(), &key, " = ", &value, line_break];
        lines = Zeroizing::new(pieces.concat());
    }
    Ok(lines)
}

/// Whether a key, or the name of a section, stands on one line and reads as itself.
fn is_ini_key(key: &str) -> bool {
    !key.is_empty()
        && key.trim() == key
        && key != "-"
        && !key.contains(['\n', '\r'])
        && !key.starts_with([';', '#', '['])
}

fn value_text(value: &str) -> Result<Zeroizing<String>, ChangeError> {
    ini::written_value(value, "")
        .map(Zeroizing::new)
        .ok_or(ChangeError::Unwritable)
}

fn scalar_text(source: &str, tree: &Tree, value: NodeId) -> Zeroizing<String> {
    match &tree[value].kind {
        NodeKind::Scalar(scalar) => text_value::text(scalar.value.view(source)),
        _ => Zeroizing::default(),
    }
}

fn key_text(source: &str, tree: &Tree, key: NodeId) -> String {
    match &tree[key].kind {
        NodeKind::Key { text, .. } => String::from_utf8_lossy(text.bytes(source)).into_owned(),
        _ => String::new(),
    }
}

fn insertion(at: usize, text: String) -> Edit {
    Edit::new(Span::new(at, at), text)
}

/// Returns the line break that a line needs before it that is added at the end of another.
fn line_break_before(text: &str, at: usize) -> &str {
    match text[..at].ends_with('\n') {
        true => "",
        false => line_break_of(text),
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
    match text[start..at].starts_with('\u{feff}') {
        true => start + '\u{feff}'.len_utf8(),
        false => start,
    }
}

/// Returns where a line ends, before its line break.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length);
    at + text[at..end].trim_end_matches('\r').len()
}

/// Returns where the next line starts.
fn next_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length + 1)
}
