//! Which leaves are encrypted.

/// Which leaves of a file are encrypted: at most one of these per file.
///
/// Suffixes and regexes are tested on every key of a leaf's path, each alone.
#[derive(Clone, Debug, PartialEq, Eq)]
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
