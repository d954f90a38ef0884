//! HuaweiCloud KMS: checks the signature and the body of each request, and encrypts with AES-GCM.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::web::{Asked, Reply, Web};

pub(crate) const ACCESS_KEY: &str = "ACCESSKEY";
pub(crate) const SECRET_KEY: &str = "secret-key-of-nobody";
pub(crate) const PROJECT: &str = "0a1b2c3d";
pub(crate) const KEY: &str = "tr-west-1:123e4567-e89b-12d3-a456-426614174000";

pub(crate) fn start() -> Web {
    let nonces = AtomicU64::new(1);
    Web::start(move |asked| {
        let refuse = |status: u16, code: &str| {
            Reply::Json(
                status,
                json!({"error": {"error_code": code, "error_msg": "made up"}}),
            )
        };
        if !is_signed(asked) {
            return Reply::Json(
                401,
                json!({"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information: verify aksk signature fail"}),
            );
        }
        if asked.target == "/v3/projects?name=tr-west-1" {
            return Reply::Json(
                200,
                json!({"projects": [{"id": PROJECT, "name": "tr-west-1"}], "links": {}}),
            );
        }
        let Some(action) = asked.path().strip_prefix(&format!("/v1.0/{PROJECT}/kms/")) else {
            return refuse(404, "KMS.0001");
        };
        let body = asked.json();
        let (_, uuid) = KEY.split_once(':').expect("a key");
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if text("key_id") != uuid || text("encryption_algorithm") != "SYMMETRIC_DEFAULT" {
            return refuse(400, "KMS.1101");
        }
        let cipher = Aes256Gcm::new(&Sha256::digest(uuid));
        match action {
            "encrypt-data" => {
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&nonces.fetch_add(1, Ordering::Relaxed).to_be_bytes());
                let sealed = cipher
                    .encrypt(&nonce.into(), Payload::from(text("plain_text").as_bytes()))
                    .expect("short");
                let sealed = STANDARD.encode([nonce.as_slice(), &sealed].concat());
                Reply::Json(200, json!({"key_id": uuid, "cipher_text": sealed}))
            }
            "decrypt-data" => {
                let sealed = STANDARD.decode(text("cipher_text")).unwrap_or_default();
                let opened = sealed
                    .split_first_chunk::<12>()
                    .and_then(|(nonce, sealed)| {
                        cipher.decrypt(&(*nonce).into(), Payload::from(sealed)).ok()
                    });
                match opened {
                    Some(opened) => Reply::Json(
                        200,
                        json!({"key_id": uuid, "plain_text": String::from_utf8_lossy(&opened)}),
                    ),
                    None => refuse(400, "KMS.2104"),
                }
            }
            _ => refuse(404, "KMS.0001"),
        }
    })
}

/// Computes the signature anew, from what came.
fn is_signed(asked: &Asked) -> bool {
    let header = asked.header("authorization");
    let Some(rest) = header.strip_prefix(&format!(
        "SDK-HMAC-SHA256 Access={ACCESS_KEY}, SignedHeaders="
    )) else {
        return false;
    };
    let Some((names, signature)) = rest.split_once(", Signature=") else {
        return false;
    };
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", asked.header(name)))
        .collect();
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let canonical = format!(
        "{}\n{}/\n{query}\n{headers}\n{names}\n{}",
        asked.method,
        path.trim_end_matches('/'),
        hex(&Sha256::digest(&asked.body))
    );
    let date = asked.header("x-sdk-date");
    let to_sign = format!(
        "SDK-HMAC-SHA256\n{date}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut hmac = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes()).expect("any length");
    hmac.update(to_sign.as_bytes());
    !date.is_empty()
        && names.contains("x-sdk-date")
        && signature == hex(&hmac.finalize().into_bytes())
}
