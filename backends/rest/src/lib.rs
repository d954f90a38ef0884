//! What the backends of SOPS that speak HTTP share.
//!
//! One [`Client`] per service and run: its connections are kept, each call ends within a time limit, what failed for a
//! moment is tried again, and no answer is read without a limit. A [`Call`] holds secrets (tokens in headers, data keys
//! in bodies), so neither it nor an [`Answer`] can be printed, and no [`CallError`] says anything of them.
//!
//! Redirects are not followed: whoever sends a token has to know to whom.

mod address;
mod call;
mod client;
mod command;
mod encode;
mod error;
mod json;
mod proxy;
mod settings;
mod token;

pub use address::{Address, AddressError};
pub use call::{Answer, Call};
pub use client::Client;
pub use command::output_of;
pub use encode::{encode, form, one_line};
pub use error::CallError;
pub use json::{JsonBody, SecretString, read_json};
pub use settings::{ClientCertificate, Roots, Settings, SettingsError};
pub use token::{AccessToken, Tokens};
