//! Why a tree cannot be written in a format.

/// A tree that a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// JSON has no infinite numbers, and none that are no number.
    #[error("{path} is an infinite number, or none: JSON cannot hold it")]
    NotFinite {
        /// The path of the number.
        path: String,
    },
    /// Aliases expand to too many nodes.
    #[error("aliases expand to more nodes than can be written")]
    TooManyNodes,
    /// JSON holds one document.
    #[error("the file has several documents, and JSON holds one")]
    SeveralDocuments,
}
