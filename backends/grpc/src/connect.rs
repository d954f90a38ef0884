//! Where a server is, and the way there.

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use sops_core::keys::KeyError;
use sops_http::{Tunnel, TunnelKind};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::socks::{self, Destination};

/// What a proxy says before it is a connection ends here.
const MAX_HEAD: usize = 8 << 10;

/// Where a server is.
#[derive(Clone)]
#[non_exhaustive]
pub enum Target {
    /// On a machine.
    Host(Host),
    /// At a socket in the file system.
    Unix(PathBuf),
}

/// A server on a machine.
#[derive(Clone)]
pub struct Host {
    /// Its name or address; one of IPv6 without brackets.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// How it is known to be the right one, and who we are to it. None: it is not asked.
    pub tls: Option<Arc<ClientConfig>>,
    /// The proxy on the way.
    pub tunnel: Option<Tunnel>,
}

impl Host {
    fn authority(&self) -> String {
        match self.name.contains(':') {
            true => format!("[{}]:{}", self.name, self.port),
            false => format!("{}:{}", self.name, self.port),
        }
    }

    async fn connect(self) -> io::Result<Stream> {
        let stream = match &self.tunnel {
            None => TcpStream::connect((self.name.as_str(), self.port)).await?,
            Some(tunnel) => self.through(tunnel).await?,
        };
        stream.set_nodelay(true)?;
        let Some(config) = self.tls else {
            return Ok(Box::new(stream));
        };
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(self.name)
            .map_err(|_| io::Error::other("it has a name that no certificate can have"))?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Box::new(stream)),
            _ => Err(io::Error::other("what listens there does not speak gRPC")),
        }
    }

    /// A connection through a proxy.
    async fn through(&self, tunnel: &Tunnel) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect((tunnel.host.as_str(), tunnel.port)).await?;
        match &tunnel.kind {
            TunnelKind::Http { login } => {
                let login = login.as_ref().map(|login| login.as_str());
                ask_to_connect(&mut stream, &self.authority(), login).await?;
            }
            TunnelKind::Socks {
                login,
                looks_up_names,
            } => {
                let destination = self.destination(*looks_up_names).await?;
                socks::connect(&mut stream, &destination, login.as_ref()).await?;
            }
            _ => return Err(io::Error::other("there is no way through such a proxy")),
        }
        Ok(stream)
    }

    /// Where a proxy of SOCKS is to connect to.
    async fn destination(&self, looks_up_names: bool) -> io::Result<Destination<'_>> {
        if let Ok(address) = self.name.parse::<IpAddr>() {
            return Ok(Destination::Address((address, self.port).into()));
        }
        if looks_up_names {
            return Ok(Destination::Name(&self.name, self.port));
        }
        let found = tokio::net::lookup_host((self.name.as_str(), self.port))
            .await?
            .next();
        let found = found.ok_or_else(|| io::Error::other("there is no such host"))?;
        Ok(Destination::Address(found))
    }
}

/// A connection to somewhere, whatever it goes over.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Tells a proxy of HTTP where to connect to. `login` is the value of `Proxy-Authorization`.
async fn ask_to_connect(
    stream: &mut TcpStream,
    authority: &str,
    login: Option<&str>,
) -> io::Result<()> {
    let mut head = zeroize::Zeroizing::new(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
    ));
    if let Some(login) = login {
        head.push_str("Proxy-Authorization: ");
        head.push_str(login);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    // Byte by byte: what comes after the head is not ours.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_HEAD {
            return Err(io::Error::other("the proxy says too much"));
        }
        answer.push(stream.read_u8().await?);
    }
    match answer.split(|&byte| byte == b' ').nth(1) {
        Some([b'2', _, _]) => Ok(()),
        Some(status) => {
            let status: String = status
                .iter()
                .take(3)
                .filter(|byte| byte.is_ascii_digit())
                .map(|&byte| char::from(byte))
                .collect();
            let message = format!("the proxy did not connect (status {status})");
            Err(io::Error::other(message))
        }
        None => Err(io::Error::other("the proxy is none of HTTP")),
    }
}

impl Target {
    /// A channel that connects when it is used. Has to be called on the thread for the network.
    pub(crate) fn channel(&self, connect_limit: Duration) -> Result<Channel, KeyError> {
        let unusable = || KeyError::new("the address of the service cannot be used");
        match self {
            Self::Unix(path) => {
                let path = std::path::absolute(path).ok();
                let text = path.as_deref().and_then(std::path::Path::to_str);
                let text = text.ok_or_else(unusable)?;
                let endpoint =
                    Endpoint::from_shared(format!("unix://{text}")).map_err(|_| unusable())?;
                Ok(endpoint.connect_timeout(connect_limit).connect_lazy())
            }
            Self::Host(host) => {
                let authority = host.authority();
                // TLS is made below, by the connector: to the endpoint, it is a plain connection.
                let mut endpoint =
                    Endpoint::from_shared(format!("http://{authority}")).map_err(|_| unusable())?;
                if host.tls.is_some() {
                    let origin = match host.port {
                        443 => format!("https://{}", authority.trim_end_matches(":443")),
                        _ => format!("https://{authority}"),
                    };
                    endpoint = endpoint.origin(origin.parse().map_err(|_| unusable())?);
                }
                let host = host.clone();
                let connector = tower::service_fn(move |_: http::Uri| {
                    let host = host.clone();
                    async move { host.connect().await.map(TokioIo::new) }
                });
                Ok(endpoint
                    .connect_timeout(connect_limit)
                    .user_agent(concat!("sops/", env!("CARGO_PKG_VERSION")))
                    .map_err(|_| unusable())?
                    .connect_with_connector_lazy(connector))
            }
        }
    }
}
