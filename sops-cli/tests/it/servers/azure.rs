//! Azure Key Vault, and the place where its access tokens are given out: RSA-OAEP-256 with a key of two versions, and the
//! challenge of who comes without a token. All hosts of Azure are this server, for who uses it as the proxy.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use getrandom::SysRng;
use rsa::{
    oaep::{DecryptingKey, EncryptingKey},
    pkcs8::DecodePrivateKey as _,
    traits::{Decryptor as _, PublicKeyParts as _, RandomizedEncryptor as _},
};
use serde_json::json;
use sha2::Sha256;

use super::{
    field, form,
    web::{Asked, Reply, Web},
};
use crate::support::testdata;

pub(crate) const VAULT: &str = "https://test.vault.azure.net";
pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
pub(crate) const SECRET: &str = "client~secret/with&signs=";
const TOKEN: &str = "azure-access-token";
/// What proves to the identity of an app that it is the app that asks.
pub(crate) const IDENTITY_HEADER: &str = "identity-header-secret";
/// The versions of the key `sops`, the current one last.
pub(crate) const VERSIONS: [&str; 2] = [
    "0123456789abcdef0123456789abcdef",
    "fedcba9876543210fedcba9876543210",
];

pub(crate) fn start() -> Web {
    Web::start(answering())
}

/// The variables under which all hosts of Azure are this server, which is a proxy; without anything that proves who asks.
pub(crate) fn settings(server: &Web) -> Vec<(&'static str, String)> {
    vec![
        ("HTTPS_PROXY", server.url()),
        (
            "SSL_CERT_FILE",
            testdata("cloud/ca.pem").display().to_string(),
        ),
        ("AZURE_TENANT_ID", TENANT.to_owned()),
        ("AZURE_CLIENT_ID", CLIENT.to_owned()),
    ]
}

/// What the services answer.
pub(crate) fn answering() -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let keys = [1, 2].map(|number| {
        let pem =
            fs::read_to_string(testdata(&format!("cloud/vault-key-{number}.pem"))).expect("a key");
        rsa::PrivateKey::from_pkcs8_pem(&pem).expect("a key")
    });
    move |asked| {
        if !asked.is_tls {
            return Reply::Json(
                400,
                json!({"error": {"code": "BadRequest", "message": "TLS is needed"}}),
            );
        }
        match asked.path() {
            "/common/discovery/instance" => Reply::Json(
                200,
                json!({
                    "tenant_discovery_endpoint": format!("https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration"),
                    "api-version": "1.1",
                    "metadata": [{"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
                        "aliases": ["login.microsoftonline.com", "login.windows.net"]}],
                }),
            ),
            path if path.ends_with("/.well-known/openid-configuration") => Reply::Json(
                200,
                json!({
                    "token_endpoint": format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"),
                    "authorization_endpoint": format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/authorize"),
                    "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
                }),
            ),
            path if path.ends_with("/oauth2/v2.0/token") => token(asked),
            _ => vault(asked, &keys),
        }
    }
}

fn token(asked: &Asked) -> Reply {
    let fields = form(&asked.body);
    let proof = field(&fields, "client_secret") == SECRET
        || field(&fields, "client_assertion").split('.').count() == 3;
    let is_right = asked.path() == format!("/{TENANT}/oauth2/v2.0/token")
        && field(&fields, "grant_type") == "client_credentials"
        && field(&fields, "client_id") == CLIENT
        && field(&fields, "scope")
            .split(' ')
            .any(|scope| scope == "https://vault.azure.net/.default")
        && proof;
    match is_right {
        true => Reply::Json(
            200,
            json!({"access_token": TOKEN, "expires_in": 3599, "ext_expires_in": 3599, "token_type": "Bearer"}),
        ),
        false => Reply::Json(
            401,
            json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}),
        ),
    }
}

/// Starts what a machine of Azure, and an app of App Service, has beside it: a managed identity, which is also that of
/// [`CLIENT`].
pub(crate) fn start_machine() -> Web {
    Web::start(machine)
}

/// What the identity of the machine and of the app answer.
pub(crate) fn machine(asked: &Asked) -> Reply {
    let query = asked.target.split_once('?').map_or("", |(_, query)| query);
    let query = form(query.as_bytes());
    let (version, is_allowed, expiry) = match asked.path() {
        "/metadata/identity/oauth2/token" => (
            "2018-02-01",
            asked.header("metadata") == "true",
            ("expires_in", "3599"),
        ),
        // The end of 2099.
        "/msi/token" => (
            "2019-08-01",
            asked.header("x-identity-header") == IDENTITY_HEADER,
            ("expires_on", "4102444799"),
        ),
        _ => return Reply::Json(404, json!({})),
    };
    if !is_allowed {
        return Reply::Json(401, json!({"statusCode": 401, "message": "no such app"}));
    }
    let client = field(&query, "client_id");
    let is_known = ["", CLIENT].contains(&client.as_str());
    let is_right = field(&query, "api-version") == version
        && field(&query, "resource") == "https://vault.azure.net";
    match is_known && is_right {
        true => Reply::Json(
            200,
            json!({"access_token": TOKEN, expiry.0: expiry.1, "resource": "https://vault.azure.net", "token_type": "Bearer"}),
        ),
        false => Reply::Json(
            400,
            json!({"error": "invalid_request", "error_description": "Identity not found"}),
        ),
    }
}

fn vault(asked: &Asked, keys: &[rsa::PrivateKey; 2]) -> Reply {
    let refuse = |status: u16, code: &str| {
        Reply::Json(
            status,
            json!({"error": {"code": code, "message": "made up"}}),
        )
    };
    if asked.header("authorization") != format!("Bearer {TOKEN}") {
        let challenge = format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net""#
        );
        return Reply::With(
            401,
            vec![("WWW-Authenticate", challenge)],
            br#"{"error":{"code":"Unauthorized","message":"no token"}}"#.to_vec(),
        );
    }
    let steps: Vec<&str> = asked.path().trim_matches('/').split('/').collect();
    let (name, version, operation) = match steps.as_slice() {
        ["keys", name] if asked.method == "GET" => (*name, "", "get"),
        ["keys", name, version] if asked.method == "GET" => (*name, *version, "get"),
        ["keys", name, version, operation] if asked.method == "POST" => {
            (*name, *version, *operation)
        }
        _ => return refuse(404, "NotFound"),
    };
    let at = match version {
        "" => Some(VERSIONS.len() - 1),
        version => VERSIONS.iter().position(|known| *known == version),
    };
    let Some(at) = at.filter(|_| name == "sops") else {
        return refuse(404, "KeyNotFound");
    };
    let kid = format!("{VAULT}/keys/{name}/{}", VERSIONS[at]);
    let body = asked.json();
    let value = URL_SAFE_NO_PAD
        .decode(body["value"].as_str().unwrap_or_default())
        .unwrap_or_default();
    if operation != "get" && body["alg"] != "RSA-OAEP-256" {
        return refuse(400, "BadParameter");
    }
    match operation {
        "get" => {
            let n = URL_SAFE_NO_PAD.encode(keys[at].n_bytes());
            Reply::Json(
                200,
                json!({
                    "key": {"kid": kid, "kty": "RSA", "key_ops": ["encrypt", "decrypt"], "n": n, "e": "AQAB"},
                    "attributes": {"enabled": true},
                }),
            )
        }

        "encrypt" => {
            let public = rsa::PublicKey::from(&keys[at]);
            let sealed = EncryptingKey::<Sha256>::new(public)
                .encrypt_with_rng(&mut SysRng, &value)
                .expect("short");
            Reply::Json(
                200,
                json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(sealed)}),
            )
        }
        "decrypt" => match DecryptingKey::<Sha256>::new(keys[at].clone()).decrypt(&value) {
            Ok(opened) => Reply::Json(
                200,
                json!({"kid": kid, "value": URL_SAFE_NO_PAD.encode(opened)}),
            ),
            Err(_) => refuse(400, "BadParameter"),
        },
        _ => refuse(404, "NotFound"),
    }
}
