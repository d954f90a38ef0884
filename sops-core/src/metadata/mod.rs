//! The `sops` block: what a file says about its encryption.

mod brief;
mod error;
mod fields;
pub(crate) mod flat;
mod key_text;
mod master_key;
mod raw;
mod read;
mod rfc3339;
#[cfg(test)]
pub(crate) mod test_support;
mod write;

pub use brief::brief;
pub use error::MetadataError;
pub use key_text::{KeyTextError, KmsOptions};
pub use master_key::{KeyEntry, MasterKey};
pub use raw::Raw;
pub use rfc3339::rfc3339;

use std::time::SystemTime;

use crate::{FORMAT_VERSION, crypto::select::Selector};

/// The metadata of an encrypted file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metadata {
    /// The key groups, each a list of wrapped keys. One group holds the data key itself, several hold its Shamir shares.
    pub groups: Vec<Vec<KeyEntry>>,
    /// How many groups are needed to recover the data key, when there are several.
    pub shamir_threshold: Option<usize>,
    /// When the content was last changed, RFC 3339 as the file has it.
    pub last_modified: String,
    /// The encrypted MAC, an `ENC[…]` text; empty when the file has none.
    pub mac: String,
    /// Which leaves are encrypted.
    pub selector: Selector,
    /// Whether the MAC covers encrypted leaves only.
    pub mac_only_encrypted: bool,
    /// The version of the format that the writer claimed.
    pub version: String,
    /// Our spellings that a plaintext cannot tell, encrypted.
    pub layout: Option<String>,
    /// Keys we do not know, kept as they are.
    pub unknown: Vec<(String, Raw)>,
}

impl Metadata {
    /// Returns the keys of each group.
    #[must_use]
    pub fn master_keys(&self) -> Vec<Vec<MasterKey>> {
        let keys = |group: &Vec<KeyEntry>| group.iter().map(|entry| entry.key.clone()).collect();
        self.groups.iter().map(keys).collect()
    }

    /// Notes that the content changes now, written by a program of our version.
    pub(crate) fn touch(&mut self) {
        self.last_modified = rfc3339(SystemTime::now());
        self.raise_version(FORMAT_VERSION);
    }

    /// Sets the version the file claims, unless it claims a later one already.
    pub(crate) fn raise_version(&mut self, version: &str) {
        let numbers = |text: &str| -> Vec<u64> {
            text.split(['.', '-', '+'])
                .map_while(|number| number.parse().ok())
                .take(3)
                .collect()
        };
        if numbers(&self.version) < numbers(version) {
            version.clone_into(&mut self.version);
        }
    }
}
