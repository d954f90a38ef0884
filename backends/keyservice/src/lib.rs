//! The key service protocol of SOPS: asking another process to wrap and unwrap data keys, and being that process.
//!
//! [`RemoteKeys`] is the [`KeyService`](sops_core::keys::KeyService) that asks; [`Server`] answers with the keys that any
//! other `KeyService`, such as a whole [`Keyring`](sops_core::Keyring), can use. The protocol is gRPC, over TCP or a Unix
//! socket. Over TCP there is neither encryption nor any proof of who asks, unless either side has a certificate for TLS.

mod address;
mod client;
mod listener;
mod messages;
mod server;
mod tls;

pub use address::{Address, AddressError};
pub use client::RemoteKeys;
pub use listener::{Listener, Peers};
pub use server::{Operation, Question, Server, Stop, Verdict};
pub use tls::{ClientTls, ServerTls};
