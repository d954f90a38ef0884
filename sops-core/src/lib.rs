//! SOPS in Rust.

mod config;
mod crypto;
mod error;
mod format;
mod keys;
mod metadata;
mod secret;
mod suggest;
mod tree;

pub use secret::{SecretBytes, SecretText};
