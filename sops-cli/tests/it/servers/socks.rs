//! A proxy of SOCKS 5 on loopback, which connects to one server, wherever it is told to.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A running proxy; ends when it is dropped.
pub(crate) struct Socks {
    pub(crate) port: u16,
    /// Where it was told to connect to.
    destinations: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
}

/// What the proxy does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Lets in everyone.
    Open,
    /// Lets in this user with this password.
    Guarded(&'static str, &'static str),
    /// Says no to every request, for this reason.
    Refusing(u8),
    /// Says nothing.
    Silent,
    /// Is none.
    Other,
}

impl Socks {
    /// Starts a proxy before the server at this port of loopback.
    pub(crate) fn start(manner: Manner, server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let destinations = Arc::<Mutex<Vec<String>>>::default();
        let ends = Arc::<AtomicBool>::default();
        let (told, stop) = (Arc::clone(&destinations), Arc::clone(&ends));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let told = Arc::clone(&told);
                // A client that goes away is nothing to complain about.
                thread::spawn(move || serve(stream, manner, server, &told).ok());
            }
        });
        Self {
            port,
            destinations,
            ends,
        }
    }

    pub(crate) fn destinations(&self) -> Vec<String> {
        self.destinations.lock().expect("a list").clone()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

fn serve(
    mut stream: TcpStream,
    manner: Manner,
    server: u16,
    told: &Mutex<Vec<String>>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let [_, count] = read(&mut stream)?;
    let mut methods = vec![0; usize::from(count)];
    stream.read_exact(&mut methods)?;
    match manner {
        Manner::Silent => {
            // Until the other end has had enough.
            stream.read_exact(&mut [0])?;
        }
        Manner::Other => return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Manner::Guarded(user, password) => {
            if !methods.contains(&2) {
                return stream.write_all(&[5, 0xff]);
            }
            stream.write_all(&[5, 2])?;
            let [_, length] = read(&mut stream)?;
            let said_user = text(&mut stream, length)?;
            let [length] = read(&mut stream)?;
            let is_right = said_user == user && text(&mut stream, length)? == password;
            stream.write_all(&[1, u8::from(!is_right)])?;
            if !is_right {
                return Ok(());
            }
        }
        _ => stream.write_all(&[5, 0])?,
    }
    let [_, _, _, kind] = read(&mut stream)?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(&mut stream)?).to_string(),
        _ => {
            let [length] = read(&mut stream)?;
            text(&mut stream, length)?
        }
    };
    let port = u16::from_be_bytes(read(&mut stream)?);
    told.lock().expect("a list").push(format!("{host}:{port}"));
    let reason = match manner {
        Manner::Refusing(reason) => reason,
        _ => 0,
    };
    stream.write_all(&[5, reason, 0, 1, 127, 0, 0, 1, 0, 0])?;
    if reason != 0 {
        return Ok(());
    }
    let server = TcpStream::connect(("127.0.0.1", server))?;
    let (from, to) = (stream.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(&from, &to));
    pass(&server, &stream);
    Ok(())
}

/// Passes on what comes, until it ends.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Both).ok();
}

fn read<const LENGTH: usize>(stream: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(stream: &mut TcpStream, length: u8) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
