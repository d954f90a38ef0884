//! Logging in with a certificate: a statement that is signed with its key.

use std::{
    fs::File,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;
use sops_core::{SecretBytes, keys::KeyError};
use sops_http::jwt;
use zeroize::Zeroizing;

/// Certificates and keys end here.
const MAX_FILE: usize = 1 << 20;

/// How long the statement is valid, in seconds.
const LIFE: u64 = 600;

/// The statement that whoever has the certificate is `client_id`, for whoever gives out tokens at `audience`.
pub(crate) fn assertion(
    path: &Path,
    client_id: &str,
    audience: &str,
) -> Result<Zeroizing<String>, KeyError> {
    let unusable = |what: &str| {
        KeyError::new(format!("cannot use AZURE_CLIENT_CERTIFICATE_PATH ({}): {what}", path.display()))
            .with_hint("it has to be a PEM file with a certificate and its unencrypted RSA key: `openssl pkcs12 -in FILE.pfx -nodes` makes one")
    };
    let pem = File::open(path)
        .and_then(|file| SecretBytes::read_limited(file, MAX_FILE))
        .map_err(|error| unusable(&error.to_string()))?;
    let certificate = CertificateDer::from_pem_slice(pem.expose())
        .map_err(|_| unusable("there is no certificate"))?;
    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| unusable("the system gives no random numbers"))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // The names of certificates are their SHA-1 there.
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    let header = [
        ("x5t", URL_SAFE_NO_PAD.encode(thumbprint).into()),
        ("x5c", json!([STANDARD.encode(&certificate)])),
    ];
    let claims = json!({
        "aud": audience, "iss": client_id, "sub": client_id,
        "jti": URL_SAFE_NO_PAD.encode(id), "nbf": now, "iat": now, "exp": now + LIFE,
    });
    jwt::sign(&header, &claims, pem.expose()).map_err(|problem| unusable(&problem.message))
}
