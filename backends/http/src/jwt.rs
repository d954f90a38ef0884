//! Statements that are signed with a key: JSON Web Tokens, as those take them who give out access tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Problem;

/// Returns the statement of `claims`, signed by RS256 with the first private key in `pem`. Its header says `header` besides
/// what is needed.
///
/// # Errors
///
/// Fails if there is no such key, or it is none of RSA. The error has no piece of it.
pub fn sign(
    header: &[(&str, Value)],
    claims: &Value,
    pem: &[u8],
) -> Result<Zeroizing<String>, Problem> {
    let key = key(pem)?;
    let mut whole = json!({"alg": "RS256", "typ": "JWT"});
    for (name, value) in header {
        whole[name] = value.clone();
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&whole), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Problem::setting("the private key cannot sign"))?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Ok(Zeroizing::new(format!("{signed}.{signature}")))
}

fn key(pem: &[u8]) -> Result<KeyPair, Problem> {
    let no_rsa = |_| Problem::setting("the private key is none of RSA, or too short");
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(der)) => {
            KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(no_rsa)
        }
        Ok(PrivateKeyDer::Pkcs1(der)) => KeyPair::from_der(der.secret_pkcs1_der()).map_err(no_rsa),
        Ok(_) => Err(Problem::setting("the private key is none of RSA")),
        Err(_) => Err(Problem::setting("there is no unencrypted private key")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    fn testdata(name: &str) -> Vec<u8> {
        let path = format!("{}/../../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
        fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn statements_are_signed() {
        for name in ["ssh/rsa-pkcs1", "ssh/rsa-pkcs8"] {
            let pem = testdata(name);
            let claims = json!({"sub": "\"é\n"});
            let signed = sign(&[("kid", "k".into())], &claims, &pem).expect("a key");
            let parts: Vec<&str> = signed.split('.').collect();
            let [header, body, signature] = parts[..] else {
                panic!("{} parts", parts.len());
            };
            let decode = |part| URL_SAFE_NO_PAD.decode(part).expect("base64");
            let read = |part| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
            let expected = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
            assert_eq!((read(header), read(body)), (expected, claims));
            let key = key(&pem).expect("a key");
            let message = format!("{header}.{body}");
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public())
                .verify(message.as_bytes(), &decode(signature))
                .expect("its signature");
        }
    }

    #[test]
    fn keys_that_are_none() {
        for (name, words) in [
            ("cloud/ca.pem", "no unencrypted private key"),
            ("ssh/rsa-pkcs8-passphrase", "no unencrypted private key"),
            ("ssh/ed25519-pkcs8", "none of RSA"),
            ("ssh/ecdsa", "no unencrypted private key"),
        ] {
            let problem = sign(&[], &json!({}), &testdata(name)).expect_err(name);
            assert!(problem.message.contains(words), "{name}: {problem}");
        }
    }
}
