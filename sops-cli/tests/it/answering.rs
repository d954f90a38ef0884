//! The key service as a server: its socket, its questions, and whom and what it answers.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    servers::web::{Reply, Web},
    support::{Program, RECIPIENT, Ran, Scratch, testdata},
};

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

/// The settings of a client with a certificate that the service takes.
fn client() -> Vec<(&'static str, String)> {
    let path = |name: &str| testdata(name).display().to_string();
    vec![
        ("SOPS_KEYSERVICE_CA", path("tls/ca.pem")),
        ("SOPS_KEYSERVICE_CERT", path("tls/client.pem")),
        ("SOPS_KEYSERVICE_KEY", path("tls/client.key")),
    ]
}

/// Encrypts by way of a service, with these settings.
fn encrypt_at(scratch: &Scratch, uri: &str, settings: &[(&str, String)]) -> Ran {
    scratch.write("f.yaml", PLAIN);
    let mut command = scratch.command(Program::Ours);
    command
        .args(["encrypt", "-i", "--enable-local-keyservice=false"])
        .args(["--keyservice", uri, "--age", RECIPIENT, "f.yaml"])
        .env("SOPS_KEY_TIMEOUT", "5");
    for (name, value) in settings {
        command.env(name, value);
    }
    command.output().expect("the program starts").into()
}

#[test]
fn certificates_on_both_sides() {
    let scratch = Scratch::new();
    let path = |name: &str| testdata(name).display().to_string();
    let flags = [
        "--tls-cert",
        &path("tls/server.pem"),
        "--tls-key",
        &path("tls/server.key"),
        "--tls-client-ca",
        &path("tls/ca.pem"),
    ];
    let serving = Serving::start(&scratch, Program::Ours, false, &flags, None);
    let uri = serving.uri.replace("tcp:", "tls:");
    encrypt_at(&scratch, &uri, &client()).ok();
    assert_ne!(scratch.read("f.yaml"), PLAIN);

    let with = |name: &str, value: Option<&str>| {
        let mut settings = client();
        settings.retain(|(known, _)| *known != name);
        if let Some(value) = value {
            let name = client()
                .into_iter()
                .map(|(known, _)| known)
                .find(|known| *known == name);
            settings.push((name.expect("one of them"), path(value)));
        }
        settings
    };
    let stranger = {
        let mut settings = with("SOPS_KEYSERVICE_CERT", Some("cloud/client.pem"));
        settings.retain(|(name, _)| *name != "SOPS_KEYSERVICE_KEY");
        settings.push(("SOPS_KEYSERVICE_KEY", path("cloud/client.key")));
        settings
    };
    let nobody = vec![("SOPS_KEYSERVICE_CA", path("tls/ca.pem"))];
    for (uri, settings, words) in [
        (&uri, nobody, "SOPS_KEYSERVICE_CERT and SOPS_KEYSERVICE_KEY"),
        (
            &uri,
            stranger,
            "SOPS_KEYSERVICE_CERT and SOPS_KEYSERVICE_KEY",
        ),
        (&uri, with("SOPS_KEYSERVICE_CA", None), "not trusted"),
        (
            &uri,
            with("SOPS_KEYSERVICE_CA", Some("cloud/ca.pem")),
            "not trusted",
        ),
        (
            &uri,
            with("SOPS_KEYSERVICE_CA", Some("tls/missing.pem")),
            "cannot read SOPS_KEYSERVICE_CA",
        ),
        (
            &uri,
            with("SOPS_KEYSERVICE_CA", Some("tls/client.key")),
            "no certificate",
        ),
        (
            &uri,
            with("SOPS_KEYSERVICE_KEY", None),
            "SOPS_KEYSERVICE_KEY is not",
        ),
        (
            &uri,
            with("SOPS_KEYSERVICE_CERT", None),
            "SOPS_KEYSERVICE_CERT is not",
        ),
        (
            &uri,
            with("SOPS_KEYSERVICE_KEY", Some("cloud/client.key")),
            "do not go together",
        ),
        // Without TLS there is no answer.
        (&serving.uri, client(), "cannot reach the key service"),
        (
            &uri.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
            client(),
            "not trusted",
        ),
    ] {
        let ran = encrypt_at(&scratch, uri, &settings);
        assert_eq!(
            (ran.code, ran.stdout.len()),
            (1, 0),
            "{words}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert_eq!(scratch.read("f.yaml"), PLAIN);
    }
    let ran = serving.interrupt();
    assert!(
        !ran.stderr.contains("everyone who can reach"),
        "{}",
        ran.stderr
    );

    // The other way round: TLS where there is none.
    let plain = Serving::start(&scratch, Program::Ours, false, &[], None);
    let ran = encrypt_at(&scratch, &plain.uri.replace("tcp:", "tls:"), &client());
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("cannot reach the key service"),
        "{}",
        ran.stderr
    );
}

#[test]
fn certificates_that_cannot_be_used() {
    let scratch = Scratch::new();
    let path = |name: &str| testdata(name).display().to_string();
    let start = |network: &str, cert: &str, key: &str, ca: &str| {
        let address = match network {
            "tcp" => "127.0.0.1:0".to_owned(),
            _ => scratch.path("s").display().to_string(),
        };
        let arguments = [
            "keyservice",
            "--net",
            network,
            "--addr",
            &address,
            "--tls-cert",
        ];
        let files = [
            &path(cert),
            "--tls-key",
            &path(key),
            "--tls-client-ca",
            &path(ca),
        ];
        scratch.run(Program::Ours, arguments.into_iter().chain(files))
    };
    for (network, cert, key, ca, words) in [
        (
            "unix",
            "tls/server.pem",
            "tls/server.key",
            "tls/ca.pem",
            "for --network tcp only",
        ),
        (
            "tcp",
            "tls/missing.pem",
            "tls/server.key",
            "tls/ca.pem",
            "--tls-cert and --tls-key",
        ),
        (
            "tcp",
            "tls/server.pem",
            "tls/named.key",
            "tls/ca.pem",
            "do not go together",
        ),
        (
            "tcp",
            "tls/server.pem",
            "tls/server.pem",
            "tls/ca.pem",
            "private key",
        ),
        (
            "tcp",
            "tls/server.pem",
            "tls/server.key",
            "tls/missing.pem",
            "--tls-client-ca",
        ),
        (
            "tcp",
            "tls/server.pem",
            "tls/server.key",
            "tls/server.key",
            "--tls-client-ca",
        ),
    ] {
        let ran = start(network, cert, key, ca);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let cert = path("tls/server.pem");
    let ran = scratch.run(Program::Ours, ["keyservice", "--tls-cert", &cert]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("--tls-client-ca"), "{}", ran.stderr);
    assert!(!scratch.path("s").exists());
}

/// What answers there says nothing, or speaks another language.
#[test]
fn others_than_key_services() {
    let scratch = Scratch::new();
    for reply in [Reply::Silence, Reply::Hangup, Reply::Half] {
        let shown = format!("{reply:?}");
        let server = Web::start(move |_| reply.clone());
        for scheme in ["tcp", "tls"] {
            let uri = format!("{scheme}://127.0.0.1:{}", server.port);
            let settings = [
                ("SOPS_KEY_TIMEOUT", "1".to_owned()),
                (
                    "SOPS_KEYSERVICE_CA",
                    testdata("cloud/ca.pem").display().to_string(),
                ),
            ];
            let start = Instant::now();
            let ran = encrypt_at(&scratch, &uri, &settings);
            assert_eq!(
                (ran.code, ran.stdout.len()),
                (1, 0),
                "{shown}: {}",
                ran.stderr
            );
            assert!(ran.stderr.contains(&uri), "{shown}: {}", ran.stderr);
            assert!(start.elapsed() < Duration::from_secs(10), "{shown}");
            assert_eq!(scratch.read("f.yaml"), PLAIN);
        }
    }
    // An interrupt ends the wait.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("tcp://{}", silent.local_addr().expect("bound"));
    scratch.write("f.yaml", PLAIN);
    let child = scratch
        .command(Program::Ours)
        .args(["encrypt", "-i", "--enable-local-keyservice=false"])
        .args(["--keyservice", &uri, "--age", RECIPIENT, "f.yaml"])
        .spawn()
        .expect("the program starts");
    let _connection = silent.accept().expect("it asks");
    let start = Instant::now();
    let serving = Serving { child, uri };
    assert_ne!(serving.interrupt().code, 0);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(scratch.read("f.yaml"), PLAIN);
}

/// Connects as somebody else, and says whether there is an answer to the first words of HTTP/2.
const CONNECT: &str = "
import os, socket, sys
os.setgid(65534)
os.setuid(65534)
try:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(sys.argv[1])
    s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\x04\\0\\0\\0\\0\\0')
    print('answered' if s.recv(100) else 'turned away')
except PermissionError:
    print('not admitted')
except ConnectionError:
    print('turned away')
";

/// Other users of the machine are answered only if they are admitted.
#[test]
fn users_of_the_machine() {
    if !rustix::process::geteuid().is_root() {
        // Only root can be somebody else.
        return;
    }
    let scratch = Scratch::new();
    let parent = scratch.folder().parent().expect("a folder").to_owned();
    for folder in [&parent, &scratch.folder()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let connect = |flags: &[&str], mode: Option<u32>| {
        let _serving = Serving::start(&scratch, Program::Ours, true, flags, None);
        let socket = scratch.path("s");
        if let Some(mode) = mode {
            fs::set_permissions(&socket, fs::Permissions::from_mode(mode)).expect("ours");
        }
        let ran = Command::new("python3")
            .args(["-c", CONNECT])
            .arg(&socket)
            .output()
            .expect("python3");
        Ran::from(ran).text()
    };
    assert_eq!(connect(&[], None), "not admitted\n");
    assert_eq!(connect(&[], Some(0o666)), "turned away\n");
    assert_eq!(connect(&["--allow-user", "1"], None), "turned away\n");
    assert_eq!(connect(&["--allow-user", "65534"], None), "answered\n");
    assert_eq!(connect(&["--allow-any-user"], None), "not admitted\n");
    assert_eq!(connect(&["--allow-any-user"], Some(0o666)), "answered\n");
}
