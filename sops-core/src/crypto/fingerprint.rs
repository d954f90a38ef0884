//! A digest of everything a reader of a document gets: each leaf's path, type and value, in order.

use std::{
    hash::{BuildHasher, Hasher},
    sync::OnceLock,
};

use foldhash::quality::{FoldHasher, RandomState};

use super::{
    select::Matcher,
    walk::{Place, Visitor, walk},
};
use crate::tree::{NodeId, Scalar, Tree, ValueRef};

/// Collects leaves; two documents with the same fingerprint have the same leaves, but for about one chance in 2^64: the hash
/// has a random key. Unlike the MAC it covers paths and types, keeps neighbours apart, and never leaves this process.
/// It is there to find mistakes of ours; against those who change files there is the MAC.
pub(crate) struct Fingerprint {
    hash: FoldHasher<'static>,
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
        self.hash.write_usize(path.len());
        self.hash.write(path);
        self.hash.write(value.type_word().as_bytes());
        self.hash.write_usize(self.plaintext.len());
        self.hash.write(&self.plaintext);
    }

    pub(crate) fn finish(self) -> u64 {
        self.hash.finish()
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        /// One key for the whole process: fingerprints are compared with each other.
        static KEY: OnceLock<RandomState> = OnceLock::new();
        Self {
            hash: KEY.get_or_init(RandomState::default).build_hasher(),
            plaintext: zeroize::Zeroizing::default(),
        }
    }
}
