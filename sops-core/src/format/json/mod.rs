//! JSON with spans.

pub(crate) mod metadata_block;
pub(crate) mod render;

use crate::{format::SyntaxError, tree::Tree};

pub(crate) fn parse(_source: &str) -> Result<Tree, SyntaxError> {
    todo!()
}
