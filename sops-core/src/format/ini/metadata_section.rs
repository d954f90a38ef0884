//! The metadata: a section `[sops]`, the last of the file.

use super::emit::entries;
use crate::{
    format::edit::Edit,
    metadata::{Raw, flat},
    tree::{NodeId, NodeKind, Span, Tree, ValueRef},
};

const HEADER: &str = "[sops]";

/// How a line break stands in a value, and how versions 3.13.0 and 3.13.1 of the reference wrote it.
const LINE_BREAKS: [&str; 2] = ["\\\\n", "\\n"];

/// Returns the edit that adds the section at the end, behind a blank line.
///
/// A text whose last line is not ended leaves the last line of the section not ended: that tells it apart when the
/// section is removed.
pub(super) fn insert(source: &str, metadata: &Raw) -> Vec<Edit> {
    let line_break = line_break(source);
    let mut text = String::new();
    let is_ended = source.is_empty() || source.ends_with('\n');
    if !is_ended {
        text.push_str(line_break);
    }
    if !source.is_empty() {
        text.push_str(line_break);
    }
    text.push_str(&section(metadata, line_break));
    if is_ended {
        text.push_str(line_break);
    }
    vec![Edit::new(Span::new(source.len(), source.len()), text)]
}

/// Returns the edits that put another section in the place of the one that is there.
pub(super) fn replace(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let text = section(metadata, line_break(source));
    let place = places(source, tree);
    place
        .into_iter()
        .map(|place| Edit::new(place, text.clone()))
        .collect()
}

/// Returns the edits that cut the section out, with the blank line before it.
pub(super) fn remove(source: &str, tree: &Tree) -> Vec<Edit> {
    let cut = |place: Span| {
        let (mut start, mut end) = (place.start as usize, place.end as usize);
        let rest = &source[end..];
        let line_end = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        let is_ended = rest[line_end..].starts_with('\n');
        if is_ended {
            end += line_end + 1;
        }
        // The blank line, and the end of a last line that had none, which is of the same kind.
        let before = &source[..start];
        let blank = ["\r\n", "\n"].into_iter().find_map(|line_break| {
            let rest = before.strip_suffix(line_break)?;
            (rest.is_empty() || rest.ends_with('\n')).then_some((line_break, rest.len()))
        });
        if let Some((line_break, at)) = blank {
            start = at;
            let is_unended = !is_ended && end == source.len();
            if is_unended && let Some(rest) = source[..start].strip_suffix(line_break) {
                start = rest.len();
            }
        }
        Edit::new(Span::new(start, end), "")
    };
    places(source, tree).into_iter().map(cut).collect()
}

/// Reads the metadata from their section.
pub(super) fn read(source: &str, tree: &Tree, section: NodeId) -> Raw {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs: Vec<(String, String)> = tree
        .entries(section)
        .filter_map(|(key, value)| {
            let NodeKind::Key { text: key, .. } = &tree[key].kind else {
                return None;
            };
            let NodeKind::Scalar(scalar) = &tree[value].kind else {
                return None;
            };
            let ValueRef::Str(value) = scalar.value.view(source) else {
                return None;
            };
            let mut value = text(value);
            for line_break in LINE_BREAKS {
                value = value.replace(line_break, "\n");
            }
            Some((text(key.bytes(source)), value))
        })
        .collect();
    flat::unflatten(pairs)
}

/// The header with the keys below it.
fn places(source: &str, tree: &Tree) -> Vec<Span> {
    tree.documents()
        .filter_map(|document| tree.metadata_entry(source, document))
        .map(|(key, section)| {
            let header = tree[key].span;
            Span {
                start: header.start,
                end: header.end.max(tree[section].span.end),
            }
        })
        .collect()
}

fn section(metadata: &Raw, line_break: &str) -> String {
    let flat = flat::flatten(metadata);
    let pairs: Vec<_> = flat
        .into_iter()
        .map(|(key, value)| (key, value.replace('\n', LINE_BREAKS[1]).into()))
        .collect();
    let mut text = HEADER.to_owned();
    for line in entries(&pairs) {
        text.push_str(line_break);
        text.push_str(&line);
    }
    text
}

/// Returns how the lines of a text end.
pub(super) fn line_break(source: &str) -> &'static str {
    match source.find('\n') {
        Some(at) if source[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}
