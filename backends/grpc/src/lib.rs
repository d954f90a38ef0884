//! Calls to key services over gRPC, for the backends of `sops-core` that speak it.
//!
//! One connection for a run, over TLS and through a proxy where that is asked for, made when the first call needs it; calls
//! that end in time; answers of bounded size; and failures in words that hold no credential. Waiting is done on the one
//! thread of [`sops_runtime`], so that callers may be whoever they are.

mod call;
mod connect;
mod plaintext;
mod socks;
mod status;

pub use call::{Connection, Metadata};
pub use connect::{Host, Target};
#[doc(hidden)]
pub use plaintext::Zeroize;
pub use status::CallError;
pub use tonic::Code;
