//! The error of the library: which stage failed, where, why, and what to do.

use std::fmt;

use crate::{
    crypto::{LeafProblem, select::SelectorError},
    format::{EmitError, Format, SyntaxError},
    keys::KeyringError,
    metadata::MetadataError,
    tree::{PathError, Tree, TreePath, span::Position},
};

/// Why a document could not be read, encrypted or decrypted.
///
/// No message holds a value, a key or a piece of a document. Messages name places, [`Error::hint`] the next step.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not in its format, or holds what SOPS cannot.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// This version does not handle the format.
    #[error("this cannot be done with files of the format {}", .0.name())]
    UnsupportedFormat(Format),
    /// There is a top-level key `sops` in a text that is to be encrypted.
    #[error("the file is encrypted already: it has a top-level key `sops`")]
    AlreadyEncrypted {
        /// Where the key is.
        position: Position,
        /// In which document of the file, counted from 0. The reference tells the first from later ones.
        document: usize,
    },
    /// There is no key `sops` in a text that is to be decrypted.
    #[error("the file is not encrypted: sops metadata not found")]
    NotEncrypted,
    /// The metadata cannot be understood.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The selector cannot be used.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// A leaf cannot be encrypted.
    #[error("cannot encrypt {path}: {problem}")]
    Encrypt {
        /// The path of the leaf.
        path: String,
        /// Where the leaf is in the text.
        position: Position,
        /// What is wrong.
        problem: LeafProblem,
    },
    /// A leaf cannot be decrypted.
    #[error("cannot decrypt {path}: {problem}")]
    Decrypt {
        /// The path of the leaf.
        path: String,
        /// Where the leaf is in the text.
        position: Position,
        /// What is wrong.
        problem: LeafProblem,
    },
    /// The MAC does not fit.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// The data key cannot be wrapped.
    #[error(transparent)]
    Wrap(KeyringError),
    /// The data key cannot be recovered.
    #[error(transparent)]
    Unwrap(KeyringError),
    /// A path cannot be read.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A path leads nowhere.
    #[error("there is no value at {path}")]
    NotFound {
        /// The path.
        path: String,
        /// What there is instead, if that is of help.
        hint: Option<String>,
    },
    /// A value cannot be set or removed.
    #[error("cannot change {path}: {error}")]
    Change {
        /// The path of the value.
        path: String,
        /// Why not.
        error: crate::change::ChangeError,
    },
    /// A format cannot hold what is to be written in it.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The values of a file cannot be environment variables.
    #[error(transparent)]
    Variable(#[from] crate::environment::VariableError),
    /// A document does not have the shape that a type asks for.
    #[error(transparent)]
    Deserialize(#[from] crate::deserialize::DeserializeError),
    /// The new text, read again, is not what was meant; it is not given out.
    #[error("the result, read again, is not what was meant ({0}); nothing was written")]
    Unfaithful(&'static str),
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(String),
}

/// Why a MAC does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MacError {
    /// The metadata has none.
    Missing,
    /// It cannot be decrypted.
    Unreadable,
    /// It is that of other values.
    Mismatch,
}

impl std::error::Error for MacError {}

impl fmt::Display for MacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "MAC mismatch: the metadata has no MAC",
            Self::Unreadable => {
                "MAC mismatch: the MAC cannot be decrypted; it, or `lastmodified`, was changed"
            }
            Self::Mismatch => {
                "MAC mismatch: values were added, removed, reordered or changed since the file was encrypted"
            }
        })
    }
}

/// For people, like `Display`: `fn main() -> Result<(), Error>` shows it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The error of a path that leads nowhere in the first document of a tree.
    pub(crate) fn not_found(text: &str, tree: &Tree, path: &TreePath) -> Self {
        Self::NotFound {
            path: path.to_string(),
            hint: tree.instead_of(text, path),
        }
    }

    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Syntax(error) => error.hint.as_deref(),
            Self::UnsupportedFormat(_) => Some(
                "with YAML, JSON, dotenv and INI files it can be done; name the format with --input-type if the file has one of these",
            ),
            Self::AlreadyEncrypted { .. } => Some(
                "edit it with `sops edit`, or decrypt it first; if it is not encrypted, rename that key",
            ),
            Self::NotEncrypted => Some(
                "encrypt it with `sops encrypt --in-place`, or name the right format with --input-type",
            ),
            Self::Metadata(error) => error.hint.as_deref(),
            Self::Selector(error) => error.error.hint.as_deref(),
            Self::Encrypt { problem, .. } | Self::Decrypt { problem, .. } => problem.hint(),
            Self::Mac(_) => Some(
                "see what changed in the history of the file; if the change is wanted, `sops rotate --in-place --ignore-mac` accepts it, and `sops edit --ignore-mac` shows it",
            ),
            Self::Wrap(error) | Self::Unwrap(error) => error.hint(),
            Self::Unfaithful(_) => {
                Some("please report this, with the structure of the file and made-up values")
            }
            Self::Change { error, .. } => error.hint(),
            Self::NotFound { hint, .. } => hint.as_deref(),
            Self::Variable(crate::environment::VariableError::Nested { .. }) => Some(
                "--flatten gives the values in it names of their own; --only names those that are wanted",
            ),
            Self::Emit(_)
            | Self::Variable(_)
            | Self::Path(_)
            | Self::Deserialize(_)
            | Self::Random(_) => None,
        }
    }

    /// Returns where in the text the problem is, if it is at one place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax(error) => Some(error.position),
            Self::AlreadyEncrypted { position, .. }
            | Self::Encrypt { position, .. }
            | Self::Decrypt { position, .. } => Some(*position),
            _ => None,
        }
    }
}
