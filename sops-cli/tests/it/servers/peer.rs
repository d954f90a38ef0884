//! Real servers that others made, started for a test and ended with it.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::skip;

/// A running program; ended when it is dropped.
pub(crate) struct Peer {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Peer {
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the program that is there, and waits until it listens.
    fn start(program: &PathBuf, arguments: impl Fn(u16) -> Vec<String>, stdout: Stdio) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let child = Command::new(program)
            .args(arguments(port))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let peer = Self { child, port };
        wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        peer
    }
}

/// Waits for something that happens soon, or never.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not happen"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// HashiCorp Vault with a transit engine at `transit/deep` that has a key `sops`, and its root token.
pub(crate) struct Vault {
    pub(crate) peer: Peer,
    pub(crate) token: String,
}

impl Vault {
    /// Starts the program that `SOPS_VAULT_DEV` names; without it, says that the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let program = named("SOPS_VAULT_DEV", "HashiCorp Vault (SOPS_VAULT_DEV)")?;
        let output = tempfile::NamedTempFile::new().expect("a file");
        let stdout = output.reopen().expect("the same file");
        let listen = |port: u16| vec![format!("127.0.0.1:{port}")];
        let peer = Peer::start(&program, listen, stdout.into());
        let read = || fs::read_to_string(output.path()).unwrap_or_default();
        wait_until(|| read().ends_with('\n'));
        let vault = Self {
            token: read().trim().to_owned(),
            peer,
        };
        vault.post("sys/mounts/transit/deep", r#"{"type":"transit"}"#);
        vault.post("transit/deep/keys/sops", "{}");
        Some(vault)
    }

    /// The URI of the key.
    pub(crate) fn key(&self) -> String {
        format!("{}/v1/transit/deep/keys/sops", self.peer.url())
    }

    pub(crate) fn post(&self, path: &str, body: &str) {
        self.send("POST", path, body);
    }

    /// Sends a request and returns the answer with its head.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> String {
        use std::io::{Read as _, Write as _};

        let mut stream = TcpStream::connect(("127.0.0.1", self.peer.port)).expect("it listens");
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: vault\r\nConnection: close\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
        answer
    }
}

/// Starts moto, which stands for AWS, with the program that `SOPS_MOTO_SERVER` names; without it, says that the test is
/// skipped.
pub(crate) fn moto() -> Option<Peer> {
    let program = named("SOPS_MOTO_SERVER", "moto (SOPS_MOTO_SERVER)")?;
    let arguments = |port: u16| {
        ["-H", "127.0.0.1", "-p"]
            .map(str::to_owned)
            .into_iter()
            .chain([port.to_string()])
            .collect()
    };
    Some(Peer::start(&program, arguments, Stdio::null()))
}

/// The interpreter of Python with the official clients, which `SOPS_TEST_CLOUD_CLIENTS` names. Never required.
pub(crate) fn python() -> Option<PathBuf> {
    env::var_os("SOPS_TEST_CLOUD_CLIENTS").map(PathBuf::from)
}

fn named(variable: &str, what: &str) -> Option<PathBuf> {
    match env::var_os(variable).map(PathBuf::from) {
        Some(path) => {
            assert!(path.exists(), "{variable} names it");
            Some(path)
        }
        None => {
            skip(what);
            None
        }
    }
}
