//! Google Cloud KMS over gRPC: the keys of the one by REST, in plain or over TLS, also as a proxy that is told to connect
//! to it.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use hyper::{Request as HttpRequest, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Request, Response, Status, server::Grpc};
use tonic_prost::ProstCodec;

use super::{
    google::{TOKEN, crc32c, is_key, open, seal, state_words},
    web,
};

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(int64, tag = "1")]
    value: i64,
}

#[derive(Clone, PartialEq, Message)]
struct EncryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    plaintext: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    plaintext_crc32c: Option<Number>,
}

#[derive(Clone, PartialEq, Message)]
struct EncryptResponse {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "4")]
    ciphertext_crc32c: Option<Number>,
    #[prost(bool, tag = "5")]
    verified_plaintext_crc32c: bool,
    #[prost(int32, tag = "7")]
    protection_level: i32,
}

#[derive(Clone, PartialEq, Message)]
struct DecryptRequest {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    ciphertext: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    ciphertext_crc32c: Option<Number>,
}

#[derive(Clone, PartialEq, Message)]
struct DecryptResponse {
    #[prost(bytes = "vec", tag = "1")]
    plaintext: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    plaintext_crc32c: Option<Number>,
    #[prost(bool, tag = "3")]
    used_primary: bool,
    #[prost(int32, tag = "4")]
    protection_level: i32,
}

/// What goes wrong at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The first this many calls are refused so.
    First(usize, Code),
    /// The first this many calls end with the connection.
    Hangup(usize),
    /// Every checksum is wrong.
    Damage,
    /// All calls are refused in these words.
    Words(&'static str),
    /// What is encrypted is larger than anybody wants it.
    Large,
}

/// A running server; ends when it is dropped.
pub(crate) struct GoogleGrpc {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    fault: Fault,
    calls: AtomicUsize,
    connections: AtomicUsize,
    /// What the last call said beside its message.
    quota_project: std::sync::Mutex<String>,
    routing: std::sync::Mutex<String>,
    /// The state of the versions of all keys; empty is enabled.
    versions: std::sync::Mutex<&'static str>,
    ends: AtomicBool,
}

impl GoogleGrpc {
    pub(crate) fn start(fault: Fault) -> Self {
        let state = Arc::new(State {
            fault,
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            quota_project: std::sync::Mutex::default(),
            routing: std::sync::Mutex::default(),
            versions: std::sync::Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let port = listener.local_addr().expect("bound").port();
                sender.send(port).expect("somebody waits");
                while !shared.ends.load(Ordering::Relaxed) {
                    let wait = Duration::from_millis(200);
                    let Ok(Ok((stream, _))) = tokio::time::timeout(wait, listener.accept()).await
                    else {
                        continue;
                    };
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    let state = Arc::clone(&shared);
                    // A client that goes away is nothing to complain about.
                    tokio::spawn(async move { connection(stream, state).await.ok() });
                }
            });
        });
        let port = receiver.recv().expect("it starts");
        Self { port, state }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Has all versions of all keys be in this state, such as `DISABLED`.
    pub(crate) fn set_state(&self, state: &'static str) {
        *self.state.versions.lock().expect("a text") = state;
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn quota_project(&self) -> String {
        self.state.quota_project.lock().expect("a text").clone()
    }

    pub(crate) fn routing(&self) -> String {
        self.state.routing.lock().expect("a text").clone()
    }
}

impl Drop for GoogleGrpc {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
    }
}

async fn connection(mut stream: TcpStream, state: Arc<State>) -> io::Result<()> {
    let mut first = [0; 8];
    let count = stream.peek(&mut first).await?;
    let is_proxy = first[..count].starts_with(b"CONNECT");
    if is_proxy {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    }
    match is_proxy || first[0] == 0x16 {
        true => {
            let mut config = web::tls();
            config.alpn_protocols = vec![b"h2".to_vec()];
            let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
            serve(stream, state).await
        }
        false => serve(stream, state).await,
    }
}

async fn serve<S>(stream: S, state: Arc<State>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (hangup, mut hung_up) = tokio::sync::watch::channel(false);
    let hangup = Arc::new(hangup);
    let service = service_fn(move |request: HttpRequest<Incoming>| {
        let (state, hangup) = (Arc::clone(&state), Arc::clone(&hangup));
        async move { Ok::<_, Infallible>(answer(request, state, &hangup).await) }
    });
    let serving =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = serving => served.map_err(io::Error::other),
        _ = hung_up.wait_for(|is_so| *is_so) => Ok(()),
    }
}

async fn answer(
    request: HttpRequest<Incoming>,
    state: Arc<State>,
    hangup: &tokio::sync::watch::Sender<bool>,
) -> hyper::Response<tonic::body::Body> {
    let number = state.calls.fetch_add(1, Ordering::Relaxed);
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    *state.quota_project.lock().expect("a text") = header("x-goog-user-project");
    *state.routing.lock().expect("a text") = header("x-goog-request-params");
    match state.fault {
        Fault::First(count, code) if number < count => {
            return Status::new(code, "made up").into_http();
        }
        Fault::Words(words) => return Status::permission_denied(words).into_http(),
        Fault::Hangup(count) if number < count => {
            hangup.send_replace(true);
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        _ => {}
    }
    if header("authorization") != format!("Bearer {TOKEN}") {
        return Status::unauthenticated("Request had invalid authentication credentials.")
            .into_http();
    }
    let versions = *state.versions.lock().expect("a text");
    if !versions.is_empty() {
        return Status::failed_precondition(state_words(versions)).into_http();
    }
    let path = request.uri().path().to_owned();
    match path.rsplit_once('/') {
        Some(("/google.cloud.kms.v1.KeyManagementService", "Encrypt")) => {
            let codec = ProstCodec::<EncryptResponse, EncryptRequest>::default();
            let handler = tower::service_fn(move |request: Request<EncryptRequest>| {
                std::future::ready(encrypt(request.into_inner(), &state, number))
            });
            Grpc::new(codec).unary(handler, request).await
        }
        Some(("/google.cloud.kms.v1.KeyManagementService", "Decrypt")) => {
            let codec = ProstCodec::<DecryptResponse, DecryptRequest>::default();
            let handler = tower::service_fn(move |request: Request<DecryptRequest>| {
                std::future::ready(decrypt(request.into_inner(), &state))
            });
            Grpc::new(codec).unary(handler, request).await
        }
        _ => Status::unimplemented("no such method").into_http(),
    }
}

fn number(bytes: &[u8], state: &State) -> Option<Number> {
    let damage = i64::from(state.fault == Fault::Damage);
    Some(Number {
        value: i64::from(crc32c(bytes)) ^ damage,
    })
}

/// The reference sends no checksum.
fn fits(said: Option<&Number>, bytes: &[u8]) -> bool {
    said.is_none_or(|said| said.value == i64::from(crc32c(bytes)))
}

fn encrypt(
    request: EncryptRequest,
    state: &State,
    nonce: usize,
) -> Result<Response<EncryptResponse>, Status> {
    if !is_key(&request.name) {
        return Err(Status::not_found("CryptoKey not found."));
    }
    if request.plaintext.is_empty() || !fits(request.plaintext_crc32c.as_ref(), &request.plaintext)
    {
        return Err(Status::invalid_argument(
            "The checksum in field plaintext_crc32c did not match.",
        ));
    }
    let ciphertext = match state.fault {
        Fault::Large => vec![0; 64 << 20],
        _ => seal(&request.name, &request.plaintext, nonce as u64 + 1),
    };
    Ok(Response::new(EncryptResponse {
        name: format!("{}/cryptoKeyVersions/1", request.name),
        ciphertext_crc32c: number(&ciphertext, state),
        ciphertext,
        verified_plaintext_crc32c: request.plaintext_crc32c.is_some(),
        protection_level: 1,
    }))
}

fn decrypt(request: DecryptRequest, state: &State) -> Result<Response<DecryptResponse>, Status> {
    if !is_key(&request.name) {
        return Err(Status::not_found("CryptoKey not found."));
    }
    if !fits(request.ciphertext_crc32c.as_ref(), &request.ciphertext) {
        return Err(Status::invalid_argument(
            "The checksum in field ciphertext_crc32c did not match.",
        ));
    }
    let plaintext = open(&request.name, &request.ciphertext)
        .ok_or_else(|| Status::invalid_argument("Decryption failed: the ciphertext is invalid."))?;
    Ok(Response::new(DecryptResponse {
        plaintext_crc32c: number(&plaintext, state),
        plaintext,
        used_primary: true,
        protection_level: 1,
    }))
}
