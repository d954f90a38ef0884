//! Keys of HuaweiCloud KMS.
//!
//! [`HuaweiKms`] is the [`KeyService`] for them. Credentials are an access key and its secret from the environment
//! (`HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK`), from `~/.huaweicloud/credentials`, or from the agency of the machine.
//! Everything is read when the first key needs it.

mod credentials;
mod environment;
mod kms;
mod signature;

use std::time::Duration;

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

pub use environment::Environment;
use kms::Kms;

/// The key service for keys of HuaweiCloud KMS.
pub struct HuaweiKms(Kms);

impl HuaweiKms {
    /// Returns the service with what the environment says. A call may take as long as `time_limit`, with all attempts.
    #[must_use]
    pub fn from_env(time_limit: Duration) -> Self {
        Self::new(Environment::of_process(), time_limit)
    }

    /// Returns the service with what `environment` says.
    #[must_use]
    pub fn new(environment: Environment, time_limit: Duration) -> Self {
        Self(Kms::new(environment, time_limit))
    }
}

impl KeyService for HuaweiKms {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        match key {
            MasterKey::Hckms { key_id } => Some(self.0.encrypt(key_id, share)),
            _ => None,
        }
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        match &entry.key {
            MasterKey::Hckms { key_id } => Some(self.0.decrypt(key_id, &entry.enc)),
            _ => None,
        }
    }
}
