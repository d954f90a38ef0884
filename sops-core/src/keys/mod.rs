//! Keys: who can wrap and unwrap a data key.

use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
};

/// Whatever can wrap and unwrap data keys: local age identities, a `gpg`, a cloud service, a remote key service.
///
/// This is the one joint between SOPS files and keys.
pub trait KeyService {
    /// Wraps `share` (the 32 bytes of a data key, or a Shamir share of 33) for `key`, and returns the text that the
    /// metadata holds as `enc`.
    ///
    /// `None`: this service does not handle such keys. `Some(Err)`: it does, but it failed.
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>>;

    /// Unwraps the data key or share that `entry` holds.
    ///
    /// `None`: this service does not handle such keys. `Some(Err)`: it does, but it failed.
    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>>;
}

/// Why a key could not wrap or unwrap. Never holds key material.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct KeyError {
    /// What failed, in words.
    pub message: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl KeyError {
    /// Returns an error with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}
