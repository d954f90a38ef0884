//! The calls: encrypt, decrypt, and which version is the current one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use sops_core::{SecretBytes, SecretText, keys::KeyError, metadata::MasterKey};
use sops_http::{
    AccessToken, Address, Answer, Call, Client, JsonBody, Limits, Problem, Tokens, encode,
};
use zeroize::Zeroizing;

use crate::{Environment, allow_list, credentials};

const VERSION: &str = "api-version=7.4";

/// A key, as its entry names it.
pub(crate) struct Key<'k> {
    pub(crate) vault_url: &'k str,
    pub(crate) name: &'k str,
    /// May be empty.
    pub(crate) version: &'k str,
}

impl<'k> Key<'k> {
    /// The key, if it is one of Azure.
    pub(crate) fn of(key: &'k MasterKey) -> Option<Self> {
        match key {
            MasterKey::AzureKv {
                vault_url,
                name,
                version,
            } => Some(Self {
                vault_url,
                name,
                version,
            }),
            _ => None,
        }
    }

    /// The path of the key. What the entry says cannot lead elsewhere.
    fn path(&self) -> Result<String, KeyError> {
        let is_name = |text: &str| {
            !text.is_empty()
                && text.len() <= 127
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_name(self.name) || !(self.version.is_empty() || is_name(self.version)) {
            return Err(KeyError::new(
                "the name or the version of the key is none of Azure Key Vault",
            ));
        }
        let mut path = format!("/keys/{}", *encode(self.name));
        if !self.version.is_empty() {
            path.push('/');
            path.push_str(&encode(self.version));
        }
        Ok(path)
    }
}

/// All vaults.
pub(crate) struct Vaults {
    environment: Environment,
    client: OnceLock<Result<Client, Problem>>,
    tokens: Tokens,
    /// The current versions that were asked for so far, by the URLs of their keys.
    versions: Mutex<HashMap<String, String>>,
    time_limit: Duration,
}

impl Vaults {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            client: OnceLock::new(),
            tokens: Tokens::default(),
            versions: Mutex::default(),
            time_limit: Limits::default().timeout,
        }
    }

    pub(crate) fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    pub(crate) fn current_version(&self, key: &Key<'_>) -> Result<String, KeyError> {
        #[derive(Deserialize)]
        struct Found {
            key: Jwk,
            attributes: Option<Attributes>,
        }
        #[derive(Deserialize)]
        struct Jwk {
            kid: String,
        }
        #[derive(Deserialize)]
        struct Attributes {
            enabled: Option<bool>,
        }

        let url = format!("{}{}", key.vault_url, key.path()?);
        let known = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(version) = known().get(&url) {
            return Ok(version.clone());
        }
        let answer = self.call(key, "get", &key.path()?, None)?;
        let found = answer.json::<Found>().map_err(|_| unexpected())?;
        // The service would still encrypt with it, and not decrypt again.
        if found
            .attributes
            .is_some_and(|of_key| of_key.enabled == Some(false))
        {
            return Err(KeyError::new(
                "the current version of the key is disabled in Azure Key Vault",
            )
            .with_hint(ENABLE));
        }
        let version = found
            .key
            .kid
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let named = Key {
            version: &version,
            ..*key
        };
        // `…/keys/NAME/VERSION`, and nothing that could not be written into a file.
        match !version.is_empty() && version != key.name && named.path().is_ok() {
            true => {
                known().insert(url, version.clone());
                Ok(version)
            }
            false => Err(unexpected()),
        }
    }

    pub(crate) fn encrypt(&self, key: &Key<'_>, share: &SecretBytes) -> Result<String, KeyError> {
        let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(share.expose()));
        let answer = self.operate(key, "encrypt", &value)?;
        let result = answer.json::<Operated>().map_err(|_| unexpected())?.value;
        let bytes = decode(result.expose())
            .filter(|bytes| !bytes.is_empty())
            .ok_or_else(unexpected)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(crate) fn decrypt(&self, key: &Key<'_>, enc: &str) -> Result<SecretBytes, KeyError> {
        let ciphertext = decode(enc).ok_or_else(|| {
            KeyError::new("the encrypted data key of the entry is damaged: it is no base64")
        })?;
        let answer = self.operate(key, "decrypt", &URL_SAFE_NO_PAD.encode(ciphertext))?;
        let result = answer.json::<Operated>().map_err(|_| unexpected())?.value;
        decode(result.expose())
            .map(SecretBytes::new)
            .ok_or_else(unexpected)
    }

    fn operate(&self, key: &Key<'_>, operation: &str, value: &str) -> Result<Answer, KeyError> {
        let body = JsonBody::new()
            .text("alg", "RSA-OAEP-256")
            .text("value", value)
            .build();
        let path = format!("{}/{operation}", key.path()?);
        self.call(key, operation, &path, Some(&body))
    }

    fn call(
        &self,
        key: &Key<'_>,
        operation: &str,
        path: &str,
        body: Option<&SecretBytes>,
    ) -> Result<Answer, KeyError> {
        let vault =
            Address::parse(key.vault_url).map_err(|error| KeyError::new(error.to_string()))?;
        let list = self
            .environment
            .get("SOPS_AZURE_KEYVAULT_ALLOWLIST")
            .unwrap_or_default();
        let resource = allow_list::resource(&vault, &list)?;
        let url = format!("{vault}{path}?{VERSION}");
        let mut token = self.token(resource)?;
        let mut answer = self.send(&vault, &url, &token, body)?;
        // A token can be withdrawn before its time.
        if answer.status == 401 {
            self.tokens.forget();
            token = self.token(resource)?;
            answer = self.send(&vault, &url, &token, body)?;
        }
        match answer.is_success() {
            true => Ok(answer),
            false => Err(refused(&answer, operation, &token)),
        }
    }

    /// The connections. The environment is read for the first call.
    fn client(&self) -> Result<&Client, KeyError> {
        let client = self
            .client
            .get_or_init(|| Client::from_env(self.time_limit));
        client.as_ref().map_err(|problem| problem.clone().into())
    }

    fn token(&self, resource: &str) -> Result<Arc<AccessToken>, KeyError> {
        let get =
            || credentials::token(&self.environment, self.client()?, resource, self.time_limit);
        self.tokens.get_or_try(resource, get)
    }

    fn send(
        &self,
        vault: &Address,
        url: &str,
        token: &AccessToken,
        body: Option<&SecretBytes>,
    ) -> Result<Answer, KeyError> {
        let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
        let call = match body {
            Some(body) => Call::post(url, body.expose()).header("content-type", "application/json"),
            None => Call::get(url),
        };
        self.client()?
            .call(&call.header("authorization", &bearer))
            .map_err(|error| KeyError::from(error.when(&format!("cannot reach the vault {vault}"))))
    }
}

#[derive(Deserialize)]
struct Operated {
    value: SecretText,
}

/// Some write base64 with padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// What to do about a key that is disabled.
const ENABLE: &str =
    "who manages the key can enable it: `az keyvault key set-attributes --enabled true`";

fn refused(answer: &Answer, operation: &str, token: &AccessToken) -> KeyError {
    let reason = answer.reason();
    let status = answer.status;
    let what = if operation == "get" {
        "say which version of the key is the current one"
    } else {
        operation
    };
    let error = KeyError::new(format!(
        "Azure Key Vault refused to {what} as {}: {reason} (status {status})",
        token.origin
    ));
    match (status, reason.detail.as_str()) {
        (401, _) => error.with_hint("is this login one of the tenant of the vault?"),
        (403, "KeyDisabled") => error.with_hint(ENABLE),
        (403, "KeyExpired" | "KeyNotYetValid") => error.with_hint(
            "who manages the key can change from when and until when it is valid: `az keyvault key set-attributes --not-before … --expires …`",
        ),
        (403, "KeyOperationForbidden") => error.with_hint(format!(
            "who manages the key can permit it: `az keyvault key set-attributes --ops {operation} …`"
        )),
        (403, _) => error.with_hint(format!(
            "does this login have the right to {operation} with the key (the role Key Vault Crypto User), does the firewall of the vault admit this machine, and is the key enabled?"
        )),
        (404, _) => error.with_hint(
            "does the key exist in this vault, in this version? One that was deleted can be recovered for a while: `az keyvault key recover`",
        ),
        (400, _) if operation == "decrypt" => {
            error.with_hint("was the data key encrypted with another key or version?")
        }
        (400, _) => error.with_hint("is it an RSA key?"),
        (429 | 500..=599, _) => error.with_hint("try again later"),
        _ => error,
    }
}

fn unexpected() -> KeyError {
    KeyError::new("what Azure Key Vault answered cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str, version: &str) -> Option<String> {
        Key {
            vault_url: "https://v",
            name,
            version,
        }
        .path()
        .ok()
    }

    #[test]
    fn paths() {
        assert_eq!(path("my-key", "1a").as_deref(), Some("/keys/my-key/1a"));
        assert_eq!(path("k", "").as_deref(), Some("/keys/k"));
        for (name, version) in [
            ("", "1"),
            ("a/b", "1"),
            ("..", "1"),
            ("k", "1/../2"),
            ("k?", "1"),
            ("k", "1#"),
        ] {
            assert_eq!(path(name, version), None, "{name} {version}");
        }
    }
}
