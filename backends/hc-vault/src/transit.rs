//! The two calls: encrypt and decrypt.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sops_core::{SecretBytes, keys::KeyError, metadata::MasterKey};
use sops_rest::{
    Address, Answer, Call, Client, JsonBody, SecretString, Settings, encode, one_line,
};
use zeroize::Zeroizing;

use crate::{AllowList, Environment, error::Refusal, token::Token};

/// A key, as its entry names it.
pub(crate) struct Key<'k> {
    address: &'k str,
    engine: &'k str,
    name: &'k str,
}

impl<'k> Key<'k> {
    /// The key, if it is one of Vault.
    pub(crate) fn of(key: &'k MasterKey) -> Option<Self> {
        match key {
            MasterKey::HcVault {
                vault_address,
                engine_path,
                key_name,
            } => Some(Self {
                address: vault_address,
                engine: engine_path,
                name: key_name,
            }),
            _ => None,
        }
    }

    /// The path of an operation below the address. What the entry says cannot lead elsewhere.
    fn path(&self, operation: &str) -> Result<String, KeyError> {
        let engine = self.engine.split('/').filter(|step| !step.is_empty());
        let name = self.name.split('/').filter(|step| !step.is_empty());
        let steps: Vec<&str> = engine.chain([operation]).chain(name).collect();
        if steps.first() == Some(&operation) || steps.last() == Some(&operation) {
            return Err(KeyError::new("the entry names no engine or no key"));
        }
        if steps.iter().any(|step| matches!(*step, "." | "..")) {
            return Err(KeyError::new("the path of the key leads elsewhere"));
        }
        let mut path = "/v1".to_owned();
        for step in steps {
            path.push('/');
            path.push_str(&encode(step));
        }
        Ok(path)
    }
}

/// The client for all servers and keys.
pub(crate) struct Transit {
    settings: Settings,
    allow_list: AllowList,
    token: Option<Token>,
    namespace: Option<String>,
    /// The address of an agent, which is called instead of the servers.
    agent: Option<Address>,
    follows_redirects: bool,
    clients: Mutex<HashMap<Address, Arc<Client>>>,
}

impl Transit {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Refusal> {
        let list = environment
            .get("SOPS_HC_VAULT_ALLOWLIST")
            .unwrap_or_default();
        let allow_list =
            AllowList::parse(&list).map_err(|error| Refusal::new(error.to_string()))?;
        let agent = environment.get("VAULT_AGENT_ADDR");
        let agent = agent.map(|text| Address::parse(&text)).transpose();
        let namespace = environment.get("VAULT_NAMESPACE");
        if namespace
            .iter()
            .any(|name| !name.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Refusal::new("VAULT_NAMESPACE is no name of a namespace"));
        }
        Ok(Self {
            settings: environment.settings()?,
            allow_list,
            token: Token::find(environment)?,
            namespace,
            agent: agent.map_err(|error| Refusal::new(format!("VAULT_AGENT_ADDR: {error}")))?,
            follows_redirects: !environment.flag("VAULT_DISABLE_REDIRECTS")?,
            clients: Mutex::default(),
        })
    }

    pub(crate) fn encrypt(&self, key: &Key<'_>, share: &SecretBytes) -> Result<String, KeyError> {
        #[derive(Deserialize)]
        struct Encrypted {
            data: Ciphertext,
        }
        #[derive(Deserialize)]
        struct Ciphertext {
            ciphertext: String,
        }

        let text = Zeroizing::new(STANDARD.encode(share.expose()));
        let body = JsonBody::new().text("plaintext", &text).build();
        let answer = self.call(key, "encrypt", &body)?;
        match answer.json::<Encrypted>() {
            Ok(encrypted) if !encrypted.data.ciphertext.is_empty() => Ok(encrypted.data.ciphertext),
            _ => Err(unexpected(key)),
        }
    }

    pub(crate) fn decrypt(&self, key: &Key<'_>, enc: &str) -> Result<SecretBytes, KeyError> {
        #[derive(Deserialize)]
        struct Decrypted {
            data: Plaintext,
        }
        #[derive(Deserialize)]
        struct Plaintext {
            plaintext: SecretString,
        }

        let body = JsonBody::new().text("ciphertext", enc).build();
        let answer = self.call(key, "decrypt", &body)?;
        let decrypted = answer.json::<Decrypted>().map_err(|_| unexpected(key))?;
        let text = decrypted.data.plaintext;
        let bytes = STANDARD
            .decode(text.expose())
            .map_err(|_| unexpected(key))?;
        Ok(SecretBytes::new(bytes))
    }

    fn call(&self, key: &Key<'_>, operation: &str, body: &SecretBytes) -> Result<Answer, KeyError> {
        let path = key.path(operation)?;
        let address = self.address(key.address)?;
        let mut answer = self.send(&address, &path, body)?;
        // A server that stands by names the one that works.
        if self.follows_redirects && matches!(answer.status(), 301 | 302 | 307 | 308) {
            let target = answer.header("Location").unwrap_or_default();
            let (address, path) = self.redirection(&address, target)?;
            answer = self.send(&address, &path, body)?;
        }
        match answer.is_success() {
            true => Ok(answer),
            false => Err(self.refused(key, operation, &answer)),
        }
    }

    /// The server that is asked, if it may be.
    fn address(&self, text: &str) -> Result<Address, KeyError> {
        if !self.allow_list.allows(text) {
            return Err(KeyError::new(format!(
                "SOPS_HC_VAULT_ALLOWLIST does not allow the server {text}"
            ))
            .with_hint("if you trust the server, add its address to SOPS_HC_VAULT_ALLOWLIST"));
        }
        let address = Address::parse(text).map_err(|error| KeyError::new(error.to_string()))?;
        Ok(self.agent.clone().unwrap_or(address))
    }

    fn redirection(&self, from: &Address, target: &str) -> Result<(Address, String), KeyError> {
        let refused =
            |reason: &str| KeyError::new(format!("{from} refers to another server, {reason}"));
        if target.starts_with('/') && !target.starts_with("//") {
            return Ok((from.clone(), target.to_owned()));
        }
        let after_scheme = target.find("://").map_or(0, |at| at + 3);
        let end = target[after_scheme..]
            .find('/')
            .map_or(target.len(), |at| after_scheme + at);
        let (server, path) = target.split_at(end);
        let address = Address::parse(server).map_err(|_| refused("but says not which"))?;
        if from.is_https() && !address.is_https() {
            return Err(refused("to which it would be unsafe to send the token"));
        }
        if self.agent.is_none() && !self.allow_list.allows(server) {
            return Err(
                refused("which SOPS_HC_VAULT_ALLOWLIST does not allow").with_hint(format!(
                    "if you trust it, add {address} to SOPS_HC_VAULT_ALLOWLIST"
                )),
            );
        }
        Ok((address, path.to_owned()))
    }

    fn send(&self, address: &Address, path: &str, body: &SecretBytes) -> Result<Answer, KeyError> {
        let url = format!("{address}{path}");
        let client = self.client(address);
        client.prepare(&url).map_err(|error| {
            KeyError::new(format!("cannot connect to Vault at {address}: {error}"))
                .with_hint("VAULT_CACERT names a PEM file with the authority to trust; VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are PEM files, too")
        })?;
        let mut call = Call::post(&url, body)
            .header("Content-Type", "application/json")
            .header("X-Vault-Request", "true");
        if let Some(token) = &self.token {
            call = call.header("X-Vault-Token", token.secret.expose());
        }
        if let Some(namespace) = &self.namespace {
            call = call.header("X-Vault-Namespace", namespace);
        }
        client.call(&call).map_err(|error| {
            let hint = match error {
                sops_rest::CallError::Tls(_) => Some(
                    "if the server's certificate is from an authority of your own, name that with VAULT_CACERT",
                ),
                _ => error.hint(),
            };
            let failure = KeyError::new(format!("cannot reach Vault at {address}: {error}"));
            match hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })
    }

    fn client(&self, address: &Address) -> Arc<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(address.clone());
        Arc::clone(client.or_insert_with(|| Arc::new(Client::new(self.settings.clone()))))
    }

    fn refused(&self, key: &Key<'_>, operation: &str, answer: &Answer) -> KeyError {
        let status = answer.status();
        let reasons = reasons(answer);
        let identity = match &self.token {
            Some(token) => format!("with the token from {}", token.origin),
            None => "without a token".to_owned(),
        };
        let error = KeyError::new(format!(
            "Vault at {} refused to {operation} with the key {:?} of {:?}, {identity}: {reasons} (status {status})",
            key.address, key.name, key.engine
        ));
        match (status, &self.token) {
            (400 | 401 | 403, None) => {
                error.with_hint("log in with `vault login`, or set VAULT_TOKEN")
            }
            (401 | 403, Some(_)) => error.with_hint(format!(
                "is the token still valid, is VAULT_NAMESPACE right, and does a policy of it allow update on {}/{operation}/{}?",
                key.engine, key.name
            )),
            (404, _) => error.with_hint("is a transit engine mounted at that path?"),
            (400, _) if operation == "encrypt" => {
                error.with_hint(format!("does the key exist? `vault write -f {}/keys/{}` makes one", key.engine, key.name))
            }
            (429 | 500..=599, _) => error.with_hint("is the server unsealed and healthy? try again later"),
            _ => error,
        }
    }
}

/// What the server says about it: printable, and not too long.
fn reasons(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }

    let errors = answer
        .json::<Errors>()
        .map(|said| said.errors)
        .unwrap_or_default();
    let text = errors.join("; ");
    let text = one_line(&text);
    match text.is_empty() {
        true => "it does not say why".to_owned(),
        false => text,
    }
}

fn unexpected(key: &Key<'_>) -> KeyError {
    KeyError::new(format!(
        "what {} answered is not what Vault answers",
        key.address
    ))
    .with_hint("does the address lead to a server of Vault or OpenBao?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(engine: &str, name: &str) -> Result<String, KeyError> {
        let address = "https://h";
        Key {
            address,
            engine,
            name,
        }
        .path("encrypt")
    }

    #[test]
    fn paths() {
        for (engine, name, expected) in [
            ("transit", "k", "/v1/transit/encrypt/k"),
            ("a/b/", "k", "/v1/a/b/encrypt/k"),
            ("a b", "k?x#y", "/v1/a%20b/encrypt/k%3Fx%23y"),
            ("ü", "%2e%2e", "/v1/%C3%BC/encrypt/%252e%252e"),
        ] {
            assert_eq!(path(engine, name).expect(engine), expected);
        }
        for (engine, name) in [
            ("", "k"),
            ("/", "k"),
            ("transit", ""),
            ("..", "k"),
            ("a/../sys", "k"),
            ("a", "../k"),
            ("a", "."),
        ] {
            assert!(path(engine, name).is_err(), "{engine} {name}");
        }
    }

    fn redirection(list: &str, from: &str, target: &str) -> Option<String> {
        let transit = Transit {
            settings: Settings::default(),
            allow_list: AllowList::parse(list).expect("valid"),
            token: None,
            namespace: None,
            agent: None,
            follows_redirects: true,
            clients: Mutex::default(),
        };
        let from = Address::parse(from).expect("valid");
        let (address, path) = transit.redirection(&from, target).ok()?;
        Some(format!("{address}{path}"))
    }

    #[test]
    fn redirections() {
        let same = |target| redirection("all", "https://a", target);
        assert_eq!(
            same("https://b:8200/v1/x").as_deref(),
            Some("https://b:8200/v1/x")
        );
        assert_eq!(same("/v1/x").as_deref(), Some("https://a/v1/x"));
        for target in [
            "",
            "http://b/v1/x",
            "//b/v1/x",
            "b",
            "https://u@b/v1/x",
            "ftp://b/x",
        ] {
            assert_eq!(same(target), None, "{target}");
        }
        assert_eq!(
            redirection("https://a", "https://a", "https://b/v1/x"),
            None
        );
        assert!(redirection("https://a,https://b", "https://a", "https://b/v1/x").is_some());
    }
}
