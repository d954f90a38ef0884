//! SOPS files in Rust: secrets in YAML and JSON that can be committed to Git.
//!
//! A SOPS file is an ordinary YAML or JSON file in which the values are encrypted and the keys are not. It opens with
//! the Go tool `sops` (getsops/sops) and everything built on it, and this library opens theirs. What is not a secret is
//! not touched: comments, blank lines, quotes, key order and indentation stay as they are, and decrypting an encrypted
//! file gives the original back to the byte.
//!
//! # Reading a configuration
//!
//! ```no_run
//! use sops_core::{Format, Keyring};
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     host: String,
//!     password: String,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::from_env()?; // age identities, from where sops looks for them
//! let bytes = std::fs::read("config.enc.yaml")?;
//! let plain = sops_core::decrypt(&bytes, Format::Yaml, &keyring)?; // MAC checked, wiped when dropped
//! let config: Config = plain.deserialize()?;
//! let password = plain.get("db.users[0].password")?; // or one value
//! # Ok(()) }
//! ```

pub mod check;
pub mod config;
mod crypto;
mod deserialize;
mod document;
mod error;
mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod keys;
mod layout;
pub mod metadata;
mod plaintext;
mod secret;
mod simple;
mod suggest;
mod tree;
mod warning;
mod warnings;

pub use crypto::{
    DataKey, DataKeyError, LeafProblem,
    re2::RegexError,
    select::{Selector, SelectorError},
};
pub use deserialize::DeserializeError;
pub use document::{
    DecryptOptions, EncryptOptions, Encrypted, EncryptedFile, FORMAT_VERSION, PlainFile, Unlocked,
    is_encrypted,
};
pub use error::{Error, MacError};
pub use format::{EmitError, Format, SyntaxError, SyntaxErrorKind};
pub use keys::Keyring;
pub use plaintext::Plaintext;
pub use secret::{SecretBytes, SecretText};
pub use simple::{decrypt, encrypt};
pub use tree::{PathError, Step, TreePath, span::Position};
pub use warning::Warning;
