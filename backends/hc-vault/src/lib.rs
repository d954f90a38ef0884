//! Keys of the transit engine of HashiCorp Vault and OpenBao.
//!
//! [`HcVault`] is the [`KeyService`] for them. The server and the mount path of the engine are those that the key names;
//! everything else comes from the variables that every client of Vault knows (`VAULT_TOKEN`, `VAULT_NAMESPACE`,
//! `VAULT_CACERT`, …), `~/.vault-token` or a token helper. All of it is read when the first key needs it.
//!
//! A file names the server that it wants to be asked, and whoever can write the file chooses it. `SOPS_HC_VAULT_ALLOWLIST`
//! says which servers are asked at all.

mod allow_list;
mod environment;
mod error;
mod token;
mod transit;

use std::{sync::OnceLock, time::Duration};

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

pub use allow_list::{AllowList, AllowListError};
pub use environment::Environment;
use transit::Transit;

/// The key service for keys of the transit engine.
pub struct HcVault {
    environment: Environment,
    transit: OnceLock<Result<Transit, error::Refusal>>,
}

impl HcVault {
    /// Returns the service with what the environment says, which is read when the first key needs it. A call may take as
    /// long as `time_limit`, unless `VAULT_CLIENT_TIMEOUT` says otherwise.
    #[must_use]
    pub fn from_env(time_limit: Duration) -> Self {
        Self::new(Environment::of_process(time_limit))
    }

    /// Returns the service with what `environment` says.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            transit: OnceLock::new(),
        }
    }

    fn transit(&self) -> Result<&Transit, KeyError> {
        self.transit
            .get_or_init(|| Transit::new(&self.environment))
            .as_ref()
            .map_err(error::Refusal::to_key_error)
    }
}

impl KeyService for HcVault {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let key = transit::Key::of(key)?;
        Some(
            self.transit()
                .and_then(|transit| transit.encrypt(&key, share)),
        )
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let key = transit::Key::of(&entry.key)?;
        Some(
            self.transit()
                .and_then(|transit| transit.decrypt(&key, &entry.enc)),
        )
    }
}
