//! `sops keyservice`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use sops_core::{
    keys::one_line,
    metadata::{MasterKey, brief},
};
use sops_keyservice::{
    Address, Listener, Operation, Peers, Question, Server, ServerTls, Stop, Verdict,
};

#[cfg(unix)]
use crate::signals;
use crate::{
    answer,
    context::Context,
    error::{Code, Doing, Failure},
    ui::Ui,
};

/// More than this of what others chose helps nobody.
const MAX_WORDS: usize = 400;

/// Wrap and unwrap data keys for other processes
///
/// They name this one with `--keyservice` or SOPS_KEYSERVICE. Without certificates, neither is anything encrypted on the
/// way, nor does anyone prove who they are: use a Unix socket, which only you can connect to, or the end of a tunnel. With
/// certificates, others name it as tls://HOST:PORT, and theirs with SOPS_KEYSERVICE_CA, _CERT and _KEY.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The network to listen on: tcp or unix
    #[arg(long, alias = "net", value_name = "NETWORK", default_value = "tcp")]
    network: String,

    /// The address to listen at: HOST:PORT, or the path of a socket
    #[arg(
        long,
        alias = "addr",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:5000"
    )]
    address: String,

    /// Ask before anything is done with a key
    #[arg(long)]
    prompt: bool,

    /// Answer for this key only; may be given several times
    #[arg(long, value_name = "KEY")]
    allow_key: Vec<String>,

    /// Answer this user, too, at a Unix socket; may be given several times
    #[arg(long, value_name = "UID")]
    allow_user: Vec<u32>,

    /// Answer everyone whom the permissions of the Unix socket admit
    #[arg(long, conflicts_with = "allow_user")]
    allow_any_user: bool,

    /// Use TLS: the file of the certificate to show, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_client_ca"])]
    tls_cert: Option<PathBuf>,

    /// The file of its key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Answer who has a certificate of an authority in this file, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// Accepted for compatibility
    #[arg(value_name = "IGNORED", hide = true)]
    _ignored: Vec<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let ui = context.ui;
    let address = Address::on_network(&args.network, &args.address).map_err(|_| {
        let message = format!("cannot listen at {}://{}", args.network, args.address);
        Failure::new(Code::Generic, message)
            .hint("--network is tcp or unix; --address is HOST:PORT or the path of a socket")
    })?;
    let keyring = context.new_keyring(Doing::Decrypting)?;
    let peers = match args.allow_any_user {
        true => Peers::Any,
        false => Peers::Users(args.allow_user.clone()),
    };
    let listener = match (args.tls(), &address) {
        (None, _) => Listener::bind(&address, peers),
        (Some(tls), Address::Tcp(host)) => Listener::bind_tls(host, &tls),
        (Some(_), _) => {
            return Err(
                Failure::new(Code::Generic, "certificates are for --network tcp only")
                    .hint("who may connect to a Unix socket is known without: --allow-user"),
            );
        }
    };
    let listener = listener.map_err(|error| listening(&address, &error))?;
    warn_of_strangers(ui, listener.address());

    let stop = Stop::new();
    stop_on_signals(stop.clone())?;
    ui.note(&format!("listening on {}", listener.address()));

    let (allowed, asks) = (args.allow_key.clone(), args.prompt);
    let server = Server::new(keyring)
        .with_judge(move |question| judge(question, &allowed, asks))
        .with_report(move |question, outcome| match outcome {
            Ok(()) => ui.detail(&format!(
                "{} with {}",
                done(question.operation),
                name(question.key)
            )),
            Err(error) => ui.warning(&format!(
                "did not {} with {}: {}",
                verb(question.operation),
                name(question.key),
                one_line(&error.message, MAX_WORDS)
            )),
        });
    server
        .serve(listener, &stop)
        .map_err(|error| listening(&address, &error))
}

impl Args {
    fn tls(&self) -> Option<ServerTls> {
        Some(ServerTls {
            authorities: self.tls_client_ca.clone()?,
            certificate: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
        })
    }
}

fn listening(address: &Address, error: &io::Error) -> Failure {
    let failure = Failure::new(
        Code::Generic,
        format!("cannot listen on {address}: {error}"),
    );
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            failure.hint("another process listens there; --address names another address")
        }
        _ => failure,
    }
}

fn warn_of_strangers(ui: Ui, address: &Address) {
    let is_local = match address {
        Address::Tcp(text) => {
            let address = text.parse::<std::net::SocketAddr>();
            address.is_ok_and(|address| address.ip().is_loopback())
        }
        _ => true,
    };
    if !is_local {
        ui.warning(&format!(
            "everyone who can reach {address} can use your keys"
        ));
        ui.hint("use --network unix or --tls-cert, or listen at 127.0.0.1 and use a tunnel");
    }
}

/// Whether a request is answered.
fn judge(question: Question<'_>, allowed: &[String], asks: bool) -> Verdict {
    let names = |key: &MasterKey| match key {
        MasterKey::Kms { arn, .. } => vec![key.to_string(), arn.clone()],
        _ => vec![key.to_string()],
    };
    if !allowed.is_empty()
        && !names(question.key)
            .iter()
            .any(|name| allowed.contains(name))
    {
        return Verdict::Refuse("this key service does not answer for that key".to_owned());
    }
    match asks && !ask(question) {
        true => Verdict::Refuse("Request rejected by user".to_owned()),
        false => Verdict::Answer,
    }
}

/// Asks on standard error. Nobody who answers is a no, and so is a question that nobody can see.
fn ask(question: Question<'_>) -> bool {
    let request = format!(
        "\nReceived {} request using {}. Respond to request? (y/n): ",
        verb(question.operation),
        name(question.key)
    );
    let ask = || {
        let mut stderr = io::stderr();
        let asked = stderr.write_all(request.as_bytes());
        asked.map_err(|error| Failure::new(Code::Generic, error.to_string()))
    };
    matches!(answer::yes_or_no(ask), Ok(Some(true)))
}

fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Encrypt => "encrypt",
        _ => "decrypt",
    }
}

fn done(operation: Operation) -> &'static str {
    match operation {
        Operation::Encrypt => "encrypted",
        _ => "decrypted",
    }
}

/// A key, whose text somebody else chose.
fn name(key: &MasterKey) -> String {
    let name = format!("{} key {}", key.kind(), brief(&key.to_string()));
    one_line(&name, MAX_WORDS)
}

#[cfg(unix)]
fn stop_on_signals(stop: Stop) -> Result<(), Failure> {
    let mut signals = signals::watch(&[]).map_err(|error| signals::failure(&error))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            stop.stop();
        }
    });
    Ok(())
}

/// A signal ends the process; there is no socket to remove.
#[cfg(not(unix))]
fn stop_on_signals(_: Stop) -> Result<(), Failure> {
    Ok(())
}
