//! AWS KMS, with a wrapping that hides nothing but has the encryption context in it, and those who give out credentials:
//! STS and ECS. What really checks signatures and encrypts is moto.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    field, form,
    web::{Asked, Reply, Web},
};

pub(crate) const KEY: &str =
    "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555";
pub(crate) const SECRET: &str = "secret/access+key";
/// Who asks with the credentials of the environment, of the profile `other`, of a web identity, and of ECS.
pub(crate) const USERS: [&str; 4] = ["AKIAENVIRONMENT", "AKIAPROFILE", "ASIAWEB", "ASIACONTAINER"];

/// Starts the service, which takes these access keys only.
pub(crate) fn start(users: &'static [&'static str]) -> Web {
    Web::start(move |asked| answer(asked, users))
}

/// What the service answers.
pub(crate) fn answer(asked: &Asked, users: &[&str]) -> Reply {
    match (asked.path(), asked.header("x-amz-target")) {
        ("/container", _) => container(asked),
        (_, "TrentService.Encrypt") => encrypt(asked, users),
        (_, "TrentService.Decrypt") => decrypt(asked, users),
        _ => web_identity(asked),
    }
}

/// A refusal in the words of KMS.
pub(crate) fn refuse(code: &str) -> Reply {
    Reply::Json(400, json!({"__type": code, "message": "made up"}))
}

/// The variables for the service at this address.
pub(crate) fn settings(url: String) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", USERS[0].to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

fn is_known(asked: &Asked, users: &[&str]) -> bool {
    let header = asked.header("authorization");
    header.starts_with("AWS4-HMAC-SHA256 ")
        && users
            .iter()
            .any(|user| header.contains(&format!("Credential={user}/")))
}

fn encrypt(asked: &Asked, users: &[&str]) -> Reply {
    let body = asked.json();
    if !is_known(asked, users) {
        return refuse("UnrecognizedClientException");
    }
    if body["KeyId"] != KEY {
        return refuse("NotFoundException");
    }
    let inside = json!([body["Plaintext"], body["EncryptionContext"]]);
    let blob = STANDARD.encode(inside.to_string());
    Reply::Json(200, json!({"CiphertextBlob": blob, "KeyId": KEY}))
}

fn decrypt(asked: &Asked, users: &[&str]) -> Reply {
    let body = asked.json();
    if !is_known(asked, users) {
        return refuse("UnrecognizedClientException");
    }
    let blob = STANDARD
        .decode(body["CiphertextBlob"].as_str().unwrap_or_default())
        .unwrap_or_default();
    let inside: serde_json::Value = serde_json::from_slice(&blob).unwrap_or_default();
    if inside[1] != body["EncryptionContext"] || !inside[0].is_string() {
        return refuse("InvalidCiphertextException");
    }
    Reply::Json(200, json!({"Plaintext": inside[0], "KeyId": KEY}))
}

/// The credentials of a task.
fn container(asked: &Asked) -> Reply {
    if asked.header("authorization") != "container-token" {
        return Reply::Json(401, json!({}));
    }
    Reply::Json(
        200,
        json!({"AccessKeyId": USERS[3], "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2126-01-01T00:00:00Z"}),
    )
}

/// The credentials for a token of somebody else.
fn web_identity(asked: &Asked) -> Reply {
    let fields = form(&asked.body);
    let is_right = field(&fields, "Action") == "AssumeRoleWithWebIdentity"
        && field(&fields, "WebIdentityToken") == "a.b.c";
    if !is_right {
        return Reply::With(
            403,
            vec![],
            b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>made up</Message></Error></ErrorResponse>".to_vec(),
        );
    }
    let xml = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2126-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        USERS[2]
    );
    Reply::With(200, vec![], xml.into_bytes())
}
