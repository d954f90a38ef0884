//! A selector, compiled, that knows its name.

use std::fmt;

use super::leaves::MARK;
use crate::crypto::select::{Matcher, Selector, SelectorError};

/// Tells which leaves are encrypted, step by step down the tree.
///
/// A selector looks at keys or at comments, never at both. So one boolean for each level of nesting is enough: whether
/// the rule is in force there.
#[derive(Debug)]
pub(super) struct LeafRule {
    selector: Selector,
    matcher: Matcher,
}

impl LeafRule {
    pub(super) fn new(selector: &Selector) -> Result<Self, SelectorError> {
        Ok(Self {
            matcher: selector.compile()?,
            selector: selector.normalized(),
        })
    }

    /// Returns whether a key puts the rule in force for all below it.
    pub(super) fn matches_key(&self, key: &[u8]) -> bool {
        self.matcher.key(key)
    }

    /// Returns whether a comment puts the rule in force for the item behind it. One that matches is never encrypted.
    pub(super) fn matches_comment(&self, comment: &str) -> bool {
        self.matcher.looks_at_comments()
            && !comment.starts_with(MARK)
            && self.matcher.comment(comment.as_bytes())
    }

    /// Returns whether a leaf is to be encrypted for which the rule is in force, or not.
    pub(super) fn encrypts(&self, in_force: bool) -> bool {
        self.matcher.selected(in_force, in_force)
    }
}

/// The selector as the metadata write it.
impl fmt::Display for LeafRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selector.key() {
            Some(key) => write!(f, "{key} {:?}", self.selector.text()),
            None => f.write_str("the format"),
        }
    }
}
