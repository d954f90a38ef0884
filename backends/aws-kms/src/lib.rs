//! Keys of AWS KMS.
//!
//! [`AwsKms`] is the [`KeyService`] for them. The region is that of the key's ARN; credentials are found as every program
//! of AWS finds them: in the environment, in profiles (with SSO, roles and `credential_process`), with a web identity, from
//! ECS and EC2. A key may name a profile, and a role to assume. `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_KMS` and
//! `AWS_ENDPOINT_URL_STS` name other servers, `AWS_CA_BUNDLE` other authorities.
//!
//! The SDK is asynchronous and waits on the one thread of [`sops_runtime`]; callers may be whoever they are.

mod arn;
mod bounded;
mod clients;
mod failure;
mod s3;
mod session_name;

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_kms::primitives::Blob;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_http::Limits;
use zeroize::Zeroize as _;

use clients::{Clients, Identity};
pub use s3::S3;

/// The key service for keys of AWS KMS.
pub struct AwsKms {
    clients: Clients,
    time_limit: Duration,
}

impl AwsKms {
    /// Returns the service with what the environment and the files of the user say, which is read when the first key needs
    /// it.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            clients: Clients::default(),
            time_limit: Limits::default().timeout,
        }
    }

    /// Sets how long a call may take, with all attempts. Without, it is 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    fn encrypt(&self, key: &Key<'_>, share: &SecretBytes) -> Result<String, KeyError> {
        let (client, identity) = self.client(key)?;
        let request = client
            .encrypt()
            .key_id(key.arn)
            .plaintext(Blob::new(share.expose()))
            .set_encryption_context(key.context());
        let answer = self.call(key, "encrypt", &identity, async move {
            request.send().await.map_err(failure::of)
        })?;
        match answer.ciphertext_blob {
            Some(blob) => Ok(STANDARD.encode(blob.as_ref())),
            None => Err(KeyError::new("AWS KMS returned no encrypted data key")),
        }
    }

    fn decrypt(&self, key: &Key<'_>, enc: &str) -> Result<SecretBytes, KeyError> {
        let blob = STANDARD.decode(enc).map_err(|_| {
            KeyError::new("the encrypted data key of the entry is damaged: it is no base64")
        })?;
        let (client, identity) = self.client(key)?;
        let request = client
            .decrypt()
            .key_id(key.arn)
            .ciphertext_blob(Blob::new(blob))
            .set_encryption_context(key.context());
        let answer = self.call(key, "decrypt", &identity, async move {
            request.send().await.map_err(failure::of)
        })?;
        match answer.plaintext {
            Some(blob) => {
                let mut bytes = blob.into_inner();
                // The vector may have room for more than it holds, so it is copied and wiped.
                let secret = SecretBytes::new(bytes.as_slice().to_vec());
                bytes.zeroize();
                Ok(secret)
            }
            None => Err(KeyError::new("AWS KMS returned no data key")),
        }
    }

    fn client(&self, key: &Key<'_>) -> Result<(aws_sdk_kms::Client, Identity), KeyError> {
        let region = arn::region(key.arn)?;
        let identity = Identity::new(region, key.profile, key.role);
        let client = self.clients.client(&identity, self.time_limit)?;
        Ok((client, identity))
    }

    fn call<T: Send + 'static>(
        &self,
        key: &Key<'_>,
        operation: &str,
        identity: &Identity,
        call: impl Future<Output = Result<T, failure::Failure>> + Send + 'static,
    ) -> Result<T, KeyError> {
        match sops_runtime::run_within(self.time_limit, call) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(failure.to_key_error(operation, key.arn, identity)),
            Err(error) => {
                Err(failure::Failure::from_runtime(&error)
                    .to_key_error(operation, key.arn, identity))
            }
        }
    }
}

impl KeyService for AwsKms {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let key = Key::of(key)?;
        Some(self.encrypt(&key, share))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let key = Key::of(&entry.key)?;
        Some(self.decrypt(&key, &entry.enc))
    }
}

/// A key, as its entry names it.
struct Key<'k> {
    arn: &'k str,
    role: Option<&'k str>,
    context: &'k BTreeMap<String, String>,
    profile: &'k str,
}

impl<'k> Key<'k> {
    fn of(key: &'k MasterKey) -> Option<Self> {
        match key {
            MasterKey::Kms {
                arn,
                role,
                context,
                aws_profile,
            } => Some(Self {
                arn,
                role: role.as_deref().filter(|role| !role.is_empty()),
                context,
                profile: aws_profile,
            }),
            _ => None,
        }
    }

    fn context(&self) -> Option<std::collections::HashMap<String, String>> {
        let pairs = self.context.iter();
        let context = pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        (!self.context.is_empty()).then_some(context)
    }
}
