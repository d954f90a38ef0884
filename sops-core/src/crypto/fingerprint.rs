//! A digest of everything a reader of a document gets: each leaf's path, type and value, in order.

use sha2::{Digest, Sha512};

use super::{
    select::Matcher,
    walk::{Place, Visitor, walk},
};
use crate::tree::{NodeId, Scalar, Tree, ValueRef};

/// Collects leaves; two documents with the same fingerprint have the same leaves. Unlike the MAC it covers paths and
/// types, keeps neighbours apart, and never leaves this process.
#[derive(Default)]
pub(crate) struct Fingerprint {
    hash: Sha512,
    plaintext: zeroize::Zeroizing<Vec<u8>>,
}

impl Fingerprint {
    /// Returns the fingerprint of a document in the clear.
    pub(crate) fn of(source: &str, tree: &Tree) -> Result<Self, super::LeafError> {
        struct Leaves<'s>(&'s str, Fingerprint);
        impl Visitor for Leaves<'_> {
            type Error = super::LeafError;
            fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), Self::Error> {
                self.1.add(at.additional_data, scalar.value.view(self.0));
                Ok(())
            }
            fn comment(&mut self, _: &Place<'_>) -> Result<(), Self::Error> {
                Ok(())
            }
            fn too_many_nodes(&mut self, node: NodeId) -> Self::Error {
                super::LeafError {
                    node,
                    problem: super::LeafProblem::TooManyNodes,
                }
            }
        }
        let mut leaves = Leaves(source, Self::default());
        walk(source, tree, &Matcher::all(), &mut leaves)?;
        Ok(leaves.1)
    }

    /// Adds a leaf.
    pub(crate) fn add(&mut self, path: &[u8], value: ValueRef<'_>) {
        // An empty document: there is a null, or nothing but metadata.
        if path.is_empty() {
            return;
        }
        self.plaintext.clear();
        value.plaintext(&mut self.plaintext);
        let length = |bytes: &[u8]| (bytes.len() as u64).to_le_bytes();
        self.hash.update(length(path));
        self.hash.update(path);
        self.hash.update(value.type_word());
        self.hash.update(length(&self.plaintext));
        self.hash.update(&*self.plaintext);
    }

    pub(crate) fn finish(self) -> [u8; 64] {
        self.hash.finalize().into()
    }
}
