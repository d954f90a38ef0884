//! A small HTTP server that answers as a test wants it to, also wrongly, over TLS or not.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use crate::support::testdata;

/// No request of a test is larger, and no test lasts longer.
const MAX_REQUEST: usize = 1 << 20;
const LONGEST: Duration = Duration::from_secs(20);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    /// With names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What comes back.
pub(crate) enum Reply {
    /// An answer: its status, further headers (each with its line break), and body.
    Answer(u16, String, Vec<u8>),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, as long as the test lasts.
    Silence,
}

/// Who the server is, and whom it lets in.
#[derive(Clone, Copy)]
pub(crate) struct Tls {
    /// The name of its certificate in `testdata/tls`.
    pub(crate) certificate: &'static str,
    /// Whether clients need a certificate.
    pub(crate) wants_client: bool,
}

/// A server on this machine, which ends with the test.
pub(crate) struct Server {
    port: u16,
    is_secure: bool,
    received: Arc<Mutex<Vec<Received>>>,
    is_over: Arc<AtomicBool>,
}

type Answer = dyn Fn(usize, &Received) -> Reply + Send + Sync;

impl Server {
    /// Starts a server. `answer` gets the number of the request, from 0, and the request.
    pub(crate) fn start(
        tls: Option<Tls>,
        answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = Self {
            port: listener.local_addr().expect("an address").port(),
            is_secure: tls.is_some(),
            received: Arc::default(),
            is_over: Arc::default(),
        };
        let received = Arc::clone(&server.received);
        let is_over = Arc::clone(&server.is_over);
        let config = tls.map(|tls| Arc::new(tls.config()));
        let answer: Arc<Answer> = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection = Connection {
                    received: Arc::clone(&received),
                    is_over: Arc::clone(&is_over),
                    answer: Arc::clone(&answer),
                };
                let config = config.clone();
                thread::spawn(move || connection.serve_tcp(stream, config));
            }
        });
        server
    }

    /// Returns its address.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns what has come so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no test panics in it").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Whoever waits for a connection gets one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Tls {
    fn config(self) -> ServerConfig {
        let path = |ending| testdata(&format!("tls/{}.{ending}", self.certificate));
        let cert = CertificateDer::from_pem_file(path("pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(path("key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS");
        let builder = if self.wants_client {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_file(testdata("tls/ca.pem")).expect("an authority");
            roots.add(ca).expect("an authority");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("one authority"))
        } else {
            builder.with_no_client_auth()
        };
        builder
            .with_single_cert(vec![cert], key)
            .expect("a pair of a certificate and its key")
    }
}

struct Connection {
    received: Arc<Mutex<Vec<Received>>>,
    is_over: Arc<AtomicBool>,
    answer: Arc<Answer>,
}

impl Connection {
    fn serve_tcp(&self, stream: TcpStream, config: Option<Arc<ServerConfig>>) {
        let _ = stream.set_read_timeout(Some(LONGEST));
        match config {
            None => self.serve(stream),
            Some(config) => {
                let connection = ServerConnection::new(config).expect("a usable configuration");
                self.serve(StreamOwned::new(connection, stream));
            }
        }
    }

    /// Answers until the other end has had enough.
    fn serve(&self, mut stream: impl Read + Write) {
        while let Some(request) = receive(&mut stream) {
            let number = {
                let mut received = self.received.lock().expect("no test panics in it");
                received.push(request.clone());
                received.len() - 1
            };
            match (self.answer)(number, &request) {
                Reply::Answer(status, headers, body) => {
                    let head = format!(
                        "HTTP/1.1 {status} Word\r\ncontent-length: {}\r\n{headers}\r\n",
                        body.len()
                    );
                    let all = [head.as_bytes(), &body].concat();
                    if stream
                        .write_all(&all)
                        .and_then(|()| stream.flush())
                        .is_err()
                    {
                        return;
                    }
                }
                Reply::Raw(bytes) => {
                    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
                    return;
                }
                Reply::Silence => {
                    let started = Instant::now();
                    while started.elapsed() < LONGEST && !self.is_over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    return;
                }
            }
        }
    }
}

/// Reads one request; `None` if there is none, or a part of one.
fn receive(stream: &mut impl Read) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let mut more = |bytes: &mut Vec<u8>| {
        let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        (bytes.len() <= MAX_REQUEST).then_some(())
    };
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(&mut bytes)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut body = bytes.split_off(end + 4);
    let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let mut words = first.split(' ');
    let request = Received {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        headers: headers
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    };
    let length = request.header("content-length").unwrap_or("0");
    let length: usize = length.parse().ok()?;
    while body.len() < length {
        more(&mut body)?;
    }
    Some(Received { body, ..request })
}
