//! Where a key service is.

use std::{fmt, path::PathBuf};

/// Where a key service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A host and a port.
    Tcp(String),
    /// The same over TLS, where either side shows a certificate.
    Tls(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A text that names no key service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no key service")]
#[non_exhaustive]
pub struct AddressError {
    /// The text.
    pub text: String,
}

impl Address {
    /// Reads `tcp://HOST:PORT`, `tls://HOST:PORT` or `unix:///PATH`.
    ///
    /// # Errors
    ///
    /// Fails if the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let fail = || AddressError {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(fail)?;
        match scheme {
            "tcp" | "tcp4" | "tcp6" | "tls" => {
                let host = rest
                    .strip_prefix("//")
                    .ok_or_else(fail)?
                    .trim_end_matches('/');
                let host = Self::host(host).ok_or_else(fail)?;
                Ok(match scheme {
                    "tls" => Self::Tls(host),
                    _ => Self::Tcp(host),
                })
            }
            "unix" => match rest.strip_prefix("//").unwrap_or(rest) {
                path if path.starts_with('/') => Ok(Self::Unix(path.into())),
                // `unix:path` is one in the working folder; in `unix://path`, there is a host.
                path if !path.is_empty() && !rest.starts_with("//") => Ok(Self::Unix(path.into())),
                _ => Err(fail()),
            },
            _ => Err(fail()),
        }
    }

    /// Reads a network, `tcp` or `unix`, and an address in it.
    ///
    /// # Errors
    ///
    /// Fails if there is no such network, or no such address in it.
    pub fn on_network(network: &str, address: &str) -> Result<Self, AddressError> {
        let fail = || AddressError {
            text: format!("{network}://{address}"),
        };
        match network {
            "tcp" | "tcp4" | "tcp6" => Self::host(address).map(Self::Tcp).ok_or_else(fail),
            "unix" if !address.is_empty() => Ok(Self::Unix(address.into())),
            _ => Err(fail()),
        }
    }

    /// The host, without the brackets of IPv6, and the port. An empty host is this machine, as everywhere in Go.
    pub(crate) fn split(text: &str) -> Option<(&str, u16)> {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.trim_start_matches('[').trim_end_matches(']') {
            "" => "localhost",
            host => host,
        };
        Some((host, port.parse().ok()?))
    }

    fn host(text: &str) -> Option<String> {
        let (host, port) = text.rsplit_once(':')?;
        let is_host = |host: &str| {
            let (inner, is_bracketed) = match host.strip_prefix('[') {
                Some(rest) => (rest.strip_suffix(']')?, true),
                None => (host, false),
            };
            let is_valid = |byte: u8| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'.' | b'_')
                    || (is_bracketed && matches!(byte, b':' | b'%'))
            };
            inner.bytes().all(is_valid).then_some(())
        };
        is_host(host)?;
        port.parse::<u16>().ok()?;
        Some(text.to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Tls(host) => write!(f, "tls://{host}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("tcp://127.0.0.1:5000", "tcp://127.0.0.1:5000"),
            ("tcp://localhost:1/", "tcp://localhost:1"),
            ("tcp://[::1]:5000", "tcp://[::1]:5000"),
            ("tls://keys.example:443", "tls://keys.example:443"),
            ("unix:///tmp/a b.sock", "unix:///tmp/a b.sock"),
            ("unix:/tmp/s", "unix:///tmp/s"),
            ("unix:s", "unix://s"),
        ] {
            assert_eq!(Address::parse(text).expect(text).to_string(), shown);
        }
        for bad in [
            "",
            "127.0.0.1:5000",
            "tcp://",
            "tcp://h",
            "tcp://h:",
            "tcp://h:99999",
            "tcp:h:1",
            "tcp://u@h:1",
            "tcp://h/x:1",
            "tls://h",
            "tls:h:1",
            "unix://",
            "unix://s",
            "unix:",
            "http://h:1",
            "tcp://[::1:5",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert!(Address::on_network("tcp", ":5000").is_ok());
        assert!(Address::on_network("unix", "s").is_ok());
        for (network, address) in [("udp", "h:1"), ("tcp", "h"), ("unix", "")] {
            assert!(Address::on_network(network, address).is_err());
        }
    }
}
