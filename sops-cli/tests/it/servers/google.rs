//! Google Cloud KMS by REST: keys that encrypt with AES-GCM, access tokens, and CRC32C of all that is sent.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    field, form,
    web::{Asked, Reply, Web},
};

pub(crate) const TOKEN: &str = "google-access-token";
pub(crate) const REFRESH_TOKEN: &str = "google-refresh-token";
pub(crate) const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/sops";

/// Starts the service. It knows the key ring `r` of the project `p`, and no key called `missing`.
pub(crate) fn start() -> Web {
    Web::start(answering())
}

/// What the service answers.
pub(crate) fn answering() -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let nonces = AtomicU64::new(1);
    move |asked| match asked.path() {
        "/token" => token(asked),
        _ => kms(asked, &nonces),
    }
}

/// Gives out access tokens to who has the refresh token.
fn token(asked: &Asked) -> Reply {
    let fields = form(&asked.body);
    match field(&fields, "grant_type").as_str() {
        "refresh_token"
            if field(&fields, "refresh_token") == REFRESH_TOKEN
                && field(&fields, "client_secret") == "s" =>
        {
            Reply::Json(
                200,
                json!({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}),
            )
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer"
            if field(&fields, "assertion").split('.').count() == 3 =>
        {
            Reply::Json(
                200,
                json!({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}),
            )
        }
        _ => Reply::Json(
            400,
            json!({"error": "invalid_grant", "error_description": "Bad Request"}),
        ),
    }
}

fn kms(asked: &Asked, nonces: &AtomicU64) -> Reply {
    let refuse = |code: u16, status: &str, message: &str| {
        Reply::Json(
            code,
            json!({"error": {"code": code, "status": status, "message": message}}),
        )
    };
    if asked.header("authorization") != format!("Bearer {TOKEN}") {
        return refuse(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        );
    }
    let path = super::decode(asked.path());
    let Some((name, operation)) = path
        .strip_prefix("/v1/")
        .and_then(|path| path.rsplit_once(':'))
    else {
        return refuse(404, "NOT_FOUND", "no such path");
    };
    if !is_key(name) {
        return refuse(404, "NOT_FOUND", "CryptoKey not found.");
    }
    let body = asked.json();
    let bytes = |name: &str| {
        STANDARD
            .decode(body[name].as_str().unwrap_or_default())
            .unwrap_or_default()
    };
    let has_checksum = |name: &str, bytes: &[u8]| {
        let said = &body[name];
        let number = said
            .as_str()
            .and_then(|text| text.parse().ok())
            .or(said.as_u64());
        // The reference sends none.
        number.is_none_or(|number: u64| number == u64::from(crc32c(bytes)))
    };
    match operation {
        "encrypt" => {
            let plaintext = bytes("plaintext");
            if plaintext.is_empty() || !has_checksum("plaintextCrc32c", &plaintext) {
                return refuse(
                    400,
                    "INVALID_ARGUMENT",
                    "The checksum in field plaintext_crc32c did not match.",
                );
            }
            let ciphertext = seal(name, &plaintext, nonces.fetch_add(1, Ordering::Relaxed));
            Reply::Json(
                200,
                json!({
                    "name": format!("{name}/cryptoKeyVersions/1"),
                    "ciphertext": STANDARD.encode(&ciphertext),
                    "ciphertextCrc32c": crc32c(&ciphertext).to_string(),
                    "verifiedPlaintextCrc32c": !body["plaintextCrc32c"].is_null(),
                    "protectionLevel": "SOFTWARE",
                }),
            )
        }
        "decrypt" => {
            let ciphertext = bytes("ciphertext");
            if !has_checksum("ciphertextCrc32c", &ciphertext) {
                return refuse(
                    400,
                    "INVALID_ARGUMENT",
                    "The checksum in field ciphertext_crc32c did not match.",
                );
            }
            match open(name, &ciphertext) {
                Some(plaintext) => Reply::Json(
                    200,
                    json!({
                        "plaintext": STANDARD.encode(&plaintext),
                        "plaintextCrc32c": crc32c(&plaintext).to_string(),
                        "usedPrimary": true,
                    }),
                ),
                None => refuse(
                    400,
                    "INVALID_ARGUMENT",
                    "Decryption failed: the ciphertext is invalid.",
                ),
            }
        }
        _ => refuse(404, "NOT_FOUND", "no such method"),
    }
}

/// What is said about a version that is not enabled.
pub(crate) fn state_words(state: &str) -> String {
    format!("{KEY}/cryptoKeyVersions/1 is not enabled, current state is: {state}.")
}

/// Whether there is such a key.
pub(super) fn is_key(name: &str) -> bool {
    name.starts_with("projects/p/locations/global/keyRings/r/cryptoKeys/")
        && !name.ends_with("/missing")
}

/// Encrypts with a key.
pub(super) fn seal(name: &str, plaintext: &[u8], number: u64) -> Vec<u8> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    let sealed = cipher(name).encrypt(&nonce.into(), Payload::from(plaintext));
    [nonce.as_slice(), &sealed.expect("short")].concat()
}

/// Decrypts with a key, if it was encrypted with it.
pub(super) fn open(name: &str, ciphertext: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = ciphertext.split_first_chunk::<12>()?;
    cipher(name)
        .decrypt(&(*nonce).into(), Payload::from(sealed))
        .ok()
}

fn cipher(name: &str) -> Aes256Gcm {
    Aes256Gcm::new(&Sha256::digest(format!("made up {name}")))
}

/// With a table, unlike the client.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|index| {
            (0..8).fold(index, |crc, _| {
                if crc & 1 == 1 {
                    crc >> 1 ^ 0x82f6_3b78
                } else {
                    crc >> 1
                }
            })
        })
        .collect();
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        table[(crc as u8 ^ byte) as usize] ^ crc >> 8
    })
}
