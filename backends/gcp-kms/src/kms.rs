//! The service: which key, as whom, where, and by which of its two faces.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sops_core::{SecretBytes, keys::KeyError};
use sops_http::{AccessToken, Address, Client, Limits, Problem, Tokens, encode, tidy};

use crate::{
    Environment,
    credentials::{Credentials, CredentialsFile, KMS_SCOPE},
    grpc::GrpcFace,
    rest,
};

pub(crate) struct Kms {
    environment: Environment,
    client: OnceLock<Result<Client, Problem>>,
    grpc: OnceLock<Result<GrpcFace, Problem>>,
    credentials: OnceLock<Credentials>,
    tokens: Tokens,
    time_limit: Duration,
}

impl Kms {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            client: OnceLock::new(),
            grpc: OnceLock::new(),
            credentials: OnceLock::new(),
            tokens: Tokens::default(),
            time_limit: Limits::default().timeout,
        }
    }

    pub(crate) fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    pub(crate) fn encrypt(
        &self,
        resource_id: &str,
        share: &SecretBytes,
    ) -> Result<String, KeyError> {
        let key = Resource::parse(resource_id, Version::Refused)?;
        let asking = self.asking()?;
        let ciphertext = match self.client_type()? {
            ClientType::Grpc => self.grpc(&asking)?.encrypt(&key.name, share, &asking)?,
            ClientType::Rest => rest::encrypt(&key.path, share, &asking)?,
        };
        Ok(STANDARD.encode(ciphertext))
    }

    pub(crate) fn decrypt(&self, resource_id: &str, enc: &str) -> Result<SecretBytes, KeyError> {
        let key = Resource::parse(resource_id, Version::LeftOut)?;
        let ciphertext = STANDARD.decode(enc).map_err(|_| {
            KeyError::new("the encrypted data key of the entry is damaged: it is no base64")
        })?;
        let asking = self.asking()?;
        match self.client_type()? {
            ClientType::Grpc => self.grpc(&asking)?.decrypt(&key.name, &ciphertext, &asking),
            ClientType::Rest => rest::decrypt(&key.path, &ciphertext, &asking),
        }
    }

    fn client_type(&self) -> Result<ClientType, KeyError> {
        match self.environment.get("SOPS_GCP_KMS_CLIENT_TYPE").as_deref() {
            None | Some("grpc") => Ok(ClientType::Grpc),
            Some("rest") => Ok(ClientType::Rest),
            Some(other) => Err(KeyError::new(format!(
                "SOPS_GCP_KMS_CLIENT_TYPE: there is no type {:?}",
                tidy(other, &[])
            ))
            .with_hint("it is grpc or rest")),
        }
    }

    fn asking(&self) -> Result<Asking<'_>, KeyError> {
        Ok(Asking {
            kms: self,
            credentials: self.credentials()?,
        })
    }

    fn grpc(&self, asking: &Asking<'_>) -> Result<&GrpcFace, KeyError> {
        let server = asking.server()?;
        let face = self
            .grpc
            .get_or_init(|| GrpcFace::new(&server, self.time_limit));
        face.as_ref().map_err(|problem| problem.clone().into())
    }

    /// The connections for REST and for logging in. The environment is read for the first call.
    fn client(&self) -> Result<&Client, KeyError> {
        let client = self
            .client
            .get_or_init(|| Client::from_env(self.time_limit));
        client.as_ref().map_err(|problem| problem.clone().into())
    }

    fn credentials(&self) -> Result<&Credentials, KeyError> {
        if let Some(known) = self.credentials.get() {
            return Ok(known);
        }
        let found = Credentials::find(&self.environment)?;
        Ok(self.credentials.get_or_init(|| found))
    }
}

/// How the service is asked.
enum ClientType {
    Grpc,
    Rest,
}

/// As whom the service is asked, and where.
pub(crate) struct Asking<'k> {
    kms: &'k Kms,
    credentials: &'k Credentials,
}

impl Asking<'_> {
    pub(crate) fn client(&self) -> Result<&Client, KeyError> {
        self.kms.client()
    }

    pub(crate) fn token(&self) -> Result<Arc<AccessToken>, KeyError> {
        self.kms.tokens.get_or_try("kms", || {
            let token = self
                .credentials
                .token(&self.kms.environment, self.client()?, KMS_SCOPE)?;
            let is_one = token
                .secret
                .expose()
                .bytes()
                .all(|byte| byte.is_ascii_graphic());
            match is_one {
                true => Ok(token),
                false => Err(KeyError::new(format!(
                    "what {} gives is no access token",
                    token.origin
                ))),
            }
        })
    }

    /// Whether another token can be had than the one that the service refuses.
    pub(crate) fn can_renew(&self) -> bool {
        !matches!(self.credentials, Credentials::Token(_))
    }

    pub(crate) fn new_token(&self) -> Result<Arc<AccessToken>, KeyError> {
        self.kms.tokens.forget();
        self.token()
    }

    pub(crate) fn quota_project(&self) -> Option<String> {
        let set = self.kms.environment.get("GOOGLE_CLOUD_QUOTA_PROJECT");
        set.or_else(|| self.file()?.quota_project_id.clone())
    }

    /// The server: that of the provider, or one that the user's own settings name. No file has a say in it.
    pub(crate) fn server(&self) -> Result<Address, KeyError> {
        let environment = &self.kms.environment;
        let text = match environment.get("SOPS_GCP_KMS_ENDPOINT") {
            Some(text) if text.contains("://") => text,
            Some(text) => format!("https://{text}"),
            None => {
                let domain = environment.get("SOPS_GCP_KMS_UNIVERSE_DOMAIN");
                let domain = domain.or_else(|| self.file()?.universe_domain.clone());
                let domain = domain.as_deref().unwrap_or("googleapis.com");
                format!("https://cloudkms.{domain}")
            }
        };
        Address::parse(&text).map_err(|error| {
            KeyError::new(format!(
                "SOPS_GCP_KMS_ENDPOINT or SOPS_GCP_KMS_UNIVERSE_DOMAIN: {error}"
            ))
        })
    }

    fn file(&self) -> Option<&CredentialsFile> {
        match self.credentials {
            Credentials::File { file, .. } => Some(file),
            _ => None,
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

/// A key, without a version.
#[derive(Debug, PartialEq, Eq)]
struct Resource {
    /// As it is called.
    name: String,
    /// Below `/v1/`. What the entry says cannot lead elsewhere.
    path: String,
}

impl Resource {
    fn parse(resource_id: &str, version: Version) -> Result<Self, KeyError> {
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
        let (mut path, mut plain) = (String::new(), String::new());
        for ([name, value], expected) in pairs.iter().zip(NAMES) {
            if *name != expected || value.is_empty() || matches!(*value, "." | "..") {
                return Err(invalid());
            }
            if expected == "cryptoKeyVersions" {
                match version {
                    Version::LeftOut => break,
                    Version::Refused => {
                        return Err(KeyError::new("the resource id names a version of the key")
                            .with_hint(
                                "leave out /cryptoKeyVersions/…: the primary version is used",
                            ));
                    }
                }
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            path.push('/');
            path.push_str(&encode(value));
            if !plain.is_empty() {
                plain.push('/');
            }
            plain.push_str(name);
            plain.push('/');
            plain.push_str(value);
        }
        Ok(Self { name: plain, path })
    }
}

/// A refusal: what the service said, and the status of HTTP that says the same.
pub(crate) fn refused(said: &str, status: u16, operation: &str, token: &AccessToken) -> KeyError {
    let error = KeyError::new(format!(
        "Google Cloud refused to {operation} as {}: {said} (status {status})",
        token.origin
    ));
    if let Some(hint) = of_state(said, operation) {
        return error.with_hint(hint);
    }
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

/// What to do about a version that cannot be used, if it is in a state that the service names.
fn of_state(said: &str, operation: &str) -> Option<&'static str> {
    let (_, state) = said.split_once("current state is: ")?;
    let state = state.trim_end_matches('.');
    Some(match (state, operation) {
        ("DISABLED", _) => {
            "who manages the key can enable this version again: `gcloud kms keys versions enable`"
        }
        ("DESTROY_SCHEDULED", _) => {
            "until it is destroyed, who manages the key can bring this version back: `gcloud kms keys versions restore`, then `enable`"
        }
        ("DESTROYED", "decrypt") => {
            "what this version encrypted cannot be decrypted any more: the file has to be opened with another of its keys, or taken from a backup"
        }
        ("DESTROYED", _) => {
            "the key needs another primary version: `gcloud kms keys versions create --primary`"
        }
        _ => return None,
    })
}

pub(crate) fn unexpected() -> KeyError {
    KeyError::new("what Google Cloud KMS answered cannot be read")
}

pub(crate) fn damaged() -> KeyError {
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
            Resource::parse(id, Version::Refused).expect("valid").path,
            "projects/p.x%3Ay/locations/global/keyRings/r/cryptoKeys/k"
        );
        let versioned = format!("{id}/cryptoKeyVersions/3");
        assert!(Resource::parse(&versioned, Version::Refused).is_err());
        let key = Resource::parse(&versioned, Version::LeftOut).expect("valid");
        assert_eq!(
            Resource::parse(id, Version::Refused).ok().as_ref(),
            Some(&key)
        );
        assert_eq!(key.name, id);
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
            assert!(Resource::parse(bad, Version::LeftOut).is_err(), "{bad}");
        }
    }
}
