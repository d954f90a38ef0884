//! File formats: from text to a [`Tree`] with spans, and from values back to text.
//!
//! A format never writes a file. It says which bytes a node occupies ([`Format::parse`]) and what text stands for a
//! value at that place ([`Format::encrypted`], [`Format::restored`]); [`edit::splice`] copies everything else through.

pub(crate) mod conflict_markers;
pub(crate) mod edit;
mod emit_error;
pub(crate) mod json;
mod syntax_error;
pub(crate) mod yaml;

pub use emit_error::EmitError;
pub use syntax_error::{SyntaxError, SyntaxErrorKind};

use std::path::Path;

use crate::{
    metadata::Raw,
    secret::SecretText,
    tree::{NodeId, Tree, ValueRef},
};
use edit::Edit;

/// A file format that SOPS knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// YAML, as Go's yaml v3 reads it.
    Yaml,
    /// JSON with an object on top.
    Json,
    /// `KEY=value` lines.
    Dotenv,
    /// INI sections.
    Ini,
    /// Any bytes, as one value.
    Binary,
}

impl Format {
    /// Returns the format of a file by the end of its name, as the reference does: `.yaml` and `.yml`, `.json`, `.env`
    /// and `.ini`, in lower case; everything else is binary.
    #[must_use]
    pub fn from_path(path: &Path) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        let ends = |suffix: &[u8]| name.ends_with(suffix);
        if ends(b".yaml") || ends(b".yml") {
            Self::Yaml
        } else if ends(b".json") {
            Self::Json
        } else if ends(b".env") {
            Self::Dotenv
        } else if ends(b".ini") {
            Self::Ini
        } else {
            Self::Binary
        }
    }

    /// Returns the format of a name, as `--input-type` takes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Yaml,
            Self::Json,
            Self::Dotenv,
            Self::Ini,
            Self::Binary,
        ]
        .into_iter()
        .find(|format| format.name() == name)
    }

    /// Returns the name of the format, as `--input-type` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
            Self::Binary => "binary",
        }
    }
}

/// How to parse.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ParseOptions {
    /// Attach comments as if every document were followed by one more root key. That is where the `sops` block will
    /// stand, and whoever reads the encrypted file attaches the comments before it differently from those at the end
    /// of a file. Set for plaintext that is going to be encrypted.
    pub(crate) before_root_key: bool,
}

/// A list item that holds the ciphertext of a comment: so the reference writes comments that stand in lists.
#[derive(Debug)]
pub(crate) struct CommentItem {
    pub(crate) id: NodeId,
    /// The text of the comment, without its `#`.
    pub(crate) text: SecretText,
}

// Dispatch to yaml/ and json/: see those modules for the functions of the same names.
impl Format {
    /// Parses a text that is valid UTF-8 and below 4 GiB.
    pub(crate) fn parse(self, source: &str, options: ParseOptions) -> Result<Tree, SyntaxError> {
        match self {
            Self::Yaml => yaml::parse(source, options),
            Self::Json => json::parse(source),
            Self::Dotenv | Self::Ini | Self::Binary => {
                unreachable!("refused when the file is opened")
            }
        }
    }

    /// Writes the ciphertext `enc` in the place of the scalar `id`, in the style it has.
    pub(crate) fn encrypted(
        self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        enc: &str,
        edits: &mut Vec<Edit>,
    ) {
        match self {
            Self::Yaml => yaml::render::encrypted(source, tree, id, enc, edits),
            _ => edits.push(json::render::encrypted(tree, id, enc)),
        }
    }

    /// Writes `value` in the place of the scalar `id`, which holds its ciphertext.
    pub(crate) fn restored(
        self,
        source: &str,
        tree: &Tree,
        id: NodeId,
        value: ValueRef<'_>,
        edits: &mut Vec<Edit>,
    ) {
        match self {
            Self::Yaml => yaml::render::restored(source, tree, id, value, edits),
            _ => edits.push(json::render::restored(tree, id, value)),
        }
    }

    /// Writes comments in the place of the list items that hold their ciphertexts.
    pub(crate) fn restored_comment_items(
        self,
        source: &str,
        tree: &Tree,
        items: &[CommentItem],
        edits: &mut Vec<Edit>,
    ) {
        match self {
            Self::Yaml => yaml::comment_item::restored(source, tree, items, edits),
            _ => json::comment_item::removed(tree, items, edits),
        }
    }

    /// Returns the edits that add the metadata as key `sops` to every document (there is none yet).
    pub(crate) fn insert_metadata(self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        match self {
            Self::Yaml => yaml::metadata_block::insert(source, tree, metadata),
            _ => json::metadata_block::insert(source, tree, metadata),
        }
    }

    /// Returns the edits that replace the metadata of every document where it stands.
    pub(crate) fn replace_metadata(self, source: &str, tree: &Tree, metadata: &Raw) -> Vec<Edit> {
        match self {
            Self::Yaml => yaml::metadata_block::replace(source, tree, metadata),
            _ => json::metadata_block::replace(source, tree, metadata),
        }
    }

    /// Returns the edits that cut the key `sops` out of every document; what [`Format::insert_metadata`] added is
    /// gone to the byte.
    pub(crate) fn remove_metadata(self, source: &str, tree: &Tree) -> Vec<Edit> {
        match self {
            Self::Yaml => yaml::metadata_block::remove(source, tree),
            _ => json::metadata_block::remove(source, tree),
        }
    }
}
