//! The `sops` block of a JSON document.

use crate::{format::edit::Edit, metadata::Raw, tree::Tree};

pub(crate) fn insert(_source: &str, _tree: &Tree, _metadata: &Raw) -> Vec<Edit> {
    todo!()
}

pub(crate) fn replace(_source: &str, _tree: &Tree, _metadata: &Raw) -> Vec<Edit> {
    todo!()
}

pub(crate) fn remove(_source: &str, _tree: &Tree) -> Vec<Edit> {
    todo!()
}
