//! Which servers may be asked.

/// The servers that files may name: the value of `SOPS_HC_VAULT_ALLOWLIST`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowList {
    /// Any server.
    All,
    /// Servers whose address starts with one of these, each of which ends with a slash. None: no server.
    Prefixes(Vec<String>),
}

/// An allow-list with an empty entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SOPS_HC_VAULT_ALLOWLIST: entry {entry} is empty")]
#[non_exhaustive]
pub struct AllowListError {
    /// The number of the entry, from 1.
    pub entry: usize,
}

impl AllowList {
    /// Reads `all`, `none`, or a list of addresses separated by commas. The empty text is `all`.
    ///
    /// # Errors
    ///
    /// Fails if an entry is empty.
    pub fn parse(text: &str) -> Result<Self, AllowListError> {
        match text {
            "" | "all" => return Ok(Self::All),
            "none" => return Ok(Self::Prefixes(Vec::new())),
            _ => {}
        }
        let prefixes =
            text.split(',')
                .enumerate()
                .map(|(index, entry)| match entry.trim_matches(' ') {
                    "" => Err(AllowListError { entry: index + 1 }),
                    entry => Ok(with_slash(entry)),
                });
        prefixes.collect::<Result<_, _>>().map(Self::Prefixes)
    }

    /// Returns whether a server may be asked.
    #[must_use]
    pub fn allows(&self, address: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefixes(prefixes) => {
                let address = with_slash(address);
                prefixes.iter().any(|prefix| address.starts_with(prefix))
            }
        }
    }
}

fn with_slash(text: &str) -> String {
    format!("{}/", text.strip_suffix('/').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let allows =
            |list: &str, address: &str| AllowList::parse(list).expect(list).allows(address);
        assert!(allows("", "https://h"));
        assert!(allows("all", "https://h"));
        assert!(!allows("none", "https://h"));
        assert!(allows("https://a, https://h/", "https://h"));
        assert!(allows("https://h:8200", "https://h:8200/"));
        assert!(!allows("https://h", "https://h.evil"));
        assert!(!allows("https://h", "https://h:8200"));
        assert!(!allows("https://h", "http://h"));
        assert!(!allows("ALL", "https://h"));
        for (bad, entry) in [
            (",", 1),
            ("https://a,", 2),
            ("https://a, ,https://b", 2),
            (" ", 1),
        ] {
            assert_eq!(
                AllowList::parse(bad),
                Err(AllowListError { entry }),
                "{bad:?}"
            );
        }
    }
}
