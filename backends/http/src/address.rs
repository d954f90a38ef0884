//! Addresses that files name: read before anything is sent to them.

use std::fmt;

use ureq::http::Uri;

/// The scheme, host and port of a service, and the path of its interface, if there is one.
///
/// Files name addresses, and whoever can write a file chooses them. Therefore nothing that would change to whom a request
/// goes gets through: no user name, no query, no fragment, no character that programs disagree about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    is_https: bool,
    /// Host and, if it is not that of the scheme, port.
    authority: String,
    /// Empty, or starting with a slash and not ending with one.
    path: String,
}

/// A text that is no address of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address of a server: {reason}")]
#[non_exhaustive]
pub struct AddressError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Address {
    /// Reads an address such as `https://vault.example.com:8200`.
    ///
    /// # Errors
    ///
    /// Fails if the scheme is neither `https` nor `http`, there is no host, or there is more than scheme, host, port and
    /// path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fail = |reason| {
            Err(AddressError {
                text: text.to_owned(),
                reason,
            })
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return fail("it has no scheme, such as https://");
        };
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return fail("its scheme is neither https nor http"),
        };
        if rest.contains('@') {
            return fail("it has a user name");
        }
        if rest.contains(['?', '#']) {
            return fail("it has a query or a fragment");
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic())
            || rest.contains(['\\', '%', '"', '<', '>'])
        {
            return fail("it has characters that do not belong there");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        if path.split('/').any(|step| matches!(step, "." | "..")) {
            return fail("it has steps that lead elsewhere");
        }
        let is_valid = |uri: &Uri| {
            let has_port = authority
                .rsplit(']')
                .next()
                .is_some_and(|rest| rest.contains(':'));
            let host = uri.host().is_some_and(|host| !host.is_empty());
            host && (!has_port || uri.port_u16().is_some())
        };
        let uri = format!("{scheme}://{authority}/").parse::<Uri>().ok();
        if authority.is_empty() || authority.ends_with(':') || !uri.as_ref().is_some_and(is_valid) {
            return fail("it has no valid host");
        }
        let default_port = if is_https { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        let authority = match authority.strip_suffix(default_port) {
            Some(host) => host.to_owned(),
            None => authority,
        };
        Ok(Self {
            is_https,
            authority,
            path: match path {
                "" => String::new(),
                path => format!("/{path}"),
            },
        })
    }

    /// Returns whether what is sent there cannot be read on the way.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Returns the host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.authority.starts_with('[') {
            let end = self
                .authority
                .find(']')
                .map_or(self.authority.len(), |at| at + 1);
            return &self.authority[..end];
        }
        self.authority.split(':').next().unwrap_or_default()
    }

    /// Returns the host and, if it is not that of the scheme, the port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the path of the interface: empty, or starting with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether the host is `domain` or below it.
    #[must_use]
    pub fn is_under(&self, domain: &str) -> bool {
        let host = self.host().trim_end_matches('.');
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("https://h:8200", "https://h:8200"),
            ("HTTPS://H.Example/", "https://h.example"),
            ("https://h:443/a/b/", "https://h/a/b"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8200/", "http://[::1]:8200"),
        ] {
            assert_eq!(Address::parse(text).expect(text).to_string(), shown);
        }
        for bad in [
            "",
            "h",
            "h:8200",
            "//h",
            "ftp://h",
            "unix:///x",
            "https://",
            "https:///a",
            "https://h:",
            "https://h:99999",
            "https://u@h",
            "https://u:p@h",
            "https://h?x",
            "https://h/a#b",
            "https://h/../b",
            "https://h\\@evil",
            "https://h evil",
            "https://h\n",
            "https://h%2e",
            "https://:8200",
            "https://hö",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hosts() {
        let host = |text| Address::parse(text).expect("valid").host().to_owned();
        assert_eq!(host("https://a.b:1/x"), "a.b");
        assert_eq!(host("https://[::1]:1"), "[::1]");
        let under = |text, domain| Address::parse(text).expect("valid").is_under(domain);
        assert!(under("https://v.vault.azure.net", "vault.azure.net"));
        assert!(under("https://v.vault.azure.net.", "vault.azure.net"));
        assert!(!under("https://vault.azure.net.evil", "vault.azure.net"));
        assert!(!under("https://evilvault.azure.net", "vault.azure.net"));
    }
}
