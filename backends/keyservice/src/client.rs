//! Asking another process.

use std::{sync::OnceLock, time::Duration};

use http::uri::PathAndQuery;
use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use sops_runtime::{RuntimeError, run, run_within};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{
    Address, AddressError,
    messages::{
        DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse, Key,
    },
};

/// No message that holds a wrapped key is nearly as long.
const MAX_MESSAGE: usize = 1 << 20;

/// The key service that asks another process, over one connection for all files.
pub struct RemoteKeys {
    address: Result<Address, AddressError>,
    time_limit: Duration,
    channel: OnceLock<Channel>,
}

impl RemoteKeys {
    /// Returns the service at `uri`, `tcp://HOST:PORT` or `unix:///PATH`. Nothing is opened before the first key needs it,
    /// and a text that names no service is told then. A call may take as long as `time_limit`.
    #[must_use]
    pub fn new(uri: &str, time_limit: Duration) -> Self {
        Self {
            address: Address::parse(uri),
            time_limit,
            channel: OnceLock::new(),
        }
    }

    fn call<Q, A>(&self, path: &'static str, question: Q) -> Result<A, KeyError>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let address = self.address.as_ref().map_err(|error| {
            KeyError::new(error.to_string())
                .with_hint("write it as tcp://HOST:PORT or unix:///PATH")
        })?;
        let channel = self.channel(address)?;
        let mut request = Request::new(question);
        request.set_timeout(self.time_limit);
        let call = async move {
            let mut grpc = Grpc::new(channel)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE);
            grpc.ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static(path);
            let answer = grpc
                .unary(request, path, ProstCodec::<Q, A>::default())
                .await?;
            Ok(answer.into_inner())
        };
        match run_within(self.time_limit, call) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(refused(address, &status, self.time_limit)),
            Err(error) => Err(unreachable(address, &error)),
        }
    }

    fn channel(&self, address: &Address) -> Result<Channel, KeyError> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel.clone());
        }
        let target = match address {
            // An empty host is this one, as everywhere in Go.
            Address::Tcp(host) if host.starts_with(':') => format!("http://localhost{host}"),
            Address::Tcp(host) => format!("http://{host}"),
            Address::Unix(path) => format!("unix://{}", absolute(path)?),
        };
        let endpoint = Endpoint::from_shared(target).map_err(|_| {
            KeyError::new(format!(
                "the address of the key service {address} cannot be used"
            ))
        })?;
        let endpoint = endpoint.connect_timeout(self.time_limit).tcp_nodelay(true);
        // The connection is a task of the thread for the network.
        let channel = run(async move { endpoint.connect_lazy() })
            .map_err(|error| unreachable(address, &error))?;
        Ok(self.channel.get_or_init(|| channel).clone())
    }
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
        let request = EncryptRequest {
            key: Some(Key::of(key)?),
            plaintext: share.expose().to_vec(),
        };
        let answer = self.call::<_, EncryptResponse>(ENCRYPT, request);
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
        let request = DecryptRequest {
            key: Some(Key::of(&entry.key)?),
            ciphertext: entry.enc.as_bytes().to_vec(),
        };
        let answer = self.call::<_, DecryptResponse>(DECRYPT, request);
        Some(answer.map(|mut answer| SecretBytes::new(std::mem::take(&mut answer.plaintext))))
    }
}

fn absolute(path: &std::path::Path) -> Result<String, KeyError> {
    let absolute = std::path::absolute(path).ok();
    let text = absolute.as_deref().and_then(std::path::Path::to_str);
    text.map(str::to_owned)
        .ok_or_else(|| KeyError::new(format!("{} is no path of a socket", path.display())))
}

const START: &str = "is it running there? `sops keyservice` starts one";

fn refused(address: &Address, status: &Status, limit: Duration) -> KeyError {
    // What it says may be about anything, but is one line.
    let said = status
        .message()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let said: String = said
        .chars()
        .filter(|letter| !letter.is_control())
        .take(500)
        .collect();
    match status.code() {
        Code::Unavailable | Code::Unknown if is_transport(status) => {
            let error = KeyError::new(format!(
                "cannot reach the key service {address}: {}",
                innermost(status)
            ));
            error.with_hint(START)
        }
        Code::DeadlineExceeded | Code::Cancelled => {
            unreachable(address, &RuntimeError::TimedOut(limit))
        }
        Code::PermissionDenied => {
            KeyError::new(format!("the key service {address} refuses: {said}"))
        }
        Code::Unimplemented => KeyError::new(format!(
            "what listens at {address} is no key service of SOPS"
        )),
        _ => KeyError::new(format!("the key service {address} failed: {said}")),
    }
}

fn unreachable(address: &Address, error: &RuntimeError) -> KeyError {
    KeyError::new(format!("cannot reach the key service {address}: {error}")).with_hint(START)
}

fn is_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// The last of the causes: what the system said.
fn innermost(status: &Status) -> String {
    let mut error: &dyn std::error::Error = status;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
