//! What a service account says about itself, signed with its key.

use std::time::{SystemTime, UNIX_EPOCH};

use sops_core::keys::KeyError;
use sops_http::jwt;
use zeroize::Zeroizing;

/// How long it is valid, in seconds.
const LIFE: u64 = 3600;

/// A token that says that `account` wants to use `scope`, for whoever gives out access tokens at `audience`.
pub(crate) fn assertion(
    account: &str,
    key_id: Option<&str>,
    private_key: &str,
    scope: &str,
    audience: &str,
) -> Result<Zeroizing<String>, KeyError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let header = key_id.map(|key_id| ("kid", key_id.into()));
    let claims = serde_json::json!({
        "iss": account, "scope": scope, "aud": audience, "iat": now, "exp": now + LIFE,
    });
    jwt::sign(header.as_slice(), &claims, private_key.as_bytes()).map_err(|problem| {
        problem
            .when("cannot use the key of the service account")
            .into()
    })
}
