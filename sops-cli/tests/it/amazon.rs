//! As whom AWS is asked, and what it refuses; moto, which encrypts, has its own tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    servers::{
        amazon::{self, KEY, SECRET, USERS},
        web::{Reply, Web},
    },
    support::{Program, Ran, Scratch},
};

const PLAIN: &[u8] = b"password: opensesame\n";

fn run(scratch: &Scratch, arguments: &[&str], settings: &[(&'static str, String)]) -> Ran {
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    scratch.run_with(Program::Ours, arguments, settings, None)
}

#[track_caller]
fn goes_there_and_back(scratch: &Scratch, more: &[&str], settings: &[(&'static str, String)]) {
    scratch.write("f.yaml", PLAIN);
    let arguments = [&["encrypt", "-i", "--kms", KEY], more, &["f.yaml"]].concat();
    run(scratch, &arguments, settings).ok();
    let decrypted = run(scratch, &["decrypt", "f.yaml"], settings);
    assert_eq!(decrypted.ok(), PLAIN);
}

/// The settings without what is in the environment.
fn nobody(server: &Web) -> Vec<(&'static str, String)> {
    let mut settings = amazon::settings(server.url());
    settings.retain(|(name, _)| !["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(name));
    settings
}

#[test]
fn a_profile_that_is_named() {
    let server = amazon::start(&USERS[1..2]);
    let settings = amazon::settings(server.url());
    let scratch = Scratch::new();
    let credentials = format!(
        "[other]\naws_access_key_id = {}\naws_secret_access_key = {SECRET}\n",
        USERS[1]
    );
    scratch.write("../home/.aws/credentials", credentials);
    // What is in the environment is somebody else, whom the server does not know.
    let encrypt = ["encrypt", "--kms", KEY, "f.yaml"];
    scratch.write("f.yaml", PLAIN);
    let ran = run(&scratch, &encrypt, &settings);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("UnrecognizedClient"), "{}", ran.stderr);
    goes_there_and_back(&scratch, &["--aws-profile", "other"], &settings);
    assert!(scratch.read_text("f.yaml").contains("aws_profile: other"));
    for rule in [
        format!("{{kms: '{KEY}', aws_profile: other}}"),
        format!("{{key_groups: [{{kms: [{{arn: '{KEY}', aws_profile: other}}]}}]}}"),
    ] {
        scratch.write(".sops.yaml", format!("creation_rules:\n  - {rule}\n"));
        scratch.write("f.yaml", PLAIN);
        run(&scratch, &["encrypt", "-i", "f.yaml"], &settings).ok();
        assert_eq!(run(&scratch, &["decrypt", "f.yaml"], &settings).ok(), PLAIN);
    }
    let mut by_variable = nobody(&server);
    by_variable.push(("AWS_PROFILE", "other".to_owned()));
    goes_there_and_back(&scratch, &[], &by_variable);

    let missing = [
        "encrypt",
        "--aws-profile",
        "missing",
        "--kms",
        KEY,
        "f.yaml",
    ];
    scratch.write("f.yaml", PLAIN);
    let ran = run(&scratch, &missing, &settings);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    assert!(
        ran.stderr.contains("the AWS profile missing"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_web_identity_and_a_container() {
    let scratch = Scratch::new();
    let server = amazon::start(&USERS[2..3]);
    let token = scratch.write("token", "a.b.c").display().to_string();
    let mut settings = nobody(&server);
    settings.extend([
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
        (
            "AWS_ROLE_ARN",
            "arn:aws:iam::111122223333:role/sops".to_owned(),
        ),
    ]);
    goes_there_and_back(&scratch, &[], &settings);
    scratch.write("token", "wrong");
    let ran = run(&scratch, &["decrypt", "f.yaml"], &settings);
    assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);

    let server = amazon::start(&USERS[3..4]);
    let mut settings = nobody(&server);
    settings.extend([
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/container", server.url()),
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "container-token".to_owned(),
        ),
    ]);
    goes_there_and_back(&scratch, &[], &settings);
}

#[test]
fn a_machine_of_ec2() {
    let server = amazon::start(&USERS[4..5]);
    let mut settings = nobody(&server);
    settings.retain(|(name, _)| *name != "AWS_EC2_METADATA_DISABLED");
    settings.push(("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url()));
    let scratch = Scratch::new();
    goes_there_and_back(&scratch, &[], &settings);
    // A machine without a role, and what is no such machine.
    let bare = Web::start(|asked| match asked.path() {
        "/latest/api/token" => amazon::answer(asked, &[]),
        _ => Reply::With(404, vec![], vec![]),
    });
    for metadata in [bare.url(), "http://127.0.0.1:1".to_owned()] {
        let mut settings = settings.clone();
        settings.push(("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata));
        let ran = run(&scratch, &["decrypt", "f.yaml"], &settings);
        assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("there are no credentials for AWS"),
            "{}",
            ran.stderr
        );
    }
}

/// Whoever is logged in to IAM Identity Center with `aws sso login`; the names of the files are hashes of the session and
/// of the address.
#[test]
fn somebody_who_is_logged_in() {
    const SESSION: &str = "e274eeff768c6396088ec6eb091f4bf4d47ab1e0";
    const ADDRESS: &str = "98df91031e87f97bfc088c045be6442dc5d70b2a";

    let server = amazon::start(&USERS[5..6]);
    let mut settings = nobody(&server);
    settings.push(("AWS_ENDPOINT_URL_SSO", server.url()));
    for (name, profile) in [
        (SESSION, "sso_session = work\n"),
        (
            ADDRESS,
            "sso_start_url = https://sso.example/start\nsso_region = us-east-1\n",
        ),
    ] {
        let scratch = Scratch::new();
        let config = format!(
            "[profile sso]\n{profile}sso_account_id = 111122223333\nsso_role_name = sops\nregion = us-east-1\n\
             [sso-session work]\nsso_start_url = https://sso.example/start\nsso_region = us-east-1\n"
        );
        scratch.write("../home/.aws/config", config);
        let token = |token: &str, expires: &str| {
            let token = format!(
                r#"{{"accessToken": "{token}", "expiresAt": "{expires}", "region": "us-east-1", "startUrl": "https://sso.example/start"}}"#
            );
            scratch.write(&format!("../home/.aws/sso/cache/{name}.json"), token);
        };
        token(amazon::SSO_TOKEN, "2126-01-01T00:00:00Z");
        goes_there_and_back(&scratch, &["--aws-profile", "sso"], &settings);
        for (secret, expires) in [
            ("expired-token", "2025-01-01T00:00:00Z"),
            ("withdrawn-token", "2126-01-01T00:00:00Z"),
        ] {
            token(secret, expires);
            let ran = run(&scratch, &["decrypt", "f.yaml"], &settings);
            assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);
            assert!(
                ran.stderr.contains("`aws sso login`"),
                "{expires}: {}",
                ran.stderr
            );
            assert!(!ran.stderr.contains(secret), "{}", ran.stderr);
        }
    }
}

/// KMS has a name for it; what stands before it may have no more than the status.
#[test]
fn too_many_calls() {
    for refusal in [
        amazon::refuse("ThrottlingException"),
        Reply::With(429, vec![], vec![]),
        Reply::With(429, vec![], b"<html>".to_vec()),
    ] {
        for (count, code) in [(2, 0), (usize::MAX, 1)] {
            let (refusal, calls) = (refusal.clone(), AtomicUsize::new(0));
            let server = Web::start(move |asked| match calls.fetch_add(1, Ordering::Relaxed) {
                call if call < count => refusal.clone(),
                _ => amazon::answer(asked, &USERS),
            });
            let scratch = Scratch::new();
            scratch.write("f.yaml", PLAIN);
            let encrypt = ["encrypt", "-i", "--kms", KEY, "f.yaml"];
            let ran = run(&scratch, &encrypt, &amazon::settings(server.url()));
            assert_eq!(ran.code, code, "{}", ran.stderr);
            assert_eq!(scratch.read("f.yaml") == PLAIN, code != 0);
            assert_eq!(server.calls(), if code == 0 { 3 } else { 4 });
            assert_eq!(ran.stderr.contains("try again later"), code != 0);
        }
    }
}

#[test]
fn the_encryption_context_has_to_fit() {
    let server = amazon::start(&USERS);
    let settings = amazon::settings(server.url());
    let scratch = Scratch::new();
    goes_there_and_back(
        &scratch,
        &["--encryption-context", "app:web,env:prod"],
        &settings,
    );
    let text = scratch
        .read_text("f.yaml")
        .replace("env: prod", "env: test");
    scratch.write("f.yaml", text);
    let ran = run(&scratch, &["decrypt", "f.yaml"], &settings);
    assert_eq!((ran.code, ran.stdout.len()), (128, 0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("another encryption context"),
        "{}",
        ran.stderr
    );
    // One for all keys of a rule, and one of a key.
    let rule = format!("{{key_groups: [{{kms: [{{arn: '{KEY}', context: {{app: x}}}}]}}]}}");
    scratch.write(".sops.yaml", format!("creation_rules:\n  - {rule}\n"));
    scratch.write("f.yaml", PLAIN);
    run(&scratch, &["encrypt", "-i", "f.yaml"], &settings).ok();
    assert!(scratch.read_text("f.yaml").contains("app: x"));
    assert_eq!(run(&scratch, &["decrypt", "f.yaml"], &settings).ok(), PLAIN);
}

#[test]
fn refusals_say_what_to_do() {
    for (code, words) in [
        ("AccessDeniedException", "does a policy allow kms:Encrypt"),
        ("NotFoundException", "does the key exist"),
        ("DisabledException", "the key is disabled"),
        ("KMSInvalidStateException", "about to be deleted"),
        ("ExpiredTokenException", "log in again"),
        ("InvalidSignatureException", "the credentials are not valid"),
        ("ThrottlingException", "try again later"),
    ] {
        let server = Web::start(move |_| match code {
            "ThrottlingException" => Reply::Json(400, serde_json::json!({"__type": code})),
            code => amazon::refuse(code),
        });
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let encrypt = ["encrypt", "-i", "--kms", KEY, "f.yaml"];
        let ran = run(&scratch, &encrypt, &amazon::settings(server.url()));
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{code}: {}", ran.stderr);
        assert!(ran.stderr.contains(code), "{code}: {}", ran.stderr);
        assert!(!ran.stderr.contains(SECRET), "{code}: {}", ran.stderr);
        assert_eq!(scratch.read("f.yaml"), PLAIN);
    }
}
