//! Buckets of Google Cloud Storage, where files are published.

use std::time::Duration;

use sops_core::keys::KeyError;
use sops_http::{Address, Call, Client, encode, tidy};
use zeroize::Zeroizing;

use crate::{Environment, credentials::Credentials};

/// What access tokens are for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Puts files into buckets, with the login that keys are used with.
pub struct CloudStorage {
    environment: Environment,
    time_limit: Duration,
}

impl CloudStorage {
    /// Returns the service with what the environment says. A call may take as long as `time_limit`, with all attempts.
    /// `STORAGE_EMULATOR_HOST` names a server to use instead, which needs no login.
    #[must_use]
    pub fn from_env(time_limit: Duration) -> Self {
        Self {
            environment: Environment::of_process(),
            time_limit,
        }
    }

    /// Puts `content` into a bucket under a name.
    ///
    /// # Errors
    ///
    /// Fails if there is no login, no answer, or one that says no.
    pub fn put(&self, bucket: &str, name: &str, content: &[u8]) -> Result<(), KeyError> {
        let client = Client::from_env(self.time_limit)?;
        let emulator = self.environment.get("STORAGE_EMULATOR_HOST");
        let server = match &emulator {
            Some(text) if text.contains("://") => text.clone(),
            Some(text) => format!("http://{text}"),
            None => "https://storage.googleapis.com".to_owned(),
        };
        let server = Address::parse(&server)
            .map_err(|error| KeyError::new(format!("STORAGE_EMULATOR_HOST: {error}")))?;
        let url = format!(
            "{server}/upload/storage/v1/b/{}/o?uploadType=media&name={}",
            *encode(bucket),
            *encode(name)
        );
        let mut call = Call::post(&url, content).header("content-type", "application/octet-stream");
        let mut who = "nobody".to_owned();
        if emulator.is_none() {
            let credentials = Credentials::find(&self.environment)?;
            let token = credentials.token(&self.environment, &client, SCOPE)?;
            let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
            call = call.header("authorization", &bearer);
            who.clone_from(&token.origin);
        }
        let answer = client.call(&call).map_err(|problem| {
            problem.when(&format!("cannot reach Google Cloud Storage at {server}"))
        })?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(KeyError::new(format!(
                "Google Cloud Storage refused to put {name:?} into the bucket {bucket:?} as {who}: {} (status {})",
                tidy(&String::from_utf8_lossy(&answer.body), &[]),
                answer.status
            ))
            .with_hint("does the bucket exist, and may this login create objects in it?")),
        }
    }
}
