//! Which leaves are encrypted.

use std::fmt;

use super::re2::{self, Regex, RegexError};

/// Which leaves of a file are encrypted: at most one of these per file.
///
/// Suffixes and regexes are tested on every key of a leaf's path, each alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selector {
    /// All but those below a key with this suffix. The default is `_unencrypted`.
    UnencryptedSuffix(String),
    /// Those below a key with this suffix.
    EncryptedSuffix(String),
    /// All but those below a key that matches.
    UnencryptedRegex(String),
    /// Those below a key that matches.
    EncryptedRegex(String),
    /// All but those that a matching comment governs.
    UnencryptedCommentRegex(String),
    /// Those that a matching comment governs.
    EncryptedCommentRegex(String),
    /// All: the binary store has no selector.
    All,
}

impl Default for Selector {
    fn default() -> Self {
        Self::UnencryptedSuffix("_unencrypted".to_owned())
    }
}

impl Selector {
    /// The keys of the six selectors in metadata and creation rules.
    pub(crate) const KEYS: [&'static str; 6] = [
        "encrypted_suffix",
        "unencrypted_suffix",
        "encrypted_regex",
        "unencrypted_regex",
        "encrypted_comment_regex",
        "unencrypted_comment_regex",
    ];

    /// Returns the selector that `key` names, or `None` if it names none.
    pub(crate) fn from_key(key: &str, text: String) -> Option<Self> {
        Some(match key {
            "encrypted_suffix" => Self::EncryptedSuffix(text),
            "unencrypted_suffix" => Self::UnencryptedSuffix(text),
            "encrypted_regex" => Self::EncryptedRegex(text),
            "unencrypted_regex" => Self::UnencryptedRegex(text),
            "encrypted_comment_regex" => Self::EncryptedCommentRegex(text),
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex(text),
            _ => return None,
        })
    }

    /// Returns the key of the selector in metadata and creation rules; `None` for [`Selector::All`].
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        Some(match self {
            Self::EncryptedSuffix(_) => "encrypted_suffix",
            Self::UnencryptedSuffix(_) => "unencrypted_suffix",
            Self::EncryptedRegex(_) => "encrypted_regex",
            Self::UnencryptedRegex(_) => "unencrypted_regex",
            Self::EncryptedCommentRegex(_) => "encrypted_comment_regex",
            Self::UnencryptedCommentRegex(_) => "unencrypted_comment_regex",
            Self::All => return None,
        })
    }

    /// Returns the suffix or regex; empty for [`Selector::All`].
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::EncryptedSuffix(text)
            | Self::UnencryptedSuffix(text)
            | Self::EncryptedRegex(text)
            | Self::UnencryptedRegex(text)
            | Self::EncryptedCommentRegex(text)
            | Self::UnencryptedCommentRegex(text) => text,
            Self::All => "",
        }
    }

    /// Returns the selector, or the default one if its suffix or regex is empty: empty is as good as not given.
    #[must_use]
    pub fn normalized(&self) -> Self {
        match self {
            Self::All => Self::All,
            given if given.text().is_empty() => Self::default(),
            given => given.clone(),
        }
    }

    /// Returns the keys for messages: `a, b, or c`.
    pub(crate) fn list_of_keys() -> String {
        let [first @ .., last] = Self::KEYS;
        format!("{}, or {last}", first.join(", "))
    }
}

impl Selector {
    /// Makes the selector ready for a walk.
    ///
    /// # Errors
    ///
    /// Fails on a regular expression that is not one of Go's. (The reference takes such a one for "matches nothing",
    /// so that `encrypted_regex: '('` leaves all in clear.)
    pub(crate) fn compile(&self) -> Result<Matcher, SelectorError> {
        let selector = self.normalized();
        let regex = |pattern: &str| {
            re2::compile(pattern).map_err(|mut error| {
                // That is about names of files, and these are names of keys.
                if pattern.starts_with('*') {
                    error.hint = Some(format!(
                        "this is a regular expression, not a glob: write {} for every key with that in it",
                        pattern.trim_matches('*')
                    ));
                }
                SelectorError {
                    key: selector.key().unwrap_or_default(),
                    error,
                }
            })
        };
        Ok(Matcher(match &selector {
            Self::UnencryptedSuffix(suffix) => Rule::UnlessKey(Test::Suffix(suffix.clone())),
            Self::EncryptedSuffix(suffix) => Rule::IfKey(Test::Suffix(suffix.clone())),
            Self::UnencryptedRegex(pattern) => Rule::UnlessKey(Test::Regex(regex(pattern)?)),
            Self::EncryptedRegex(pattern) => Rule::IfKey(Test::Regex(regex(pattern)?)),
            Self::UnencryptedCommentRegex(pattern) => Rule::UnlessComment(regex(pattern)?),
            Self::EncryptedCommentRegex(pattern) => Rule::IfComment(regex(pattern)?),
            Self::All => Rule::All,
        }))
    }
}

/// The selector as the metadata write it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key() {
            Some(key) => write!(f, "{key} {:?}", self.text()),
            None => f.write_str("all values"),
        }
    }
}

/// A [`Selector`] ready for a walk over a tree.
///
/// A walk tests each key once, with [`key`](Self::key), and each comment once, with [`comment`](Self::comment), and
/// keeps two booleans for each level of nesting:
///
/// - whether *any key from the root down to here* matched. Every key counts, each alone; positions in lists do not.
///   It never becomes false again below, hence "any suffix or regex match decides for all that is below".
/// - whether *a comment in force here* matched: on this level or any above, one that stands, in the order of the tree,
///   after the previous item of its level and before the current one. Whatever is an item (a null, an empty mapping or
///   list, an empty text included) ends the force of the comments of its own level when it has been visited, not of
///   those above. Each document starts with none.
///
/// For a value, [`selected`](Self::selected) of the two is the answer. For a comment, see
/// [`comment_selected`](Self::comment_selected).
#[derive(Clone, Debug)]
pub(crate) struct Matcher(Rule);

#[derive(Clone, Debug)]
enum Rule {
    IfKey(Test),
    UnlessKey(Test),
    IfComment(Regex),
    UnlessComment(Regex),
    All,
}

#[derive(Clone, Debug)]
enum Test {
    Suffix(String),
    Regex(Regex),
}

impl Matcher {
    /// Returns the matcher that selects everything.
    pub(crate) fn all() -> Self {
        Self(Rule::All)
    }

    /// Returns whether comments say what is encrypted.
    pub(crate) fn is_by_comment(&self) -> bool {
        matches!(self.0, Rule::IfComment(_) | Rule::UnlessComment(_))
    }

    /// Returns whether a key matches; false for the selectors that look at comments.
    pub(crate) fn key(&self, key: &[u8]) -> bool {
        match &self.0 {
            Rule::IfKey(test) | Rule::UnlessKey(test) => match test {
                Test::Suffix(suffix) => key.ends_with(suffix.as_bytes()),
                Test::Regex(regex) => regex.is_match(key),
            },
            Rule::IfComment(_) | Rule::UnlessComment(_) | Rule::All => false,
        }
    }

    /// Returns whether a comment matches, given the text after its `#`; false for the selectors that look at keys.
    pub(crate) fn comment(&self, text: &[u8]) -> bool {
        match &self.0 {
            Rule::IfComment(regex) | Rule::UnlessComment(regex) => regex.is_match(text),
            Rule::IfKey(_) | Rule::UnlessKey(_) | Rule::All => false,
        }
    }

    /// Returns whether a value is encrypted, given whether any key of its path matched and whether a comment in force
    /// for it did.
    pub(crate) fn selected(&self, any_key_matched: bool, comment_in_force_matches: bool) -> bool {
        match &self.0 {
            Rule::IfKey(_) => any_key_matched,
            Rule::UnlessKey(_) => !any_key_matched,
            Rule::IfComment(_) => comment_in_force_matches,
            Rule::UnlessComment(_) => !comment_in_force_matches,
            Rule::All => true,
        }
    }

    /// Returns whether a comment is encrypted.
    ///
    /// `any_key_matched` is about the keys down to the mapping or list that holds it: at the top level there is none,
    /// so a comment there is never encrypted by `encrypted_suffix` and `encrypted_regex`, and always with
    /// `unencrypted_suffix` and `unencrypted_regex`, whatever they match. `earlier_comment_matches` is about the
    /// comments in force just before it, `itself_matches` is its own [`comment`](Self::comment).
    ///
    /// A comment that matches `unencrypted_comment_regex` stays clear, like what it governs. One that matches
    /// `encrypted_comment_regex` stays clear too, so that its meaning can be found again; unless an earlier comment
    /// already selects it.
    pub(crate) fn comment_selected(
        &self,
        any_key_matched: bool,
        earlier_comment_matches: bool,
        itself_matches: bool,
    ) -> bool {
        let comment_in_force_matches = match &self.0 {
            Rule::UnlessComment(_) => earlier_comment_matches || itself_matches,
            _ => earlier_comment_matches,
        };
        self.selected(any_key_matched, comment_in_force_matches)
    }

    /// Returns whether an encrypted comment would be taken for a clear one when the file is read again, because its
    /// ciphertext matches `unencrypted_comment_regex`. A walk that encrypts must refuse to write it.
    pub(crate) fn mistakes_for_clear(&self, encrypted_comment: &str) -> bool {
        match &self.0 {
            Rule::UnlessComment(regex) => regex.is_match(encrypted_comment.as_bytes()),
            _ => false,
        }
    }
}

/// A selector whose regular expression is not one of Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {error}")]
#[non_exhaustive]
pub struct SelectorError {
    /// The selector, as metadata and creation rules name it.
    pub key: &'static str,
    /// What is wrong with the regular expression.
    pub error: RegexError,
}

impl SelectorError {
    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.error.hint.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(key: &str, text: &str) -> Matcher {
        Selector::from_key(key, text.to_owned())
            .expect("a selector")
            .compile()
            .expect("valid")
    }

    /// Whether a leaf below `path` is encrypted.
    fn selects(matcher: &Matcher, path: &[&str]) -> bool {
        let any = path.iter().any(|key| matcher.key(key.as_bytes()));
        matcher.selected(any, false)
    }

    #[test]
    fn suffixes() {
        let default = Selector::default().compile().expect("valid");
        assert!(selects(&default, &["a"]));
        assert!(!selects(&default, &["a_unencrypted"]));
        assert!(!selects(&default, &["a_unencrypted", "b"]));
        assert!(!selects(&default, &["a", "b_unencrypted"]));
        assert!(selects(&default, &["_unencrypted_a", "_UNENCRYPTED"]));
        let encrypted = matcher("encrypted_suffix", "_enc");
        assert!(selects(&encrypted, &["a_enc", "b"]));
        assert!(!selects(&encrypted, &["a", "enc"]));
        assert!(!selects(&encrypted, &[]));
    }

    #[test]
    fn regexes_see_each_key_alone() {
        let encrypted = matcher("encrypted_regex", "^(data|stringData)$");
        assert!(selects(&encrypted, &["data", "x"]));
        assert!(selects(&encrypted, &["x", "stringData"]));
        assert!(!selects(&encrypted, &["metadata"]));
        assert!(!selects(&encrypted, &["da", "ta"]));
        assert!(!selects(&matcher("encrypted_regex", "b:a"), &["b", "a"]));
        assert!(!selects(&matcher("encrypted_regex", "b.a"), &["b", "a"]));
        assert!(!selects(
            &matcher("unencrypted_regex", "^k"),
            &["x", "kind"]
        ));
        assert!(selects(&matcher("unencrypted_regex", "^k"), &["x", "i_k"]));
        assert!(encrypted.key(b"data") && !encrypted.key(b"data\xff"));
    }

    #[test]
    fn empty_is_as_good_as_not_given() {
        for key in Selector::KEYS {
            let matcher = matcher(key, "");
            assert!(selects(&matcher, &["a"]), "{key}");
            assert!(!selects(&matcher, &["a_unencrypted"]), "{key}");
        }
        assert!(selects(
            &Selector::All.compile().expect("valid"),
            &["a_unencrypted"]
        ));
    }

    #[test]
    fn invalid_regexes_are_refused() {
        for key in Selector::KEYS
            .into_iter()
            .filter(|key| key.ends_with("regex"))
        {
            for pattern in ["(", "[", "a**", "^(?!prod)", "\\1", "(?<=x)y", "a{1001}"] {
                let error = Selector::from_key(key, pattern.to_owned())
                    .expect("a selector")
                    .compile()
                    .expect_err(pattern);
                assert_eq!(error.key, key);
                assert!(error.to_string().contains("character"), "{error}");
            }
        }
        assert!(Selector::EncryptedSuffix("(".to_owned()).compile().is_ok());
    }

    #[test]
    fn comments_at_the_top_have_no_path() {
        assert!(!matcher("encrypted_regex", ".*").comment_selected(false, false, false));
        assert!(!matcher("encrypted_suffix", "x").comment_selected(false, false, false));
        assert!(matcher("unencrypted_regex", ".*").comment_selected(false, false, false));
        assert!(
            Selector::default()
                .compile()
                .expect("valid")
                .comment_selected(false, false, false)
        );
        assert!(matcher("encrypted_regex", ".*").comment_selected(true, false, false));
    }

    #[test]
    fn comment_selectors() {
        let encrypted = matcher("encrypted_comment_regex", "^ E$");
        assert!(encrypted.comment(b" E"));
        assert!(!encrypted.comment(b"E") && !encrypted.key(b" E"));
        assert!(encrypted.selected(false, true) && !encrypted.selected(true, false));
        // The matching comment itself stays clear, a second one after it does not.
        assert!(!encrypted.comment_selected(false, false, true));
        assert!(encrypted.comment_selected(false, true, true));
        assert!(!encrypted.comment_selected(false, false, false));

        let unencrypted = matcher("unencrypted_comment_regex", "^ E$");
        assert!(!unencrypted.selected(false, true) && unencrypted.selected(true, false));
        assert!(!unencrypted.comment_selected(false, false, true));
        assert!(!unencrypted.comment_selected(false, true, false));
        assert!(unencrypted.comment_selected(false, false, false));
    }

    #[test]
    fn ciphertext_taken_for_a_clear_comment() {
        let enc = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:comment]";
        assert!(matcher("unencrypted_comment_regex", "AES").mistakes_for_clear(enc));
        assert!(!matcher("unencrypted_comment_regex", "^ E").mistakes_for_clear(enc));
        assert!(!matcher("encrypted_comment_regex", "AES").mistakes_for_clear(enc));
    }
}
