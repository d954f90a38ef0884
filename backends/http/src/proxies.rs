//! Which proxy a call goes through.

use std::{
    env, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ureq::{Proxy, ProxyProtocol, http::Uri};
use zeroize::Zeroizing;

use crate::Problem;

/// The proxies of this machine, chosen as other programs do: by the scheme of the address, and none for this machine
/// itself or what `NO_PROXY` lists.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For every call, whatever the others say.
    always: Option<Proxy>,
    https: Option<Proxy>,
    http: Option<Proxy>,
    except: Vec<Exception>,
}

/// A proxy that connects to whoever it is told to.
#[derive(Clone)]
#[non_exhaustive]
pub struct Tunnel {
    /// Where it is.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// How it is told where to connect to.
    pub kind: TunnelKind,
}

/// How a proxy is told where to connect to.
#[derive(Clone)]
#[non_exhaustive]
pub enum TunnelKind {
    /// By `CONNECT` of HTTP.
    Http {
        /// The value of `Proxy-Authorization`.
        login: Option<Zeroizing<String>>,
    },
    /// By version 5 of SOCKS.
    Socks {
        /// Who we are.
        login: Option<SocksLogin>,
        /// Whether it is told names, and not addresses.
        looks_up_names: bool,
    },
}

/// A user of a proxy.
#[derive(Clone)]
pub struct SocksLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// What `NO_PROXY` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `*`
    Everything,
    /// An address, or many of them, and maybe a port.
    Addresses(IpAddr, u8, Option<u16>),
    /// A domain and, if it is written with a dot before it, only what is in it; and maybe a port.
    Domain {
        name: String,
        is_itself: bool,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Returns the proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name, in capital letters or small ones. Reads
    /// the environment.
    ///
    /// # Errors
    ///
    /// Fails if one of them is no address.
    pub fn from_env() -> Result<Self, Problem> {
        let read = |capital: &'static str, small: &'static str| {
            let set = |name| env::var(name).ok().filter(|text| !text.is_empty());
            set(capital)
                .map(|text| (capital, text))
                .or_else(|| set(small).map(|text| (small, text)))
        };
        let proxy = |capital, small| {
            read(capital, small)
                .map(|(name, text)| parse(name, &text))
                .transpose()
        };
        // A server that runs this for a request sets HTTP_PROXY to whatever the client says in a header.
        let http = match env::var_os("REQUEST_METHOD") {
            Some(_) => proxy("http_proxy", "http_proxy")?,
            None => proxy("HTTP_PROXY", "http_proxy")?,
        };
        let except = read("NO_PROXY", "no_proxy").map(|(_, text)| text);
        Ok(Self {
            always: None,
            https: proxy("HTTPS_PROXY", "https_proxy")?,
            http,
            except: exceptions(&except.unwrap_or_default()),
        })
    }

    /// Sends every call through the proxy with this address, which `named_by` says.
    ///
    /// # Errors
    ///
    /// Fails if that is no address.
    pub fn always(mut self, named_by: &str, address: &str) -> Result<Self, Problem> {
        self.always = Some(parse(named_by, address)?);
        Ok(self)
    }

    /// Returns the proxy to be told to connect to a host over TLS, if there has to be one.
    ///
    /// # Errors
    ///
    /// Fails if it is told so over TLS, or by version 4 of SOCKS.
    pub fn tunnel(&self, host: &str, port: u16) -> Result<Option<Tunnel>, Problem> {
        let uri = Uri::builder()
            .scheme("https")
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build()
            .map_err(|_| Problem::setting("not a usable address"))?;
        let Some(proxy) = self.choose(&uri) else {
            return Ok(None);
        };
        let password = || Zeroizing::new(proxy.password().unwrap_or_default().to_owned());
        let socks_login = || {
            proxy.username().map(|user| SocksLogin {
                user: user.to_owned(),
                password: password(),
            })
        };
        let kind = match proxy.protocol() {
            ProxyProtocol::Http => TunnelKind::Http {
                login: proxy.username().map(|user| {
                    let login = Zeroizing::new(format!("{user}:{}", *password()));
                    Zeroizing::new(format!("Basic {}", STANDARD.encode(login.as_bytes())))
                }),
            },
            protocol @ (ProxyProtocol::Socks5 | ProxyProtocol::Socks5h) => TunnelKind::Socks {
                login: socks_login(),
                looks_up_names: protocol == ProxyProtocol::Socks5h,
            },
            _ => {
                return Err(Problem::setting(
                    "the proxy is none of http://, socks5:// or socks5h://",
                ));
            }
        };
        Ok(Some(Tunnel {
            host: proxy.host().to_owned(),
            port: proxy.port(),
            kind,
        }))
    }

    /// Returns the proxy for `uri`, if it needs one.
    pub(crate) fn choose(&self, uri: &Uri) -> Option<Proxy> {
        if self.always.is_some() {
            return self.always.clone();
        }
        let is_https = uri.scheme_str() == Some("https");
        let proxy = if is_https { &self.https } else { &self.http };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let is_direct =
            is_this_machine(host) || self.except.iter().any(|except| except.fits(host, port));
        proxy.clone().filter(|_| !is_direct)
    }
}

fn parse(named_by: &str, address: &str) -> Result<Proxy, Problem> {
    // The address may hold a password.
    Proxy::new(address).map_err(|_| {
        Problem::setting(format!("{named_by} is not the address of a proxy"))
            .with_hint(format!("write it as {named_by}=http://HOST:PORT"))
    })
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn exceptions(list: &str) -> Vec<Exception> {
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(Exception::new)
        .collect()
}

impl Exception {
    fn new(entry: &str) -> Self {
        if entry == "*" {
            return Self::Everything;
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Self::Addresses(address, bits, None);
        }
        let bare = entry.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Self::Addresses(address, u8::MAX, None);
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
            _ => (entry, None),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Self::Addresses(address, u8::MAX, port);
        }
        let inside = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        Self::Domain {
            name: inside.unwrap_or(host).to_ascii_lowercase(),
            is_itself: inside.is_none(),
            port,
        }
    }

    fn fits(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Addresses(network, bits, of_port) => {
                of_port.is_none_or(|of_port| of_port == port)
                    && host
                        .parse()
                        .is_ok_and(|address| is_within(address, *network, *bits))
            }
            Self::Domain {
                name,
                is_itself,
                port: of_port,
            } => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let is_inside = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|before| before.ends_with('.'));
                of_port.is_none_or(|of_port| of_port == port)
                    && (is_inside || (*is_itself && host == *name))
            }
        }
    }
}

/// Whether the first `bits` of both are the same; more bits than there are count as all.
fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits).min(32));
            Ipv4Addr::to_bits(address) & mask.unwrap_or(0)
                == Ipv4Addr::to_bits(network) & mask.unwrap_or(0)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits).min(128));
            Ipv6Addr::to_bits(address) & mask.unwrap_or(0)
                == Ipv6Addr::to_bits(network) & mask.unwrap_or(0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(except: &str) -> Proxies {
        Proxies {
            always: None,
            https: Some(parse("x", "http://secure.example:1").expect("a proxy")),
            http: Some(parse("x", "http://plain.example:2").expect("a proxy")),
            except: exceptions(except),
        }
    }

    fn chosen(proxies: &Proxies, address: &str) -> Option<String> {
        let proxy = proxies.choose(&address.parse().expect("an address"));
        proxy.map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn the_scheme_decides_and_this_machine_needs_none() {
        let proxies = proxies("");
        let chosen = |address| chosen(&proxies, address);
        assert_eq!(
            chosen("https://vault.example:8200/").as_deref(),
            Some("secure.example")
        );
        assert_eq!(
            chosen("http://vault.example/").as_deref(),
            Some("plain.example")
        );
        for address in [
            "http://localhost:8200/",
            "https://127.0.0.1/",
            "https://127.1.2.3/",
            "https://[::1]:8200/",
        ] {
            assert_eq!(chosen(address), None, "{address}");
        }
        let always = proxies
            .clone()
            .always("x", "http://other.example")
            .expect("a proxy");
        assert_eq!(
            super::tests::chosen(&always, "https://127.0.0.1/").as_deref(),
            Some("other.example")
        );
    }

    #[test]
    fn exceptions_are_direct() {
        let proxies = proxies(
            " a.example, .b.example,*.c.example,10.0.0.0/8,192.0.2.1,d.example:8200,2001:db8::/32,",
        );
        for address in [
            "https://a.example/",
            "https://A.Example/",
            "https://x.a.example/",
            "https://x.b.example/",
            "https://x.c.example/",
            "https://10.200.0.1/",
            "https://192.0.2.1/",
            "https://d.example:8200/",
            "https://[2001:db8::7]/",
        ] {
            assert_eq!(chosen(&proxies, address), None, "{address}");
        }
        for address in [
            "https://xa.example/",
            "https://b.example/",
            "https://c.example/",
            "https://11.0.0.1/",
            "https://192.0.2.2/",
            "https://d.example/",
            "https://[2001:db9::7]/",
        ] {
            assert!(chosen(&proxies, address).is_some(), "{address}");
        }
        assert_eq!(chosen(&self::proxies("x,*"), "https://a.example/"), None);
        assert_eq!(
            chosen(&self::proxies("0.0.0.0/0"), "https://9.9.9.9/"),
            None
        );
    }

    #[test]
    fn tunnels() {
        let mut proxies = proxies("direct.example");
        let tunnel = |proxies: &Proxies, host| proxies.tunnel(host, 443);
        let found = tunnel(&proxies, "a.example").ok().flatten().expect("one");
        assert_eq!((found.host.as_str(), found.port), ("secure.example", 1));
        assert!(matches!(found.kind, TunnelKind::Http { login: None }));
        for host in ["direct.example", "localhost"] {
            assert!(matches!(tunnel(&proxies, host), Ok(None)), "{host}");
        }
        proxies.https = Some(parse("x", "http://me:word@p.example:8").expect("a proxy"));
        let found = tunnel(&proxies, "a.example").ok().flatten().expect("one");
        let TunnelKind::Http { login: Some(login) } = &found.kind else {
            panic!("{found:?}");
        };
        assert_eq!(login.as_str(), "Basic bWU6d29yZA==");
        assert!(!format!("{found:?}").contains("bWU6"));
        for (address, names) in [
            ("socks5://me:word@p.example:8", false),
            ("socks5h://me:word@p.example:8", true),
        ] {
            proxies.https = Some(parse("x", address).expect("a proxy"));
            let found = tunnel(&proxies, "a.example").ok().flatten().expect("one");
            let TunnelKind::Socks {
                login: Some(login),
                looks_up_names,
            } = &found.kind
            else {
                panic!("{found:?}");
            };
            assert_eq!(
                (login.user.as_str(), login.password.as_str()),
                ("me", "word")
            );
            assert_eq!(*looks_up_names, names);
            assert!(!format!("{found:?}").contains("word"));
        }
        for address in ["socks4://p.example:8", "https://p.example:8"] {
            proxies.https = Some(parse("x", address).expect("a proxy"));
            assert!(tunnel(&proxies, "a.example").is_err(), "{address}");
        }
        assert!(tunnel(&self::proxies(""), "a b").is_err());
    }

    #[test]
    fn what_is_no_proxy_is_not_shown() {
        let problem = parse("HTTPS_PROXY", "ftp://user:password@host").expect_err("no proxy");
        assert!(problem.message.contains("HTTPS_PROXY"));
        assert!(!format!("{problem:?}").contains("password"));
    }
}
