//! File formats: from text to a [`Tree`] with spans, and from values back to text.
//!
//! A format never writes a file. Its [`Engine`] says which bytes a node occupies and what text stands for a value at
//! that place; [`edit::splice`] copies everything else through.

pub(crate) mod conflict_markers;
pub(crate) mod dotenv;
pub(crate) mod edit;
mod emit_error;
mod engine;
pub(crate) mod ini;
pub(crate) mod json;
mod syntax_error;
pub(crate) mod text_value;
pub(crate) mod yaml;

pub use emit_error::EmitError;
pub(crate) use engine::{EmitStyle, Engine};
pub use syntax_error::{SyntaxError, SyntaxErrorKind};

use std::path::Path;

use crate::{
    secret::SecretText,
    tree::{NodeId, Tree},
};

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

impl Format {
    /// Returns what reads and writes the format. An encrypted binary file is JSON.
    pub(crate) fn engine(self) -> &'static dyn Engine {
        match self {
            Self::Yaml => &yaml::Yaml,
            Self::Json | Self::Binary => &json::Json,
            Self::Dotenv => &dotenv::Dotenv,
            Self::Ini => &ini::Ini,
        }
    }

    /// Parses a text that is valid UTF-8 and below 4 GiB.
    pub(crate) fn parse(self, source: &str, options: ParseOptions) -> Result<Tree, SyntaxError> {
        self.engine().parse(source, options)
    }
}
