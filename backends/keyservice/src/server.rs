//! Being asked.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{
    Request as HttpRequest, Response as HttpResponse, body::Incoming, server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sops_core::{
    SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};
use tokio::sync::{Semaphore, watch};
use tonic::{Code, Request, Response, Status, body::Body, server::Grpc};
use tonic_prost::ProstCodec;

use crate::{
    Listener,
    listener::Connection,
    messages::{
        DECRYPT, DecryptRequest, DecryptResponse, ENCRYPT, EncryptRequest, EncryptResponse, Key,
    },
};

/// How many connections are open, and how many requests are worked on, at most.
const MAX_CONNECTIONS: usize = 256;
const MAX_REQUESTS: usize = 64;

/// Who has not shown a certificate by then does not want to.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// No message that holds a wrapped key is nearly as long.
const MAX_MESSAGE: usize = 1 << 20;

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Wrapping a data key.
    Encrypt,
    /// Unwrapping a data key.
    Decrypt,
}

/// A request, before anything is done with the key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Question<'q> {
    /// What it wants.
    pub operation: Operation,
    /// The key to do it with.
    pub key: &'q MasterKey,
}

/// Whether a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is.
    Answer,
    /// It is not, and whoever asked is told why.
    Refuse(String),
}

type Judge = dyn Fn(Question<'_>) -> Verdict + Send + Sync;
type Report = dyn Fn(Question<'_>, Result<(), &KeyError>) + Send + Sync;

/// The server of the protocol.
pub struct Server {
    keys: Arc<dyn KeyService + Send + Sync>,
    judge: Arc<Judge>,
    report: Arc<Report>,
}

/// Ends a server from another thread.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Returns one to give to a server.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Ends the server. What it works on is given up.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Returns a server that answers every request with `keys`.
    #[must_use]
    pub fn new(keys: impl KeyService + Send + Sync + 'static) -> Self {
        Self {
            keys: Arc::new(keys),
            judge: Arc::new(|_| Verdict::Answer),
            report: Arc::new(|_, _| ()),
        }
    }

    /// Asks `judge` before anything is done with a key. It may take its time, and gets one question after the other.
    #[must_use]
    pub fn with_judge(
        mut self,
        judge: impl Fn(Question<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        let one_at_a_time = Mutex::new(());
        self.judge = Arc::new(move |question| {
            let _turn = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            judge(question)
        });
        self
    }

    /// Tells `report` what came of every request.
    #[must_use]
    pub fn with_report(
        mut self,
        report: impl Fn(Question<'_>, Result<(), &KeyError>) + Send + Sync + 'static,
    ) -> Self {
        self.report = Arc::new(report);
        self
    }

    /// Answers requests until it is stopped.
    ///
    /// # Errors
    ///
    /// Fails if the socket does.
    pub fn serve(self, listener: Listener, stop: &Stop) -> io::Result<()> {
        let stopped = stop.0.subscribe();
        sops_runtime::run(async move { self.accept(listener, stopped).await })
            .map_err(io::Error::other)?
    }

    async fn accept(
        self,
        listener: Listener,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let answering = Answering {
            keys: self.keys,
            judge: self.judge,
            report: self.report,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        };
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
                return Ok(());
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.wait_for(|is_stopped| *is_stopped) => return Ok(()),
            };
            let connection = match accepted {
                Ok(Some(connection)) => connection,
                Ok(None) => continue,
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (answering, mut stopped) = (answering.clone(), stopped.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = answering.serve(connection) => {}
                    _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
                }
                drop(permit);
            });
        }
    }
}

/// What is needed to answer, shared by all connections.
#[derive(Clone)]
struct Answering {
    keys: Arc<dyn KeyService + Send + Sync>,
    judge: Arc<Judge>,
    report: Arc<Report>,
    requests: Arc<Semaphore>,
}

impl Answering {
    async fn serve(self, connection: Connection) {
        let service = service_fn(move |request: HttpRequest<Incoming>| {
            let answering = self.clone();
            async move { Ok::<_, Infallible>(answering.answer(request).await) }
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(32)
            .max_header_list_size(16 << 10)
            .keep_alive_interval(Duration::from_secs(60));
        // A connection that breaks is the business of the other side.
        match connection {
            Connection::Tcp(stream) => http
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok(),
            Connection::Tls(stream, tls) => {
                match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => http
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok(),
                    // Nobody who is known here.
                    _ => None,
                }
            }
            #[cfg(unix)]
            Connection::Unix(stream) => http
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok(),
        };
    }

    async fn answer(self, request: HttpRequest<Incoming>) -> HttpResponse<Body> {
        let path = request.uri().path().to_owned();
        let request = request.map(Body::new);
        match path.as_str() {
            ENCRYPT => {
                let codec = ProstCodec::<EncryptResponse, EncryptRequest>::default();
                let handler = tower::service_fn(move |request: Request<EncryptRequest>| {
                    self.clone().encrypt(request)
                });
                limited(Grpc::new(codec)).unary(handler, request).await
            }
            DECRYPT => {
                let codec = ProstCodec::<DecryptResponse, DecryptRequest>::default();
                let handler = tower::service_fn(move |request: Request<DecryptRequest>| {
                    self.clone().decrypt(request)
                });
                limited(Grpc::new(codec)).unary(handler, request).await
            }
            _ => Status::unimplemented("there is no such method").into_http(),
        }
    }

    async fn encrypt(
        self,
        request: Request<EncryptRequest>,
    ) -> Result<Response<EncryptResponse>, Status> {
        let mut request = request.into_inner();
        let key = master_key(request.key.take())?;
        let share = SecretBytes::new(std::mem::take(&mut request.plaintext));
        let enc = self
            .work(move |answering| {
                let question = Question {
                    operation: Operation::Encrypt,
                    key: &key,
                };
                answering.ask(question, |keys| keys.wrap(&key, &share))
            })
            .await?;
        Ok(Response::new(EncryptResponse {
            ciphertext: enc.into_bytes(),
        }))
    }

    async fn decrypt(
        self,
        request: Request<DecryptRequest>,
    ) -> Result<Response<DecryptResponse>, Status> {
        let request = request.into_inner();
        let key = master_key(request.key)?;
        let enc = String::from_utf8(request.ciphertext)
            .map_err(|_| Status::invalid_argument("the ciphertext is no text"))?;
        let share = self
            .work(move |answering| {
                let entry = KeyEntry::new(key, enc, None);
                let question = Question {
                    operation: Operation::Decrypt,
                    key: &entry.key,
                };
                answering.ask(question, |keys| keys.unwrap(&entry))
            })
            .await?;
        Ok(Response::new(DecryptResponse {
            plaintext: share.into_vec(),
        }))
    }

    /// Keys take their time, and people more so: the thread for the network does not wait for them.
    async fn work<T: Send + 'static>(
        self,
        job: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let permit = Arc::clone(&self.requests).acquire_owned().await;
        let permit = permit.map_err(|_| Status::unavailable("the key service ends"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            job(&self)
        });
        done.await.map_err(|_| Status::internal("internal error"))?
    }

    fn ask<T>(
        &self,
        question: Question<'_>,
        answer: impl FnOnce(&dyn KeyService) -> Option<Result<T, KeyError>>,
    ) -> Result<T, Status> {
        if let Verdict::Refuse(reason) = (self.judge)(question) {
            (self.report)(question, Err(&KeyError::new(reason.clone())));
            return Err(Status::permission_denied(reason));
        }
        match answer(self.keys.as_ref()) {
            Some(Ok(answer)) => {
                (self.report)(question, Ok(()));
                Ok(answer)
            }
            Some(Err(error)) => {
                (self.report)(question, Err(&error));
                Err(Status::new(Code::Unknown, error.message))
            }
            None => {
                let reason = format!("this key service has no {} keys", question.key.kind());
                (self.report)(question, Err(&KeyError::new(reason.clone())));
                Err(Status::not_found(reason))
            }
        }
    }
}

fn limited<T: tonic::codec::Codec>(grpc: Grpc<T>) -> Grpc<T> {
    grpc.max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

fn master_key(key: Option<Key>) -> Result<MasterKey, Status> {
    key.and_then(Key::into_master_key)
        .ok_or_else(|| Status::not_found("Must provide a key"))
}

/// Failures to accept that say something about one connection, or about this moment.
fn is_passing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}
