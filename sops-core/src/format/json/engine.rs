//! JSON behind the joint of the formats.

use zeroize::Zeroizing;

use super::{comment_item, emit, metadata_block, parse, render};
use crate::{
    format::{
        CommentItem, EmitError, EmitStyle, Engine, ParseOptions, SyntaxError,
        edit::{Edit, EditText},
    },
    metadata::Raw,
    tree::{NodeId, NodeKind, Tree, ValueRef},
};

/// The engine of [`Format::Json`](crate::Format::Json).
pub(crate) struct Json;

impl Engine for Json {
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
        edits.push(render::encrypted(tree, id, enc));
    }

    fn restored(
        &self,
        _source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(render::restored(tree, id, value));
    }

    fn as_text(&self, value: ValueRef<'_>) -> Option<Zeroizing<String>> {
        matches!(value, ValueRef::Time(_)).then(|| {
            let mut text = Vec::new();
            value.plaintext(&mut text);
            Zeroizing::new(String::from_utf8(text).unwrap_or_default())
        })
    }

    fn holds(&self, text: &[u8]) -> bool {
        std::str::from_utf8(text).is_ok()
    }

    fn restored_comment_items(
        &self,
        _source: &str,
        tree: &Tree,
        items: &[CommentItem],
        edits: &mut Vec<Edit>,
    ) {
        comment_item::removed(tree, items, edits);
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
        let mut text = emit::emit(source, tree, node, style)?;
        // The reference ends what is printed as JSON with a line break, but for single values.
        if matches!(tree[tree.resolve(node)].kind, NodeKind::Scalar(_)) {
            text.truncate(text.trim_end().len());
        }
        Ok(text)
    }
}
