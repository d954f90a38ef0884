//! Where tokens may be sent to.

use sops_http::Problem;

/// Names the addresses, separated by commas.
pub(crate) const VARIABLE: &str = "SOPS_HC_VAULT_ALLOWLIST";

/// The addresses that may be asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AllowList {
    All,
    /// Only those that begin with one of these, each of which ends with a slash.
    Only(Vec<String>),
}

impl AllowList {
    /// Reads a list as the reference does: `all`, which nothing stands for too; `none`; or beginnings of addresses.
    ///
    /// # Errors
    ///
    /// Fails if an entry is empty.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "" | "all" => return Ok(Self::All),
            "none" => return Ok(Self::Only(Vec::new())),
            _ => {}
        }
        let mut beginnings = Vec::new();
        for (index, entry) in text.split(',').enumerate() {
            let entry = entry.trim_matches(' ');
            if entry.is_empty() {
                let message = format!("{VARIABLE}: entry {} is empty", index + 1);
                return Err(Problem::setting(message).with_hint(format!(
                    "write {VARIABLE}=https://vault.example.com:8200,https://other.example.com:8200, or all, or none"
                )));
            }
            beginnings.push(with_slash(entry));
        }
        Ok(Self::Only(beginnings))
    }

    /// Returns whether `address` may be asked.
    pub(crate) fn allows(&self, address: &str) -> bool {
        let Self::Only(beginnings) = self else {
            return true;
        };
        let address = with_slash(address);
        beginnings
            .iter()
            .any(|beginning| address.starts_with(beginning))
    }
}

fn with_slash(text: &str) -> String {
    let slash = if text.ends_with('/') { "" } else { "/" };
    format!("{text}{slash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_the_reference_compares_them() {
        let allows = |list, address| AllowList::parse(list).expect(list).allows(address);
        for (list, address) in [
            ("", "https://a:8200"),
            ("all", "https://a:8200"),
            ("https://a:8200", "https://a:8200"),
            ("https://a:8200/", "https://a:8200"),
            ("https://b , https://a:8200", "https://a:8200/"),
            ("https://a", "https://a/prefix"),
        ] {
            assert!(allows(list, address), "{list:?} {address}");
        }
        for (list, address) in [
            ("none", "https://a:8200"),
            ("https://a", "https://a:8200"),
            ("https://a", "https://a.example.com"),
            ("https://a", "https://a@b"),
            ("https://a:8200", "http://a:8200"),
            ("https://a:8200", "https://A:8200"),
            ("https://a/prefix", "https://a"),
            ("none,https://b", "https://a"),
            ("all,https://b", "https://a"),
            (" ALL", "https://a"),
        ] {
            assert!(!allows(list, address), "{list:?} {address}");
        }
        for list in [",", " ", "https://a,", "https://a,,https://b"] {
            assert!(AllowList::parse(list).is_err(), "{list:?}");
        }
    }
}
