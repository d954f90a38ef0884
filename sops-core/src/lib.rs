//! SOPS in Rust.

mod check;
mod config;
mod crypto;
mod deserialize;
mod error;
mod format;
mod keys;
mod metadata;
mod secret;
mod tree;

pub use secret::{SecretBytes, SecretText};
