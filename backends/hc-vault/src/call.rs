//! One call to a server, and what it answers.

use std::fmt::Write as _;

use serde_json::Value;
use sops_core::{SecretText, keys::KeyError, printable};
use sops_http::{Answer, Method, Problem, ProblemKind, Redirects, Request, Uri, tidy};

use crate::{
    allow_list::{self, AllowList},
    key_value::SecretPlace,
    settings::Settings,
    token::Token,
};

/// What the server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Encrypt,
    Decrypt,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }

    /// The field of the answer that holds what was asked for.
    fn field(self) -> &'static str {
        match self {
            Self::Encrypt => "ciphertext",
            Self::Decrypt => "plaintext",
        }
    }
}

/// A call that may be made.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    uri: Uri,
    /// The server that is asked, as messages call it.
    server: &'a str,
    /// The path after the version, as policies name it.
    path: String,
    engine: &'a str,
    key_name: &'a str,
    operation: Operation,
}

impl<'a> Call<'a> {
    /// Returns the call for a key.
    ///
    /// # Errors
    ///
    /// Fails if its address may not be asked, or is none.
    pub(crate) fn new(
        settings: &'a Settings,
        address: &'a str,
        engine: &'a str,
        key_name: &'a str,
        operation: Operation,
    ) -> Result<Self, KeyError> {
        let address = match (address, &settings.address) {
            ("", Some(address)) => address.as_str(),
            _ => address,
        };
        if !settings.allow_list.allows(address) {
            return Err(not_allowed(address).into());
        }
        let server = settings.agent_address.as_deref().unwrap_or(address);
        let mut path = String::new();
        for step in engine.split('/').filter(|step| !step.is_empty()) {
            push_step(&mut path, step, engine)?;
            path.push('/');
        }
        path.push_str(operation.name());
        path.push('/');
        push_step(&mut path, key_name, key_name)?;
        Ok(Self {
            uri: uri(server, &path)?,
            server,
            path,
            engine,
            key_name,
            operation,
        })
    }

    /// Makes it, and returns what the server encrypted or decrypted.
    ///
    /// # Errors
    ///
    /// Fails if no answer comes, or one that says no.
    pub(crate) fn make(
        &self,
        settings: &Settings,
        token: Option<&Token>,
        body: &[u8],
    ) -> Result<SecretText, KeyError> {
        let headers = settings.request_headers(token)?;
        let allow = |target: &Uri| allow_redirect(&settings.allow_list, target);
        let request = Request {
            method: Method::PUT,
            uri: self.uri.clone(),
            headers: &headers,
            body,
            redirects: match settings.follows_redirects {
                true => Redirects::Once(&allow),
                false => Redirects::Refused,
            },
        };
        let answer = settings.client.send(&request);
        let answer = answer.map_err(|problem| self.no_answer(problem))?;
        match answer.status {
            200..=299 => self.read(&answer),
            _ => Err(self.refusal(&answer, token)),
        }
    }

    fn read(&self, answer: &Answer) -> Result<SecretText, KeyError> {
        let mut value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = value
            .get_mut("data")
            .and_then(|data| data.get_mut(self.operation.field()))
            .map(Value::take);
        match text {
            Some(Value::String(text)) if !text.is_empty() => Ok(SecretText::new(text)),
            _ => Err(self
                .failed(&format!("the answer holds no {}", self.operation.field()))
                .with_hint("is the address that of a Vault or OpenBao, and the path that of its transit engine?")),
        }
    }

    fn no_answer(&self, problem: Problem) -> KeyError {
        let hint = match problem.kind {
            ProblemKind::Unreachable | ProblemKind::Slow => format!(
                "is {} the right address, and reachable from here? A proxy is named by HTTPS_PROXY or VAULT_PROXY_ADDR, a longer time by VAULT_CLIENT_TIMEOUT",
                self.server
            ),
            ProblemKind::Untrusted => {
                "VAULT_CACERT names a file with the certificate of its authority, VAULT_TLS_SERVER_NAME the name that the certificate is for".to_owned()
            }
            _ => {
                let error = self.failed(&problem.message);
                return match problem.hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                };
            }
        };
        self.failed(&problem.message).with_hint(hint)
    }

    /// What it means that the server says no.
    fn refusal(&self, answer: &Answer, token: Option<&Token>) -> KeyError {
        let said = said(&answer.body, token);
        let status = answer.status;
        let words = match (said.is_empty(), status) {
            (false, _) => format!("{said} (status {status})"),
            (true, 404) => "there is nothing at this path (status 404)".to_owned(),
            (true, _) => format!("status {status}"),
        };
        let error = self.failed(&words);
        match self.hint(status, &said, token) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn hint(&self, status: u16, said: &str, token: Option<&Token>) -> Option<String> {
        let Self {
            path,
            engine,
            key_name,
            ..
        } = self;
        let (engine, key_name) = (printable::line(engine), printable::line(key_name));
        match (status, token) {
            (400 | 401 | 403, None) if status != 400 || said.contains("token") => Some(
                "there is no token: set VAULT_TOKEN, or log in with `vault login`, which writes ~/.vault-token"
                    .to_owned(),
            ),
            (401 | 403, Some(token)) if said.contains("invalid token") => Some(format!(
                "the token from {} has expired or was revoked, or is one of another server or namespace: log in again (`vault login`)",
                token.source()
            )),
            (401 | 403, Some(token)) => Some(format!(
                "the token from {} is not valid, has expired, or its policy does not give it `update` on {path}{}; `vault token lookup` tells",
                token.source(),
                match self.operation {
                    Operation::Encrypt => format!(", or the key {key_name} is not there any more"),
                    Operation::Decrypt => String::new(),
                }
            )),
            (404, _) => Some(format!(
                "is a transit engine mounted at {engine}, in this namespace (VAULT_NAMESPACE)? `vault secrets list` tells"
            )),
            (400, _) if said.contains("not found") => Some(format!(
                "is there a key {key_name}, or was it deleted or never made? `vault list {engine}/keys` tells; what a deleted key encrypted, another key of the file has to decrypt"
            )),
            (400, _) if self.operation == Operation::Decrypt => Some(format!(
                "has the key {key_name} been made anew, or its min_decryption_version been raised, since the file was encrypted?"
            )),
            (503, _) if said.contains("sealed") => Some("unseal it: `vault operator unseal`".to_owned()),
            (429 | 500..=599, _) => Some("try again later, or see what the server logs".to_owned()),
            (300..=399, _) => Some(
                "it sends the call on: use the address of the active server, or unset VAULT_DISABLE_REDIRECTS"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn failed(&self, reason: &str) -> KeyError {
        KeyError::new(format!(
            "Vault at {} did not {} with the key {} of {}: {reason}",
            self.server,
            self.operation.name(),
            printable::line(self.key_name),
            printable::line(self.engine)
        ))
    }
}

/// What the server says went wrong; not with the words of another page than one of its own.
pub(crate) fn said(body: &[u8], token: Option<&Token>) -> String {
    let secrets: Vec<&str> = token.iter().map(|token| token.expose()).collect();
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = value.get("errors").and_then(Value::as_array);
    let errors: Option<Vec<&str>> =
        errors.map(|errors| errors.iter().filter_map(Value::as_str).collect());
    match errors {
        Some(errors) => tidy(&errors.join("; "), &secrets),
        None => tidy(&String::from_utf8_lossy(body), &secrets),
    }
}

/// The address of a secret, if it may be asked for.
pub(crate) fn secret_uri(
    settings: &Settings,
    address: &str,
    place: &SecretPlace<'_>,
) -> Result<Uri, Problem> {
    if !settings.allow_list.allows(address) {
        return Err(not_allowed(address));
    }
    let mut path = String::new();
    let folder = if place.version == 1 { "" } else { "data" };
    let steps = [place.mount, folder, place.path];
    for step in steps
        .iter()
        .flat_map(|steps| steps.split('/'))
        .filter(|step| !step.is_empty())
    {
        if !path.is_empty() {
            path.push('/');
        }
        push_step(&mut path, step, place.path)?;
    }
    uri(settings.agent_address.as_deref().unwrap_or(address), &path)
}

fn not_allowed(address: &str) -> Problem {
    let variable = allow_list::VARIABLE;
    Problem::new(
        ProblemKind::Refused,
        format!("{variable} does not allow {address}; nothing was sent there"),
    )
    .with_hint(format!(
        "if you trust this server with your token, add its address to {variable}"
    ))
}

fn allow_redirect(allow_list: &AllowList, target: &Uri) -> Result<(), Problem> {
    let address = target.to_string();
    match allow_list.allows(&address) {
        true => Ok(()),
        false => Err(not_allowed(&address)),
    }
}

/// Adds a step to a path. Steps come from files of others: none may lead elsewhere.
fn push_step(path: &mut String, step: &str, whole: &str) -> Result<(), Problem> {
    if matches!(step, "" | "." | "..") {
        let message = format!("{whole:?} is no path of a key in Vault");
        return Err(Problem::setting(message)
            .with_hint("the URI of a key is https://vault.example.com:8200/v1/transit/keys/NAME"));
    }
    for byte in step.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' | b'@' => {
                path.push(char::from(byte));
            }
            byte if byte.is_ascii_alphanumeric() => path.push(char::from(byte)),
            byte => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    Ok(())
}

fn uri(server: &str, path: &str) -> Result<Uri, Problem> {
    let failed = || {
        let problem = Problem::setting(format!("{server:?} is no address of a Vault"));
        problem.with_hint("an address is like https://vault.example.com:8200")
    };
    if server.contains(['?', '#', '@', '\\']) {
        return Err(failed());
    }
    let whole = format!("{}/v1/{path}", server.trim_end_matches('/'));
    let uri: Uri = whole.parse().map_err(|_| failed())?;
    let is_usable = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| {
            !authority.host().is_empty()
                && (authority.as_str() == authority.host() || authority.port_u16().is_some())
        });
    is_usable.then_some(uri).ok_or_else(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(step: &str) -> Result<String, Problem> {
        let mut path = String::new();
        push_step(&mut path, step, step).map(|()| path)
    }

    #[test]
    fn steps_stay_where_they_are() {
        assert_eq!(path("my-key_1.2"), Ok("my-key_1.2".to_owned()));
        assert_eq!(
            path("a/b?c#d e%2f"),
            Ok("a%2Fb%3Fc%23d%20e%252f".to_owned())
        );
        assert_eq!(path("ü\n"), Ok("%C3%BC%0A".to_owned()));
        for bad in ["", ".", ".."] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses() {
        let shown = |server| uri(server, "transit/encrypt/k").map(|uri| uri.to_string());
        assert_eq!(
            shown("https://[::1]:8200/"),
            Ok("https://[::1]:8200/v1/transit/encrypt/k".to_owned())
        );
        assert_eq!(
            shown("http://v/prefix"),
            Ok("http://v/prefix/v1/transit/encrypt/k".to_owned())
        );
        for bad in [
            "",
            "v",
            "v:8200",
            "https://",
            "https:///x",
            "unix:///run/vault",
            "https://u:p@v",
            "https://v?a",
            "https://v#a",
            "https://v\\a",
            "https://v\n",
            "ftp://v",
            "https://v:99999999",
        ] {
            assert!(uri(bad, "x").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_the_server_says() {
        let token = Token::new(SecretText::new("hvs.secret".to_owned()), "X");
        let said = |body: &str| said(body.as_bytes(), Some(&token));
        assert_eq!(said(r#"{"errors":["a\n","b"]}"#), "a ; b");
        assert_eq!(said(r#"{"errors":[]}"#), "");
        assert_eq!(said(r#"{"errors":["bad hvs.secret"]}"#), "bad [REDACTED]");
        assert_eq!(said("<html>\n oops hvs.secret"), "<html> oops [REDACTED]");
        assert_eq!(said(""), "");
    }
}
