//! What a service account says about itself, signed with its key.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use sops_core::keys::KeyError;
use zeroize::Zeroizing;

/// How long it is valid, in seconds.
const LIFE: u64 = 3600;

/// A token that says that `account` wants to use `scope`, for whoever gives out access tokens at `audience`.
pub(crate) fn assertion(
    account: &str,
    key_id: Option<&str>,
    private_key: &str,
    scope: &str,
    audience: &str,
) -> Result<Zeroizing<String>, KeyError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let claims = serde_json::json!({
        "iss": account, "scope": scope, "aud": audience, "iat": now, "exp": now + LIFE,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = sign(private_key, signed.as_bytes())?;
    Ok(Zeroizing::new(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}

fn sign(private_key: &str, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let unusable = || KeyError::new("the private key of the service account cannot be used");
    let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| unusable())?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(unusable()),
    };
    let key = key.map_err(|_| unusable())?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| unusable())?;
    Ok(signature)
}
