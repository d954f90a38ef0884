//! Trees, compared with those that the reference makes of the same texts.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::{
    format::ParseOptions,
    tree::{NodeId, NodeKind, Tree, Value, ValueRef},
};

/// Where an alias stands, its copy follows: there the reference may have comments that we do not copy.
const COPY: &str = "copy";

#[test]
fn trees_are_those_of_the_reference() {
    let mut failures = Vec::new();
    for case in cases("yaml/trees.json") {
        let source = text(&case["input"]);
        let options = ParseOptions {
            before_root_key: case["before_root_key"] == true,
        };
        let expected = &case["documents"];
        let found = super::parse(source, options);
        let is_same = match &found {
            Ok(tree) => is_same(&documents(source, tree), expected),
            Err(_) => expected.is_null(),
        };
        if !is_same {
            let found = found.map(|tree| documents(source, &tree).to_string());
            failures.push(format!("{source:?}\nfound {found:?}\nnot   {expected}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures[..failures.len().min(8)].join("\n---\n")
    );
}

#[test]
fn every_comment_is_one_node_and_spans_are_nested() {
    let inputs = ["yaml/trees.json", "golden/comment-paths.json"];
    for case in inputs.into_iter().flat_map(cases) {
        let source = text(&case["input"]);
        for before_root_key in [false, true] {
            let Ok(tree) = super::parse(source, ParseOptions { before_root_key }) else {
                continue;
            };
            check_spans(source, &tree);
            let mut seen = HashSet::new();
            for node in tree.nodes() {
                if matches!(node.kind, NodeKind::Comment) {
                    let start = node.span.range().start;
                    assert_eq!(source.as_bytes()[start - 1], b'#', "{source:?}");
                    assert!(seen.insert(start), "{source:?}");
                }
            }
            // What has a `#` before it can only be a value elsewhere, or a comment.
            let may_be_in_value = source.contains(['|', '>', '"', '\'']);
            for (at, _) in source.match_indices(" #").filter(|_| !may_be_in_value) {
                let line_start = source[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
                let is_first = !source[line_start..at].contains('#');
                assert!(!is_first || seen.contains(&(at + 2)), "{source:?} {at}");
            }
        }
    }
}

fn check_spans(source: &str, tree: &Tree) {
    for (id, node) in tree.numbered() {
        assert!(source.get(node.span.range()).is_some(), "{source:?}");
        assert!(
            source.get(node.outer_start as usize..).is_some()
                && node.outer_start <= node.span.start,
            "{source:?} {node:?}"
        );
        assert!(node.end as usize <= tree.len(), "{source:?} {node:?}");
        let is_document = matches!(node.kind, NodeKind::Document);
        let mut last = node.span.start;
        for child in tree.children(id) {
            let child = &tree[child];
            if matches!(child.kind, NodeKind::Comment) {
                continue;
            }
            assert!(
                last <= child.outer_start && (is_document || child.span.end <= node.span.end),
                "{source:?}\n{child:?}\nin {node:?}"
            );
            last = child.span.end;
        }
    }
}

fn cases(name: &str) -> Vec<Json> {
    let file = format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).expect("readable");
    serde_json::from_str(&text).expect("a list of cases")
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}

/// Compares trees. We keep comments that the reference loses.
fn is_same(ours: &Json, expected: &Json) -> bool {
    let (Json::Array(ours), Json::Array(expected)) = (ours, expected) else {
        return ours == expected;
    };
    if let [kind, copy] = &ours[..]
        && kind == COPY
    {
        return without_comments(copy) == without_comments(&Json::Array(expected.clone()));
    }
    let mut rest = &expected[..];
    for item in ours {
        match rest.split_first() {
            Some((first, others)) if is_same(item, first) => rest = others,
            _ if is_comment(item) => {}
            _ => return false,
        }
    }
    rest.is_empty()
}

fn is_comment(item: &Json) -> bool {
    item[0] == "#"
}

fn without_comments(tree: &Json) -> Json {
    match tree {
        Json::Array(items) if items[0] == COPY => without_comments(&items[1]),
        Json::Array(items) => items
            .iter()
            .filter(|item| !is_comment(item))
            .map(without_comments)
            .collect(),
        other => other.clone(),
    }
}

/// Returns a tree as the table has it.
fn documents(source: &str, tree: &Tree) -> Json {
    let document = |id| {
        let mut items = vec![json!("M")];
        for child in tree.children(id) {
            match item(source, tree, child) {
                // A mapping and what is around it are one.
                Json::Array(inner) if inner[0] == "M" => items.extend(inner.into_iter().skip(1)),
                comment if is_comment(&comment) => items.push(comment),
                _ => {}
            }
        }
        Json::Array(items)
    };
    tree.documents().map(document).collect()
}

fn item(source: &str, tree: &Tree, id: NodeId) -> Json {
    match &tree[id].kind {
        NodeKind::Comment => json!(["#", tree[id].span.of(source)]),
        NodeKind::Scalar(leaf) => scalar(source, &leaf.value),
        NodeKind::Alias { target } => json!([COPY, item(source, tree, *target)]),
        NodeKind::Map { .. } => {
            let mut items = vec![json!("M")];
            let mut children = tree.children(id);
            while let Some(child) = children.next() {
                let NodeKind::Key { text, .. } = &tree[child].kind else {
                    items.push(item(source, tree, child));
                    continue;
                };
                let value = children.next().expect("a key is followed by its value");
                let key = String::from_utf8_lossy(text.bytes(source));
                items.push(json!(["k", key, item(source, tree, value)]));
            }
            Json::Array(items)
        }
        NodeKind::Sequence => std::iter::once(json!("L"))
            .chain(tree.children(id).map(|child| item(source, tree, child)))
            .collect(),
        NodeKind::Document | NodeKind::Key { .. } => unreachable!("is no item"),
    }
}

fn scalar(source: &str, value: &Value) -> Json {
    let value = value.view(source);
    let mut plaintext = Vec::new();
    value.plaintext(&mut plaintext);
    let plaintext = match value {
        ValueRef::Null => return json!(["null"]),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Str(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => String::from_utf8(plaintext).expect("numbers and times are ASCII"),
    };
    json!([value.type_word(), plaintext])
}
