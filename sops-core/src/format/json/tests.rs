use proptest::prelude::*;

use super::*;
use crate::tree::{Text, ValueRef};

/// Spells a value as it is encrypted, to compare with the table.
fn plaintext(value: ValueRef<'_>) -> (&'static str, String) {
    match value {
        ValueRef::Null => ("clear", "null".to_owned()),
        ValueRef::Str([]) => ("clear", String::new()),
        ValueRef::Str(bytes) => ("str", String::from_utf8(bytes.to_vec()).unwrap()),
        ValueRef::Int(value) => ("int", value.to_string()),
        ValueRef::Float(value) => ("float", value.to_string()),
        ValueRef::Bool(value) => ("bool", if value { "True" } else { "False" }.to_owned()),
        ValueRef::Unsigned(_) | ValueRef::Time(_) => panic!("JSON has none"),
    }
}

#[test]
fn types_are_those_of_the_reference() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/json/typing-json.tsv"
    );
    let table = std::fs::read_to_string(path).unwrap();
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        let (literal, kind, expected) = (columns[0], columns[1], columns[2]);
        rows += 1;
        if kind.starts_with("refused") || literal == r#""\ud83d""# {
            let source = format!("{{\"k\": {}}}", literal.replace("\\t", "\t"));
            let error = parse(&source).expect_err(literal);
            assert_eq!(error.kind, SyntaxErrorKind::Malformed, "{literal}");
            continue;
        }
        let source = format!("{{\"k\": {literal}}}");
        let tree = parse(&source).expect(literal);
        let (_, id) = tree.entry(&source, NodeId(1), "k").unwrap();
        assert_eq!(tree[id].span.of(&source), literal);
        match &tree[id].kind {
            NodeKind::Scalar(scalar) => {
                let (found, text) = plaintext(scalar.value.view(&source));
                assert_eq!(found, kind, "{literal}");
                if kind != "clear" {
                    // The table escapes control characters as JSON does, but for the letter.
                    let expected = expected.replace("\\x", "\\u00");
                    let expected: String =
                        serde_json::from_str(&format!("\"{expected}\"")).unwrap();
                    assert_eq!(text, expected, "{literal}");
                }
            }
            NodeKind::Map { flow: true } | NodeKind::Sequence => {
                assert_eq!(kind, "clear");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, 47);
}

#[test]
fn spans_and_order_of_the_nodes() {
    let source = "\r\n{ \"a\" :[1, {\"\\u00e9\":\"x\\n\"}] }\n";
    let tree = parse(source).unwrap();
    let nodes: Vec<_> = tree
        .nodes()
        .iter()
        .map(|node| (node.span.of(source), node.end))
        .collect();
    let object = source.trim();
    assert_eq!(
        nodes,
        [
            (source, 8),
            (object, 8),
            ("\"a\"", 3),
            ("[1, {\"\\u00e9\":\"x\\n\"}]", 8),
            ("1", 5),
            ("{\"\\u00e9\":\"x\\n\"}", 8),
            ("\"\\u00e9\"", 7),
            ("\"x\\n\"", 8),
        ]
    );
    let NodeKind::Key { text, .. } = &tree.nodes()[6].kind else {
        panic!("not a key");
    };
    assert_eq!(text.bytes(source), "é".as_bytes());
    assert!(tree.entry(source, NodeId(5), "é").is_some());
}

#[test]
fn text_that_stands_verbatim_is_not_copied() {
    let source = r#"{"k": "ENC[é]", "l": "a\/b"}"#;
    let tree = parse(source).unwrap();
    let text = |key| {
        let (_, id) = tree.entry(source, NodeId(1), key).unwrap();
        match &tree[id].kind {
            NodeKind::Scalar(Scalar {
                value: Value::Str(text),
                style: Style::DoubleQuoted,
                flow: true,
                converting_tag: false,
            }) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(text("k"), Text::Source(span) if span.of(source) == "ENC[é]"));
    assert!(matches!(text("l"), Text::Owned(bytes) if &**bytes == b"a/b"));
}

#[test]
fn what_is_wrong_and_where() {
    use SyntaxErrorKind::{
        ConflictMarkers, DuplicateKey, Empty, Malformed, NoDocument, NotAMapping,
    };
    for (source, kind, place, message) in [
        ("", Empty, "1:1", "the file is empty"),
        (" \n\t\r\n", NoDocument, "3:1", "only blanks"),
        ("\u{feff}{}", Malformed, "1:1", "byte order mark"),
        ("[1]", NotAMapping, "1:1", "not an object"),
        (" null", NotAMapping, "1:2", "not an object"),
        ("\"a\"", NotAMapping, "1:1", "not an object"),
        ("a: 1\n", Malformed, "1:1", "expected {"),
        ("// c\n{}", Malformed, "1:1", "expected {"),
        ("{}\n{}", Malformed, "2:1", "text after the end"),
        ("{} x", Malformed, "1:4", "text after the end"),
        ("{}\0", Malformed, "1:3", "text after the end"),
        ("{", Malformed, "1:2", "the text ends here"),
        (
            "{\"a\"",
            Malformed,
            "1:5",
            "a colon after the key, but the text ends",
        ),
        ("{\"a\":", Malformed, "1:6", "the text ends here"),
        (
            "{\"a\": 1",
            Malformed,
            "1:8",
            "a comma or }, but the text ends",
        ),
        (
            "{\"a\": [1",
            Malformed,
            "1:9",
            "a comma or ], but the text ends",
        ),
        ("{\"a\": 1,", Malformed, "1:9", "the text ends here"),
        ("{\"a\": \"x", Malformed, "1:7", "not closed"),
        (
            "{\"é\": 1,}",
            Malformed,
            "1:8",
            "a comma after the last value",
        ),
        (
            "{\"a\": [1\n , ]}",
            Malformed,
            "2:2",
            "a comma after the last value",
        ),
        ("{,}", Malformed, "1:2", "a key in double quotes"),
        ("{\"a\": [,1]}", Malformed, "1:8", "a value"),
        ("{\"a\" 1}", Malformed, "1:6", "a colon after the key"),
        ("{\"a\": 1 \"b\": 2}", Malformed, "1:9", "a comma or }"),
        ("{\"a\": 1}}", Malformed, "1:9", "text after the end"),
        ("{\"a\": [1}", Malformed, "1:9", "a comma or ]"),
        ("{\"a\": }", Malformed, "1:7", "a value"),
        ("{a: 1}", Malformed, "1:2", "a key in double quotes"),
        ("{'a': 1}", Malformed, "1:2", "a key in double quotes"),
        ("{1: 1}", Malformed, "1:2", "a key in double quotes"),
        ("{\"a\": 'x'}", Malformed, "1:7", "a value"),
        ("{\"a\": 1 // c\n}", Malformed, "1:9", "a comma or }"),
        ("{\"a\": 1 # c\n}", Malformed, "1:9", "a comma or }"),
        ("{\"a\": nul}", Malformed, "1:7", "a value"),
        ("{\"a\": nulls}", Malformed, "1:11", "a comma or }"),
        ("{\"a\": True}", Malformed, "1:7", "a value"),
        ("{\"a\": NaN}", Malformed, "1:7", "a value"),
        ("{\"a\": -}", Malformed, "1:8", "a digit"),
        ("{\"a\": -x}", Malformed, "1:8", "a digit"),
        ("{\"a\": 00}", Malformed, "1:8", "must not start with 0"),
        ("{\"a\": -01}", Malformed, "1:9", "must not start with 0"),
        ("{\"a\": 1.}", Malformed, "1:9", "after the decimal point"),
        ("{\"a\": 1.e1}", Malformed, "1:9", "after the decimal point"),
        ("{\"a\": 1e}", Malformed, "1:9", "in the exponent"),
        ("{\"a\": 1e+}", Malformed, "1:10", "in the exponent"),
        ("{\"a\": 0x1F}", Malformed, "1:8", "a comma or }"),
        ("{\"a\": 1_000}", Malformed, "1:8", "a comma or }"),
        ("{\"a\": 1e309}", Malformed, "1:7", "too large"),
        ("{\"a\": \"x\ny\"}", Malformed, "1:9", "a line break"),
        (
            "{\"a\": \"\u{1}\"}",
            Malformed,
            "1:8",
            "a control character",
        ),
        ("{\"a\": \"\\x41\"}", Malformed, "1:8", "no such escape"),
        ("{\"a\": \"\\", Malformed, "1:8", "no such escape"),
        ("{\"a\": \"\\u12g4\"}", Malformed, "1:8", "four hexadecimal"),
        ("{\"a\": \"\\u+123\"}", Malformed, "1:8", "four hexadecimal"),
        ("{\"a\": \"\\u12", Malformed, "1:8", "four hexadecimal"),
        (
            "{\"a\": \"é\\ud83d\"}",
            Malformed,
            "1:9",
            "a lone surrogate",
        ),
        (
            "{\"a\": \"\\ud83dx\"}",
            Malformed,
            "1:8",
            "a lone surrogate",
        ),
        (
            "{\"a\": \"\\ud83d\\u0041\"}",
            Malformed,
            "1:8",
            "a lone surrogate",
        ),
        (
            "{\"a\": \"\\ude00\\ud83d\"}",
            Malformed,
            "1:8",
            "a lone surrogate",
        ),
        ("{\"\\ud83d\": 1}", Malformed, "1:3", "a lone surrogate"),
        ("{\u{a0}\"a\": 1}", Malformed, "1:2", "a key"),
        (
            "{\"a\": 1,\n\"a\": 2}",
            DuplicateKey,
            "2:1",
            "\"a\" stands twice in one object, first at 1:2",
        ),
        (
            "{\"x\": [{\"a\": 1, \"\\u0061\": 2}]}",
            DuplicateKey,
            "1:17",
            "first at 1:9",
        ),
        (
            "{\"a\": 1,\n<<<<<<< HEAD\n\"b\": 1\n=======\n\"b\": 2\n>>>>>>> x\n}",
            ConflictMarkers,
            "2:1",
            "marker",
        ),
        (
            "{\"a\": 1\n}\n>>>>>>> x\n",
            ConflictMarkers,
            "3:1",
            "marker",
        ),
    ] {
        let error = parse(source).expect_err(source);
        assert_eq!(error.kind, kind, "{source:?}: {error}");
        assert_eq!(error.position.to_string(), place, "{source:?}: {error}");
        assert!(error.message.contains(message), "{source:?}: {error}");
    }
}

#[test]
fn hints_say_what_to_do() {
    for (source, hint) in [
        ("{\"a\": 1 // c\n}", "no comments"),
        ("{\"a\": 1,}", "no trailing commas"),
        ("{'a': 1}", "double quotes"),
        ("{\"a\": 1", "cut off"),
        ("[1]", "wrap"),
        ("\u{feff}{}", "remove it"),
        ("{\"a\": \"\\udc00\"}", "silently"),
    ] {
        let hint_found = parse(source).expect_err(source).hint.expect(source);
        assert!(hint_found.contains(hint), "{source:?}: {hint_found}");
    }
}

#[test]
fn errors_do_not_quote_values() {
    for source in [
        "{\"a\": hunter2}",
        "{\"a\": \"hunter2\n\"}",
        "{\"a\": 1} hunter2",
        "{\"a\": \"hunter2\" hunter2}",
        "{\"a\": \"hunter2\", \"a\": \"hunter2\"}",
    ] {
        let error = format!("{:?}", parse(source).expect_err(source));
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn many_keys_are_compared_too() {
    let entries: Vec<_> = (0..1000).map(|index| format!("\"k{index}\": 1")).collect();
    assert!(parse(&format!("{{{}}}", entries.join(","))).is_ok());
    let source = format!("{{{},\n\"k7\": 1}}", entries.join(","));
    let error = parse(&source).expect_err("k7 stands twice");
    assert_eq!(error.kind, SyntaxErrorKind::DuplicateKey);
    assert_eq!(error.position.to_string(), "2:1");
    // Equal keys of different objects are no duplicates.
    assert!(parse("{\"a\": {\"a\": {\"a\": 1}}, \"b\": [{\"a\": 1}, {\"a\": 1}]}").is_ok());
}

#[test]
fn depth_is_limited_without_recursion() {
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!("{{\"a\": {}{}}}", "[".repeat(inner), "]".repeat(inner))
    };
    assert!(parse(&nested(1_000)).is_ok());
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    for depth in [MAX_DEPTH + 1, 1_000_000] {
        let error = parse(&nested(depth)).expect_err("too deep");
        assert_eq!(error.kind, SyntaxErrorKind::TooDeep);
    }
}

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts(
        source in "[\\{\\}\\[\\]\":,a1.eE+\\-0 \\\\un\n]{0,24}",
    ) {
        let source = format!("{{\"k\": {source}}}");
        let other = serde_json::from_str::<serde_json::Value>(&source);
        match parse(&source) {
            Ok(_) => prop_assert!(other.is_ok(), "{source:?}"),
            Err(error) if error.kind == SyntaxErrorKind::DuplicateKey => {}
            Err(error) => prop_assert!(other.is_err(), "{source:?}: {error}"),
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(source in any::<String>()) {
        let _ = parse(&source);
    }
}
