//! Keys that are there no more, or may not be used: what is said, how fast, and that nothing is written.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use crate::{
    servers::{
        amazon, azure,
        clouds::{HUAWEI_KEY, huawei},
        google,
        google_grpc::{Fault, GoogleGrpc},
        web::{Asked, Reply, Web},
    },
    support::{Program, Ran, Scratch, has_reference},
};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";

type Settings = Vec<(&'static str, String)>;

fn run(scratch: &Scratch, arguments: &[&str], settings: &Settings) -> Ran {
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    scratch.run_with(Program::Ours, arguments, settings, None)
}

/// Encrypts a file while all is well, has the key go away, and sees that everything that needs it says `words`: when
/// encrypting, and when decrypting. `calls` counts those to the service.
fn check(
    flag: &str,
    key: &str,
    settings: &Settings,
    go_away: impl FnOnce(),
    calls: &dyn Fn() -> usize,
    words: [&str; 2],
) {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    scratch.write("new.yaml", PLAIN);
    run(&scratch, &["encrypt", "-i", flag, key, "f.yaml"], settings).ok();
    let encrypted = scratch.read("f.yaml");
    go_away();
    for (arguments, code, words) in [
        (&["encrypt", "-i", flag, key, "new.yaml"][..], 1, words[0]),
        (&["decrypt", "f.yaml"], 128, words[1]),
        (&["decrypt", "-i", "f.yaml"], 128, words[1]),
        (&["set", "f.yaml", "[\"a\"]", "2"], 128, words[1]),
        (&["rotate", "-i", "f.yaml"], 128, words[1]),
    ] {
        let before = calls();
        let ran = run(&scratch, arguments, settings);
        let case = format!("{arguments:?}: {}", ran.stderr);
        assert_eq!((ran.code, ran.stdout.len()), (code, 0), "{case}");
        assert!(ran.stderr.contains(words), "{words}: {case}");
        assert!(ran.stderr.contains(key), "{case}");
        // It is no use to ask again.
        assert!(calls() - before <= 2, "{case}");
        assert_eq!(scratch.read("f.yaml"), encrypted, "{case}");
        assert_eq!(scratch.read("new.yaml"), PLAIN, "{case}");
        scratch.assert_nothing_left();
    }
}

/// A server that refuses what `is_about_the_key`, once it is told to.
struct Refusing {
    server: Web,
    refuses: Arc<AtomicBool>,
}

impl Refusing {
    fn start(
        good: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        is_about_the_key: fn(&Asked) -> bool,
        refusal: Reply,
    ) -> Self {
        let refuses = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&refuses);
        let server = Web::start(move |asked| {
            match flag.load(Ordering::Relaxed) && is_about_the_key(asked) {
                true => refusal.clone(),
                false => good(asked),
            }
        });
        Self { server, refuses }
    }

    fn check(&self, flag: &str, key: &str, settings: &Settings, words: [&str; 2]) {
        check(
            flag,
            key,
            settings,
            || self.refuses.store(true, Ordering::Relaxed),
            &|| self.server.calls(),
            words,
        );
    }
}

#[test]
fn azure_key_vault() {
    let refusal = |status, code: &str, message: &str, inner: &str| {
        let mut error = json!({"code": code, "message": message});
        if !inner.is_empty() {
            error["innererror"] = json!({"code": inner});
        }
        Reply::Json(status, json!({"error": error}))
    };
    for (refusal, hint) in [
        (
            refusal(
                403,
                "Forbidden",
                "Operation decrypt is not allowed on a disabled key.",
                "KeyDisabled",
            ),
            "set-attributes --enabled true",
        ),
        (
            refusal(
                403,
                "Forbidden",
                "Operation decrypt is not allowed on an expired key.",
                "KeyExpired",
            ),
            "--not-before … --expires",
        ),
        (
            refusal(
                403,
                "Forbidden",
                "Operation decrypt is not permitted on this key.",
                "KeyOperationForbidden",
            ),
            "set-attributes --ops",
        ),
        (
            refusal(
                404,
                "KeyNotFound",
                "A key with (name/id) sops was not found in this key vault.",
                "",
            ),
            "az keyvault key recover",
        ),
    ] {
        let server = Refusing::start(
            azure::answering(),
            |asked| asked.path().starts_with("/keys/"),
            refusal,
        );
        let mut settings = azure::settings(&server.server);
        settings.push(("AZURE_CLIENT_SECRET", azure::SECRET.to_owned()));
        let key = format!("{}/keys/sops/{}", azure::VAULT, azure::VERSIONS[1]);
        server.check("--azure-kv", &key, &settings, [hint, hint]);
    }
}

/// The service encrypts with a disabled key, and would not decrypt again.
#[test]
fn a_current_version_that_is_disabled() {
    let good = azure::answering();
    let server = Web::start(move |asked| match (asked.method.as_str(), good(asked)) {
        ("GET", Reply::Json(200, mut found)) if asked.path().starts_with("/keys/") => {
            found["attributes"]["enabled"] = json!(false);
            Reply::Json(200, found)
        }
        (_, reply) => reply,
    });
    let mut settings = azure::settings(&server);
    settings.push(("AZURE_CLIENT_SECRET", azure::SECRET.to_owned()));
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let key = format!("{}/keys/sops", azure::VAULT);
    let arguments = ["encrypt", "-i", "--azure-kv", &key, "f.yaml"];
    let ran = run(&scratch, &arguments, &settings);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    for words in [key.as_str(), "is disabled", "--enabled true"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert_eq!(scratch.read("f.yaml"), PLAIN);
    if has_reference() {
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        scratch
            .run_with(Program::Reference, arguments, settings, None)
            .ok();
        assert!(scratch.read_text("f.yaml").contains("azure_kv"));
    }
}

/// What is said about versions in each state when encrypting, and when decrypting.
const STATES: [(&str, [&str; 2]); 3] = [
    ("DISABLED", ["versions enable", "versions enable"]),
    (
        "DESTROY_SCHEDULED",
        ["versions restore", "versions restore"],
    ),
    (
        "DESTROYED",
        ["versions create --primary", "cannot be decrypted any more"],
    ),
];

#[test]
fn google_cloud_kms_by_rest() {
    let refusal = |code: u16, status: &str, message: &str| {
        Reply::Json(
            code,
            json!({"error": {"code": code, "status": status, "message": message}}),
        )
    };
    let states = STATES.map(|(state, words)| {
        let message = google::state_words(state);
        (refusal(400, "FAILED_PRECONDITION", &message), words)
    });
    let missing = refusal(404, "NOT_FOUND", "CryptoKey not found.");
    let exists = "does the key exist";
    for (refusal, words) in states.into_iter().chain([(missing, [exists, exists])]) {
        let server = Refusing::start(google::answering(), |_| true, refusal);
        let settings = vec![
            ("SOPS_GCP_KMS_ENDPOINT", server.server.url()),
            ("SOPS_GCP_KMS_CLIENT_TYPE", "rest".to_owned()),
            ("GOOGLE_OAUTH_ACCESS_TOKEN", google::TOKEN.to_owned()),
        ];
        server.check("--gcp-kms", google::KEY, &settings, words);
    }
}

#[test]
fn google_cloud_kms_over_grpc() {
    for (state, words) in STATES {
        let server = GoogleGrpc::start(Fault::None);
        let settings = vec![
            (
                "SOPS_GCP_KMS_ENDPOINT",
                format!("http://{}", server.address()),
            ),
            ("GOOGLE_OAUTH_ACCESS_TOKEN", google::TOKEN.to_owned()),
        ];
        check(
            "--gcp-kms",
            google::KEY,
            &settings,
            || server.set_state(state),
            &|| server.calls(),
            words,
        );
    }
}

#[test]
fn huaweicloud_kms() {
    let refusal = |status, code: &str, message: &str| {
        Reply::Json(
            status,
            json!({"error": {"error_code": code, "error_msg": message}}),
        )
    };
    for (refusal, hint) in [
        (
            refusal(400, "KMS.0209", "The key has been disabled."),
            "can enable it again",
        ),
        (
            refusal(
                400,
                "KMS.0210",
                "The key is in Scheduled deletion state and cannot be used.",
            ),
            "can cancel that",
        ),
        (
            refusal(404, "KMS.1001", "Key does not exist"),
            "is there such a key",
        ),
    ] {
        let server = Refusing::start(huawei, |_| true, refusal);
        let settings = vec![
            ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", server.server.url()),
            ("HUAWEICLOUD_SDK_AK", "AK".to_owned()),
            ("HUAWEICLOUD_SDK_SK", "SK".to_owned()),
            ("HUAWEICLOUD_SDK_PROJECT_ID", "p".to_owned()),
        ];
        server.check("--hckms", HUAWEI_KEY, &settings, [hint, hint]);
    }
}

#[test]
fn aws_kms() {
    for (code, hint) in [
        ("DisabledException", "its owner can enable it again"),
        ("KMSInvalidStateException", "about to be deleted"),
        ("NotFoundException", "does the key exist"),
    ] {
        let server = Refusing::start(
            |asked| amazon::answer(asked, &amazon::USERS),
            |_| true,
            amazon::refuse(code),
        );
        let settings = amazon::settings(server.server.url());
        server.check("--kms", amazon::KEY, &settings, [hint, hint]);
    }
}
