//! Keys of Google Cloud KMS.
//!
//! [`GcpKms`] is the [`KeyService`] for them. Credentials are found as the reference finds them: `GOOGLE_CREDENTIALS` (the
//! path of a credentials file, or what is in one), `GOOGLE_OAUTH_ACCESS_TOKEN`, and then as every program of Google finds
//! them: `GOOGLE_APPLICATION_CREDENTIALS`, what `gcloud auth application-default login` left, the machine. Everything is
//! read when the first key needs it.
//!
//! The service is asked over gRPC, or by REST where `SOPS_GCP_KMS_CLIENT_TYPE` says `rest`. What is sent and what comes is
//! checked with CRC32C either way.

mod assertion;
mod crc32c;
mod credentials;
mod external;
mod grpc;
mod kms;
mod messages;
mod rest;
mod storage;

use std::time::Duration;

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

use kms::Kms;
pub use sops_http::Environment;
pub use storage::CloudStorage;

/// The key service for keys of Google Cloud KMS.
pub struct GcpKms(Kms);

impl GcpKms {
    /// Returns the service with what the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(Environment::of_process())
    }

    /// Returns the service with what `environment` says.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self(Kms::new(environment))
    }

    /// Sets how long a call may take, with all attempts. Without, it is 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self(self.0.with_time_limit(time_limit))
    }
}

impl KeyService for GcpKms {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        match key {
            MasterKey::GcpKms { resource_id } => Some(self.0.encrypt(resource_id, share)),
            _ => None,
        }
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        match &entry.key {
            MasterKey::GcpKms { resource_id } => Some(self.0.decrypt(resource_id, &entry.enc)),
            _ => None,
        }
    }
}
