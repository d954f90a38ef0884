//! The two calls by REST.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use sops_core::{SecretBytes, SecretText, keys::KeyError};
use sops_http::{AccessToken, Answer, Call, JsonBody};
use zeroize::Zeroizing;

use crate::{
    crc32c::crc32c,
    kms::{Asking, damaged, refused, unexpected},
};

pub(crate) fn encrypt(
    path: &str,
    share: &SecretBytes,
    asking: &Asking<'_>,
) -> Result<Vec<u8>, KeyError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Encrypted {
        ciphertext: String,
        ciphertext_crc32c: Option<Number>,
        verified_plaintext_crc32c: Option<bool>,
    }

    let text = Zeroizing::new(STANDARD.encode(share.expose()));
    let body = JsonBody::new()
        .text("plaintext", &text)
        .text("plaintextCrc32c", &crc32c(share.expose()).to_string())
        .build();
    let answer = call(path, "encrypt", &body, asking)?;
    let encrypted = answer.json::<Encrypted>().map_err(|_| unexpected())?;
    let ciphertext = STANDARD
        .decode(&encrypted.ciphertext)
        .map_err(|_| unexpected())?;
    if ciphertext.is_empty() {
        return Err(unexpected());
    }
    let is_intact = encrypted.verified_plaintext_crc32c != Some(false)
        && encrypted
            .ciphertext_crc32c
            .is_none_or(|crc| crc.is(crc32c(&ciphertext)));
    match is_intact {
        true => Ok(ciphertext),
        false => Err(damaged()),
    }
}

pub(crate) fn decrypt(
    path: &str,
    ciphertext: &[u8],
    asking: &Asking<'_>,
) -> Result<SecretBytes, KeyError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Decrypted {
        plaintext: SecretText,
        plaintext_crc32c: Option<Number>,
    }

    let body = JsonBody::new()
        .text("ciphertext", &STANDARD.encode(ciphertext))
        .text("ciphertextCrc32c", &crc32c(ciphertext).to_string())
        .build();
    let answer = call(path, "decrypt", &body, asking)?;
    let decrypted = answer.json::<Decrypted>().map_err(|_| unexpected())?;
    let bytes = STANDARD
        .decode(decrypted.plaintext.expose())
        .map_err(|_| unexpected())?;
    let share = SecretBytes::new(bytes);
    match decrypted
        .plaintext_crc32c
        .is_none_or(|crc| crc.is(crc32c(share.expose())))
    {
        true => Ok(share),
        false => Err(damaged()),
    }
}

fn call(
    path: &str,
    operation: &str,
    body: &SecretBytes,
    asking: &Asking<'_>,
) -> Result<Answer, KeyError> {
    let server = asking.server()?.to_string();
    let url = format!("{server}/v1/{path}:{operation}");
    let token = asking.token()?;
    let answer = send(&server, &url, &token, asking, body)?;
    // A token can be withdrawn before its time.
    let answer = match answer.status {
        401 if asking.can_renew() => {
            let token = asking.new_token()?;
            send(&server, &url, &token, asking, body)?
        }
        _ => answer,
    };
    match answer.is_success() {
        true => Ok(answer),
        false => {
            let said = answer.reason().to_string();
            Err(refused(&said, answer.status, operation, &token))
        }
    }
}

fn send(
    server: &str,
    url: &str,
    token: &AccessToken,
    asking: &Asking<'_>,
    body: &SecretBytes,
) -> Result<Answer, KeyError> {
    let bearer = Zeroizing::new(format!("Bearer {}", token.secret.expose()));
    let quota_project = asking.quota_project();
    let mut call = Call::post(url, body.expose())
        .header("content-type", "application/json")
        .header("authorization", &bearer);
    if let Some(project) = &quota_project {
        call = call.header("x-goog-user-project", project);
    }
    asking.client()?.call(&call).map_err(|error| {
        KeyError::from(error.when(&format!("cannot reach Google Cloud KMS at {server}")))
    })
}

/// A number of 64 bits, which JSON has as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

impl Number {
    fn is(&self, expected: u32) -> bool {
        match self {
            Self::Text(text) => text.parse() == Ok(u64::from(expected)),
            Self::Number(number) => *number == u64::from(expected),
        }
    }
}
