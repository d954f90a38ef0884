//! Calls to key services over HTTP and HTTPS, for the backends of `sops-core` that need no more than that.
//!
//! What is common to them is here, and nothing that belongs to one of them: one connection pool for a run, calls that end
//! in time, a few repetitions when the service is busy, answers of bounded size, the proxies and the certificate
//! authorities of the machine, and failures in words that hold no credential.

mod address;
mod call;
mod client;
mod command;
mod encode;
mod environment;
mod json;
pub mod jwt;
mod problem;
mod proxies;
mod reason;
mod seconds;
mod server_name;
mod token;
mod trust;
mod words;

pub use address::{Address, AddressError};
pub use call::{Call, read_json};
pub use client::{Answer, Client, Limits, Redirects, Request};
pub use command::output_of;
pub use encode::{encode, form};
pub use environment::Environment;
pub use json::JsonBody;
pub use problem::{Problem, ProblemKind};
pub use proxies::{Proxies, SocksLogin, Tunnel, TunnelKind};
pub use reason::Reason;
pub use seconds::seconds;
pub use token::{AccessToken, Tokens};
pub use trust::Trust;
pub use ureq::http::{HeaderName, HeaderValue, Method, Uri};
pub use words::tidy;
