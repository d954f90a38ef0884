//! How the environment says that servers are to be asked.

use std::{env, path::PathBuf, time::Duration};

use sops_http::{Client, HeaderName, HeaderValue, Limits, Problem, Proxies, Trust, seconds};

use crate::{
    allow_list::{self, AllowList},
    token::Token,
};

/// Everything but the token.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client: Client,
    pub(crate) allow_list: AllowList,
    /// Where to ask if the key does not say.
    pub(crate) address: Option<String>,
    /// Where to ask instead, whatever the key says.
    pub(crate) agent_address: Option<String>,
    pub(crate) namespace: Option<HeaderValue>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) follows_redirects: bool,
}

impl Settings {
    /// Reads the environment, as the client of Vault does.
    ///
    /// # Errors
    ///
    /// Fails if a variable cannot be understood.
    pub(crate) fn from_env(time_limit: Duration) -> Result<Self, Problem> {
        let variable = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        Self::read(time_limit, &variable)
    }

    /// Returns the headers of a call.
    ///
    /// # Errors
    ///
    /// Fails if the token cannot stand in one.
    pub(crate) fn request_headers(
        &self,
        token: Option<&Token>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
        let mut headers = vec![
            (
                HeaderName::from_static("content-type"),
                HeaderValue::from_static("application/json"),
            ),
            (
                HeaderName::from_static("x-vault-request"),
                HeaderValue::from_static("true"),
            ),
        ];
        headers.extend(self.headers.iter().cloned());
        if let Some(namespace) = &self.namespace {
            headers.push((
                HeaderName::from_static("x-vault-namespace"),
                namespace.clone(),
            ));
        }
        if let Some(token) = token {
            headers.push((HeaderName::from_static("x-vault-token"), token.header()?));
        }
        Ok(headers)
    }

    fn read(
        time_limit: Duration,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problem> {
        let mut limits = Limits {
            timeout: time_limit,
            ..Limits::default()
        };
        if let Some(text) = variable("VAULT_CLIENT_TIMEOUT") {
            let timeout = seconds(&text).ok_or_else(|| {
                Problem::setting("VAULT_CLIENT_TIMEOUT is no length of time")
                    .with_hint("write it as 30 or 1m30s")
            })?;
            if !timeout.is_zero() {
                limits.timeout = timeout;
            }
        }
        if let Some(text) = variable("VAULT_MAX_RETRIES") {
            limits.repetitions = text
                .parse()
                .map_err(|_| Problem::setting("VAULT_MAX_RETRIES is no number"))?;
        }
        let mut proxies = Proxies::from_env()?;
        for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
            if let Some(address) = variable(name) {
                proxies = proxies.always(name, &address)?;
                break;
            }
        }
        let namespace = variable("VAULT_NAMESPACE").map(|namespace| {
            let value = HeaderValue::from_str(&namespace);
            value.map_err(|_| Problem::setting("VAULT_NAMESPACE is no name of a namespace"))
        });
        Ok(Self {
            client: Client::new(trust(variable)?, proxies, limits),
            allow_list: AllowList::parse(&variable(allow_list::VARIABLE).unwrap_or_default())?,
            address: variable("VAULT_ADDR"),
            agent_address: variable("VAULT_AGENT_ADDR"),
            namespace: namespace.transpose()?,
            headers: headers(&variable("VAULT_HEADERS").unwrap_or_default())?,
            follows_redirects: !flag(variable, "VAULT_DISABLE_REDIRECTS")?,
        })
    }
}

fn trust(variable: &dyn Fn(&str) -> Option<String>) -> Result<Trust, Problem> {
    let named = |name: &str| variable(name).map(|text| (name.to_owned(), text));
    let path = |name: &str| variable(name).map(|text| (name.to_owned(), PathBuf::from(text)));
    let client = match (variable("VAULT_CLIENT_CERT"), variable("VAULT_CLIENT_KEY")) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((
            "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY".to_owned(),
            cert.into(),
            key.into(),
        )),
        _ => {
            let message = "of VAULT_CLIENT_CERT and VAULT_CLIENT_KEY only one is set";
            return Err(Problem::setting(message).with_hint("set both, or neither"));
        }
    };
    Ok(Trust {
        file: path("VAULT_CACERT"),
        text: named("VAULT_CACERT_BYTES"),
        folder: path("VAULT_CAPATH"),
        client,
        server_name: variable("VAULT_TLS_SERVER_NAME"),
        danger_skip_verify: flag(variable, "VAULT_SKIP_VERIFY")?,
    })
}

fn flag(variable: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<bool, Problem> {
    match variable(name).as_deref() {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(_) => Err(Problem::setting(format!(
            "{name} is neither true nor false"
        ))),
    }
}

/// Reads an object of JSON whose values are texts. They may be credentials of a proxy.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let failed = || {
        Problem::setting("VAULT_HEADERS is no object of JSON with the names and texts of headers")
    };
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| failed())?;
    let mut headers = Vec::new();
    for (name, value) in &object {
        let name = HeaderName::try_from(name).map_err(|_| failed())?;
        if name.as_str().starts_with("x-vault-") {
            let message = format!("VAULT_HEADERS must not set {name}");
            return Err(Problem::setting(message));
        }
        let value = value.as_str().ok_or_else(failed)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| failed())?;
        value.set_sensitive(true);
        headers.push((name, value));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Problem> {
        Settings::read(Duration::from_secs(30), &|name| {
            let mut variables = variables.iter();
            variables
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_cannot_be_understood() {
        for variables in [
            &[("VAULT_CLIENT_TIMEOUT", "soon")][..],
            &[("VAULT_MAX_RETRIES", "-1")],
            &[("VAULT_SKIP_VERIFY", "yes")],
            &[("VAULT_DISABLE_REDIRECTS", "no")],
            &[("VAULT_CLIENT_CERT", "a.pem")],
            &[("VAULT_CLIENT_KEY", "a.pem")],
            &[("VAULT_NAMESPACE", "a\nb")],
            &[("VAULT_PROXY_ADDR", "ftp://a")],
            &[("VAULT_HEADERS", "a: b")],
            &[("VAULT_HEADERS", r#"{"a":1}"#)],
            &[("VAULT_HEADERS", r#"{"a b":"1"}"#)],
            &[("VAULT_HEADERS", r#"{"X-Vault-Token":"1"}"#)],
            &[("SOPS_HC_VAULT_ALLOWLIST", "https://a,")],
        ] {
            let problem = read(variables).expect_err(variables[0].0);
            assert!(problem.message.contains(variables[0].0), "{problem}");
        }
    }

    #[test]
    fn what_can_be_understood() {
        let settings = read(&[
            ("VAULT_HEADERS", r#"{"X-Proxy":"secret"}"#),
            ("VAULT_CLIENT_TIMEOUT", "0"),
            ("VAULT_SKIP_VERIFY", "t"),
            ("VAULT_DISABLE_REDIRECTS", "1"),
        ])
        .expect("settings");
        assert_eq!(settings.headers.len(), 1);
        assert!(!settings.follows_redirects);
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(read(&[]).expect("settings").follows_redirects);
    }
}
