//! Secrets in key-value engines, where files are published.

use serde_json::Value;
use sops_core::{SecretBytes, keys::KeyError};
use sops_http::{Answer, Method, Problem, Redirects, Request, Uri};
use zeroize::Zeroize as _;

use crate::{HcVault, call, settings::Settings, token};

/// What came of putting a secret into an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// It was written.
    Written,
    /// It was there already, with the same content.
    UpToDate,
}

/// Where a secret is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SecretPlace<'a> {
    /// The address of the server; empty: that of `VAULT_ADDR`.
    pub address: &'a str,
    /// Where the engine is mounted.
    pub mount: &'a str,
    /// The path in the engine.
    pub path: &'a str,
    /// The version of the engine: 1, or else 2.
    pub version: u8,
}

impl<'a> SecretPlace<'a> {
    /// Returns the place at `path` in the engine at `mount`.
    #[must_use]
    pub fn new(address: &'a str, mount: &'a str, path: &'a str, version: u8) -> Self {
        Self {
            address,
            mount,
            path,
            version,
        }
    }
}

impl HcVault {
    /// Writes a secret, a JSON object, unless it is there already.
    ///
    /// # Errors
    ///
    /// Fails if the address may not be asked, if no answer comes, or one that says no.
    pub fn put_secret(
        &self,
        place: &SecretPlace<'_>,
        json: &SecretBytes,
    ) -> Result<Published, KeyError> {
        let settings = self.settings()?;
        let address = match place.address {
            "" => settings
                .address
                .as_deref()
                .unwrap_or("https://127.0.0.1:8200"),
            address => address,
        };
        let uri = call::secret_uri(settings, address, place)?;
        let mut wanted: Value = serde_json::from_slice(json.expose())
            .map_err(|_| KeyError::new("what is to be published is no JSON"))?;
        let found = self.exchange(settings, Method::GET, &uri, b"")?;
        let is_there = is_success(&found) && {
            let mut found: Value = serde_json::from_slice(&found.body).unwrap_or_default();
            let data = match place.version {
                1 => found.get("data"),
                _ => found.get("data").and_then(|data| data.get("data")),
            };
            let is_same = data == Some(&wanted);
            wipe(&mut found);
            is_same
        };
        wipe(&mut wanted);
        if is_there {
            return Ok(Published::UpToDate);
        }
        let body = match place.version {
            1 => SecretBytes::new(json.expose().to_vec()),
            _ => SecretBytes::new([b"{\"data\":", json.expose(), b"}"].concat()),
        };
        let answer = self.exchange(settings, Method::PUT, &uri, body.expose())?;
        match is_success(&answer) {
            true => Ok(Published::Written),
            false => {
                let token = self
                    .token
                    .get()
                    .and_then(|token| token.as_ref().ok())
                    .and_then(Option::as_ref);
                Err(KeyError::new(format!(
                    "Vault at {address} refused to write {}{}: {} (status {})",
                    place.mount,
                    place.path,
                    call::said(&answer.body, token),
                    answer.status
                ))
                .with_hint("is an engine of that version (vault_kv_version) mounted there, and does a policy allow create and update?"))
            }
        }
    }

    fn exchange(
        &self,
        settings: &Settings,
        method: Method,
        uri: &Uri,
        body: &[u8],
    ) -> Result<Answer, KeyError> {
        let token = self.token.get_or_init(token::find);
        let token = token
            .as_ref()
            .map_err(|problem: &Problem| problem.clone())?;
        let headers = settings.request_headers(token.as_ref())?;
        let answer = settings.client.send(&Request {
            method,
            uri: uri.clone(),
            headers: &headers,
            body,
            redirects: Redirects::Refused,
        });
        answer.map_err(|problem| {
            let host = uri
                .authority()
                .map(|authority| authority.as_str())
                .unwrap_or_default();
            KeyError::from(problem.when(&format!("cannot reach Vault at {host}")))
        })
    }
}

fn is_success(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// Wipes the texts of a value.
fn wipe(value: &mut Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => text.zeroize(),
            Value::Array(items) => open.extend(items.iter_mut()),
            Value::Object(entries) => open.extend(entries.values_mut()),
            _ => {}
        }
    }
}
