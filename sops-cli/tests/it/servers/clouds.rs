//! All services at once, for what is the same with each of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    amazon, azure, google,
    web::{Asked, Reply, Web},
};
use crate::support::testdata;

pub(crate) const VAULT_TOKEN: &str = "hvs.a-token-of-nobody";
pub(crate) const HUAWEI_KEY: &str = "tr-west-1:123e4567-e89b-12d3-a456-426614174000";

/// One server of each service.
pub(crate) struct Clouds {
    amazon: Web,
    google: Web,
    azure: Web,
    vault: Web,
    huawei: Web,
}

/// A kind of keys, as the different places call it.
pub(crate) struct Kind {
    /// The flag, without its dashes.
    pub(crate) flag: &'static str,
    pub(crate) variable: &'static str,
    /// In a rule.
    pub(crate) rule: &'static str,
    /// In the group of a rule.
    pub(crate) group: String,
    /// In the metadata, with its indentation.
    pub(crate) metadata: &'static str,
    /// A key that the servers have.
    pub(crate) key: String,
}

impl Clouds {
    pub(crate) fn start() -> Self {
        Self {
            amazon: amazon::start(&amazon::USERS),
            google: google::start(),
            azure: azure::start(),
            vault: Web::start(transit),
            huawei: Web::start(huawei),
        }
    }

    /// The variables for all of them.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let text = str::to_owned;
        let mut all = amazon::settings(self.amazon.url());
        all.extend([
            ("SOPS_GCP_KMS_ENDPOINT", self.google.url()),
            ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
            ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
            ("HTTPS_PROXY", self.azure.url()),
            (
                "SSL_CERT_FILE",
                testdata("cloud/ca.pem").display().to_string(),
            ),
            ("AZURE_TENANT_ID", text(azure::TENANT)),
            ("AZURE_CLIENT_ID", text(azure::CLIENT)),
            ("AZURE_CLIENT_SECRET", text(azure::SECRET)),
            ("VAULT_TOKEN", text(VAULT_TOKEN)),
            ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", self.huawei.url()),
            ("HUAWEICLOUD_SDK_AK", text("AK")),
            ("HUAWEICLOUD_SDK_SK", text("SK")),
            ("HUAWEICLOUD_SDK_PROJECT_ID", text("p")),
        ]);
        all
    }

    /// Where Google is.
    pub(crate) fn google_url(&self) -> String {
        self.google.url()
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let azure_version = azure::VERSIONS[1];
        let vault = format!("{}/v1/transit/keys/sops", self.vault.url());
        let kind = |flag, variable, rule, group, metadata, key: &str| Kind {
            flag,
            variable,
            rule,
            group,
            metadata,
            key: key.to_owned(),
        };
        vec![
            kind(
                "kms",
                "SOPS_KMS_ARN",
                "kms",
                format!("kms: [{{arn: '{}'}}]", amazon::KEY),
                "    kms:\n",
                amazon::KEY,
            ),
            kind(
                "gcp-kms",
                "SOPS_GCP_KMS_IDS",
                "gcp_kms",
                format!("gcp_kms: [{{resource_id: {}}}]", google::KEY),
                "    gcp_kms:\n",
                google::KEY,
            ),
            kind(
                "azure-kv",
                "SOPS_AZURE_KEYVAULT_URLS",
                "azure_keyvault",
                format!(
                    "azure_keyvault: [{{vaultUrl: '{}', key: sops, version: {azure_version}}}]",
                    azure::VAULT
                ),
                "    azure_kv:\n",
                &format!("{}/keys/sops/{azure_version}", azure::VAULT),
            ),
            kind(
                "hc-vault-transit",
                "SOPS_VAULT_URIS",
                "hc_vault_transit_uri",
                format!("hc_vault: ['{vault}']"),
                "    hc_vault:\n",
                &vault,
            ),
            kind(
                "hckms",
                "SOPS_HUAWEICLOUD_KMS_IDS",
                "hckms",
                format!("hckms: [{{key_id: '{HUAWEI_KEY}'}}]"),
                "    hckms:\n",
                HUAWEI_KEY,
            ),
        ]
    }
}

/// What a transit engine does, with no cryptography.
pub(crate) fn transit(asked: &Asked) -> Reply {
    let body = asked.json();
    if asked.header("x-vault-token") != VAULT_TOKEN {
        return Reply::Json(403, json!({"errors": ["permission denied"]}));
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match asked.path().contains("/encrypt/") {
        true => Reply::Json(
            200,
            json!({"data": {"ciphertext": format!("vault:v1:{}", text("plaintext"))}}),
        ),
        false => Reply::Json(
            200,
            json!({"data": {"plaintext": text("ciphertext").trim_start_matches("vault:v1:")}}),
        ),
    }
}

/// What HuaweiCloud KMS does, with no cryptography. What checks signatures is in the tests of those keys.
pub(crate) fn huawei(asked: &Asked) -> Reply {
    let body = asked.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match asked.path() {
        "/v3/projects" => Reply::Json(200, json!({"projects": [{"id": "p", "name": "tr-west-1"}]})),
        path if path.ends_with("/encrypt-data") => {
            let sealed = STANDARD.encode(format!("sealed {}", text("plain_text")));
            Reply::Json(200, json!({"cipher_text": sealed}))
        }
        _ => {
            let sealed = STANDARD.decode(text("cipher_text")).unwrap_or_default();
            let sealed = String::from_utf8(sealed).unwrap_or_default();
            Reply::Json(200, json!({"plain_text": sealed.strip_prefix("sealed ")}))
        }
    }
}
