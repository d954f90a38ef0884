//! YAML as Go's yaml v3 reads it, with spans.
//!
//! The files, in the order of the data:
//!
//! - *Scanner*, text to tokens: [`characters`], [`token`], [`scanner`] with [`fetch`] (one token after the other),
//!   [`indentation`], [`simple_keys`] (keys without a `?`), [`scalars`], [`tags`], and [`comments`] (which comment belongs to
//!   what).
//! - *Parser*, tokens to events: [`event`], [`parser`] with [`document_events`], [`block_events`], [`flow_events`].
//! - *Tree*, events to nodes: [`compose`] with [`anchors`], [`resolve`] (types of scalars), [`mapping_checks`],
//!   [`late_comments`]; [`parts`] does all of it for large texts, on all cores.
//! - *Writing*, in the place of what is there: [`place`], [`properties`], [`render`] with [`quote`], [`plain_value`] and
//!   [`block_scalar`]; [`comment_item`] (comments that stand as list items); [`alias`] with [`flow_copy`] (aliases that are
//!   written out). A whole subtree anew: [`emit`] with [`emitted_scalar`].
//! - *Metadata*: [`metadata_block`] (where the `sops` block is, and how it comes and goes), [`metadata_text`].
//!
//! [`engine`] puts all of it behind the joint of the formats.

pub(crate) mod alias;
mod anchors;
mod block_events;
pub(crate) mod block_scalar;
mod characters;
mod comment_item;
mod comments;
mod compose;
mod document_events;
mod emit;
mod emitted_scalar;
mod engine;
mod event;
#[cfg(test)]
mod event_tests;
mod fetch;
mod flow_copy;
mod flow_events;
mod indentation;
mod late_comments;
mod mapping_checks;
pub(crate) mod metadata_block;
mod metadata_text;
mod parser;
mod parts;
pub(crate) mod place;
mod plain_value;
mod properties;
mod quote;
pub(crate) mod render;
mod resolve;
#[cfg(test)]
mod rewriting_tests;
mod scalars;
mod scanner;
mod simple_keys;
#[cfg(test)]
mod suite_tests;
mod tags;
#[cfg(test)]
mod tests;
mod token;
#[cfg(test)]
mod tree_tests;

pub(crate) use engine::Yaml;

use crate::{
    format::{ParseOptions, SyntaxError},
    tree::Tree,
};
use scanner::Scanner;
use token::TokenKind;

/// Parses a text into its tree.
pub(crate) fn parse(source: &str, options: ParseOptions) -> Result<Tree, SyntaxError> {
    match parts::parse(source, options.before_root_key) {
        Some(tree) => Ok(tree),
        None => compose::compose(source, options.before_root_key),
    }
}

/// Returns where a `%YAML` directive stands that the reference refuses: it knows version 1.1 only.
pub(crate) fn unreadable_directive(source: &str) -> Option<usize> {
    if !source.contains("%YAML") {
        return None;
    }
    let mut scanner = Scanner::new(source, false);
    loop {
        let token = scanner.peek().ok()?;
        match token.kind {
            TokenKind::VersionDirective(1) => {}
            TokenKind::VersionDirective(_) => return Some(token.start.index),
            TokenKind::StreamEnd => return None,
            _ => {}
        }
        scanner.take();
    }
}
