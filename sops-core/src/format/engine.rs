//! What a format has to be able to do: the joint between the formats and everything that works on trees.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{
    CommentItem, EmitError, ParseOptions, SyntaxError,
    edit::{Edit, EditText},
};
use crate::{
    metadata::Raw,
    tree::{NodeId, Tree, ValueRef},
};

/// How a tree is written anew.
#[derive(Clone, Copy)]
pub(crate) struct EmitStyle<'s> {
    /// Blanks a level; the format's own, if not given.
    pub(crate) indent: Option<usize>,
    /// Which of the comments that stand beside a value may stay there. The others go above it.
    pub(crate) beside: &'s dyn Fn(NodeId) -> bool,
    /// The engine of the format that the tree was read from.
    pub(crate) from: &'static dyn Engine,
    /// Whether texts of several lines go on one line, too, with escapes.
    pub(crate) one_line: bool,
    /// Whether whole floating-point numbers are written as such; the reference writes integers.
    pub(crate) keeps_floats: bool,
}

/// Reads a format, and says what text stands for a value at a place.
///
/// An engine never writes a file: it appends edits, and [`splice`](super::edit::splice) copies everything else
/// through.
pub(crate) trait Engine: Sync {
    /// Parses a text that is valid UTF-8 and below 4 GiB.
    fn parse(&self, source: &str, options: ParseOptions) -> Result<Tree, SyntaxError>;

    /// Writes the ciphertext `enc` in the place of the scalar `id`, in the style it has.
    fn encrypted(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: EditText,
        edits: &mut Vec<Edit>,
    );

    /// Writes `value` in the place of the scalar `id`, which holds its ciphertext.
    fn restored(
        &self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    );

    /// Returns the text that stands for a value in a format that has no such values.
    fn as_text(&self, _value: ValueRef<'_>) -> Option<Zeroizing<String>> {
        None
    }

    /// Whether a text comes back as it is when it is written and read.
    fn holds(&self, _text: &[u8]) -> bool {
        true
    }

    /// Changes a scalar or key that stays in the clear, if the encrypted file could not hold it as it is written.
    fn kept(&self, _source: &str, _tree: &Tree, _id: NodeId, _edits: &mut Vec<Edit>) {}

    /// Returns the text of a comment that is encrypted.
    fn comment_text<'s>(&self, source: &'s str, tree: &Tree, id: NodeId) -> Cow<'s, str> {
        Cow::Borrowed(tree[id].span.of(source))
    }

    /// Writes the ciphertext `enc` in the place of the comment `id`.
    fn encrypted_comment(
        &self,
        _source: &str,
        tree: &Tree,
        id: NodeId,
        enc: String,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(Edit::new(tree[id].span, enc));
    }

    /// Changes a comment that stays in the clear, if other programs could not read it as it is written.
    fn kept_comment(&self, _source: &str, _tree: &Tree, _id: NodeId, _edits: &mut Vec<Edit>) {}

    /// Writes `text` in the place of the comment `id`, which holds its ciphertext.
    fn restored_comment(
        &self,
        _source: &str,
        tree: &Tree,
        id: NodeId,
        text: &str,
        edits: &mut Vec<Edit>,
    ) {
        edits.push(Edit::new(tree[id].span, text.to_owned()));
    }

    /// Writes comments in the place of the list items that hold their ciphertexts.
    fn restored_comment_items(
        &self,
        _source: &str,
        _tree: &Tree,
        _items: &[CommentItem],
        _edits: &mut Vec<Edit>,
    ) {
    }

    /// Returns the edits that add the metadata to every document (there is none yet).
    fn insert_metadata(&self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit>;

    /// Returns the edits that replace the metadata of every document where it stands.
    fn replace_metadata(&self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit>;

    /// Returns the edits that cut the metadata out of every document; what [`Engine::insert_metadata`] added is gone
    /// to the byte.
    fn remove_metadata(&self, source: &str, tree: &Tree) -> Vec<Edit>;

    /// Returns the metadata that stands in `value`, the value of the entry that
    /// [`Tree::metadata_entry`](crate::tree::Tree::metadata_entry) finds.
    fn metadata(&self, source: &str, tree: &Tree, value: NodeId) -> Raw {
        Raw::from_tree(source, tree, value)
    }

    /// Writes a value of `tree`, which may be that of another format, in the style of the reference: with a line break
    /// at its end, unless the format prints single values without one.
    fn emit(
        &self,
        source: &str,
        tree: &Tree,
        node: NodeId,
        style: &EmitStyle<'_>,
    ) -> Result<String, EmitError>;
}
