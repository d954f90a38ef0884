//! The `sops` block of a JSON document.
//!
//! It is written as the file is: with its indentation and line breaks, or on one line in a file of one line. Keys and
//! values stand as `"key": value` in any case, because other programs look for `"mac": "ENC[`.

use super::render;
use crate::{
    format::edit::Edit,
    metadata::Raw,
    tree::{NodeId, Span, Tree},
};

const KEY: &str = "sops";

/// Returns the edit that adds the block as the last entry.
pub(crate) fn insert(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let Some(root) = root(tree) else {
        return Vec::new();
    };
    let edit = match places(tree, root).last() {
        Some(last) => insert_behind(source, tree, root, last, metadata),
        None => insert_alone(source, tree, root, metadata),
    };
    vec![edit]
}

/// Returns the edit that replaces the value of the block.
pub(crate) fn replace(source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
    let Some((root, place)) = find(source, tree) else {
        return Vec::new();
    };
    let layout = Layout::of_entry(source, tree, root, place);
    vec![Edit {
        span: tree[place.value].span,
        text: layout.value(metadata).into(),
    }]
}

/// Returns the edit that cuts the block out, with the one comma that is then too many.
pub(crate) fn remove(source: &str, tree: &Tree) -> Vec<Edit> {
    let Some((root, place)) = find(source, tree) else {
        return Vec::new();
    };
    let span = match (place.previous, place.next) {
        (None, None) => return vec![remove_alone(source, tree, root, place)],
        (Some(previous), None) => Span {
            start: tree[previous].span.end,
            end: tree[place.value].span.end,
        },
        (_, Some(next)) => Span {
            start: tree[place.key].span.start,
            end: tree[next].span.start,
        },
    };
    vec![Edit {
        span,
        text: "".into(),
    }]
}

/// Where an entry stands between others.
#[derive(Clone, Copy)]
struct Place {
    /// The value of the entry before it.
    previous: Option<NodeId>,
    key: NodeId,
    value: NodeId,
    /// The key of the entry behind it.
    next: Option<NodeId>,
}

fn root(tree: &Tree) -> Option<NodeId> {
    let document = tree.documents().next()?;
    tree.root(document)
}

fn places(tree: &Tree, root: NodeId) -> impl Iterator<Item = Place> + '_ {
    let mut entries = tree.entries(root).peekable();
    let mut previous = None;
    std::iter::from_fn(move || {
        let (key, value) = entries.next()?;
        Some(Place {
            previous: previous.replace(value),
            key,
            value,
            next: entries.peek().map(|&(key, _)| key),
        })
    })
}

fn find(source: &str, tree: &Tree) -> Option<(NodeId, Place)> {
    let root = root(tree)?;
    let (block, _) = tree.entry(source, root, KEY)?;
    let place = places(tree, root).find(|place| place.key == block)?;
    Some((root, place))
}

fn insert_behind(source: &str, tree: &Tree, root: NodeId, last: Place, metadata: &Raw) -> Edit {
    let layout = Layout::of_entry(source, tree, root, last);
    let end = tree[last.value].span.end;
    Edit {
        span: Span { start: end, end },
        text: format!(
            ",{}\"{KEY}\": {}",
            layout.separator(0),
            layout.value(metadata)
        )
        .into(),
    }
}

/// Fills an object without entries, so that [`remove_alone`] finds back the blanks between its braces:
/// `{}` becomes `{`, a line break, the block, a line break, `}`; without the last line break it was a line break that
/// stood there; other blanks are kept behind the block.
fn insert_alone(source: &str, tree: &Tree, root: NodeId, metadata: &Raw) -> Edit {
    let inside = inside(tree, root);
    let blanks = inside.of(source);
    let line_break = line_break_of(source);
    let layout = Layout {
        line_break: Some(line_break),
        indentation: "\t".to_owned(),
        unit: "\t".to_owned(),
        spaced: true,
    };
    let behind = match blanks {
        "" => line_break,
        blanks if blanks == line_break => "",
        blanks => blanks,
    };
    Edit {
        span: inside,
        text: format!(
            "{}\"{KEY}\": {}{behind}",
            layout.separator(0),
            layout.value(metadata)
        )
        .into(),
    }
}

fn remove_alone(source: &str, tree: &Tree, root: NodeId, place: Place) -> Edit {
    let inside = inside(tree, root);
    let before = &source[inside.start as usize..tree[place.key].span.start as usize];
    let behind = &source[tree[place.value].span.end as usize..inside.end as usize];
    let line_break = ["\r\n", "\n"]
        .into_iter()
        .find(|line_break| before.starts_with(line_break));
    let blanks = match (behind, line_break) {
        ("", Some(line_break)) => line_break,
        (behind, Some(line_break)) if behind == line_break => "",
        (behind, _) => behind,
    };
    Edit {
        span: inside,
        text: blanks.into(),
    }
}

/// Returns what stands between the braces.
fn inside(tree: &Tree, root: NodeId) -> Span {
    let span = tree[root].span;
    Span {
        start: span.start + 1,
        end: span.end - 1,
    }
}

fn line_break_of(source: &str) -> &'static str {
    if source.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

/// How the entries of an object are laid out.
struct Layout {
    /// The line break before each entry; `None` in a file of one line.
    line_break: Option<&'static str>,
    /// What the lines of the entries start with.
    indentation: String,
    /// What is added for each level inside.
    unit: String,
    /// Whether a blank follows a comma, on one line.
    spaced: bool,
}

impl Layout {
    /// Returns the layout that an entry of the root has.
    fn of_entry(source: &str, tree: &Tree, root: NodeId, place: Place) -> Self {
        let root = tree[root].span;
        let key = tree[place.key].span;
        let before_key = blanks_before(&source[..key.start as usize]);
        let Some((_, indentation)) = before_key.rsplit_once('\n') else {
            let spaced = match place.previous {
                Some(_) => !before_key.is_empty(),
                // One entry only: as generous before its value as after a comma.
                None => source[..tree[place.value].span.start as usize].ends_with(' '),
            };
            return Self {
                line_break: None,
                indentation: String::new(),
                unit: String::new(),
                spaced,
            };
        };
        let before_end = blanks_before(&source[..root.end as usize - 1]);
        let outer = before_end
            .rsplit_once('\n')
            .map_or("", |(_, blanks)| blanks);
        let unit = match indentation.strip_prefix(outer) {
            Some(unit) if !unit.is_empty() => unit,
            _ => indentation,
        };
        Self {
            line_break: Some(if before_key.contains("\r\n") {
                "\r\n"
            } else {
                "\n"
            }),
            indentation: indentation.to_owned(),
            unit: unit.to_owned(),
            spaced: true,
        }
    }

    /// Returns what stands before an entry that is `depth` levels inside the block.
    fn separator(&self, depth: usize) -> String {
        match self.line_break {
            Some(line_break) => {
                format!(
                    "{line_break}{}{}",
                    self.indentation,
                    self.unit.repeat(depth)
                )
            }
            None if self.spaced => " ".to_owned(),
            None => String::new(),
        }
    }

    /// Returns the block, without its key.
    fn value(&self, metadata: &Raw) -> String {
        let mut text = String::new();
        self.push(&mut text, metadata, 0);
        text
    }

    /// Appends a value. Recursion is as deep as the metadata, which come from the parser of a file: bounded below.
    fn push(&self, out: &mut String, raw: &Raw, depth: usize) {
        match raw {
            Raw::Null => out.push_str("null"),
            Raw::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Raw::Int(value) => out.push_str(&value.to_string()),
            Raw::Float(value) => out.push_str(&render::float_text(*value)),
            Raw::Time(text) | Raw::Text(text) => render::push_string(out, text),
            Raw::List(items) => {
                let items = items.iter().map(|item| (None, item));
                self.push_members(out, ('[', ']'), items, depth);
            }
            Raw::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (Some(key), value));
                self.push_members(out, ('{', '}'), entries, depth);
            }
        }
    }

    fn push_members<'r>(
        &self,
        out: &mut String,
        (opening, closing): (char, char),
        members: impl ExactSizeIterator<Item = (Option<&'r String>, &'r Raw)>,
        depth: usize,
    ) {
        out.push(opening);
        let is_empty = members.len() == 0;
        let separator = self.separator(depth + 1);
        for (index, (key, value)) in members.enumerate() {
            if index > 0 {
                out.push(',');
            }
            if index > 0 || self.line_break.is_some() {
                out.push_str(&separator);
            }
            if let Some(key) = key {
                render::push_string(out, key);
                out.push_str(": ");
            }
            self.push(out, value, depth + 1);
        }
        if !is_empty && self.line_break.is_some() {
            out.push_str(&self.separator(depth));
        }
        out.push(closing);
    }
}

fn blanks_before(text: &str) -> &str {
    &text[text.trim_end_matches([' ', '\t', '\n', '\r']).len()..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::{edit::splice, json::parse};

    fn metadata() -> Raw {
        let text = |text: &str| Raw::Text(text.to_owned());
        Raw::Map(vec![
            (
                "age".to_owned(),
                Raw::List(vec![Raw::Map(vec![
                    ("enc".to_owned(), text("-----\nYWdl\n-----\n")),
                    ("recipient".to_owned(), text("age1x")),
                ])]),
            ),
            ("hc_vault".to_owned(), Raw::List(vec![])),
            ("mac".to_owned(), text("ENC[x]")),
            ("mac_only_encrypted".to_owned(), Raw::Bool(true)),
            ("shamir_threshold".to_owned(), Raw::Int(2)),
        ])
    }

    fn inserted(source: &str) -> String {
        let tree = parse(source).unwrap();
        splice(source, &mut insert(source, &tree, &metadata()))
    }

    fn removed(source: &str) -> String {
        let tree = parse(source).unwrap();
        splice(source, &mut remove(source, &tree))
    }

    fn replaced(source: &str, metadata: &Raw) -> String {
        let tree = parse(source).unwrap();
        splice(source, &mut replace(source, &tree, metadata))
    }

    #[test]
    fn is_indented_as_the_file_is() {
        let block = "\n\t\"sops\": {\n\t\t\"age\": [\n\t\t\t{\n\t\t\t\t\"enc\": \"-----\\nYWdl\\n-----\\n\",\n\t\t\t\t\
             \"recipient\": \"age1x\"\n\t\t\t}\n\t\t],\n\t\t\"hc_vault\": [],\n\t\t\"mac\": \"ENC[x]\",\n\t\t\
             \"mac_only_encrypted\": true,\n\t\t\"shamir_threshold\": 2\n\t}";
        for (indentation, line_break) in [("\t", "\n"), ("  ", "\n"), ("    ", "\r\n")] {
            let style = |text: &str| text.replace('\n', line_break).replace('\t', indentation);
            let source = style("{\n\t\"a\": 1,\n\t\"b\": [\n\t\t1\n\t]\n}\n");
            let expected = style(&format!(
                "{{\n\t\"a\": 1,\n\t\"b\": [\n\t\t1\n\t],{block}\n}}\n"
            ));
            assert_eq!(inserted(&source), expected);
        }
        assert_eq!(inserted("{}\n"), format!("{{{block}\n}}\n"));
    }

    #[test]
    fn stays_on_one_line_in_a_file_of_one_line() {
        let tight = r#""sops": {"age": [{"enc": "-----\nYWdl\n-----\n","recipient": "age1x"}],"hc_vault": [],"mac": "ENC[x]","mac_only_encrypted": true,"shamir_threshold": 2}"#;
        let spaced = tight.replace(",\"", ", \"");
        assert_eq!(inserted(r#"{"a":1}"#), format!(r#"{{"a":1,{tight}}}"#));
        assert_eq!(inserted(r#"{"a": 1}"#), format!(r#"{{"a": 1, {spaced}}}"#));
        assert_eq!(
            inserted(r#"{ "a":1, "b":2 }"#),
            format!(r#"{{ "a":1, "b":2, {spaced} }}"#)
        );
        assert_eq!(
            inserted("{\"a\":1,\"b\": {\"c\": 2}}\n"),
            format!("{{\"a\":1,\"b\": {{\"c\": 2}},{tight}}}\n")
        );
    }

    #[test]
    fn an_indented_object_has_deeper_entries_by_its_own_unit() {
        let with_block = inserted("    {\n      \"a\": 1\n    }");
        assert!(with_block.contains("\n      \"sops\": {\n        \"age\": [\n          {"));
        // Entries without indentation: valid, if not pretty.
        assert_eq!(removed(&inserted("{\n\"a\": 1\n}")), "{\n\"a\": 1\n}");
    }

    #[test]
    fn removing_gives_back_every_byte() {
        for source in [
            "{}",
            "{ }",
            "{\n}",
            "{\r\n}",
            "{\n}\r\n",
            "{\r\n}\n",
            "{\n\n}",
            "{\t}\n",
            " {\n\t}\n",
            "{ \r\n }",
            "{\r}",
            "{\"a\":1}",
            "{\"a\":1 }",
            "{ \"a\" : {} , \"b\" : [ ] \n}",
            "{\n  \"a\": 1\n  ,\"b\": 2}\n\n",
            "{\r\n\t\"a\": \"sops\"\r\n}\r\n",
            "{\r\"a\": 1\r}",
            "{\"sop\": {\"sops\": 1}}",
        ] {
            let with_block = inserted(source);
            assert_eq!(removed(&with_block), source, "{with_block:?}");
            let replaced = replaced(&with_block, &metadata());
            assert_eq!(replaced, with_block, "{source:?}");
        }
    }

    #[test]
    fn cuts_out_what_others_wrote_anywhere() {
        for (source, expected) in [
            ("{\"sops\": {}}", "{}"),
            ("{\"sops\":{},\"a\":1}", "{\"a\":1}"),
            ("{\n\t\"sops\": {},\n\t\"a\": 1\n}", "{\n\t\"a\": 1\n}"),
            ("{\"a\":1,\"sops\":{},\"b\":2}", "{\"a\":1,\"b\":2}"),
            (
                "{\n  \"a\": 1,\n  \"sops\": {},\n  \"b\": 2\n}",
                "{\n  \"a\": 1,\n  \"b\": 2\n}",
            ),
            ("{\"a\":1 , \"\\u0073ops\": {} }", "{\"a\":1 }"),
            ("{\"a\": {\"sops\": 1}}", "{\"a\": {\"sops\": 1}}"),
        ] {
            assert_eq!(removed(source), expected, "{source:?}");
        }
    }

    #[test]
    fn replaces_in_place() {
        let raw = Raw::Map(vec![("mac".to_owned(), Raw::Text("é\"<".to_owned()))]);
        for (source, expected) in [
            (
                r#"{"sops":{"mac":""},"a":1}"#,
                r#"{"sops":{"mac": "é\"<"},"a":1}"#,
            ),
            (
                "{\n  \"a\": 1,\n  \"sops\": {},\n  \"b\": 2\n}",
                "{\n  \"a\": 1,\n  \"sops\": {\n    \"mac\": \"é\\\"<\"\n  },\n  \"b\": 2\n}",
            ),
            (r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            assert_eq!(replaced(source, &raw), expected);
        }
    }

    #[test]
    fn writes_the_blocks_of_the_reference_as_they_are() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/json/reference");
        let mut files = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let source = std::fs::read_to_string(&path).unwrap();
            let tree = parse(&source).unwrap();
            let (_, block) = tree
                .entry(&source, root(&tree).unwrap(), KEY)
                .expect("encrypted");
            let raw = Raw::from_tree(&source, &tree, block);
            assert_eq!(replaced(&source, &raw), source, "{}", path.display());
            let without = removed(&source);
            let tree = parse(&without).unwrap();
            let again = splice(&without, &mut insert(&without, &tree, &raw));
            assert_eq!(again, source, "{}", path.display());
            files += 1;
        }
        assert!(files > 5, "{files}");
    }

    fn blanks() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec![" ", "\n", "\t", "\r\n", "  ", "\r"]),
            0..3,
        )
        .prop_map(|blanks| blanks.concat())
    }

    /// Objects with any blanks between the tokens.
    fn object() -> impl Strategy<Value = String> {
        let member = (0..6_usize, prop::collection::vec(blanks(), 4)).prop_map(|(kind, blanks)| {
            let value = [
                "1",
                "\"x\"",
                "{}",
                "[1, {\"sops\": 2}]",
                "null",
                "{\"k\":\n1}",
            ][kind];
            (value, blanks)
        });
        (
            prop::collection::vec(member, 0..4),
            blanks(),
            blanks(),
            blanks(),
        )
            .prop_map(|(members, before, inside, behind)| {
                let members: Vec<_> = members
                    .iter()
                    .enumerate()
                    .map(|(index, (value, blanks))| {
                        let [a, b, c, d] = [0, 1, 2, 3].map(|index: usize| blanks[index].as_str());
                        format!("{a}\"k{index}\"{b}:{c}{value}{d}")
                    })
                    .collect();
                format!("{before}{{{}{inside}}}{behind}", members.join(","))
            })
    }

    proptest! {
        #[test]
        fn insert_then_remove_is_the_identity(source in object()) {
            let tree = parse(&source).unwrap();
            prop_assert_eq!(&splice(&source, &mut Vec::new()), &source);
            prop_assert!(remove(&source, &tree).is_empty());
            let with_block = inserted(&source);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&with_block).is_ok());
            prop_assert!(with_block.contains("\"mac\": \"ENC["));
            prop_assert_eq!(removed(&with_block), source);
        }
    }
}
