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
