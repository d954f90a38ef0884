//! Which proxy a request goes through.

use std::env;

/// What the environment says about proxies for one scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    /// The address of the proxy.
    pub(crate) proxy: Option<String>,
    /// Hosts that are reached without.
    exceptions: String,
}

impl Proxies {
    /// Reads `HTTPS_PROXY` or `HTTP_PROXY`, then `ALL_PROXY`, and `NO_PROXY`, each also in lower case.
    pub(crate) fn from_env(is_https: bool) -> Self {
        Self::from_variables(is_https, |name| env::var(name).ok())
    }

    fn from_variables(is_https: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            let either = [name.to_owned(), name.to_lowercase()];
            either
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        let by_scheme = if is_https {
            "HTTPS_PROXY"
        } else {
            "HTTP_PROXY"
        };
        Self {
            proxy: get(by_scheme).or_else(|| get("ALL_PROXY")),
            exceptions: get("NO_PROXY").unwrap_or_default(),
        }
    }

    /// Returns whether `host` is reached through the proxy. This machine never is, nor what tells a machine who it is.
    pub(crate) fn apply_to(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).to_lowercase();
        let is_near = host == "localhost"
            || host.ends_with(".localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| match address {
                    std::net::IpAddr::V4(address) => {
                        address.is_loopback() || address.is_link_local()
                    }
                    std::net::IpAddr::V6(address) => address.is_loopback(),
                });
        let excepts = |entry: &str| {
            let entry = entry.trim().to_lowercase();
            let domain = entry.trim_start_matches("*.").trim_start_matches('.');
            entry == "*"
                || (!domain.is_empty()
                    && host
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        self.proxy.is_some() && !is_near && !self.exceptions.split(',').any(excepts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(is_https: bool, variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(is_https, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn by_scheme() {
        let both = [("HTTPS_PROXY", "http://s"), ("http_proxy", "http://p")];
        assert_eq!(proxies(true, &both).proxy.as_deref(), Some("http://s"));
        assert_eq!(proxies(false, &both).proxy.as_deref(), Some("http://p"));
        assert_eq!(proxies(false, &both[..1]).proxy, None);
        assert_eq!(
            proxies(false, &[("ALL_PROXY", "x")]).proxy.as_deref(),
            Some("x")
        );
        assert!(!proxies(true, &[]).apply_to("h"));
    }

    #[test]
    fn exceptions() {
        let proxies = proxies(
            true,
            &[("HTTPS_PROXY", "x"), ("NO_PROXY", "a.b, .c ,*.d,10.0.0.1")],
        );
        for host in [
            "a.b",
            "x.a.b",
            "C",
            "x.c",
            "x.d",
            "10.0.0.1",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "169.254.169.254",
        ] {
            assert!(!proxies.apply_to(host), "{host}");
        }
        for host in ["xa.b", "b", "10.0.0.2", "example"] {
            assert!(proxies.apply_to(host), "{host}");
        }
        assert!(!self::proxies(true, &[("HTTPS_PROXY", "x"), ("NO_PROXY", "*")]).apply_to("h"));
    }
}
