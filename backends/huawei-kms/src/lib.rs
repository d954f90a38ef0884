//! Keys of HuaweiCloud KMS.
//!
//! [`HuaweiKms`] lets the service wrap and unwrap data keys. It is a [`KeyService`] like any other:
//!
//! ```no_run
//! use sops_core::Keyring;
//! use sops_huawei_kms::HuaweiKms;
//!
//! let keyring = Keyring::new().with_service(HuaweiKms::from_env());
//! let text = std::fs::read("secrets.enc.yaml")?;
//! let plaintext = sops_core::decrypt(&text, sops_core::Format::Yaml, &keyring)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Calls are signed with an access key, which is never sent itself, and go to addresses of HuaweiCloud, unless the
//! environment names others. The credentials that a machine in the cloud gets from its metadata service are not used.

mod call;
mod credentials;
mod endpoint;
mod signer;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use sops_core::{
    SecretBytes, SecretText,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
pub use sops_http::Environment;
use sops_http::{Client, Limits, Problem};
use zeroize::Zeroizing;

use crate::{
    call::{Call, KeyId},
    credentials::Credentials,
};

/// Wraps and unwraps data keys with keys of HuaweiCloud KMS.
///
/// The settings and the credentials are read when the first such key is needed, and once. One service is for one run: it
/// keeps its connections.
pub struct HuaweiKms {
    environment: Environment,
    time_limit: Duration,
    settings: OnceLock<Result<Settings, Problem>>,
    /// The project of each region, where the credentials name none.
    projects: Mutex<BTreeMap<String, String>>,
}

struct Settings {
    client: Client,
    credentials: Credentials,
}

/// What the service is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Encrypt,
    Decrypt,
}

impl HuaweiKms {
    /// Returns a service with the settings of the kits of HuaweiCloud: `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and the
    /// others, or `~/.huaweicloud/credentials`. Reads the environment and this file when the first key needs them.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(Environment::of_process())
    }

    /// Returns a service with the settings that `environment` has; the proxies are those of the process.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            time_limit: Limits::default().timeout,
            settings: OnceLock::new(),
            projects: Mutex::default(),
        }
    }

    /// Sets how long a call may take, with all repetitions. Without, it is 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    fn settings(&self) -> Result<&Settings, Problem> {
        let settings = self
            .settings
            .get_or_init(|| Settings::find(&self.environment, self.time_limit));
        settings.as_ref().map_err(Clone::clone)
    }

    /// Asks the service for one thing.
    fn ask(
        &self,
        key_id: &str,
        operation: Operation,
        body: impl Fn(&str) -> Zeroizing<String>,
    ) -> Result<SecretText, KeyError> {
        let key = KeyId::parse(key_id)?;
        let settings = self.settings()?;
        let Settings {
            client,
            credentials,
        } = settings;
        let project = self.project(settings, key.region)?;
        let call = Call {
            client,
            credentials,
            service: "KMS",
            endpoint: endpoint::kms(key.region, &self.environment)?,
        };
        let (path, field) = match operation {
            Operation::Encrypt => ("encrypt-data", "cipher_text"),
            Operation::Decrypt => ("decrypt-data", "plain_text"),
        };
        let path = format!("/v1.0/{project}/kms/{path}");
        let body = body(key.id);
        let mut answer = call.post(&path, &project, body.as_bytes())?;
        match answer.get_mut(field).map(serde_json::Value::take) {
            Some(serde_json::Value::String(text)) if !text.is_empty() => Ok(SecretText::new(text)),
            _ => Err(call.failed(&format!("the answer holds no {field}")).into()),
        }
    }

    /// The project that the key is in: what the credentials say, or the one with the name of the region.
    fn project(&self, settings: &Settings, region: &str) -> Result<String, Problem> {
        if let Some(project) = &settings.credentials.project_id {
            return Ok(project.clone());
        }
        // Held while the service is asked: who needs the same project waits for it.
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(project) = projects.get(region) {
            return Ok(project.clone());
        }
        let call = Call {
            client: &settings.client,
            credentials: &settings.credentials,
            service: "IAM",
            endpoint: endpoint::iam(
                region,
                settings.credentials.iam_endpoint.as_deref(),
                &self.environment,
            )?,
        };
        let project = call.project(region)?;
        projects.insert(region.to_owned(), project.clone());
        Ok(project)
    }
}

impl Settings {
    fn find(environment: &Environment, time_limit: Duration) -> Result<Self, Problem> {
        Ok(Self {
            client: Client::from_env(time_limit)?,
            credentials: Credentials::find(environment)?,
        })
    }
}

impl KeyService for HuaweiKms {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Hckms { key_id } = key else {
            return None;
        };
        let text = Zeroizing::new(BASE64_STANDARD.encode(share.expose()));
        let answer = self.ask(key_id, Operation::Encrypt, |id| {
            // Base64 needs no escapes; this way it is in no other place that is not wiped.
            let id = json!(id);
            Zeroizing::new(format!(
                r#"{{"key_id":{id},"plain_text":"{}","encryption_algorithm":"SYMMETRIC_DEFAULT"}}"#,
                text.as_str()
            ))
        });
        Some(answer.map(|text| text.expose().to_owned()))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let MasterKey::Hckms { key_id } = &entry.key else {
            return None;
        };
        let answer = self.ask(key_id, Operation::Decrypt, |id| {
            let body = json!({
                "cipher_text": entry.enc,
                "encryption_algorithm": "SYMMETRIC_DEFAULT",
                "key_id": id,
            });
            Zeroizing::new(body.to_string())
        });
        Some(answer.and_then(|text| {
            let share = BASE64_STANDARD.decode(text.expose());
            // The cause would quote a byte of it.
            share.map(SecretBytes::new).map_err(|_| {
                KeyError::new("HuaweiCloud KMS answered with a plaintext that is not Base64")
            })
        }))
    }
}

impl fmt::Debug for HuaweiKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HuaweiKms").finish_non_exhaustive()
    }
}
