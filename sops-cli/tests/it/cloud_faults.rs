//! Servers that are down, slow, overloaded, not to be trusted, or half done: nothing hangs, and nothing is written.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    servers::web::{Asked, Reply, Web},
    support::{Program, Ran, Scratch, testdata},
};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";
const TOKEN: &str = "hvs.a-token-of-nobody";

/// What a transit engine does, with no cryptography.
fn transit(asked: &Asked) -> Reply {
    let body = asked.json();
    if asked.header("x-vault-token") != TOKEN {
        return Reply::Json(403, json!({"errors": ["permission denied"]}));
    }
    match asked.path() {
        path if path.contains("/encrypt/") => {
            let text = body["plaintext"].as_str().unwrap_or_default();
            Reply::Json(
                200,
                json!({"data": {"ciphertext": format!("vault:v1:{text}")}}),
            )
        }
        _ => {
            let text = body["ciphertext"].as_str().unwrap_or_default();
            Reply::Json(
                200,
                json!({"data": {"plaintext": text.trim_start_matches("vault:v1:")}}),
            )
        }
    }
}

fn run(scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let common = [("VAULT_TOKEN", TOKEN), ("SOPS_KEY_TIMEOUT", "2")];
    let variables = common.into_iter().chain(variables.iter().copied());
    scratch.run_with(Program::Ours, arguments, variables, None)
}

fn encrypt(url: &str, variables: &[(&str, &str)]) -> (Ran, Scratch) {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let key = format!("{url}/v1/transit/keys/sops");
    let ran = run(
        &scratch,
        &["encrypt", "-i", "--hc-vault-transit", &key, "f.yaml"],
        variables,
    );
    (ran, scratch)
}

/// Fails, soon, with these words, and with the file as it was.
#[track_caller]
fn fails(url: &str, variables: &[(&str, &str)], words: &str) {
    let start = Instant::now();
    let (ran, scratch) = encrypt(url, variables);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    assert!(ran.stderr.contains("hc_vault"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(TOKEN), "{}", ran.stderr);
    assert_eq!(scratch.read("f.yaml"), PLAIN);
    assert!(start.elapsed() < Duration::from_secs(30), "{words}");
}

#[test]
fn what_does_not_work() {
    for (reply, words) in [
        (Reply::Silence, "no answer within 2 s"),
        (Reply::Half, "before the answer ended"),
        (Reply::Hangup, "cannot reach Vault"),
        (
            Reply::Json(200, json!({"data": {}})),
            "not what Vault answers",
        ),
        (
            Reply::Json(200, json!({"data": {"ciphertext": ""}})),
            "not what Vault answers",
        ),
        (
            Reply::With(200, vec![], b"<html>".to_vec()),
            "not what Vault answers",
        ),
        (Reply::With(200, vec![], vec![b' '; 3 << 20]), "too long"),
        (
            Reply::Json(503, json!({"errors": ["Vault is sealed"]})),
            "Vault is sealed",
        ),
        (
            Reply::Json(429, json!({"errors": ["slow\u{1b}[31m down\n"]})),
            "slow[31m down",
        ),
        (
            Reply::Json(403, json!({"errors": ["permission denied"]})),
            "with the token from VAULT_TOKEN",
        ),
        (
            Reply::With(
                307,
                vec![("Location", "http://127.0.0.1:1/v1/x".to_owned())],
                vec![],
            ),
            "cannot reach Vault at http://127.0.0.1:1",
        ),
        (
            Reply::With(307, vec![("Location", "ftp://x/".to_owned())], vec![]),
            "refers to another server",
        ),
    ] {
        let server = Web::start(move |_| reply.clone());
        fails(&server.url(), &[], words);
    }
    fails("http://127.0.0.1:1", &[], "connection refused");
    fails("http://no-such-host.invalid", &[], "cannot be resolved");
}

#[test]
fn what_passes() {
    for (name, fault) in [
        (
            "429",
            Reply::With(429, vec![("Retry-After", "0".to_owned())], vec![]),
        ),
        ("500", Reply::Json(500, json!({}))),
        ("503", Reply::Json(503, json!({}))),
        ("half", Reply::Half),
        ("hangup", Reply::Hangup),
    ] {
        let count = AtomicUsize::new(0);
        let server = Web::start(move |asked| match count.fetch_add(1, Ordering::Relaxed) {
            0 => fault.clone(),
            _ => transit(asked),
        });
        let (ran, scratch) = encrypt(&server.url(), &[]);
        ran.ok();
        assert_eq!(
            run(&scratch, &["decrypt", "f.yaml"], &[]).ok(),
            PLAIN,
            "{name}"
        );
    }
}

#[test]
fn tls() {
    let file = |name: &str| testdata(&format!("tls/{name}")).display().to_string();
    let (authority, certificate, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    let server = Web::start(transit);
    let url = server.tls_url();
    fails(&url, &[], "TLS failed");
    fails(
        &url,
        &[("VAULT_CACERT", "/no/such/file")],
        "cannot read /no/such/file",
    );
    fails(&url, &[("VAULT_CACERT", &key)], "there is no certificate");
    fails(&url, &[("VAULT_CACERT", &certificate)], "TLS failed");
    fails(
        &url,
        &[
            ("VAULT_CACERT", &authority),
            ("VAULT_TLS_SERVER_NAME", "elsewhere.example"),
        ],
        "TLS failed",
    );
    fails(
        &url,
        &[
            ("VAULT_CACERT", &authority),
            ("VAULT_CLIENT_CERT", &certificate),
        ],
        "only one of",
    );
    assert_eq!(server.calls(), 0);
    let (authority, certificate, key) = (authority.as_str(), certificate.as_str(), key.as_str());
    let trusted: [&[(&str, &str)]; 5] = [
        &[("VAULT_CACERT", authority)],
        &[("SSL_CERT_FILE", authority)],
        &[("VAULT_SKIP_VERIFY", "true")],
        &[
            ("VAULT_CACERT", authority),
            ("VAULT_TLS_SERVER_NAME", "vault.example"),
        ],
        &[
            ("VAULT_CACERT", authority),
            ("VAULT_CLIENT_CERT", certificate),
            ("VAULT_CLIENT_KEY", key),
        ],
    ];
    for variables in trusted {
        encrypt(&url, variables).0.ok();
    }

    let strict = Web::start_with_mutual_tls(transit);
    fails(
        &strict.tls_url(),
        &[("VAULT_CACERT", authority)],
        "cannot reach Vault",
    );
    let other = file("server.key");
    let mixed = [
        ("VAULT_CACERT", authority),
        ("VAULT_CLIENT_CERT", &certificate),
        ("VAULT_CLIENT_KEY", &other),
    ];
    fails(&strict.tls_url(), &mixed, "cannot be used");
    let right = [
        ("VAULT_CACERT", authority),
        ("VAULT_CLIENT_CERT", &certificate),
        ("VAULT_CLIENT_KEY", &key),
    ];
    encrypt(&strict.tls_url(), &right).0.ok();
}

/// A server that stands by names the one that works, if that is one that may be asked.
#[test]
fn redirections() {
    let active = Web::start(transit);
    let (url, tls_url) = (active.url(), active.tls_url());
    let target = url.clone();
    let standby = Web::start(move |asked| {
        let location = format!("{target}{}", asked.target);
        Reply::With(307, vec![("Location", location)], vec![])
    });
    encrypt(&standby.url(), &[]).0.ok();
    let own = standby.url();
    fails(
        &own,
        &[("SOPS_HC_VAULT_ALLOWLIST", &own)],
        "SOPS_HC_VAULT_ALLOWLIST does not allow",
    );
    let both = format!("{own},{url}");
    encrypt(&own, &[("SOPS_HC_VAULT_ALLOWLIST", &both)]).0.ok();
    let authority = testdata("tls/ca.pem").display().to_string();
    let standby_tls = standby.tls_url();
    fails(
        &standby_tls,
        &[("VAULT_CACERT", &authority)],
        "unsafe to send the token",
    );
    assert!(tls_url.starts_with("https"));
}

/// Five keys are wrapped at the same time: the server answers none before it has all.
#[test]
fn keys_are_wrapped_at_the_same_time() {
    let waiting = Arc::new((Mutex::new(0), Condvar::new()));
    let server = Web::start(move |asked| {
        let (count, changed) = &*waiting;
        let mut count = count.lock().expect("a number");
        *count += 1;
        changed.notify_all();
        let limit = Duration::from_secs(20);
        let (count, _) = changed
            .wait_timeout_while(count, limit, |count| *count < 5)
            .expect("a number");
        match *count {
            5.. => transit(asked),
            _ => Reply::Json(400, json!({"errors": ["one after the other"]})),
        }
    });
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let keys: Vec<_> = (0..5)
        .map(|number| format!("{}/v1/transit/keys/k{number}", server.url()))
        .collect();
    let arguments = [
        "encrypt",
        "-i",
        "--hc-vault-transit",
        &keys.join(","),
        "f.yaml",
    ];
    run(&scratch, &arguments, &[("SOPS_KEY_TIMEOUT", "60")]).ok();
    let text = scratch.read_text("f.yaml");
    let places: Vec<_> = (0..5)
        .map(|number| text.find(&format!("key_name: k{number}")))
        .collect();
    assert!(places.is_sorted() && places[0].is_some(), "{text}");
}

/// One key that does not answer does not keep another from answering, and local keys ask nobody.
#[test]
fn slow_keys_are_overtaken() {
    let slow = Web::start(|asked| match asked.path().contains("/decrypt/") {
        true => Reply::Silence,
        false => transit(asked),
    });
    let fast = Web::start(transit);
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let keys = [&slow, &fast]
        .map(|server| format!("{}/v1/transit/keys/sops", server.url()))
        .join(",");
    run(
        &scratch,
        &["encrypt", "-i", "--hc-vault-transit", &keys, "f.yaml"],
        &[],
    )
    .ok();
    let start = Instant::now();
    let ran = run(
        &scratch,
        &["decrypt", "f.yaml"],
        &[("SOPS_KEY_TIMEOUT", "60")],
    );
    assert_eq!(ran.ok(), PLAIN);
    assert!(start.elapsed() < Duration::from_secs(30));

    scratch.write("g.yaml", PLAIN);
    let age = [
        "encrypt",
        "-i",
        "--age",
        crate::support::RECIPIENT,
        "--hc-vault-transit",
        &keys,
        "g.yaml",
    ];
    run(&scratch, &age, &[]).ok();
    let before = slow.calls() + fast.calls();
    run(&scratch, &["decrypt", "g.yaml"], &[]).ok();
    assert_eq!(slow.calls() + fast.calls(), before);
}

/// Many files are decrypted over a few connections.
#[test]
fn connections_are_kept() {
    let server = Web::start(transit);
    let key = format!("{}/v1/transit/keys/sops", server.url());
    let scratch = Scratch::new();
    let names: Vec<String> = (0..40).map(|number| format!("{number}.yaml")).collect();
    for name in &names {
        scratch.write(name, PLAIN);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let encrypt = [&["encrypt", "-i", "--hc-vault-transit", &key][..], &names].concat();
    run(&scratch, &encrypt, &[("SOPS_KEY_TIMEOUT", "30")]).ok();
    let connections = server.connections.load(Ordering::Relaxed);
    assert!(
        server.calls() >= 40 && connections < 40,
        "{connections} connections"
    );
}

#[test]
fn a_time_limit_that_is_none() {
    let server = Web::start(transit);
    for limit in ["soon", "0", "-1"] {
        let (ran, scratch) = encrypt(&server.url(), &[("SOPS_KEY_TIMEOUT", limit)]);
        assert_eq!(ran.code, 1, "{limit}");
        assert!(ran.stderr.contains("SOPS_KEY_TIMEOUT"), "{}", ran.stderr);
        assert_eq!(scratch.read("f.yaml"), PLAIN);
    }
}
