//! The `sops` block of a YAML document.
//!
//! Where a document ends is told by its text, not by spans: a line that starts with `---` or `...` ends it wherever it
//! stands.

use super::{
    metadata_text::{flow, push_block},
    place::{
        LINE_BREAKS, column, indentation_step, line_break_at, line_break_of, line_end, line_start,
        next_line,
    },
};
use crate::{
    format::edit::Edit,
    metadata::Raw,
    tree::{NodeId, NodeKind, Span, Tree},
};

const KEY: &str = "sops";

/// Returns the edits that add the block to every document: behind all its content, comments and blank lines.
pub(crate) fn insert(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let step = indentation_step(source, tree, usize::MAX);
    let mut edits = Vec::new();
    for document in tree.documents() {
        let Some(root) = tree.root(document) else {
            continue;
        };
        let node = &tree[root];
        let (end, indentation) = match node.kind {
            NodeKind::Map { flow: true } => {
                edits.push(insert_flow(source, tree, root, metadata));
                continue;
            }
            NodeKind::Map { .. } => (
                document_end(source, node.span.end as usize),
                indentation_of_line(source, node.span.start as usize),
            ),
            // A null that is written out makes room.
            _ => {
                let (start, end) = (node.outer_start as usize, node.span.range().end);
                // A tab must not start a line.
                let rest = source[end..].trim_start_matches([' ', '\t']);
                if start < end {
                    let span = Span::new(start, source.len() - rest.len());
                    edits.push(Edit::new(span, ""));
                }
                (body(source, tree, document).end as usize, 0)
            }
        };
        edits.push(insert_block(source, end, indentation, step, metadata));
    }
    edits
}

/// Returns the text of a document that holds a null, or nothing but metadata: all behind its `---`.
pub(crate) fn body(source: &str, tree: &Tree, document: NodeId) -> Span {
    let from = tree[document].span.range().start;
    // What is not written stands where the next document starts.
    let (root_start, root_end) = match tree.root(document).map(|root| &tree[root]) {
        Some(root) => (root.outer_start as usize, root.span.range().end),
        None => (from, from),
    };
    let marker = start_marker(source, from).filter(|&marker| marker < root_end);
    let start = match marker {
        Some(marker) => marker + MARKER_LENGTH,
        None => source.len() - source.trim_start_matches('\u{FEFF}').len(),
    };
    let content_end = if root_start < root_end {
        root_end
    } else {
        start
    };
    Span::new(start, document_end(source, content_end))
}

/// Returns the edits that replace the block of every document that has one.
pub(crate) fn replace(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let step = indentation_step(source, tree, usize::MAX);
    blocks(source, tree)
        .map(|block| {
            if block.in_flow {
                return Edit::new(block.value_span(source, tree), flow(metadata));
            }
            let key = tree[block.key].outer_start as usize;
            let start = line_start(source, key);
            let end = line_end(source, block.value_end(source, tree));
            let text = block_text(source, indentation_of_line(source, key), step, metadata);
            Edit::new(Span::new(start, end), text)
        })
        .collect()
}

/// Returns the edits that cut the block out of every document; what [`insert`] added is gone to the byte.
pub(crate) fn remove(source: &str, tree: &Tree) -> Vec<Edit> {
    blocks(source, tree)
        .map(|block| match block.in_flow {
            true => remove_flow(source, tree, &block),
            false => remove_block(source, tree, &block),
        })
        .collect()
}

/// The entry `sops` of a document, and its neighbours.
struct Block {
    root: NodeId,
    in_flow: bool,
    previous: Option<(NodeId, NodeId)>,
    key: NodeId,
    value: NodeId,
    next: Option<NodeId>,
    /// Whether nothing announces the document but its content.
    is_bare: bool,
}

impl Block {
    fn value_end(&self, source: &str, tree: &Tree) -> usize {
        entry_end(source, tree, self.key, self.value)
    }

    fn value_span(&self, source: &str, tree: &Tree) -> Span {
        let end = self.value_end(source, tree);
        let start = tree[self.value].outer_start as usize;
        Span::new(start.min(end), end)
    }
}

fn blocks<'t>(source: &'t str, tree: &'t Tree) -> impl Iterator<Item = Block> + 't {
    let mut before_root = 0;
    tree.documents().filter_map(move |document| {
        let root = tree.root(document)?;
        let NodeKind::Map { flow } = tree[root].kind else {
            return None;
        };
        let start = tree[root].outer_start as usize;
        let is_bare = !has_start_marker(&source[before_root.min(start)..start]);
        before_root = tree[root].span.end as usize;
        let mut previous = None;
        let mut entries = tree.entries(root);
        while let Some((key, value)) = entries.next() {
            if is_sops(source, tree, key) {
                return Some(Block {
                    root,
                    in_flow: flow,
                    previous,
                    key,
                    value,
                    next: entries.next().map(|(key, _)| key),
                    is_bare,
                });
            }
            previous = Some((key, value));
        }
        None
    })
}

fn is_sops(source: &str, tree: &Tree, key: NodeId) -> bool {
    match &tree[key].kind {
        NodeKind::Key { text, .. } => text.bytes(source) == KEY.as_bytes(),
        _ => false,
    }
}

fn insert_block(source: &str, end: usize, indentation: usize, step: usize, metadata: &Raw) -> Edit {
    let line_break = line_break_of(source);
    let mut text = block_text(source, indentation, step, metadata);
    if source[..end].is_empty() || source[..end].ends_with(LINE_BREAKS) {
        text.push_str(line_break);
    } else {
        // The file has no final line break, and has none with the block: so removing finds back what was there.
        text.insert_str(0, line_break);
    }
    Edit::new(Span::new(end, end), text)
}

fn block_text(source: &str, indentation: usize, step: usize, metadata: &Raw) -> String {
    let mut text = format!("{:indentation$}{KEY}:", "");
    push_block(
        &mut text,
        metadata,
        indentation,
        step,
        line_break_of(source),
    );
    text
}

fn remove_block(source: &str, tree: &Tree, block: &Block) -> Edit {
    let mut start = line_start(source, tree[block.key].outer_start as usize);
    let value_end = line_end(source, block.value_end(source, tree));
    let end = next_line(source, value_end);
    // A document that is nothing but an empty mapping, with no marker that says so, would be no document.
    let is_all = block.is_bare && block.previous.is_none() && block.next.is_none();
    if end == value_end && !is_all {
        start = without_line_break(source, start);
    }
    let text = match is_all {
        true => format!("{{}}{}", line_break_at(source, value_end)),
        false => String::new(),
    };
    Edit::new(Span::new(start, end), text)
}

fn without_line_break(source: &str, end: usize) -> usize {
    let before = &source[..end];
    let shorter = before.strip_suffix('\n').unwrap_or(before);
    let shorter = shorter.strip_suffix('\r').unwrap_or(shorter);
    shorter.len()
}

/// Adds the block behind the last entry, before a comma that may follow.
fn insert_flow(source: &str, tree: &Tree, root: NodeId, metadata: &Raw) -> Edit {
    let value = flow(metadata);
    let root_end = tree[root].span.end as usize;
    let last_end = tree
        .entries(root)
        .last()
        .map(|(key, value)| entry_end(source, tree, key, value));
    // A comment behind the last entry would become one behind the block, which belongs to it: then the block comes first.
    if last_end.is_some_and(|end| source[end..root_end.max(end)].contains('#')) {
        let at = tree[root].span.start as usize + 1;
        return Edit::new(Span::new(at, at), format!("\"{KEY}\": {value},"));
    }
    let (at, separator) = match tree.entries(root).last() {
        // A comment stays before the block.
        None if source[tree[root].span.range()].contains('#') => (root_end - 1, ""),
        None => (tree[root].span.start as usize + 1, ""),
        Some((key, value)) => {
            let at = entry_end(source, tree, key, value);
            // Directly behind the `:` of a key the comma would be a part of the key.
            match at > tree[key].span.end as usize && source[..at].ends_with(':') {
                true => (at, " , "),
                false => (at, ", "),
            }
        }
    };
    Edit::new(Span::new(at, at), format!("{separator}\"{KEY}\": {value}"))
}

fn remove_flow(source: &str, tree: &Tree, block: &Block) -> Edit {
    let end = block.value_end(source, tree);
    let key = tree[block.key].outer_start as usize;
    let span = match block.previous {
        Some((previous_key, previous_value)) => {
            Span::new(entry_end(source, tree, previous_key, previous_value), end)
        }
        // With its comma and the blanks behind that, if another entry follows.
        None if block.next.is_some() => {
            let behind = source[end..].trim_start_matches([' ', '\t', '\n', '\r']);
            let behind = behind.strip_prefix(',').unwrap_or(behind);
            // Quoted, and directly behind the brace, it was put there by us, without a blank of its own.
            let is_ours = source[..key].ends_with('{') && source[key..].starts_with('"');
            let behind = match is_ours {
                true => behind,
                false => behind.trim_start_matches([' ', '\t']),
            };
            Span::new(key, source.len() - behind.len())
        }
        None => Span::new(key, end.min(tree[block.root].span.end as usize)),
    };
    Edit::new(span, "")
}

/// Returns where an entry ends. A value that is not written stands nowhere: then the entry ends behind its `:`, or
/// behind its key if that has none.
fn entry_end(source: &str, tree: &Tree, key: NodeId, value: NodeId) -> usize {
    let value = &tree[value];
    if value.outer_start < value.span.end {
        return value.span.end as usize;
    }
    let key_end = tree[key].span.end as usize;
    let behind = source[key_end..].trim_start_matches([' ', '\t', '\n', '\r']);
    match behind.strip_prefix(':') {
        Some(behind) => source.len() - behind.len(),
        None => key_end,
    }
}

/// The indentation of the line that the byte at `offset` stands on.
fn indentation_of_line(source: &str, offset: usize) -> usize {
    let start = line_start(source, offset);
    let line = &source[start..offset];
    let blanks = line.len() - line.trim_start_matches(' ').len();
    blanks.min(column(source, offset))
}

/// Returns where the document ends whose content ends at `content_end`: before the next marker or directive, or at the
/// end.
fn document_end(source: &str, content_end: usize) -> usize {
    let mut line = next_line(source, content_end);
    while line < source.len()
        && !is_marker(&source[line..], "---")
        && !is_marker(&source[line..], "...")
        && !source[line..].starts_with('%')
    {
        line = next_line(source, line);
    }
    line
}

/// The length of `---`.
const MARKER_LENGTH: usize = 3;

/// Returns where the first `---` starts that starts a line at `from` or behind.
fn start_marker(source: &str, from: usize) -> Option<usize> {
    let mut line = from;
    while line < source.len() {
        let start = if line == 0 {
            source.len() - source.trim_start_matches('\u{FEFF}').len()
        } else {
            line
        };
        if is_marker(&source[start..], "---") {
            return Some(start);
        }
        line = next_line(source, line);
    }
    None
}

fn has_start_marker(text: &str) -> bool {
    text.trim_start_matches('\u{FEFF}')
        .split(LINE_BREAKS)
        .any(|line| is_marker(line, "---"))
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with([' ', '\t']) || rest.starts_with(LINE_BREAKS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::edit::splice,
        tree::{Scalar, Style, Text, Value},
    };

    fn metadata() -> Raw {
        Raw::Map(vec![
            ("mac".to_owned(), Raw::Text("ENC[x]".to_owned())),
            ("version".to_owned(), Raw::Text("3.13.2".to_owned())),
        ])
    }

    /// What a document has at its root: a null of this spelling, or a mapping with these entries, which are searched
    /// for in the text.
    enum Root<'a> {
        Null(&'a str),
        Map(&'a [(&'a str, &'a str)]),
        Flow(&'a [(&'a str, &'a str)]),
    }
    use Root::{Flow, Map, Null};

    fn scalar(span: Span, flow: bool) -> NodeKind {
        let value = match span.is_empty() {
            true => Value::Null,
            false => Value::Str(Text::Source(span)),
        };
        NodeKind::Scalar(Scalar {
            value,
            style: Style::Plain,
            flow,
            converting_tag: false,
        })
    }

    fn tree(source: &str, roots: &[Root<'_>]) -> Tree {
        let mut tree = Tree::default();
        let mut at = 0;
        let find = |at: &mut usize, text: &str| {
            let start = *at + source[*at..].find(text).expect(text);
            *at = start + text.len();
            Span::new(start, *at)
        };
        for root in roots {
            let document = tree.push(NodeKind::Document, Span::new(at, at), at as u32);
            match root {
                Null(text) => {
                    if text.is_empty() {
                        find(&mut at, "---");
                    }
                    let span = find(&mut at, text);
                    let mut kind = scalar(span, false);
                    if let NodeKind::Scalar(scalar) = &mut kind {
                        scalar.value = Value::Null;
                    }
                    tree.push(kind, span, span.start);
                }
                Map(entries) | Flow(entries) => {
                    let flow = matches!(root, Flow(_));
                    let start = match flow {
                        true => find(&mut at, "{").start as usize,
                        false => find(&mut at.clone(), entries[0].0).start as usize,
                    };
                    let map = tree.push(
                        NodeKind::Map { flow },
                        Span::new(start, start),
                        start as u32,
                    );
                    for (key, value) in *entries {
                        let span = find(&mut at, key);
                        let name = key.trim_matches(['"', '\'']);
                        let text = Text::Owned(name.as_bytes().into());
                        tree.push(NodeKind::Key { text, alias: false }, span, span.start);
                        let span = find(&mut at, value);
                        tree.push(scalar(span, flow), span, span.start);
                    }
                    if flow {
                        find(&mut at, "}");
                    }
                    tree.close(map, at as u32);
                }
            }
            tree.close(document, at as u32);
        }
        tree
    }

    fn edited(source: &str, mut edits: Vec<Edit>) -> String {
        splice(source, &mut edits)
    }

    const BLOCK: &str = "\n    mac: ENC[x]\n    version: 3.13.2";
    const FLOW: &str = "{\"mac\": \"ENC[x]\", \"version\": \"3.13.2\"}";

    /// Inserts, compares, removes, compares.
    fn check(source: &str, roots: &[Root<'_>], expected: &str) {
        let block = format!("sops:{BLOCK}");
        let flow = format!("\"sops\": {FLOW}");
        let line_break = line_break_of(source);
        let expected = expected
            .replace("BLOCK", &block)
            .replace("FLOW", &flow)
            .replace("\r\n", "\n")
            .replace('\n', line_break);
        let plain_tree = tree(source, roots);
        let inserted = edited(source, insert(source, &plain_tree, &metadata()));
        assert_eq!(inserted, expected, "{source:?}");
        assert!(remove(source, &plain_tree).is_empty());

        let block_value = BLOCK.trim_start().replace('\n', line_break);
        let entries: Vec<(Vec<(&str, &str)>, bool)> = roots
            .iter()
            .map(|root| match root {
                Null(_) => (vec![("sops", block_value.as_str())], false),
                Map(entries) => (
                    [entries, &[("sops", block_value.as_str())][..]].concat(),
                    false,
                ),
                Flow(entries) => ([entries, &[("\"sops\"", FLOW)][..]].concat(), true),
            })
            .collect();
        let roots: Vec<Root<'_>> = entries
            .iter()
            .map(|(entries, flow)| if *flow { Flow(entries) } else { Map(entries) })
            .collect();
        let full_tree = tree(&inserted, &roots);
        let replaced = edited(&inserted, replace(&inserted, &full_tree, &metadata()));
        assert_eq!(replaced, inserted);
        let removed = edited(&inserted, remove(&inserted, &full_tree));
        assert_eq!(removed, source);
    }

    #[test]
    fn stands_last_in_every_document() {
        let a = [("a", "1")];
        let b = [("b", "2")];
        check("a: 1\n", &[Map(&a)], "a: 1\nBLOCK\n");
        check("a: 1", &[Map(&a)], "a: 1\nBLOCK");
        check("a: 1\r\n", &[Map(&a)], "a: 1\nBLOCK\n");
        check("\u{feff}a: 1\r\n", &[Map(&a)], "\u{feff}a: 1\nBLOCK\n");
        check(
            "a: 1 # c\n\n# d\n\n",
            &[Map(&a)],
            "a: 1 # c\n\n# d\n\nBLOCK\n",
        );
        check("a: 1\n# d", &[Map(&a)], "a: 1\n# d\nBLOCK");
        check("a: 1\n  ", &[Map(&a)], "a: 1\n  \nBLOCK");
        check(
            "--- # c\na: 1\n...\n# e\n",
            &[Map(&a)],
            "--- # c\na: 1\nBLOCK\n...\n# e\n",
        );
        check(
            "a: 1\n\n---\nb: 2\n",
            &[Map(&a), Map(&b)],
            "a: 1\n\nBLOCK\n---\nb: 2\nBLOCK\n",
        );
        check(
            "%YAML 1.1\n---\na: 1\n...\n---\nb: 2",
            &[Map(&a), Map(&b)],
            "%YAML 1.1\n---\na: 1\nBLOCK\n...\n---\nb: 2\nBLOCK",
        );
    }

    #[test]
    fn fills_empty_documents() {
        let b = [("b", "2")];
        check("---\n", &[Null("")], "---\nBLOCK\n");
        check("---", &[Null("")], "---\nBLOCK");
        check("--- # c\n# d\n", &[Null("")], "--- # c\n# d\nBLOCK\n");
        check(
            "---\n---\nb: 2\n---\n",
            &[Null(""), Map(&b), Null("")],
            "---\nBLOCK\n---\nb: 2\nBLOCK\n---\nBLOCK\n",
        );
        let source = "--- ~ # c\n";
        let inserted = edited(
            source,
            insert(source, &tree(source, &[Null("~")]), &metadata()),
        );
        assert_eq!(inserted, format!("--- # c\nsops:{BLOCK}\n"));
    }

    #[test]
    fn takes_the_indentation_of_the_root() {
        let source = "---\n  a: 1\n";
        let inserted = edited(
            source,
            insert(source, &tree(source, &[Map(&[("a", "1")])]), &metadata()),
        );
        assert_eq!(
            inserted,
            "---\n  a: 1\n  sops:\n      mac: ENC[x]\n      version: 3.13.2\n"
        );
    }

    #[test]
    fn stands_inside_the_braces_of_a_flow_mapping() {
        let a = [("a", "1")];
        check("{a: 1}\n", &[Flow(&a)], "{a: 1, FLOW}\n");
        check("--- {a: 1, }\n", &[Flow(&a)], "--- {a: 1, FLOW, }\n");
        check("{}", &[Flow(&[])], "{FLOW}");
        check("{ # c\n }", &[Flow(&[])], "{ # c\n FLOW}");
        check("{a}", &[Flow(&[("a", "")])], "{a, FLOW}");
        check("{a:}", &[Flow(&[("a:", "")])], "{a:, FLOW}");
        check("{a: }", &[Flow(&[("a", "")])], "{a: , FLOW }");
    }

    #[test]
    fn cuts_out_what_others_wrote_anywhere() {
        for (source, entries, expected) in [
            (
                "sops:\n  x: 1\na: 1\n",
                &[("sops", "x: 1"), ("a", "1")][..],
                "a: 1\n",
            ),
            (
                "# c\n\"sops\": {x: 1} # d\n# e\na: 1\n",
                &[("\"sops\"", "{x: 1}"), ("a", "1")],
                "# c\n# e\na: 1\n",
            ),
            (
                "a: 1\nsops:\n  x: 1\nb: 2\n",
                &[("a", "1"), ("sops", "x: 1"), ("b", "2")],
                "a: 1\nb: 2\n",
            ),
            (
                "a: 1\nsops:\n\nb: 2\n",
                &[("a", "1"), ("sops", ""), ("b", "2")],
                "a: 1\n\nb: 2\n",
            ),
            ("sops:\n  x: 1\n", &[("sops", "x: 1")], "{}\n"),
            ("sops:\n  x: 1", &[("sops", "x: 1")], "{}"),
            ("---\nsops:\n  x: 1\n", &[("sops", "x: 1")], "---\n"),
            ("a: sops\n", &[("a", "sops")], "a: sops\n"),
        ] {
            let removed = edited(source, remove(source, &tree(source, &[Map(entries)])));
            assert_eq!(removed, expected);
        }
        for (source, entries, expected) in [
            (
                "{sops: {x: 1}, a: 1}",
                &[("sops", "{x: 1}"), ("a", "1")][..],
                "{a: 1}",
            ),
            (
                "{a: 1, sops: {x: 1} , b: 2}",
                &[("a", "1"), ("sops", "{x: 1}"), ("b", "2")],
                "{a: 1 , b: 2}",
            ),
            ("{ \"sops\" : {x: 1} }", &[("\"sops\"", "{x: 1}")], "{  }"),
        ] {
            let removed = edited(source, remove(source, &tree(source, &[Flow(entries)])));
            assert_eq!(removed, expected);
        }
    }
}
