//! `KEY=value` lines, with spans.
//!
//! As the reference reads them, line by line: a line that starts with `#` is a comment, an empty one nothing; any other
//! is cut at its first `=`. Nothing is trimmed or unquoted: blanks, quotes, `export` and carriage returns are part of
//! the key or the value. In a value, `\n` stands for a line break, and there is no other escape.

mod emit;
mod engine;
mod metadata_lines;

pub(crate) use engine::Dotenv;

use crate::{
    format::{SyntaxError, SyntaxErrorKind, conflict_markers},
    tree::{NodeKind, Scalar, Span, Style, Text, Tree, Value},
};

/// What the keys of the metadata start with.
pub(crate) const METADATA_PREFIX: &str = "sops_";

/// How a line break stands in a value.
const LINE_BREAK: &str = "\\n";

/// Parses a text into one document, a map.
///
/// The lines of the metadata, wherever they stand, are the entries of one more map, the last value of the document,
/// under the key `sops_`; their own keys are without the prefix.
pub(crate) fn parse(source: &str) -> Result<Tree, SyntaxError> {
    let mut tree = Tree::with_metadata_key(METADATA_PREFIX);
    let whole = Span::new(0, source.len());
    let document = tree.push(NodeKind::Document, whole, 0);
    let root = tree.push(NodeKind::Map { flow: false }, whole, 0);
    let mut metadata = Vec::new();
    for line in lines(source) {
        let text = line.of(source);
        if text.is_empty() {
            continue;
        }
        if text.starts_with('#') {
            let span = Span::new(line.start as usize + 1, line.end as usize);
            tree.push(NodeKind::Comment, span, span.start);
            continue;
        }
        let Some(equals) = text.find('=') else {
            let error = SyntaxError::at(
                source,
                line.start as usize,
                SyntaxErrorKind::Malformed,
                "a line without =",
            )
            .with_hint(
                "a line is KEY=value, a comment with # as its very first character, or empty",
            );
            return Err(conflict_markers::explain(source, error));
        };
        let entry = Entry {
            line,
            equals: line.start as usize + equals,
        };
        match text.starts_with(METADATA_PREFIX) {
            true => metadata.push(entry),
            false => entry.push(source, &mut tree, 0),
        }
    }
    let mut metadata_entry = None;
    if let (Some(first), Some(last)) = (metadata.first(), metadata.last()) {
        let key = Span::new(first.line.start as usize, first.line.start as usize);
        let text = Text::Owned(METADATA_PREFIX.as_bytes().into());
        let key = tree.push(NodeKind::Key { text, alias: false }, key, key.start);
        let end = last.line.end;
        let block = tree.push(NodeKind::Map { flow: false }, first.line, first.line.start);
        for entry in &metadata {
            entry.push(source, &mut tree, METADATA_PREFIX.len());
        }
        tree.close(block, end);
        metadata_entry = Some((key, block));
    }
    tree.close(root, whole.end);
    tree.close(document, whole.end);
    tree.know_metadata(document, metadata_entry);
    Ok(tree)
}

/// Returns the lines of a text, without the line feeds that end them.
fn lines(source: &str) -> impl Iterator<Item = Span> + '_ {
    let mut start = 0;
    memchr::memchr_iter(b'\n', source.as_bytes())
        .chain([source.len()])
        .map(move |end| {
            let span = Span::new(start, end);
            start = end + 1;
            span
        })
}

/// A line that is cut at its first `=`.
struct Entry {
    line: Span,
    equals: usize,
}

impl Entry {
    fn push(&self, source: &str, tree: &mut Tree, prefix: usize) {
        let start = self.line.start as usize;
        let key = Span::new(start, self.equals);
        let text = Text::Source(Span::new(start + prefix, self.equals));
        tree.push(NodeKind::Key { text, alias: false }, key, key.start);
        let span = Span::new(self.equals + 1, self.line.end as usize);
        let scalar = Scalar {
            value: Value::Str(value(source, span)),
            style: Style::Plain,
            flow: false,
            converting_tag: false,
        };
        tree.push(NodeKind::Scalar(scalar), span, span.start);
    }
}

fn value(source: &str, span: Span) -> Text {
    let text = span.of(source);
    // Few values have a backslash at all, and looking for one byte is faster.
    match memchr::memchr(b'\\', text.as_bytes()).is_some() && text.contains(LINE_BREAK) {
        true => Text::Owned(
            text.replace(LINE_BREAK, "\n")
                .into_bytes()
                .into_boxed_slice(),
        ),
        false => Text::Source(span),
    }
}

/// Returns a value as it stands behind the `=`. A `\n` in it that is no line break cannot be told from one.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('\n', LINE_BREAK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::ValueRef;

    fn entries(source: &str) -> Vec<(String, String)> {
        let tree = parse(source).expect("dotenv");
        let document = tree.documents().next().expect("a document");
        let root = tree.root(document).expect("a map");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        tree.entries(root)
            .map(|(key, value)| {
                let NodeKind::Key { text: key, .. } = &tree[key].kind else {
                    panic!("a key");
                };
                let value = match &tree[value].kind {
                    NodeKind::Scalar(scalar) => match scalar.value.view(source) {
                        ValueRef::Str(bytes) => text(bytes),
                        _ => panic!("a text"),
                    },
                    _ => "…".to_owned(),
                };
                (text(key.bytes(source)), value)
            })
            .collect()
    }

    #[test]
    fn lines_are_cut_at_the_first_equals_sign() {
        for (line, key, value) in [
            ("A=1", "A", "1"),
            ("A=", "A", ""),
            ("=x", "", "x"),
            ("A=b=c", "A", "b=c"),
            (" A = b ", " A ", " b "),
            ("export A=b", "export A", "b"),
            ("A='b' # c", "A", "'b' # c"),
            ("A=\"b\"", "A", "\"b\""),
            ("A=b\r", "A", "b\r"),
            ("A=a\\nb", "A", "a\nb"),
            ("A=a\\\\nb", "A", "a\\\nb"),
            ("A=\\t\\", "A", "\\t\\"),
            (" # no comment = x", " # no comment ", " x"),
            ("sops=1", "sops", "1"),
            ("SOPS_A=1", "SOPS_A", "1"),
            ("\u{feff}A=1", "\u{feff}A", "1"),
            ("a\\nb=1", "a\\nb", "1"),
        ] {
            assert_eq!(
                entries(line),
                [(key.to_owned(), value.to_owned())],
                "{line:?}"
            );
        }
    }

    #[test]
    fn keys_may_stand_twice() {
        assert_eq!(entries("A=1\n\nA=2\n").len(), 2);
    }

    #[test]
    fn metadata_are_gathered_wherever_they_stand() {
        let source = "sops_mac=m\nA=1\nsops_age__list_0__map_enc=x\\ny\nB=2\n";
        let entries = entries(source);
        let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["A", "B", "sops_"]);
    }

    #[test]
    fn comments_have_the_hash_in_the_first_column() {
        let source = "#a\n##b\r\n#\nA=1 # no comment";
        let tree = parse(source).expect("dotenv");
        let comments: Vec<&str> = tree
            .nodes()
            .iter()
            .filter(|node| matches!(node.kind, NodeKind::Comment))
            .map(|node| node.span.of(source))
            .collect();
        assert_eq!(comments, ["a", "#b\r", ""]);
    }

    #[test]
    fn lines_without_an_equals_sign_are_refused() {
        for (source, place) in [
            ("A", "1:1"),
            ("A=1\n # b", "2:1"),
            ("A=1\n\n \n", "3:1"),
            ("A=1\r\n\r\n", "2:1"),
            ("export A", "1:1"),
            ("{}", "1:1"),
        ] {
            let error = parse(source).expect_err(source);
            assert_eq!(error.position.to_string(), place, "{source:?}");
        }
    }

    #[test]
    fn errors_show_nothing_of_the_line() {
        let error = parse("A=1\nhunter2\n").expect_err("no equals sign");
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn conflict_markers_are_named() {
        let error =
            parse("A=1\n<<<<<<< HEAD\nB=1\n=======\nB=2\n>>>>>>> x\n").expect_err("markers");
        assert_eq!(error.kind, SyntaxErrorKind::ConflictMarkers);
    }
}
