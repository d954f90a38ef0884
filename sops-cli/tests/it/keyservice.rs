//! Key services: the one of the reference and ours, each with the client of the other.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[cfg(unix)]
use crate::support::ignoring;
use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Scratch, has_reference,
};

const PLAIN: &str = "password: opensesame\nport: 5432   # of the database\n";

/// A key service at a Unix socket, ended when dropped.
struct Service(Child);

impl Service {
    fn start(scratch: &Scratch, program: Program, socket: &Path) -> Self {
        Self::run(Self::command(scratch, program, socket), socket)
    }

    fn command(scratch: &Scratch, program: Program, socket: &Path) -> Command {
        let mut command = scratch.command(program);
        command
            .args(["keyservice", "--network", "unix", "--address"])
            .arg(socket);
        command
    }

    fn run(mut command: Command, socket: &Path) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let service = Self(command.spawn().expect("a program that runs"));
        wait_until(|| socket.exists());
        // It may have a socket and not yet watch for signals.
        thread::sleep(Duration::from_millis(300));
        service
    }

    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Ends it with a signal, and returns its exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.0.wait().expect("a child").code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing came");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Arguments for using nothing but the service.
fn only(address: &str) -> [String; 2] {
    [
        "--enable-local-keyservice=false".to_owned(),
        format!("--keyservice={address}"),
    ]
}

#[track_caller]
fn goes_there_and_back(scratch: &Scratch, client: Program, address: &str) {
    scratch.write("plain.yaml", PLAIN);
    let [local, remote] = only(address);
    let encrypt = ["encrypt", &local, &remote, "--age", RECIPIENT, "plain.yaml"];
    let encrypted = scratch.run(client, encrypt).ok();
    scratch.write("secret.yaml", &encrypted);
    let decrypted = scratch.run(client, ["decrypt", &local, &remote, "secret.yaml"]);
    let text = String::from_utf8(decrypted.ok()).expect("a text");
    assert!(text.contains("password: opensesame\n"), "{text}");
}

#[test]
fn ours_answers_and_asks() {
    let scratch = Scratch::new();
    let socket = scratch.path("ours.sock");
    let address = format!("unix://{}", socket.display());
    let service = Service::start(&scratch, Ours, &socket);
    goes_there_and_back(&scratch, Ours, &address);
    if has_reference() {
        goes_there_and_back(&scratch, Reference, &address);
    }
    service.end("TERM");
    assert!(!socket.exists());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_and_removes_the_socket() {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let scratch = Scratch::new();
        let socket = scratch.path("ours.sock");
        let service = Service::start(&scratch, Ours, &socket);
        assert_eq!(service.end(signal), Some(0), "{signal}");
        assert!(!socket.exists(), "{signal}");
    }
}

/// `nohup` stays in effect.
#[cfg(unix)]
#[test]
fn an_ignored_signal_does_not_end_it() {
    let scratch = Scratch::new();
    let socket = scratch.path("ours.sock");
    let command = Service::command(&scratch, Ours, &socket);
    let service = Service::run(ignoring("HUP", &command), &socket);
    service.signal("HUP");
    thread::sleep(Duration::from_millis(300));
    let address = format!("unix://{}", socket.display());
    goes_there_and_back(&scratch, Ours, &address);
    assert_eq!(service.end("TERM"), Some(0));
}

#[test]
fn the_reference_answers_ours() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    let socket = scratch.path("reference.sock");
    let _service = Service::start(&scratch, Reference, &socket);
    goes_there_and_back(&scratch, Ours, &format!("unix://{}", socket.display()));
}

#[test]
fn a_service_that_is_not_there_is_an_error_that_names_it() {
    let scratch = Scratch::new();
    scratch.write("plain.yaml", PLAIN);
    for (address, code) in [("unix:///nowhere/at.all", 1), ("tcp://127.0.0.1:1", 1)] {
        let [local, remote] = only(address);
        let arguments = [
            "encrypt",
            "--in-place",
            &local,
            &remote,
            "--age",
            RECIPIENT,
            "plain.yaml",
        ];
        let ran = scratch.run(Ours, arguments);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
        assert!(ran.stderr.contains(address), "{}", ran.stderr);
        assert_eq!(scratch.read_text("plain.yaml"), PLAIN);
    }
}
