#![allow(missing_docs, dead_code, clippy::all)]
pub use crate::crypto::select::Selector;
pub use crate::keys::KeyError;
pub use crate::metadata::{MasterKey, Metadata};
use crate::secret::SecretBytes;
pub use crate::tree::span::Position;
use std::path::{Path, PathBuf};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
    Dotenv,
    Ini,
    Binary,
}
impl Format {
    pub fn from_path(p: &Path) -> Self {
        let p = p.to_string_lossy();
        if p.ends_with(".yaml") || p.ends_with(".yml") {
            Self::Yaml
        } else if p.ends_with(".json") {
            Self::Json
        } else if p.ends_with(".env") {
            Self::Dotenv
        } else if p.ends_with(".ini") {
            Self::Ini
        } else {
            Self::Binary
        }
    }
    pub fn from_name(n: &str) -> Option<Self> {
        Some(match n {
            "yaml" => Self::Yaml,
            "json" => Self::Json,
            "dotenv" => Self::Dotenv,
            "ini" => Self::Ini,
            "binary" => Self::Binary,
            _ => return None,
        })
    }
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("stub")]
    NotEncrypted,
    #[error("x")]
    AlreadyEncrypted,
    #[error("u")]
    UnsupportedFormat(Format),
}
impl Error {
    pub fn hint(&self) -> Option<&str> {
        None
    }
}
#[derive(Debug)]
pub struct Warning {
    pub path: Option<String>,
    pub position: Option<Position>,
    pub message: String,
    pub hint: Option<String>,
}
