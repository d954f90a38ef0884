//! Servers and files that mean harm, for the keys of every service: nothing hangs, nothing fills the memory, no token goes
//! elsewhere, and nothing that a server says does more to a terminal than show.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    servers::{
        amazon, azure,
        clouds::{Clouds, HUAWEI_KEY, VAULT_TOKEN},
        google,
        google_grpc::{Fault, GoogleGrpc},
        web::{Asked, Flood, Reply, Web},
    },
    support::{Program, Ran, Scratch, in_parallel, testdata},
};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";
const HUAWEI_SECRET: &str = "secret-key-of-huawei";
const SECRETS: [&str; 6] = [
    amazon::SECRET,
    google::TOKEN,
    google::REFRESH_TOKEN,
    azure::SECRET,
    VAULT_TOKEN,
    HUAWEI_SECRET,
];
/// What would do more to a terminal than show it, and begins a line like one of ours.
const EVIL: &str = "\u{1b}]0;evil\u{7}\u{1b}[31m\u{9b}6n\u{202e}\r\nerror: evil\u{8}";
/// The most that a server may get rid of, to all who ask it: what is read, and what waits in the sockets.
const MOST: usize = 256 << 20;

/// Settings, as names and values.
type Settings = Vec<(&'static str, String)>;

/// Somebody who is asked: for a key, or for a token to ask for one.
struct Asking {
    name: &'static str,
    flag: String,
    key: String,
    settings: Settings,
}

/// All who are asked, where all of them are `plain` or `secure`, the addresses of one server.
fn all(plain: &str, secure: &str) -> Vec<Asking> {
    let text = str::to_owned;
    let asking = |name, flag: &str, key: &str, settings: &[(&'static str, &str)]| {
        let mut all = settings_of_all(plain, secure);
        for (name, value) in settings {
            all.retain(|(known, _)| known != name);
            all.push((name, text(value)));
        }
        Asking {
            name,
            flag: text(flag),
            key: text(key),
            settings: all,
        }
    };
    let of_azure = format!("{secure}/keys/sops/{}", azure::VERSIONS[1]);
    let of_vault = format!("{plain}/v1/transit/keys/sops");
    let login = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": google::REFRESH_TOKEN, "token_uri": format!("{plain}/token"),
    });
    vec![
        asking("AWS", "--kms", amazon::KEY, &[]),
        asking(
            "a container of AWS",
            "--kms",
            amazon::KEY,
            &[
                ("AWS_ACCESS_KEY_ID", ""),
                ("AWS_SECRET_ACCESS_KEY", ""),
                (
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    &format!("{plain}/container"),
                ),
            ],
        ),
        asking("Google", "--gcp-kms", google::KEY, &[]),
        asking(
            "a login of Google",
            "--gcp-kms",
            google::KEY,
            &[("GOOGLE_CREDENTIALS", &login.to_string())],
        ),
        asking("Azure", "--azure-kv", &of_azure, &[]),
        asking(
            "a login of Azure",
            "--azure-kv",
            &of_azure,
            &[("AZURE_TENANT_ID", "another")],
        ),
        asking("Vault", "--hc-vault-transit", &of_vault, &[]),
        asking("Huawei", "--hckms", HUAWEI_KEY, &[]),
    ]
}

fn settings_of_all(plain: &str, secure: &str) -> Settings {
    let text = str::to_owned;
    let mut all = amazon::settings(text(plain));
    all.extend([
        ("SOPS_GCP_KMS_ENDPOINT", text(plain)),
        ("SOPS_GCP_KMS_CLIENT_TYPE", text("rest")),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", text(google::TOKEN)),
        ("SOPS_AZURE_KEYVAULT_ALLOWLIST", text(secure)),
        ("AZURE_AUTHORITY_HOST", text(secure)),
        ("AZURE_TENANT_ID", text(azure::TENANT)),
        ("AZURE_CLIENT_ID", text(azure::CLIENT)),
        ("AZURE_CLIENT_SECRET", text(azure::SECRET)),
        ("VAULT_TOKEN", text(VAULT_TOKEN)),
        ("SOPS_HC_VAULT_ALLOWLIST", text(plain)),
        ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", text(plain)),
        ("HUAWEICLOUD_SDK_AK", text("AK")),
        ("HUAWEICLOUD_SDK_SK", text(HUAWEI_SECRET)),
        ("HUAWEICLOUD_SDK_PROJECT_ID", text("p")),
        (
            "SSL_CERT_FILE",
            testdata("cloud/ca.pem").display().to_string(),
        ),
        ("SOPS_KEY_TIMEOUT", text("2")),
    ]);
    all
}

/// A server that lets one tenant of Azure log in, and answers everything else like this.
fn answering(reply: Reply) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let login = format!("/{}/oauth2/v2.0/token", azure::TENANT);
    move |asked| match asked.path() == login {
        true => Reply::Json(
            200,
            json!({"access_token": "azure-token", "expires_in": 3599}),
        ),
        false => reply.clone(),
    }
}

/// Encrypts with the key of whoever is asked, which has to fail, soon and clean, and returns what is said.
fn said(asking: &Asking) -> String {
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let start = Instant::now();
    let settings = asking.settings.iter();
    let settings = settings.map(|(name, value)| (*name, value.as_str()));
    let arguments = ["encrypt", "-i", &asking.flag, &asking.key, "f.yaml"];
    let ran = scratch.run_with(Program::Ours, arguments, settings, None);
    let name = asking.name;
    assert!(start.elapsed() < Duration::from_secs(30), "{name}: {ran:?}");
    check(&ran, name);
    assert_eq!(scratch.read("f.yaml"), PLAIN, "{name}");
    ran.stderr
}

fn check(ran: &Ran, name: &str) {
    assert_eq!(
        (ran.code, ran.stdout.len()),
        (1, 0),
        "{name}: {}",
        ran.stderr
    );
    assert!(ran.stderr.len() < 4000, "{name}: {}", ran.stderr);
    assert!(
        !ran.stderr
            .contains(|letter: char| letter.is_control() && letter != '\n'),
        "{name}: {:?}",
        ran.stderr
    );
    for secret in SECRETS {
        assert!(!ran.stderr.contains(secret), "{name}: {}", ran.stderr);
    }
}

#[test]
fn answers_without_an_end() {
    for flood in [Flood::Body, Flood::Chunks, Flood::Headers] {
        let server = Web::start(answering(Reply::Flood(flood)));
        in_parallel(&all(&server.url(), &server.tls_url()), |asking| {
            let said = said(asking);
            let words: &[&str] = match flood {
                Flood::Headers => &["too large", "not HTTP"],
                _ => &["too large", "limit exceeded"],
            };
            let name = asking.name;
            assert!(
                words.iter().any(|words| said.contains(words)),
                "{name}: {said}"
            );
        });
        assert!(server.flooded() < MOST, "{flood:?}: {}", server.flooded());
    }
}

#[test]
fn answers_that_never_come_to_an_end() {
    let server = Web::start(answering(Reply::Drip));
    in_parallel(&all(&server.url(), &server.tls_url()), |asking| {
        let said = said(asking);
        assert!(said.contains("no answer"), "{}: {said}", asking.name);
    });
}

/// Over gRPC there is one more way to say all this.
#[test]
fn answers_over_grpc() {
    for (fault, words) in [
        (Fault::Words(EVIL), "]0;evil [31m 6n error: evil"),
        (Fault::Large, "too large"),
    ] {
        let server = GoogleGrpc::start(fault);
        let url = format!("http://{}", server.address());
        assert_said_over_grpc(&url, None, words);
    }
    let server = GoogleGrpc::start(Fault::None);
    let proxy = format!("http://{}", server.address());
    let words = "certificate of the server is not trusted";
    assert_said_over_grpc("https://somebody.else.example", Some(proxy), words);
    assert_eq!(server.calls(), 0);
}

#[track_caller]
fn assert_said_over_grpc(url: &str, proxy: Option<String>, words: &str) {
    let mut asking = all(url, url).swap_remove(2);
    assert_eq!(asking.flag, "--gcp-kms");
    asking
        .settings
        .retain(|(name, _)| *name != "SOPS_GCP_KMS_CLIENT_TYPE");
    let proxy = proxy.map(|proxy| ("HTTPS_PROXY", proxy));
    asking.settings.extend(proxy);
    let said = said(&asking);
    assert!(said.contains(words), "{words}: {said:?}");
}

/// Titles of windows, colours, answers to questions that a terminal would give, and the other direction of writing.
#[test]
fn answers_that_mean_the_terminal() {
    let bodies: [Value; 3] = [
        json!({"error": {"code": EVIL, "message": EVIL, "status": EVIL}, "__type": EVIL, "message": EVIL,
            "errors": [EVIL], "error_code": EVIL, "error_msg": EVIL, "Code": EVIL, "Message": EVIL}),
        json!({"error": EVIL, "error_description": EVIL, "__type": "X", "message": EVIL, "errors": EVIL}),
        json!(EVIL.repeat(1000)),
    ];
    for body in bodies {
        let server = Web::start(answering(Reply::Json(400, body)));
        in_parallel(&all(&server.url(), &server.tls_url()), |asking| {
            let said = said(asking);
            assert!(!said.contains('\u{202e}'), "{said:?}");
            assert!(!said.contains("\nerror: evil"), "{said:?}");
        });
    }
}

#[test]
fn calls_that_are_sent_elsewhere() {
    let elsewhere = Web::start(|_| Reply::Json(200, json!({})));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://localhost:{}/x", elsewhere.port);
        let reply = Reply::With(status, vec![("Location", location)], Vec::new());
        let server = Web::start(answering(reply));
        in_parallel(&all(&server.url(), &server.tls_url()), |asking| {
            said(asking);
        });
    }
    assert_eq!((elsewhere.calls(), elsewhere.connections()), (0, 0));
}

/// The certificate is of an authority that is trusted, but for somebody else.
#[test]
fn servers_with_the_certificate_of_another() {
    let server = Web::start(answering(Reply::Json(200, json!({}))));
    let url = "https://somebody.else.example";
    let mut asking = all(url, url);
    for asking in &mut asking {
        asking.settings.push(("HTTPS_PROXY", server.url()));
    }
    // A container asks nobody else than its own machine.
    asking.retain(|asking| asking.name != "a container of AWS");
    in_parallel(&asking, |asking| {
        let said = said(asking);
        assert!(
            said.contains("not valid for name"),
            "{}: {said}",
            asking.name
        );
    });
    assert_eq!(server.calls(), 0);
    assert!(server.connections() >= asking.len());
}

#[test]
fn files_that_never_end() {
    let clouds = Clouds::start();
    let external = json!({
        "type": "external_account", "audience": "a", "subject_token_type": "t",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": "/dev/zero"},
    });
    let mut kinds = clouds.kinds();
    for kind in &mut kinds {
        // Nobody is asked without the authorities to be trusted.
        kind.key = kind.key.replace("http://", "https://");
    }
    for (flag, variable, value, others) in [
        ("kms", "AWS_CA_BUNDLE", "/dev/zero", &[][..]),
        (
            "gcp-kms",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "/dev/zero",
            &["GOOGLE_OAUTH_ACCESS_TOKEN"],
        ),
        ("gcp-kms", "GOOGLE_CREDENTIALS", "/dev/zero", &[]),
        ("gcp-kms", "GOOGLE_CREDENTIALS", &external.to_string(), &[]),
        (
            "azure-kv",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            "/dev/zero",
            &["AZURE_CLIENT_SECRET"],
        ),
        (
            "azure-kv",
            "AZURE_FEDERATED_TOKEN_FILE",
            "/dev/zero",
            &["AZURE_CLIENT_SECRET"],
        ),
        ("hc-vault-transit", "VAULT_CACERT", "/dev/zero", &[]),
        (
            "hc-vault-transit",
            "VAULT_CONFIG_PATH",
            "/dev/zero",
            &["VAULT_TOKEN"],
        ),
        (
            "hckms",
            "HUAWEICLOUD_SDK_CREDENTIALS_FILE",
            "/dev/zero",
            &["HUAWEICLOUD_SDK_AK"],
        ),
    ] {
        let kind = kinds.iter().find(|kind| kind.flag == flag).expect("known");
        let mut settings = clouds.settings();
        settings.retain(|(name, _)| !others.contains(name));
        settings.push((variable, value.to_owned()));
        let said = said(&Asking {
            name: variable,
            flag: format!("--{flag}"),
            key: kind.key.clone(),
            settings,
        });
        assert!(said.contains("larger than"), "{variable}: {said}");
    }
}

/// Such as those of a shell: `<(…)`.
#[test]
fn pipes_are_files_too() {
    let clouds = Clouds::start();
    let kinds = clouds.kinds();
    let token = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": google::REFRESH_TOKEN, "token_uri": format!("{}/token", clouds.google_url())});
    let certificate = fs::read(testdata("cloud/client-both.pem")).expect("a certificate");
    let authority = fs::read(testdata("cloud/ca.pem")).expect("a certificate");
    for (flag, variable, content, others) in [
        ("kms", "AWS_CA_BUNDLE", authority, &[][..]),
        (
            "gcp-kms",
            "GOOGLE_APPLICATION_CREDENTIALS",
            token.to_string().into_bytes(),
            &["GOOGLE_OAUTH_ACCESS_TOKEN"],
        ),
        (
            "azure-kv",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            certificate,
            &["AZURE_CLIENT_SECRET"],
        ),
        (
            "hckms",
            "HUAWEICLOUD_SDK_CREDENTIALS_FILE",
            b"[basic]\nak = AK\nsk = SK\nproject_id = p\n".to_vec(),
            &["HUAWEICLOUD_SDK_AK"],
        ),
    ] {
        let kind = kinds.iter().find(|kind| kind.flag == flag).expect("known");
        let scratch = Scratch::new();
        scratch.write("f.yaml", PLAIN);
        let mut settings = clouds.settings();
        settings.retain(|(name, _)| !others.contains(name));
        settings.push((variable, "/dev/stdin".to_owned()));
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let flag = format!("--{flag}");
        let arguments = ["encrypt", "-i", &flag, &kind.key, "f.yaml"];
        scratch
            .run_with(Program::Ours, arguments, settings, Some(&content))
            .ok();
        assert_ne!(scratch.read("f.yaml"), PLAIN, "{variable}");
    }
}
