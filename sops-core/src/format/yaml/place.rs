//! Lines, columns and indentations of a YAML text.

use crate::tree::{Node, NodeId, NodeKind, Tree};

/// The indentation step when a text shows none: that of the reference.
const DEFAULT_STEP: usize = 4;

/// The characters that break lines for the reference: those of YAML 1.1.
pub(super) const LINE_BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// Returns where the line of the byte at `offset` starts.
pub(crate) fn line_start(source: &str, offset: usize) -> usize {
    let before = source[..offset].rsplit(LINE_BREAKS).next();
    let start = offset - before.map_or(0, str::len);
    // The byte order mark takes no column.
    match source[start..offset].strip_prefix('\u{FEFF}') {
        Some(rest) => offset - rest.len(),
        None => start,
    }
}

/// Returns where the line of the byte at `offset` ends, before its line break.
pub(crate) fn line_end(source: &str, offset: usize) -> usize {
    source[offset..]
        .find(LINE_BREAKS)
        .map_or(source.len(), |length| offset + length)
}

/// Returns the line break at `offset`; empty if there is none.
pub(crate) fn line_break_at(source: &str, offset: usize) -> &str {
    let rest = &source[offset..];
    let length = match rest.strip_prefix("\r\n") {
        Some(behind) => rest.len() - behind.len(),
        None => rest.len() - rest.strip_prefix(LINE_BREAKS).unwrap_or(rest).len(),
    };
    &rest[..length]
}

/// Returns where the line behind that of `offset` starts, or the end of the text.
pub(crate) fn next_line(source: &str, offset: usize) -> usize {
    let end = line_end(source, offset);
    end + line_break_at(source, end).len()
}

/// Returns the line break that the text uses: its first that is one for every reader.
pub(crate) fn line_break_of(source: &str) -> &str {
    let first = source.find(['\n', '\r']).unwrap_or(source.len());
    match line_break_at(source, first) {
        "" => "\n",
        line_break => line_break,
    }
}

/// Returns the column of the byte at `offset`, counted from 0. In block context only blanks and indicators precede a
/// node on its line, so that bytes are columns.
pub(crate) fn column(source: &str, offset: usize) -> usize {
    offset - line_start(source, offset)
}

/// Returns the indentation of the block collection that the value `id` stands in: that which an indentation indicator
/// counts from.
pub(crate) fn parent_indentation(source: &str, tree: &Tree, id: NodeId) -> usize {
    let start = tree[id].outer_start as usize;
    let key = id.index().checked_sub(1).map(|key| &tree.nodes()[key]);
    match key {
        Some(key) if matches!(key.kind, NodeKind::Key { .. }) => mapping_column(source, key, start),
        _ => dash_column(source, start),
    }
}

/// The column of a key; that of the `:` where it starts a line, since the key stands behind a `?` then.
fn mapping_column(source: &str, key: &Node, value_start: usize) -> usize {
    let between = &source[key.span.end as usize..value_start];
    match between.rsplit_once(LINE_BREAKS) {
        Some((before, line)) => {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            // The `:` may stand on an earlier line than the value.
            if line[blanks..].starts_with(':') {
                return blanks;
            }
            let lines = before.split(LINE_BREAKS).skip(1);
            let colon = lines
                .map(|line| (line, line.trim_start_matches(' ')))
                .find(|(_, content)| content.starts_with(':'));
            colon.map_or_else(
                || column(source, key.outer_start as usize),
                |(line, content)| line.len() - content.len(),
            )
        }
        None => column(source, key.outer_start as usize),
    }
}

/// The column of the `-` that the value at `start` belongs to; it may stand on an earlier line.
fn dash_column(source: &str, start: usize) -> usize {
    let mut end = start;
    loop {
        let line = line_start(source, end);
        let mut dash = None;
        for (column, byte) in source[line..end].bytes().enumerate() {
            match byte {
                b'-' => dash = Some(column),
                b' ' | b'\t' | b'?' | b':' => {}
                _ => break,
            }
        }
        match (dash, source[..line].strip_suffix(LINE_BREAKS)) {
            (Some(column), _) => return column,
            (None, Some(before)) => end = before.len(),
            (None, None) => return 0,
        }
    }
}

/// Returns how far a mapping is indented from the key it belongs to, as the first of the text shows.
///
/// Looks at no more than `limit` nodes, from the start and from the end.
pub(crate) fn indentation_step(source: &str, tree: &Tree, limit: usize) -> usize {
    let nodes = tree.nodes();
    let step_into = |collection: &Node, key: &Node| {
        let inner = column(source, collection.span.start as usize);
        let outer = column(source, key.outer_start as usize);
        inner
            .checked_sub(outer)
            .filter(|step| (1..=9).contains(step))
    };
    let into_map = |pair: &[Node]| match pair {
        [key, map]
            if matches!(key.kind, NodeKind::Key { .. })
                && matches!(map.kind, NodeKind::Map { flow: false }) =>
        {
            step_into(map, key)
        }
        _ => None,
    };
    // A list whose dashes stand under the key says nothing, and neither does one in brackets.
    let into_list = |pair: &[Node]| match pair {
        [key, list]
            if matches!(key.kind, NodeKind::Key { .. })
                && matches!(list.kind, NodeKind::Sequence)
                && source[list.span.start as usize..].starts_with('-') =>
        {
            step_into(list, key)
        }
        _ => None,
    };
    let pairs = || nodes.windows(2);
    (pairs().take(limit).find_map(into_map))
        .or_else(|| pairs().rev().take(limit).find_map(into_map))
        .or_else(|| pairs().take(limit).find_map(into_list))
        .or_else(|| pairs().rev().take(limit).find_map(into_list))
        .unwrap_or(DEFAULT_STEP)
}
