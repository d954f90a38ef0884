//! Questions to the user: the joint between keys that need a passphrase and whatever can ask for one.

use super::KeyError;
use crate::secret::SecretText;

/// Whatever can ask the user: a terminal, a pinentry, a window.
///
/// A [`Keyring`](super::Keyring) asks one question at a time, however many threads use it, and remembers answers: a
/// passphrase is asked for once, not once per file. Implementations need not do either. They must not read standard
/// input, which may be the document, and must return an error instead of waiting for a user who is not there.
pub trait Prompt: Send + Sync {
    /// Asks for a secret, which is not shown while it is typed.
    ///
    /// # Errors
    ///
    /// Fails if nobody can be asked, or the user does not want to answer.
    fn secret(&self, question: &str) -> Result<SecretText, PromptError>;

    /// Asks for a text that anyone may see.
    ///
    /// # Errors
    ///
    /// Fails if nobody can be asked, or the user does not want to answer.
    fn text(&self, question: &str) -> Result<String, PromptError>;

    /// Lets the user choose `yes` (`true`) or `no` (`false`), which are short texts. Without `no`, there is nothing to
    /// choose but to go on or to cancel.
    ///
    /// # Errors
    ///
    /// Fails if nobody can be asked, or the user cancels.
    fn confirm(&self, question: &str, yes: &str, no: Option<&str>) -> Result<bool, PromptError>;

    /// Shows a message, such as what to do with a hardware key. Does not wait.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be shown.
    fn message(&self, message: &str) -> Result<(), PromptError>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// There is no way to ask, such as a terminal.
    #[error("there is nobody to ask: {reason}")]
    Unavailable {
        /// Why not, in words.
        reason: String,
    },
    /// The user did not want to answer.
    #[error("cancelled")]
    Cancelled,
    /// Asking went wrong.
    #[error("cannot ask: {reason}")]
    Failed {
        /// How, in words.
        reason: String,
    },
}

impl PromptError {
    /// Returns an error that says why nobody can be asked.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
        }
    }

    /// Returns the error of a key that needed an answer to `what`.
    #[must_use]
    pub fn about(&self, what: &str) -> KeyError {
        let message = KeyError::new(format!("{what}: {self}"));
        match self {
            Self::Unavailable { .. } => message.with_hint(
                "run sops in a terminal, set PINENTRY_PROGRAM to a graphical pinentry, or use a key without a passphrase",
            ),
            Self::Cancelled | Self::Failed { .. } => message,
        }
    }

    /// Returns an error that says how asking went wrong.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
        }
    }
}
