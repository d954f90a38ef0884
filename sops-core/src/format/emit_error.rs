//! Why a tree cannot be written in a format.

use super::Format;

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
    /// Formats other than YAML hold one document.
    #[error("the file has several documents, and {} holds one", .format.name())]
    SeveralDocuments {
        /// The format.
        format: Format,
    },
    /// INI holds nothing but sections at the top level.
    #[error("{path} stands outside of sections, and ini has no place for it")]
    OutsideSections {
        /// The path of the value.
        path: String,
    },
    /// A binary file is one text under the key `data`.
    #[error("no binary data found: a binary file is one text under the key `data`")]
    NotBinary,
    /// The format holds no maps and lists inside each other, or not so deep.
    #[error("{path} holds other values, and {} has no place for them", .format.name())]
    Nested {
        /// The path of the map or list.
        path: String,
        /// The format.
        format: Format,
    },
}
