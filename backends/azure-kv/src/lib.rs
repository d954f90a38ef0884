//! Keys of Azure Key Vault and Managed HSM.
//!
//! [`AzureKv`] is the [`KeyService`] for them. Credentials are found in the order of Azure's own libraries: the environment
//! (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and a secret or a certificate), a workload identity, the managed identity of the
//! machine, the command lines `az` and `azd`. `AZURE_TOKEN_CREDENTIALS` chooses one. Everything is looked at when the first
//! key needs it.
//!
//! A file names the vault that it wants to be asked, and whoever can write the file chooses it. Only vaults in the domains
//! of Azure are, and those that `SOPS_AZURE_KEYVAULT_ALLOWLIST` names.

mod allow_list;
mod certificate;
mod credentials;
mod vault;

use std::time::Duration;

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

pub use sops_http::Environment;
use vault::{Key, Vaults};

/// The key service for keys of Azure Key Vault.
pub struct AzureKv(Vaults);

impl AzureKv {
    /// Returns the service with what the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(Environment::of_process())
    }

    /// Returns the service with what `environment` says.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self(Vaults::new(environment))
    }

    /// Sets how long a call may take, with all attempts. Without, it is 30 seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self(self.0.with_time_limit(time_limit))
    }
}

impl KeyService for AzureKv {
    fn waits(&self) -> bool {
        true
    }

    /// A key without a version becomes its current version.
    fn resolve(&self, key: &MasterKey) -> Option<Result<MasterKey, KeyError>> {
        let named = Key::of(key).filter(|key| key.version.is_empty())?;
        Some(
            self.0
                .current_version(&named)
                .map(|version| MasterKey::AzureKv {
                    vault_url: named.vault_url.to_owned(),
                    name: named.name.to_owned(),
                    version,
                }),
        )
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        Some(self.0.encrypt(&Key::of(key)?, share))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        Some(self.0.decrypt(&Key::of(&entry.key)?, &entry.enc))
    }
}
