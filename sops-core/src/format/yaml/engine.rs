//! YAML behind the joint of the formats.

use super::{comment_item, emit, metadata_block, parse, render};
use crate::{
    format::{
        CommentItem, EmitError, EmitStyle, Engine, ParseOptions, SyntaxError,
        edit::{Edit, EditText},
    },
    metadata::Raw,
    tree::{NodeId, Tree, ValueRef},
};

/// The engine of [`Format::Yaml`](crate::Format::Yaml).
pub(crate) struct Yaml;

/// The indentations that the reference takes; it writes others with the one by default.
const INDENTS: std::ops::Range<usize> = 2..10;

impl Engine for Yaml {
    fn parse(&self, source: &str, options: ParseOptions) -> Result<Tree, SyntaxError> {
        parse(source, options)
    }

    fn encrypted(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: EditText,
        edits: &mut Vec<Edit>,
    ) {
        render::encrypted(source, tree, id, enc, edits);
    }

    fn encrypted_plain(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: EditText,
        edits: &mut Vec<Edit>,
    ) {
        render::encrypted_plain(source, tree, id, enc, edits);
    }

    fn restored(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    ) {
        render::restored(source, tree, id, value, edits);
    }

    fn kept(&self, source: &str, tree: &Tree, id: NodeId, edits: &mut Vec<Edit>) {
        render::pinned(source, tree, id, edits);
    }

    fn restored_comment_items(
        &self,
        source: &str,
        tree: &Tree,
        items: &[CommentItem],
        edits: &mut Vec<Edit>,
    ) {
        comment_item::restored(source, tree, items, edits);
    }

    fn insert_metadata(&self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_block::insert(source, tree, metadata)
    }

    fn replace_metadata(&self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        metadata_block::replace(source, tree, metadata)
    }

    fn remove_metadata(&self, source: &str, tree: &Tree) -> Vec<Edit> {
        metadata_block::remove(source, tree)
    }

    fn emit(
        &self,
        source: &str,
        tree: &Tree,
        node: NodeId,
        style: &EmitStyle<'_>,
    ) -> Result<String, EmitError> {
        // As in the reference: what is too narrow or too wide is as narrow as can be.
        let indent = match style.indent {
            None | Some(0) => emit::DEFAULT_INDENT,
            Some(indent) if INDENTS.contains(&indent) => indent,
            Some(_) => INDENTS.start,
        };
        emit::emit(source, tree, node, indent, style)
    }
}
