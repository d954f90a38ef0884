//! Keys of Vault: a real one, side by side with the reference, and one of ours that does everything wrong.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    http_server::{Received, Reply, Server, Tls},
    support::{Program, RECIPIENT, Ran, Scratch, has_reference, skip, testdata},
};

/// Names a program that serves Vault: `PROGRAM ADDRESS:PORT` prints the root token in its first line.
const SERVER: &str = "SOPS_TEST_VAULT";
const TOKEN: &str = "hvs.test-token";
const PLAIN: &[u8] = b"password: opensesame\n";

/// Answers as the transit engine does, with a wrapping that hides nothing.
fn transit(request: &Received) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let data = match (body["plaintext"].as_str(), body["ciphertext"].as_str()) {
        (Some(text), None) => json!({ "ciphertext": format!("vault:v1:{text}"), "key_version": 1 }),
        (None, Some(text)) => json!({ "plaintext": text.trim_start_matches("vault:v1:") }),
        _ => return errors(400, "neither plaintext nor ciphertext"),
    };
    answer(200, &json!({ "data": data }))
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::Answer(status, String::new(), body.to_string().into_bytes())
}

fn errors(status: u16, error: &str) -> Reply {
    answer(status, &json!({ "errors": [error] }))
}

fn redirect(to: &str) -> Reply {
    Reply::Answer(307, format!("location: {to}\r\n"), Vec::new())
}

fn healthy() -> Server {
    Server::start(None, |_, request| transit(request))
}

/// Encrypts a file with ours for a key at this address.
fn encrypt<'a>(
    scratch: &Scratch,
    address: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Ran {
    let key = format!("{address}/v1/team/transit/keys/sops");
    let arguments = ["encrypt", "--hc-vault-transit", &key, "-i", "plain.yaml"];
    scratch.write("plain.yaml", PLAIN);
    let ran = scratch.run_with(Program::Ours, arguments, settings, None);
    assert_eq!(ran.stdout, b"");
    let is_untouched = scratch.read("plain.yaml") == PLAIN;
    assert_eq!(ran.code != 0, is_untouched, "{}", ran.stderr);
    for secret in [TOKEN, "opensesame"] {
        assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
    }
    ran
}

/// What a run says that has to fail.
#[track_caller]
fn failure<'a>(
    scratch: &Scratch,
    address: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let ran = encrypt(scratch, address, settings);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    ran.stderr
}

const WITH_TOKEN: [(&str, &str); 1] = [("VAULT_TOKEN", TOKEN)];

#[test]
fn asks_as_the_client_of_vault_does() {
    let server = healthy();
    let scratch = Scratch::new();
    let settings = [
        ("VAULT_TOKEN", TOKEN),
        ("VAULT_NAMESPACE", "team/a"),
        ("VAULT_HEADERS", r#"{"X-Team":"blue"}"#),
    ];
    encrypt(&scratch, &server.address(), settings).ok();
    let received = server.received();
    let [request] = received.as_slice() else {
        panic!("{received:?}");
    };
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/v1/team/transit/encrypt/sops");
    for (name, value) in [
        ("x-vault-token", TOKEN),
        ("x-vault-namespace", "team/a"),
        ("x-vault-request", "true"),
        ("x-team", "blue"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    let plain = scratch.run_with(Program::Ours, ["decrypt", "plain.yaml"], settings, None);
    assert_eq!(plain.ok(), PLAIN);
    assert_eq!(server.received()[1].path, "/v1/team/transit/decrypt/sops");
}

/// An entry in a file says where to ask, and comes from whoever wrote the file.
#[test]
fn paths_in_files_lead_nowhere_else() {
    let server = healthy();
    let scratch = Scratch::new();
    encrypt(&scratch, &server.address(), WITH_TOKEN).ok();
    let text = scratch.read_text("plain.yaml");
    for (from, to) in [
        ("engine_path: team/transit", "engine_path: team/../sys"),
        ("engine_path: team/transit", "engine_path: ."),
        ("key_name: sops", "key_name: .."),
        ("vault_address: http://", "vault_address: http://me:pw@"),
        ("vault_address: http://", "vault_address: unix://"),
    ] {
        scratch.write("bad.yaml", text.replace(from, to));
        let ran = scratch.run_with(Program::Ours, ["decrypt", "bad.yaml"], WITH_TOKEN, None);
        assert_eq!(ran.code, 128, "{to}: {}", ran.stderr);
    }
    assert_eq!(server.received().len(), 1);
    scratch.write(
        "odd.yaml",
        text.replace("key_name: sops", "key_name: a/b?c d"),
    );
    scratch
        .run_with(Program::Ours, ["decrypt", "odd.yaml"], WITH_TOKEN, None)
        .ok();
    assert_eq!(
        server.received()[1].path,
        "/v1/team/transit/decrypt/a%2Fb%3Fc%20d"
    );
}

#[cfg(unix)]
#[test]
fn tokens_from_the_variable_the_helper_and_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let server = healthy();
    let scratch = Scratch::new();
    let home = scratch.folder().join("../home");
    let token = |settings: &[(&'static str, &'static str)]| {
        encrypt(&scratch, &server.address(), settings.iter().copied()).ok();
        let received = server.received();
        let last = received.last().expect("one request");
        last.header("x-vault-token").map(str::to_owned)
    };
    assert_eq!(token(&[]), None);
    fs::write(home.join(".vault-token"), "of-file\n").expect("a home");
    assert_eq!(token(&[]).as_deref(), Some("of-file"));
    let helper = scratch.write("helper", "#!/bin/sh\n[ \"$1\" = get ] && echo of-helper\n");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).expect("a file of ours");
    let config = format!("token_helper = \"{}\"\n", helper.display());
    fs::write(home.join(".vault"), config).expect("a home");
    assert_eq!(token(&[]).as_deref(), Some("of-helper"));
    assert_eq!(token(&WITH_TOKEN).as_deref(), Some(TOKEN));
    // A helper that is gone is no reason not to use the file, as the reference does.
    fs::remove_file(&helper).expect("there");
    assert_eq!(token(&[]).as_deref(), Some("of-file"));
    fs::remove_file(home.join(".vault-token")).expect("there");
    let said = failure(&scratch, &server.address(), []);
    assert!(said.contains("token helper"), "{said}");
    let said = failure(&scratch, &server.address(), [("VAULT_TOKEN", "two\nlines")]);
    assert!(said.contains("VAULT_TOKEN is no token"), "{said}");
}

#[test]
fn nothing_is_sent_where_it_is_not_allowed() {
    let server = healthy();
    let address = server.address();
    let other = format!("https://vault.example.com,{address}");
    let scratch = Scratch::new();
    for list in ["none", "https://vault.example.com", "http://127.0.0.1"] {
        let settings = [("VAULT_TOKEN", TOKEN), ("SOPS_HC_VAULT_ALLOWLIST", list)];
        let said = failure(&scratch, &address, settings);
        assert!(said.contains("SOPS_HC_VAULT_ALLOWLIST"), "{said}");
    }
    assert!(server.received().is_empty());
    for list in ["all", "", &other] {
        let settings = [("VAULT_TOKEN", TOKEN), ("SOPS_HC_VAULT_ALLOWLIST", list)];
        encrypt(&scratch, &address, settings).ok();
    }
    let settings = [("VAULT_TOKEN", TOKEN), ("SOPS_HC_VAULT_ALLOWLIST", "a,,b")];
    assert!(failure(&scratch, &address, settings).contains("entry 2 is empty"));
}

#[test]
fn calls_that_are_sent_on() {
    let active = healthy();
    let scratch = Scratch::new();
    let standby = |to: String| {
        Server::start(None, move |_, request| {
            redirect(&format!("{to}{}", request.path))
        })
    };
    let first = standby(active.address());
    encrypt(&scratch, &first.address(), WITH_TOKEN).ok();
    assert_eq!(active.received()[0].header("x-vault-token"), Some(TOKEN));

    let only_first = first.address();
    let settings = [
        ("VAULT_TOKEN", TOKEN),
        ("SOPS_HC_VAULT_ALLOWLIST", &only_first),
    ];
    assert!(failure(&scratch, &first.address(), settings).contains("does not allow"));
    let settings = [("VAULT_TOKEN", TOKEN), ("VAULT_DISABLE_REDIRECTS", "true")];
    assert!(failure(&scratch, &first.address(), settings).contains("status 307"));
    let second = standby(first.address());
    assert!(failure(&scratch, &second.address(), WITH_TOKEN).contains("more than once"));
    assert_eq!(active.received().len(), 1);

    let plain = active.address();
    let tls = Tls {
        certificate: "server",
        wants_client: false,
    };
    let secure = Server::start(Some(tls), move |_, _| redirect(&plain));
    let settings = [("VAULT_TOKEN", TOKEN), ("VAULT_SKIP_VERIFY", "1")];
    assert!(failure(&scratch, &secure.address(), settings).contains("from https to http"));
    assert_eq!(active.received().len(), 1);
}

#[test]
fn a_busy_server_is_asked_again() {
    let scratch = Scratch::new();
    for status in [429, 500, 503] {
        let server = Server::start(None, move |number, request| match number {
            0 => errors(status, "busy"),
            1 => Reply::Answer(status, "retry-after: 0\r\n".to_owned(), Vec::new()),
            _ => transit(request),
        });
        encrypt(&scratch, &server.address(), WITH_TOKEN).ok();
        assert_eq!(server.received().len(), 3);
    }
    let server = Server::start(None, |_, _| errors(503, "Vault is sealed"));
    let said = failure(&scratch, &server.address(), WITH_TOKEN);
    assert!(said.contains("Vault is sealed (status 503)"), "{said}");
    assert!(said.contains("unseal"), "{said}");
    assert_eq!(server.received().len(), 3);
    // A pause that is longer than there is time is not made.
    let server = Server::start(None, |_, _| {
        Reply::Answer(429, "retry-after: 3600\r\n".to_owned(), Vec::new())
    });
    failure(&scratch, &server.address(), WITH_TOKEN);
    assert_eq!(server.received().len(), 1);
    let settings = [("VAULT_TOKEN", TOKEN), ("VAULT_MAX_RETRIES", "0")];
    let server = Server::start(None, |_, _| errors(500, "broken"));
    failure(&scratch, &server.address(), settings);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn wrong_answers_are_errors_and_end() {
    let scratch = Scratch::new();
    let whole = br#"{"data":{"ciphertext":"vault:v1:x"}}"#;
    let half = [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"[..],
        whole,
    ]
    .concat();
    let large = vec![b' '; 3 << 20];
    type Make = Box<dyn Fn() -> Reply + Send + Sync>;
    let cases: [(&str, Make); 10] = [
        (
            "closed before the answer was complete",
            Box::new(move || Reply::Raw(half.clone())),
        ),
        ("did not encrypt", Box::new(|| Reply::Raw(Vec::new()))),
        (
            "not HTTP",
            Box::new(|| Reply::Raw(b"SSH-2.0-server\r\n\r\n".to_vec())),
        ),
        (
            "too large",
            Box::new(move || Reply::Answer(200, String::new(), large.clone())),
        ),
        (
            "no ciphertext",
            Box::new(|| Reply::Answer(200, String::new(), b"<html>".to_vec())),
        ),
        (
            "no ciphertext",
            Box::new(|| answer(200, &json!({ "data": { "ciphertext": 1 } }))),
        ),
        (
            "no ciphertext",
            Box::new(|| Reply::Answer(204, String::new(), Vec::new())),
        ),
        (
            "permission denied (status 403)",
            Box::new(|| errors(403, "permission\u{1b} denied")),
        ),
        (
            "nothing at this path",
            Box::new(|| answer(404, &json!({ "errors": [] }))),
        ),
        (
            "bad [REDACTED]",
            Box::new(|| errors(400, &format!("bad {TOKEN}"))),
        ),
    ];
    for (words, make) in cases {
        let server = Server::start(None, move |_, _| make());
        let said = failure(&scratch, &server.address(), WITH_TOKEN);
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains(&server.address()), "{said}");
        assert!(said.contains("hc_vault"), "{said}");
    }
}

#[test]
fn nobody_there_and_nobody_who_answers() {
    let scratch = Scratch::new();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = format!("http://{}", free.expect("a free port"));
    let said = failure(&scratch, &address, WITH_TOKEN);
    assert!(said.contains("connection refused"), "{said}");
    let server = Server::start(None, |_, _| Reply::Silence);
    let started = Instant::now();
    let settings = [("VAULT_TOKEN", TOKEN), ("VAULT_CLIENT_TIMEOUT", "500ms")];
    let said = failure(&scratch, &server.address(), settings);
    assert!(said.contains("no answer within 0.5 s"), "{said}");
    assert!(said.contains("VAULT_CLIENT_TIMEOUT"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(10));
    // Nor one that says something now and then.
    let server = Server::start(None, |_, _| {
        thread::sleep(Duration::from_secs(1));
        Reply::Raw(b"HTTP/1.1 200 OK\r\n".to_vec())
    });
    let said = failure(&scratch, &server.address(), settings);
    assert!(said.contains("no answer within"), "{said}");
}

#[test]
fn certificates() {
    let scratch = Scratch::new();
    let path = |name: &str| testdata(&format!("tls/{name}")).display().to_string();
    let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let ca_text = fs::read_to_string(&ca).expect("an authority");
    let folder = scratch.folder().join("authorities").display().to_string();
    scratch.write("authorities/ca.pem", &ca_text);
    let start = |certificate, wants_client| {
        let tls = Tls {
            certificate,
            wants_client,
        };
        Server::start(Some(tls), |_, request| transit(request))
    };
    let with = |more: &[(&'static str, &str)]| {
        let all: Vec<(&str, String)> = [("VAULT_TOKEN", TOKEN)]
            .iter()
            .chain(more)
            .map(|&(name, value)| (name, value.to_owned()))
            .collect();
        all
    };
    let run = |server: &Server, settings: &[(&str, String)]| {
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        encrypt(&scratch, &server.address(), settings)
    };

    let server = start("server", false);
    let said = run(&server, &with(&[])).stderr;
    assert!(said.contains("authority that is not trusted"), "{said}");
    assert!(said.contains("VAULT_CACERT"), "{said}");
    assert!(server.received().is_empty());
    for settings in [
        with(&[("VAULT_CACERT", &ca)]),
        with(&[("VAULT_CACERT_BYTES", &ca_text)]),
        with(&[("VAULT_CAPATH", &folder)]),
        with(&[("SSL_CERT_FILE", &ca)]),
        with(&[("VAULT_SKIP_VERIFY", "true")]),
    ] {
        run(&server, &settings).ok();
    }
    let said = run(&server, &with(&[("VAULT_CACERT", "/nonexistent")])).stderr;
    assert!(said.contains("cannot read VAULT_CACERT"), "{said}");

    let server = start("named", false);
    let said = run(&server, &with(&[("VAULT_CACERT", &ca)])).stderr;
    assert!(said.contains("not trusted"), "{said}");
    let named = [
        ("VAULT_CACERT", ca.as_str()),
        ("VAULT_TLS_SERVER_NAME", "vault.example"),
    ];
    run(&server, &with(&named)).ok();
    let other = [
        ("VAULT_CACERT", ca.as_str()),
        ("VAULT_TLS_SERVER_NAME", "other.example"),
    ];
    assert_ne!(run(&server, &with(&other)).code, 0);

    let server = start("server", true);
    assert_ne!(run(&server, &with(&[("VAULT_CACERT", &ca)])).code, 0);
    let client = [
        ("VAULT_CACERT", ca.as_str()),
        ("VAULT_CLIENT_CERT", &cert),
        ("VAULT_CLIENT_KEY", &key),
    ];
    run(&server, &with(&client)).ok();
    // A key that belongs to another certificate.
    let wrong = path("server.key");
    let client = [
        ("VAULT_CLIENT_CERT", cert.as_str()),
        ("VAULT_CLIENT_KEY", &wrong),
    ];
    let said = run(&server, &with(&client)).stderr;
    assert!(said.contains("do not go together"), "{said}");
}

#[test]
fn through_a_proxy_and_an_agent() {
    let proxy = Server::start(None, |_, request| match request.method.as_str() {
        "CONNECT" => Reply::Answer(200, String::new(), Vec::new()),
        _ => transit(request),
    });
    let scratch = Scratch::new();
    let address = proxy.address();
    // A name that there is not: only the proxy can know it.
    for (index, name) in ["VAULT_PROXY_ADDR", "HTTP_PROXY"].into_iter().enumerate() {
        let settings = [("VAULT_TOKEN", TOKEN), (name, address.as_str())];
        encrypt(&scratch, "http://vault.invalid:8200", settings).ok();
        let received = proxy.received();
        assert_eq!(received.len(), 2 * (index + 1), "{received:?}");
        assert_eq!(received[2 * index].path, "vault.invalid:8200");
        assert_eq!(received[2 * index].header("x-vault-token"), None);
    }
    let settings = [
        ("VAULT_TOKEN", TOKEN),
        ("HTTP_PROXY", address.as_str()),
        ("NO_PROXY", ".invalid"),
    ];
    let said = failure(&scratch, "http://vault.invalid:8200", settings);
    assert!(said.contains("http://vault.invalid:8200"), "{said}");
    assert_eq!(proxy.received().len(), 4);
    let agent = healthy();
    let agent_address = agent.address();
    let settings = [("VAULT_AGENT_ADDR", agent_address.as_str())];
    encrypt(&scratch, "https://vault.invalid:8200", settings).ok();
    assert_eq!(agent.received().len(), 1);
}

/// A real server, ended with the test.
struct Vault {
    child: Child,
    address: String,
    token: String,
}

impl Vault {
    /// Starts the program that `SOPS_TEST_VAULT` names; if it names none, says that the test is skipped.
    fn start() -> Option<Self> {
        let Some(program) = env::var_os(SERVER) else {
            skip("a server of Vault (SOPS_TEST_VAULT)");
            return None;
        };
        if !has_reference() {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let listen = free.expect("a free port").to_string();
        let child = Command::new(program)
            .arg(&listen)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            skip(SERVER);
            return None;
        };
        let mut token = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout)
            .read_line(&mut token)
            .expect("a line with the token");
        let vault = Self {
            child,
            address: format!("http://{listen}"),
            token: token.trim().to_owned(),
        };
        let is_up = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(100));
            TcpStream::connect(&listen).is_ok()
        });
        assert!(is_up, "{SERVER} listens");
        Some(vault)
    }

    /// Makes a call that sets something up.
    fn post(&self, path: &str, body: &str) -> Value {
        self.call("POST", path, body)
    }

    /// Makes a call, and returns what is answered.
    fn call(&self, method: &str, path: &str, body: &str) -> Value {
        use std::io::{Read as _, Write as _};

        let host = self.address.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("it listens");
        write!(
            stream,
            "{method} /v1/{path} HTTP/1.0\r\nhost: {host}\r\nx-vault-token: {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with("20"), "{answer}");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Makes a token that may use the key `sops` of `transit`, for as long as `lifetime` says.
    fn make_token(&self, lifetime: &str) -> String {
        let rules = ["encrypt", "decrypt"]
            .map(|operation| {
                format!("path \"transit/{operation}/sops\" {{ capabilities = [\"update\"] }}")
            })
            .join("\n");
        let policy = json!({ "policy": rules }).to_string();
        self.post("sys/policies/acl/sops", &policy);
        let wanted = json!({ "policies": ["sops"], "ttl": lifetime }).to_string();
        let made = self.post("auth/token/create", &wanted);
        let token = made["auth"]["client_token"].as_str();
        token.expect("a token").to_owned()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn values_are_published_in_a_real_server() {
    let Some(vault) = Vault::start() else { return };
    vault.post(
        "sys/mounts/values",
        r#"{"type":"kv","options":{"version":"2"}}"#,
    );
    let scratch = Scratch::new();
    let rule = |mount: &str| {
        let rule = format!(
            "{{vault_address: '{}', vault_path: a/, vault_kv_mount_name: {mount}}}",
            vault.address
        );
        scratch.write(".sops.yaml", format!("destination_rules:\n  - {rule}\n"));
    };
    let report = |token: &str| {
        let arguments = ["publish", "--yes", "--json", "f.yaml"];
        let settings = [("VAULT_TOKEN", token)];
        let ran = scratch.run_with(Program::Ours, arguments, settings, None);
        assert!(!ran.stderr.contains(&vault.token), "{}", ran.stderr);
        (ran.code, ran.published())
    };
    let place = format!("{}/v1/values/data/a/f.yaml", vault.address);
    let told = |status: &str| (0, vec![["f.yaml", &place, status].map(str::to_owned)]);
    rule("values");
    for (text, status) in [
        ("password: opensesame\nn: 1\n", "published"),
        ("password: opensesame\nn: 1\n", "up-to-date"),
        ("password: other\n", "published"),
    ] {
        scratch.write("f.yaml", text);
        let encrypt = ["encrypt", "-i", "--age", RECIPIENT, "f.yaml"];
        scratch.run(Program::Ours, encrypt).ok();
        assert_eq!(report(&vault.token), told(status), "{text}");
    }
    assert_eq!(report("hvs.wrong"), (1, Vec::new()));
    rule("nothing");
    assert_eq!(report(&vault.token), (1, Vec::new()));
}

#[test]
fn a_real_server_and_the_reference() {
    let Some(vault) = Vault::start() else { return };
    for engine in ["transit", "team/a/transit"] {
        vault.post(&format!("sys/mounts/{engine}"), r#"{"type":"transit"}"#);
        vault.post(&format!("{engine}/keys/sops"), "{}");
    }
    let scratch = Scratch::new();
    scratch.write("plain.yaml", PLAIN);
    let settings = [("VAULT_TOKEN", vault.token.as_str())];
    let run = |program, arguments: &[&str], settings: &[(&str, &str)]| {
        scratch.run_with(program, arguments, settings.iter().copied(), None)
    };
    for engine in ["transit", "team/a/transit"] {
        let key = format!("{}/v1/{engine}/keys/sops", vault.address);
        for (writer, reader) in [
            (Program::Ours, Program::Reference),
            (Program::Reference, Program::Ours),
            (Program::Ours, Program::Ours),
        ] {
            let arguments = ["encrypt", "--hc-vault-transit", &key, "plain.yaml"];
            scratch.write("enc.yaml", run(writer, &arguments, &settings).ok());
            let plain = run(reader, &["decrypt", "enc.yaml"], &settings).ok();
            assert_eq!(String::from_utf8_lossy(&plain), "password: opensesame\n");
        }
    }
    // A key that is rotated still opens what it has closed.
    vault.post("team/a/transit/keys/sops/rotate", "{}");
    assert_eq!(
        run(Program::Ours, &["decrypt", "enc.yaml"], &settings).ok(),
        PLAIN
    );
    run(Program::Ours, &["rotate", "-i", "enc.yaml"], &settings).ok();
    assert!(scratch.read_text("enc.yaml").contains("vault:v2:"));
    run(Program::Reference, &["decrypt", "enc.yaml"], &settings).ok();

    let encrypted = scratch.read_text("enc.yaml");
    for (from, to, token, words) in [
        ("", "", "hvs.wrong", "permission denied"),
        ("", "", "", "there is no token"),
        (
            "key_name: sops",
            "key_name: other",
            vault.token.as_str(),
            "encryption key not found",
        ),
        (
            "team/a/transit",
            "team/b/transit",
            &vault.token,
            "no handler for route",
        ),
        ("vault:v2:", "vault:v9:", &vault.token, "(status 400)"),
        ("vault:v2:", "nothing:", &vault.token, "(status 400)"),
    ] {
        scratch.write("bad.yaml", encrypted.replace(from, to));
        let ran = run(
            Program::Ours,
            &["decrypt", "bad.yaml"],
            &[("VAULT_TOKEN", token)],
        );
        assert_eq!(ran.code, 128, "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(&vault.token), "{}", ran.stderr);
        let reference = run(
            Program::Reference,
            &["decrypt", "bad.yaml"],
            &[("VAULT_TOKEN", token)],
        );
        assert_eq!(reference.code, 128, "{words}: {}", reference.stderr);
    }
}

/// Tokens that are valid no more, and a key that was deleted: what happened is said at once, and nothing is written.
#[test]
fn a_real_server_without_the_token_or_the_key() {
    let Some(vault) = Vault::start() else { return };
    vault.post("sys/mounts/transit", r#"{"type":"transit"}"#);
    vault.post("transit/keys/sops", "{}");
    let scratch = Scratch::new();
    let key = format!("{}/v1/transit/keys/sops", vault.address);
    let good = vault.make_token("1h");
    let run = |program, arguments: &[&str], token: &str| {
        scratch.run_with(program, arguments, [("VAULT_TOKEN", token)], None)
    };
    scratch.write("new.yaml", PLAIN);
    scratch.write("enc.yaml", PLAIN);
    let encrypt = ["encrypt", "-i", "--hc-vault-transit", &key];
    run(
        Program::Ours,
        &[&encrypt[..], &["enc.yaml"]].concat(),
        &good,
    )
    .ok();
    let encrypted = scratch.read("enc.yaml");
    let fails = |token: &str, [encrypting, decrypting]: [&str; 2]| {
        for (arguments, code, words) in [
            (&[&encrypt[..], &["new.yaml"]].concat()[..], 1, encrypting),
            (&["decrypt", "enc.yaml"], 128, decrypting),
            (&["set", "enc.yaml", "[\"password\"]", "1"], 128, decrypting),
            (&["rotate", "-i", "enc.yaml"], 128, decrypting),
        ] {
            let start = Instant::now();
            let ran = run(Program::Ours, arguments, token);
            let case = format!("{arguments:?}: {}", ran.stderr);
            assert_eq!((ran.code, ran.stdout.len()), (code, 0), "{case}");
            assert!(ran.stderr.contains(words), "{words}: {case}");
            assert!(ran.stderr.contains(&key), "{case}");
            assert!(!ran.stderr.contains(token), "{case}");
            assert!(start.elapsed() < Duration::from_secs(10), "{case}");
            assert_eq!(scratch.read("new.yaml"), PLAIN, "{case}");
            assert_eq!(scratch.read("enc.yaml"), encrypted, "{case}");
            scratch.assert_nothing_left();
        }
        let reference = run(Program::Reference, &["decrypt", "enc.yaml"], token);
        assert_eq!(reference.code, 128, "{}", reference.stderr);
    };

    let expired = vault.make_token("1s");
    thread::sleep(Duration::from_secs(2));
    let words = "the token from VAULT_TOKEN has expired or was revoked";
    fails(&expired, [words, words]);
    let revoked = vault.make_token("1h");
    vault.post(
        "auth/token/revoke",
        &json!({ "token": revoked }).to_string(),
    );
    fails(&revoked, [words, words]);

    vault.post("transit/keys/sops/config", r#"{"deletion_allowed":true}"#);
    vault.call("DELETE", "transit/keys/sops", "");
    // Who may only use the key may not make it anew by encrypting, which the server says in these words.
    fails(
        &good,
        [
            "or the key sops is not there any more",
            "deleted or never made",
        ],
    );
}
