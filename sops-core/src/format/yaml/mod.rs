//! YAML as Go's yaml v3 reads it, with spans.

pub(crate) mod comment_item;
pub(crate) mod metadata_block;
pub(crate) mod render;
mod resolve;

use crate::{
    format::{ParseOptions, SyntaxError},
    tree::Tree,
};

pub(crate) fn parse(_source: &str, _options: ParseOptions) -> Result<Tree, SyntaxError> {
    todo!()
}
