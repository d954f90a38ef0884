//! The two calls over gRPC.

use std::{sync::Arc, time::Duration};

use prost::Message;
use sops_core::{SecretBytes, keys::KeyError};
use sops_grpc::{CallError, Code, Connection, Host, Target};
use sops_http::{AccessToken, Address, Problem, Proxies, Trust, encode};
use zeroize::Zeroizing;

use crate::{
    crc32c::crc32c,
    kms::{Asking, damaged, refused, unexpected},
    messages::{
        DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse,
        Int64Value,
    },
};

/// The service over gRPC, over one connection for all keys.
pub(crate) struct GrpcFace {
    connection: Connection,
    server: String,
}

impl GrpcFace {
    pub(crate) fn new(server: &Address, time_limit: Duration) -> Result<Self, Problem> {
        if !server.path().is_empty() {
            return Err(Problem::setting(
                "SOPS_GCP_KMS_ENDPOINT: an address with a path is one of REST",
            )
            .with_hint(REST));
        }
        let name = server.host().trim_matches(['[', ']']).to_owned();
        let port = server.authority()[server.host().len()..].strip_prefix(':');
        let usual = if server.is_https() { 443 } else { 80 };
        let mut host = Host {
            port: port.and_then(|port| port.parse().ok()).unwrap_or(usual),
            name,
            tls: None,
            tunnel: None,
        };
        if server.is_https() {
            host.tls = Some(Arc::new(Trust::default().client_config()?));
            let tunnel = Proxies::from_env()?.tunnel(&host.name, host.port);
            host.tunnel = tunnel.map_err(|problem| problem.with_hint(REST))?;
        }
        Ok(Self {
            connection: Connection::new(Target::Host(host), time_limit, 3),
            server: server.to_string(),
        })
    }

    pub(crate) fn encrypt(
        &self,
        name: &str,
        share: &SecretBytes,
        asking: &Asking<'_>,
    ) -> Result<Vec<u8>, KeyError> {
        let answer: EncryptResponse =
            self.call(ENCRYPT, "encrypt", name, asking, || EncryptRequest {
                name: name.to_owned(),
                plaintext: share.expose().to_vec(),
                plaintext_crc32c: Some(Int64Value::of(crc32c(share.expose()))),
            })?;
        if answer.ciphertext.is_empty() {
            return Err(unexpected());
        }
        let crc = answer.ciphertext_crc32c;
        let is_intact = crc.is_none_or(|crc| crc == Int64Value::of(crc32c(&answer.ciphertext)));
        match is_intact && answer.verified_plaintext_crc32c {
            true => Ok(answer.ciphertext),
            false => Err(damaged()),
        }
    }

    pub(crate) fn decrypt(
        &self,
        name: &str,
        ciphertext: &[u8],
        asking: &Asking<'_>,
    ) -> Result<SecretBytes, KeyError> {
        let mut answer: DecryptResponse =
            self.call(DECRYPT, "decrypt", name, asking, || DecryptRequest {
                name: name.to_owned(),
                ciphertext: ciphertext.to_vec(),
                ciphertext_crc32c: Some(Int64Value::of(crc32c(ciphertext))),
            })?;
        let share = SecretBytes::new(std::mem::take(&mut answer.plaintext));
        let crc = answer.plaintext_crc32c.take();
        match crc.is_none_or(|crc| crc == Int64Value::of(crc32c(share.expose()))) {
            true => Ok(share),
            false => Err(damaged()),
        }
    }

    fn call<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        operation: &str,
        name: &str,
        asking: &Asking<'_>,
        question: impl Fn() -> Q,
    ) -> Result<A, KeyError> {
        let token = asking.token()?;
        let (token, outcome) = match self.once(path, name, asking, &token, &question) {
            // A token can be withdrawn before its time.
            Err(CallError::Refused(Code::Unauthenticated, _)) if asking.can_renew() => {
                let token = asking.new_token()?;
                let outcome = self.once(path, name, asking, &token, &question);
                (token, outcome)
            }
            outcome => (token, outcome),
        };
        outcome.map_err(|error| self.failed(&error, operation, &token))
    }

    fn once<Q: Message + 'static, A: Message + Default + 'static>(
        &self,
        path: &'static str,
        name: &str,
        asking: &Asking<'_>,
        token: &AccessToken,
        question: impl Fn() -> Q,
    ) -> Result<A, CallError> {
        let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
        let routing = format!("name={}", *encode(name));
        let quota_project = asking.quota_project();
        let mut metadata = vec![
            ("authorization", bearer.as_str()),
            ("x-goog-request-params", routing.as_str()),
        ];
        if let Some(project) = &quota_project {
            metadata.push(("x-goog-user-project", project));
        }
        self.connection.call(path, &metadata, question)
    }

    fn failed(&self, error: &CallError, operation: &str, token: &AccessToken) -> KeyError {
        let unreachable = |why: &str| {
            KeyError::new(format!(
                "cannot reach Google Cloud KMS at {}: {why}",
                self.server
            ))
            .with_hint(REST)
        };
        match error {
            CallError::Refused(code, said) => {
                let (name, status) = in_words(*code);
                refused(&format!("{name} {said}"), status, operation, token)
            }
            CallError::TimedOut(limit) => {
                unreachable(&format!("no answer within {} s", limit.as_secs_f32()))
            }
            CallError::Unreachable(why) | CallError::Broken(why) => unreachable(why),
            _ => unreachable("the call failed"),
        }
    }
}

const REST: &str =
    "SOPS_GCP_KMS_CLIENT_TYPE=rest asks by REST, which gets through where gRPC does not";

/// The name of a code, and the status that REST has for it.
fn in_words(code: Code) -> (&'static str, u16) {
    match code {
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400),
        Code::OutOfRange => ("OUT_OF_RANGE", 400),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403),
        Code::NotFound => ("NOT_FOUND", 404),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409),
        Code::Aborted => ("ABORTED", 409),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429),
        Code::Unimplemented => ("UNIMPLEMENTED", 501),
        Code::Unavailable => ("UNAVAILABLE", 503),
        Code::Internal => ("INTERNAL", 500),
        _ => ("UNKNOWN", 500),
    }
}
