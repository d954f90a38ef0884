//! Keys: who can wrap and unwrap a data key.

#[cfg(feature = "age")]
mod age;
#[cfg(feature = "age")]
mod age_attempt;
#[cfg(feature = "age")]
mod age_file;
#[cfg(feature = "age")]
mod age_recipient;
// Only age has questions so far.
#[cfg(feature = "age")]
mod asker;
#[cfg(feature = "age")]
mod command;
#[cfg(feature = "age")]
mod env;
mod file_mode;
#[cfg(feature = "age")]
mod identities;
mod keyring;
mod keyring_error;
#[cfg(test)]
mod keyring_tests;
#[cfg(feature = "age")]
mod locked;
#[cfg(all(test, feature = "age"))]
mod locked_tests;
#[cfg(feature = "pgp")]
mod pgp;
#[cfg(feature = "age")]
mod plugin;
mod prompt;
mod race;
mod said;
mod shamir;
#[cfg(feature = "age")]
mod survey;
#[cfg(feature = "age")]
mod words;

#[cfg(feature = "age")]
pub use env::{own_recipients_from_env, user_key_file_from_env};
pub use file_mode::warn_of_readers;
#[cfg(feature = "age")]
pub use identities::{Identities, IdentityError};
pub use keyring::Keyring;
pub use keyring_error::{GroupOutcome, KeyFailure, KeyringError, UnwrapFailure};
pub use prompt::{Prompt, PromptError};
pub use said::{one_line, words_of};
pub use shamir::ShamirError;
#[cfg(feature = "age")]
pub use survey::IdentitySurvey;

use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
    warning::Warning,
};

/// Whatever can wrap and unwrap data keys: local age identities, a `gpg`, a cloud service, a remote key service.
///
/// This is the one joint between SOPS files and keys. The documentation of the [crate](crate#keys-of-your-own) has an
/// example.
pub trait KeyService {
    /// Wraps `share` (the 32 bytes of a data key, or a Shamir share of 33) for `key`, and returns the text that the
    /// metadata holds as `enc`.
    ///
    /// `None`: this service does not handle such keys. `Some(Err)`: it does, but it failed.
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>>;

    /// Returns the key as entries are to name it, if that is not how `key` names it: a key that stands for its current
    /// version, for example, becomes that version. It is what a share is wrapped for.
    ///
    /// `None`: there is nothing to find out.
    fn resolve(&self, _key: &MasterKey) -> Option<Result<MasterKey, KeyError>> {
        None
    }

    /// Unwraps the data key or share that `entry` holds.
    ///
    /// `None`: this service does not handle such keys. `Some(Err)`: it does, but it failed.
    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>>;

    /// Unwraps the data key or share from one of `entries`, which all hold the same and are keys of one kind.
    ///
    /// The usual way is to try them in turn. A service that can tell which of them it can unwrap, or without asking
    /// anybody, does better.
    fn unwrap_any(&self, entries: &[&KeyEntry]) -> Unwrapped {
        let mut outcome = Unwrapped::default();
        for (index, entry) in entries.iter().enumerate() {
            match self.unwrap(entry) {
                Some(Ok(share)) => {
                    outcome.share = Some(share);
                    break;
                }
                Some(Err(error)) => outcome.failures.push((index, error)),
                None => {}
            }
        }
        outcome
    }

    /// Returns whether its calls wait for a network. A [`Keyring`] makes several of them at once, and asks such a service
    /// only for what no other can do.
    fn waits(&self) -> bool {
        false
    }

    /// Returns where keys were looked for and what was there, for the error of a file that cannot be unlocked. Looks at
    /// nothing anew.
    fn searched(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns what deserves a word about what was read so far.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// Checks that a data key can be wrapped for `key`, as far as that can be told from its text.
pub(crate) fn check(key: &MasterKey) -> Result<(), KeyError> {
    match key {
        #[cfg(feature = "age")]
        MasterKey::Age { recipient } => age_recipient::AgeRecipient::parse(recipient).map(drop),
        _ => Ok(()),
    }
}

/// What came of several keys that hold the same.
#[derive(Debug, Default)]
pub struct Unwrapped {
    /// The data key or share, if one of them could be used.
    pub share: Option<SecretBytes>,
    /// Those that were tried and failed, by their place in the list, and why.
    pub failures: Vec<(usize, KeyError)>,
}

/// Returns whether `text` looks like a secret key of age, which must not be shown even where a public key belongs.
fn is_secret_key(text: &str) -> bool {
    let text = text.trim_start();
    ["AGE-SECRET-KEY-", "AGE-PLUGIN-"].iter().any(|prefix| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    })
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

    /// Returns the failure of both, with what to do about the later one, if there is something.
    fn and(mut self, later: Self) -> Self {
        if self.message != later.message {
            self.message = format!("{}; {}", self.message, later.message);
        }
        self.hint = later.hint.or(self.hint);
        self.source = self.source.or(later.source);
        self
    }
}
