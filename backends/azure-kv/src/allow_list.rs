//! Which vaults may be asked.

use sops_core::keys::KeyError;
use sops_http::Address;

/// The domains of Azure's vaults, each with what access tokens for it are for.
const DOMAINS: [(&str, &str); 7] = [
    ("vault.azure.net", "https://vault.azure.net"),
    ("vault.azure.cn", "https://vault.azure.cn"),
    ("vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
    ("vault.microsoftazure.de", "https://vault.microsoftazure.de"),
    ("managedhsm.azure.net", "https://managedhsm.azure.net"),
    ("managedhsm.azure.cn", "https://managedhsm.azure.cn"),
    (
        "managedhsm.usgovcloudapi.net",
        "https://managedhsm.usgovcloudapi.net",
    ),
];

/// What access tokens for a vault are for, if the vault may be asked. `list` has further addresses that may, separated by
/// commas.
pub(crate) fn resource(vault: &Address, list: &str) -> Result<&'static str, KeyError> {
    let refused = |reason: &str| {
        KeyError::new(format!("the vault {vault} is not asked: {reason}")).with_hint(format!(
            "a file can name any server: if you trust this one, add {vault} to SOPS_AZURE_KEYVAULT_ALLOWLIST"
        ))
    };
    if !vault.is_https() {
        return Err(refused("it is not one of https"));
    }
    let listed = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let is_listed = listed
        .filter_map(|entry| Address::parse(entry).ok())
        .any(|entry| entry == *vault);
    let in_domain = |domain: &str| {
        vault.is_under(domain)
            && vault.host().len() > domain.len()
            && !vault.authority().contains(':')
    };
    match DOMAINS.iter().find(|(domain, _)| in_domain(domain)) {
        Some((_, resource)) => Ok(resource),
        None if is_listed => Ok(DOMAINS[0].1),
        None => Err(refused("it is in none of the domains of Azure")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(vault: &str, list: &str) -> Option<&'static str> {
        resource(&Address::parse(vault).expect("an address"), list).ok()
    }

    #[test]
    fn vaults() {
        assert_eq!(
            allowed("https://v.vault.azure.net", ""),
            Some("https://vault.azure.net")
        );
        assert_eq!(
            allowed("https://v.managedhsm.azure.net", ""),
            Some("https://managedhsm.azure.net")
        );
        assert_eq!(
            allowed("https://v.vault.azure.cn", ""),
            Some("https://vault.azure.cn")
        );
        for bad in [
            "http://v.vault.azure.net",
            "https://vault.azure.net",
            "https://v.vault.azure.net.evil.example",
            "https://evilvault.azure.net",
            "https://v.vault.azure.net:8443",
            "https://127.0.0.1",
        ] {
            assert_eq!(allowed(bad, ""), None, "{bad}");
        }
        let list = "https://127.0.0.1:8443, https://other/";
        assert!(allowed("https://127.0.0.1:8443", list).is_some());
        assert!(allowed("https://other", list).is_some());
        assert_eq!(allowed("https://other.evil", list), None);
        assert_eq!(
            allowed("http://127.0.0.1:8443", "http://127.0.0.1:8443"),
            None
        );
    }
}
