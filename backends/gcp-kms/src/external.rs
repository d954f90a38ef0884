//! Accounts of others: a token that somebody else gave out is exchanged for one of Google.

use std::{collections::HashMap, fs::File};

use serde::Deserialize;
use sops_core::{SecretText, keys::KeyError};
use sops_http::{AccessToken, Call, Client};
use zeroize::Zeroizing;

use crate::credentials::{CredentialsFile, impersonate, needed, request_token, secure};

/// Tokens end here.
const MAX_TOKEN: usize = 1 << 20;

/// Where the token of the other is.
#[derive(Deserialize)]
pub(crate) struct Source {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

pub(crate) fn token(
    file: &CredentialsFile,
    client: &Client,
    origin: &str,
    scope: &str,
) -> Result<AccessToken, KeyError> {
    let source = file.credential_source.as_ref();
    let subject = match source {
        Some(source) => source.subject(client, origin)?,
        None => return Err(unsupported(origin)),
    };
    let url = secure(needed(&file.token_url, origin, "token_url")?, origin)?;
    let is_impersonating = file.service_account_impersonation_url.is_some();
    let options = file
        .workforce_pool_user_project
        .as_ref()
        .map(|project| serde_json::json!({"userProject": project}).to_string());
    let mut fields = vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", needed(&file.audience, origin, "audience")?),
        (
            "subject_token_type",
            needed(&file.subject_token_type, origin, "subject_token_type")?,
        ),
        ("subject_token", subject.as_str()),
        (
            "scope",
            if is_impersonating {
                "https://www.googleapis.com/auth/cloud-platform"
            } else {
                scope
            },
        ),
    ];
    if let Some(options) = &options {
        fields.push(("options", options));
    }
    let token = request_token(
        client,
        url,
        &fields,
        &format!("the external account in {origin}"),
    )?;
    match &file.service_account_impersonation_url {
        Some(url) => impersonate(client, url, &token, &[], scope),
        None => Ok(token),
    }
}

impl Source {
    fn subject(&self, client: &Client, origin: &str) -> Result<Zeroizing<String>, KeyError> {
        let text = match (&self.file, &self.url) {
            (Some(path), _) => {
                let text = File::open(path)
                    .and_then(|file| SecretText::read_limited(file, MAX_TOKEN))
                    .map_err(|error| {
                        KeyError::new(format!(
                            "cannot read the token in {path}, which {origin} names: {error}"
                        ))
                    })?;
                Zeroizing::new(text.expose().to_owned())
            }
            (None, Some(url)) => {
                let call = self
                    .headers
                    .iter()
                    .fold(Call::get(url), |call, (name, value)| {
                        call.header(name, value)
                    });
                let failed = |what: String| {
                    KeyError::new(format!(
                        "cannot get the token from {url}, which {origin} names: {what}"
                    ))
                };
                let answer = client
                    .call(&call)
                    .map_err(|error| failed(error.to_string()))?;
                if !answer.is_success() {
                    return Err(failed(format!("status {}", answer.status)));
                }
                let text = std::str::from_utf8(&answer.body)
                    .map_err(|_| failed("it is no text".to_owned()))?;
                Zeroizing::new(text.to_owned())
            }
            (None, None) => return Err(unsupported(origin)),
        };
        let format = self.format.as_ref();
        if format.and_then(|format| format.kind.as_deref()) != Some("json") {
            return Ok(Zeroizing::new(text.trim().to_owned()));
        }
        let field = format
            .and_then(|format| format.subject_token_field_name.as_deref())
            .unwrap_or_default();
        let fields: Option<HashMap<String, serde_json::Value>> = serde_json::from_str(&text).ok();
        let value = fields.and_then(|mut fields| fields.remove(field));
        match value {
            Some(serde_json::Value::String(token)) => Ok(Zeroizing::new(token)),
            _ => Err(KeyError::new(format!(
                "what {origin} names as the source of a token has no text {field:?}"
            ))),
        }
    }
}

fn unsupported(origin: &str) -> KeyError {
    KeyError::new(format!(
        "the external account in {origin} gets its token in a way that is not supported"
    ))
    .with_hint("`gcloud auth print-access-token` prints a token for GOOGLE_OAUTH_ACCESS_TOKEN")
}
