//! The messages of the service over gRPC, as far as they are needed.

use prost::Message;
use sops_grpc::hide_plaintext;

pub(crate) const ENCRYPT: &str = "/google.cloud.kms.v1.KeyManagementService/Encrypt";
pub(crate) const DECRYPT: &str = "/google.cloud.kms.v1.KeyManagementService/Decrypt";

/// A number that may be missing.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Int64Value {
    #[prost(int64, tag = "1")]
    pub(crate) value: i64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct EncryptRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) plaintext: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    pub(crate) plaintext_crc32c: Option<Int64Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncryptResponse {
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    pub(crate) ciphertext_crc32c: Option<Int64Value>,
    #[prost(bool, tag = "5")]
    pub(crate) verified_plaintext_crc32c: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DecryptRequest {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(crate) ciphertext_crc32c: Option<Int64Value>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) plaintext: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) plaintext_crc32c: Option<Int64Value>,
}

impl Int64Value {
    pub(crate) fn of(crc32c: u32) -> Self {
        Self {
            value: i64::from(crc32c),
        }
    }
}

hide_plaintext!(EncryptRequest, DecryptResponse);

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the fields are those that Google gives them.
    #[test]
    fn bytes_on_the_wire() {
        let request = EncryptRequest {
            name: "n".to_owned(),
            plaintext: b"p".to_vec(),
            plaintext_crc32c: Some(Int64Value::of(5)),
        };
        assert_eq!(
            request.encode_to_vec(),
            b"\x0a\x01n\x12\x01p\x3a\x02\x08\x05"
        );
        let request = DecryptRequest {
            name: "n".to_owned(),
            ciphertext: b"c".to_vec(),
            ciphertext_crc32c: Some(Int64Value::of(5)),
        };
        assert_eq!(
            request.encode_to_vec(),
            b"\x0a\x01n\x12\x01c\x2a\x02\x08\x05"
        );
        let answer = EncryptResponse::decode(
            &b"\x0a\x01n\x12\x01c\x22\x02\x08\x05\x28\x01\x30\x01\x38\x01"[..],
        );
        let answer = answer.expect("an answer");
        assert_eq!(answer.ciphertext, b"c");
        assert_eq!(answer.ciphertext_crc32c, Some(Int64Value::of(5)));
        assert!(answer.verified_plaintext_crc32c);
        let answer = DecryptResponse::decode(&b"\x0a\x01p\x12\x02\x08\x05\x18\x01\x20\x01"[..]);
        assert_eq!(
            answer.expect("an answer").plaintext_crc32c,
            Some(Int64Value::of(5))
        );
    }

    #[test]
    fn plaintexts_are_not_printed() {
        let request = EncryptRequest {
            name: String::new(),
            plaintext: b"secret".to_vec(),
            plaintext_crc32c: None,
        };
        let answer = DecryptResponse {
            plaintext: b"secret".to_vec(),
            plaintext_crc32c: None,
        };
        let shown = format!("{request:?}{answer:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }
}
