//! The key services that this build has besides those of the library.

use sops_core::Keyring;

use crate::prompt::UserPrompt;

/// Adds them. None of them reads, asks or opens anything before a key needs it.
#[cfg_attr(not(feature = "openpgp"), expect(unused_variables))]
pub(crate) fn add(keyring: Keyring, prompt: UserPrompt) -> Keyring {
    #[cfg(feature = "openpgp")]
    let keyring = add_key_files(keyring, prompt);
    #[cfg(feature = "hc-vault")]
    let keyring = keyring.with_service(sops_hc_vault::HcVault::from_env());
    #[cfg(feature = "huawei-kms")]
    let keyring = keyring.with_service(sops_huawei_kms::HuaweiKms::from_env());
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
