//! The encrypted leaf at a path, found without decrypting the others.

use super::Unlocked;
use crate::{
    crypto::{EncryptedValue, select::Matcher},
    format::Format,
    tree::{NodeId, NodeKind, Step, Tree, TreePath, ValueRef},
};

/// An encrypted leaf of the first document.
pub(super) struct Leaf<'u> {
    pub(super) node: NodeId,
    /// What its ciphertext is bound to.
    pub(super) additional_data: Vec<u8>,
    pub(super) encrypted: EncryptedValue<'u>,
}

impl Unlocked<'_> {
    /// Returns the leaf at a path. `None` if what is there is no encrypted value, or if it takes the whole file to tell.
    pub(super) fn leaf(&self, path: &TreePath, matcher: &Matcher) -> Option<Leaf<'_>> {
        let text = self.file.text.as_ref();
        let tree = &self.file.tree;
        // Comments before it take a walk.
        if self.file.format == Format::Binary || matcher.is_by_comment() {
            return None;
        }
        let document = tree.documents().next()?;
        let metadata = tree.metadata_entry(text, document);
        let mut node = tree.root(document)?;
        let mut additional_data = Vec::new();
        let mut key_matched = false;
        for step in path.steps() {
            node = match (&tree[node].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    additional_data.extend_from_slice(key.as_bytes());
                    additional_data.push(b':');
                    key_matched |= matcher.key(key.as_bytes());
                    tree.entry(text, node, key).map(|(_, value)| value)
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    let items = || tree.items(node);
                    // It is none in the plaintext, where the others have other indices.
                    let is_comment = |id| {
                        encrypted_value(text, tree, id).is_some_and(|value| value.kind == "comment")
                    };
                    match items().any(is_comment) {
                        true => None,
                        false => items().nth(*index),
                    }
                }
                _ => None,
            }?;
            if metadata.is_some_and(|(_, value)| value == node) {
                return None;
            }
        }
        let encrypted = encrypted_value(text, tree, node)?;
        matcher.selected(key_matched, false).then_some(Leaf {
            node,
            additional_data,
            encrypted,
        })
    }
}

fn encrypted_value<'u>(text: &'u str, tree: &'u Tree, id: NodeId) -> Option<EncryptedValue<'u>> {
    let NodeKind::Scalar(scalar) = &tree[id].kind else {
        return None;
    };
    match scalar.value.view(text) {
        ValueRef::Str(value) => EncryptedValue::parse(value).ok(),
        _ => None,
    }
}
