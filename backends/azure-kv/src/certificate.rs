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
    rsa::KeyPair,
    signature::RSA_PKCS1_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sops_core::{SecretBytes, keys::KeyError};
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
    let pem = pem.expose();
    let certificate =
        CertificateDer::from_pem_slice(pem).map_err(|_| unusable("it has no certificate"))?;
    let key =
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| unusable("it has no unencrypted key"))?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(unusable("its key is none of RSA")),
    };
    let key = key.map_err(|_| unusable("its key is none of RSA, or too short"))?;

    let random = SystemRandom::new();
    let mut id = [0; 16];
    random
        .fill(&mut id)
        .map_err(|_| unusable("the system gives no random numbers"))?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // The names of certificates are their SHA-1 there.
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    let header = format!(
        r#"{{"alg":"RS256","typ":"JWT","x5t":"{}","x5c":["{}"]}}"#,
        URL_SAFE_NO_PAD.encode(thumbprint),
        STANDARD.encode(&certificate)
    );
    let (client_id, audience) = (quoted(client_id), quoted(audience));
    let id = URL_SAFE_NO_PAD.encode(id);
    let claims = format!(
        r#"{{"aud":{audience},"iss":{client_id},"sub":{client_id},"jti":"{id}","nbf":{now},"iat":{now},"exp":{}}}"#,
        now + LIFE
    );
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| unusable("its key cannot sign"))?;
    Ok(Zeroizing::new(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}

/// A text in JSON. Neither ids nor addresses have more to escape.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "\"{}\"",
        text.chars()
            .filter(|letter| !letter.is_control())
            .collect::<String>()
    )
}
