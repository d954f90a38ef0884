//! Who either side is, and whom it trusts.

use std::{path::PathBuf, sync::Arc};

use rustls::{ClientConfig, ServerConfig};
use sops_http::{Problem, Trust};

const CA: &str = "SOPS_KEYSERVICE_CA";
const CERT: &str = "SOPS_KEYSERVICE_CERT";
const KEY: &str = "SOPS_KEYSERVICE_KEY";

/// The files of somebody who asks a key service over TLS. Read when they are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The certificates of the authorities that services are trusted by, in PEM. None: those of the machine.
    pub authorities: Option<PathBuf>,
    /// The certificate to show to the service, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
}

/// The files of a key service that is asked over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificates of the authorities that clients are trusted by, in PEM.
    pub authorities: PathBuf,
    /// The certificate of the service, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

impl ClientTls {
    /// Returns what `SOPS_KEYSERVICE_CA`, `SOPS_KEYSERVICE_CERT` and `SOPS_KEYSERVICE_KEY` name. Reads the environment.
    #[must_use]
    pub fn from_env() -> Self {
        let path = |name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        Self {
            authorities: path(CA),
            certificate: path(CERT),
            key: path(KEY),
        }
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Problem> {
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((
                format!("{CERT} and {KEY}"),
                certificate.clone(),
                key.clone(),
            )),
            (None, None) => None,
            (given, _) => {
                let [set, missing] = match given {
                    Some(_) => [CERT, KEY],
                    None => [KEY, CERT],
                };
                return Err(
                    Problem::setting(format!("{set} is set, but {missing} is not"))
                        .with_hint("a certificate goes with its key: set both, or neither"),
                );
            }
        };
        let trust = Trust {
            file: self.authorities.clone().map(|path| (CA.to_owned(), path)),
            client,
            ..Trust::default()
        };
        Ok(Arc::new(trust.client_config()?))
    }
}

impl ServerTls {
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, Problem> {
        let trust = Trust {
            file: Some(("--tls-client-ca".to_owned(), self.authorities.clone())),
            client: Some((
                "--tls-cert and --tls-key".to_owned(),
                self.certificate.clone(),
                self.key.clone(),
            )),
            ..Trust::default()
        };
        let mut config = trust.server_config()?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}
