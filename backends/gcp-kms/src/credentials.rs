//! Who we are: where credentials are looked for, and how they become access tokens.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use sops_core::{SecretBytes, SecretText, keys::KeyError};
use sops_http::{AccessToken, Answer, Call, Client, Limits, Proxies, Trust, form, tidy};
use zeroize::Zeroizing;

use crate::{Environment, assertion::assertion, external};

/// What access tokens are for.
pub(crate) const KMS_SCOPE: &str = "https://www.googleapis.com/auth/cloudkms";

/// Credentials files end here.
const MAX_FILE: usize = 1 << 20;

/// The machine answers in an instant, or there is nothing to answer.
const MACHINE_TIME_LIMIT: Duration = Duration::from_secs(3);

/// Where credentials lead to others, they do so only so often.
const MAX_DEPTH: usize = 4;

/// Credentials before they are used.
pub(crate) enum Credentials {
    /// A token that somebody else got.
    Token(SecretText),
    /// A credentials file, and where it is from.
    File {
        file: Box<CredentialsFile>,
        origin: String,
    },
    /// Whatever the machine is.
    Machine,
}

/// A credentials file, with the fields of all its kinds.
#[derive(Deserialize)]
pub(crate) struct CredentialsFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: Option<String>,
    private_key: Option<SecretText>,
    private_key_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    refresh_token: Option<SecretText>,
    token_uri: Option<String>,
    pub(crate) quota_project_id: Option<String>,
    pub(crate) universe_domain: Option<String>,
    source_credentials: Option<Box<Self>>,
    pub(crate) service_account_impersonation_url: Option<String>,
    #[serde(default)]
    delegates: Vec<String>,
    pub(crate) audience: Option<String>,
    pub(crate) subject_token_type: Option<String>,
    pub(crate) token_url: Option<String>,
    pub(crate) credential_source: Option<external::Source>,
    pub(crate) workforce_pool_user_project: Option<String>,
}

impl Credentials {
    /// Looks where the reference looks. Asks nobody.
    pub(crate) fn find(environment: &Environment) -> Result<Self, KeyError> {
        if let Some(value) = environment.get("GOOGLE_CREDENTIALS") {
            let path = Path::new(&value);
            if path.exists() {
                return Self::read(path);
            }
            if !value.trim_start().starts_with('{') {
                return Err(
                    KeyError::new("GOOGLE_CREDENTIALS names no file, and is no JSON").with_hint(
                        "set it to the path of a credentials file, or to what is in one",
                    ),
                );
            }
            return Self::parse(value.as_bytes(), "GOOGLE_CREDENTIALS");
        }
        if let Some(token) = environment.get("GOOGLE_OAUTH_ACCESS_TOKEN") {
            return Ok(Self::Token(SecretText::new(token)));
        }
        if let Some(path) = environment.get("GOOGLE_APPLICATION_CREDENTIALS") {
            return Self::read(Path::new(&path));
        }
        let usual = configuration_folder(environment)
            .map(|folder| folder.join("application_default_credentials.json"));
        match usual.filter(|path| path.exists()) {
            Some(path) => Self::read(&path),
            None => Ok(Self::Machine),
        }
    }

    fn read(path: &Path) -> Result<Self, KeyError> {
        let origin = path.display().to_string();
        let text = File::open(path)
            .and_then(|file| SecretBytes::read_limited(file, MAX_FILE))
            .map_err(|error| {
                KeyError::new(format!(
                    "cannot read the credentials file {origin}: {error}"
                ))
                .with_hint("`gcloud auth application-default login` writes one")
            })?;
        Self::parse(text.expose(), &origin)
    }

    fn parse(text: &[u8], origin: &str) -> Result<Self, KeyError> {
        match serde_json::from_slice(text) {
            Ok(file) => Ok(Self::File {
                file: Box::new(file),
                origin: origin.to_owned(),
            }),
            Err(_) => Err(KeyError::new(format!("what {origin} holds are no credentials of Google"))
                .with_hint("a credentials file is JSON with a \"type\"; `gcloud auth application-default login` writes one")),
        }
    }

    /// Gets an access token.
    pub(crate) fn token(
        &self,
        environment: &Environment,
        client: &Client,
        scope: &str,
    ) -> Result<AccessToken, KeyError> {
        match self {
            Self::Token(token) => {
                let token = SecretText::new(token.expose().trim().to_owned());
                Ok(AccessToken::new(token, "GOOGLE_OAUTH_ACCESS_TOKEN", None))
            }
            Self::File { file, origin } => file.token(client, origin, scope, 0),
            Self::Machine => of_machine(environment),
        }
    }
}

impl CredentialsFile {
    pub(crate) fn token(
        &self,
        client: &Client,
        origin: &str,
        scope: &str,
        depth: usize,
    ) -> Result<AccessToken, KeyError> {
        if depth > MAX_DEPTH {
            return Err(KeyError::new(format!(
                "the credentials in {origin} lead to others without end"
            )));
        }
        match self.kind.as_str() {
            "service_account" => self.service_account(client, origin, scope),
            "authorized_user" => self.authorized_user(client, origin),
            "external_account" => external::token(self, client, origin, scope),
            "impersonated_service_account" => {
                let source = self
                    .source_credentials
                    .as_ref()
                    .ok_or_else(|| missing(origin, "source_credentials"))?;
                let token = source.token(
                    client,
                    origin,
                    "https://www.googleapis.com/auth/cloud-platform",
                    depth + 1,
                )?;
                let url = needed(
                    &self.service_account_impersonation_url,
                    origin,
                    "service_account_impersonation_url",
                )?;
                impersonate(client, url, &token, &self.delegates, scope)
            }
            kind => Err(KeyError::new(format!(
                "credentials of the type {:?}, as in {origin}, are not supported",
                tidy(kind, &[])
            ))
            .with_hint(
                "`gcloud auth print-access-token` prints a token for GOOGLE_OAUTH_ACCESS_TOKEN",
            )),
        }
    }

    fn service_account(
        &self,
        client: &Client,
        origin: &str,
        scope: &str,
    ) -> Result<AccessToken, KeyError> {
        let account = needed(&self.client_email, origin, "client_email")?;
        let key = self
            .private_key
            .as_ref()
            .ok_or_else(|| missing(origin, "private_key"))?;
        let url = self.token_url_of_google(origin)?;
        let assertion = assertion(
            account,
            self.private_key_id.as_deref(),
            key.expose(),
            scope,
            url,
        )
        .map_err(|error| KeyError::new(format!("{error} ({origin})")))?;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        request_token(
            client,
            url,
            &fields,
            &format!("the service account {account}"),
        )
    }

    fn authorized_user(&self, client: &Client, origin: &str) -> Result<AccessToken, KeyError> {
        let secret = |value: &'_ Option<SecretText>, name: &str| match value {
            Some(value) => Ok(Zeroizing::new(value.expose().to_owned())),
            None => Err(missing(origin, name)),
        };
        let refresh = secret(&self.refresh_token, "refresh_token")?;
        let client_secret = secret(&self.client_secret, "client_secret")?;
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", needed(&self.client_id, origin, "client_id")?),
            ("client_secret", client_secret.as_str()),
            ("refresh_token", refresh.as_str()),
        ];
        request_token(
            client,
            self.token_url_of_google(origin)?,
            &fields,
            &format!("the login in {origin}"),
        )
    }

    fn token_url_of_google(&self, origin: &str) -> Result<&str, KeyError> {
        let url = self
            .token_uri
            .as_deref()
            .unwrap_or("https://oauth2.googleapis.com/token");
        secure(url, origin)
    }
}

/// Secrets are not sent where others can read them.
pub(crate) fn secure<'u>(url: &'u str, origin: &str) -> Result<&'u str, KeyError> {
    match sops_http::Address::parse(url) {
        Ok(address)
            if address.is_https()
                || matches!(address.host(), "127.0.0.1" | "localhost" | "[::1]") =>
        {
            Ok(url)
        }
        _ => Err(KeyError::new(format!(
            "the address {:?} in {origin} is not one of https",
            tidy(url, &[])
        ))),
    }
}

pub(crate) fn needed<'v>(
    value: &'v Option<String>,
    origin: &str,
    name: &str,
) -> Result<&'v str, KeyError> {
    value
        .as_deref()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| missing(origin, name))
}

fn missing(origin: &str, name: &str) -> KeyError {
    KeyError::new(format!("the credentials in {origin} have no {name}"))
}

#[derive(Deserialize)]
struct Token {
    access_token: SecretText,
    expires_in: Option<u64>,
}

/// Asks for an access token.
pub(crate) fn request_token(
    client: &Client,
    url: &str,
    fields: &[(&str, &str)],
    who: &str,
) -> Result<AccessToken, KeyError> {
    let body = form(fields);
    let call =
        Call::post(url, body.expose()).header("content-type", "application/x-www-form-urlencoded");
    let answer = client.call(&call).map_err(|error| {
        KeyError::from(error.when(&format!("cannot reach {url} to log in as {who}")))
    })?;
    match answer.json::<Token>() {
        Ok(token) if answer.is_success() => Ok(AccessToken::new(
            token.access_token,
            who,
            Some(token.expires_in.unwrap_or(300)),
        )),
        _ => Err(no_token(&answer, who)),
    }
}

fn no_token(answer: &Answer, who: &str) -> KeyError {
    KeyError::new(format!(
        "Google does not let {who} log in: {} (status {})",
        answer.reason(),
        answer.status
    ))
    .with_hint("`gcloud auth application-default login` logs in anew")
}

/// Becomes another account.
pub(crate) fn impersonate(
    client: &Client,
    url: &str,
    token: &AccessToken,
    delegates: &[String],
    scope: &str,
) -> Result<AccessToken, KeyError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Impersonated {
        access_token: SecretText,
    }

    let url = secure(url, "service_account_impersonation_url")?;
    let json = serde_json::json!({"scope": [scope], "delegates": delegates, "lifetime": "3600s"});
    let body = SecretBytes::new(json.to_string().into_bytes());
    let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
    let call = Call::post(url, body.expose())
        .header("content-type", "application/json")
        .header("authorization", &bearer);
    let who = format!("a service account on behalf of {}", token.origin);
    let answer = client.call(&call).map_err(|error| {
        KeyError::new(format!("cannot reach {url} to log in as {who}: {error}"))
    })?;
    match answer.json::<Impersonated>() {
        Ok(token) if answer.is_success() => {
            Ok(AccessToken::new(token.access_token, who, Some(3600)))
        }
        _ => Err(no_token(&answer, &who)),
    }
}

/// The account of a machine in the cloud.
fn of_machine(environment: &Environment) -> Result<AccessToken, KeyError> {
    let host = environment
        .get("GCE_METADATA_HOST")
        .unwrap_or_else(|| "169.254.169.254".to_owned());
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let call = Call::get(&url).header("metadata-flavor", "Google");
    let limits = Limits {
        timeout: MACHINE_TIME_LIMIT,
        repetitions: 0,
    };
    let client = Client::new(Trust::default(), Proxies::default(), limits);
    let answer = client.call(&call).ok().filter(Answer::is_success);
    let token = answer.and_then(|answer| answer.json::<Token>().ok());
    match token {
        Some(token) => Ok(AccessToken::new(token.access_token, "the service account of this machine", Some(token.expires_in.unwrap_or(300)))),
        None => Err(KeyError::new("there are no credentials for Google Cloud").with_hint(
            "log in with `gcloud auth application-default login`, or set GOOGLE_CREDENTIALS to the path of a credentials file",
        )),
    }
}

/// The folder of gcloud.
fn configuration_folder(environment: &Environment) -> Option<PathBuf> {
    if let Some(folder) = environment.get("CLOUDSDK_CONFIG") {
        return Some(folder.into());
    }
    match environment.get("APPDATA").filter(|_| cfg!(windows)) {
        Some(folder) => Some(PathBuf::from(folder).join("gcloud")),
        None => environment
            .home
            .as_ref()
            .map(|home| home.join(".config/gcloud")),
    }
}
