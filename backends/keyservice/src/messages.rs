//! The messages of the protocol, and keys in them.
//!
//! Service `KeyService`, in no package: `Encrypt` takes an [`EncryptRequest`] and returns an [`EncryptResponse`], `Decrypt`
//! the other two. The ciphertext is the text that the metadata hold as `enc`.

use std::collections::BTreeMap;

use prost::{Message, Oneof};
use sops_core::metadata::MasterKey;
use sops_grpc::hide_plaintext;

pub(crate) const ENCRYPT: &str = "/KeyService/Encrypt";
pub(crate) const DECRYPT: &str = "/KeyService/Decrypt";

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct EncryptRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<Key>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ciphertext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecryptRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) key: Option<Key>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ciphertext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Key {
    #[prost(oneof = "KeyType", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) key_type: Option<KeyType>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum KeyType {
    #[prost(message, tag = "1")]
    Kms(KmsKey),
    #[prost(message, tag = "2")]
    Pgp(PgpKey),
    #[prost(message, tag = "3")]
    GcpKms(GcpKmsKey),
    #[prost(message, tag = "4")]
    AzureKeyvault(AzureKeyVaultKey),
    #[prost(message, tag = "5")]
    Vault(VaultKey),
    #[prost(message, tag = "6")]
    Age(AgeKey),
    #[prost(message, tag = "7")]
    Hckms(HckmsKey),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KmsKey {
    #[prost(string, tag = "1")]
    pub(crate) arn: String,
    #[prost(string, tag = "2")]
    pub(crate) role: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(crate) context: BTreeMap<String, String>,
    #[prost(string, tag = "4")]
    pub(crate) aws_profile: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PgpKey {
    #[prost(string, tag = "1")]
    pub(crate) fingerprint: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GcpKmsKey {
    #[prost(string, tag = "1")]
    pub(crate) resource_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AzureKeyVaultKey {
    #[prost(string, tag = "1")]
    pub(crate) vault_url: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VaultKey {
    #[prost(string, tag = "1")]
    pub(crate) vault_address: String,
    #[prost(string, tag = "2")]
    pub(crate) engine_path: String,
    #[prost(string, tag = "3")]
    pub(crate) key_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AgeKey {
    #[prost(string, tag = "1")]
    pub(crate) recipient: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HckmsKey {
    #[prost(string, tag = "1")]
    pub(crate) key_id: String,
}

impl Key {
    /// The key as the protocol names it, if the protocol knows its kind.
    pub(crate) fn of(key: &MasterKey) -> Option<Self> {
        let key_type = match key.clone() {
            MasterKey::Kms {
                arn,
                role,
                context,
                aws_profile,
            } => KeyType::Kms(KmsKey {
                arn,
                role: role.unwrap_or_default(),
                context,
                aws_profile,
            }),
            MasterKey::Pgp { fingerprint } => KeyType::Pgp(PgpKey { fingerprint }),
            MasterKey::GcpKms { resource_id } => KeyType::GcpKms(GcpKmsKey { resource_id }),
            MasterKey::AzureKv {
                vault_url,
                name,
                version,
            } => KeyType::AzureKeyvault(AzureKeyVaultKey {
                vault_url,
                name,
                version,
            }),
            MasterKey::HcVault {
                vault_address,
                engine_path,
                key_name,
            } => KeyType::Vault(VaultKey {
                vault_address,
                engine_path,
                key_name,
            }),
            MasterKey::Age { recipient } => KeyType::Age(AgeKey { recipient }),
            MasterKey::Hckms { key_id } => KeyType::Hckms(HckmsKey { key_id }),
            _ => return None,
        };
        Some(Self {
            key_type: Some(key_type),
        })
    }

    /// The key that a request names, if it names one.
    pub(crate) fn into_master_key(self) -> Option<MasterKey> {
        Some(match self.key_type? {
            KeyType::Kms(key) => MasterKey::Kms {
                arn: key.arn,
                role: Some(key.role).filter(|role| !role.is_empty()),
                context: key.context,
                aws_profile: key.aws_profile,
            },
            KeyType::Pgp(key) => MasterKey::Pgp {
                fingerprint: key.fingerprint,
            },
            KeyType::GcpKms(key) => MasterKey::GcpKms {
                resource_id: key.resource_id,
            },
            KeyType::AzureKeyvault(key) => MasterKey::AzureKv {
                vault_url: key.vault_url,
                name: key.name,
                version: key.version,
            },
            KeyType::Vault(key) => MasterKey::HcVault {
                vault_address: key.vault_address,
                engine_path: key.engine_path,
                key_name: key.key_name,
            },
            KeyType::Age(key) => MasterKey::Age {
                recipient: key.recipient,
            },
            KeyType::Hckms(key) => MasterKey::Hckms { key_id: key.key_id },
        })
    }
}

hide_plaintext!(EncryptRequest, DecryptResponse);

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<MasterKey> {
        let text = str::to_owned;
        vec![
            MasterKey::Kms {
                arn: text("arn"),
                role: None,
                context: [(text("a"), text("1")), (text("b"), text("2"))].into(),
                aws_profile: text("p"),
            },
            MasterKey::Kms {
                arn: text("arn"),
                role: Some(text("role")),
                context: BTreeMap::new(),
                aws_profile: String::new(),
            },
            MasterKey::Pgp {
                fingerprint: text("fp"),
            },
            MasterKey::GcpKms {
                resource_id: text("projects/p"),
            },
            MasterKey::AzureKv {
                vault_url: text("https://v"),
                name: text("n"),
                version: text("1"),
            },
            MasterKey::HcVault {
                vault_address: text("https://h"),
                engine_path: text("e"),
                key_name: text("k"),
            },
            MasterKey::Age {
                recipient: text("age1x"),
            },
            MasterKey::Hckms {
                key_id: text("r:u"),
            },
        ]
    }

    #[test]
    fn keys_come_back() {
        for key in keys() {
            let bytes = Key::of(&key).expect("a known kind").encode_to_vec();
            let read = Key::decode(bytes.as_slice())
                .expect("a key")
                .into_master_key();
            assert_eq!(read, Some(key));
        }
        assert_eq!(Key::default().into_master_key(), None);
    }

    /// The numbers of the fields are the protocol.
    #[test]
    fn bytes_on_the_wire() {
        let request = DecryptRequest {
            key: Key::of(&MasterKey::HcVault {
                vault_address: "a".to_owned(),
                engine_path: "b".to_owned(),
                key_name: "c".to_owned(),
            }),
            ciphertext: b"d".to_vec(),
        };
        let expected = b"\x0a\x0b\x2a\x09\x0a\x01a\x12\x01b\x1a\x01c\x12\x01d";
        assert_eq!(request.encode_to_vec(), expected);
    }

    #[test]
    fn plaintexts_are_not_printed() {
        let request = EncryptRequest {
            key: None,
            plaintext: b"secret".to_vec(),
        };
        let response = DecryptResponse {
            plaintext: b"secret".to_vec(),
        };
        let shown = format!("{request:?}{response:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }
}
