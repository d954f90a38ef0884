//! The calls: encrypt, decrypt, and which project it is.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sops_core::{SecretBytes, keys::KeyError};
use sops_rest::{
    Address, Answer, Call, Client, JsonBody, SecretString, Settings, encode, one_line,
};
use zeroize::Zeroizing;

use crate::{
    Environment,
    credentials::Credentials,
    signature::{Signed, date},
};

pub(crate) struct Kms {
    environment: Environment,
    client: Client,
    credentials: OnceLock<Credentials>,
    finding: Mutex<()>,
    /// The projects of regions that were asked for.
    projects: Mutex<HashMap<String, String>>,
}

impl Kms {
    pub(crate) fn new(environment: Environment, time_limit: Duration) -> Self {
        let mut settings = Settings::default();
        settings.time_limit = time_limit;
        Self {
            environment,
            client: Client::new(settings),
            credentials: OnceLock::new(),
            finding: Mutex::default(),
            projects: Mutex::default(),
        }
    }

    pub(crate) fn encrypt(&self, key_id: &str, share: &SecretBytes) -> Result<String, KeyError> {
        #[derive(Deserialize)]
        struct Encrypted {
            cipher_text: String,
        }

        let (region, uuid) = parts(key_id)?;
        let text = Zeroizing::new(STANDARD.encode(share.expose()));
        let body = JsonBody::new()
            .text("key_id", uuid)
            .text("plain_text", &text)
            .text("encryption_algorithm", "SYMMETRIC_DEFAULT")
            .build();
        let answer = self.call(region, "encrypt", "encrypt-data", &body)?;
        match answer.json::<Encrypted>() {
            Ok(encrypted) if !encrypted.cipher_text.is_empty() => Ok(encrypted.cipher_text),
            _ => Err(unexpected()),
        }
    }

    pub(crate) fn decrypt(&self, key_id: &str, enc: &str) -> Result<SecretBytes, KeyError> {
        #[derive(Deserialize)]
        struct Decrypted {
            plain_text: SecretString,
        }

        let (region, uuid) = parts(key_id)?;
        let body = JsonBody::new()
            .text("cipher_text", enc)
            .text("encryption_algorithm", "SYMMETRIC_DEFAULT")
            .text("key_id", uuid)
            .build();
        let answer = self.call(region, "decrypt", "decrypt-data", &body)?;
        let decrypted = answer.json::<Decrypted>().map_err(|_| unexpected())?;
        let bytes = STANDARD.decode(decrypted.plain_text.expose());
        Ok(SecretBytes::new(bytes.map_err(|_| unexpected())?))
    }

    fn call(
        &self,
        region: &str,
        operation: &str,
        action: &str,
        body: &SecretBytes,
    ) -> Result<Answer, KeyError> {
        let endpoint = self.endpoint(region)?;
        let credentials = self.credentials()?;
        let project = self.project(region, credentials)?;
        let path = format!("/v1.0/{}/kms/{action}", *encode(&project));
        let answer = self.send(
            credentials,
            "POST",
            &endpoint,
            &path,
            "",
            Some(&project),
            Some(body),
        )?;
        match answer.is_success() {
            true => Ok(answer),
            false => Err(refused(&answer, operation, credentials)),
        }
    }

    /// The server of a region: that of the provider, or the one that the user's own settings name.
    fn endpoint(&self, region: &str) -> Result<Address, KeyError> {
        let variable = format!(
            "HUAWEICLOUD_SDK_REGION_KMS_{}",
            region.to_uppercase().replace('-', "_")
        );
        let address = match self.environment.get(&variable) {
            Some(text) => text.split(',').next().unwrap_or_default().trim().to_owned(),
            None if region.starts_with("eu-") => format!("https://kms.{region}.myhuaweicloud.eu"),
            None => format!("https://kms.{region}.myhuaweicloud.com"),
        };
        Address::parse(&address).map_err(|error| KeyError::new(format!("{variable}: {error}")))
    }

    fn credentials(&self) -> Result<&Credentials, KeyError> {
        // One at a time: the machine is asked once.
        let _turn = self.finding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.credentials.get() {
            return Ok(known);
        }
        let found = Credentials::find(&self.environment, &self.client)?;
        Ok(self.credentials.get_or_init(|| found))
    }

    /// The project of the region, which is asked for if nothing names it.
    fn project(&self, region: &str, credentials: &Credentials) -> Result<String, KeyError> {
        #[derive(Deserialize)]
        struct Projects {
            projects: Vec<Project>,
        }
        #[derive(Deserialize)]
        struct Project {
            id: String,
        }

        if let Some(project) = &credentials.project_id {
            return Ok(project.clone());
        }
        let mut known = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(project) = known.get(region) {
            return Ok(project.clone());
        }
        let named = credentials.iam_endpoint.clone();
        let text = named.or_else(|| self.environment.get("HUAWEICLOUD_SDK_IAM_ENDPOINT"));
        let text = match text {
            Some(text) if text.contains("://") => text,
            Some(text) => format!("https://{text}"),
            None if region.starts_with("eu-") => format!("https://iam.{region}.myhuaweicloud.eu"),
            None => "https://iam.myhuaweicloud.com".to_owned(),
        };
        let endpoint = Address::parse(&text)
            .map_err(|error| KeyError::new(format!("HUAWEICLOUD_SDK_IAM_ENDPOINT: {error}")))?;
        let query = format!("name={region}");
        let answer = self.send(
            credentials,
            "GET",
            &endpoint,
            "/v3/projects",
            &query,
            None,
            None,
        )?;
        if !answer.is_success() {
            return Err(refused(&answer, "list projects", credentials));
        }
        let projects = answer
            .json::<Projects>()
            .map_err(|_| unexpected())?
            .projects;
        let [project] = projects.as_slice() else {
            return Err(KeyError::new(format!(
                "HuaweiCloud names {} projects for the region {region}",
                projects.len()
            ))
            .with_hint("HUAWEICLOUD_SDK_PROJECT_ID says which project it is"));
        };
        known.insert(region.to_owned(), project.id.clone());
        Ok(project.id.clone())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn send(
        &self,
        credentials: &Credentials,
        method: &'static str,
        endpoint: &Address,
        path: &str,
        query: &str,
        project: Option<&str>,
        body: Option<&SecretBytes>,
    ) -> Result<Answer, KeyError> {
        let path = format!("{}{path}", endpoint.path());
        let date = date(SystemTime::now());
        let mut headers = vec![
            ("content-type", "application/json"),
            ("host", endpoint.authority()),
        ];
        headers.extend(project.map(|project| ("x-project-id", project)));
        headers.push(("x-sdk-date", &date));
        if let Some(token) = &credentials.security_token {
            headers.push(("x-security-token", token.expose()));
        }
        let signed = Signed {
            method,
            path: &path,
            query,
            headers: &headers,
            body: body.map(SecretBytes::expose).unwrap_or_default(),
        };
        let authorization = signed.authorization(
            &credentials.access_key,
            credentials.secret_key.expose(),
            &date,
        );
        let scheme = if endpoint.is_https() { "https" } else { "http" };
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{scheme}://{}{path}{mark}{query}", endpoint.authority());
        let mut call = match body {
            Some(body) => Call::post(&url, body),
            None => Call::get(&url),
        };
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            call = call.header(name, value);
        }
        call = call.header("Authorization", &authorization);
        self.client.call(&call).map_err(|error| {
            let failure = KeyError::new(format!("cannot reach HuaweiCloud at {endpoint}: {error}"));
            match error.hint() {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })
    }
}

/// The region and the UUID of a key. The region becomes a part of a host, and comes from whoever wrote the file.
fn parts(key_id: &str) -> Result<(&str, &str), KeyError> {
    let is_region = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    match key_id.trim().split_once(':') {
        Some((region, uuid)) if is_region(region.trim()) && !uuid.trim().is_empty() => {
            Ok((region.trim(), uuid.trim()))
        }
        _ => Err(KeyError::new("this is no key of HuaweiCloud KMS")
            .with_hint("write it as region:key-uuid")),
    }
}

fn refused(answer: &Answer, operation: &str, credentials: &Credentials) -> KeyError {
    #[derive(Deserialize, Default)]
    struct Said {
        error: Option<Reason>,
        error_code: Option<String>,
        error_msg: Option<String>,
    }
    #[derive(Deserialize)]
    struct Reason {
        error_code: Option<String>,
        error_msg: Option<String>,
        message: Option<String>,
    }

    let said = answer.json::<Said>().unwrap_or_default();
    let (code, message) = match said.error {
        Some(reason) => (reason.error_code, reason.error_msg.or(reason.message)),
        None => (said.error_code, said.error_msg),
    };
    let code = one_line(&code.unwrap_or_default());
    let message = one_line(&message.unwrap_or_else(|| "it does not say why".to_owned()));
    let status = answer.status();
    let error = KeyError::new(format!(
        "HuaweiCloud refused to {operation} with the access key from {}: {code} {message} (status {status})",
        credentials.origin
    ));
    match status {
        401 | 403 => error.with_hint("is the access key valid, and does it have the right to use this key?"),
        400 | 404 => error.with_hint("does the key exist in this region and project, and is it enabled? HUAWEICLOUD_SDK_PROJECT_ID says which project it is"),
        429 | 500..=599 => error.with_hint("try again later"),
        _ => error,
    }
}

fn unexpected() -> KeyError {
    KeyError::new("what HuaweiCloud answered cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(parts("tr-west-1:abc").expect("valid"), ("tr-west-1", "abc"));
        assert_eq!(
            parts(" tr-west-1 : abc ").expect("valid"),
            ("tr-west-1", "abc")
        );
        for bad in [
            "",
            "abc",
            ":abc",
            "r:",
            "evil.example/:abc",
            "A:abc",
            "r@h:x",
            "r_1:x",
        ] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }
}
