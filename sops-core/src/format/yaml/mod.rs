//! YAML as Go's yaml v3 reads it, with spans.

mod block_scalar;
mod characters;
mod comment_item;
mod comments;
mod compose;
mod emit;
mod emitted_scalar;
mod engine;
#[cfg(test)]
mod event_tests;
mod flow_copy;
mod metadata_block;
mod metadata_text;
mod parser;
mod place;
mod plain_value;
mod properties;
mod quote;
pub(crate) mod render;
mod resolve;
#[cfg(test)]
mod rewriting_tests;
mod scalars;
mod scanner;
#[cfg(test)]
mod suite_tests;
mod tags;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;

pub(crate) use engine::Yaml;

use crate::{
    format::{ParseOptions, SyntaxError},
    tree::Tree,
};

/// Parses a text into its tree.
pub(crate) fn parse(source: &str, options: ParseOptions) -> Result<Tree, SyntaxError> {
    compose::compose(source, options.before_root_key)
}

/// Returns where a `%YAML` directive stands that the reference refuses.
pub(crate) fn unreadable_directive(source: &str) -> Option<usize> {
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        if let Some(version) = line.strip_prefix("%YAML")
            && version
                .split(['#', '\r', '\n'])
                .next()
                .is_some_and(|version| version.trim() != "1.1")
        {
            return Some(offset);
        }
        offset += line.len();
    }
    None
}
