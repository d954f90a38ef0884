//! Several calls to servers: at the same time, over connections that are kept, and none that is not needed.

use std::{
    sync::{Arc, Condvar, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    servers::{
        clouds::{VAULT_TOKEN, transit},
        web::{Reply, Web},
    },
    support::{Program, Ran, Scratch},
};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";

fn run(scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let common = [("VAULT_TOKEN", VAULT_TOKEN), ("SOPS_KEY_TIMEOUT", "2")];
    let variables = common.into_iter().chain(variables.iter().copied());
    scratch.run_with(Program::Ours, arguments, variables, None)
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
