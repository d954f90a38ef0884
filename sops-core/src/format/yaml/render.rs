//! Scalars back to text.

use crate::{
    format::edit::Edit,
    tree::{NodeId, Tree, ValueRef},
};

pub(crate) fn encrypted(_source: &str, _tree: &Tree, _id: NodeId, _enc: &str) -> Edit {
    todo!()
}

pub(crate) fn restored(_source: &str, _tree: &Tree, _id: NodeId, _value: ValueRef<'_>) -> Edit {
    todo!()
}
