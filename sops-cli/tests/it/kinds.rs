//! What is the same for keys of every service: the places that name them, and what happens when nobody answers.

use std::{
    process::Child,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    servers::{
        amazon, azure,
        clouds::{Clouds, HUAWEI_KEY, VAULT_TOKEN, huawei, transit},
        google,
        web::{Reply, Web},
    },
    support::{Program, Ran, Scratch, testdata},
};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";

/// Runs ours without any identity of age.
fn run(scratch: &Scratch, arguments: &[&str], settings: &[(&'static str, String)]) -> Ran {
    let mut command = scratch.command(Program::Ours);
    command.args(arguments).env_remove("SOPS_AGE_KEY_FILE");
    for (name, value) in settings {
        command.env(name, value);
    }
    command.output().expect("the program starts").into()
}

/// In a flag, in a variable, in a rule, and in the groups of a rule.
#[test]
fn named_everywhere() {
    let clouds = Clouds::start();
    let settings = clouds.settings();
    for kind in clouds.kinds() {
        let scratch = Scratch::new();
        let flag = format!("--{}", kind.flag);
        let rule = match kind.rule {
            // The reference takes no text here.
            "hckms" => format!("hckms: ['{}']", kind.key),
            rule => format!("{rule}: '{}'", kind.key),
        };
        let in_groups = format!("key_groups: [{{{}}}]", kind.group);
        for (rule, flags, variable) in [
            ("", &[flag.as_str(), &kind.key][..], None),
            ("", &[], Some((kind.variable, kind.key.clone()))),
            (&rule, &[], None),
            (&in_groups, &[], None),
        ] {
            let config = match rule {
                "" => "creation_rules: []\n".to_owned(),
                rule => format!("creation_rules:\n  - {rule}\n"),
            };
            scratch.write(".sops.yaml", config);
            scratch.write("f.yaml", PLAIN);
            let arguments = [&["encrypt", "-i"], flags, &["f.yaml"]].concat();
            let mut settings = settings.clone();
            settings.extend(variable);
            run(&scratch, &arguments, &settings).ok();
            let text = scratch.read_text("f.yaml");
            assert!(text.contains(kind.metadata), "{text}");
            let decrypted = run(&scratch, &["decrypt", "f.yaml"], &settings);
            assert_eq!(decrypted.ok(), PLAIN);
        }
    }
}

/// `--add-X` adds a key that decrypts, and `--rm-X` takes it away again.
#[test]
fn added_and_removed() {
    let clouds = Clouds::start();
    let settings = clouds.settings();
    let with_age = |more: &[(&'static str, String)]| {
        let identities = testdata("golden/keys/age.txt").display().to_string();
        [more, &[("SOPS_AGE_KEY_FILE", identities)]].concat()
    };
    for kind in clouds.kinds() {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Program::Ours, "f.yaml", PLAIN).ok();
        scratch.write("f.yaml", &encrypted);
        let add = [
            "rotate",
            "-i",
            &format!("--add-{}", kind.flag),
            &kind.key,
            "f.yaml",
        ];
        // `run` removes identities before it sets what it gets.
        run(&scratch, &add, &with_age(&settings)).ok();
        assert_eq!(run(&scratch, &["decrypt", "f.yaml"], &settings).ok(), PLAIN);
        let remove = [
            "rotate",
            "-i",
            &format!("--rm-{}", kind.flag),
            &kind.key,
            "f.yaml",
        ];
        run(&scratch, &remove, &settings).ok();
        let text = scratch.read_text("f.yaml");
        assert!(!text.contains(kind.metadata), "{text}");
        let ran = run(&scratch, &["decrypt", "f.yaml"], &settings);
        assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);
        let decrypted = run(&scratch, &["decrypt", "f.yaml"], &with_age(&[]));
        assert_eq!(decrypted.ok(), PLAIN);
    }
}

/// The settings under which every service is the one server.
fn all_at(server: &Web) -> Vec<(&'static str, String)> {
    let clouds = server.url();
    let text = str::to_owned;
    let mut all = amazon::settings(clouds.clone());
    all.extend([
        ("SOPS_GCP_KMS_ENDPOINT", clouds.clone()),
        ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
        ("HTTPS_PROXY", clouds.clone()),
        (
            "SSL_CERT_FILE",
            testdata("cloud/ca.pem").display().to_string(),
        ),
        ("AZURE_TENANT_ID", text(azure::TENANT)),
        ("AZURE_CLIENT_ID", text(azure::CLIENT)),
        ("AZURE_CLIENT_SECRET", text(azure::SECRET)),
        ("VAULT_TOKEN", text(VAULT_TOKEN)),
        ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", clouds),
        ("HUAWEICLOUD_SDK_AK", text("AK")),
        ("HUAWEICLOUD_SDK_SK", text("SK")),
        ("HUAWEICLOUD_SDK_PROJECT_ID", text("p")),
    ]);
    all
}

/// A key of each service, all of them at the one server.
fn keys_at(server: &Web) -> [(&'static str, String); 5] {
    [
        ("--kms", amazon::KEY.to_owned()),
        ("--gcp-kms", google::KEY.to_owned()),
        (
            "--azure-kv",
            format!("{}/keys/sops/{}", azure::VAULT, azure::VERSIONS[1]),
        ),
        (
            "--hc-vault-transit",
            format!("{}/v1/transit/keys/sops", server.url()),
        ),
        ("--hckms", HUAWEI_KEY.to_owned()),
    ]
}

/// A server that says nothing, half of something, nonsense, or no.
#[test]
fn faults_of_every_service() {
    let plain = |status, json: serde_json::Value| Reply::Json(status, json);
    for reply in [
        Reply::Silence,
        Reply::Half,
        Reply::Hangup,
        Reply::With(200, vec![], b"<html>".to_vec()),
        plain(200, serde_json::json!({})),
        plain(403, serde_json::json!({"message": "no"})),
        plain(429, serde_json::json!({})),
        plain(503, serde_json::json!({})),
    ] {
        let shown = format!("{reply:?}");
        let server = Web::start(move |_| reply.clone());
        let mut settings = all_at(&server);
        settings.push(("SOPS_KEY_TIMEOUT", "1".to_owned()));
        for (flag, key) in keys_at(&server) {
            let scratch = Scratch::new();
            scratch.write("f.yaml", PLAIN);
            let start = Instant::now();
            let ran = run(
                &scratch,
                &["encrypt", "-i", flag, &key, "f.yaml"],
                &settings,
            );
            let case = format!("{flag} {shown}: {}", ran.stderr);
            assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{case}");
            assert_eq!(scratch.read("f.yaml"), PLAIN, "{case}");
            assert!(start.elapsed() < Duration::from_secs(20), "{case}");
            for secret in [
                google::TOKEN,
                azure::SECRET,
                amazon::SECRET,
                VAULT_TOKEN,
                "AWS4-HMAC",
                "authorization",
            ] {
                assert!(!ran.stderr.contains(secret), "{case}");
            }
            assert!(ran.stderr.contains(&key), "{case}");
        }
    }
}

/// Nobody listens.
#[test]
fn every_service_is_down() {
    let gone = Web::start(|_| Reply::Hangup);
    let (mut settings, keys) = (all_at(&gone), keys_at(&gone));
    drop(gone);
    settings.push(("SOPS_KEY_TIMEOUT", "5".to_owned()));
    for (flag, key) in keys {
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let start = Instant::now();
        let ran = run(
            &scratch,
            &["encrypt", "-i", flag, &key, "f.yaml"],
            &settings,
        );
        assert_eq!(
            (ran.code, ran.stdout.len()),
            (1, 0),
            "{flag}: {}",
            ran.stderr
        );
        assert!(ran.stderr.contains(&key), "{flag}: {}", ran.stderr);
        assert!(start.elapsed() < Duration::from_secs(20), "{flag}");
        assert_eq!(scratch.read("f.yaml"), PLAIN);
    }
}

/// Busy or broken for a moment.
#[test]
fn every_service_is_asked_again() {
    use std::sync::atomic::{AtomicBool, Ordering};

    for status in [429, 500, 503] {
        let is_first = AtomicBool::new(true);
        let is_first = std::sync::Arc::new(is_first);
        let flag = std::sync::Arc::clone(&is_first);
        let google = google::answering();
        let server = Web::start(move |asked| {
            // Not the login, but the call.
            if !asked.path().ends_with("/token") && flag.swap(false, Ordering::Relaxed) {
                return Reply::With(status, vec![("Retry-After", "0".to_owned())], vec![]);
            }
            match asked.path() {
                path if path.contains("/transit/") => transit(asked),
                path if path.contains("-data") => huawei(asked),
                path if path.starts_with("/v1/projects/") => google(asked),
                _ => amazon::answer(asked, &amazon::USERS),
            }
        });
        let mut settings = all_at(&server);
        settings.push(("SOPS_KEY_TIMEOUT", "20".to_owned()));
        for (flag, key) in keys_at(&server) {
            if flag == "--azure-kv" {
                // Has a server of its own, below.
                continue;
            }
            is_first.store(true, Ordering::Relaxed);
            let scratch = Scratch::new();
            scratch.write("f.yaml", PLAIN);
            let encrypt = ["encrypt", "-i", flag, &key, "f.yaml"];
            run(&scratch, &encrypt, &settings).ok();
            assert!(!is_first.load(Ordering::Relaxed), "{flag} {status}");
            let decrypted = run(&scratch, &["decrypt", "f.yaml"], &settings);
            assert_eq!(decrypted.ok(), PLAIN);
        }
        is_first.store(true, Ordering::Relaxed);
        let azure = azure::answering();
        let flag = std::sync::Arc::clone(&is_first);
        let server = Web::start(move |asked| {
            match asked.path().contains("/encrypt") && flag.swap(false, Ordering::Relaxed) {
                true => Reply::Json(status, serde_json::json!({})),
                false => azure(asked),
            }
        });
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let [_, _, (flag, key), ..] = keys_at(&server);
        let encrypt = ["encrypt", "-i", flag, &key, "f.yaml"];
        run(&scratch, &encrypt, &all_at(&server)).ok();
        assert!(!is_first.load(Ordering::Relaxed), "{status}");
    }
}

/// Nothing is sent to a server whose certificate nobody trusts here; one that is named is trusted.
#[test]
fn every_service_has_to_be_trusted() {
    let google = google::answering();
    let server = Web::start(move |asked| match asked.path() {
        path if path.contains("/transit/") => transit(asked),
        path if path.contains("-data") => huawei(asked),
        path if path.starts_with("/v1/projects/") => google(asked),
        _ => amazon::answer(asked, &amazon::USERS),
    });
    // A name that is in the certificate, and leads there by the proxy only.
    let named = "https://vault.example".to_owned();
    let mut settings = all_at(&server);
    for (name, value) in &mut settings {
        let is_address = ["AWS_ENDPOINT_URL", "SOPS_GCP_KMS_ENDPOINT"].contains(name)
            || name.starts_with("HUAWEICLOUD_SDK_REGION");
        if is_address {
            value.clone_from(&named);
        }
    }
    let ca = testdata("cloud/ca.pem").display().to_string();
    settings.push(("AWS_CA_BUNDLE", ca));
    let mut untrusting = settings.clone();
    untrusting.retain(|(name, _)| !["SSL_CERT_FILE", "AWS_CA_BUNDLE"].contains(name));
    for (flag, key) in keys_at(&server) {
        let key = match flag {
            "--hc-vault-transit" => format!("{named}/v1/transit/keys/sops"),
            "--azure-kv" => continue,
            _ => key,
        };
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let encrypt = ["encrypt", "-i", flag, &key, "f.yaml"];
        let before = server.calls();
        let ran = run(&scratch, &encrypt, &untrusting);
        assert_eq!(
            (ran.code, ran.stdout.len()),
            (1, 0),
            "{flag}: {}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("certificate") || ran.stderr.contains("trusted"),
            "{flag}: {}",
            ran.stderr
        );
        assert_eq!(scratch.read("f.yaml"), PLAIN);
        assert_eq!(server.calls(), before);
        run(&scratch, &encrypt, &settings).ok();
        assert!(server.calls() > before, "{flag}");
    }
}

/// Ctrl-C ends the wait for a server at once, and leaves the file as it was.
#[test]
fn an_interrupt_ends_every_wait() {
    let server = Web::start(|_| Reply::Silence);
    let settings = all_at(&server);
    for (flag, key) in keys_at(&server) {
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let before = server.connections();
        let mut command = scratch.command(Program::Ours);
        command.args(["encrypt", "-i", flag, &key, "f.yaml"]);
        for (name, value) in &settings {
            command.env(name, value);
        }
        let child = command.spawn().expect("the program starts");
        let start = Instant::now();
        while server.connections() == before {
            assert!(start.elapsed() < Duration::from_secs(20), "{flag}");
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        assert_ne!(interrupt(child).code, 0, "{flag}");
        assert!(start.elapsed() < Duration::from_secs(5), "{flag}");
        assert_eq!(scratch.read("f.yaml"), PLAIN);
        scratch.assert_nothing_left();
    }
}

fn interrupt(child: Child) -> Ran {
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    Ran::of(child)
}
