//! The data key, encrypted values, the MAC, and which leaves they concern.

pub(crate) mod cipher;
pub(crate) mod data_key;
pub(crate) mod encrypted_value;
pub(crate) mod mac;
pub(crate) mod nonce;
pub(crate) mod select;

pub(crate) use cipher::{Cipher, CipherError};
pub use data_key::{DataKey, DataKeyError};
pub(crate) use encrypted_value::{EncryptedValue, looks_encrypted};
pub(crate) use mac::{Mac, MacDigest};
pub(crate) use nonce::NonceSource;
