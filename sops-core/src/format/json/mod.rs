//! JSON with spans.
//!
//! As strict as Go's `encoding/json`, and stricter where the reference lets damage pass silently: text after the
//! object, keys that stand twice, lone surrogates.

pub(crate) mod comment_item;
pub(crate) mod emit;
pub(crate) mod metadata_block;
pub(crate) mod render;
mod tokenizer;

use std::collections::HashMap;

use crate::{
    format::{SyntaxError, SyntaxErrorKind, conflict_markers},
    tree::{NodeId, NodeKind, Scalar, Span, Style, Tree, Value, span::Position},
};
use tokenizer::Cursor;

/// How many objects and lists may stand inside each other. Go's decoder stops at 10,000.
const MAX_DEPTH: usize = 5_000;

/// Up to so many keys are compared each with each, which is faster than hashing them.
const FEW_KEYS: usize = 8;

/// Parses a JSON text whose top level is an object.
///
/// The tree has one document; the spans of strings and keys include the quotes, those of objects and lists the
/// brackets.
pub(crate) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    Parser::new(source)
        .run()
        .map_err(|error| conflict_markers::explain(source, error))
}

struct Parser<'s> {
    cursor: Cursor<'s>,
    tree: Tree,
    open: Vec<Open>,
    /// The keys so far of all open objects, the innermost last.
    keys: Vec<NodeId>,
}

/// An object or list whose end has not been reached.
#[derive(Clone, Copy)]
struct Open {
    node: NodeId,
    kind: Kind,
    /// Where its keys start in [`Parser::keys`].
    first_key: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Object,
    List,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            cursor: Cursor::new(source),
            tree: Tree::default(),
            open: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Tree, SyntaxError> {
        self.expect_object()?;
        let len = self.cursor.source().len();
        let document = self.tree.push(NodeKind::Document, Span::new(0, len), 0);
        self.value()?;
        while let Some(&open) = self.open.last() {
            self.next_member(open)?;
        }
        self.cursor.skip_blanks();
        if self.cursor.peek().is_some() {
            return Err(self
                .cursor
                .malformed("text after the end of the object")
                .with_hint(
                    "a JSON file is one object; other tools drop silently what follows it",
                ));
        }
        self.tree.close(document, Span::new(0, len).end);
        Ok(self.tree)
    }

    /// Moves to the brace that opens the file, or says what is there instead.
    fn expect_object(&mut self) -> Result<(), SyntaxError> {
        let source = self.cursor.source();
        if source.is_empty() {
            let kind = SyntaxErrorKind::Empty;
            return Err(SyntaxError::at(source, 0, kind, "the file is empty")
                .with_hint("an empty JSON object is {}"));
        }
        if source.starts_with('\u{feff}') {
            return Err(self
                .cursor
                .malformed("the file starts with a byte order mark")
                .with_hint("remove it: JSON files have none"));
        }
        self.cursor.skip_blanks();
        let (kind, message, hint) = match self.cursor.peek() {
            Some(b'{') => return Ok(()),
            None => (
                SyntaxErrorKind::NoDocument,
                "the file has only blanks",
                "an empty JSON object is {}",
            ),
            Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => (
                SyntaxErrorKind::NotAMapping,
                "the top level is not an object",
                "wrap the content in an object, such as {\"data\": …}",
            ),
            Some(_) => return Err(self.cursor.expected("{")),
        };
        Err(SyntaxError::at(source, self.cursor.offset(), kind, message).with_hint(hint))
    }

    /// Reads the next entry or item of the innermost open object or list, or its end.
    fn next_member(&mut self, open: Open) -> Result<(), SyntaxError> {
        let is_first = self.tree.len() == open.node.index() + 1;
        self.cursor.skip_blanks();
        let next = self.cursor.peek();
        if next == Some(open.kind.closing_bracket()) {
            return self.close(open);
        }
        if !is_first {
            if next != Some(b',') {
                return Err(self.cursor.expected(open.kind.comma_or_end()));
            }
            let comma = self.cursor.offset();
            self.cursor.advance();
            self.cursor.skip_blanks();
            if self.cursor.peek() == Some(open.kind.closing_bracket()) {
                return Err(SyntaxError::at(
                    self.cursor.source(),
                    comma,
                    SyntaxErrorKind::Malformed,
                    "a comma after the last value",
                )
                .with_hint("remove it: JSON has no trailing commas"));
            }
        }
        if open.kind == Kind::Object {
            self.key()?;
        }
        self.value()
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        if self.cursor.peek() != Some(b'"') {
            return Err(self.cursor.expected("a key in double quotes"));
        }
        let start = self.cursor.offset();
        let text = self.cursor.string()?;
        let span = Span::new(start, self.cursor.offset());
        let kind = NodeKind::Key { text, alias: false };
        self.keys.push(self.tree.push(kind, span, span.start));
        self.cursor.skip_blanks();
        if self.cursor.peek() != Some(b':') {
            return Err(self.cursor.expected("a colon after the key"));
        }
        self.cursor.advance();
        self.cursor.skip_blanks();
        Ok(())
    }

    /// Reads a scalar, or opens an object or list.
    fn value(&mut self) -> Result<(), SyntaxError> {
        let start = self.cursor.offset();
        let (value, style) = match self.cursor.peek() {
            Some(b'"') => (Value::Str(self.cursor.string()?), Style::DoubleQuoted),
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::List),
            Some(b'-' | b'0'..=b'9') => (self.cursor.number()?, Style::Plain),
            _ => (self.cursor.word()?, Style::Plain),
        };
        let scalar = NodeKind::Scalar(Scalar {
            value,
            style,
            flow: true,
            converting_tag: false,
        });
        let span = Span::new(start, self.cursor.offset());
        self.tree.push(scalar, span, span.start);
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), SyntaxError> {
        let start = self.cursor.offset();
        if self.open.len() == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} objects and lists inside each other");
            let source = self.cursor.source();
            return Err(SyntaxError::at(
                source,
                start,
                SyntaxErrorKind::TooDeep,
                message,
            ));
        }
        self.cursor.advance();
        let span = Span::new(start, start + 1);
        let node = self.tree.push(kind.node(), span, span.start);
        self.open.push(Open {
            node,
            kind,
            first_key: self.keys.len(),
        });
        Ok(())
    }

    fn close(&mut self, open: Open) -> Result<(), SyntaxError> {
        self.cursor.advance();
        let end = self.cursor.offset();
        self.tree.close(open.node, Span::new(end, end).end);
        self.refuse_duplicates(&self.keys[open.first_key..])?;
        self.keys.truncate(open.first_key);
        self.open.pop();
        Ok(())
    }

    fn refuse_duplicates(&self, keys: &[NodeId]) -> Result<(), SyntaxError> {
        let text = |id: NodeId| match &self.tree[id].kind {
            NodeKind::Key { text, .. } => text.bytes(self.cursor.source()),
            _ => unreachable!("only keys are pushed to the list of keys"),
        };
        if keys.len() <= FEW_KEYS {
            for (index, &key) in keys.iter().enumerate().skip(1) {
                let earlier = keys[..index]
                    .iter()
                    .find(|&&earlier| text(earlier) == text(key));
                if let Some(&first) = earlier {
                    return Err(self.duplicate(first, key, text(key)));
                }
            }
            return Ok(());
        }
        let mut seen = HashMap::with_capacity(keys.len());
        for &key in keys {
            if let Some(first) = seen.insert(text(key), key) {
                return Err(self.duplicate(first, key, text(key)));
            }
        }
        Ok(())
    }

    fn duplicate(&self, first: NodeId, second: NodeId, name: &[u8]) -> SyntaxError {
        let source = self.cursor.source();
        let place = |id: NodeId| self.tree[id].span.start as usize;
        let message = format!(
            "the key {:?} stands twice in one object, first at {}",
            String::from_utf8_lossy(name),
            Position::of(source, place(first))
        );
        let kind = SyntaxErrorKind::DuplicateKey;
        SyntaxError::at(source, place(second), kind, message).with_hint("remove one of the two")
    }
}

impl Kind {
    fn node(self) -> NodeKind {
        match self {
            Self::Object => NodeKind::Map { flow: true },
            Self::List => NodeKind::Sequence { flow: true },
        }
    }

    fn closing_bracket(self) -> u8 {
        match self {
            Self::Object => b'}',
            Self::List => b']',
        }
    }

    fn comma_or_end(self) -> &'static str {
        match self {
            Self::Object => "a comma or }",
            Self::List => "a comma or ]",
        }
    }
}

#[cfg(test)]
mod tests {
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
                NodeKind::Map { flow: true } | NodeKind::Sequence { flow: true } => {
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
        for depth in [MAX_DEPTH + 1, 10_000, 1_000_000] {
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
}
