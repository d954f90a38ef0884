//! Other programs that read encrypted files, and what they make of those that ours wrote.
//!
//! `SOPS_TEST_FOREIGN_READERS` names a folder with `node_modules/sops-age` (npm, 4.0.2), `node_modules/sops-decoder` (npm,
//! 0.10.3; without what it depends on), `typage/node_modules/age-encryption` (npm, 0.3.1) and `python/bin/sops` (PyPI,
//! 1.18). Without it those tests are skipped.
//! `SOPS_TEST_ROPS` names the program `rops` (crate rops-cli, 0.1.7); without it that test is skipped.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use sops_core::{
    EncryptOptions, Format, Keyring, SecretBytes,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

use crate::{
    foreign::content,
    support::{
        Program::{Ours, Reference},
        RECIPIENT, Scratch, has_reference, read_testdata, skip, testdata,
    },
};

/// Returns a file of the other readers, if it is there.
pub(crate) fn reader(path: &str) -> Option<PathBuf> {
    let Some(folder) = env::var_os("SOPS_TEST_FOREIGN_READERS") else {
        eprintln!("\n*** SKIPPED: SOPS_TEST_FOREIGN_READERS is not set ***\n");
        return None;
    };
    let path = PathBuf::from(folder).join(path);
    if !path.exists() {
        skip(&path.display().to_string());
        return None;
    }
    Some(path)
}

/// Texts that ours encrypts, in each format, and that hold what `content` returns.
fn texts() -> Vec<(&'static str, String)> {
    let json = serde_json::to_string_pretty(&content()).expect("JSON");
    let yaml = "# about\nzone: b # side\n\ndata: {user: 'app', age: 5, \"on\": true}\nlist:\n  - x\n  - 1.50\napp_unencrypted: 1\n";
    vec![("file.json", json), ("file.yaml", yaml.to_owned())]
}

#[test]
fn npm_sops_age_opens_what_ours_encrypts() {
    const SCRIPT: &str = "const { decryptSops } = await import(process.argv[1]);
        const { readFile } = await import('node:fs/promises');
        const secretKey = (await readFile(process.env.SOPS_AGE_KEY_FILE, 'utf8')).split('\\n').find((line) => line.startsWith('AGE-'));
        console.log(JSON.stringify(await decryptSops({ path: process.argv[2], secretKey })));";
    let Some(module) = reader("node_modules/sops-age/dist/index.js") else {
        return;
    };
    for (name, text) in texts() {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, name, text.as_bytes()).ok();
        let path = scratch.write(name, encrypted);
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", SCRIPT]);
        command.arg(&module).arg(path);
        let plain = output(command.env("SOPS_AGE_KEY_FILE", testdata("golden/keys/age.txt")));
        assert_eq!(plain, content(), "{name}");
    }
}

/// Wraps a data key for AWS KMS by writing it down in hexadecimal. For tests only.
struct Paper;

impl KeyService for Paper {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Kms { .. } = key else {
            return None;
        };
        let digits = share.expose().iter().map(|byte| format!("{byte:02x}"));
        Some(Ok(digits.collect()))
    }

    fn unwrap(&self, _: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        None
    }
}

/// It knows JSON and AWS KMS only. A module of the test stands in for the service.
#[test]
fn npm_sops_decoder_opens_what_ours_encrypts() {
    // The hexadecimal digits were taken for base64.
    const SERVICE: &str =
        "exports.DecryptCommand = class { constructor(input) { this.input = input; } };
        exports.KMSClient = class {
            async send(command) {
                const digits = command.input.CiphertextBlob.toString('base64');
                return { Plaintext: new Uint8Array(Buffer.from(digits, 'hex')) };
            }
        };";
    const SCRIPT: &str = "const { decodeFile } = require(process.argv[1]);
        decodeFile(process.argv[2]).then((plain) => console.log(JSON.stringify(plain)));";
    let Some(module) = reader("node_modules/sops-decoder/build/decode.js") else {
        return;
    };
    let scratch = Scratch::new();
    scratch.write("modules/@aws-sdk/client-kms/index.js", SERVICE);
    scratch.write("modules/@aws-sdk/client-sts/index.js", "");
    let key = MasterKey::Kms {
        arn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd".to_owned(),
        role: None,
        context: Default::default(),
        aws_profile: String::new(),
    };
    let (name, text) = &texts()[0];
    for mac_only_encrypted in [false, true] {
        let mut options = EncryptOptions::new(vec![vec![key.clone()]]);
        options.mac_only_encrypted = mac_only_encrypted;
        let keyring = Keyring::new().with_service(Paper);
        let encrypted = sops_core::encrypt(text.as_bytes(), Format::Json, &options, &keyring);
        let path = scratch.write(name, encrypted.expect("a key that wraps"));
        let mut command = Command::new("node");
        command.args(["--eval", SCRIPT]).arg(&module).arg(path);
        let plain = output(command.env("NODE_PATH", scratch.path("modules")));
        assert_eq!(plain, content());
    }
}

/// It knows PGP keys, which the reference wraps the data key for; ours writes the content under that data key.
#[test]
fn the_implementation_in_python_opens_what_ours_encrypts() {
    let Some(sops) = reader("python/bin/sops") else {
        return;
    };
    if !has_reference() {
        return;
    }
    let fingerprint: Value =
        serde_json::from_slice(&read_testdata("golden/keys/public.json")).expect("JSON");
    let fingerprint = pgp_fingerprint(&fingerprint);
    for (name, text) in texts() {
        let scratch = Scratch::new();
        let gpg = Gpg::new(&scratch);
        gpg.import(&testdata("golden/keys/pgp_rsa.sec.asc"));
        scratch.write(name, "{\"a\": \"b\"}");
        let arguments = [
            "encrypt",
            "-i",
            "--age",
            RECIPIENT,
            "--pgp",
            &fingerprint,
            name,
        ];
        let mut reference = scratch.command(Reference);
        let ran = reference
            .args(arguments)
            .env("GNUPGHOME", &gpg.home)
            .output();
        let ran = ran.expect("the program starts");
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );

        let new = scratch.write(&format!("new-{name}"), &text);
        let editor = format!("cp {}", new.display());
        let edited = scratch.run_with(Ours, ["edit", name], [("EDITOR", editor.as_str())], None);
        edited.ok();

        let mut command = Command::new(&sops);
        command.args(["--decrypt", "--output-type", "json", name]);
        command.current_dir(scratch.folder());
        assert_eq!(
            output(command.env("GNUPGHOME", &gpg.home)),
            content(),
            "{name}"
        );
    }
}

fn pgp_fingerprint(keys: &Value) -> String {
    let fingerprint = keys["pgp_rsa"].as_str();
    fingerprint.expect("the fingerprint of the key").to_owned()
}

/// A folder with keys of GnuPG, whose agent ends with it.
struct Gpg {
    home: PathBuf,
}

impl Gpg {
    fn new(scratch: &Scratch) -> Self {
        let home = scratch.path("gnupg");
        fs::create_dir(&home).expect("a new folder");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("our own folder");
        }
        Self { home }
    }

    fn import(&self, key: &Path) {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--quiet", "--import"]).arg(key);
        let ran = command.env("GNUPGHOME", &self.home).output();
        let ran = ran.expect("gpg is there");
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        command.args(["--kill", "gpg-agent"]).stdout(Stdio::null());
        let _ = command.env("GNUPGHOME", &self.home).status();
    }
}

#[test]
fn rops_opens_what_ours_encrypts() {
    let Some(rops) = env::var_os("SOPS_TEST_ROPS").map(PathBuf::from) else {
        eprintln!("\n*** SKIPPED: SOPS_TEST_ROPS is not set ***\n");
        return;
    };
    assert!(rops.exists(), "SOPS_TEST_ROPS names it");
    let identities = String::from_utf8(read_testdata("golden/keys/age.txt")).expect("a text");
    let identity = identities
        .lines()
        .find(|line| line.starts_with("AGE-"))
        .expect("an identity");
    for (name, text) in texts() {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, name, text.as_bytes()).ok();
        let input = File::open(scratch.write(name, encrypted)).expect("readable");
        let format = name.trim_start_matches("file.");
        let mut command = Command::new(&rops);
        command.args(["decrypt", "--format", format]).stdin(input);
        let plain = command.env("ROPS_AGE", identity).output().expect("starts");
        assert!(
            plain.status.success(),
            "{}",
            String::from_utf8_lossy(&plain.stderr)
        );
        if format == "json" {
            let plain: Value = serde_json::from_slice(&plain.stdout).expect("JSON");
            assert_eq!(plain, content());
        } else {
            let plain = String::from_utf8(plain.stdout).expect("a text");
            assert!(
                plain.contains("user: app") && plain.contains("- 1.5\n"),
                "{plain}"
            );
        }
    }
}

fn output(command: &mut Command) -> Value {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("JSON")
}
