//! Scalars back to text.

use crate::{
    format::edit::Edit,
    tree::{NodeId, Tree, ValueRef},
};

pub(crate) fn encrypted(
    _source: &str,
    _tree: &Tree,
    _id: NodeId,
    _enc: &str,
    _edits: &mut Vec<Edit>,
) {
    todo!()
}

pub(crate) fn restored(
    _source: &str,
    _tree: &Tree,
    _id: NodeId,
    _value: ValueRef<'_>,
    _edits: &mut Vec<Edit>,
) {
    todo!()
}
