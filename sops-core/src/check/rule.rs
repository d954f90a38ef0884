//! A selector, compiled.

use std::fmt;

use regex::Regex;

use crate::crypto::select::Selector;

/// Tells which leaves are encrypted, step by step down the tree.
#[derive(Debug)]
pub(super) struct LeafRule {
    selector: Selector,
    regex: Option<Regex>,
}

impl LeafRule {
    /// Compiles a selector; fails on an invalid regular expression.
    pub(super) fn new(selector: &Selector) -> Result<Self, String> {
        let selector = selector.normalized();
        let regex = match &selector {
            Selector::UnencryptedRegex(pattern)
            | Selector::EncryptedRegex(pattern)
            | Selector::UnencryptedCommentRegex(pattern)
            | Selector::EncryptedCommentRegex(pattern) => {
                Some(Regex::new(pattern).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        Ok(Self { selector, regex })
    }

    /// Returns whether a key puts the rule in force for all below it.
    pub(super) fn matches_key(&self, key: &[u8]) -> bool {
        match &self.selector {
            Selector::UnencryptedSuffix(suffix) | Selector::EncryptedSuffix(suffix) => {
                key.ends_with(suffix.as_bytes())
            }
            Selector::UnencryptedRegex(_) | Selector::EncryptedRegex(_) => {
                self.regex_matches(&String::from_utf8_lossy(key))
            }
            _ => false,
        }
    }

    /// Returns whether a comment puts the rule in force for the item behind it.
    pub(super) fn matches_comment(&self, comment: &str) -> bool {
        match &self.selector {
            Selector::UnencryptedCommentRegex(_) | Selector::EncryptedCommentRegex(_) => {
                self.regex_matches(comment)
            }
            _ => false,
        }
    }

    /// Returns whether a leaf is encrypted for which the rule is in force, or not.
    pub(super) fn encrypts(&self, in_force: bool) -> bool {
        match &self.selector {
            Selector::EncryptedSuffix(_)
            | Selector::EncryptedRegex(_)
            | Selector::EncryptedCommentRegex(_) => in_force,
            _ => !in_force,
        }
    }

    fn regex_matches(&self, text: &str) -> bool {
        self.regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
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
