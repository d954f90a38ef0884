//! Why a data key could not be wrapped or recovered.

use std::fmt;

use super::{KeyError, ShamirError};
use crate::{crypto::DataKeyError, metadata::brief};

/// Why a [`Keyring`](super::Keyring) could not wrap or recover a data key.
///
/// Names every key that was tried and why it failed, and the places where identities were looked for. Never holds key
/// material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no key to wrap the data key with.
    #[error("no key groups provided")]
    NoGroups,
    /// A group has no key, so nobody could ever use its share.
    #[error("empty key group provided")]
    EmptyGroup,
    /// The data key could not be split into shares, or recovered from them.
    #[error("cannot share the data key between the key groups: {0}")]
    Shamir(#[from] ShamirError),
    /// Some keys could not wrap it. Each of them is listed; none may be left out.
    #[error("failed to encrypt the data key with {}", Listing(.0))]
    Wrap(Vec<KeyFailure>),
    /// Too few keys could unwrap it.
    #[error(transparent)]
    Unwrap(UnwrapFailure),
    /// What was unwrapped is no data key.
    #[error(transparent)]
    DataKey(#[from] DataKeyError),
}

impl KeyringError {
    /// Returns what to do about it, if there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoGroups => Some(
                "name at least one key, such as an age recipient, in .sops.yaml or on the command line",
            ),
            Self::EmptyGroup => Some("give every key group at least one key"),
            Self::Shamir(
                ShamirError::ThresholdTooSmall | ShamirError::ThresholdTooLarge { .. },
            ) => Some(
                "set shamir_threshold to a number from 2 to the number of key groups, or leave it out to need all of them",
            ),
            Self::Wrap(failures) => failures
                .iter()
                .find_map(|failure| failure.error.hint.as_deref()),
            Self::Unwrap(failure) => Some(failure.hint()),
            Self::Shamir(_) | Self::DataKey(_) => None,
        }
    }
}

/// One key, and why it could not be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyFailure {
    /// The kind of the key, as metadata name it.
    pub kind: &'static str,
    /// The key, as [`MasterKey`](crate::metadata::MasterKey) displays it; messages show it [`brief`](brief()).
    pub key: String,
    /// Why it failed.
    pub error: KeyError,
}

impl fmt::Display for KeyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind, brief(&self.key), self.error)
    }
}

/// What was tried to recover a data key.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnwrapFailure {
    /// How many groups are needed.
    pub needed: usize,
    /// For each key group, in the order of the file: the keys that failed.
    pub groups: Vec<GroupOutcome>,
    /// Places where identities were looked for, and what was there.
    pub searched: Vec<String>,
}

/// What came of one key group.
#[derive(Debug)]
#[non_exhaustive]
pub struct GroupOutcome {
    /// Whether one of its keys could be used.
    pub is_recovered: bool,
    /// The keys that were tried and failed, in the order of trying.
    pub failures: Vec<KeyFailure>,
}

impl UnwrapFailure {
    fn hint(&self) -> &str {
        let failures = || self.groups.iter().flat_map(|group| &group.failures);
        if let Some(hint) = failures().find_map(|failure| failure.error.hint.as_deref()) {
            return hint;
        }
        if failures().any(|failure| failure.kind == "age") {
            "put the identity of one of these recipients into SOPS_AGE_KEY or a file that SOPS_AGE_KEY_FILE names, or ask someone who can decrypt the file to add your recipient"
        } else {
            "ask someone who can decrypt the file to add a key of yours"
        }
    }
}

impl std::error::Error for UnwrapFailure {}

impl fmt::Display for UnwrapFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to get the data key required to decrypt the SOPS file")?;
        if let [group] = self.groups.as_slice() {
            write!(f, ": no key could be used")?;
            for failure in &group.failures {
                write!(f, "\n  {failure}")?;
            }
        } else {
            let recovered = self
                .groups
                .iter()
                .filter(|group| group.is_recovered)
                .count();
            write!(
                f,
                ": of {} key groups, {} are needed and {recovered} could be used",
                self.groups.len(),
                self.needed
            )?;
            for (index, group) in self.groups.iter().enumerate() {
                let outcome = if group.is_recovered {
                    "can be used"
                } else {
                    "cannot be used"
                };
                write!(f, "\n  group {index} {outcome}")?;
                for failure in &group.failures {
                    write!(f, "\n    {failure}")?;
                }
            }
        }
        if !self.searched.is_empty() {
            write!(f, "\n  age identities were looked for in")?;
            for place in &self.searched {
                write!(f, "\n    {place}")?;
            }
        }
        Ok(())
    }
}

/// Failures in one line if there is one, else one a line.
struct Listing<'a>(&'a [KeyFailure]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [failure] = self.0 {
            return write!(f, "{failure}");
        }
        write!(f, "{} keys:", self.0.len())?;
        for failure in self.0 {
            write!(f, "\n  {failure}")?;
        }
        Ok(())
    }
}
