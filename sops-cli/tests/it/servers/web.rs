//! A server of HTTP on loopback, with or without TLS, which is also a proxy that answers for every host itself.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::support::testdata;

/// What the server is sent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_tls: bool,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, serde_json::Value),
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Half an answer, and the end of the connection.
    Half,
    /// Nothing, for as long as anybody may wait.
    Silence,
    /// The end of the connection.
    Hangup,
    /// More of an answer than anybody wants, until nobody takes it any more: its body, whether it says how long that is or
    /// not, or its headers.
    Flood(Flood),
    /// Half an answer, and a blank now and then, for as long as anybody may wait.
    Drip,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flood {
    Body,
    Chunks,
    Headers,
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running server; ends when it is dropped.
pub(crate) struct Web {
    pub(crate) port: u16,
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// How much of floods was taken, in bytes.
    flooded: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Web {
    pub(crate) fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (calls, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (flooded, ends) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let tls = Arc::new(tls());
        let server = Serving {
            handler: Arc::new(handler),
            calls: Arc::clone(&calls),
            flooded: Arc::clone(&flooded),
            ends: Arc::clone(&ends),
        };
        let (counted, stop) = (Arc::clone(&connections), Arc::clone(&ends));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let (server, tls) = (server.clone(), Arc::clone(&tls));
                // A client that goes away is nothing to complain about.
                thread::spawn(move || server.connection(stream, &tls).ok());
            }
        });
        Self {
            port,
            calls,
            connections,
            flooded,
            ends,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn tls_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn flooded(&self) -> usize {
        self.flooded.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

#[derive(Clone)]
struct Serving {
    handler: Arc<Handler>,
    calls: Arc<AtomicUsize>,
    flooded: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
}

impl Serving {
    fn connection(&self, stream: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut first = [0; 8];
        let count = stream.peek(&mut first)?;
        if first[0] == 0x16 {
            return self.secure(stream, tls);
        }
        if first[..count].starts_with(b"CONNECT") {
            let mut reader = BufReader::new(&stream);
            read_head(&mut reader)?;
            (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            return self.secure(stream, tls);
        }
        self.requests(BufReader::new(stream), false)
    }

    fn secure(&self, stream: TcpStream, tls: &Arc<ServerConfig>) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
        self.requests(BufReader::new(StreamOwned::new(connection, stream)), true)
    }

    fn requests<S: Read + Write>(&self, mut stream: BufReader<S>, is_tls: bool) -> io::Result<()> {
        loop {
            let (line, headers) = read_head(&mut stream)?;
            let mut words = line.split_whitespace();
            let method = words.next().ok_or(io::ErrorKind::UnexpectedEof)?.to_owned();
            let target = words.next().unwrap_or_default();
            // To a proxy, the whole address is said.
            let target = match target
                .split_once("://")
                .and_then(|(_, rest)| rest.split_once('/'))
            {
                Some((_, path)) => format!("/{path}"),
                None => target.to_owned(),
            };
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let asked = Asked {
                method,
                target,
                headers,
                body,
                is_tls,
            };
            self.calls.fetch_add(1, Ordering::Relaxed);
            let reply = (self.handler)(&asked);
            if !self.reply(stream.get_mut(), reply)? {
                return Ok(());
            }
        }
    }

    fn reply(&self, stream: &mut impl Write, reply: Reply) -> io::Result<bool> {
        let (status, headers, body) = match reply {
            Reply::Json(status, json) => {
                let kind = ("Content-Type", "application/json".to_owned());
                (status, vec![kind], json.to_string().into_bytes())
            }
            Reply::With(status, headers, body) => (status, headers, body),
            Reply::Half => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"data\"")?;
                stream.flush()?;
                return Ok(false);
            }
            Reply::Silence => {
                self.every_moment(|| Ok(()))?;
                return Ok(false);
            }
            Reply::Drip => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")?;
                self.every_moment(|| {
                    stream.write_all(b" ")?;
                    stream.flush()
                })?;
                return Ok(false);
            }
            Reply::Flood(flood) => {
                self.flood(stream, flood)?;
                return Ok(false);
            }
            Reply::Hangup => return Ok(false),
        };
        let mut head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(&[head.as_bytes(), &body].concat())?;
        stream.flush()?;
        Ok(true)
    }
}

impl Serving {
    /// Does something now and then, for as long as anybody may wait.
    fn every_moment(&self, mut act: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        for _ in 0..600 {
            if self.ends.load(Ordering::Relaxed) {
                break;
            }
            act()?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Sends gigabytes.
    fn flood(&self, stream: &mut impl Write, flood: Flood) -> io::Result<()> {
        const PIECE: usize = 1 << 16;
        const PIECES: usize = 1 << 15;

        let letters = |count| [b'a'].repeat(count);
        let (head, piece) = match flood {
            Flood::Body => (
                format!("Content-Length: {}\r\n\r\n", PIECE * PIECES),
                letters(PIECE),
            ),
            Flood::Chunks => (
                "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
                [b"10000\r\n", &letters(PIECE)[..], b"\r\n"].concat(),
            ),
            Flood::Headers => (String::new(), [b"a: ", &letters(100)[..], b"\r\n"].concat()),
        };
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        stream.write_all(head.as_bytes())?;
        for _ in 0..PIECES {
            if self.ends.load(Ordering::Relaxed) {
                break;
            }
            stream.write_all(&piece)?;
            self.flooded.fetch_add(piece.len(), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<(String, Vec<(String, String)>)> {
    let mut first = String::new();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        match line.split_once(':') {
            _ if first.is_empty() => first = line.to_owned(),
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => return Ok((first, headers)),
        }
    }
}

pub(super) fn tls() -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate =
        CertificateDer::from_pem_file(testdata("cloud/server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(testdata("cloud/server.key")).expect("a key");
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS");
    let builder = builder.with_no_client_auth();
    builder
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key")
}
