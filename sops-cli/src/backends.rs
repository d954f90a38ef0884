//! The key services that this build has besides those of the library.

use std::{env, time::Duration};

use sops_core::{
    Keyring, SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

use crate::{
    error::{Code, Failure},
    prompt::UserPrompt,
};

/// How long a call may take, if `SOPS_KEY_TIMEOUT` does not say.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Adds them. None of them reads, asks or opens anything before a key needs it.
#[cfg_attr(
    not(all(
        feature = "openpgp",
        any(
            feature = "aws-kms",
            feature = "azure-kv",
            feature = "gcp-kms",
            feature = "hc-vault",
            feature = "huawei-kms"
        )
    )),
    expect(
        unused_variables,
        reason = "only OpenPGP asks here, and only calls over the network take long"
    )
)]
pub(crate) fn add(keyring: Keyring, prompt: UserPrompt, time_limit: Duration) -> Keyring {
    #[cfg(feature = "openpgp")]
    let keyring = add_key_files(keyring, prompt);
    #[cfg(feature = "aws-kms")]
    let keyring =
        keyring.with_service(sops_aws_kms::AwsKms::from_env().with_time_limit(time_limit));
    #[cfg(feature = "azure-kv")]
    let keyring =
        keyring.with_service(sops_azure_kv::AzureKv::from_env().with_time_limit(time_limit));
    #[cfg(feature = "gcp-kms")]
    let keyring =
        keyring.with_service(sops_gcp_kms::GcpKms::from_env().with_time_limit(time_limit));
    #[cfg(feature = "hc-vault")]
    let keyring =
        keyring.with_service(sops_hc_vault::HcVault::from_env().with_time_limit(time_limit));
    #[cfg(feature = "huawei-kms")]
    let keyring =
        keyring.with_service(sops_huawei_kms::HuaweiKms::from_env().with_time_limit(time_limit));
    keyring
}

/// Adds OpenPGP keys in files: those that are named come before the keys of `gpg`, old keyrings after them.
#[cfg(feature = "openpgp")]
fn add_key_files(keyring: Keyring, prompt: UserPrompt) -> Keyring {
    use sops_openpgp::OpenPgp;

    let old_keyrings = OpenPgp::from_old_keyrings().with_prompt(prompt.clone());
    let keyring = keyring.with_service(old_keyrings);
    match OpenPgp::from_env() {
        Some(key_files) => keyring.with_preferred_service(key_files.with_prompt(prompt)),
        None => keyring,
    }
}

/// Adds the key services at these addresses, to be asked for what nothing before them can do.
#[cfg(feature = "keyservice")]
pub(crate) fn with_remote_services(
    keyring: Keyring,
    addresses: &[String],
    time_limit: Duration,
) -> Result<Keyring, Failure> {
    let tls = sops_keyservice::ClientTls::from_env();
    let addresses = addresses.iter().filter(|address| !address.is_empty());
    Ok(addresses.fold(keyring, |keyring, address| {
        let remote = sops_keyservice::RemoteKeys::new(address, time_limit);
        keyring.with_service(remote.with_tls(tls.clone()))
    }))
}

#[cfg(not(feature = "keyservice"))]
pub(crate) fn with_remote_services(
    keyring: Keyring,
    addresses: &[String],
    _: Duration,
) -> Result<Keyring, Failure> {
    match addresses.iter().all(String::is_empty) {
        true => Ok(keyring),
        false => Err(Failure::new(
            Code::Generic,
            "this build cannot ask key services (--keyservice, SOPS_KEYSERVICE)",
        )
        .hint("a build with the feature `keyservice` can")),
    }
}

/// Returns a keyring without the keys of this machine, to which the key services at these addresses will be added.
pub(crate) fn without_local_keys(addresses: &[String]) -> Keyring {
    match addresses.iter().all(String::is_empty) {
        true => Keyring::new().with_service(SwitchedOff),
        false => Keyring::new(),
    }
}

/// Says for each key why nobody uses it.
struct SwitchedOff;

impl SwitchedOff {
    fn refusal() -> KeyError {
        KeyError::new("the keys of this machine are switched off, and no key service is named")
            .with_hint(
                "--enable-local-keyservice=true (SOPS_ENABLE_LOCAL_KEYSERVICE) switches them on; --keyservice names a key service",
            )
    }
}

impl KeyService for SwitchedOff {
    fn wrap(&self, _key: &MasterKey, _share: &SecretBytes) -> Option<Result<String, KeyError>> {
        Some(Err(Self::refusal()))
    }

    fn unwrap(&self, _entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        Some(Err(Self::refusal()))
    }
}

/// How long a call may take, with all attempts.
pub(crate) fn time_limit() -> Result<Duration, Failure> {
    let Ok(text) = env::var("SOPS_KEY_TIMEOUT") else {
        return Ok(TIME_LIMIT);
    };
    if text.is_empty() {
        return Ok(TIME_LIMIT);
    }
    let seconds = text.strip_suffix('s').unwrap_or(&text).parse::<u32>().ok();
    match seconds.filter(|&seconds| seconds > 0) {
        Some(seconds) => Ok(Duration::from_secs(seconds.into())),
        None => Err(Failure::new(
            Code::Generic,
            format!("SOPS_KEY_TIMEOUT: {text:?} is no number of seconds"),
        )
        .hint("write it as a number of seconds from 1, such as 30")),
    }
}
