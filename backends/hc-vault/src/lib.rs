//! Keys of the transit engine of HashiCorp Vault and OpenBao.
//!
//! [`HcVault`] lets the server wrap and unwrap data keys. It is a [`KeyService`] like any other:
//!
//! ```no_run
//! use sops_core::Keyring;
//! use sops_hc_vault::HcVault;
//!
//! let keyring = Keyring::new().with_service(HcVault::from_env());
//! let text = std::fs::read("secrets.enc.yaml")?;
//! let plaintext = sops_core::decrypt(&text, sops_core::Format::Yaml, &keyring)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The address of the server is part of the key, and so of the file: whoever wrote the file says where the token is sent
//! to. `SOPS_HC_VAULT_ALLOWLIST` says where it may be sent.

mod allow_list;
mod call;
mod helper;
mod key_value;
mod settings;
mod token;

use std::{fmt, sync::OnceLock, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sops_core::{
    SecretBytes, SecretText,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_http::{Limits, Problem};
use zeroize::Zeroizing;

pub use key_value::{Published, SecretPlace};

use crate::{
    call::{Call, Operation},
    settings::Settings,
    token::Token,
};

/// Wraps and unwraps data keys with keys of the transit engine.
///
/// The settings are read and the token is looked for when the first such key is needed, and once. One service is for one
/// run: it keeps its connections.
pub struct HcVault {
    time_limit: Duration,
    settings: OnceLock<Result<Settings, Problem>>,
    token: OnceLock<Result<Option<Token>, Problem>>,
}

impl HcVault {
    /// Returns a service with the settings of the client of Vault: `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT` and
    /// the others, the token helper that `~/.vault` names, and `~/.vault-token`. Reads the environment and these files
    /// when the first key needs them.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            time_limit: Limits::default().timeout,
            settings: OnceLock::new(),
            token: OnceLock::new(),
        }
    }

    /// Sets how long a call may take, with all repetitions, where `VAULT_CLIENT_TIMEOUT` does not say. Without, it is 30
    /// seconds.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Sets the token. Without, it is looked for where [`from_env`](Self::from_env) says.
    #[must_use]
    pub fn with_token(self, token: SecretText) -> Self {
        Self {
            token: OnceLock::from(Ok(Some(Token::new(token, "the token that was given")))),
            ..self
        }
    }

    fn settings(&self) -> Result<&Settings, KeyError> {
        let settings = self
            .settings
            .get_or_init(|| Settings::from_env(self.time_limit));
        settings.as_ref().map_err(|problem| problem.clone().into())
    }

    /// Asks the server for one thing.
    fn ask(
        &self,
        key: &MasterKey,
        operation: Operation,
        body: &[u8],
    ) -> Option<Result<SecretText, KeyError>> {
        let MasterKey::HcVault {
            vault_address,
            engine_path,
            key_name,
        } = key
        else {
            return None;
        };
        let ask = || {
            let settings = self.settings()?;
            let call = Call::new(settings, vault_address, engine_path, key_name, operation)?;
            // Whether the address may be asked is known: only now is it worth a token.
            let token = self.token.get_or_init(token::find);
            let token = token.as_ref().map_err(|problem| problem.clone())?;
            call.make(settings, token.as_ref(), body)
        };
        Some(ask())
    }
}

impl KeyService for HcVault {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let text = Zeroizing::new(BASE64_STANDARD.encode(share.expose()));
        let body = Zeroizing::new(format!(r#"{{"plaintext":"{}"}}"#, text.as_str()));
        let answer = self.ask(key, Operation::Encrypt, body.as_bytes())?;
        Some(answer.map(|text| text.expose().to_owned()))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let body = serde_json::json!({ "ciphertext": entry.enc }).to_string();
        let answer = self.ask(&entry.key, Operation::Decrypt, body.as_bytes())?;
        Some(answer.and_then(|text| {
            let share = BASE64_STANDARD.decode(text.expose());
            // The cause would quote a byte of it.
            share.map(SecretBytes::new).map_err(|_| {
                KeyError::new("Vault answered with a plaintext that is not Base64")
                    .with_hint("is the key one of the transit engine?")
            })
        }))
    }
}

impl fmt::Debug for HcVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HcVault").finish_non_exhaustive()
    }
}
