//! The data key, encrypted values, the MAC, and which leaves they concern.

mod ahead;
mod alignment;
mod buffer;
pub(crate) mod cipher;
pub(crate) mod data_key;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod encrypted_value;
pub(crate) mod fingerprint;
mod leaf_error;
pub(crate) mod mac;
mod mac_of_leaves;
pub(crate) mod nonce;
pub(crate) mod orphans;
mod paths;
pub(crate) mod re2;
pub(crate) mod select;
pub(crate) mod stash;
mod stream;
pub(crate) mod walk;

pub(crate) use cipher::{Cipher, CipherError};
pub use data_key::{DataKey, DataKeyError};
pub(crate) use encrypted_value::{EncryptedValue, looks_encrypted};
pub(crate) use leaf_error::LeafError;
pub use leaf_error::LeafProblem;
pub(crate) use mac::{Mac, MacDigest};
pub(crate) use nonce::NonceSource;
pub(crate) use stream::{GcmStream, TAG_LEN};
