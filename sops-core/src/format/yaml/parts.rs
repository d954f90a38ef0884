//! Large texts, parsed in parts on all cores.
//!
//! Where a key starts at the beginning of a line, the root mapping goes on, if the text before is whole in itself. So each
//! part is parsed as if it were alone, and has to come out as one document with a block mapping. Whatever cannot be told
//! so is left to the parser that takes the whole text: multi-line scalars and brackets across the boundary make a part
//! an error, several documents are not looked into, and no comment is near a boundary.

use std::thread;

use super::{
    compose::{compose_with_room, narrow},
    mapping_checks::check_keys,
};
use crate::tree::{Node, NodeId, NodeKind, Span, Text, Tree, Value};

/// How long a part has to be for a thread to be worth its start.
const SMALLEST: usize = 1 << 19;

/// Returns the tree of a large text, if it can be had in parts.
pub(super) fn parse(source: &str, before_root_key: bool) -> Option<Tree> {
    let most = source.len() / SMALLEST;
    if most < 2 {
        return None;
    }
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parts = cores.min(most);
    if parts < 2 || has_markers(source) {
        return None;
    }
    let mut boundaries = Vec::new();
    for part in 1..parts {
        let wanted = source.len() / parts * part;
        boundaries.extend(boundary_after(source, wanted));
    }
    boundaries.dedup();
    parse_at(source, before_root_key, &boundaries)
}

/// Whether there may be several documents, or directives.
fn has_markers(source: &str) -> bool {
    ["\n---", "\n...", "\n%"]
        .iter()
        .any(|marker| memchr::memmem::find(source.as_bytes(), marker.as_bytes()).is_some())
}

/// Returns where the next line starts that can be the first one of a part.
fn boundary_after(source: &str, at: usize) -> Option<usize> {
    /// How many lines are looked at.
    const LINES: usize = 100_000;
    let bytes = source.as_bytes();
    let breaks = memchr::memchr_iter(b'\n', &bytes[at..]).map(|found| at + found);
    breaks
        .map(|found| found + 1)
        .take(LINES)
        .find(|&start| is_boundary(bytes, start))
}

/// Whether a key starts at the beginning of a line, and neither this line nor the one before has a comment.
fn is_boundary(bytes: &[u8], start: usize) -> bool {
    if !bytes
        .get(start)
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
    {
        return false;
    }
    let before = &bytes[..start - 1];
    let line = memchr::memrchr(b'\n', before).map_or(before, |found| &before[found + 1..]);
    let end = memchr::memchr(b'\n', &bytes[start..]);
    let next = end.map_or(&bytes[start..], |end| &bytes[start..start + end]);
    let is_content = line.iter().any(|byte| !b" \t\r".contains(byte));
    is_content && ![line, next].iter().any(|line| line.contains(&b'#'))
}

/// Parses the parts between some boundaries.
fn parse_at(source: &str, before_root_key: bool, boundaries: &[usize]) -> Option<Tree> {
    let (&first, _) = boundaries.split_first()?;
    let mut rest = boundaries.iter().copied().chain([source.len()]);
    let mut parts = vec![(0, &source[..first])];
    rest.next();
    for (&start, end) in boundaries.iter().zip(rest) {
        parts.push((start, &source[start..end]));
    }
    let last = parts.len() - 1;
    let trees = thread::scope(|scope| {
        let threads: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(number, &(_, part))| {
                // A key follows each part but the last one.
                let before_root_key = before_root_key || number < last;
                // The first part takes in the others.
                let room = room_for(if number == 0 { source } else { part });
                scope.spawn(move || compose_with_room(part, before_root_key, room).ok())
            })
            .collect();
        let trees = threads.into_iter().map(|thread| thread.join().ok()?);
        trees.collect::<Option<Vec<_>>>()
    })?;
    let is_whole = |(tree, &(start, part)): (&Tree, &(usize, &str))| {
        root_of(tree).is_some_and(|root| start == 0 || root.span.start == 0)
            && is_at_line_start(part, tree)
    };
    if !trees.iter().zip(&parts).all(is_whole) {
        return None;
    }
    let starts = parts.iter().map(|(start, _)| *start);
    let tree = joined(trees.into_iter().zip(starts))?;
    check_keys(source, &tree, NodeId(1)).ok()?;
    Some(tree)
}

/// Returns for how many nodes to make room: a key and a value on each line, and no fewer than a million. Growing would leave
/// holes in memory. Room that is not used costs nothing, and allocations that are large enough are given back to the system
/// when they end: of smaller ones, the C library learns to keep what it gets back.
fn room_for(text: &str) -> usize {
    (2 * memchr::memchr_iter(b'\n', text.as_bytes()).count() + 16).max(1 << 20)
}

/// Returns the root of a tree of one document, if that is a block mapping without a tag or an anchor.
fn root_of(tree: &Tree) -> Option<&Node> {
    let (document, root) = (tree.nodes().first()?, tree.nodes().get(1)?);
    let is_one = document.end as usize == tree.len() && root.end as usize == tree.len();
    let is_block = matches!(root.kind, NodeKind::Map { flow: false });
    (is_one && is_block && root.outer_start == root.span.start).then_some(root)
}

/// Whether the keys of the root mapping stand at the beginning of their lines.
fn is_at_line_start(part: &str, tree: &Tree) -> bool {
    let first = tree.entries(NodeId(1)).next();
    first.is_some_and(|(key, _)| {
        let start = tree[key].outer_start as usize;
        matches!(part[..start].bytes().last(), None | Some(b'\n'))
    })
}

/// Puts trees of parts together, each with the place where its part starts.
fn joined(parts: impl Iterator<Item = (Tree, usize)>) -> Option<Tree> {
    let mut parts = parts;
    let (mut tree, _) = parts.next()?;
    for (mut part, start) in parts {
        // All but its document and root.
        let shift = Shift {
            nodes: narrow(tree.len()) - 2,
            bytes: narrow(start),
        };
        let aliased_keys = std::mem::take(&mut part.aliased_keys);
        let mut nodes = part.into_nodes();
        let ends = [nodes[0].span.end, nodes[1].span.end];
        tree.append(nodes.drain(2..).map(|node| shift.node(node)));
        for (id, end) in ends.into_iter().enumerate() {
            tree.close(NodeId(narrow(id)), shift.bytes + end);
        }
        let keys = aliased_keys.into_iter();
        let keys = keys.map(|(key, target)| (shift.id(key), shift.id(target)));
        tree.aliased_keys.extend(keys);
    }
    Some(tree)
}

/// How far the nodes of a part are from their places in the whole.
struct Shift {
    nodes: u32,
    bytes: u32,
}

impl Shift {
    fn id(&self, id: NodeId) -> NodeId {
        NodeId(id.0 + self.nodes)
    }

    fn span(&self, span: Span) -> Span {
        Span {
            start: span.start + self.bytes,
            end: span.end + self.bytes,
        }
    }

    fn text(&self, text: &mut Text) {
        if let Text::Source(span) = text {
            *span = self.span(*span);
        }
    }

    fn node(&self, mut node: Node) -> Node {
        match &mut node.kind {
            NodeKind::Key { text, .. } => self.text(text),
            NodeKind::Scalar(scalar) => {
                if let Value::Str(text) = &mut scalar.value {
                    self.text(text);
                }
            }
            NodeKind::Alias { target } => *target = self.id(*target),
            NodeKind::Document | NodeKind::Map { .. } | NodeKind::Sequence | NodeKind::Comment => {}
        }
        Node {
            kind: node.kind,
            span: self.span(node.span),
            outer_start: node.outer_start + self.bytes,
            end: node.end + self.nodes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::yaml::compose::compose, tree::ValueRef};

    /// All that a tree says.
    fn dump(source: &str, tree: &Tree) -> String {
        let value = |node: &Node| match &node.kind {
            NodeKind::Key { text, .. } => format!("{:?}", text.bytes(source)),
            NodeKind::Scalar(scalar) => match scalar.value.view(source) {
                ValueRef::Str(text) => format!("{text:?}"),
                value => {
                    let mut plaintext = Vec::new();
                    value.plaintext(&mut plaintext);
                    format!("{plaintext:?}")
                }
            },
            _ => String::new(),
        };
        let nodes = tree.nodes().iter();
        let nodes = nodes.map(|node| format!("{node:?} {}\n", value(node)));
        format!("{}{:?}", nodes.collect::<String>(), tree.aliased_keys)
    }

    fn boundaries(source: &str) -> Vec<usize> {
        let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        breaks
            .filter(|&start| is_boundary(source.as_bytes(), start))
            .collect()
    }

    /// Parses a text in two parts, for each boundary, and in as many as there are. Returns how often that gave a tree.
    #[track_caller]
    fn is_as_the_whole(source: &str, most: usize) -> usize {
        if has_markers(source) {
            return 0;
        }
        let boundaries = boundaries(source);
        let every = boundaries.len().div_ceil(most).max(1);
        let mut found = 0;
        for before_root_key in [false, true] {
            let whole = compose(source, before_root_key).ok();
            let whole = whole.map(|tree| dump(source, &tree));
            let each = boundaries.iter().step_by(every).map(std::slice::from_ref);
            for at in each.chain([&boundaries[..]]) {
                if let Some(tree) = parse_at(source, before_root_key, at) {
                    let parts = Some(dump(source, &tree));
                    assert_eq!(parts, whole, "{at:?} {before_root_key} {source:?}");
                    found += 1;
                }
            }
        }
        found
    }

    /// The texts of real files, and of those made to keep their layout.
    fn yaml_files() -> Vec<String> {
        let folders = ["corpus/yaml", "lossless"].map(|name| {
            let folder = format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_dir(folder).expect("readable")
        });
        let paths = folders.into_iter().flatten();
        let paths = paths.map(|entry| entry.expect("readable").path());
        paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "yaml" || extension == "yml")
            })
            .map(|path| std::fs::read_to_string(path).expect("a text"))
            .collect()
    }

    #[test]
    fn real_files_in_parts_are_as_the_whole() {
        let found: usize = yaml_files()
            .iter()
            .map(|source| is_as_the_whole(source, 10))
            .sum();
        assert!(found > 1000, "{found}");
    }

    /// Returns numbers below others, the same ones for each seed.
    fn random(seed: u64) -> impl FnMut(usize) -> usize {
        let mut state = seed;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % below
        }
    }

    /// Lines that begin, go on with and end what lines can be part of.
    const LINES: &[&str] = &[
        "a: 1",
        "b:",
        "c: text # beside",
        "d: 'open",
        "  end'",
        "end'",
        "e: \"open",
        "  end\"",
        "f: |",
        "f: >-",
        "f: |+",
        "f: |2",
        "  text",
        "    more",
        "",
        "",
        "# comment",
        "  # comment",
        "    # comment",
        "- x",
        "  - x",
        "  - y: z",
        "    k: v",
        "g: [1,",
        "  2]",
        "]",
        "h: {i: j,",
        "  k: l}",
        "}",
        "l: &anchor v",
        "m: &map",
        "n: *anchor",
        "  o: *map",
        "? p",
        ": q",
        "r: !!str s",
        "s: !tag",
        "plain",
        " t",
        "<<: *map",
        "u:  ",
        "  v:",
        "_w: x",
        "x: \r",
        "y: - z",
        "A: {}",
        "B: []",
        "C: null",
        "  D:",
        "\tE: 1",
    ];

    #[test]
    fn random_lines_in_parts_are_as_the_whole() {
        let mut random = random(1);
        let mut found = 0;
        for _ in 0..3_000 {
            let lines = 2 + random(9);
            let lines: Vec<_> = (0..lines).map(|_| LINES[random(LINES.len())]).collect();
            let mut source = lines.join("\n");
            if random(3) > 0 {
                source.push('\n');
            }
            found += is_as_the_whole(&source, 10);
        }
        assert!(found > 300, "{found}");
    }

    /// Entries of a mapping, with comments in many places; `#` in a key is a number.
    const ENTRIES: &[&str] = &[
        "a#: 1",
        "b#:\n  - x\n  # c\n  - y",
        "# head\nc#: 1",
        "d#: |\n  text\n",
        "e#: >+\n  text\n\n",
        "f#: [1,\n  2]",
        "g#:\n  h: 'a\n    b'",
        "# alone\n",
        "",
        "i#: {j: k} # line",
        "l#:\n- x\n- y",
        "m#:\n  n: 1\n  # foot\n",
        "o#:",
        "p#: &anchor 1",
        "q#: *anchor",
        "r#: # beside\n  s: 1\n  t: 2",
        "u#:\n  v: # beside\n    w: 1\n\n# foot\n",
        "x#: text\n  more",
        "y#:\n  - z: 1\n    # in\n    zz: 2\n  # behind",
        "A#: \"b\\\n  c\"",
        "B#: 1\n# foot of B\n\n# head of next",
        "? C#\n: d",
        "D#:\n    - - e\n      - f\n    - g: h",
        "E#: |2-\n    i\n",
        "F#: !!str 5",
        "G#:\n  # only\n",
    ];

    #[test]
    fn entries_in_parts_are_as_the_whole() {
        let mut random = random(7);
        let mut found = 0;
        for _ in 0..1_500 {
            let count = 2 + random(8);
            let entries = (0..count).map(|number| {
                let name = |line: &str| match line.trim_start().starts_with('#') {
                    true => line.to_owned(),
                    false => line.replacen("#:", &format!("{number}:"), 1).replacen(
                        "C#",
                        &format!("C{number}"),
                        1,
                    ),
                };
                let lines = ENTRIES[random(ENTRIES.len())].split('\n');
                lines.map(name).collect::<Vec<_>>().join("\n")
            });
            let mut source = entries.collect::<Vec<_>>().join("\n");
            if random(3) > 0 {
                source.push('\n');
            }
            found += is_as_the_whole(&source, 10);
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn a_large_text_is_parsed_in_parts() {
        let entry = "key_NUMBER:\n  name: text # about it\n  list: [1, 2]\n  # before\n  more: |\n    lines\n";
        let source: String = (0..20_000)
            .map(|number: i32| entry.replace("NUMBER", &number.to_string()))
            .collect();
        for before_root_key in [false, true] {
            let whole = compose(&source, before_root_key).expect("YAML");
            // On one core it is left to the parser of the whole.
            if let Some(tree) = parse(&source, before_root_key) {
                assert_eq!(dump(&source, &tree), dump(&source, &whole));
            }
        }
        let twice = format!("{source}key_7: again\n");
        assert!(parse(&twice, false).is_none());
        assert!(parse(&format!("{source}---\na: 1\n"), false).is_none());
    }
}
