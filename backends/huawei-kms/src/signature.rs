//! The signature `SDK-HMAC-SHA256` of a request.

use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// Starts with a slash; nothing in it has to be encoded.
    pub(crate) path: &'a str,
    /// Encoded, its parts in the order of their names.
    pub(crate) query: &'a str,
    /// Names in lower case, in their order.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// The header `Authorization` for a request that is sent with the header `X-Sdk-Date`, which is `date`.
    pub(crate) fn authorization(
        &self,
        access_key: &str,
        secret_key: &str,
        date: &str,
    ) -> Zeroizing<String> {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let headers: Zeroizing<String> = Zeroizing::new(
            self.headers
                .iter()
                .map(|(name, value)| format!("{name}:{}\n", value.trim()))
                .collect(),
        );
        let slash = if self.path.ends_with('/') { "" } else { "/" };
        let canonical = Zeroizing::new(format!(
            "{}\n{}{slash}\n{}\n{}\n{names}\n{}",
            self.method,
            self.path,
            self.query,
            *headers,
            hexadecimal(&Sha256::digest(self.body))
        ));
        let to_sign = format!(
            "SDK-HMAC-SHA256\n{date}\n{}",
            hexadecimal(&Sha256::digest(canonical.as_bytes()))
        );
        let mut hmac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes())
            .expect("any length is a key of HMAC");
        hmac.update(to_sign.as_bytes());
        let signature = hexadecimal(&hmac.finalize().into_bytes());
        Zeroizing::new(format!(
            "SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}"
        ))
    }
}

/// A time as the header `X-Sdk-Date` has it.
pub(crate) fn date(time: SystemTime) -> String {
    sops_core::rfc3339(time)
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        assert_eq!(
            date(SystemTime::UNIX_EPOCH + Duration::from_secs(86_399)),
            "19700101T235959Z"
        );
    }

    /// Made with the official client for Python.
    #[test]
    fn signature_of_the_official_client() {
        let signed = Signed {
            method: "POST",
            path: "/v1.0/project/kms/encrypt-data",
            query: "",
            headers: &[
                ("content-type", "application/json"),
                ("host", "127.0.0.1"),
                ("x-project-id", "project"),
                ("x-sdk-date", "20260102T030405Z"),
            ],
            body: br#"{"key_id":"k"}"#,
        };
        let header = signed.authorization("ACCESS", "SECRET", "20260102T030405Z");
        assert_eq!(
            header.as_str(),
            "SDK-HMAC-SHA256 Access=ACCESS, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=311c9158c95b043bc98f55243f780a277bd69b1f0a5428b047f4f550b9e96683"
        );
    }
}
