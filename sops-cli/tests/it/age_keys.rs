//! All kinds of age keys, both ways with the reference; and how passphrases are asked for.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    age_kinds::{PASSPHRASE, PLAIN, command, decrypt, encrypt, kinds, made, private, public, run},
    pinentry::Pinentry,
    support::{
        Program::{Ours, Reference},
        Ran, Scratch, has_reference, read_testdata, skip,
    },
};

#[test]
fn every_kind_goes_to_the_reference_and_back() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    for kind in kinds(&scratch) {
        for (from, to) in [(Ours, Reference), (Reference, Ours), (Ours, Ours)] {
            let encrypted = encrypt(&scratch, from, &kind.recipient);
            let opened = decrypt(&scratch, to, &kind, &encrypted);
            assert_eq!(opened.code, 0, "{} {to:?}: {}", kind.name, opened.stderr);
            assert_eq!(opened.text(), PLAIN, "{}", kind.name);
            assert!(
                opened.stderr.is_empty() || to == Reference,
                "{}",
                opened.stderr
            );
        }
    }
}

#[test]
fn recipients_of_all_kinds_come_from_the_environment() {
    let scratch = Scratch::new();
    let kinds = kinds(&scratch);
    let recipients: Vec<_> = kinds.iter().map(|kind| kind.recipient.as_str()).collect();
    let recipients = recipients[..4].join(", ");
    scratch.write("plain.yaml", PLAIN);
    for program in [Ours, Reference] {
        if program == Reference && !has_reference() {
            continue;
        }
        let mut command = command(&scratch, program);
        command.env("SOPS_AGE_RECIPIENTS", &recipients);
        let encrypted = run(command, &["encrypt", "plain.yaml"]);
        let encrypted = String::from_utf8(encrypted.ok()).expect("a text");
        assert_eq!(encrypted.matches("recipient: ").count(), 4, "{program:?}");
        for kind in &kinds {
            let opened = decrypt(&scratch, Ours, kind, &encrypted);
            assert_eq!(
                opened.text(),
                PLAIN,
                "{program:?} {}: {}",
                kind.name,
                opened.stderr
            );
        }
    }
}

/// Private keys of SSH are found where the reference finds them.
#[test]
fn keys_of_ssh_are_found_in_the_home_folder_and_from_a_command() {
    let scratch = Scratch::new();
    for name in ["ed25519", "rsa"] {
        let key = private(&scratch, &format!("ssh/{name}"));
        let encrypted = encrypt(&scratch, Ours, &public(name));
        scratch.write("encrypted.yaml", &encrypted);
        let nothing = run(command(&scratch, Ours), &["decrypt", "encrypted.yaml"]);
        assert_eq!(nothing.code, 128);
        for place in [
            ".ssh/id_ed25519",
            ".ssh/id_rsa",
            "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
        ] {
            assert!(nothing.stderr.contains(place), "{}", nothing.stderr);
        }
        let script = format!(
            "sh -c 'test \"$SOPS_AGE_RECIPIENT\" && cat \"{}\"'",
            key.display()
        );
        for program in [Ours, Reference] {
            if program == Reference && !has_reference() {
                continue;
            }
            let home = Scratch::new();
            let folder = home.path(".ssh");
            fs::create_dir(&folder).expect("a folder");
            fs::copy(&key, folder.join(format!("id_{name}"))).expect("a file");
            let mut by_home = command(&scratch, program);
            by_home.env("HOME", home.folder());
            let mut by_command = command(&scratch, program);
            by_command.env("SOPS_AGE_SSH_PRIVATE_KEY_CMD", &script);
            for command in [by_home, by_command] {
                let opened = run(command, &["decrypt", "encrypted.yaml"]);
                assert_eq!(opened.code, 0, "{program:?} {}", opened.stderr);
                assert_eq!(opened.text(), PLAIN);
            }
        }
    }
}

/// What came of a program on a terminal.
struct Dialogue {
    result: Value,
}

impl Dialogue {
    /// Runs a program on a terminal, and types the answers to what it asks.
    fn run(command: &Command, arguments: &[&str], answers: &[(&str, &str)]) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/terminal.py");
        let mut python = Command::new("python3");
        python.arg(script).arg(json!(answers).to_string());
        python.arg(command.get_program()).args(arguments);
        python.env_clear();
        for (name, value) in command.get_envs() {
            value.map(|value| python.env(name, value));
        }
        if let Some(folder) = command.get_current_dir() {
            python.current_dir(folder);
        }
        let Ok(output) = python.output() else {
            skip("python3");
            return None;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let result = serde_json::from_str(&text);
        Some(Self {
            result: result.unwrap_or_else(|error| panic!("{error}: {text}{complaint}")),
        })
    }

    fn text(&self, key: &str) -> &str {
        self.result[key].as_str().expect("a text")
    }

    fn code(&self) -> i64 {
        self.result["code"].as_i64().expect("a number")
    }

    /// Checks that everything was asked, nothing typed was shown, and the terminal is as it was.
    #[track_caller]
    fn check(&self) {
        assert_eq!(self.result["unanswered"], 0, "{}", self.result);
        assert_eq!(self.result["echoes"], true, "{}", self.result);
        assert!(
            !self.text("terminal").contains("pass phrase"),
            "{}",
            self.result
        );
    }
}

/// A file for `ssh/NAME.pub`, and a command that has the private key.
fn locked(scratch: &Scratch, name: &str) -> Command {
    let key = private(scratch, &format!("ssh/{name}"));
    let encrypted = encrypt(scratch, Ours, &public(name));
    scratch.write("encrypted.yaml", encrypted);
    let mut command = command(scratch, Ours);
    command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", key);
    command
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal() {
    let scratch = Scratch::new();
    for name in ["ed25519-passphrase", "rsa-passphrase"] {
        let command = locked(&scratch, name);
        let question = format!("ssh-{name}: ");
        let arguments = ["decrypt", "encrypted.yaml"];
        let right = [(question.as_str(), PASSPHRASE)];
        let Some(dialogue) = Dialogue::run(&command, &arguments, &right) else {
            return;
        };
        dialogue.check();
        assert_eq!(dialogue.code(), 0, "{}", dialogue.result);
        assert_eq!(dialogue.text("stdout"), PLAIN);
        assert_eq!(dialogue.text("stderr"), "");
    }

    let command = locked(&scratch, "ed25519-passphrase");
    let question = "ssh-ed25519-passphrase: ";
    let arguments = ["decrypt", "encrypted.yaml"];
    // A mistake, taken back with the backspace key; then another, noticed too late.
    let corrected = [
        (question, "wrong\n"),
        ("Wrong, try again", "pasx\x7fs phrase\n"),
    ];
    let dialogue = Dialogue::run(&command, &arguments, &corrected).expect("python");
    dialogue.check();
    assert_eq!(dialogue.text("stdout"), PLAIN, "{}", dialogue.result);

    let wrong = [(question, "a\n"), ("again", "b\n"), ("again", "c\n")];
    for (answers, expected) in [
        (&wrong[..], "the answer was wrong 3 times"),
        (&[(question, "pass\x03")], "cancelled"),
        (&[(question, "\x04")], "cancelled"),
    ] {
        let dialogue = Dialogue::run(&command, &arguments, answers).expect("python");
        dialogue.check();
        assert_eq!(dialogue.code(), 128, "{}", dialogue.result);
        assert!(
            dialogue.text("stderr").contains(expected),
            "{}",
            dialogue.result
        );
        assert_eq!(dialogue.text("stdout"), "");
    }
}

#[test]
fn one_answer_does_for_all_files() {
    let scratch = Scratch::new();
    let identities = private(&scratch, "identities/passphrase.age");
    let recipient = String::from_utf8(read_testdata("identities/recipient.txt")).expect("text");
    let encrypted = encrypt(&scratch, Ours, recipient.trim());
    let files: Vec<String> = (0..100).map(|number| format!("{number}.yaml")).collect();
    for file in &files {
        scratch.write(file, &encrypted);
    }
    let mut command = command(&scratch, Ours);
    command.env("SOPS_AGE_KEY_FILE", identities);
    let mut arguments = vec!["decrypt", "-i"];
    arguments.extend(files.iter().map(String::as_str));
    let answers = [("identities-passphrase.age: ", PASSPHRASE)];
    let Some(dialogue) = Dialogue::run(&command, &arguments, &answers) else {
        return;
    };
    dialogue.check();
    assert_eq!(dialogue.code(), 0, "{}", dialogue.result);
    assert_eq!(dialogue.text("terminal").matches("Passphrase").count(), 1);
    for file in &files {
        assert_eq!(scratch.read_text(file), PLAIN);
    }
}

/// The reference opens what is encrypted for keys with a passphrase, and asks on the terminal, too.
#[test]
fn keys_with_a_passphrase_are_the_same_keys_for_the_reference() {
    if !has_reference() {
        return;
    }
    let scratch = Scratch::new();
    for (name, public_key) in [
        ("ed25519-passphrase", "ed25519-passphrase"),
        ("rsa-passphrase", "rsa-passphrase"),
        ("ed25519-cbc", "ed25519-cbc"),
        ("rsa-pkcs1-passphrase", "rsa"),
    ] {
        let key = private(&scratch, &format!("ssh/{name}"));
        // A key in the older format does not say whose it is.
        scratch.write(&format!("ssh-{name}.pub"), public(public_key));
        for (from, to) in [(Ours, Reference), (Reference, Ours)] {
            let encrypted = encrypt(&scratch, from, &public(public_key));
            scratch.write("encrypted.yaml", encrypted);
            let mut command = command(&scratch, to);
            command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key);
            let answers = [(key.to_str().expect("a path that is text"), PASSPHRASE)];
            let dialogue = Dialogue::run(&command, &["decrypt", "encrypted.yaml"], &answers);
            let Some(dialogue) = dialogue else { return };
            assert_eq!(dialogue.text("stdout"), PLAIN, "{name} {}", dialogue.result);
        }
    }
}

#[test]
fn a_key_in_the_older_format_needs_its_public_key() {
    let scratch = Scratch::new();
    let name = "ssh-rsa-pkcs1-passphrase";
    let key = private(&scratch, "ssh/rsa-pkcs1-passphrase");
    scratch.write("encrypted.yaml", encrypt(&scratch, Ours, &public("rsa")));
    let give = format!("cat '{}'", key.display());
    for (public_key, settings, expected) in [
        (
            None,
            ["FILE", name],
            "in the old format, without its public key (ssh-rsa-pkcs1-passphrase.pub: No such",
        ),
        (
            Some("ssh-rsa AAAA"),
            ["FILE", name],
            "its public key: malformed SSH key",
        ),
        (
            Some(&*public("ed25519")),
            ["FILE", name],
            "the one age identity at hand does not fit",
        ),
        (
            Some(&*public("rsa")),
            ["CMD", &give],
            "in the old format, without its public key\n",
        ),
    ] {
        fs::remove_file(scratch.path(&format!("{name}.pub"))).ok();
        if let Some(text) = public_key {
            scratch.write(&format!("{name}.pub"), text);
        }
        let mut command = command(&scratch, Ours);
        let [kind, value] = settings;
        command.env(format!("SOPS_AGE_SSH_PRIVATE_KEY_{kind}"), value);
        let ran = run(command, &["decrypt", "encrypted.yaml"]);
        assert_eq!(ran.code, 128);
        assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        let has_hint = ran.stderr.contains("hint: `ssh-keygen -p -f FILE`");
        assert_eq!(
            has_hint,
            !expected.contains("does not fit"),
            "{}",
            ran.stderr
        );
    }
}

/// With nobody to ask, there is an error, and no waiting.
#[test]
fn without_a_terminal_there_is_an_error_and_no_hang() {
    let scratch = Scratch::new();
    let command = locked(&scratch, "ed25519-passphrase");
    let mut without = Command::new("setsid");
    without.arg("--wait").arg(command.get_program());
    without.args(["decrypt", "encrypted.yaml"]).env_clear();
    for (name, value) in command.get_envs() {
        value.map(|value| without.env(name, value));
    }
    without.current_dir(scratch.folder()).stdin(Stdio::piped());
    let Ok(output) = without.output() else {
        skip("setsid");
        return;
    };
    let ran = Ran::from(output);
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("ssh-ed25519-passphrase: there is nobody to ask: there is no terminal"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("hint: run sops in a terminal"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_pinentry_asks_if_one_is_named() {
    let scratch = Scratch::new();
    let pinentry = |answer| Pinentry::new(&scratch.temporary(), answer);
    let with = |program: &str| {
        let mut command = locked(&scratch, "ed25519-passphrase");
        command.env("PINENTRY_PROGRAM", program);
        run(command, &["decrypt", "encrypted.yaml"])
    };
    let answer = "echo D pass%20phrase; echo OK";
    assert_eq!(with(pinentry(answer).path()).ok(), PLAIN.as_bytes());
    let right = Pinentry::without_options(&scratch.temporary(), answer);
    assert_eq!(with(right.path()).ok(), PLAIN.as_bytes());
    let log = right.log();
    assert!(log.contains("SETDESC Passphrase for ") && log.contains("ssh-ed25519-passphrase"));
    assert_eq!(right.asked(), 1);
    for (answer, expected) in [
        ("echo ERR 83886179 cancelled", "cancelled"),
        ("echo D wrong; echo OK", "wrong 3 times"),
        ("exit", "it ended without an answer"),
    ] {
        let ran = with(pinentry(answer).path());
        assert_eq!(ran.code, 128);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    for (program, expected) in [
        (
            "/does/not/exist",
            "PINENTRY_PROGRAM (/does/not/exist): cannot run it",
        ),
        ("/bin/true", "it ended without an answer"),
    ] {
        let ran = with(program);
        assert_eq!(ran.code, 128);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn identity_files_that_others_can_read_and_empty_ones_earn_a_word() {
    let scratch = Scratch::new();
    let kind = made(&scratch, "x25519", &[]);
    fs::set_permissions(&kind.file, fs::Permissions::from_mode(0o644)).expect("a file of ours");
    let encrypted = encrypt(&scratch, Ours, &kind.recipient);
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        scratch.write(name, &encrypted);
    }
    let mut readable = command(&scratch, Ours);
    readable.env("SOPS_AGE_KEY_FILE", &kind.file);
    let ran = run(readable, &["decrypt", "-i", "a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.stderr
            .matches("others than its owner can read it")
            .count(),
        1
    );

    scratch.write("encrypted.yaml", &encrypted);
    let mut empty = command(&scratch, Ours);
    empty.env(
        "SOPS_AGE_KEY_FILE",
        scratch.write("empty.txt", "# nothing\n"),
    );
    let ran = run(empty, &["decrypt", "encrypted.yaml"]);
    assert_eq!(ran.code, 128);
    assert!(
        ran.stderr.contains("empty.txt) holds no identity"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_doctor_tells_what_is_there_and_no_secret() {
    let scratch = Scratch::new();
    let kind = made(&scratch, "x25519", &[]);
    let stranger = made(&scratch, "stranger", &[]);
    for (name, recipient) in [
        ("mine.yaml", &kind.recipient),
        ("other.yaml", &stranger.recipient),
    ] {
        scratch.write(name, encrypt(&scratch, Ours, recipient));
    }
    scratch.write(
        ".sops.yaml",
        format!("creation_rules:\n  - age: {}\n", kind.recipient),
    );
    let plugin = scratch.write("bin/age-plugin-example", "");
    let ask = |arguments: &[&str]| {
        let mut command = command(&scratch, Ours);
        command.env("SOPS_AGE_KEY_FILE", &kind.file);
        command.env("PATH", plugin.parent().expect("a folder"));
        run(command, arguments)
    };
    let ran = ask(&["doctor", "mine.yaml", "other.yaml"]);
    assert_eq!(ran.code, 128);
    let text = ran.text();
    for expected in [
        "x25519.txt): 1 age identity",
        &format!("  recipient: {}\n", kind.recipient),
        "  gpg: cannot be run",
        "  age-plugin-example: ",
        "SOPS_AGE_KEY_FILE",
        ".sops.yaml, 1 creation rule\n",
        "mine.yaml: can be opened\n",
        "other.yaml: failed to get the data key",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let json = ask(&["doctor", "--json", "mine.yaml"]);
    let value: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json.code, 0, "{}", json.stderr);
    assert_eq!(value["age"]["recipients"], json!([kind.recipient]));
    assert_eq!(
        value["files"],
        json!([{"file": "mine.yaml", "opens": true, "problem": null}])
    );
    assert_eq!(value["configuration"]["creation_rules"], 1);
    for text in [text, json.text(), ran.stderr] {
        assert!(!text.contains("AGE-SECRET"), "{text}");
    }
    assert_eq!(ask(&["doctor"]).code, 0);
    assert_eq!(ask(&["doctor", "missing.yaml"]).code, 100);
}
