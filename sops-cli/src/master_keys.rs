//! Keys as the command line names them.

use std::collections::BTreeMap;

use sops_core::metadata::{KeyEntry, KeyTextError, KmsOptions, MasterKey};

use crate::{
    cli::{KeyArgs, KmsArgs},
    error::{Code, Failure},
};

impl KeyArgs {
    /// The keys that are given, in the order of the reference. None given: an empty list.
    pub(crate) fn master_keys(&self) -> Result<Vec<MasterKey>, Failure> {
        let options = self.kms_options.read()?;
        let lists = [
            ("--kms", "kms", &self.kms),
            ("--gcp-kms", "gcp_kms", &self.gcp_kms),
            ("--hckms", "hckms", &self.hckms),
            ("--azure-kv", "azure_kv", &self.azure_kv),
            ("--pgp", "pgp", &self.pgp),
            ("--hc-vault-transit", "hc_vault", &self.hc_vault_transit),
            ("--age", "age", &self.age),
        ];
        let mut keys = Vec::new();
        for (flag, kind, list) in lists {
            let list = list.as_deref().unwrap_or_default();
            keys.extend(parse(flag, kind, list, &options)?);
        }
        Ok(keys)
    }
}

impl KmsArgs {
    /// The profile and the encryption context.
    pub(crate) fn read(&self) -> Result<KmsOptions, Failure> {
        let profile = self.aws_profile.clone().unwrap_or_default();
        Ok(KmsOptions::new(self.context()?, profile))
    }

    /// The encryption context.
    pub(crate) fn context(&self) -> Result<BTreeMap<String, String>, Failure> {
        let text = self.encryption_context.as_deref().unwrap_or_default();
        KmsOptions::parse_context(text)
            .map_err(|error| failure(Code::KmsContext, "--encryption-context", &error))
    }
}

/// The keys of the entries of a file.
pub(crate) fn of_entries(groups: &[Vec<KeyEntry>]) -> Vec<Vec<MasterKey>> {
    groups
        .iter()
        .map(|group| group.iter().map(|entry| entry.key.clone()).collect())
        .collect()
}

/// The keys in the list that was given with `flag`.
pub(crate) fn parse(
    flag: &str,
    kind: &str,
    list: &str,
    options: &KmsOptions,
) -> Result<Vec<MasterKey>, Failure> {
    MasterKey::parse_list(kind, list, options).map_err(|error| failure(Code::Generic, flag, &error))
}

fn failure(code: Code, flag: &str, error: &KeyTextError) -> Failure {
    let failure = Failure::new(code, format!("{flag}: {error}"));
    match &error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
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
            hckms: Some("tr-west-1:123e4567-e89b-12d3-a456-426614174000".to_owned()),
            ..KeyArgs::default()
        };
        assert_eq!(
            shown(arguments).unwrap(),
            [
                "kms arn:k+arn:aws:iam::1:role/r",
                "gcp_kms projects/p",
                "hckms tr-west-1:123e4567-e89b-12d3-a456-426614174000",
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
                kms_options: KmsArgs {
                    encryption_context: Some(context.to_owned()),
                    aws_profile: None,
                },
                ..KeyArgs::default()
            };
            assert_eq!(shown(arguments), Err(Code::KmsContext), "{context}");
        }
    }
}
