//! TLS to a database, as strict as the connection string says.

use std::{fs::File, io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sops_core::SecretBytes;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection_string::{ConnectionString, Verify};

/// Larger files are no certificates.
const MAX_FILE: usize = 4 << 20;

/// Returns what makes TLS connections.
pub(crate) fn connector(connection: &ConnectionString) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let authorities = match connection.verify {
        Verify::Nothing => None,
        Verify::Authority | Verify::AuthorityAndName => {
            let roots = Arc::new(roots(connection)?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| format!("no authority to check its certificate with: {error}"))?;
            Some(verifier)
        }
    };
    let verifier = Verifier {
        authorities,
        with_name: connection.verify == Verify::AuthorityAndName,
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(connection: &ConnectionString) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates: Vec<CertificateDer<'static>> = match &connection.root_certificates {
        Some(path) => certificates(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = SecretBytes::read_limited(File::open(path)?, MAX_FILE)?;
    CertificateDer::pem_slice_iter(pem.expose())
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// Checks certificates as `sslmode` says: the name of the host only with `verify-full`.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    with_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last, so that everything else was in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.with_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn authorities_in_a_file_that_never_ends() {
        let text = "host=h user=u sslmode=verify-full sslrootcert=/dev/zero";
        let connection = ConnectionString::parse(text).expect("a connection string");
        let error = connector(&connection).err().expect("no authorities");
        assert!(error.contains("larger than 4 MiB"), "{error}");
    }
}
