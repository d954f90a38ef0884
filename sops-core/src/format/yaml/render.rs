//! Scalars back to text.
//!
//! A ciphertext takes the style of the scalar it replaces, so that the style is there when it is decrypted. What stands
//! around a scalar, comments on the header of a block scalar included, is left alone.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    block_scalar::{self, BlockScalar, Rendered},
    place::{line_break_of, line_end},
    plain_value,
    properties::Properties,
    quote::{double_quoted, fits_one_line, is_plain, is_plain_syntax, single_quoted},
    resolve::{Resolved, untagged},
};
use crate::{
    format::edit::Edit,
    tree::{Node, NodeId, NodeKind, Scalar, Span, Style, Tree, ValueRef},
};

pub(crate) use super::flow_copy::flow_copy;

/// Writes the ciphertext `enc` in the place of the scalar `id`, in the style it has.
pub(crate) fn encrypted(source: &str, tree: &Tree, id: NodeId, enc: &str, edits: &mut Vec<Edit>) {
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
    let text = match scalar.style {
        Style::Plain if scalar.flow => format!("\"{enc}\""),
        Style::Plain => enc.to_owned(),
        Style::DoubleQuoted => format!("\"{enc}\""),
        Style::SingleQuoted => format!("'{enc}'"),
        Style::Literal | Style::Folded => {
            let block = BlockScalar::read(source, tree, id);
            let indentation = block.indentation(tree, id);
            let header = block.stripping_header();
            if start != block.header.start || source[block.header.clone()] != header {
                edits.push(edit(start, block.header.end, header));
            }
            let content = format!("{:indentation$}{enc}", "");
            edits.push(edit(
                block.content.start,
                end.max(block.content.start),
                content,
            ));
            return;
        }
    };
    edits.push(edit(start, end, text));
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
    let tag = Properties::of(source, node).tag;
    if let ValueRef::Str(bytes) = value
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        place.restore_text(text, tag.is_some(), edits);
        return;
    }
    // The tag made a text of the ciphertext; it would make one of the value, too.
    if let Some(tag) = tag {
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

/// Returns a text on one line: plain, else quoted as the reference quotes it.
pub(super) fn one_line(text: &str, tagged: bool, flow: bool) -> Cow<'_, str> {
    let plain = match tagged {
        true => is_plain_syntax(text, flow),
        false => is_plain(text, flow),
    };
    if plain {
        return Cow::Borrowed(text);
    }
    let is_text = tagged || untagged(text) == Ok(Resolved::Str);
    let quoted = match is_text && !text.contains('\t') && fits_one_line(text) {
        true => single_quoted(text),
        false => double_quoted(text),
    };
    Cow::Owned(quoted)
}

fn edit(start: usize, end: usize, text: impl Into<String>) -> Edit {
    Edit::new(Span::new(start, end), text)
}
