//! Where the server listens, and who may connect.

use std::io;

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::{Address, ServerTls};

/// Which users of this machine may connect to a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peers {
    /// The user that the server runs as, root, and the users with these numbers.
    Users(Vec<u32>),
    /// Whoever the permissions of the socket admit.
    Any,
}

/// An open socket to listen at. A Unix socket is removed when it is dropped, unless another has taken its place.
pub struct Listener {
    pub(crate) socket: Socket,
    address: Address,
    #[cfg(unix)]
    pub(crate) peers: Peers,
    tls: Option<TlsAcceptor>,
}

pub(crate) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, FileIdentity),
}

/// Which file a path leads to: the number of its device, and that of the file there.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

#[cfg(unix)]
impl FileIdentity {
    fn of(path: &std::path::Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;

        let found = path.symlink_metadata()?;
        Ok(Self(found.dev(), found.ino()))
    }
}

/// A connection to somebody who may ask.
pub(crate) enum Connection {
    Tcp(TcpStream),
    Tls(TcpStream, TlsAcceptor),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// Opens a socket. A Unix socket can be used by its owner only, unless `peers` names other users, and takes the place of
    /// one that nobody listens at any more.
    ///
    /// # Errors
    ///
    /// Fails if the address is in use, or cannot be used.
    pub fn bind(address: &Address, peers: Peers) -> io::Result<Self> {
        let wanted = address.clone();
        // Who is named is told from others when connecting, by the system, and not by permissions.
        let is_for_others = matches!(&peers, Peers::Users(others) if !others.is_empty());
        let mode = if is_for_others { 0o666 } else { 0o600 };
        let opened = sops_runtime::run(async move { open(&wanted, mode).await });
        let (socket, address) = opened.map_err(io::Error::other)??;
        Ok(Self {
            socket,
            address,
            #[cfg(unix)]
            peers,
            tls: None,
        })
    }

    /// Opens a socket at a host and a port for who has a certificate of an authority that is named in `tls`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be used, or the address is in use, or cannot be used.
    pub fn bind_tls(host: &str, tls: &ServerTls) -> io::Result<Self> {
        let config = tls.config().map_err(io::Error::other)?;
        let mut listener = Self::bind(&Address::Tcp(host.to_owned()), Peers::Any)?;
        if let Address::Tcp(host) = &listener.address {
            listener.address = Address::Tls(host.clone());
        }
        listener.tls = Some(config.into());
        Ok(listener)
    }

    /// Returns the address. Its port is the real one, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next connection. `None`: somebody who may not.
    pub(crate) async fn accept(&self) -> io::Result<Option<Connection>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true).ok();
                Ok(Some(match &self.tls {
                    None => Connection::Tcp(stream),
                    Some(tls) => Connection::Tls(stream, tls.clone()),
                }))
            }
            #[cfg(unix)]
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let may = match &self.peers {
                    Peers::Any => true,
                    Peers::Users(others) => stream.peer_cred().is_ok_and(|peer| {
                        let user = peer.uid();
                        user == 0 || user == own_user() || others.contains(&user)
                    }),
                };
                Ok(may.then_some(Connection::Unix(stream)))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let (Address::Unix(path), Socket::Unix(_, own)) = (&self.address, &self.socket)
            && FileIdentity::of(path).is_ok_and(|found| found == *own)
        {
            // Whoever removed it before was quicker.
            std::fs::remove_file(path).ok();
        }
    }
}

#[cfg(unix)]
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg_attr(not(unix), expect(unused_variables))]
async fn open(address: &Address, mode: u32) -> io::Result<(Socket, Address)> {
    match address {
        Address::Tcp(text) => {
            // An empty host is all of them, as everywhere in Go.
            let host = match text.starts_with(':') {
                true => format!("[::]{text}"),
                false => text.clone(),
            };
            let listener = TcpListener::bind(host).await?;
            let address = Address::Tcp(listener.local_addr()?.to_string());
            Ok((Socket::Tcp(listener), address))
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let path = std::path::absolute(path)?;
            let (listener, file) = open_unix(&path, mode).await?;
            Ok((Socket::Unix(listener, file), Address::Unix(path)))
        }
        // Has to be opened with certificates.
        Address::Tls(_) => Err(io::ErrorKind::InvalidInput.into()),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Nobody may connect between opening it and setting its permissions, so it gets its name after that.
#[cfg(unix)]
async fn open_unix(path: &std::path::Path, mode: u32) -> io::Result<(UnixListener, FileIdentity)> {
    use std::{
        fs,
        os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    };

    if let Ok(found) = fs::symlink_metadata(path) {
        let is_left_over = found.file_type().is_socket()
            && UnixStream::connect(path)
                .await
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !is_left_over {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut new_name = std::ffi::OsString::from(".");
    new_name.push(name);
    new_name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(new_name);
    let listener = UnixListener::bind(&new)?;
    let named = fs::set_permissions(&new, fs::Permissions::from_mode(mode))
        .and_then(|()| FileIdentity::of(&new))
        .and_then(|file| fs::rename(&new, path).map(|()| file));
    match named {
        Ok(file) => Ok((listener, file)),
        Err(error) => {
            fs::remove_file(&new).ok();
            Err(error)
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_a_successor_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("socket");
        let bind = || Listener::bind(&Address::Unix(path.clone()), Peers::Any);
        let first = bind().expect("a free path");
        std::fs::remove_file(&path).expect("it is there");
        let second = bind().expect("a free path");
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
