//! Keys as the command line names them.

use std::collections::BTreeMap;

use sops_core::MasterKey;

use crate::{
    cli::KeyArgs,
    error::{Code, Failure},
};

impl KeyArgs {
    /// The keys that are given, in the order of the reference. None given: an empty list.
    pub(crate) fn master_keys(&self) -> Result<Vec<MasterKey>, Failure> {
        let mut keys = Vec::new();
        let context = self.context()?;
        for arn in listed(&self.kms) {
            let arn = arn.replace(' ', "");
            let (arn, role) = match arn.split_once("+arn:aws:iam::") {
                Some((arn, role)) => (arn.to_owned(), Some(format!("arn:aws:iam::{role}"))),
                None => (arn, None),
            };
            keys.push(MasterKey::Kms {
                arn,
                role,
                context: context.clone(),
                aws_profile: self.aws_profile.clone().unwrap_or_default(),
            });
        }
        for resource_id in listed(&self.gcp_kms) {
            keys.push(MasterKey::GcpKms {
                resource_id: resource_id.to_owned(),
            });
        }
        for key_id in listed(&self.hckms) {
            keys.push(MasterKey::Hckms {
                key_id: key_id.to_owned(),
            });
        }
        for url in listed(&self.azure_kv) {
            keys.push(azure(url)?);
        }
        for fingerprint in listed(&self.pgp) {
            keys.push(MasterKey::Pgp {
                fingerprint: fingerprint.replace(' ', ""),
            });
        }
        for uri in listed(&self.hc_vault_transit) {
            keys.push(vault(uri)?);
        }
        for recipient in listed(&self.age) {
            keys.push(MasterKey::Age {
                recipient: recipient.to_owned(),
            });
        }
        Ok(keys)
    }

    fn context(&self) -> Result<BTreeMap<String, String>, Failure> {
        listed(&self.encryption_context)
            .map(|pair| match pair.split_once(':') {
                Some((key, value)) if !value.contains(':') => {
                    Ok((key.to_owned(), value.to_owned()))
                }
                _ => Err(
                    Failure::new(Code::KmsContext, "Invalid KMS encryption context format")
                        .hint("--encryption-context takes `key:value,key:value`"),
                ),
            })
            .collect()
    }
}

fn listed(list: &Option<String>) -> impl Iterator<Item = &str> {
    let list = list.as_deref().unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// `https://VAULT/keys/NAME[/VERSION]`.
fn azure(url: &str) -> Result<MasterKey, Failure> {
    let parts = url
        .split_once("/keys/")
        .map(|(vault, key)| match key.split_once('/') {
            Some((name, version)) => (vault, name, version),
            None => (vault, key, ""),
        });
    match parts {
        Some((vault_url, name, version)) if is_https(vault_url) && !name.is_empty() => {
            Ok(MasterKey::AzureKv {
                vault_url: vault_url.to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
            })
        }
        _ => Err(no_key("--azure-kv", "https://VAULT/keys/NAME/VERSION")),
    }
}

/// `https://HOST:PORT/v1/ENGINE/keys/NAME`.
fn vault(uri: &str) -> Result<MasterKey, Failure> {
    let parts = uri.split_once("/v1/").and_then(|(vault_address, path)| {
        let (engine_path, key_name) = path.trim_end_matches('/').rsplit_once("/keys/")?;
        Some((vault_address, engine_path, key_name))
    });
    match parts {
        Some((vault_address, engine_path, key_name))
            if vault_address.contains("://") && !engine_path.is_empty() && !key_name.is_empty() =>
        {
            Ok(MasterKey::HcVault {
                vault_address: vault_address.to_owned(),
                engine_path: engine_path.to_owned(),
                key_name: key_name.to_owned(),
            })
        }
        _ => Err(no_key(
            "--hc-vault-transit",
            "https://HOST:PORT/v1/ENGINE/keys/NAME",
        )),
    }
}

fn is_https(url: &str) -> bool {
    url.strip_prefix("https://")
        .is_some_and(|host| !host.is_empty() && !host.contains('/'))
}

fn no_key(flag: &str, shape: &str) -> Failure {
    Failure::new(Code::Generic, format!("{flag}: not of the form {shape}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(arguments: KeyArgs) -> Result<Vec<String>, Code> {
        let keys = arguments.master_keys().map_err(|failure| failure.code)?;
        Ok(keys
            .iter()
            .map(|key| format!("{} {key}", key.kind()))
            .collect())
    }

    #[test]
    fn lists_the_keys_in_the_order_of_the_reference() {
        let arguments = KeyArgs {
            age: Some("age1a, age1b,,".to_owned()),
            pgp: Some("AA BB,CC".to_owned()),
            kms: Some("arn:k+arn:aws:iam::1:role/r".to_owned()),
            azure_kv: Some("https://v/keys/n,https://v/keys/n/1".to_owned()),
            hc_vault_transit: Some("http://h:8200/v1/a/b/keys/n/".to_owned()),
            gcp_kms: Some("projects/p".to_owned()),
            hckms: Some("r:u".to_owned()),
            ..KeyArgs::default()
        };
        assert_eq!(
            shown(arguments).unwrap(),
            [
                "kms arn:k+arn:aws:iam::1:role/r",
                "gcp_kms projects/p",
                "hckms r:u",
                "azure_kv https://v/keys/n/",
                "azure_kv https://v/keys/n/1",
                "pgp AABB",
                "pgp CC",
                "hc_vault http://h:8200/v1/a/b/keys/n",
                "age age1a",
                "age age1b",
            ]
        );
    }

    #[test]
    fn nothing_given_is_no_key() {
        assert!(shown(KeyArgs::default()).unwrap().is_empty());
        let empty = KeyArgs {
            age: Some(" ,".to_owned()),
            kms: Some(String::new()),
            ..KeyArgs::default()
        };
        assert!(shown(empty).unwrap().is_empty());
    }

    #[test]
    fn refuses_what_is_no_key() {
        for url in [
            "v/keys/n",
            "https://v",
            "https://v/keys/",
            "https:///keys/n",
            "http://v/keys/n",
        ] {
            let arguments = KeyArgs {
                azure_kv: Some(url.to_owned()),
                ..KeyArgs::default()
            };
            assert_eq!(shown(arguments), Err(Code::Generic), "{url}");
        }
        for uri in [
            "h/v1/a/keys/n",
            "http://h/a/keys/n",
            "http://h/v1/keys/n",
            "http://h/v1/a/n",
        ] {
            let arguments = KeyArgs {
                hc_vault_transit: Some(uri.to_owned()),
                ..KeyArgs::default()
            };
            assert_eq!(shown(arguments), Err(Code::Generic), "{uri}");
        }
        for context in ["a", "a:b:c", "a:b,c"] {
            let arguments = KeyArgs {
                encryption_context: Some(context.to_owned()),
                ..KeyArgs::default()
            };
            assert_eq!(shown(arguments), Err(Code::KmsContext), "{context}");
        }
    }
}
