//! Master keys: what each kind looks like in a file. How to use one is the business of a
//! [`KeyService`](crate::keys::KeyService), which may not be compiled in; the entry survives all the same.

use std::{collections::BTreeMap, fmt};

use super::Raw;

/// A key that can wrap the data key, named as the metadata names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MasterKey {
    /// An age recipient: `age1…`, `age1pq1…`, `ssh-ed25519 …`, a plugin's.
    Age {
        /// The recipient.
        recipient: String,
    },
    /// An OpenPGP key.
    Pgp {
        /// The fingerprint (`fp`): 40 or 16 hexadecimal digits, with a `!` after them to force a subkey.
        fingerprint: String,
    },
    /// A key of AWS KMS.
    Kms {
        /// The ARN of the key or alias.
        arn: String,
        /// The ARN of the role to assume.
        role: Option<String>,
        /// The encryption context.
        context: BTreeMap<String, String>,
        /// The name of the AWS profile; may be empty.
        aws_profile: String,
    },
    /// A key of GCP KMS.
    GcpKms {
        /// `projects/…/cryptoKeys/…`.
        resource_id: String,
    },
    /// A key of Azure Key Vault.
    AzureKv {
        /// `https://NAME.vault.azure.net`.
        vault_url: String,
        /// The name of the key.
        name: String,
        /// The version of the key; may be empty until it is resolved.
        version: String,
    },
    /// A key of the transit engine of HashiCorp Vault or OpenBao.
    HcVault {
        /// `https://host:8200`.
        vault_address: String,
        /// The mount path of the engine.
        engine_path: String,
        /// The name of the key.
        key_name: String,
    },
    /// A key of HuaweiCloud KMS.
    Hckms {
        /// `region:uuid`.
        key_id: String,
    },
}

impl MasterKey {
    /// Returns the name of the kind, as `--decryption-order` and the metadata write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Age { .. } => "age",
            Self::Pgp { .. } => "pgp",
            Self::Kms { .. } => "kms",
            Self::GcpKms { .. } => "gcp_kms",
            Self::AzureKv { .. } => "azure_kv",
            Self::HcVault { .. } => "hc_vault",
            Self::Hckms { .. } => "hckms",
        }
    }
}

impl fmt::Display for MasterKey {
    /// The key as the reference prints it, and by which it knows whether two are the same: recipient, fingerprint, ARN (with
    /// `+role`, `|context` and `|profile`), resource id or URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { recipient } => f.write_str(recipient),
            Self::Pgp { fingerprint } => f.write_str(fingerprint),
            Self::Kms {
                arn,
                role,
                context,
                aws_profile,
            } => {
                f.write_str(arn)?;
                if let Some(role) = role {
                    write!(f, "+{role}")?;
                }
                if !context.is_empty() || !aws_profile.is_empty() {
                    f.write_str("|")?;
                }
                for (index, (name, value)) in context.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{name}:{value}")?;
                }
                match aws_profile.is_empty() {
                    true => Ok(()),
                    false => write!(f, "|{aws_profile}"),
                }
            }
            Self::GcpKms { resource_id } => f.write_str(resource_id),
            Self::AzureKv {
                vault_url,
                name,
                version,
            } => write!(f, "{vault_url}/keys/{name}/{version}"),
            Self::HcVault {
                vault_address,
                engine_path,
                key_name,
            } => {
                write!(f, "{vault_address}/v1/{engine_path}/keys/{key_name}")
            }
            Self::Hckms { key_id } => f.write_str(key_id),
        }
    }
}

/// A master key together with what it wrapped: one entry of the metadata.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KeyEntry {
    /// The key.
    pub key: MasterKey,
    /// The wrapped data key or share, in the text form of the kind. Ciphertext, hence no secret.
    pub enc: String,
    /// When it was wrapped, as the file has it; age entries have none.
    pub created_at: Option<String>,
    /// Keys of the entry we do not know, kept as they are.
    pub unknown: Vec<(String, Raw)>,
}

impl KeyEntry {
    /// Returns the entry of `key` holding `enc`, wrapped at `created_at` (RFC 3339; `None` for age).
    #[must_use]
    pub fn new(key: MasterKey, enc: String, created_at: Option<String>) -> Self {
        Self {
            key,
            enc,
            created_at,
            unknown: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_aws_differ_by_context_and_profile() {
        let key = |role: Option<&str>, context: &[(&str, &str)], profile: &str| {
            let context = context
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()));
            MasterKey::Kms {
                arn: "arn:k".to_owned(),
                role: role.map(str::to_owned),
                context: context.collect(),
                aws_profile: profile.to_owned(),
            }
            .to_string()
        };
        assert_eq!(key(None, &[], ""), "arn:k");
        assert_eq!(key(Some("arn:r"), &[], ""), "arn:k+arn:r");
        let two = [("env", "dev"), ("app", "x")];
        assert_eq!(key(None, &two, ""), "arn:k|app:x,env:dev");
        assert_eq!(key(None, &[], "prod"), "arn:k||prod");
        assert_eq!(
            key(Some("arn:r"), &two[..1], "prod"),
            "arn:k+arn:r|env:dev|prod"
        );
    }
}
