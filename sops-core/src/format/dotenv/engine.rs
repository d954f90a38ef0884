//! dotenv behind the joint of the formats.

use zeroize::Zeroizing;

use super::{LINE_BREAK, emit, metadata_lines, parse};
use crate::{
    format::{
        EmitError, EmitStyle, Engine, ParseOptions, SyntaxError,
        edit::{Edit, EditText},
        text_value,
    },
    metadata::Raw,
    tree::{NodeId, Tree, ValueRef},
};

/// The engine of [`Format::Dotenv`](crate::Format::Dotenv).
pub(crate) struct Dotenv;

impl Engine for Dotenv {
    fn parse(&self, source: &str, _options: ParseOptions) -> Result<Tree, SyntaxError> {
        parse(source)
    }

    fn encrypted(
        &self,
        _source: &str,
        tree: &Tree,
        id: NodeId,
        enc: EditText,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(Edit::new(tree[id].span, enc));
    }

    fn restored(
        &self,
        _source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(Edit::new(tree[id].span, emit::value(value)));
    }

    fn as_text(&self, value: ValueRef<'_>) -> Option<Zeroizing<String>> {
        text_value::of_other(value)
    }

    fn holds(&self, text: &[u8]) -> bool {
        std::str::from_utf8(text).is_ok_and(|text| !text.contains(LINE_BREAK))
    }

    fn insert_metadata(&self, source: &str, _tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_lines::insert(source, metadata)
    }

    fn replace_metadata(&self, source: &str, _tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_lines::replace(source, metadata)
    }

    fn remove_metadata(&self, source: &str, _tree: &Tree) -> Vec<Edit> {
        metadata_lines::remove(source)
    }

    fn metadata(&self, source: &str, tree: &Tree, value: NodeId) -> Raw {
        metadata_lines::read(source, tree, value)
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
