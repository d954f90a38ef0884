//! SOPS in Rust.

mod config;
mod crypto;
mod error;
mod format;
mod keys;
mod metadata;
mod secret;
mod tree;

pub use secret::{SecretBytes, SecretText};
mod stub;
pub use stub::*;
