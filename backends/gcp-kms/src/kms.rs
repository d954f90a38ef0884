//! The two calls: encrypt and decrypt.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sops_core::{SecretBytes, keys::KeyError};
use sops_http::{
    AccessToken, Address, Answer, Call, Client, JsonBody, Limits, Problem, Proxies, SecretString,
    Tokens, Trust, encode, tidy,
};
use zeroize::Zeroizing;

use crate::{
    Environment,
    crc32c::crc32c,
    credentials::{Credentials, KMS_SCOPE},
};

pub(crate) struct Kms {
    environment: Environment,
    client: OnceLock<Result<Client, Problem>>,
    credentials: OnceLock<Credentials>,
    tokens: Tokens,
    time_limit: Duration,
}

impl Kms {
    pub(crate) fn new(environment: Environment, time_limit: Duration) -> Self {
        Self {
            environment,
            client: OnceLock::new(),
            time_limit,
            credentials: OnceLock::new(),
            tokens: Tokens::default(),
        }
    }

    pub(crate) fn encrypt(
        &self,
        resource_id: &str,
        share: &SecretBytes,
    ) -> Result<String, KeyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Encrypted {
            ciphertext: String,
            ciphertext_crc32c: Option<Number>,
            verified_plaintext_crc32c: Option<bool>,
        }

        let path = path(resource_id, Version::Refused)?;
        let text = Zeroizing::new(STANDARD.encode(share.expose()));
        let body = JsonBody::new()
            .text("plaintext", &text)
            .text("plaintextCrc32c", &crc32c(share.expose()).to_string())
            .build();
        let answer = self.call(&path, "encrypt", &body)?;
        let encrypted = answer.json::<Encrypted>().map_err(|_| unexpected())?;
        let ciphertext = STANDARD
            .decode(&encrypted.ciphertext)
            .map_err(|_| unexpected())?;
        if ciphertext.is_empty() {
            return Err(unexpected());
        }
        let is_intact = encrypted.verified_plaintext_crc32c != Some(false)
            && encrypted
                .ciphertext_crc32c
                .is_none_or(|crc| crc.is(crc32c(&ciphertext)));
        match is_intact {
            true => Ok(STANDARD.encode(ciphertext)),
            false => Err(damaged()),
        }
    }

    pub(crate) fn decrypt(&self, resource_id: &str, enc: &str) -> Result<SecretBytes, KeyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Decrypted {
            plaintext: SecretString,
            plaintext_crc32c: Option<Number>,
        }

        let path = path(resource_id, Version::LeftOut)?;
        let ciphertext = STANDARD.decode(enc).map_err(|_| {
            KeyError::new("the encrypted data key of the entry is damaged: it is no base64")
        })?;
        let body = JsonBody::new()
            .text("ciphertext", enc)
            .text("ciphertextCrc32c", &crc32c(&ciphertext).to_string())
            .build();
        let answer = self.call(&path, "decrypt", &body)?;
        let decrypted = answer.json::<Decrypted>().map_err(|_| unexpected())?;
        let bytes = STANDARD
            .decode(decrypted.plaintext.expose())
            .map_err(|_| unexpected())?;
        let share = SecretBytes::new(bytes);
        match decrypted
            .plaintext_crc32c
            .is_none_or(|crc| crc.is(crc32c(share.expose())))
        {
            true => Ok(share),
            false => Err(damaged()),
        }
    }

    fn call(&self, path: &str, operation: &str, body: &SecretBytes) -> Result<Answer, KeyError> {
        let credentials = self.credentials()?;
        let endpoint = self.endpoint(credentials)?;
        let url = format!("{endpoint}/v1/{path}:{operation}");
        let token = self.tokens.get_or_try("kms", || {
            credentials.token(&self.environment, self.client()?, KMS_SCOPE)
        })?;
        let answer = self.send(&url, &token, credentials, body)?;
        // A token can be withdrawn before its time.
        let answer = match answer.status {
            401 if !matches!(credentials, Credentials::Token(_)) => {
                self.tokens.forget();
                let token = self.tokens.get_or_try("kms", || {
                    credentials.token(&self.environment, self.client()?, KMS_SCOPE)
                })?;
                self.send(&url, &token, credentials, body)?
            }
            _ => answer,
        };
        match answer.is_success() {
            true => Ok(answer),
            false => Err(refused(&answer, operation, &token)),
        }
    }

    fn send(
        &self,
        url: &str,
        token: &Arc<AccessToken>,
        credentials: &Credentials,
        body: &SecretBytes,
    ) -> Result<Answer, KeyError> {
        let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
        if !bearer
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(KeyError::new(format!(
                "what {} gives is no access token",
                token.origin
            )));
        }
        let of_file = match credentials {
            Credentials::File { file, .. } => file.quota_project_id.clone(),
            _ => None,
        };
        let quota_project = self
            .environment
            .get("GOOGLE_CLOUD_QUOTA_PROJECT")
            .or(of_file);
        let mut call = Call::post(url, body.expose())
            .header("content-type", "application/json")
            .header("authorization", &bearer);
        if let Some(project) = &quota_project {
            call = call.header("x-goog-user-project", project);
        }
        self.client()?.call(&call).map_err(|error| {
            let server = url.split("/v1/").next().unwrap_or_default();
            KeyError::from(error.when(&format!("cannot reach Google Cloud KMS at {server}")))
        })
    }

    /// The connections. The environment is read for the first call.
    fn client(&self) -> Result<&Client, KeyError> {
        let limits = Limits {
            timeout: self.time_limit,
            repetitions: 3,
        };
        let client = self
            .client
            .get_or_init(|| Ok(Client::new(Trust::default(), Proxies::from_env()?, limits)));
        client.as_ref().map_err(|problem| problem.clone().into())
    }

    fn credentials(&self) -> Result<&Credentials, KeyError> {
        if let Some(known) = self.credentials.get() {
            return Ok(known);
        }
        let found = Credentials::find(&self.environment)?;
        Ok(self.credentials.get_or_init(|| found))
    }

    /// The server: that of the provider, or one that the user's own settings name. No file has a say in it.
    fn endpoint(&self, credentials: &Credentials) -> Result<Address, KeyError> {
        let of_file = match credentials {
            Credentials::File { file, .. } => file.universe_domain.clone(),
            _ => None,
        };
        let domain = self
            .environment
            .get("SOPS_GCP_KMS_UNIVERSE_DOMAIN")
            .or(of_file);
        let text = match self.environment.get("SOPS_GCP_KMS_ENDPOINT") {
            Some(text) if text.contains("://") => text,
            Some(text) => format!("https://{text}"),
            None => format!(
                "https://cloudkms.{}",
                domain.as_deref().unwrap_or("googleapis.com")
            ),
        };
        Address::parse(&text).map_err(|error| {
            KeyError::new(format!(
                "SOPS_GCP_KMS_ENDPOINT or SOPS_GCP_KMS_UNIVERSE_DOMAIN: {error}"
            ))
        })
    }
}

/// A number of 64 bits, which JSON has as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

impl Number {
    fn is(&self, expected: u32) -> bool {
        match self {
            Self::Text(text) => text.parse() == Ok(u64::from(expected)),
            Self::Number(number) => *number == u64::from(expected),
        }
    }
}

/// What becomes of the version that a resource id may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// The reference could not decrypt the file.
    Refused,
    /// The service finds it out by itself.
    LeftOut,
}

/// The path of a key below `/v1/`. What the entry says cannot lead elsewhere.
fn path(resource_id: &str, version: Version) -> Result<String, KeyError> {
    const NAMES: [&str; 5] = [
        "projects",
        "locations",
        "keyRings",
        "cryptoKeys",
        "cryptoKeyVersions",
    ];
    let invalid = || {
        KeyError::new("this is no resource id of a key of Google Cloud KMS").with_hint(
            "write it as projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
        )
    };
    let steps: Vec<&str> = resource_id.split('/').collect();
    let (pairs, rest) = steps.as_chunks::<2>();
    if !rest.is_empty() || !matches!(pairs.len(), 4 | 5) {
        return Err(invalid());
    }
    let mut path = String::new();
    for ([name, value], expected) in pairs.iter().zip(NAMES) {
        if *name != expected || value.is_empty() || matches!(*value, "." | "..") {
            return Err(invalid());
        }
        if expected == "cryptoKeyVersions" {
            match version {
                Version::LeftOut => break,
                Version::Refused => {
                    return Err(KeyError::new("the resource id names a version of the key")
                        .with_hint("leave out /cryptoKeyVersions/…: the primary version is used"));
                }
            }
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(name);
        path.push('/');
        path.push_str(&encode(value));
    }
    Ok(path)
}

fn refused(answer: &Answer, operation: &str, token: &AccessToken) -> KeyError {
    #[derive(Deserialize)]
    struct Said {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
    }

    let said = match answer.json::<Said>() {
        Ok(Said { error }) => tidy(&format!("{} {}", error.status, error.message), &[]),
        Err(_) => "it does not say why".to_owned(),
    };
    let status = answer.status;
    let error = KeyError::new(format!(
        "Google Cloud refused to {operation} as {}: {said} (status {status})",
        token.origin
    ));
    match status {
        401 => error.with_hint("is the login still valid? `gcloud auth application-default login` logs in anew"),
        403 => error.with_hint(format!(
            "does this account have the role roles/cloudkms.cryptoKey{}er on the key, and is the API cloudkms.googleapis.com enabled for the project?",
            if operation == "encrypt" { "Encrypt" } else { "Decrypt" }
        )),
        404 => error.with_hint("does the key exist in this project and location?"),
        400 if operation == "decrypt" => error.with_hint("was the data key encrypted with another key, or its version disabled or destroyed?"),
        400 => error.with_hint("is the key one for encrypting and decrypting, and its primary version enabled?"),
        429 | 500..=599 => error.with_hint("try again later"),
        _ => error,
    }
}

fn unexpected() -> KeyError {
    KeyError::new("what Google Cloud KMS answered cannot be read")
}

fn damaged() -> KeyError {
    KeyError::new("what Google Cloud KMS got or sent was damaged on the way: a checksum differs")
        .with_hint("try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_ids() {
        let id = "projects/p.x:y/locations/global/keyRings/r/cryptoKeys/k";
        assert_eq!(
            path(id, Version::Refused).expect("valid"),
            "projects/p.x%3Ay/locations/global/keyRings/r/cryptoKeys/k"
        );
        let versioned = format!("{id}/cryptoKeyVersions/3");
        assert!(path(&versioned, Version::Refused).is_err());
        assert_eq!(
            path(&versioned, Version::LeftOut).ok(),
            path(id, Version::Refused).ok()
        );
        for bad in [
            "",
            "projects/p",
            "projects//locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/",
            "projects/../locations/l/keyRings/r/cryptoKeys/k",
            "x/p/locations/l/keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/other/1",
            "/projects/p/locations/l/keyRings/r/cryptoKeys/k",
        ] {
            assert!(path(bad, Version::LeftOut).is_err(), "{bad}");
        }
    }
}
