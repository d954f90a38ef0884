//! The programs that call `sops`: started for real where they are small, else with their own command lines, word by word.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::support::{Program::Ours, RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, skip};

const YAML: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n    name: app\ndata:\n    password: aHVudGVyMg==\n";

/// A folder with a rule, and one encrypted file of each format.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {RECIPIENT}\n"),
    );
    for (name, text) in [
        ("a.yaml", "user: admin\npassword: hunter2\n"),
        ("a.json", "{\"user\": \"admin\"}"),
        ("a.env", "USER=admin\nLINES=a\\nb\n"),
        ("a.ini", "[db]\nuser = admin\n"),
        ("a.bin", "any bytes"),
    ] {
        scratch.write(name, text);
        scratch.run(Ours, ["encrypt", "-i", name]).ok();
    }
    scratch
}

fn run(scratch: &Scratch, arguments: &[&str], input: Option<&str>) -> Ran {
    scratch.run_with(Ours, arguments, [], input.map(str::as_bytes))
}

/// A shell with `sops` on its path, and nothing of the environment of the tests.
fn shell(scratch: &Scratch, script: &str) -> Ran {
    let ours = scratch.command(Ours);
    let binary = Path::new(ours.get_program());
    let folder = binary.parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.env_clear();
    for (name, value) in ours.get_envs() {
        command.env(name, value.expect("set, not removed"));
    }
    command
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", script])
        .current_dir(scratch.folder());
    command.output().expect("bash is there").into()
}

/// What looks for encrypted files by their bytes: Flux, its command line, helm-secrets.
#[test]
fn files_have_the_marks_that_are_looked_for() {
    let scratch = scratch();
    scratch.write("braces.yaml", "{a: secret}\n");
    let encrypt = ["encrypt", "--in-place", "--age", RECIPIENT, "braces.yaml"];
    run(&scratch, &encrypt, None).ok();
    for (name, marks) in [
        ("a.yaml", ["mac: ENC[", "\nsops:\n"].as_slice()),
        ("braces.yaml", &["mac: ENC[", "sops:"]),
        ("a.json", &["\"mac\": \"ENC["]),
        ("a.bin", &["\"mac\": \"ENC[", "\"data\": \"ENC["]),
        ("a.env", &["\nsops_mac=ENC["]),
        ("a.ini", &["\n[sops]\n"]),
    ] {
        let text = scratch.read_text(name);
        for mark in marks {
            assert!(text.contains(mark), "{name}: {mark:?}\n{text}");
        }
    }
    for file in ["a.yaml", "a.json", "a.bin", "a.ini", "a.env"] {
        let found = shell(&scratch, &format!("grep -q 'mac.*,type:str]' {file}"));
        assert_eq!(found.code, 0, "{file}");
    }
    assert_eq!(shell(&scratch, "grep -xq 'sops:\\s*' a.yaml").code, 0);
}

/// Flux' tests and documentation: `--encrypted-regex`, and flags for encrypting beside `--decrypt`.
#[test]
fn flux() {
    let scratch = scratch();
    scratch.write("secret.yaml", YAML);
    let regex = "^(data|stringData)$";
    let encrypt = [
        "--age",
        RECIPIENT,
        "--encrypt",
        "--encrypted-regex",
        regex,
        "--in-place",
        "secret.yaml",
    ];
    run(&scratch, &encrypt, None).ok();
    let text = scratch.read_text("secret.yaml");
    assert!(
        text.contains("kind: Secret\n") && text.contains("password: ENC["),
        "{text}"
    );
    let vault = "http://127.0.0.1:1/v1/sops/keys/vault";
    let decrypt = [
        "--hc-vault-transit",
        vault,
        "--decrypt",
        "--encrypted-regex",
        regex,
        "--in-place",
        "secret.yaml",
    ];
    run(&scratch, &decrypt, None).ok();
    assert_eq!(scratch.read_text("secret.yaml"), YAML);
}

/// community.sops 2.2.7, `plugins/module_utils/sops.py`.
#[test]
fn ansible() {
    let scratch = scratch();
    let version = run(&scratch, &["--version", "--disable-version-check"], None).text();
    let number = version.strip_prefix("sops ").expect("the first word");
    let numbers: Vec<u32> = number
        .split(['.', ' ', '\n'])
        .take(3)
        .map(|part| part.parse().expect("three numbers"))
        .collect();
    assert!(numbers >= vec![3, 9, 0], "{version}");

    let lookup = [
        "--config",
        "/dev/null",
        "decrypt",
        "--aws-profile",
        "p",
        "--enable-local-keyservice=true",
        "--input-type",
        "yaml",
        "--output-type",
        "json",
        "--extract",
        "[\"user\"]",
        "a.yaml",
    ];
    assert_eq!(run(&scratch, &lookup, None).text(), "admin");
    let content = scratch.read_text("a.yaml");
    let filter = [
        "decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "/dev/stdin",
    ];
    assert_eq!(
        run(&scratch, &filter, Some(&content)).text(),
        "user: admin\npassword: hunter2\n"
    );

    let both = format!("{RECIPIENT},{SECOND_RECIPIENT}");
    let module = [
        "encrypt",
        "--age",
        &both,
        "--encrypted-regex",
        "pass",
        "--encryption-context",
        "a:b,c:d",
        "--shamir-secret-sharing-threshold",
        "1",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "--filename-override",
        "new.yaml",
        "/dev/stdin",
    ];
    let ran = run(&scratch, &module, Some("user: admin\npassword: x\n"));
    let text = String::from_utf8(ran.ok()).expect("a text");
    assert!(text.starts_with("user: admin\npassword: ENC["), "{text}");
    assert!(text.contains(SECOND_RECIPIENT), "{text}");

    for (file, expected) in [
        ("a.yaml", "{\"encrypted\":true}\n"),
        (".sops.yaml", "{\"encrypted\":false}\n"),
    ] {
        assert_eq!(run(&scratch, &["filestatus", file], None).text(), expected);
    }
    // Nothing on standard output, and a code that its table knows.
    let ran = scratch.run_with(
        Ours,
        ["decrypt", "a.yaml"],
        [("SOPS_AGE_KEY_FILE", "/dev/null")],
        None,
    );
    assert_eq!((ran.code, ran.stdout.len()), (128, 0));
}

/// helm-secrets, `scripts/lib/backends/sops.sh`.
#[test]
fn helm_secrets() {
    let scratch = scratch();
    let decrypt = [
        "--decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "a.yaml",
    ];
    assert_eq!(
        run(&scratch, &decrypt, None).text(),
        "user: admin\npassword: hunter2\n"
    );
    let with_backend_arguments = [["--ignore-mac"].as_slice(), &decrypt].concat();
    assert_eq!(run(&scratch, &with_backend_arguments, None).code, 0);
    let output = [
        "--decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "--output",
        "out.yaml",
        "a.yaml",
    ];
    assert_eq!(run(&scratch, &output, None).stdout, b"");
    assert_eq!(
        scratch.read_text("out.yaml"),
        "user: admin\npassword: hunter2\n"
    );
    let json = scratch.read_text("a.json");
    let literal = [
        "--decrypt",
        "--input-type",
        "json",
        "--output-type",
        "json",
        "/dev/stdin",
    ];
    assert_eq!(
        run(&scratch, &literal, Some(&json)).text(),
        "{\"user\": \"admin\"}"
    );
    let encrypt = [
        "--encrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "--in-place",
        "out.yaml",
    ];
    run(&scratch, &encrypt, None).ok();
    let decrypt_in_place = [
        "--decrypt",
        "--input-type",
        "yaml",
        "--output-type",
        "yaml",
        "--in-place",
        "out.yaml",
    ];
    run(&scratch, &decrypt_in_place, None).ok();
    assert_eq!(
        scratch.read_text("out.yaml"),
        "user: admin\npassword: hunter2\n"
    );

    // `helm secrets edit` of a file that is not there, without a rule; its test wants these words.
    fs::remove_file(scratch.path(".sops.yaml")).expect("our own file");
    let edit = ["--input-type", "yaml", "--output-type", "yaml", "none.yaml"];
    let ran = run(&scratch, &edit, None);
    assert_ne!(ran.code, 0);
    let words = "config file not found, or has no creation rules, and no keys provided through command line options";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

/// vscode-sops, `src/extension.ts`: temporary files without an ending, and an editor that is a script.
#[test]
fn vscode_sops() {
    let scratch = scratch();
    for (format, file) in [
        ("yaml", "a.yaml"),
        ("json", "a.json"),
        ("dotenv", "a.env"),
        ("ini", "a.ini"),
        ("binary", "a.bin"),
    ] {
        let plain = run(&scratch, &["decrypt", file], None).ok();
        scratch.write("tmp-1", scratch.read(file));
        let decrypt = [
            "--ignore-mac",
            "--config",
            "/dev/null",
            "--output-type",
            format,
            "--input-type",
            format,
            "--decrypt",
            "tmp-1",
        ];
        assert_eq!(run(&scratch, &decrypt, None).ok(), plain, "{format}");
    }
    // A type that is none falls back to the name of the file.
    let plaintext = [
        "--config",
        "/dev/null",
        "--output-type",
        "plaintext",
        "--input-type",
        "plaintext",
        "--decrypt",
        "a.bin",
    ];
    assert_eq!(run(&scratch, &plaintext, None).text(), "any bytes");
    let broken = [
        "--config",
        "/dev/null",
        "--output-type",
        "yaml",
        "--input-type",
        "yaml",
        "--decrypt",
        ".sops.yaml",
    ];
    assert_eq!(
        run(&scratch, &broken, None).stdout,
        b"",
        "its exit code is not looked at"
    );

    scratch.write("tmp-2", scratch.read("a.yaml"));
    scratch.write("new-text", "user: root\npassword: hunter2\n");
    let editor = scratch.write("editor.sh", "#!/bin/sh\ncat new-text > $1\n");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("our own file");
    let mut command = scratch.command(Ours);
    command.env("EDITOR", &editor);
    command.args([
        "--config",
        "/dev/null",
        "--output-type",
        "yaml",
        "--input-type",
        "yaml",
        "tmp-2",
    ]);
    let ran = Ran::from(command.output().expect("it starts"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let decrypt = [
        "--config",
        "/dev/null",
        "--output-type",
        "yaml",
        "--input-type",
        "yaml",
        "--decrypt",
        "tmp-2",
    ];
    assert_eq!(
        run(&scratch, &decrypt, None).text(),
        "user: root\npassword: hunter2\n"
    );

    scratch.write("tmp-3", "a: b\n");
    let encrypt = [
        "--config",
        "/dev/null",
        "--config",
        ".sops.yaml",
        "--output-type",
        "yaml",
        "--input-type",
        "yaml",
        "--encrypt",
        "tmp-3",
    ];
    assert!(run(&scratch, &encrypt, None).text().starts_with("a: ENC["));
}

/// mise, `src/sops.rs`: the file on standard input, keys in two variables at once.
#[test]
fn mise() {
    let scratch = scratch();
    let keys =
        fs::read_to_string(crate::support::testdata("golden/keys/age.txt")).expect("the test keys");
    let keys: Vec<&str> = keys
        .lines()
        .filter(|line| line.starts_with("AGE-"))
        .collect();
    let content = scratch.read("a.json");
    let ran = scratch.run_with(
        Ours,
        ["decrypt", "--input-type", "json", "--output-type", "json"],
        [
            ("SOPS_AGE_KEY", keys.join("\n").as_str()),
            ("SOPS_AGE_KEY_FILE", "/dev/null"),
        ],
        Some(&content),
    );
    assert_eq!(ran.text(), "{\"user\": \"admin\"}", "{}", ran.stderr);
}

/// pre-commit-hook-ensure-sops: every leaf outside of `sops` is a text that starts with `ENC[`, or empty.
#[test]
fn pre_commit_hook_ensure_sops() {
    let scratch = scratch();
    scratch.write("all.json", "{\"a\": [1, true, \"x\", \"\", {\"b\": 1.5}]}");
    scratch.run(Ours, ["encrypt", "-i", "all.json"]).ok();
    let mut file: serde_json::Value =
        serde_json::from_slice(&scratch.read("all.json")).expect("JSON");
    assert!(
        file.as_object_mut()
            .expect("a map")
            .remove("sops")
            .is_some()
    );
    let mut waiting = vec![file];
    while let Some(value) = waiting.pop() {
        match value {
            serde_json::Value::Object(map) => {
                waiting.extend(map.into_iter().map(|(_, value)| value))
            }
            serde_json::Value::Array(list) => waiting.extend(list),
            serde_json::Value::String(text) => {
                assert!(text.is_empty() || text.starts_with("ENC["), "{text}")
            }
            other => panic!("{other} is not encrypted"),
        }
    }
}

/// Readable diffs: what git calls has the name of the file with its ending, in a temporary folder.
#[test]
fn git_shows_differences_in_the_clear() {
    for textconv in ["sops decrypt", "sops -d", "sops -d --config /dev/null"] {
        let scratch = scratch();
        let script = format!(
            "set -e; git init -q .; git config user.name n; git config user.email e@example.com; \
             git config diff.sopsdiffer.textconv '{textconv}'; \
             echo 'a.* diff=sopsdiffer' > .gitattributes; git add .; git commit -q -m first; \
             sops set a.yaml '[\"user\"]' '\"root\"'; sops set a.json '[\"user\"]' '\"root\"'; \
             printf 'USER=root\\n' | sops encrypt --filename-override a.env > new.env; mv new.env a.env; \
             printf new | sops encrypt --filename-override a.bin > new.bin; mv new.bin a.bin; \
             git --no-pager diff"
        );
        let ran = shell(&scratch, &script);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let text = ran.text();
        for line in [
            "-user: admin",
            "+user: root",
            " password: hunter2",
            "-{\"user\": \"admin\"}",
            "+{\"user\": \"root\"}",
            "-USER=admin",
            "+USER=root",
            "-any bytes",
            "+new",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("ENC["), "{text}");
        // What cannot be decrypted ends it, as with the reference; people write around that.
        let ran = shell(&scratch, "SOPS_AGE_KEY_FILE=/dev/null git --no-pager diff");
        assert_eq!(ran.code, 128, "{}", ran.stderr);
        let ran = shell(
            &scratch,
            "printf 'sops -d \"$1\" 2> /dev/null || cat \"$1\"' > conv.sh; \
             SOPS_AGE_KEY_FILE=/dev/null git -c diff.sopsdiffer.textconv='sh conv.sh' --no-pager diff",
        );
        assert!(ran.text().contains("+user: ENC["), "{}", ran.stderr);
    }
}

/// direnv's wiki: `use_sops`.
#[test]
fn direnv() {
    if Command::new("direnv").arg("version").output().is_err() {
        return skip("direnv");
    }
    let scratch = scratch();
    scratch.write(
        ".envrc",
        "use_sops() {\n  local path=${1:-a.env}\n  \
         eval \"$(sops -d --output-type dotenv \"$path\" | direnv dotenv bash /dev/stdin)\"\n  watch_file \"$path\"\n}\n\
         use sops a.yaml\nexport EXTRACTED=\"$(sops -d --output-type dotenv --extract \"['user']\" a.yaml)\"\n",
    );
    let ran = shell(
        &scratch,
        "direnv allow . 2>&1 && direnv exec . sh -c 'echo $user $password $EXTRACTED'",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.text().ends_with("admin hunter2 admin\n"),
        "{}{}",
        ran.text(),
        ran.stderr
    );
    // direnv says nothing when sops fails: so nothing may have been set.
    let ran = shell(
        &scratch,
        "SOPS_AGE_KEY_FILE=/dev/null direnv exec . sh -c 'echo got:$user:$password'",
    );
    assert!(ran.text().ends_with("got::\n"), "{}", ran.text());
}
