//! How servers are reached and trusted.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};

/// Certificates and keys end here.
const MAX_PEM: u64 = 4 << 20;

/// How servers are reached and trusted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long a call may take, with all attempts.
    pub time_limit: Duration,
    /// How often it is attempted.
    pub attempts: u32,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// Who we are.
    pub client_certificate: Option<ClientCertificate>,
    /// The name that the server's certificate has to be for, if it is not that of the address.
    pub server_name: Option<String>,
    /// Whether the server may be anybody.
    pub danger_accept_any_server: bool,
    /// The proxy, if it is not the one that the environment names.
    pub proxy: Option<String>,
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Roots {
    /// Those that the system trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    #[default]
    System,
    /// Those in a PEM file.
    File(PathBuf),
    /// Those in the PEM files of a folder.
    Folder(PathBuf),
}

/// A certificate that tells a server who we are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// A PEM file with the certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// A PEM file with its key.
    pub key: PathBuf,
}

impl ClientCertificate {
    /// Returns the certificate in these files.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(30),
            attempts: 4,
            roots: Roots::System,
            client_certificate: None,
            server_name: None,
            danger_accept_any_server: false,
            proxy: None,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct SettingsError {
    /// What is wrong.
    pub message: String,
}

impl SettingsError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl Settings {
    /// Everything about TLS. Reads the files.
    pub(crate) fn tls(&self) -> Result<TlsConfig, SettingsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = self.client_certificate.as_ref();
        let client = client
            .map(|files| client_cert(files, &provider))
            .transpose()?;
        let roots = match self.danger_accept_any_server {
            true => Vec::new(),
            false => self.roots.read()?,
        };
        Ok(TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::from(roots))
            .client_cert(client)
            .disable_verification(self.danger_accept_any_server)
            .build())
    }
}

impl Roots {
    fn read(&self) -> Result<Vec<Certificate<'static>>, SettingsError> {
        let certificates = match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                let certificates = found.certs.iter();
                certificates
                    .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
                    .collect()
            }
            Self::File(path) => certificates(path)?,
            Self::Folder(path) => {
                let unreadable = |error: std::io::Error| {
                    SettingsError::new(format!(
                        "cannot read the folder {}: {error}",
                        path.display()
                    ))
                };
                let mut all = Vec::new();
                for entry in fs::read_dir(path).map_err(unreadable)? {
                    let file = entry.map_err(unreadable)?.path();
                    if file.is_file() {
                        all.extend(certificates(&file)?);
                    }
                }
                all
            }
        };
        if certificates.is_empty() {
            return Err(SettingsError::new(match self {
                Self::System => "this system trusts no authority: install ca-certificates, or name a file with SSL_CERT_FILE".to_owned(),
                Self::File(path) | Self::Folder(path) => {
                    format!("there is no certificate in {}", path.display())
                }
            }));
        }
        Ok(certificates)
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, SettingsError> {
    let items = pem(path)?;
    Ok(items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect())
}

/// What ureq would panic about is found out here.
fn client_cert(
    files: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<ClientCert, SettingsError> {
    let chain = certificates(&files.certificate)?;
    if chain.is_empty() {
        let path = files.certificate.display();
        return Err(SettingsError::new(format!(
            "there is no certificate in {path}"
        )));
    }
    let key = pem(&files.key)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    let Some(key) = key else {
        let path = files.key.display();
        return Err(SettingsError::new(format!(
            "there is no unencrypted private key in {path}"
        )));
    };
    let ders = chain
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der().to_vec()));
    let same_key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|_| SettingsError::new(format!("{} is no PEM file", files.key.display())))?;
    rustls::sign::CertifiedKey::from_der(ders.collect(), same_key, provider).map_err(|error| {
        SettingsError::new(format!(
            "the certificate in {} and the key in {} cannot be used: {error}",
            files.certificate.display(),
            files.key.display()
        ))
    })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn pem(path: &Path) -> Result<Vec<PemItem<'static>>, SettingsError> {
    let unreadable =
        |what: &str| SettingsError::new(format!("cannot read {}: {what}", path.display()));
    let length = fs::metadata(path)
        .map_err(|error| unreadable(&error.to_string()))?
        .len();
    if length > MAX_PEM {
        return Err(unreadable("it is too long for certificates and keys"));
    }
    let text =
        zeroize::Zeroizing::new(fs::read(path).map_err(|error| unreadable(&error.to_string()))?);
    parse_pem(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| unreadable("it is no PEM file"))
}
