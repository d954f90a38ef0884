//! The data key, encrypted values, the MAC, and which leaves they concern.

pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod fingerprint;
mod leaf_error;
pub(crate) mod re2;
pub(crate) mod select;
pub(crate) mod stash;
pub(crate) mod walk;

pub(crate) use leaf_error::LeafError;
pub use leaf_error::LeafProblem;
