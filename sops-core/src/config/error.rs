//! Errors and warnings about `.sops.yaml`, with their place.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::tree::span::Position;

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", Place(path, *position))]
#[non_exhaustive]
pub struct ConfigError {
    /// What class of problem this is.
    pub kind: ConfigErrorKind,
    /// The configuration file.
    pub path: PathBuf,
    /// Where in the file it is, if in one place.
    pub position: Option<Position>,
    /// What it is, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

/// The classes of [`ConfigError`] that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The file cannot be read.
    Unreadable,
    /// The file is not YAML, or not a mapping. It may be a file of another kind, one with secrets in it: it is not shown.
    NoConfiguration,
    /// The file holds something else than what belongs there.
    Invalid,
    /// The file has no `creation_rules`, which is as good as no file.
    NoCreationRules,
    /// There are rules, but none for this path.
    NoMatchingRule,
    /// The rule for this path cannot be used.
    InvalidRule,
}

impl ConfigError {
    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn new(
        kind: ConfigErrorKind,
        path: &Path,
        position: Option<Position>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            position,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Something in a configuration that is accepted, but probably not meant so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigWarning {
    /// The configuration file.
    pub path: PathBuf,
    /// Where in the file it is, if in one place.
    pub position: Option<Position>,
    /// What it is, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Place(&self.path, self.position), self.message)
    }
}

/// `path:line:column: `
struct Place<'p>(&'p Path, Option<Position>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.display())?;
        if let Some(position) = self.1 {
            write!(f, "{position}:")?;
        }
        f.write_str(" ")
    }
}
