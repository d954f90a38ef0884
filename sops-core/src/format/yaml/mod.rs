//! YAML as Go's yaml v3 reads it, with spans.

mod block_scalar;
pub(crate) mod comment_item;
mod flow_copy;
pub(crate) mod metadata_block;
mod metadata_text;
mod place;
mod plain_value;
mod properties;
mod quote;
pub(crate) mod render;
mod resolve;

use crate::{
    format::{ParseOptions, SyntaxError},
    tree::Tree,
};

pub(crate) fn parse(_source: &str, _options: ParseOptions) -> Result<Tree, SyntaxError> {
    todo!()
}
