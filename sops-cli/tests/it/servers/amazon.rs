//! AWS KMS, with a wrapping that hides nothing but has the encryption context in it, and those who give out credentials:
//! STS, ECS, EC2 and IAM Identity Center. What really checks signatures and encrypts is moto.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    field, form,
    web::{Asked, Reply, Web},
};

pub(crate) const KEY: &str =
    "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555";
pub(crate) const SECRET: &str = "secret/access+key";
/// Who asks with the credentials of the environment, of the profile `other`, of a web identity, of ECS, of EC2, and of
/// IAM Identity Center.
pub(crate) const USERS: [&str; 6] = [
    "AKIAENVIRONMENT",
    "AKIAPROFILE",
    "ASIAWEB",
    "ASIACONTAINER",
    "ASIAINSTANCE",
    "ASIASSO",
];
/// What somebody got who logged in to IAM Identity Center.
pub(crate) const SSO_TOKEN: &str = "sso-access-token";
const INSTANCE_TOKEN: &str = "instance-token";

/// Starts the service, which takes these access keys only.
pub(crate) fn start(users: &'static [&'static str]) -> Web {
    Web::start(move |asked| answer(asked, users))
}

/// What the service answers.
pub(crate) fn answer(asked: &Asked, users: &[&str]) -> Reply {
    match (asked.path(), asked.header("x-amz-target")) {
        ("/container", _) => container(asked),
        (path, _) if path.starts_with("/latest/") => instance(asked),
        ("/federation/credentials", _) => identity_center(asked),
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

/// The metadata of a machine, to whom shows the token of a session.
fn instance(asked: &Asked) -> Reply {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let text = |text: &str| Reply::With(200, vec![], text.as_bytes().to_vec());
    match (asked.method.as_str(), asked.path()) {
        ("PUT", "/latest/api/token")
            if !asked
                .header("x-aws-ec2-metadata-token-ttl-seconds")
                .is_empty() =>
        {
            let lasts = ("x-aws-ec2-metadata-token-ttl-seconds", "21600".to_owned());
            Reply::With(200, vec![lasts], INSTANCE_TOKEN.into())
        }
        _ if asked.header("x-aws-ec2-metadata-token") != INSTANCE_TOKEN => text_status(401),
        ("GET", ROLES) => text("sops"),
        ("GET", path) if path.strip_prefix(ROLES) == Some("sops") => Reply::Json(
            200,
            json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": USERS[4],
                "SecretAccessKey": SECRET, "Token": "t", "Expiration": "2126-01-01T00:00:00Z"}),
        ),
        _ => text_status(404),
    }
}

fn text_status(status: u16) -> Reply {
    Reply::With(status, vec![], Vec::new())
}

/// The credentials of a role, for who is logged in.
fn identity_center(asked: &Asked) -> Reply {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let query = form(query.as_bytes());
    let is_right = asked.header("x-amz-sso_bearer_token") == SSO_TOKEN
        && field(&query, "role_name") == "sops"
        && field(&query, "account_id") == "111122223333";
    match is_right {
        true => Reply::Json(
            200,
            json!({"roleCredentials": {"accessKeyId": USERS[5], "secretAccessKey": SECRET, "sessionToken": "t",
                "expiration": 4_922_208_000_000_u64}}),
        ),
        false => Reply::With(
            401,
            vec![("x-amzn-ErrorType", "UnauthorizedException".to_owned())],
            br#"{"message":"Session token not found or invalid"}"#.to_vec(),
        ),
    }
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
