//! Buckets of S3, where files are published.

use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_sdk_kms::config::ProvideCredentials as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use sops_core::keys::KeyError;
use sops_http::{Address, Call, Client, Limits, Proxies, Trust, encode, tidy};
use sops_runtime::run_within;
use zeroize::Zeroizing;

use crate::clients::http_client;

/// Puts files into buckets, with the credentials, the region and the endpoint that every program of AWS uses.
pub struct S3 {
    time_limit: Duration,
}

/// What is needed to sign a request.
struct Access {
    key_id: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
    region: String,
    endpoint: Option<String>,
}

impl S3 {
    /// Returns the service with what the environment and the files of the user say. A call may take as long as
    /// `time_limit`, with all attempts.
    #[must_use]
    pub fn from_env(time_limit: Duration) -> Self {
        Self { time_limit }
    }

    /// Puts `content` into a bucket under a name.
    ///
    /// # Errors
    ///
    /// Fails if there are no credentials, no answer, or one that says no.
    pub fn put(&self, bucket: &str, name: &str, content: &[u8]) -> Result<(), KeyError> {
        let access = self.access()?;
        let (server, path) = place(&access, bucket, name)?;
        let url = format!("{server}{path}");
        let date = date(SystemTime::now());
        let digest = hexadecimal(&Sha256::digest(content));
        let mut headers = vec![
            ("host", server.authority()),
            ("x-amz-content-sha256", digest.as_str()),
            ("x-amz-date", date.as_str()),
        ];
        headers.extend(
            access
                .token
                .as_ref()
                .map(|token| ("x-amz-security-token", token.as_str())),
        );
        let authorization = authorization(&access, &path, &headers, &digest, &date);
        let mut call = Call::put(&url, content).header("authorization", &authorization);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            call = call.header(name, value);
        }
        let limits = Limits {
            timeout: self.time_limit,
            repetitions: 3,
        };
        let trust = match std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
            Some(path) => Trust {
                file: Some(("AWS_CA_BUNDLE".to_owned(), path.into())),
                ..Trust::default()
            },
            None => Trust::default(),
        };
        let answer = Client::new(trust, Proxies::from_env()?, limits)
            .call(&call)
            .map_err(|problem| problem.when(&format!("cannot reach S3 at {server}")))?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(KeyError::new(format!(
                "S3 refused to put {name:?} into the bucket {bucket:?} with the access key {}: {} (status {})",
                access.key_id,
                tidy(&String::from_utf8_lossy(&answer.body), &[]),
                answer.status
            ))
            .with_hint("is the bucket in the region that AWS_REGION or the profile names, and does a policy allow s3:PutObject in it?")),
        }
    }

    fn access(&self) -> Result<Access, KeyError> {
        let http = http_client()?;
        let load = async move {
            let config = aws_config::defaults(BehaviorVersion::latest())
                .http_client(http)
                .load()
                .await;
            let provider = config.credentials_provider()?;
            let credentials = provider.provide_credentials().await.ok()?;
            Some(Access {
                key_id: credentials.access_key_id().to_owned(),
                secret: Zeroizing::new(credentials.secret_access_key().to_owned()),
                token: credentials
                    .session_token()
                    .map(|token| Zeroizing::new(token.to_owned())),
                region: config
                    .region()
                    .map_or("us-east-1", |region| region.as_ref())
                    .to_owned(),
                endpoint: config.endpoint_url().map(str::to_owned),
            })
        };
        let loaded = run_within(self.time_limit, load);
        let loaded = loaded
            .map_err(|error| KeyError::new(format!("cannot get credentials for AWS: {error}")))?;
        let mut access = loaded.ok_or_else(|| {
            KeyError::new("there are no credentials for AWS").with_hint(
                "`aws sts get-caller-identity` shows whether you are logged in; `aws sso login` or AWS_PROFILE may be missing",
            )
        })?;
        let of_s3 = std::env::var("AWS_ENDPOINT_URL_S3")
            .ok()
            .filter(|url| !url.is_empty());
        access.endpoint = of_s3.or(access.endpoint);
        Ok(access)
    }
}

/// The server, and the path of the object there.
fn place(access: &Access, bucket: &str, name: &str) -> Result<(Address, String), KeyError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(is_name) || bucket.starts_with('.') {
        return Err(KeyError::new(format!("{bucket:?} is no name of a bucket")));
    }
    let steps: Vec<_> = name.split('/').map(encode).collect();
    let steps: Vec<&str> = steps.iter().map(|step| step.as_str()).collect();
    let object = steps.join("/");
    let domain = if access.region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    // A name with a dot would not fit the certificate.
    let (server, path) = match &access.endpoint {
        Some(endpoint) => (endpoint.clone(), format!("/{bucket}/{object}")),
        None if bucket.contains('.') => (
            format!("https://s3.{}.{domain}", access.region),
            format!("/{bucket}/{object}"),
        ),
        None => (
            format!("https://{bucket}.s3.{}.{domain}", access.region),
            format!("/{object}"),
        ),
    };
    let server = Address::parse(&server).map_err(|error| KeyError::new(error.to_string()))?;
    match server.path().is_empty() {
        true => Ok((server, path)),
        false => Err(KeyError::new(format!("the endpoint {server} has a path"))),
    }
}

/// The header of version 4 of AWS's signatures.
fn authorization(
    access: &Access,
    path: &str,
    headers: &[(&str, &str)],
    digest: &str,
    date: &str,
) -> Zeroizing<String> {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: Zeroizing<String> = Zeroizing::new(
        headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect(),
    );
    let canonical = Zeroizing::new(format!("PUT\n{path}\n\n{}\n{names}\n{digest}", *lines));
    let (day, _) = date.split_once('T').unwrap_or((date, ""));
    let scope = format!("{day}/{}/s3/aws4_request", access.region);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hexadecimal(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = Zeroizing::new(format!("AWS4{}", *access.secret).into_bytes());
    for part in [day, &access.region, "s3", "aws4_request"] {
        key = Zeroizing::new(hmac(&key, part.as_bytes()));
    }
    let signature = hexadecimal(&hmac(&key, to_sign.as_bytes()));
    Zeroizing::new(format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        access.key_id
    ))
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key of HMAC");
    hmac.update(message);
    hmac.finalize().into_bytes().to_vec()
}

/// A time as the header `X-Amz-Date` has it.
fn date(time: SystemTime) -> String {
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
    use super::*;

    fn access(endpoint: Option<&str>) -> Access {
        Access {
            key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            token: None,
            region: "us-east-1".to_owned(),
            endpoint: endpoint.map(str::to_owned),
        }
    }

    /// The example "PUT Object" of AWS's description of these signatures.
    #[test]
    fn signature_of_the_documentation() {
        let digest = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", digest),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let header = authorization(
            &access(None),
            "/test%24file.text",
            &headers,
            digest,
            "20130524T000000Z",
        );
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        assert!(header.ends_with(signature), "{}", *header);
    }

    #[test]
    fn places() {
        let at = |endpoint, bucket, name| {
            let (server, path) = place(&access(endpoint), bucket, name).ok()?;
            Some(format!("{server}{path}"))
        };
        assert_eq!(
            at(None, "b", "p/a b").as_deref(),
            Some("https://b.s3.us-east-1.amazonaws.com/p/a%20b")
        );
        assert_eq!(
            at(None, "b.c", "a").as_deref(),
            Some("https://s3.us-east-1.amazonaws.com/b.c/a")
        );
        assert_eq!(
            at(Some("http://h:1"), "b", "a").as_deref(),
            Some("http://h:1/b/a")
        );
        for bucket in ["", "a/b", "evil.example#", "..", "b@h"] {
            assert_eq!(at(None, bucket, "a"), None, "{bucket}");
        }
    }
}
