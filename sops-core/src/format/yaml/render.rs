//! Scalars back to text.
//!
//! A ciphertext takes the style of the scalar it replaces, so that the style is there when it is decrypted. What stands
//! around a scalar, comments on the header of a block scalar included, is left alone.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    block_scalar::{self, BlockScalar, Rendered},
    place::{LINE_BREAKS, line_break_at, line_break_of, line_end},
    plain_value,
    properties::Properties,
    quote::{double_quoted, fits_one_line, is_other_to_some, is_plain_syntax, single_quoted},
    resolve::{Resolved, untagged},
};
use crate::{
    format::edit::{Edit, EditText},
    tree::{Node, NodeId, NodeKind, Scalar, Span, Style, Tree, ValueRef},
};

/// Writes the ciphertext `enc` in the place of the scalar `id`, in the style it has.
pub(crate) fn encrypted(
    source: &str,
    tree: &Tree,
    id: NodeId,
    enc: EditText,
    edits: &mut Vec<Edit>,
) {
    let node = &tree[id];
    let NodeKind::Scalar(scalar) = &node.kind else {
        return;
    };
    let mut start = node.span.start as usize;
    if scalar.converting_tag {
        let properties = Properties::of(source, node);
        match properties.tag {
            Some(tag) if properties.has_comment => edits.push(edit(tag.start, tag.end, "")),
            _ => start = node.outer_start as usize,
        }
    }
    let end = node.span.end as usize;
    // An anchor may end directly before a plain scalar that starts with `:`.
    let before = &source[node.outer_start as usize..start];
    let blank =
        match before.ends_with(|last: char| last.is_ascii_alphanumeric() || "-_".contains(last)) {
            true => " ",
            false => "",
        };
    let text = match scalar.style {
        Style::Plain if scalar.flow && blank.is_empty() => enc.double_quoted(),
        Style::Plain if scalar.flow => format!("{blank}\"{}\"", &*enc).into(),
        Style::Plain if blank.is_empty() => enc,
        Style::Plain => format!("{blank}{}", &*enc).into(),
        Style::DoubleQuoted => enc.double_quoted(),
        Style::SingleQuoted => format!("'{}'", &*enc).into(),
        Style::Literal | Style::Folded => {
            let block = BlockScalar::read(source, tree, id);
            let indentation = block.indentation(tree, id);
            let header = block.stripping_header();
            if start != block.header.start || source[block.header.clone()] != header {
                edits.push(edit(start, block.header.end, header));
            }
            let replaced_end = block.replaced_end(end).max(block.content.start);
            let behind = match block.content.is_empty() && replaced_end == block.content.end {
                true => line_break_at(source, block.content.end),
                false => "",
            };
            let content = format!("{:indentation$}{}{behind}", "", &*enc);
            edits.push(edit(block.content.start, replaced_end, content));
            return;
        }
    };
    edits.push(edit(start, end, text));
}

/// Makes sure that a block scalar that stays in the clear, or is a key, keeps its value when something is appended to the text.
///
/// At the end of a text without a final line break, a value has as many as its lines have, whatever its header says.
/// With a line after it, only the header says so.
pub(crate) fn pinned(source: &str, tree: &Tree, id: NodeId, edits: &mut Vec<Edit>) {
    let span = tree[id].span;
    let is_block = span.of(source).starts_with(['|', '>']);
    let is_last = || source[span.range().end..].trim_start().is_empty();
    if !is_block || source.ends_with(LINE_BREAKS) || !is_last() {
        return;
    }
    let value = match &tree[id].kind {
        NodeKind::Key { text, .. } => text.bytes(source),
        NodeKind::Scalar(scalar) => match scalar.value.view(source) {
            ValueRef::Str(text) => text,
            _ => return,
        },
        _ => return,
    };
    let block = BlockScalar::read(source, tree, id);
    let is_key = matches!(tree[id].kind, NodeKind::Key { .. });
    if !is_key && block.keeps_before_blanks() {
        let text = double_quoted(&String::from_utf8_lossy(value));
        edits.push(edit(span.start as usize, source.len(), text));
        return;
    }
    // What follows ends the line of the header, and the value stays empty.
    if value.is_empty() && !source[block.header.end..].contains(LINE_BREAKS) {
        return;
    }
    let header = match value {
        [.., b'\n', b'\n'] | b"\n" => return,
        [.., b'\n'] => block.clipping_header(),
        _ => block.stripping_header(),
    };
    if source[block.header.clone()] != header {
        edits.push(edit(block.header.start, block.header.end, header));
    }
}

/// Writes `value` in the place of the scalar `id`, which holds its ciphertext.
pub(crate) fn restored(
    source: &str,
    tree: &Tree,
    id: NodeId,
    value: ValueRef<'_>,
    edits: &mut Vec<Edit>,
) {
    let node = &tree[id];
    let NodeKind::Scalar(scalar) = &node.kind else {
        return;
    };
    let place = Place {
        source,
        tree,
        id,
        node,
        scalar,
    };
    let properties = Properties::of(source, node);
    if let ValueRef::Str(bytes) = value
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        let tagged = properties.tag.is_some() && !properties.is_non_specific;
        place.restore_text(text, tagged, edits);
        return;
    }
    // The tag made a text of the ciphertext; it would make one of the value, too.
    if let Some(tag) = properties.tag {
        edits.push(edit(tag.start, tag.end, ""));
    }
    let text = match value {
        ValueRef::Str(bytes) => binary(bytes),
        value => plain_value::text(value),
    };
    place.replace(&text, edits);
}

/// Returns bytes that are not UTF-8 as a scalar on one line.
pub(super) fn binary(bytes: &[u8]) -> String {
    format!("!!binary {}", STANDARD.encode(bytes))
}

/// A scalar and where it stands.
struct Place<'a> {
    source: &'a str,
    tree: &'a Tree,
    id: NodeId,
    node: &'a Node,
    scalar: &'a Scalar,
}

impl Place<'_> {
    /// Replaces the scalar by a text on one line.
    fn replace(&self, text: &str, edits: &mut Vec<Edit>) {
        let span = self.node.span.range();
        if matches!(self.scalar.style, Style::Literal | Style::Folded) {
            let block = BlockScalar::read(self.source, self.tree, self.id);
            edits.push(edit(span.start, block.header.end, text));
            edits.push(edit(block.header_line_end, block.content.end, ""));
        } else {
            edits.push(edit(span.start, span.end, text));
        }
    }

    fn restore_text(&self, text: &str, tagged: bool, edits: &mut Vec<Edit>) {
        match self.scalar.style {
            Style::DoubleQuoted => self.replace(&double_quoted(text), edits),
            Style::SingleQuoted if fits_one_line(text) => self.replace(&single_quoted(text), edits),
            Style::SingleQuoted => self.replace(&double_quoted(text), edits),
            Style::Plain => self.restore_plain(text, tagged, edits),
            Style::Literal | Style::Folded => {
                let block = BlockScalar::read(self.source, self.tree, self.id);
                match block.rendered(self.tree, self.id, text) {
                    Some(rendered) => self.restore_block(&block, rendered, edits),
                    None => self.replace(&double_quoted(text), edits),
                }
            }
        }
    }

    fn restore_block(&self, block: &BlockScalar<'_>, rendered: Rendered, edits: &mut Vec<Edit>) {
        if self.source[block.header.clone()] != rendered.header {
            let header = block.header.clone();
            edits.push(edit(header.start, header.end, rendered.header));
        }
        edits.push(edit(block.content.start, rendered.end, rendered.content));
    }

    /// Writes a text whose ciphertext is plain: plain if it can be, over several lines if it has them, else quoted.
    fn restore_plain(&self, text: &str, tagged: bool, edits: &mut Vec<Edit>) {
        if text.contains('\n') && !self.scalar.flow {
            let end = line_end(self.source, self.node.span.end as usize);
            if let Some(rendered) =
                block_scalar::literal(self.source, self.tree, self.id, text, end)
            {
                let span = self.node.span.range();
                edits.push(edit(span.start, span.end, rendered.header));
                // A comment may stand between the header and the end of its line.
                let content = format!("{}{}", line_break_of(self.source), rendered.content);
                edits.push(edit(end, rendered.end, content));
                return;
            }
        }
        self.replace(&one_line(text, tagged, self.scalar.flow), edits);
    }
}

/// Returns a text on one line: plain, else quoted as the reference quotes it, for readers of YAML 1.1 too.
pub(super) fn one_line(text: &str, tagged: bool, flow: bool) -> Cow<'_, str> {
    let is_text = tagged || untagged(text) == Ok(Resolved::Str) && !is_other_to_some(text);
    let has_tab = text.contains('\t');
    if is_text && !has_tab && is_plain_syntax(text, flow) {
        return Cow::Borrowed(text);
    }
    let quoted = match is_text && !has_tab && fits_one_line(text) {
        true => single_quoted(text),
        false => double_quoted(text),
    };
    Cow::Owned(quoted)
}

fn edit(start: usize, end: usize, text: impl Into<EditText>) -> Edit {
    Edit::new(Span::new(start, end), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::edit::splice,
        tree::{Text, Value},
    };

    const ENC: &str = "ENC[AES256_GCM,data:QQ==,iv:QUFB,tag:QkJC,type:str]";

    /// A document of one scalar: the text before its key, that between the key and the scalar (`None`: it is an item of
    /// a list), the scalar and what follows.
    struct Fixture {
        source: String,
        tree: Tree,
        id: NodeId,
    }

    fn fixture(
        before: &str,
        is_entry: bool,
        properties: &str,
        scalar: &str,
        flow: bool,
        after: &str,
    ) -> Fixture {
        let key = if is_entry { "k: " } else { "" };
        let source = format!("{before}{key}{properties}{scalar}{after}");
        let end = before.len() + key.len() + properties.len() + scalar.len();
        let start = end - scalar.len();
        let mut tree = Tree::default();
        let document = tree.push(NodeKind::Document, Span::new(0, 0), 0);
        let root = match is_entry {
            true => tree.push(
                NodeKind::Map { flow },
                Span::new(before.len(), 0),
                before.len() as u32,
            ),
            false => tree.push(
                NodeKind::Sequence,
                Span::new(before.len(), 0),
                before.len() as u32,
            ),
        };
        if is_entry {
            let span = Span::new(before.len(), before.len() + 1);
            let text = Text::Source(span);
            tree.push(NodeKind::Key { text, alias: false }, span, span.start);
        }
        let style = match scalar.as_bytes().first() {
            Some(b'|') => Style::Literal,
            Some(b'>') => Style::Folded,
            Some(b'"') => Style::DoubleQuoted,
            Some(b'\'') => Style::SingleQuoted,
            _ => Style::Plain,
        };
        let converting_tag = ["!!int", "!!binary"]
            .iter()
            .any(|tag| properties.contains(tag));
        let value = Value::Str(Text::Source(Span::new(start, end)));
        let id = tree.push(
            NodeKind::Scalar(Scalar {
                value,
                style,
                flow,
                converting_tag,
            }),
            Span::new(start, end),
            (start - properties.len()) as u32,
        );
        tree.close(root, end as u32);
        tree.close(document, end as u32);
        Fixture { source, tree, id }
    }

    fn restore(fixture: &Fixture, value: ValueRef<'_>) -> String {
        let mut edits = Vec::new();
        restored(
            &fixture.source,
            &fixture.tree,
            fixture.id,
            value,
            &mut edits,
        );
        splice(&fixture.source, &mut edits)
    }

    fn encrypt(fixture: &Fixture) -> String {
        let mut edits = Vec::new();
        encrypted(
            &fixture.source,
            &fixture.tree,
            fixture.id,
            ENC.into(),
            &mut edits,
        );
        splice(&fixture.source, &mut edits)
    }

    #[test]
    fn a_ciphertext_takes_the_style_of_the_scalar() {
        for (properties, scalar, expected) in [
            ("", "a b", "ENC"),
            ("", "a\n   b", "ENC"),
            ("", "\"a\\\n  b\"", "\"ENC\""),
            ("", "'a'", "'ENC'"),
            ("&x ", "1", "&x ENC"),
            ("&x", ":1", "&x ENC"),
            ("!!str ", "1", "!!str ENC"),
            ("!!int ", "\"1\"", "\"ENC\""),
            ("&x !!int ", "1", "ENC"),
            ("!!int # c\n  ", "1", "# c\n  ENC"),
            ("", "|\n   a\n\n   b", "|-\n   ENC"),
            ("", "|-\n   a", "|-\n   ENC"),
            ("", "|+ # c\n\n   a\n\n", "|- # c\n   ENC\n\n"),
            ("", "|3+\n    a", "|3-\n   ENC"),
            ("", "|+3\n    a", "|3-\n   ENC"),
            ("", ">\n a\n\n b", ">-\n ENC"),
            ("", "|+\n\n", "|-\n    ENC\n\n"),
            ("", "|\r\n   a\r\n   b", "|-\r\n   ENC"),
            ("!!binary ", "|\n  QQ==", "|-\n  ENC"),
        ] {
            let fixture = fixture("", true, properties, scalar, false, "\nz: 1\n");
            let expected = format!("k: {}\nz: 1\n", expected.replace("ENC", ENC));
            assert_eq!(encrypt(&fixture), expected, "{scalar:?}");
        }
        for (scalar, expected) in [("a", "\"ENC\""), ("\"a\"", "\"ENC\""), ("'a'", "'ENC'")] {
            let fixture = fixture("p: {", true, "", scalar, true, ", z: 1}\n");
            let expected = format!("p: {{k: {}, z: 1}}\n", expected.replace("ENC", ENC));
            assert_eq!(encrypt(&fixture), expected, "{scalar:?}");
        }
    }

    #[test]
    fn a_block_scalar_counts_its_indicator_from_its_collection() {
        for (before, is_entry, expected) in [
            ("p:\n  - ", false, "    ENC"),
            ("p:\n- ", false, "  ENC"),
            ("p:\n  - - # c\n      ", false, "      ENC"),
            ("p:\n  - ", true, "      ENC"),
            ("  ", true, "    ENC"),
            ("\u{feff}", true, "  ENC"),
        ] {
            let fixture = fixture(before, is_entry, "", "|2\n             a", false, "\n");
            let written = encrypt(&fixture);
            let expected = format!("|2-\n{}\n", expected.replace("ENC", ENC));
            assert!(written.ends_with(&expected), "{written}");
        }
    }

    /// Restores a text and returns what stands for the scalar and behind it.
    fn restored_text(properties: &str, scalar: &str, text: &str, after: &str) -> String {
        let scalar = scalar.replace("ENC", ENC);
        let fixture = fixture("", true, properties, &scalar, false, after);
        let restored = restore(&fixture, ValueRef::Str(text.as_bytes()));
        restored.strip_prefix("k: ").unwrap().to_owned()
    }

    #[test]
    fn a_text_takes_the_style_of_its_ciphertext() {
        for (scalar, text, expected) in [
            ("ENC", "a b", "a b"),
            ("ENC", "yes", "\"yes\""),
            ("ENC", "n", "\"n\""),
            ("ENC", "yes!", "yes!"),
            ("ENC", "1:30", "\"1:30\""),
            ("ENC", "1:3x", "1:3x"),
            ("ENC", "x\ty", "\"x\\ty\""),
            ("ENC", "123", "\"123\""),
            ("ENC", "a: b", "'a: b'"),
            ("ENC", "it's: b", "'it''s: b'"),
            ("ENC", "a\0b", "\"a\\0b\""),
            ("ENC", "a\rb", "\"a\\rb\""),
            ("ENC", "a\nb", "|-\n    a\n    b"),
            ("ENC", "a\n\nb\n", "|\n    a\n\n    b"),
            ("ENC", " a\nb\n", "|4\n     a\n    b"),
            ("ENC", "a \nb", "\"a \\nb\""),
            ("ENC", "a\r\nb", "\"a\\r\\nb\""),
            ("\"ENC\"", "a", "\"a\""),
            ("\"ENC\"", "a\n\tb", "\"a\\n\\tb\""),
            ("'ENC'", "it's", "'it''s'"),
            ("'ENC'", "a\nb", "\"a\\nb\""),
            ("|-\n  ENC", "a", "|-\n  a"),
            ("|-\n  ENC", "a\n b\n", "|\n  a\n   b"),
            ("|- # c\n  ENC", "a\n\n", "|+ # c\n  a\n"),
            ("|-\n  ENC", "\n", "|+\n"),
            ("|-\n  ENC", " a", "|2-\n   a"),
            ("|3-\n   ENC", " a\n", "|3\n    a"),
            ("|- # c\n  ENC", "a\0", "\"a\\0\" # c"),
            (">-\n  ENC", "a b\n", ">\n  a b"),
            (">-\n  ENC", "a\nb", ">-\n  a\n\n  b"),
        ] {
            for after in ["\n", "\nz: 1\n"] {
                let restored = restored_text("", scalar, text, after);
                assert_eq!(
                    restored,
                    format!("{expected}{after}"),
                    "{scalar:?} {text:?}"
                );
            }
        }
    }

    #[test]
    fn final_line_breaks_are_as_many_as_the_text_has() {
        for (text, after, expected) in [
            ("a\n\n", "\n\n\n\nz: 1\n", "|+\n  a\n\nz: 1\n"),
            ("a\n\n\n", "\nz: 1\n", "|+\n  a\n\n\nz: 1\n"),
            ("a\n", "\n\n\nz: 1\n", "|\n  a\n\n\nz: 1\n"),
            ("a", "\n\n\nz: 1\n", "|-\n  a\n\n\nz: 1\n"),
            ("a", "", "|-\n  a"),
            ("a\n", "", "|\n  a\n"),
            ("a\n", "\nsops: 1", "|\n  a\n\nsops: 1"),
        ] {
            assert_eq!(restored_text("", "|-\n  ENC", text, after), expected);
        }
    }

    #[test]
    fn comments_stay_where_they_are() {
        assert_eq!(
            restored_text("", "ENC", "a\nb", " # c\nz: 1\n"),
            "|- # c\n    a\n    b\nz: 1\n"
        );
        // It would become a line of the text.
        assert_eq!(
            restored_text("", "ENC", "a\nb", "\n      # c\nz: 1\n"),
            "\"a\\nb\"\n      # c\nz: 1\n"
        );
    }

    #[test]
    fn a_tag_stays_while_it_fits() {
        for (properties, text, expected) in [
            ("!!str ", "123", "!!str 123"),
            ("!c &x ", "true", "!c &x true"),
            ("! ", "123", "! \"123\""),
            ("!!str ", "a: b", "!!str 'a: b'"),
        ] {
            assert_eq!(
                restored_text(properties, "ENC", text, "\n"),
                format!("{expected}\n")
            );
        }
        for (properties, value, expected) in [
            ("!!str ", ValueRef::Int(1), "1"),
            ("&x !c ", ValueRef::Bool(true), "&x true"),
            ("!c &x ", ValueRef::Str(b"\xff\0"), "&x !!binary /wA="),
            ("! ", ValueRef::Str(b"\xff\0"), "!!binary /wA="),
        ] {
            let fixture = fixture("", true, properties, ENC, false, "\n");
            assert_eq!(restore(&fixture, value), format!("k: {expected}\n"));
        }
    }

    #[test]
    fn other_values_are_plain_in_any_style() {
        for scalar in ["ENC", "\"ENC\"", "'ENC'", "|-\n  ENC", ">2-\n  ENC"] {
            let fixture = fixture("", true, "", &scalar.replace("ENC", ENC), false, "\n");
            for (value, expected) in [
                (ValueRef::Int(-5), "k: -5\n"),
                (ValueRef::Float(1.0), "k: 1.0\n"),
                (ValueRef::Bool(false), "k: false\n"),
            ] {
                assert_eq!(restore(&fixture, value), expected);
            }
        }
        let fixture = fixture("p: [x, ", false, "", &format!("\"{ENC}\""), true, ", y]\n");
        assert_eq!(restore(&fixture, ValueRef::Int(-5)), "p: [x, -5, y]\n");
        assert_eq!(restore(&fixture, ValueRef::Str(b"a")), "p: [x, \"a\", y]\n");
    }
}
