//! Which servers are trusted, and who this machine is to them.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sops_core::SecretBytes;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::Problem;

/// Larger files are no certificates.
const MAX_FILE: usize = 4 << 20;
/// Folders with more files than this hold something else.
const MAX_FILES: usize = 10_000;
/// Where OpenSSL, and what follows it, is told to find certificates.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

/// The certificate authorities that are trusted, and the certificate that is shown to servers that ask for one.
///
/// The default trusts the authorities of this machine, `SSL_CERT_FILE` and `SSL_CERT_DIR` among them; where there are
/// none, those of Mozilla.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Trusts only the authorities whose certificates are in this file, and what names it.
    pub file: Option<(String, PathBuf)>,
    /// Trusts only these authorities, in PEM, and what holds them. The file goes before.
    pub text: Option<(String, String)>,
    /// Trusts only the authorities whose certificates are in this folder, and what names it. The others go before.
    pub folder: Option<(String, PathBuf)>,
    /// The certificate to show and its key, and what names them.
    pub client: Option<(String, PathBuf, PathBuf)>,
    /// The name that the certificate of the server has to be for, if it is not that of the address.
    pub server_name: Option<String>,
    /// Takes any certificate of anybody.
    pub danger_skip_verify: bool,
}

impl Trust {
    /// Reads what is needed for a connection.
    pub(crate) fn tls_config(&self) -> Result<TlsConfig, Problem> {
        let builder = TlsConfig::builder()
            .root_certs(self.roots()?)
            .disable_verification(self.danger_skip_verify)
            .client_cert(self.client_cert()?);
        Ok(builder.build())
    }

    /// Returns the same for connections that are not made here.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or used, or everybody is to be trusted.
    pub fn client_config(&self) -> Result<ClientConfig, Problem> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::setting(error.to_string()))?
            .with_root_certificates(self.root_store()?);
        match self.pair()? {
            None => Ok(builder.with_no_client_auth()),
            Some(Pair { chain, key, .. }) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| Problem::setting(error.to_string())),
        }
    }

    /// Returns the same for the other side: a server that shows the certificate, and takes connections only from who has
    /// one of an authority that is named here.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or used, or there is no certificate.
    pub fn server_config(&self) -> Result<ServerConfig, Problem> {
        let unusable = |error: &dyn std::fmt::Display| Problem::setting(error.to_string());
        let Some(Pair { chain, key, .. }) = self.pair()? else {
            return Err(Problem::setting("a server needs a certificate and its key"));
        };
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.root_store()?), provider())
                .build()
                .map_err(|error| unusable(&error))?;
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| unusable(&error))
    }

    fn root_store(&self) -> Result<RootCertStore, Problem> {
        if self.danger_skip_verify {
            return Err(Problem::setting("a server has to be one that is trusted"));
        }
        let mut store = RootCertStore::empty();
        match self.roots()? {
            RootCerts::Specific(certs) => {
                store.add_parsable_certificates(certs.iter().map(to_der));
            }
            _ => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        match store.is_empty() {
            true => Err(Problem::setting(
                "no authority is trusted: none can be read",
            )),
            false => Ok(store),
        }
    }

    fn roots(&self) -> Result<RootCerts, Problem> {
        if self.danger_skip_verify {
            return Ok(RootCerts::WebPki);
        }
        if let Some((named_by, path)) = &self.file {
            let pem = read(named_by, path)?;
            return roots(named_by, certificates(pem.expose()));
        }
        if let Some((named_by, text)) = &self.text {
            return roots(named_by, certificates(text.as_bytes()));
        }
        if let Some((named_by, folder)) = &self.folder {
            let mut found = Vec::new();
            for path in files_in(named_by, folder)? {
                found.extend(certificates(read(named_by, &path)?.expose()));
            }
            return roots(named_by, found);
        }
        let native = rustls_native_certs::load_native_certs();
        if native.certs.is_empty() {
            if env::var_os(SSL_CERT_FILE).is_some() {
                return roots(SSL_CERT_FILE, Vec::new());
            }
            return Ok(RootCerts::WebPki);
        }
        let certs = native.certs.iter();
        Ok(certs
            .map(|cert| Certificate::from_der(cert).to_owned())
            .into())
    }

    fn client_cert(&self) -> Result<Option<ClientCert>, Problem> {
        let Some(Pair { chain, pem, .. }) = self.pair()? else {
            return Ok(None);
        };
        let key = PrivateKey::from_pem(pem.expose()).map_err(|_| self.no_pair())?;
        let chain: Vec<_> = chain
            .iter()
            .map(|cert| Certificate::from_der(cert).to_owned())
            .collect();
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }

    fn pair(&self) -> Result<Option<Pair>, Problem> {
        let Some((named_by, cert, key)) = &self.client else {
            return Ok(None);
        };
        let chain = certificates(read(named_by, cert)?.expose());
        let pem = read(named_by, key)?;
        let (false, Ok(key)) = (
            chain.is_empty(),
            PrivateKeyDer::from_pem_slice(pem.expose()),
        ) else {
            return Err(self.no_pair());
        };
        let chain: Vec<_> = chain.iter().map(to_der).collect();
        check_pair(&chain, key.clone_key()).map_err(|error| {
            Problem::setting(format!(
                "the certificate and the key that {named_by} name do not go together: {error}"
            ))
        })?;
        Ok(Some(Pair { chain, key, pem }))
    }

    fn no_pair(&self) -> Problem {
        let named_by = self
            .client
            .as_ref()
            .map_or("they", |(named_by, ..)| named_by);
        Problem::setting(format!(
            "{named_by} do not name a certificate and a private key without a passphrase, both in PEM"
        ))
    }
}

/// A certificate with those that lead to its authority, and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The key as it was read.
    pem: SecretBytes,
}

fn to_der(cert: &Certificate<'static>) -> CertificateDer<'static> {
    CertificateDer::from(cert.der()).into_owned()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Refuses what would be refused when the connection is made, where no error can be returned.
fn check_pair(
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
) -> Result<(), rustls::Error> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain.to_vec(), key)
        .map(drop)
}

fn roots(named_by: &str, certs: Vec<Certificate<'static>>) -> Result<RootCerts, Problem> {
    if certs.is_empty() {
        return Err(
            Problem::setting(format!("there is no certificate in what {named_by} names"))
                .with_hint("certificates of authorities are expected in PEM"),
        );
    }
    Ok(certs.into_iter().into())
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(cert)) => Some(cert),
            _ => None,
        })
        .collect()
}

fn files_in(named_by: &str, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed = |path: &Path, error| unreadable(named_by, path, &error);
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| failed(&folder, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| failed(&folder, error))?;
            let path = entry.path();
            // Links are followed to files, which is how such folders are made, but not to folders.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
            if files.len() + folders.len() > MAX_FILES {
                let message = format!("{named_by} ({}) holds too much", folder.display());
                return Err(Problem::setting(message));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(named_by: &str, path: &Path) -> Result<SecretBytes, Problem> {
    File::open(path)
        .and_then(|file| SecretBytes::read_limited(file, MAX_FILE))
        .map_err(|error| unreadable(named_by, path, &error).with_hint("a file in PEM is expected"))
}

fn unreadable(named_by: &str, path: &Path, error: &std::io::Error) -> Problem {
    Problem::setting(format!(
        "cannot read {named_by} ({}): {error}",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(trust: &Trust) -> Problem {
        trust.tls_config().expect_err("not usable")
    }

    #[test]
    fn files_that_hold_no_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        fs::write(&file, "no certificate\n").expect("a file");
        let missing = folder.path().join("missing.pem");
        let named = |path: &Path| Some(("VAULT_X".to_owned(), path.to_owned()));
        for trust in [
            Trust {
                file: named(&file),
                ..Trust::default()
            },
            Trust {
                file: named(&missing),
                ..Trust::default()
            },
            Trust {
                folder: named(folder.path()),
                ..Trust::default()
            },
            Trust {
                folder: named(&missing),
                ..Trust::default()
            },
            Trust {
                text: Some(("VAULT_X".to_owned(), "nothing".to_owned())),
                ..Trust::default()
            },
            Trust {
                client: Some(("VAULT_X".to_owned(), file.clone(), file.clone())),
                ..Trust::default()
            },
        ] {
            assert!(problem(&trust).message.contains("VAULT_X"), "{trust:?}");
        }
    }
}
