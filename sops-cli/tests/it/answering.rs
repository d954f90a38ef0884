//! The key service as a server: its socket, its questions, and whom and what it answers.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Program, RECIPIENT, Ran, Scratch};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";

/// A server with the test identities; ended when it is dropped.
struct Serving {
    child: Child,
    uri: String,
}

impl Serving {
    fn start(
        scratch: &Scratch,
        program: Program,
        is_unix: bool,
        flags: &[&str],
        input: Option<&str>,
    ) -> Self {
        let (network, address) = match is_unix {
            true => ("unix", scratch.path("s").display().to_string()),
            false => ("tcp", format!("127.0.0.1:{}", free_port())),
        };
        let mut child = scratch
            .command(program)
            .args(["keyservice", "--net", network, "--addr", &address])
            .args(flags)
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .spawn()
            .expect("the program starts");
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).expect("written");
        }
        wait_until(|| match is_unix {
            true => UnixStream::connect(&address).is_ok(),
            false => TcpStream::connect(&address).is_ok(),
        });
        let uri = format!("{network}://{address}");
        Self { child, uri }
    }

    /// Ends it as Ctrl-C does, and returns what it did.
    fn interrupt(self) -> Ran {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("it runs");
        let mut this = std::mem::ManuallyDrop::new(self);
        let stderr = this.child.stderr.take();
        let code = this.child.wait().expect("it ends").code().unwrap_or(-1);
        let stderr = stderr.and_then(|stderr| std::io::read_to_string(stderr).ok());
        Ran {
            code,
            stdout: Vec::new(),
            stderr: stderr.unwrap_or_default(),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits for something that happens soon, or never.
#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it does not happen"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// Somebody without keys, who asks the service for everything.
fn ask(scratch: &Scratch, program: Program, arguments: &[&str], uri: &str) -> Ran {
    let mut command = scratch.command(program);
    let (verb, rest) = arguments.split_first().expect("a verb");
    command
        .args([verb, "--enable-local-keyservice=false", "--keyservice", uri])
        .args(rest)
        .env_remove("SOPS_AGE_KEY_FILE")
        .env("SOPS_KEY_TIMEOUT", "10");
    command.output().expect("the program starts").into()
}

#[test]
fn the_socket_is_private_and_removed() {
    let scratch = Scratch::new();
    let serving = Serving::start(&scratch, Program::Ours, true, &["--verbose"], None);
    let mode = fs::metadata(scratch.path("s"))
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = scratch.run(
        Program::Ours,
        ["keyservice", "--network=unix", "--address=s"],
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot listen"), "{}", ran.stderr);
    let ran = serving.interrupt();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!scratch.path("s").exists());

    // What a server left that was killed is no obstacle; a file is.
    let serving = Serving::start(&scratch, Program::Ours, true, &[], None);
    drop(serving);
    assert!(scratch.path("s").exists());
    let serving = Serving::start(&scratch, Program::Ours, true, &[], None);
    serving.interrupt();
    scratch.write("s", "a file");
    let ran = scratch.run(
        Program::Ours,
        ["keyservice", "--network=unix", "--address=s"],
    );
    assert_eq!(ran.code, 1);
    assert_eq!(scratch.read("s"), b"a file");
}

/// Nothing is done with a key before the user says yes.
#[test]
fn prompts() {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let encrypted = scratch
        .run(Program::Ours, ["encrypt", "--age", RECIPIENT, "f.yaml"])
        .ok();
    scratch.write("e.yaml", encrypted);
    let serving = Serving::start(
        &scratch,
        Program::Ours,
        true,
        &["--prompt"],
        Some("what\ny\nn\n"),
    );
    let decrypt = || {
        ask(
            &scratch,
            Program::Ours,
            &["decrypt", "e.yaml"],
            &serving.uri,
        )
    };
    assert_eq!(decrypt().ok(), PLAIN);
    for _ in 0..2 {
        // The second time there is nobody to answer any more.
        let ran = decrypt();
        assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("Request rejected by user"),
            "{}",
            ran.stderr
        );
    }
    let ran = serving.interrupt();
    let question =
        format!("Received decrypt request using age key {RECIPIENT}. Respond to request? (y/n): ");
    assert_eq!(ran.stderr.matches(&question).count(), 4, "{}", ran.stderr);
}

#[test]
fn only_allowed_keys() {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let encrypt = |key: &str| {
        let serving = Serving::start(&scratch, Program::Ours, false, &["--allow-key", key], None);
        ask(
            &scratch,
            Program::Ours,
            &["encrypt", "--age", RECIPIENT, "f.yaml"],
            &serving.uri,
        )
    };
    encrypt(RECIPIENT).ok();
    let ran = encrypt("age1another");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("does not answer for that key"),
        "{}",
        ran.stderr
    );
}

/// The answer of a key service does not say which version of a key it was.
#[test]
fn keys_of_azure_need_their_version() {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let key = "https://v.vault.azure.net/keys/sops";
    let encrypt = ["encrypt", "--azure-kv", key, "f.yaml"];
    let ran = ask(&scratch, Program::Ours, &encrypt, "tcp://127.0.0.1:1");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    assert!(
        ran.stderr.contains("name the key with its version"),
        "{}",
        ran.stderr
    );
}
