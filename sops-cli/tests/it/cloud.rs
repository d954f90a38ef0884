//! Keys of cloud services: files both ways with the reference, at real servers and at those made for the tests.

use std::{
    fs,
    process::{Command, Output},
};

use crate::{
    servers::{
        azure, google, huawei,
        peer::{self, Vault},
        web::{Reply, Web},
    },
    support::{Program, Ran, Scratch, has_reference, testdata},
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
fn vault() {
    let Some(vault) = Vault::start() else { return };
    let key = vault.key();
    let token = [("VAULT_TOKEN", vault.token.clone())];
    both_ways(&["--hc-vault-transit", &key], &token);

    // The key is rotated: what was encrypted before is decrypted, and new files get the new version.
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let encrypt = ["encrypt", "--hc-vault-transit", &key, "f.yaml"];
    let old = run(&scratch, Program::Ours, &encrypt, &token).ok();
    vault.post("transit/deep/keys/sops/rotate", "{}");
    let new = run(&scratch, Program::Ours, &encrypt, &token).text();
    assert!(new.contains("enc: vault:v2:"), "{new}");
    scratch.write("old.yaml", old);
    assert_eq!(
        run(&scratch, Program::Ours, &["decrypt", "old.yaml"], &token).ok(),
        PLAIN
    );

    // The token of the login.
    let home = scratch.folder();
    fs::write(home.join(".vault-token"), format!("{}\n", vault.token)).expect("written");
    let at_home = [("HOME", home.display().to_string())];
    assert_eq!(
        run(&scratch, Program::Ours, &["decrypt", "old.yaml"], &at_home).ok(),
        PLAIN
    );

    // What goes wrong says what, and what to do.
    for (variables, code, words) in [
        (
            vec![("VAULT_TOKEN", text("nonsense"))],
            128,
            "permission denied",
        ),
        (vec![], 128, "without a token"),
        (
            vec![token[0].clone(), ("SOPS_HC_VAULT_ALLOWLIST", text("none"))],
            128,
            "ALLOWLIST does not allow",
        ),
        (
            vec![
                token[0].clone(),
                ("SOPS_HC_VAULT_ALLOWLIST", text("https://x,")),
            ],
            128,
            "entry 2 is empty",
        ),
        (
            vec![token[0].clone(), ("VAULT_SKIP_VERIFY", text("perhaps"))],
            128,
            "VAULT_SKIP_VERIFY",
        ),
    ] {
        let ran = run(
            &scratch,
            Program::Ours,
            &["decrypt", "old.yaml"],
            &variables,
        );
        assert_eq!((ran.code, ran.stdout.len()), (code, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(&vault.token), "{}", ran.stderr);
    }
    vault.post(
        "transit/deep/keys/sops/config",
        r#"{"min_decryption_version":2}"#,
    );
    let ran = run(&scratch, Program::Ours, &["decrypt", "old.yaml"], &token);
    assert_eq!(ran.code, 128, "{}", ran.stderr);
}

fn aws(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", text(url)),
        ("AWS_ACCESS_KEY_ID", text("AKIDEXAMPLE")),
        ("AWS_SECRET_ACCESS_KEY", text("aws-secret-of-nobody")),
        ("AWS_EC2_METADATA_DISABLED", text("true")),
    ]
}

#[test]
fn aws_kms() {
    let Some(moto) = peer::moto() else { return };
    let arn = new_aws_key(moto.port);
    let variables = aws(&moto.url());
    let alias = format!("{}:alias/sops", arn.split(":key/").next().expect("an ARN"));
    let role = format!("{arn}+arn:aws:iam::123456789012:role/someone");
    both_ways(&["--kms", &arn], &variables);
    both_ways(&["--kms", &alias], &variables);
    both_ways(
        &["--kms", &role, "--encryption-context", "app:x,stage:y"],
        &variables,
    );

    // A profile that the key names comes before the credentials in the environment.
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    scratch.write("config", "[profile other]\nregion = eu-west-1\n");
    scratch.write(
        "credentials",
        "[other]\naws_access_key_id = AKIDOTHER\naws_secret_access_key = x\n",
    );
    let mut with_profile = variables.clone();
    with_profile.push((
        "AWS_CONFIG_FILE",
        scratch.path("config").display().to_string(),
    ));
    with_profile.push((
        "AWS_SHARED_CREDENTIALS_FILE",
        scratch.path("credentials").display().to_string(),
    ));
    both_ways(&["--kms", &arn, "--aws-profile", "other"], &with_profile);
    let encrypt = |profile: &str, variables: &[(&str, String)]| {
        run(
            &scratch,
            Program::Ours,
            &["encrypt", "--kms", &arn, "--aws-profile", profile, "f.yaml"],
            variables,
        )
    };
    let ran = encrypt("missing", &with_profile);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the AWS profile missing"),
        "{}",
        ran.stderr
    );

    // A context that is not the one it was encrypted with.
    let encrypted = run(
        &scratch,
        Program::Ours,
        &[
            "encrypt",
            "--kms",
            &arn,
            "--encryption-context",
            "app:x",
            "f.yaml",
        ],
        &variables,
    );
    scratch.write("e.yaml", encrypted.text().replace("app: x", "app: z"));
    let ran = run(&scratch, Program::Ours, &["decrypt", "e.yaml"], &variables);
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("another encryption context"),
        "{}",
        ran.stderr
    );

    // Nobody to be.
    let nobody: Vec<_> = variables
        .iter()
        .filter(|(name, _)| !name.contains("KEY"))
        .cloned()
        .collect();
    let ran = run(&scratch, Program::Ours, &["decrypt", "e.yaml"], &nobody);
    assert_eq!(ran.code, 128);
    assert!(
        ran.stderr.contains("no credentials for AWS"),
        "{}",
        ran.stderr
    );
}

/// Makes a key with the alias `sops`, by asking moto as AWS is asked.
fn new_aws_key(port: u16) -> String {
    let created = ask_aws(port, "CreateKey", "{}");
    let created: serde_json::Value = serde_json::from_str(&created).expect("JSON");
    let arn = created["KeyMetadata"]["Arn"]
        .as_str()
        .expect("an ARN")
        .to_owned();
    ask_aws(
        port,
        "CreateAlias",
        &format!(r#"{{"AliasName":"alias/sops","TargetKeyId":"{arn}"}}"#),
    );
    arn
}

fn ask_aws(port: u16, action: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};

    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: kms.us-east-1.amazonaws.com\r\nConnection: close\r\nX-Amz-Target: TrentService.{action}\r\nContent-Type: application/x-amz-json-1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
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
                testdata("tls/ca.pem").display().to_string(),
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
    let key = fs::read_to_string(testdata("tls/client.key"))
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

    // An answer that was damaged on the way.
    let damaging = Web::start(|_| {
        let json = serde_json::json!({"ciphertext": "AAAA", "ciphertextCrc32c": "1", "verifiedPlaintextCrc32c": true});
        Reply::Json(200, json)
    });
    let damaged = [
        ("SOPS_GCP_KMS_ENDPOINT", damaging.url()),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", text("x")),
    ];
    wrong(&damaged, google::KEY, "a checksum differs");
}

/// All hosts of Azure are the server made for the tests, which is a proxy.
fn azure_at(server: &Web) -> Vec<(&'static str, String)> {
    vec![
        ("HTTPS_PROXY", server.url()),
        (
            "SSL_CERT_FILE",
            testdata("tls/ca.pem").display().to_string(),
        ),
        ("AZURE_TENANT_ID", text(azure::TENANT)),
        ("AZURE_CLIENT_ID", text(azure::CLIENT)),
    ]
}

#[test]
fn azure_key_vault() {
    let server = azure::start();
    let mut variables = azure_at(&server);
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

    // With a certificate instead of a secret.
    let mut certified = azure_at(&server);
    certified.push((
        "AZURE_CLIENT_CERTIFICATE_PATH",
        testdata("tls/client-both.pem").display().to_string(),
    ));
    encrypt(&latest, &certified).ok();
    // As a workload.
    let mut workload = azure_at(&server);
    scratch.write("token", "a.b.c\n");
    workload.push((
        "AZURE_FEDERATED_TOKEN_FILE",
        scratch.path("token").display().to_string(),
    ));
    encrypt(&latest, &workload).ok();
    // As who is logged in with a program; the token is not believed.
    let mut by_program = azure_at(&server);
    scratch.write(
        "bin/az",
        "#!/bin/sh\necho '{\"accessToken\": \"azure-access-token\"}'\n",
    );
    set_executable(&scratch, "bin/az");
    let path = std::env::var("PATH").expect("a path");
    by_program.push(("PATH", format!("{}:{path}", scratch.path("bin").display())));
    by_program.push(("AZURE_TOKEN_CREDENTIALS", text("AzureCLICredential")));
    encrypt(&latest, &by_program).ok();

    let wrong = |variables: &[(&str, String)], key: &str, words: &str| {
        let ran = encrypt(key, variables);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(azure::SECRET), "{}", ran.stderr);
    };
    let mut wrong_secret = azure_at(&server);
    wrong_secret.push(("AZURE_CLIENT_SECRET", text("nonsense")));
    wrong(&wrong_secret, &latest, "AADSTS7000215");
    wrong(
        &variables,
        &latest.replace("sops", "missing"),
        "KeyNotFound",
    );
    let mut untrusted = variables.clone();
    untrusted.retain(|(name, _)| *name != "SSL_CERT_FILE");
    wrong(&untrusted, &latest, "TLS failed");
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

#[cfg(unix)]
fn set_executable(scratch: &Scratch, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o700)).expect("set");
}

#[cfg(not(unix))]
fn set_executable(_: &Scratch, _: &str) {}

fn huawei_at(server: &Web) -> Vec<(&'static str, String)> {
    vec![
        ("HUAWEICLOUD_SDK_REGION_KMS_TR_WEST_1", server.url()),
        ("HUAWEICLOUD_SDK_AK", text(huawei::ACCESS_KEY)),
        ("HUAWEICLOUD_SDK_SK", text(huawei::SECRET_KEY)),
    ]
}

#[test]
fn huawei_cloud_kms() {
    let server = huawei::start();
    let mut variables = huawei_at(&server);
    variables.push(("HUAWEICLOUD_SDK_PROJECT_ID", text(huawei::PROJECT)));
    both_ways(&["--hckms", huawei::KEY], &variables);

    // The project is asked for.
    let scratch = Scratch::new();
    scratch.write("f.yaml", PLAIN);
    let encrypt = |variables: &[(&str, String)]| {
        run(
            &scratch,
            Program::Ours,
            &["encrypt", "--hckms", huawei::KEY, "f.yaml"],
            variables,
        )
    };
    let mut asking = huawei_at(&server);
    asking.push(("HUAWEICLOUD_SDK_IAM_ENDPOINT", server.url()));
    encrypt(&asking).ok();
    // From a file.
    scratch.write(
        ".huaweicloud/credentials",
        format!(
            "[basic]\nak = {}\nsk = {}\nproject_id = {}\n",
            huawei::ACCESS_KEY,
            huawei::SECRET_KEY,
            huawei::PROJECT
        ),
    );
    let from_file = [
        variables[0].clone(),
        ("HOME", scratch.folder().display().to_string()),
    ];
    encrypt(&from_file).ok();

    let mut wrong = variables.clone();
    wrong[2].1 = text("wrong-secret-key");
    let ran = encrypt(&wrong);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("verify aksk signature fail"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("wrong-secret-key"), "{}", ran.stderr);
}

/// The servers made for the tests are what the official clients expect.
#[test]
fn official_clients() {
    let Some(python) = peer::python() else { return };
    let script = |name: &str, variables: &[(&str, String)]| {
        let mut command = Command::new(&python);
        command.arg(testdata(&format!("cloud-clients/{name}.py")));
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
    let server = huawei::start();
    let mut variables = huawei_at(&server);
    variables.push(("HUAWEICLOUD_SDK_PROJECT_ID", text(huawei::PROJECT)));
    script("huawei_kms", &variables);
    let server = google::start();
    script(
        "google_kms",
        &[
            ("ENDPOINT", server.url()),
            ("TOKEN", text(google::TOKEN)),
            ("KEY", text(google::KEY)),
        ],
    );
    let server = azure::start();
    let mut variables = azure_at(&server);
    variables.push(("AZURE_CLIENT_SECRET", text(azure::SECRET)));
    variables.push((
        "REQUESTS_CA_BUNDLE",
        testdata("tls/ca.pem").display().to_string(),
    ));
    script("azure_vault", &variables);
}
