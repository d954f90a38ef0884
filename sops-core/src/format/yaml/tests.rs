//! The whole parser: where comments end up, by the tables that were made with the reference, and what is refused.

use std::collections::BTreeMap;

use crate::{
    crypto::{
        select::Matcher,
        walk::{Place, Visitor, walk},
    },
    format::{ParseOptions, SyntaxErrorKind},
    tree::{NodeId, Scalar, Tree},
};

struct Comments<'s> {
    source: &'s str,
    tree: &'s Tree,
    found: BTreeMap<String, String>,
}

impl Visitor for Comments<'_> {
    type Error = ();
    fn leaf(&mut self, _: &Place<'_>, _: &Scalar) -> Result<(), ()> {
        Ok(())
    }
    fn comment(&mut self, at: &Place<'_>) -> Result<(), ()> {
        let name = self.tree[at.id].span.of(self.source).trim().to_owned();
        let path = String::from_utf8_lossy(at.additional_data).into_owned();
        assert!(
            self.found.insert(name, path).is_none(),
            "a comment is there once"
        );
        Ok(())
    }
    fn too_many_nodes(&mut self, _: NodeId) {}
}

#[test]
fn comments_are_under_the_path_of_the_container_that_go_attaches_them_to() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/golden/comment-paths.json"
    );
    let text = std::fs::read_to_string(file).expect("readable");
    let cases: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut failures = Vec::new();
    for case in cases.as_array().expect("a list") {
        let source = case["input"].as_str().expect("a text");
        let expected: BTreeMap<String, String> = case["paths"]
            .as_object()
            .expect("a map")
            .iter()
            // A comment that the reference loses has no path.
            .filter_map(|(name, path)| Some((name.clone(), path.as_str()?.to_owned())))
            .collect();
        let tree = match super::parse(
            source,
            ParseOptions {
                before_root_key: true,
            },
        ) {
            Ok(tree) => tree,
            Err(error) => {
                failures.push(format!("{error}\n{source}"));
                continue;
            }
        };
        let mut comments = Comments {
            source,
            tree: &tree,
            found: BTreeMap::new(),
        };
        walk(source, &tree, &Matcher::all(), &mut comments).expect("no error");
        comments.found.retain(|name, _| expected.contains_key(name));
        if comments.found != expected {
            failures.push(format!(
                "{source}\nfound {:?}\nnot   {expected:?}",
                comments.found
            ));
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
fn a_key_without_value_at_the_end_keeps_its_last_character() {
    for text in ["? ab", "? é", "a: 1\n? é", "a:\n  ? é", "a:\n- ? é"] {
        for before_root_key in [false, true] {
            let tree = super::parse(text, ParseOptions { before_root_key }).expect("it is YAML");
            for node in tree.nodes() {
                assert!(text.get(node.span.range()).is_some(), "{text:?}");
            }
            let last = tree.nodes().last().expect("there are nodes");
            assert_eq!(last.span.range(), text.len()..text.len(), "{text:?}");
        }
    }
}

#[test]
fn control_characters_are_refused_also_in_comments() {
    for text in [
        "a: 1 # \u{1}\n",
        "a: \"\u{7f}\"\n",
        "a: |\n  \u{85}\u{86}\n",
        "a: \u{fffe}\n",
        "\u{0}",
    ] {
        let error = super::parse(text, ParseOptions::default()).expect_err(text);
        assert!(error.to_string().contains("control characters"), "{error}");
    }
}

#[test]
fn a_second_byte_order_mark_is_refused() {
    super::parse("\u{feff}a: 1\n", ParseOptions::default()).expect("one is fine");
    let error = super::parse("\u{feff}\u{feff}a: 1\n", ParseOptions::default());
    let error = error.expect_err("two are not");
    assert!(error.to_string().contains("byte order mark"), "{error}");
}

#[test]
fn as_deep_as_for_the_reference_and_no_deeper() {
    let flow = |depth| format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
    let braces = |depth| format!("{}x{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let dashes = |depth| format!("a:\n{}x", "- ".repeat(depth));
    // The mapping at the root is a block collection, too.
    for (text, is_accepted) in [
        (flow(10_000), true),
        (flow(10_001), false),
        (braces(10_000), true),
        (braces(10_001), false),
        (dashes(10_000), true),
        (dashes(10_001), false),
        (format!("a: {}", "[".repeat(100_000)), false),
        (format!("{{{}", "\"a\":{".repeat(100_000)), false),
        (format!("a:\n{}x", "- ".repeat(100_000)), false),
    ] {
        let result = super::parse(&text, ParseOptions::default());
        let kind = result.map(drop).map_err(|error| error.kind);
        let expected = match is_accepted {
            true => Ok(()),
            false => Err(SyntaxErrorKind::TooDeep),
        };
        assert_eq!(kind, expected, "{}", &text[..10]);
    }
}

#[test]
fn directives_that_the_reference_refuses_are_found() {
    for (text, expected) in [
        ("a: 1\n", None),
        ("%YAML 1.1 # %YAML 1.2\n---\na: 1\n", None),
        ("%YAML 1.2\n---\na: 1\n", Some(0)),
        ("# c\r%YAML\t1.3\r---\ra: 1\r", Some(4)),
        (
            "a: 1\n...\n# %YAML 1.2\n%YAML 1.0 # c\n---\na: 1\n",
            Some(21),
        ),
        (
            "\u{feff}%TAG ! !a\r\n%YAML 1.2\r\n---\r\na: 1\r\n",
            Some(14),
        ),
        // Texts, a comment, and no directive.
        ("a: |\n  %YAML 1.2\n", None),
        ("a: 'x\n\n  %YAML 1.2'\n", None),
        ("a: \"x\n%YAML 1.2\"\n", None),
        ("a: 1 # %YAML 1.2\n", None),
    ] {
        super::parse(text, ParseOptions::default()).expect(text);
        assert_eq!(super::unreadable_directive(text), expected, "{text:?}");
    }
}
