//! Asking another process.

use std::{sync::OnceLock, time::Duration};

use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_grpc::{CallError, Code, Connection, Host, Target};
use sops_http::Problem;

use crate::{
    Address, AddressError, ClientTls,
    messages::{
        DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse, Key,
    },
};

/// The key service that asks another process, over one connection for all files.
pub struct RemoteKeys {
    address: Result<Address, AddressError>,
    tls: ClientTls,
    time_limit: Duration,
    connection: OnceLock<Result<Connection, Problem>>,
}

impl RemoteKeys {
    /// Returns the service at `uri`, `tcp://HOST:PORT`, `tls://HOST:PORT` or `unix:///PATH`. Nothing is opened before the
    /// first key needs it, and a text that names no service is told then. A call may take as long as `time_limit`.
    #[must_use]
    pub fn new(uri: &str, time_limit: Duration) -> Self {
        Self {
            address: Address::parse(uri),
            tls: ClientTls::default(),
            time_limit,
            connection: OnceLock::new(),
        }
    }

    /// Uses these files for a service at a `tls://` address.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> Self {
        self.tls = tls;
        self
    }

    fn call<Q, A>(&self, path: &'static str, question: impl Fn() -> Q) -> Result<A, KeyError>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let address = self.address.as_ref().map_err(|error| {
            KeyError::new(error.to_string())
                .with_hint("write it as tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH")
        })?;
        let connection = self.connection.get_or_init(|| self.connect(address));
        let connection = connection.as_ref().map_err(|problem| problem.clone())?;
        connection
            .call(path, &[], question)
            .map_err(|error| failed(address, &error))
    }

    fn connect(&self, address: &Address) -> Result<Connection, Problem> {
        let target = match address {
            Address::Unix(path) => Target::Unix(path.clone()),
            Address::Tcp(text) => Target::Host(host(address, text)?),
            Address::Tls(text) => {
                let mut host = host(address, text)?;
                host.tls = Some(self.tls.config()?);
                Target::Host(host)
            }
        };
        Ok(Connection::new(target, self.time_limit, 0))
    }
}

fn host(address: &Address, text: &str) -> Result<Host, Problem> {
    let (name, port) = Address::split(text)
        .ok_or_else(|| Problem::setting(format!("the address {address} cannot be used")))?;
    Ok(Host {
        name: name.to_owned(),
        port,
        tls: None,
        tunnel: None,
    })
}

impl KeyService for RemoteKeys {
    fn waits(&self) -> bool {
        true
    }

    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        if matches!(key, MasterKey::AzureKv { version, .. } if version.is_empty()) {
            // The answer would not say which version it was, and so nobody could decrypt it.
            let error = KeyError::new("a key service cannot find out the version of the key");
            return Some(Err(error.with_hint(
                "name the key with its version: https://VAULT/keys/NAME/VERSION",
            )));
        }
        let key = Key::of(key)?;
        let answer = self.call::<_, EncryptResponse>(ENCRYPT, || EncryptRequest {
            key: Some(key.clone()),
            plaintext: share.expose().to_vec(),
        });
        Some(
            answer.and_then(|answer| match String::from_utf8(answer.ciphertext) {
                Ok(enc) if !enc.is_empty() => Ok(enc),
                _ => Err(KeyError::new(
                    "what the key service answered is no encrypted data key",
                )),
            }),
        )
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let key = Key::of(&entry.key)?;
        let answer = self.call::<_, DecryptResponse>(DECRYPT, || DecryptRequest {
            key: Some(key.clone()),
            ciphertext: entry.enc.as_bytes().to_vec(),
        });
        Some(answer.map(|mut answer| SecretBytes::new(std::mem::take(&mut answer.plaintext))))
    }
}

const START: &str = "is it running there? `sops keyservice` starts one";
const TLS: &str = "SOPS_KEYSERVICE_CA names the authority of the service, SOPS_KEYSERVICE_CERT and SOPS_KEYSERVICE_KEY the \
                   certificate to show to it and its key";

fn failed(address: &Address, error: &CallError) -> KeyError {
    match error {
        CallError::Refused(Code::PermissionDenied, said) => {
            KeyError::new(format!("the key service {address} refuses: {said}"))
        }
        CallError::Refused(Code::Unimplemented, _) => KeyError::new(format!(
            "what listens at {address} is no key service of SOPS"
        )),
        CallError::Refused(_, said) => {
            KeyError::new(format!("the key service {address} failed: {said}"))
        }
        CallError::TimedOut(limit) => KeyError::new(format!(
            "cannot reach the key service {address}: no answer within {} s",
            limit.as_secs_f32()
        ))
        .with_hint(START),
        CallError::Unreachable(why) | CallError::Broken(why) => {
            let error = KeyError::new(format!("cannot reach the key service {address}: {why}"));
            let is_tls = matches!(address, Address::Tls(_));
            error.with_hint(match is_tls && !why.contains("refused") {
                true => TLS,
                false => START,
            })
        }
        _ => KeyError::new(format!("the key service {address} failed")),
    }
}
