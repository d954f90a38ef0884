//! Publishing to buckets and to Vault.

use std::{
    env,
    sync::{Arc, Mutex},
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    servers::web::{Asked, Reply, Web},
    support::{Program, RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, has_reference, skip},
};

const PLAIN: &[u8] = b"# about it\na: 1\nb: secret\nc: [1.5, true]\n";
const TOKEN: &str = "hvs.a-token-of-nobody";

/// What was put, by its address.
type Store = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Stands for S3, Cloud Storage and Vault.
fn start() -> (Web, Store) {
    let store = Store::default();
    let kept = Arc::clone(&store);
    let server = Web::start(move |asked| answer(asked, &kept));
    (server, store)
}

fn answer(asked: &Asked, store: &Store) -> Reply {
    let mut store = store.lock().expect("a list");
    let refuse = |status: u16| Reply::Json(status, json!({"errors": ["permission denied"]}));
    if asked.path().starts_with("/v1/") {
        if asked.header("x-vault-token") != TOKEN {
            return refuse(403);
        }
        if asked.method == "GET" {
            let found = store
                .iter()
                .rev()
                .find(|(target, _)| *target == asked.target);
            return match found {
                Some((_, body)) => {
                    let data: serde_json::Value = serde_json::from_slice(body).expect("JSON");
                    Reply::Json(200, json!({ "data": data }))
                }
                None => refuse(404),
            };
        }
    } else if asked.method == "PUT" {
        let digest: String = Sha256::digest(&asked.body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let is_signed = asked
            .header("authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=AKID/")
            && asked.header("x-amz-content-sha256") == digest;
        if !is_signed {
            return refuse(403);
        }
    }
    store.push((asked.target.clone(), asked.body.clone()));
    Reply::Json(200, json!({}))
}

struct Bench {
    scratch: Scratch,
    server: Web,
    store: Store,
}

impl Bench {
    /// A folder with encrypted files of these names, and these destination rules.
    fn new(rules: &str, names: &[&str]) -> Self {
        let (server, store) = start();
        let scratch = Scratch::new();
        let rules = rules.replace("VAULT", &server.url());
        scratch.write(".sops.yaml", format!("destination_rules:\n{rules}"));
        for name in names {
            scratch.write("p.yaml", PLAIN);
            let encrypted = scratch
                .run(Program::Ours, ["encrypt", "--age", RECIPIENT, "p.yaml"])
                .ok();
            scratch.write(name, encrypted);
        }
        Self {
            scratch,
            server,
            store,
        }
    }

    fn run(&self, program: Program, arguments: &[&str], input: Option<&[u8]>) -> Ran {
        let url = self.server.url();
        let variables = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "secret-key-of-nobody"),
            ("AWS_REGION", "us-east-1"),
            ("STORAGE_EMULATOR_HOST", &url),
            ("VAULT_TOKEN", TOKEN),
        ];
        let arguments = [&["publish"], arguments].concat();
        self.scratch.run_with(program, arguments, variables, input)
    }

    fn put(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut *self.store.lock().expect("a list"))
    }
}

#[test]
fn buckets_get_encrypted_files() {
    let rules = "  - {path_regex: s3, s3_bucket: bucket, s3_prefix: p/}\n  - {gcs_bucket: other, omit_extensions: true}\n";
    let bench = Bench::new(rules, &["d/s3 file.yaml", "d/e/gcs.yaml"]);
    bench
        .run(Program::Ours, &["-y", "d/s3 file.yaml"], None)
        .ok();
    assert_eq!(
        bench.put(),
        [(
            "/bucket/p/s3%20file.yaml".to_owned(),
            bench.scratch.read("d/s3 file.yaml")
        )]
    );
    let ran = bench.run(Program::Ours, &["--yes", "--recursive", "d"], None);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let gcs = "/upload/storage/v1/b/other/o?uploadType=media&name=e%2Fgcs".to_owned();
    assert_eq!(
        bench.put(),
        [
            (gcs, bench.scratch.read("d/e/gcs.yaml")),
            (
                "/bucket/p/s3%20file.yaml".to_owned(),
                bench.scratch.read("d/s3 file.yaml")
            ),
        ]
    );
}

/// Encrypted anew, with all that the rule says: the reference leaves out most of it.
#[test]
fn a_recreation_rule_counts_as_a_whole() {
    let rules = format!(
        "  - s3_bucket: b\n    recreation_rule:\n      age: {SECOND_RECIPIENT}\n      encrypted_regex: ^b$\n      mac_only_encrypted: true\n"
    );
    let bench = Bench::new(&rules, &["f.yaml"]);
    bench.run(Program::Ours, &["-y", "f.yaml"], None).ok();
    let (target, content) = bench.put().pop().expect("a file");
    assert_eq!(target, "/b/f.yaml");
    let text = String::from_utf8(content.clone()).expect("a text");
    assert!(text.starts_with("# about it\na: 1\nb: ENC["), "{text}");
    assert!(
        text.contains("encrypted_regex: ^b$") && text.contains("mac_only_encrypted: true"),
        "{text}"
    );
    assert!(
        text.contains(SECOND_RECIPIENT) && !text.contains(RECIPIENT),
        "{text}"
    );
    let mut programs = vec![Program::Ours];
    programs.extend(has_reference().then_some(Program::Reference));
    for program in programs {
        let plain = bench.scratch.decrypt(program, "g.yaml", &content).text();
        assert!(plain.contains("b: secret"), "{plain}");
    }
}

#[test]
fn vault_gets_values_once() {
    let rules = "  - {path_regex: one, vault_address: VAULT, vault_path: a/b, vault_kv_version: 1, vault_kv_mount_name: kv}\n  - {vault_address: VAULT, vault_path: c/}\n";
    let bench = Bench::new(rules, &["one.yaml", "two.yaml"]);
    for (file, target, shape) in [
        ("one.yaml", "/v1/kv/a/b/one.yaml", "itself"),
        ("two.yaml", "/v1/secret/data/c/two.yaml", "data"),
    ] {
        bench.run(Program::Ours, &["-y", file], None).ok();
        let ran = bench.run(Program::Ours, &["-y", file], None);
        assert!(ran.stderr.contains("already up to date"), "{}", ran.stderr);
        let put = bench.put();
        assert_eq!((put.len(), put[0].0.as_str()), (1, target));
        let found: serde_json::Value = serde_json::from_slice(&put[0].1).expect("JSON");
        let values = if shape == "data" {
            &found["data"]
        } else {
            &found
        };
        assert_eq!(*values, json!({"a": 1, "b": "secret", "c": [1.5, true]}));
    }
}

#[test]
fn asks_first() {
    let bench = Bench::new("  - s3_bucket: b\n", &["d/f.yaml", "d/g.yaml"]);
    let ran = bench.run(Program::Ours, &["d/f.yaml"], Some(b"what\nn\n"));
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("canceled") && ran.text().contains("uploading"),
        "{}",
        ran.stderr
    );
    assert_eq!(bench.run(Program::Ours, &["d/f.yaml"], None).code, 1);
    assert!(bench.put().is_empty());
    let ran = bench.run(Program::Ours, &["--recursive", "d"], Some(b"n\ny\n"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(bench.put().len(), 1);
}

#[test]
fn what_cannot_be_published() {
    let rules = "  - {path_regex: nowhere, omit_extensions: true}\n  - {path_regex: two, s3_bucket: b, gcs_bucket: c}\n  - {path_regex: ^d/, vault_address: VAULT, vault_path: x}\n  - {path_regex: (, s3_bucket: b}\n";
    let bench = Bench::new(rules, &["nowhere.yaml", "two.yaml", "d/f.yaml", "g.yaml"]);
    bench.scratch.write("d/plain.yaml", PLAIN);
    for (arguments, code, words) in [
        (&["-y", "nowhere.yaml"][..], 1, "no destination configured"),
        (&["-y", "two.yaml"], 1, "more than one destinations"),
        (&["-y", "g.yaml"], 1, "can not compile regexp"),
        (&["-y", "d"], 1, "without --recursive"),
        (&["-y", "missing.yaml"], 1, "non-existent"),
        (&["-y", "d/plain.yaml"], 1, "metadata"),
        (&["-y"], 100, "no file"),
    ] {
        let ran = bench.run(Program::Ours, arguments, None);
        assert_eq!(ran.code, code, "{arguments:?} {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(bench.put().is_empty());
    // Refused by the server.
    let mut command = bench.scratch.command(Program::Ours);
    command
        .args(["publish", "-y", "d/f.yaml"])
        .env("VAULT_TOKEN", "another");
    let ran = Ran::from(command.output().expect("the program starts"));
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("permission denied") && !ran.stderr.contains("another"),
        "{}",
        ran.stderr
    );
}

#[test]
fn json_tells_what_became_of_each_file() {
    let rules = "  - {path_regex: s3, s3_bucket: bucket, s3_prefix: p/}\n  - {path_regex: gcs, gcs_bucket: other, omit_extensions: true}\n  - {vault_address: VAULT, vault_path: c/}\n";
    let bench = Bench::new(
        rules,
        &["d/e/gcs.yaml", "d/s3 \"file\".yaml", "d/vault.yaml"],
    );
    let vault = format!("{}/v1/secret/data/c/vault.yaml", bench.server.url());
    let places = [
        ("d/e/gcs.yaml", "gcs://other/e/gcs"),
        ("d/s3 \"file\".yaml", "s3://bucket/p/s3 \"file\".yaml"),
        ("d/vault.yaml", &vault),
    ];
    let recursive = ["--json", "--recursive", "d"];
    for (input, statuses, count) in [
        ("y\ny\ny\n", ["published"; 3], 3),
        ("n\nwhat\ny\nn\n", ["declined", "published", "declined"], 4),
        ("y\nn\ny\n", ["published", "declined", "up-to-date"], 5),
    ] {
        let ran = bench.run(Program::Ours, &recursive, Some(input.as_bytes()));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let expected = places.iter().zip(statuses);
        let expected = expected.map(|((file, place), status)| [*file, place, status]);
        assert_eq!(ran.published(), expected.collect::<Vec<_>>());
        // The questions are elsewhere, and nothing is said twice.
        assert!(
            ran.stderr.contains("uploading d/vault.yaml"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("published"), "{}", ran.stderr);
        let put = bench.store.lock().expect("a list").len();
        assert_eq!(put, count, "{input:?}");
    }
    let ran = bench.run(Program::Ours, &["-y", "--json", "--recursive", "d"], None);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("uploading"), "{}", ran.stderr);
    assert_eq!(ran.published().len(), 3);
}

#[test]
fn json_of_what_fails_is_what_went_well_before() {
    let rules = "  - {path_regex: ^a|/a, s3_bucket: b}\n  - {path_regex: /w, vault_address: VAULT, vault_path: x}\n  - {path_regex: /z, s3_bucket: b}\n";
    let bench = Bench::new(rules, &["d/a.yaml", "d/w.yaml", "d/z.yaml"]);
    bench.scratch.write("a-plain.yaml", PLAIN);
    for (arguments, input, code, words) in [
        (
            &["--json", "d/a.yaml"][..],
            Some(&b"n\n"[..]),
            1,
            "canceled",
        ),
        (&["--json", "d/a.yaml"], None, 1, "nobody answers"),
        (&["-y", "--json", "a-plain.yaml"], None, 1, "metadata"),
        (&["-y", "--json", "missing.yaml"], None, 1, "non-existent"),
        (&["-y", "--json", "d"], None, 1, "without --recursive"),
        (&["-y", "--json"], None, 100, "no file"),
    ] {
        let ran = bench.run(Program::Ours, arguments, input);
        assert_eq!((ran.code, ran.text()), (code, String::new()), "{words}");
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(bench.put().is_empty());

    // One that is refused ends the run: those before it are reported, and those behind it are not published.
    let url = bench.server.url();
    let ran = bench.scratch.run_with(
        Program::Ours,
        ["publish", "-y", "--json", "--recursive", "d"],
        [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "secret-key-of-nobody"),
            ("AWS_REGION", "us-east-1"),
            ("VAULT_TOKEN", "another"),
        ],
        None,
    );
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("d/w.yaml") && ran.stderr.contains("permission denied"));
    assert_eq!(
        ran.published(),
        [["d/a.yaml", "s3://b/a.yaml", "published"]]
    );
    let put = bench.put();
    assert_eq!(
        put.iter()
            .map(|(place, _)| place.as_str())
            .collect::<Vec<_>>(),
        ["/b/a.yaml"]
    );
}

/// Real servers: fake-gcs-server, if `SOPS_TEST_GCS` names it.
#[test]
fn a_server_of_cloud_storage() {
    let Some(program) = env::var_os("SOPS_TEST_GCS") else {
        skip("fake-gcs-server (SOPS_TEST_GCS)");
        return;
    };
    let data = Scratch::new();
    std::fs::create_dir_all(data.path("data/b")).expect("a folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let folder = data.path("data").display().to_string();
    let mut child = std::process::Command::new(program)
        .args([
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-port",
            &port.to_string(),
            "-backend",
            "memory",
            "-data",
            &folder,
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the server starts");
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
        && start.elapsed().as_secs() < 30
    {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let bench = Bench::new("  - {gcs_bucket: b, gcs_prefix: p/}\n", &["f.yaml"]);
    let url = format!("http://127.0.0.1:{port}");
    let publish = |program| {
        let variables = [("STORAGE_EMULATOR_HOST", url.as_str())];
        bench
            .scratch
            .run_with(program, ["publish", "-y", "f.yaml"], variables, None)
    };
    let ours = publish(Program::Ours);
    let theirs = has_reference().then(|| publish(Program::Reference).code);
    let report = |bucket: &str| {
        let rule = format!("destination_rules:\n  - {{gcs_bucket: {bucket}, gcs_prefix: p/}}\n");
        bench.scratch.write(".sops.yaml", rule);
        let arguments = ["publish", "-y", "--json", "f.yaml"];
        let variables = [("STORAGE_EMULATOR_HOST", url.as_str())];
        let ran = bench
            .scratch
            .run_with(Program::Ours, arguments, variables, None);
        (ran.code, ran.published())
    };
    let (there, nowhere) = (report("b"), report("missing"));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(ours.code, 0, "{}", ours.stderr);
    assert!(theirs.is_none_or(|code| code == 0));
    let line = ["f.yaml", "gcs://b/p/f.yaml", "published"].map(str::to_owned);
    assert_eq!(there, (0, vec![line]));
    assert_eq!(nowhere, (1, Vec::new()));
}
