//! Keys of Google Cloud KMS and Azure Key Vault: files both ways with the reference, at servers made for the tests.

use std::{
    env, fs,
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::{
    servers::{
        azure, google,
        google_grpc::{Fault, GoogleGrpc},
        socks::{Manner, Socks},
        web::{Reply, Web},
    },
    support::{Program, Ran, Scratch, has_reference, skip, testdata},
};

const PLAIN: &[u8] = b"# about it\na: 1\nb: secret\n";

/// Runs a program with variables of its own.
fn run(
    scratch: &Scratch,
    program: Program,
    arguments: &[&str],
    variables: &[(&str, String)],
) -> Ran {
    let mut command = scratch.command(program);
    command.args(arguments);
    for (name, value) in variables {
        command.env(name, value);
    }
    command.output().expect("the program starts").into()
}

/// Encrypts with each program that is there, and decrypts with each what the other wrote.
#[track_caller]
fn both_ways(key: &[&str], variables: &[(&str, String)]) {
    let mut programs = vec![Program::Ours];
    programs.extend(has_reference().then_some(Program::Reference));
    for &writer in &programs {
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let arguments = [&["encrypt"], key, &["f.yaml"]].concat();
        let encrypted = run(&scratch, writer, &arguments, variables).ok();
        assert!(!String::from_utf8_lossy(&encrypted).contains("secret"));
        scratch.write("e.yaml", &encrypted);
        for &reader in &programs {
            let decrypted = run(&scratch, reader, &["decrypt", "e.yaml"], variables).ok();
            let text = String::from_utf8(decrypted).expect("a text");
            assert!(
                text.contains("a: 1\nb: secret\n"),
                "{writer:?} {reader:?} {text}"
            );
        }
    }
}

fn text(value: impl Into<String>) -> String {
    value.into()
}

#[test]
fn google_cloud_kms() {
    let server = google::start();
    let variables = |more: &[(&'static str, String)]| {
        let mut all = vec![
            ("SOPS_GCP_KMS_ENDPOINT", server.url()),
            ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
            // All hosts of Google are the server, too.
            ("HTTPS_PROXY", server.url()),
            (
                "SSL_CERT_FILE",
                testdata("cloud/ca.pem").display().to_string(),
            ),
        ];
        all.extend_from_slice(more);
        all
    };
    let token = [("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN))];
    both_ways(&["--gcp-kms", google::KEY], &variables(&token));

    // The login of gcloud, whose token is renewed.
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let login = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"{}","token_uri":"{}/token"}}"#,
        google::REFRESH_TOKEN,
        server.url()
    );
    scratch.write("login.json", &login);
    let at = scratch.path("login.json").display().to_string();
    both_ways(
        &["--gcp-kms", google::KEY],
        &variables(&[("GOOGLE_APPLICATION_CREDENTIALS", at.clone())]),
    );
    both_ways(
        &["--gcp-kms", google::KEY],
        &variables(&[("GOOGLE_CREDENTIALS", at)]),
    );
    both_ways(
        &["--gcp-kms", google::KEY],
        &variables(&[("GOOGLE_CREDENTIALS", login)]),
    );

    // A service account says who it is with its key.
    let key = fs::read_to_string(testdata("cloud/client.key"))
        .expect("a key")
        .replace('\n', "\\n");
    let account = format!(
        r#"{{"type":"service_account","client_email":"me@p.iam.gserviceaccount.com","private_key_id":"1","private_key":"{key}","token_uri":"{}/token"}}"#,
        server.url()
    );
    let as_account = variables(&[("GOOGLE_CREDENTIALS", account)]);
    let encrypt = |key: &str, variables: &[(&str, String)]| {
        run(
            &scratch,
            Program::Ours,
            &["encrypt", "--gcp-kms", key, "f.yaml"],
            variables,
        )
    };
    encrypt(google::KEY, &as_account).ok();

    let wrong = |variables: &[(&str, String)], key: &str, words: &str| {
        let ran = encrypt(key, variables);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(google::TOKEN), "{}", ran.stderr);
    };
    let expired = variables(&[("GOOGLE_OAUTH_ACCESS_TOKEN", text("expired"))]);
    wrong(&expired, google::KEY, "UNAUTHENTICATED");
    let token = variables(&token);
    wrong(&token, &google::KEY.replace("sops", "missing"), "NOT_FOUND");
    wrong(
        &token,
        &format!("{}/cryptoKeyVersions/1", google::KEY),
        "leave out /cryptoKeyVersions",
    );
    wrong(&token, "projects/p", "no resource id");
    wrong(
        &variables(&[("GOOGLE_CREDENTIALS", text("/no/such/file"))]),
        google::KEY,
        "GOOGLE_CREDENTIALS names no file",
    );
    let nobody = variables(&[("GCE_METADATA_HOST", text("127.0.0.1:1"))]);
    wrong(&nobody, google::KEY, "no credentials for Google Cloud");

    let mut other = token.clone();
    other.push(("SOPS_GCP_KMS_CLIENT_TYPE", text("soap")));
    wrong(&other, google::KEY, "it is grpc or rest");

    // An answer that was damaged on the way.
    let damaging = Web::start(|_| {
        let json = serde_json::json!({"ciphertext": "AAAA", "ciphertextCrc32c": "1", "verifiedPlaintextCrc32c": true});
        Reply::Json(200, json)
    });
    let damaged = [
        ("SOPS_GCP_KMS_ENDPOINT", damaging.url()),
        ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", text("x")),
    ];
    wrong(&damaged, google::KEY, "a checksum differs");
}

/// Servers that are slow, overloaded or half done: nothing hangs, and nothing is written.
#[test]
fn faults() {
    let key = google::KEY;
    let outcome = |server: &Web| {
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let variables = [
            ("SOPS_GCP_KMS_ENDPOINT", server.url()),
            ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
            ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
            ("SOPS_KEY_TIMEOUT", text("3")),
        ];
        let arguments = ["encrypt", "-i", "--gcp-kms", key, "f.yaml"];
        let ran = run(&scratch, Program::Ours, &arguments, &variables);
        (ran, scratch.read("f.yaml"))
    };
    for (reply, words) in [
        (Reply::Silence, "no answer"),
        (Reply::Half, "before the answer was complete"),
        (Reply::Hangup, "cannot reach Google Cloud KMS"),
        (
            Reply::With(200, vec![], b"<html>".to_vec()),
            "cannot be read",
        ),
        (Reply::With(200, vec![], vec![b' '; 3 << 20]), "too large"),
        (
            Reply::Json(200, serde_json::json!({"ciphertext": ""})),
            "cannot be read",
        ),
        (Reply::Json(503, serde_json::json!({})), "status 503"),
        (
            Reply::With(
                302,
                vec![("Location", text("https://elsewhere.example/"))],
                vec![],
            ),
            "status 302",
        ),
    ] {
        let server = Web::start(move |_| reply.clone());
        let start = Instant::now();
        let (ran, content) = outcome(&server);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(google::TOKEN), "{}", ran.stderr);
        assert_eq!(content, PLAIN);
        assert!(start.elapsed() < Duration::from_secs(30), "{words}");
    }
    for fault in [
        Reply::With(429, vec![("Retry-After", text("0"))], vec![]),
        Reply::Json(500, serde_json::json!({})),
        Reply::Half,
        Reply::Hangup,
    ] {
        let (count, good) = (AtomicUsize::new(0), google::answering());
        let server = Web::start(move |asked| match count.fetch_add(1, Ordering::Relaxed) {
            0 => fault.clone(),
            _ => good(asked),
        });
        let (ran, content) = outcome(&server);
        ran.ok();
        assert_ne!(content, PLAIN);
    }
}

/// The variables for asking over gRPC.
fn over_grpc(server: &GoogleGrpc) -> Vec<(&'static str, String)> {
    let ca = testdata("cloud/ca.pem").display().to_string();
    vec![
        ("SOPS_GCP_KMS_ENDPOINT", server.address()),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
        ("SSL_CERT_FILE", ca),
    ]
}

/// Encrypts with ours in place.
fn encrypt_in_place(variables: &[(&str, String)], key: &str) -> (Ran, Vec<u8>) {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let arguments = ["encrypt", "-i", "--gcp-kms", key, "f.yaml"];
    let ran = run(&scratch, Program::Ours, &arguments, variables);
    (ran, scratch.read("f.yaml"))
}

/// Which is how the reference asks, if nothing else is said.
#[test]
fn google_cloud_kms_over_grpc() {
    let server = GoogleGrpc::start(Fault::None);
    let variables = over_grpc(&server);
    both_ways(&["--gcp-kms", google::KEY], &variables);
    assert!(
        server.routing().starts_with("name=projects%2Fp%2F"),
        "{}",
        server.routing()
    );
    let with = |name: &'static str, value: &str| {
        let mut variables = variables.clone();
        variables.retain(|(known, _)| *known != name);
        variables.push((name, text(value)));
        variables
    };
    encrypt_in_place(&with("SOPS_GCP_KMS_CLIENT_TYPE", "grpc"), google::KEY)
        .0
        .ok();
    encrypt_in_place(&with("GOOGLE_CLOUD_QUOTA_PROJECT", "quota"), google::KEY)
        .0
        .ok();
    assert_eq!(server.quota_project(), "quota");
    for address in [
        format!("https://{}", server.address()),
        format!("http://{}", server.address()),
    ] {
        encrypt_in_place(&with("SOPS_GCP_KMS_ENDPOINT", &address), google::KEY)
            .0
            .ok();
    }
    // The usual address is reached through a proxy; so is that of another cloud, whose certificate is another.
    let mut proxied = with("HTTPS_PROXY", &format!("http://{}", server.address()));
    proxied.retain(|(name, _)| *name != "SOPS_GCP_KMS_ENDPOINT");
    both_ways(&["--gcp-kms", google::KEY], &proxied);
    proxied.push(("SOPS_GCP_KMS_UNIVERSE_DOMAIN", text("other.example")));
    let (ran, _) = encrypt_in_place(&proxied, google::KEY);
    assert!(
        ran.stderr.contains("https://cloudkms.other.example"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("not trusted"), "{}", ran.stderr);

    let before = server.calls();
    for (variables, key, words) in [
        (
            with("GOOGLE_OAUTH_ACCESS_TOKEN", "expired"),
            text(google::KEY),
            "UNAUTHENTICATED",
        ),
        (
            variables.clone(),
            google::KEY.replace("sops", "missing"),
            "does the key exist",
        ),
        (
            with(
                "SSL_CERT_FILE",
                &testdata("tls/ca.pem").display().to_string(),
            ),
            text(google::KEY),
            "not trusted",
        ),
        (
            with("SOPS_GCP_KMS_ENDPOINT", "127.0.0.1:1"),
            text(google::KEY),
            "SOPS_GCP_KMS_CLIENT_TYPE=rest",
        ),
        (
            with("SOPS_GCP_KMS_ENDPOINT", "h/path"),
            text(google::KEY),
            "one of REST",
        ),
    ] {
        let (ran, content) = encrypt_in_place(&variables, &key);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(google::TOKEN), "{}", ran.stderr);
        assert_eq!(content, PLAIN);
    }
    assert_eq!(server.calls(), before + 2);

    // Many files are one connection.
    let scratch = Scratch::new();
    let names: Vec<String> = (0..20).map(|number| format!("{number}.yaml")).collect();
    for name in &names {
        scratch.write(name, PLAIN);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = server.connections();
    let arguments = [&["encrypt", "-i", "--gcp-kms", google::KEY][..], &names].concat();
    run(&scratch, Program::Ours, &arguments, &variables).ok();
    assert_eq!(server.connections(), before + 1);
}

/// Proxies of SOCKS, for either way to ask the service.
#[test]
fn google_cloud_kms_through_socks() {
    const USUAL: &str = "cloudkms.googleapis.com:443";

    let by_grpc = GoogleGrpc::start(Fault::None);
    let by_rest = google::start();
    for (kind, server) in [("grpc", by_grpc.port), ("rest", by_rest.port)] {
        let variables = |proxy: String, address: &str| {
            vec![
                ("SOPS_GCP_KMS_CLIENT_TYPE", text(kind)),
                ("SOPS_GCP_KMS_ENDPOINT", text(address)),
                ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
                (
                    "SSL_CERT_FILE",
                    testdata("cloud/ca.pem").display().to_string(),
                ),
                ("HTTPS_PROXY", proxy),
                ("SOPS_KEY_TIMEOUT", text("3")),
            ]
        };
        let open = Socks::start(Manner::Open, server);
        let at = |socks: &Socks, before: &str| format!("{before}127.0.0.1:{}", socks.port);
        for before in ["socks5h://", "socks5h://nobody:asks@"] {
            encrypt_in_place(&variables(at(&open, before), USUAL), google::KEY)
                .0
                .ok();
        }
        assert_eq!(open.destinations(), [USUAL, USUAL]);
        let guarded = Socks::start(Manner::Guarded("me", "pass:word"), server);
        let login = at(&guarded, "socks5h://me:pass%3Aword@");
        encrypt_in_place(&variables(login, USUAL), google::KEY)
            .0
            .ok();
        assert_eq!(guarded.destinations(), [USUAL]);

        let fails = |proxy: String, address: &str| {
            let start = Instant::now();
            let (ran, content) = encrypt_in_place(&variables(proxy, address), google::KEY);
            assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
            assert_eq!(content, PLAIN);
            assert!(!ran.stderr.contains("wrong-word"), "{}", ran.stderr);
            assert!(start.elapsed() < Duration::from_secs(20), "{}", ran.stderr);
            ran.stderr
        };
        // Without the h, the proxy is told addresses and no names.
        let said = fails(at(&open, "socks5://"), "192.0.2.7");
        assert!(said.contains("not trusted"), "{said}");
        assert_eq!(open.destinations()[2], "192.0.2.7:443");
        fails(at(&open, "socks5://"), "kms.invalid");
        assert_eq!(open.destinations().len(), 3);

        fails(at(&guarded, "socks5h://"), USUAL);
        fails(at(&guarded, "socks5h://me:wrong-word@"), USUAL);
        for manner in [Manner::Refusing(5), Manner::Silent, Manner::Other] {
            let socks = Socks::start(manner, server);
            fails(at(&socks, "socks5h://"), USUAL);
        }
    }
    assert_eq!(by_grpc.calls(), 3);
    // Those that gRPC cannot go through.
    for proxy in ["socks4://127.0.0.1:1", "https://127.0.0.1:1"] {
        let variables = [
            ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
            ("HTTPS_PROXY", text(proxy)),
        ];
        let (ran, content) = encrypt_in_place(&variables, google::KEY);
        assert_eq!((ran.code, content.as_slice()), (1, PLAIN));
        assert!(
            ran.stderr.contains("SOPS_GCP_KMS_CLIENT_TYPE=rest"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn faults_over_grpc() {
    use tonic::Code;

    for (fault, words) in [
        (
            Fault::First(usize::MAX, Code::PermissionDenied),
            "does this account have the role",
        ),
        (
            Fault::First(usize::MAX, Code::FailedPrecondition),
            "its primary version enabled",
        ),
        (
            Fault::First(usize::MAX, Code::Unavailable),
            "try again later",
        ),
        (
            Fault::First(usize::MAX, Code::Unauthenticated),
            "is the login still valid",
        ),
        (Fault::Hangup(usize::MAX), "cannot reach Google Cloud KMS"),
        (Fault::Damage, "a checksum differs"),
    ] {
        let server = GoogleGrpc::start(fault);
        let mut variables = over_grpc(&server);
        variables.push(("SOPS_KEY_TIMEOUT", text("3")));
        let start = Instant::now();
        let (ran, content) = encrypt_in_place(&variables, google::KEY);
        assert_eq!(
            (ran.code, ran.stdout.len()),
            (1, 0),
            "{fault:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert_eq!(content, PLAIN);
        assert!(start.elapsed() < Duration::from_secs(20), "{fault:?}");
    }
    for fault in [
        Fault::First(1, Code::Unavailable),
        Fault::First(2, Code::ResourceExhausted),
        Fault::First(1, Code::Internal),
        Fault::Hangup(1),
    ] {
        let server = GoogleGrpc::start(fault);
        let (ran, content) = encrypt_in_place(&over_grpc(&server), google::KEY);
        ran.ok();
        assert_ne!(content, PLAIN, "{fault:?}");
    }
    // A token of a login is renewed once, one that was given cannot be.
    let server = GoogleGrpc::start(Fault::First(1, Code::Unauthenticated));
    let logins = google::start();
    let login = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"{}","token_uri":"{}/token"}}"#,
        google::REFRESH_TOKEN,
        logins.url()
    );
    let mut variables = over_grpc(&server);
    variables.push(("GOOGLE_CREDENTIALS", login));
    encrypt_in_place(&variables, google::KEY).0.ok();
    assert_eq!(logins.calls(), 2);

    // Other servers than those of gRPC, with TLS and without.
    for reply in [Reply::Silence, Reply::Half, Reply::Hangup] {
        let shown = format!("{reply:?}");
        let server = Web::start(move |_| reply.clone());
        for url in [server.url(), server.tls_url()] {
            let variables = [
                ("SOPS_GCP_KMS_ENDPOINT", url),
                ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
                (
                    "SSL_CERT_FILE",
                    testdata("cloud/ca.pem").display().to_string(),
                ),
                ("SOPS_KEY_TIMEOUT", text("1")),
            ];
            let start = Instant::now();
            let (ran, content) = encrypt_in_place(&variables, google::KEY);
            assert_eq!(
                (ran.code, ran.stdout.len()),
                (1, 0),
                "{shown}: {}",
                ran.stderr
            );
            assert!(
                ran.stderr.contains("cannot reach Google Cloud KMS"),
                "{shown}: {}",
                ran.stderr
            );
            assert_eq!(content, PLAIN);
            assert!(start.elapsed() < Duration::from_secs(20), "{shown}");
        }
    }
}

#[test]
fn azure_key_vault() {
    let server = azure::start();
    let mut variables = azure::settings(&server);
    variables.push(("AZURE_CLIENT_SECRET", text(azure::SECRET)));
    let [old, current] =
        azure::VERSIONS.map(|version| format!("{}/keys/sops/{version}", azure::VAULT));
    let latest = format!("{}/keys/sops", azure::VAULT);
    both_ways(&["--azure-kv", &old], &variables);
    both_ways(&["--azure-kv", &current], &variables);
    both_ways(&["--azure-kv", &latest], &variables);

    // The version that was the current one is written.
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let encrypt = |key: &str, variables: &[(&str, String)]| {
        run(
            &scratch,
            Program::Ours,
            &["encrypt", "--azure-kv", key, "f.yaml"],
            variables,
        )
    };
    let encrypted = encrypt(&latest, &variables).text();
    assert!(
        encrypted.contains(&format!("version: {}", azure::VERSIONS[1])),
        "{encrypted}"
    );

    // A rule without a version is satisfied by the current one, and not by another.
    scratch.write("e.yaml", &encrypted);
    let rule = format!("creation_rules:\n  - azure_keyvault: {latest}\n");
    scratch.write(".sops.yaml", rule);
    let update = || {
        run(
            &scratch,
            Program::Ours,
            &["updatekeys", "-y", "e.yaml"],
            &variables,
        )
    };
    let ran = update();
    assert!(ran.stderr.contains("already up to date"), "{}", ran.stderr);
    scratch.write(
        "e.yaml",
        run(
            &scratch,
            Program::Ours,
            &["encrypt", "--azure-kv", &old, "f.yaml"],
            &variables,
        )
        .ok(),
    );
    update().ok();
    assert!(
        scratch
            .read_text("e.yaml")
            .contains(&format!("version: {}", azure::VERSIONS[1]))
    );

    // With a certificate instead of a secret.
    let mut certified = azure::settings(&server);
    certified.push((
        "AZURE_CLIENT_CERTIFICATE_PATH",
        testdata("cloud/client-both.pem").display().to_string(),
    ));
    encrypt(&latest, &certified).ok();
    // As a workload.
    let mut workload = azure::settings(&server);
    scratch.write("token", "a.b.c\n");
    workload.push((
        "AZURE_FEDERATED_TOKEN_FILE",
        scratch.path("token").display().to_string(),
    ));
    encrypt(&latest, &workload).ok();
    // As who is logged in with a program; the token is not believed.
    let mut by_program = azure::settings(&server);
    scratch.write(
        "bin/az",
        "#!/bin/sh\necho '{\"accessToken\": \"azure-access-token\"}'\n",
    );
    set_executable(&scratch, "bin/az");
    let path = env::var("PATH").expect("a path");
    by_program.push(("PATH", format!("{}:{path}", scratch.path("bin").display())));
    by_program.push(("AZURE_TOKEN_CREDENTIALS", text("AzureCLICredential")));
    encrypt(&latest, &by_program).ok();

    let wrong = |variables: &[(&str, String)], key: &str, words: &str| {
        let ran = encrypt(key, variables);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(azure::SECRET), "{}", ran.stderr);
    };
    let mut wrong_secret = azure::settings(&server);
    wrong_secret.push(("AZURE_CLIENT_SECRET", text("nonsense")));
    wrong(&wrong_secret, &latest, "AADSTS7000215");
    wrong(
        &variables,
        &latest.replace("sops", "missing"),
        "KeyNotFound",
    );
    let mut untrusted = variables.clone();
    untrusted.retain(|(name, _)| *name != "SSL_CERT_FILE");
    wrong(&untrusted, &latest, "not trusted");
    // A file can name any server; nothing is sent there.
    let before = server.calls();
    wrong(
        &variables,
        "https://vault.evil.example/keys/sops",
        "SOPS_AZURE_KEYVAULT_ALLOWLIST",
    );
    wrong(
        &variables,
        &format!("{}/keys/sops", server.tls_url()),
        "SOPS_AZURE_KEYVAULT_ALLOWLIST",
    );
    assert_eq!(server.calls(), before);
    let mut allowed = variables.clone();
    allowed.push(("SOPS_AZURE_KEYVAULT_ALLOWLIST", server.tls_url()));
    allowed.push(("NO_PROXY", text("127.0.0.1")));
    encrypt(&format!("{}/keys/sops", server.tls_url()), &allowed).ok();
}

/// The managed identity of a machine.
#[test]
fn azure_identity_of_a_machine() {
    let (server, machine) = (azure::start(), azure::start_machine());
    let with = |more: &[(&'static str, &str)]| {
        let mut all = azure::settings(&server);
        all.retain(|(name, _)| !name.starts_with("AZURE_"));
        all.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url()));
        for (name, value) in more {
            all.retain(|(known, _)| known != name);
            all.push((name, text(*value)));
        }
        all
    };
    encrypt_for_azure(&with(&[])).ok();
    encrypt_for_azure(&with(&[("AZURE_CLIENT_ID", azure::CLIENT)])).ok();
    assert_eq!(machine.calls(), 2);
    let alone = ("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential");
    let other = ("AZURE_CLIENT_ID", "77777777-7777-8888-9999-000000000000");
    let said = fails_for_azure(&with(&[other, alone]));
    assert!(said.contains("no such managed identity"), "{said}");
    assert!(said.contains("AZURE_TOKEN_CREDENTIALS leaves"), "{said}");

    // It starts, or is busy.
    for status in [404, 410, 429, 500, 503] {
        let count = AtomicUsize::new(0);
        let machine = Web::start(move |asked| match count.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::Json(status, serde_json::json!({})),
            _ => azure::machine(asked),
        });
        let host = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*machine.url());
        encrypt_for_azure(&with(&[host])).ok();
        assert_eq!(machine.calls(), 2, "{status}");
    }
    // What is slow is waited for if nothing else is left to try.
    let slow = Web::start(|asked| {
        std::thread::sleep(Duration::from_secs(3));
        azure::machine(asked)
    });
    let host = slow.url();
    let host = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", host.as_str());
    encrypt_for_azure(&with(&[host, alone])).ok();
    let said = fails_for_azure(&with(&[host, ("AZURE_TOKEN_CREDENTIALS", "prod")]));
    assert!(said.contains("no machine of Azure"), "{said}");
    // Nobody is there, or somebody else.
    let elsewhere = Web::start(|_| Reply::With(403, vec![], b"<html>".to_vec()));
    for host in ["http://127.0.0.1:1", &elsewhere.url()] {
        let host = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", host);
        let said = fails_for_azure(&with(&[host, alone]));
        assert!(said.contains("no machine of Azure"), "{said}");
    }
}

/// The managed identity of an app, which is asked for as App Service and Container Apps say.
#[test]
fn azure_identity_of_an_app() {
    let (server, machine) = (azure::start(), azure::start_machine());
    let endpoint = format!("{}/msi/token", machine.url());
    let with = |more: &[(&'static str, &str)]| {
        let mut all = azure::settings(&server);
        all.retain(|(name, _)| !name.starts_with("AZURE_"));
        all.push(("IDENTITY_ENDPOINT", endpoint.clone()));
        all.push(("IDENTITY_HEADER", text(azure::IDENTITY_HEADER)));
        for (name, value) in more {
            all.retain(|(known, _)| known != name);
            all.push((name, text(*value)));
        }
        all
    };
    let key = format!("{}/keys/sops/{}", azure::VAULT, azure::VERSIONS[1]);
    both_ways(&["--azure-kv", &key], &with(&[]));
    let client = ("AZURE_CLIENT_ID", azure::CLIENT);
    both_ways(&["--azure-kv", &key], &with(&[client]));
    for (setting, words) in [
        (
            ("IDENTITY_HEADER", "another-header"),
            "no such app (status 401)",
        ),
        (
            ("AZURE_CLIENT_ID", "unknown"),
            "the managed identity unknown log in: invalid_request Identity not found (status 400)",
        ),
        (
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"),
            "cannot reach Azure to log in",
        ),
        (("IDENTITY_ENDPOINT", "nonsense"), "not a usable address"),
    ] {
        let said = fails_for_azure(&with(&[setting]));
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains("another-header"), "{said}");
        assert!(!said.contains(azure::IDENTITY_HEADER), "{said}");
    }
    // What proves who asks is for the machine, and for no proxy.
    let proxy = Web::start(azure::machine);
    let away = [
        ("IDENTITY_ENDPOINT", "http://identity.invalid/msi/token"),
        ("HTTP_PROXY", &*proxy.url()),
    ];
    fails_for_azure(&with(&away));
    assert_eq!(proxy.connections(), 0);
    if has_reference() {
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let arguments = ["encrypt", "--azure-kv", &key, "f.yaml"];
        run(&scratch, Program::Reference, &arguments, &with(&away)).ok();
        assert_eq!(proxy.calls(), 1);
    }
}

/// One of the ways to log in, or some: the others are not tried, whether they would work or not.
#[test]
#[cfg(unix)]
fn azure_logins_that_are_chosen() {
    let (server, machine) = (azure::start(), azure::start_machine());
    let scratch = Scratch::new();
    scratch.write("token", "a.b.c");
    for (program, token) in [("az", "accessToken"), ("azd", "token")] {
        let says = format!("#!/bin/sh\necho '{{\"{token}\": \"azure-access-token\"}}'\n");
        scratch.write(&format!("good-{program}/{program}"), says);
        scratch.write(&format!("bad-{program}/{program}"), "#!/bin/sh\nexit 1\n");
        for folder in ["good", "bad"] {
            set_executable(&scratch, &format!("{folder}-{program}/{program}"));
        }
    }
    let ways = [
        "EnvironmentCredential",
        "WorkloadIdentityCredential",
        "ManagedIdentityCredential",
        "AzureCLICredential",
        "AzureDeveloperCLICredential",
    ];
    let path = env::var("PATH").expect("a path");
    let run = |choice: &str, good: &dyn Fn(usize) -> bool| {
        let pick = |way, yes: &str, no: &str| text(if good(way) { yes } else { no });
        let folder = |way, program: &str| {
            let name = pick(way, "good", "bad") + "-" + program;
            scratch.path(&name).display().to_string()
        };
        let mut variables = azure::settings(&server);
        variables.extend([
            ("AZURE_TOKEN_CREDENTIALS", text(choice)),
            ("AZURE_CLIENT_SECRET", pick(0, azure::SECRET, "nonsense")),
            (
                "AZURE_FEDERATED_TOKEN_FILE",
                scratch
                    .path(&pick(1, "token", "missing"))
                    .display()
                    .to_string(),
            ),
            ("IDENTITY_ENDPOINT", format!("{}/msi/token", machine.url())),
            (
                "IDENTITY_HEADER",
                pick(2, azure::IDENTITY_HEADER, "nonsense"),
            ),
            (
                "PATH",
                format!("{}:{}:{path}", folder(3, "az"), folder(4, "azd")),
            ),
        ]);
        encrypt_for_azure(&variables)
    };
    for (chosen, way) in ways.into_iter().enumerate() {
        for name in [way, &way.to_lowercase()] {
            run(name, &|way| way == chosen).ok();
            assert_eq!(run(name, &|way| way != chosen).code, 1, "{name}");
        }
    }
    // The first that there is decides; one that is there and fails ends the search.
    for (choice, good, code) in [
        ("prod", 0, 0),
        ("prod", 1, 1),
        ("prod", 3, 1),
        ("dev", 3, 0),
        ("dev", 4, 0),
        ("dev", 0, 1),
    ] {
        let ran = run(choice, &|way| way == good);
        assert_eq!(ran.code, code, "{choice} {good}: {}", ran.stderr);
    }
    let ran = run("NoSuchCredential", &|_| true);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("ManagedIdentityCredential"),
        "{}",
        ran.stderr
    );
}

/// Encrypts for a key of Azure with ours.
fn encrypt_for_azure(variables: &[(&str, String)]) -> Ran {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let key = format!("{}/keys/sops/{}", azure::VAULT, azure::VERSIONS[1]);
    let arguments = ["encrypt", "-i", "--azure-kv", &key, "f.yaml"];
    let ran = run(&scratch, Program::Ours, &arguments, variables);
    assert_eq!(scratch.read("f.yaml") == PLAIN, ran.code != 0);
    ran
}

/// What is said when that fails.
#[track_caller]
fn fails_for_azure(variables: &[(&str, String)]) -> String {
    let ran = encrypt_for_azure(variables);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    ran.stderr
}

#[cfg(unix)]
fn set_executable(scratch: &Scratch, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o700)).expect("set");
}

#[cfg(not(unix))]
fn set_executable(_: &Scratch, _: &str) {}

/// The servers made for the tests are what the official clients expect.
#[test]
fn official_clients() {
    let Some(python) = env::var_os("SOPS_TEST_CLOUD_CLIENTS") else {
        skip("a python with the clients of clouds (SOPS_TEST_CLOUD_CLIENTS)");
        return;
    };
    let script = |name: &str, variables: &[(&str, String)]| {
        let mut command = Command::new(&python);
        command.arg(testdata(&format!("peers/{name}.py")));
        for (name, value) in variables {
            command.env(name, value);
        }
        let Output { status, stderr, .. } = command.output().expect("Python starts");
        assert!(
            status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&stderr)
        );
    };
    let server = google::start();
    script(
        "google_cloud_kms",
        &[
            ("ENDPOINT", server.url()),
            ("TOKEN", text(google::TOKEN)),
            ("KEY", text(google::KEY)),
        ],
    );
    let server = GoogleGrpc::start(Fault::None);
    script(
        "google_cloud_kms_grpc",
        &[
            ("ENDPOINT", server.address()),
            ("TOKEN", text(google::TOKEN)),
            ("KEY", text(google::KEY)),
            ("CA", testdata("cloud/ca.pem").display().to_string()),
        ],
    );
    let server = azure::start();
    let mut variables = azure::settings(&server);
    variables.push(("AZURE_CLIENT_SECRET", text(azure::SECRET)));
    variables.push((
        "REQUESTS_CA_BUNDLE",
        testdata("cloud/ca.pem").display().to_string(),
    ));
    script("azure_key_vault", &variables);
}
