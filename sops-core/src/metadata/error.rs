//! What is wrong with the metadata of a file.

/// Metadata that cannot be understood.
///
/// Never contains a value of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", crate::printable::line(key))]
#[non_exhaustive]
pub struct MetadataError {
    /// The key concerned: `sops.lastmodified`, `sops.kms[0].created_at`.
    pub key: String,
    /// What is wrong and what is expected, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl MetadataError {
    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
