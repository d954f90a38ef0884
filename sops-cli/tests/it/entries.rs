//! Entries of keys that this machine, or this build, can do nothing with: they are read, kept and written as they were.

use crate::support::{Program, RECIPIENT, Scratch};

const PLAIN: &[u8] = b"a: 1\nb: secret\n";

/// One of each kind, as they are written here.
const ENTRIES: &str = "    azure_kv:
        - created_at: \"2026-01-02T03:04:05Z\"
          enc: BBBB
          name: k
          vault_url: https://v.vault.azure.net
          version: 0123456789abcdef0123456789abcdef
    gcp_kms:
        - created_at: \"2026-01-02T03:04:05Z\"
          enc: CiQA
          resource_id: projects/p/locations/global/keyRings/r/cryptoKeys/k
    hc_vault:
        - created_at: \"2026-01-02T03:04:05Z\"
          enc: vault:v1:CCCC
          engine_path: transit
          key_name: k
          vault_address: https://vault.example:8200
    hckms:
        - created_at: \"2026-01-02T03:04:05Z\"
          enc: AAAA
          key_id: tr-west-1:123e4567-e89b-12d3-a456-426614174000
    kms:
        - arn: arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
          aws_profile: other
          context:
            app: web
          created_at: \"2026-01-02T03:04:05Z\"
          enc: AQICAHg
          role: arn:aws:iam::111122223333:role/sops
";

fn file() -> Scratch {
    let scratch = Scratch::new();
    let encrypted = scratch.encrypt(Program::Ours, "f.yaml", PLAIN).ok();
    let text = String::from_utf8(encrypted).expect("a text");
    let text = text.replacen(
        "    lastmodified:",
        &format!("{ENTRIES}    lastmodified:"),
        1,
    );
    scratch.write("f.yaml", text);
    scratch
}

#[test]
fn stay_when_the_file_changes() {
    let scratch = file();
    let decrypted = scratch.run(Program::Ours, ["decrypt", "f.yaml"]);
    assert_eq!(decrypted.ok(), PLAIN);
    let set = scratch.run(Program::Ours, ["set", "f.yaml", "[\"b\"]", "\"other\""]);
    set.ok();
    assert!(scratch.read_text("f.yaml").contains(ENTRIES));
    let mut edit = scratch.command(Program::Ours);
    edit.args(["edit", "f.yaml"])
        .env("EDITOR", "sed -i s/other/third/");
    assert!(edit.output().expect("the program starts").status.success());
    assert!(scratch.read_text("f.yaml").contains(ENTRIES));
    let decrypted = scratch.run(Program::Ours, ["decrypt", "f.yaml"]);
    assert_eq!(decrypted.text(), "a: 1\nb: third\n");
    // Into another format, and back.
    let json = ["decrypt", "--output-type", "json", "f.yaml"];
    assert!(scratch.run(Program::Ours, json).text().contains("third"));
}

/// Keys can be taken away by who cannot use them.
#[test]
fn can_be_removed() {
    let scratch = file();
    let rotate = [
        "rotate",
        "-i",
        "--rm-kms=arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab+arn:aws:iam::111122223333:role/sops",
        "--encryption-context=app:web",
        "--aws-profile=other",
        "--rm-gcp-kms=projects/p/locations/global/keyRings/r/cryptoKeys/k",
        "--rm-hckms=tr-west-1:123e4567-e89b-12d3-a456-426614174000",
        "--rm-azure-kv=https://v.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef",
        "--rm-hc-vault-transit=https://vault.example:8200/v1/transit/keys/k",
        "f.yaml",
    ];
    scratch.run(Program::Ours, rotate).ok();
    let text = scratch.read_text("f.yaml");
    for kind in ["kms:", "gcp_kms:", "hckms:", "azure_kv:", "hc_vault:"] {
        assert!(!text.contains(&format!("\n    {kind}")), "{text}");
    }
    assert!(text.contains(RECIPIENT));
    let decrypted = scratch.run(Program::Ours, ["decrypt", "f.yaml"]);
    assert_eq!(decrypted.ok(), PLAIN);
}

/// A new data key cannot be given to them: that is an error, and the file stays.
#[cfg(not(any(
    feature = "aws-kms",
    feature = "azure-kv",
    feature = "gcp-kms",
    feature = "hc-vault",
    feature = "huawei-kms"
)))]
#[test]
fn a_build_without_services_says_so() {
    let scratch = file();
    let before = scratch.read("f.yaml");
    let ran = scratch.run(Program::Ours, ["rotate", "-i", "f.yaml"]);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
    assert_eq!(scratch.read("f.yaml"), before);
    for [flag, key] in [
        ["--kms", "arn:aws:kms:us-east-1:1:key/1"],
        [
            "--gcp-kms",
            "projects/p/locations/global/keyRings/r/cryptoKeys/k",
        ],
        ["--hckms", "tr-west-1:123e4567-e89b-12d3-a456-426614174000"],
        ["--azure-kv", "https://v.vault.azure.net/keys/k/1"],
        [
            "--hc-vault-transit",
            "https://vault.example:8200/v1/transit/keys/k",
        ],
    ] {
        scratch.write("g.yaml", PLAIN);
        let ran = scratch.run(Program::Ours, ["encrypt", "-i", flag, key, "g.yaml"]);
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{}", ran.stderr);
        assert!(ran.stderr.contains(key), "{}", ran.stderr);
        assert_eq!(scratch.read("g.yaml"), PLAIN);
    }
}
