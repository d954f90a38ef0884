//! What can be wrong with one leaf.

use crate::tree::NodeId;

/// A leaf that could not be encrypted or decrypted, or a reason to stop at it.
#[derive(Debug)]
pub(crate) struct LeafError {
    /// The node to name in the message; for a copy made by an alias, the alias.
    pub(crate) node: NodeId,
    pub(crate) problem: LeafProblem,
}

/// Why a leaf could not be encrypted or decrypted. Never holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafProblem {
    /// An integer of 2^63 to 2^64-1.
    #[error("the integer does not fit in 64 bits with a sign")]
    IntegerTooLarge,
    /// A leaf that must be encrypted, and is not a text.
    #[error("expected an encrypted value, found an unencrypted number, boolean or time")]
    NotText,
    /// A leaf that must be encrypted, and is a text without `ENC[…]`.
    #[error("expected an encrypted value (ENC[AES256_GCM,…]), found unencrypted text")]
    NotEncrypted,
    /// `ENC[…]` that is cut, or not base64.
    #[error(
        "the encrypted value is damaged: it is not ENC[AES256_GCM,data:…,iv:…,tag:…,type:…] with valid base64"
    )]
    Damaged,
    /// The tag does not fit: changed, moved to another key, or another data key.
    #[error(
        "the encrypted value was changed, moved from another key, or encrypted with another data key"
    )]
    Authentication,
    /// The tag does not fit, and neither does that of the MAC.
    #[error(
        "neither it nor the MAC can be decrypted with the data key that was recovered: that is the data key of another file, or it was put together from shares of several"
    )]
    OtherDataKey,
    /// A type that is not known.
    #[error("the type of the encrypted value is not one of str, int, float, bool, time, comment")]
    UnknownType,
    /// A plaintext that is not of its type.
    #[error("the decrypted text is not of the type that the encrypted value claims")]
    BadPlaintext,
    /// An encrypted comment where a value must be.
    #[error("an encrypted comment stands where a value must be")]
    CommentAsValue,
    /// `unencrypted_comment_regex` matches the ciphertext of a comment.
    #[error(
        "unencrypted_comment_regex matches the encrypted comment, which would change what it governs"
    )]
    CommentMatchesSelector,
    /// A comment behind an alias that would be about another value when the alias is written out.
    #[error(
        "what the alias stands for has to be written out, and the comment behind it would be about its first value only"
    )]
    CommentOfAlias,
    /// A value that was encrypted, and would be written in the clear, though nobody asked for it.
    #[error(
        "it was encrypted, and no comment says so any more: a comment was moved, changed or taken away since, and the file would now have this value in the clear"
    )]
    Orphan,
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// More bytes than one encrypted value can have.
    #[error("the value is too long to be encrypted as one")]
    TooLong,
    /// Aliases expand to too many nodes.
    #[error("aliases expand to more nodes than can be handled")]
    TooManyNodes,
}

impl LeafProblem {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::IntegerTooLarge => Some("quote it, so that it is a text"),
            Self::NotText | Self::NotEncrypted => Some(
                "restore the value from the history of the file, or take it out; then put the new one in with `sops edit --ignore-mac`",
            ),
            Self::Damaged | Self::Authentication | Self::UnknownType | Self::BadPlaintext => {
                Some("restore this value from the history of the file")
            }
            Self::OtherDataKey => Some(
                "restore the `sops` block, with the `enc` of each key, from the history of the file",
            ),
            Self::CommentAsValue => {
                Some("remove the line, or restore it from the history of the file")
            }
            Self::CommentMatchesSelector => {
                Some("make the regex match nothing that starts with ENC[")
            }
            Self::CommentOfAlias => Some("put the comment on a line of its own, before the key"),
            Self::Orphan => Some(
                "restore the comment from the history of the file, or put it back with `sops edit`; or decrypt the file, look at it, and encrypt it anew",
            ),
            Self::NoRandomness | Self::TooLong => None,
            Self::TooManyNodes => {
                Some("write the repeated values out, or use fewer nested aliases")
            }
        }
    }
}
