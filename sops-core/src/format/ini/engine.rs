//! INI behind the joint of the formats.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{comment, emit, metadata_section, parse, value};
use crate::{
    format::{
        EmitError, EmitStyle, Engine, ParseOptions, SyntaxError,
        edit::{Edit, EditText},
        text_value,
    },
    metadata::Raw,
    tree::{NodeId, NodeKind, Span, Tree, ValueRef},
};

/// The engine of [`Format::Ini`](crate::Format::Ini).
pub(crate) struct Ini;

impl Engine for Ini {
    fn parse(&self, source: &str, _options: ParseOptions) -> Result<Tree, SyntaxError> {
        parse(source)
    }

    fn encrypted(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: EditText,
        edits: &mut Vec<Edit>,
    ) {
        let span = tree[id].span;
        let written = match value::quote_of(span.of(source)) {
            Some(quote) => [quote, &enc, quote].concat().into(),
            None => enc,
        };
        edits.push(Edit::new(span, written));
    }

    fn restored(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    ) {
        let span = tree[id].span;
        let text = text_value::text(value);
        let written = value::written(&text, span.of(source));
        let written = written.unwrap_or_else(|| text.as_str().to_owned());
        edits.push(Edit::new(span, written));
    }

    fn as_text(&self, value: ValueRef<'_>) -> Option<Zeroizing<String>> {
        text_value::of_other(value)
    }

    fn holds(&self, text: &[u8]) -> bool {
        std::str::from_utf8(text).is_ok_and(value::can_be_written)
    }

    fn comment_text<'s>(&self, source: &'s str, tree: &Tree, id: NodeId) -> Cow<'s, str> {
        let text = tree[id].span.of(source);
        match comment::is_odd(text) {
            true => Cow::Owned(comment::regular(text)),
            false => Cow::Borrowed(text),
        }
    }

    fn encrypted_comment(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: String,
        edits: &mut Vec<Edit>,
    ) {
        let span = tree[id].span;
        if let Some(header) = header_of(source, tree, id) {
            // A name ends at the last bracket of its line, and a ciphertext has one.
            let name_end = header.of(source).rfind(']').map_or(0, |close| close + 1);
            let start = header.start as usize;
            let at_start = Span::new(start, start);
            let line_break = metadata_section::line_break(source);
            edits.push(Edit::new(at_start, format!("; {enc}{line_break}")));
            edits.push(Edit::new(
                Span::new(start + name_end, header.end as usize),
                "",
            ));
            return;
        }
        let enc = match comment::is_odd(span.of(source)) {
            true => format!("; {enc}"),
            false => enc,
        };
        edits.push(Edit::new(span, enc));
    }

    fn kept_comment(&self, source: &str, tree: &Tree, id: NodeId, edits: &mut Vec<Edit>) {
        let text = tree[id].span.of(source);
        if comment::is_odd(text) {
            let regular = comment::regular(text);
            let written = match regular.is_empty() {
                true => regular,
                false => format!("; {regular}"),
            };
            edits.push(Edit::new(tree[id].span, written));
        }
    }

    fn insert_metadata(&self, source: &str, _tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_section::insert(source, metadata)
    }

    fn replace_metadata(&self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_section::replace(source, tree, metadata)
    }

    fn remove_metadata(&self, source: &str, tree: &Tree) -> Vec<Edit> {
        metadata_section::remove(source, tree)
    }

    fn metadata(&self, source: &str, tree: &Tree, value: NodeId) -> Raw {
        metadata_section::read(source, tree, value)
    }

    fn emit(
        &self,
        source: &str,
        tree: &Tree,
        node: NodeId,
        style: &EmitStyle<'_>,
    ) -> Result<String, EmitError> {
        emit::emit(source, tree, node, style.from)
    }
}

/// Returns the line of a section's name, if a comment stands on it.
fn header_of(source: &str, tree: &Tree, comment: NodeId) -> Option<Span> {
    let before = &source[..tree[comment].span.start as usize];
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    if !line
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('[')
    {
        return None;
    }
    // In front of it in the tree are the comments above the section, the section, and the key that is the header.
    let before = (0..comment.0).rev().map(NodeId);
    let mut before = before.skip_while(|&id| matches!(tree[id].kind, NodeKind::Comment));
    let (_section, key) = (before.next()?, before.next()?);
    let header = tree[key].span;
    let is_header = matches!(tree[key].kind, NodeKind::Key { .. });
    (is_header && header.contains(tree[comment].span)).then_some(header)
}
