//! OpenPGP keys, through a real gpg and from files, side by side with the reference.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    gnupg::{CURVE, Gnupg, Kind, RSA, Wrapper},
    pinentry::Pinentry,
    support::{
        Program::{Ours, Reference},
        RECIPIENT, Scratch, cases, has_reference, read_testdata, report, testdata,
    },
};

const TEXT: &str = "# about\nuser: admin\npassword:   'old'   # note\nport: 0x1F\n";
/// A program that is not there, in place of gpg.
const NO_GPG: (&str, &str) = ("SOPS_GPG_EXEC", "/does/not/exist/gpg");

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("a.yaml", TEXT);
    scratch
}

/// The golden files that OpenPGP keys alone open, or that need one of several groups.
fn golden_cases() -> Vec<Value> {
    let mut rows = cases("golden/ok/cases.json");
    rows.retain(|case| {
        let keys = case["keys"].as_str().unwrap_or_default();
        ["pgp-rsa", "pgp-cv25519", "age-pgp"].contains(&keys)
    });
    assert!(rows.len() >= 15);
    rows
}

/// Opens the golden files with these settings and without age identities.
fn open_golden(settings: &[(&str, &str)]) {
    let rows = golden_cases();
    let scratch = Scratch::new();
    let mut failures = Vec::new();
    for case in &rows {
        let file = testdata("golden").join(case["encrypted"].as_str().expect("a file"));
        let input = read_testdata(&format!("golden/{}", case["input"].as_str().expect("one")));
        let line = ["decrypt", file.to_str().expect("a path of ASCII")];
        let settings = settings.iter().copied().chain([("SOPS_AGE_KEY_FILE", "")]);
        let ran = scratch.run_with(Ours, line, settings, None);
        let is_same = match file.extension().and_then(|extension| extension.to_str()) {
            Some("bin") => ran.stdout == input,
            _ => !ran.stdout.is_empty(),
        };
        if ran.code != 0 || !is_same {
            failures.push(format!("{}: {}", file.display(), ran.stderr));
        }
    }
    report(&failures, rows.len());
}

#[test]
fn files_of_the_reference_open_with_gpg() {
    let Some(gnupg) = Gnupg::golden() else { return };
    open_golden(&[("GNUPGHOME", gnupg.home())]);
}

#[test]
fn files_of_the_reference_open_with_exported_keys_and_no_gpg() {
    let files = ["pgp_rsa", "pgp_cv25519"].map(|name| {
        let path = testdata(&format!("golden/keys/{name}.sec.asc"));
        path.to_str().expect("a path of ASCII").to_owned()
    });
    let files = files.join(":");
    open_golden(&[NO_GPG, ("SOPS_PGP_KEY_FILE", &files)]);
}

#[test]
fn what_one_program_encrypts_the_other_decrypts() {
    if !has_reference() {
        return;
    }
    let Some(gnupg) = Gnupg::new() else { return };
    for kind in [Kind::Ed25519, Kind::Rsa] {
        let name = format!("{kind:?}").to_lowercase();
        let fingerprint = gnupg.make(kind, &name);
        let subkey = gnupg.fingerprints(&name).remove(1);
        let spaced: Vec<&str> = (0..10).map(|at| &fingerprint[4 * at..4 * at + 4]).collect();
        for name in [
            fingerprint.clone(),
            fingerprint[24..].to_owned(),
            fingerprint.to_lowercase(),
            format!("0x{fingerprint}"),
            subkey.clone(),
            format!("{subkey}!"),
            spaced.join(" "),
        ] {
            for (one, other) in [(Ours, Reference), (Reference, Ours), (Ours, Ours)] {
                let scratch = scratch();
                let home = [("GNUPGHOME", gnupg.home())];
                let encrypt = ["encrypt", "--pgp", &name, "a.yaml"];
                let encrypted = scratch.run_with(one, encrypt, home, None).ok();
                let fingerprint = name.replace(' ', "");
                let text = String::from_utf8_lossy(&encrypted).into_owned();
                assert!(text.contains(&format!("fp: {fingerprint}\n")), "{text}");
                assert!(text.contains("created_at: \"20"), "{text}");
                scratch.write("b.yaml", encrypted);
                let ran = gnupg.run(&scratch, other, "decrypt b.yaml");
                assert_eq!(
                    ran.code, 0,
                    "{kind:?} {name} {one:?} {other:?}: {}",
                    ran.stderr
                );
                assert!(ran.text().contains("user: admin\n"));
            }
        }
    }
}

#[test]
fn what_exported_keys_encrypt_the_reference_decrypts_through_gpg() {
    if !has_reference() {
        return;
    }
    let Some(gnupg) = Gnupg::golden() else { return };
    for (name, fingerprint) in [("pgp_rsa", RSA), ("pgp_cv25519", CURVE)] {
        let scratch = scratch();
        let file = testdata(&format!("golden/keys/{name}.pub.asc"));
        let settings = [
            NO_GPG,
            ("SOPS_PGP_KEY_FILE", file.to_str().expect("a path of ASCII")),
        ];
        let encrypt = ["encrypt", "-i", "--pgp", fingerprint, "a.yaml"];
        scratch.run_with(Ours, encrypt, settings, None).ok();
        let ran = gnupg.run(&scratch, Reference, "decrypt a.yaml");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let ran = gnupg.run(&scratch, Ours, "decrypt a.yaml");
        assert_eq!(ran.text(), TEXT, "{}", ran.stderr);
    }
}

#[test]
fn old_keyrings_open_files_without_gpg_as_there() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Rsa, "alice");
    let scratch = scratch();
    let encrypt = format!("encrypt -i --pgp {fingerprint} a.yaml");
    gnupg.run(&scratch, Ours, &encrypt).ok();
    let Some(old) = Gnupg::new() else { return };
    let [armored, ring] = ["key.asc", "secring.gpg"].map(|name| old.path().join(name));
    gnupg.export(&fingerprint, "", &armored);
    let [from, to] = [&armored, &ring].map(|path| path.to_str().expect("a path of ASCII"));
    gnupg.gpg(&["--output", to, "--dearmor", from], "");
    for program in [Ours, Reference] {
        if program == Ours || has_reference() {
            let ran = old.run_with(&scratch, program, "decrypt a.yaml", &[NO_GPG]);
            assert!(
                ran.text().contains("user: admin\n"),
                "{program:?}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn keys_that_must_not_be_used_are_refused_and_the_file_stays() {
    let Some(gnupg) = Gnupg::new() else { return };
    let expired = gnupg.make(Kind::Expired, "expired");
    let revoked = gnupg.make(Kind::Revoked, "revoked");
    let signer = gnupg.make(Kind::SignOnly, "signer");
    let alice = gnupg.make(Kind::Ed25519, "alice");
    for (fingerprint, reason, hint) in [
        (
            &expired[..],
            "(expired <expired@example.org>) has expired on 20",
            "extended",
        ),
        (
            &revoked,
            "(revoked <revoked@example.org>) has been revoked",
            "another key",
        ),
        (&signer, "can only sign or certify", "--quick-add-key"),
        (
            &format!("{alice}!"),
            "the ! asks for it alone",
            "leave out the !",
        ),
        (&"1".repeat(40), "no such public key", "gpg --import"),
        (&alice[32..], "it has 8 digits", "gpg --list-keys"),
        (
            "alice@example.org",
            "looks like an address",
            "gpg --list-keys",
        ),
        ("--output", "no hexadecimal digit", "gpg --list-keys"),
    ] {
        let scratch = scratch();
        let option = format!("--pgp={fingerprint}");
        let good = format!("--age={RECIPIENT}");
        let home = [("GNUPGHOME", gnupg.home())];
        let line = ["encrypt", "-i", &option, &good, "a.yaml"];
        let ran = scratch.run_with(Ours, line, home, None);
        assert_eq!(ran.code, 1, "{fingerprint}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{fingerprint}: {}", ran.stderr);
        assert!(ran.stderr.contains(hint), "{fingerprint}: {}", ran.stderr);
        assert_eq!(scratch.read_text("a.yaml"), TEXT, "{fingerprint}");
        if has_reference() {
            let theirs = scratch.run_with(Reference, line, home, None);
            assert_eq!(theirs.code, ran.code, "{fingerprint}: {}", theirs.stderr);
        }
    }
}

#[test]
fn a_key_that_was_revoked_since_still_decrypts() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    let scratch = scratch();
    let encrypt = format!("encrypt -i --pgp {fingerprint} a.yaml");
    gnupg.run(&scratch, Ours, &encrypt).ok();
    let revocation = format!("openpgp-revocs.d/{fingerprint}.rev");
    let revocation = fs::read_to_string(gnupg.path().join(revocation)).expect("gpg made it");
    gnupg.gpg(&["--import"], &revocation.replace("\n:-----", "\n-----"));
    let ran = gnupg.run(&scratch, Ours, "decrypt a.yaml");
    assert_eq!(ran.text(), TEXT, "{}", ran.stderr);
    let file = scratch.path("key.asc");
    gnupg.export(&fingerprint, "", &file);
    let file = file.to_str().expect("a path of ASCII").to_owned();
    let ran = gnupg.run_with(
        &scratch,
        Ours,
        "decrypt a.yaml",
        &[NO_GPG, ("SOPS_PGP_KEY_FILE", &file)],
    );
    assert_eq!(ran.text(), TEXT, "{}", ran.stderr);
}

#[test]
fn gpg_gets_the_arguments_that_the_reference_gives_it() {
    if !has_reference() {
        return;
    }
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    let subkey = format!("{}!", gnupg.fingerprints("alice").remove(1));
    let [ours, theirs] = [Ours, Reference].map(|program| {
        let scratch = scratch();
        let wrapper = Wrapper::new(&scratch, "exec gpg \"$@\"");
        let exec = [("SOPS_GPG_EXEC", wrapper.path())];
        for name in [&fingerprint, &subkey, &fingerprint[24..]] {
            let encrypt = format!("encrypt --pgp {name} a.yaml");
            let encrypted = gnupg.run_with(&scratch, program, &encrypt, &exec).ok();
            scratch.write("b.yaml", encrypted);
            gnupg
                .run_with(&scratch, program, "decrypt b.yaml", &exec)
                .ok();
        }
        wrapper.take_log()
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 6);
}

/// Rules for two groups: age, and OpenPGP.
fn mixed_groups(fingerprint: &str, threshold: usize) -> String {
    format!(
        "creation_rules:\n  - shamir_threshold: {threshold}\n    key_groups:\n      - age: [{RECIPIENT}]\n      - pgp: [{fingerprint}]\n      - merge:\n          - age: [{RECIPIENT}]\n          - pgp: [{fingerprint}]\n"
    )
}

#[test]
fn mixed_groups_open_both_ways() {
    if !has_reference() {
        return;
    }
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    for threshold in [2, 3] {
        for (one, other) in [(Ours, Reference), (Reference, Ours), (Ours, Ours)] {
            let scratch = scratch();
            scratch.write(".sops.yaml", mixed_groups(&fingerprint, threshold));
            let encrypted = gnupg.run(&scratch, one, "encrypt a.yaml").ok();
            scratch.write("b.yaml", encrypted);
            let ran = gnupg.run(&scratch, other, "decrypt b.yaml");
            assert_eq!(ran.code, 0, "{threshold} {one:?} {other:?}: {}", ran.stderr);
            assert!(ran.text().contains("user: admin\n"));
        }
    }
    // Impossible thresholds are refused as there.
    for threshold in [1, 4] {
        let scratch = scratch();
        scratch.write(".sops.yaml", mixed_groups(&fingerprint, threshold));
        let theirs = gnupg.run(&scratch, Reference, "encrypt a.yaml");
        let ours = gnupg.run(&scratch, Ours, "encrypt a.yaml");
        assert_eq!(ours.code, theirs.code, "{threshold}: {}", ours.stderr);
        assert!(ours.stderr.contains("shamir_threshold"), "{}", ours.stderr);
    }
}

#[test]
fn groups_that_fail_are_named_with_the_reason_of_each_key() {
    let Some(gnupg) = Gnupg::new() else { return };
    let Some(stranger) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    let scratch = scratch();
    scratch.write(".sops.yaml", mixed_groups(&fingerprint, 3));
    gnupg.run(&scratch, Ours, "encrypt -i a.yaml").ok();
    let before = scratch.read("a.yaml");
    for (gnupg, settings, expected) in [
        (
            &stranger,
            &[][..],
            &[
                "of 3 key groups, 3 are needed and 2 could be used",
                "group 0 can be used\n",
                "group 1 cannot be used\n",
                "no such secret key (decryption failed: No secret key)",
                "group 2 can be used\n",
                "hint: import the secret key",
            ][..],
        ),
        (
            &gnupg,
            &[("SOPS_AGE_KEY_FILE", "/does/not/exist")],
            &[
                "3 are needed and 2 could be used",
                "group 0 cannot be used\n",
                "group 1 can be used\n",
            ],
        ),
        (
            &gnupg,
            &[NO_GPG],
            &["there is no /does/not/exist/gpg, which SOPS_GPG_EXEC names"],
        ),
        (
            &gnupg,
            &[("PATH", "/does/not/exist")],
            &["there is no gpg on the PATH", "SOPS_PGP_KEY_FILE"],
        ),
    ] {
        let ran = gnupg.run_with(&scratch, Ours, "decrypt -i a.yaml", settings);
        assert_eq!(ran.code, 128, "{}", ran.stderr);
        for expected in expected {
            assert!(ran.stderr.contains(expected), "{expected}: {}", ran.stderr);
        }
        assert!(ran.stdout.is_empty());
        assert_eq!(scratch.read("a.yaml"), before);
    }
}

/// The armored messages in a file.
fn messages(text: &str) -> Vec<&str> {
    let parts = text.split("-----BEGIN PGP MESSAGE-----").skip(1);
    parts
        .filter_map(|part| part.split("-----END PGP MESSAGE-----").next())
        .collect()
}

#[test]
fn a_share_or_a_data_key_of_another_file_is_found_out() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    for (rules, name) in [
        (mixed_groups(&fingerprint, 3), "a.yaml"),
        (
            format!("creation_rules:\n  - pgp: {fingerprint}\n"),
            "a.yaml",
        ),
        (
            format!("creation_rules:\n  - pgp: {fingerprint}\n"),
            "a.bin",
        ),
    ] {
        let scratch = scratch();
        scratch.write(".sops.yaml", rules);
        let [one, other] = [(), ()].map(|()| {
            scratch.write(name, TEXT);
            let encrypted = gnupg.run(&scratch, Ours, &format!("encrypt {name}")).ok();
            String::from_utf8(encrypted).expect("a text")
        });
        let mixed = one.replace(messages(&one)[0], messages(&other)[0]);
        assert_ne!(mixed, one);
        scratch.write(name, &mixed);
        let ran = gnupg.run(&scratch, Ours, &format!("decrypt {name}"));
        assert_eq!(ran.code, 25, "{}", ran.stderr);
        assert!(
            ran.stderr
                .contains("neither it nor the MAC can be decrypted"),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("restore the `sops` block"),
            "{}",
            ran.stderr
        );
        if has_reference() {
            let theirs = gnupg.run(&scratch, Reference, &format!("decrypt {name}"));
            assert_eq!(theirs.code, 25, "{}", theirs.stderr);
        }
    }
}

#[test]
fn damaged_messages_are_errors() {
    let Some(gnupg) = Gnupg::golden() else { return };
    let scratch = scratch();
    let encrypted = gnupg
        .run(&scratch, Ours, &format!("encrypt --pgp {CURVE} a.yaml"))
        .ok();
    let encrypted = String::from_utf8(encrypted).expect("a text");
    let message = messages(&encrypted)[0];
    let half = &message[..message.len() / 2];
    let key_file = testdata("golden/keys/pgp_cv25519.sec.asc");
    for damaged in [
        encrypted.replace("BEGIN PGP MESSAGE", "BEGIN PGP MASSAGE"),
        encrypted.replace(half, "\n\n            wV4D"),
        encrypted.replace(message, "\n\n            hunter2\n            "),
    ] {
        assert_ne!(damaged, encrypted);
        scratch.write("a.yaml", damaged);
        for settings in [
            &[][..],
            &[
                NO_GPG,
                ("SOPS_PGP_KEY_FILE", key_file.to_str().expect("ASCII")),
            ],
        ] {
            let ran = gnupg.run_with(&scratch, Ours, "decrypt a.yaml", settings);
            assert_eq!(ran.code, 128, "{}", ran.stderr);
            assert!(ran.stderr.contains(CURVE), "{}", ran.stderr);
            assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        }
    }
}

/// Lets the agent of a home ask through a pinentry that answers with what a script prints.
fn with_pinentry(gnupg: &Gnupg, answer: &str) -> Pinentry {
    let pinentry = Pinentry::new(gnupg.path(), answer);
    gnupg.configure_agent(&format!("pinentry-program {}\n", pinentry.path()));
    gnupg.forget();
    pinentry
}

/// Several files for a key under the passphrase "sesame".
fn locked_files(gnupg: &Gnupg, scratch: &Scratch, count: usize) -> (String, String) {
    let fingerprint = gnupg.make_locked("locked", "sesame");
    let names: Vec<String> = (0..count).map(|index| format!("{index}.yaml")).collect();
    for name in &names {
        scratch.write(name, TEXT);
    }
    let names = names.join(" ");
    let encrypt = format!("encrypt -i --pgp {fingerprint} {names}");
    gnupg.run(scratch, Ours, &encrypt).ok();
    (fingerprint, names)
}

#[test]
fn a_passphrase_is_asked_for_once_for_all_files() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    let (_, names) = locked_files(&gnupg, &scratch, 12);
    let pinentry = with_pinentry(&gnupg, "echo 'D sesame'; echo OK");
    gnupg
        .run(&scratch, Ours, &format!("decrypt -i {names}"))
        .ok();
    assert_eq!(scratch.read_text("11.yaml"), TEXT);
    assert_eq!(pinentry.asked(), 1);
}

#[test]
fn who_cancels_is_asked_once_for_all_files() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    let (fingerprint, names) = locked_files(&gnupg, &scratch, 6);
    let pinentry = with_pinentry(&gnupg, "echo 'ERR 83886179 cancelled'");
    let before = scratch.read("5.yaml");
    let ran = gnupg.run(&scratch, Ours, &format!("decrypt -i {names}"));
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert_eq!(pinentry.asked(), 1);
    assert_eq!(
        ran.stderr.matches(&fingerprint).count(),
        6,
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("cancelled"), "{}", ran.stderr);
    assert_eq!(scratch.read("5.yaml"), before);
}

#[test]
fn without_a_way_to_ask_there_is_an_error_and_no_hang() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    locked_files(&gnupg, &scratch, 1);
    gnupg.configure_agent("pinentry-program /does/not/exist\n");
    gnupg.forget();
    let ran = gnupg.run(&scratch, Ours, "decrypt 0.yaml");
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert!(ran.stderr.contains("No pinentry"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("could not ask for the passphrase"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_passphrase_of_an_exported_key_is_asked_for_once() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    let (fingerprint, names) = locked_files(&gnupg, &scratch, 4);
    let file = scratch.temporary().join("key.asc");
    gnupg.export(&fingerprint, "sesame", &file);
    let key_file = ("SOPS_PGP_KEY_FILE", file.to_str().expect("a path of ASCII"));
    let settings = [NO_GPG, key_file];
    let ran = gnupg.run_with(&scratch, Ours, "decrypt 0.yaml", &settings);
    assert_eq!(ran.code, 128, "{}", ran.stderr);
    assert!(ran.stderr.contains("nobody to ask"), "{}", ran.stderr);
    for (answer, code, asked) in [
        ("echo 'ERR 83886179 cancelled'", 128, 1),
        ("echo 'D mistyped'; echo OK", 128, 3),
        ("echo 'D sesame'; echo OK", 0, 1),
    ] {
        let pinentry = Pinentry::new(&scratch.temporary(), answer);
        let program = ("PINENTRY_PROGRAM", pinentry.path());
        let line = format!("decrypt -i {names}");
        let ran = gnupg.run_with(&scratch, Ours, &line, &[NO_GPG, key_file, program]);
        assert_eq!(ran.code, code, "{answer}: {}", ran.stderr);
        assert_eq!(pinentry.asked(), asked, "{answer}: {}", ran.stderr);
    }
    assert_eq!(scratch.read_text("3.yaml"), TEXT);
}

#[test]
fn a_wrapper_may_give_the_passphrase() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    locked_files(&gnupg, &scratch, 1);
    let script = "exec gpg --batch --pinentry-mode loopback --passphrase sesame \"$@\"";
    let wrapper = Wrapper::new(&scratch, script);
    let exec = [("SOPS_GPG_EXEC", wrapper.path())];
    let ran = gnupg.run_with(&scratch, Ours, "decrypt 0.yaml", &exec);
    assert_eq!(ran.text(), TEXT, "{}", ran.stderr);
}

#[test]
fn a_question_that_nobody_answers_can_be_interrupted() {
    let Some(gnupg) = Gnupg::new() else { return };
    let scratch = Scratch::new();
    locked_files(&gnupg, &scratch, 1);
    let pinentry = with_pinentry(&gnupg, "sleep 60");
    let mut command = scratch.command(Ours);
    command
        .args(["decrypt", "0.yaml"])
        .env("GNUPGHOME", gnupg.path());
    // As a terminal does it: the key reaches all programs that run in front.
    let mut child = command
        .process_group(0)
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while pinentry.asked() == 0 {
        assert!(Instant::now() < deadline, "nobody asks");
        thread::sleep(Duration::from_millis(20));
    }
    let interrupted = Instant::now();
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(killed.expect("kill starts").success());
    let status = child.wait().expect("the program ends");
    assert!(!status.success());
    assert!(interrupted.elapsed() < Duration::from_secs(10));
}

#[test]
fn one_gpg_runs_at_a_time() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    let scratch = Scratch::new();
    let script = "d=\"$(dirname \"$0\")/running\"; mkdir \"$d\" || exit 9; gpg \"$@\"; code=$?; rmdir \"$d\"; exit $code";
    let wrapper = Wrapper::new(&scratch, script);
    let exec = [("SOPS_GPG_EXEC", wrapper.path())];
    let names: Vec<String> = (0..16).map(|index| format!("{index}.yaml")).collect();
    for name in &names {
        scratch.write(name, format!("{TEXT}name: {name}\n"));
    }
    let names = names.join(" ");
    for line in [
        format!("encrypt -i --pgp {fingerprint} {names}"),
        format!("decrypt -i {names}"),
    ] {
        let ran = gnupg.run_with(&scratch, Ours, &line, &exec);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(wrapper.take_log().len(), 16);
    }
    assert_eq!(
        scratch.read_text("15.yaml"),
        format!("{TEXT}name: 15.yaml\n")
    );
}

#[test]
fn two_programs_share_an_agent() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprints = [
        gnupg.make(Kind::Ed25519, "alice"),
        gnupg.make(Kind::Rsa, "bob"),
    ];
    let scratches = fingerprints.map(|fingerprint| {
        let scratch = Scratch::new();
        let names: Vec<String> = (0..15).map(|index| format!("{index}.yaml")).collect();
        for name in &names {
            scratch.write(name, TEXT);
        }
        let line = format!("encrypt -i --pgp {fingerprint} {}", names.join(" "));
        gnupg.run(&scratch, Ours, &line).ok();
        (scratch, names.join(" "))
    });
    // It is started by both at once.
    gnupg.forget();
    let gnupg = &gnupg;
    thread::scope(|scope| {
        for (scratch, names) in &scratches {
            scope.spawn(move || {
                let ran = gnupg.run(scratch, Ours, &format!("decrypt -i {names}"));
                assert_eq!(ran.code, 0, "{}", ran.stderr);
                assert_eq!(scratch.read_text("14.yaml"), TEXT);
            });
        }
    });
}

#[test]
fn keys_are_tried_in_the_order_that_is_asked_for() {
    let Some(gnupg) = Gnupg::new() else { return };
    let fingerprint = gnupg.make(Kind::Ed25519, "alice");
    let scratch = scratch();
    let encrypt = format!("encrypt -i --age {RECIPIENT} --pgp {fingerprint} a.yaml");
    gnupg.run(&scratch, Ours, &encrypt).ok();
    let wrapper = Wrapper::new(&scratch, "exec gpg \"$@\"");
    let all = "hc_vault,azure_kv,hckms,gcp_kms,kms,pgp,age";
    for (order, uses_gpg, code) in [
        ("", false, 0),
        ("age", false, 0),
        ("age,pgp", false, 0),
        ("pgp", true, 0),
        ("pgp,age", true, 0),
        (all, true, 0),
        ("kms,pgp", true, 0),
        ("what,ever", false, 0),
        ("age,,pgp", false, 0),
        ("pgp,age,pgp", false, 112),
        ("age,age", false, 112),
        ("what,what", false, 112),
        (",", false, 112),
    ] {
        for program in [Ours, Reference] {
            // Where no kind of the file is named, the reference tries them in the order in which it stores them.
            if program == Reference && (!has_reference() || order.starts_with("what")) {
                continue;
            }
            let exec = ("SOPS_GPG_EXEC", wrapper.path());
            let line = format!("decrypt --decryption-order={order} a.yaml");
            let by_flag = gnupg.run_with(&scratch, program, &line, &[exec]);
            assert_eq!(
                by_flag.code, code,
                "{program:?} {order}: {}",
                by_flag.stderr
            );
            assert_eq!(
                !wrapper.take_log().is_empty(),
                uses_gpg,
                "{program:?} {order}"
            );
            let variable = ("SOPS_DECRYPTION_ORDER", order);
            let ran = gnupg.run_with(&scratch, program, "decrypt a.yaml", &[exec, variable]);
            assert_eq!(ran.code, code, "{program:?} {order}: {}", ran.stderr);
            assert_eq!(
                !wrapper.take_log().is_empty(),
                uses_gpg,
                "{program:?} {order}"
            );
            if code != 0 {
                assert!(ran.stderr.contains("Duplicate decryption key type"));
                assert!(ran.stdout.is_empty());
            }
        }
    }
}

#[test]
fn keys_come_and_go() {
    let Some(gnupg) = Gnupg::new() else { return };
    let alice = gnupg.make(Kind::Ed25519, "alice");
    let bob = gnupg.make(Kind::Rsa, "bob");
    let decrypts = |scratch: &Scratch| {
        for program in [Ours, Reference] {
            if program == Ours || has_reference() {
                let ran = gnupg.run(scratch, program, "decrypt a.yaml");
                assert_eq!(ran.code, 0, "{program:?}: {}", ran.stderr);
            }
        }
    };
    let scratch = scratch();
    let run = |line: &str| {
        let ran = gnupg.run(&scratch, Ours, line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        ran
    };
    scratch.write("none", "creation_rules: []\n");
    run(&format!("encrypt -i --age {RECIPIENT} a.yaml"));

    run(&format!("rotate -i --add-pgp {alice} a.yaml"));
    assert!(scratch.read_text("a.yaml").contains(&alice));
    run(&format!(
        "rotate -i --rm-age {RECIPIENT} --add-pgp {bob} a.yaml"
    ));
    let text = scratch.read_text("a.yaml");
    assert!(!text.contains(RECIPIENT) && text.contains(&alice) && text.contains(&bob));
    decrypts(&scratch);
    let spaced = format!("{} {}", &bob[..20], &bob[20..]);
    let rm = ["rotate", "-i", "--rm-pgp", &spaced, "a.yaml"];
    let home = [("GNUPGHOME", gnupg.home())];
    scratch.run_with(Ours, rm, home, None).ok();
    assert!(!scratch.read_text("a.yaml").contains(&bob));
    decrypts(&scratch);

    // The last key cannot go, nor a key come that cannot be encrypted for; the file stays.
    let before = scratch.read("a.yaml");
    for (line, expected) in [
        (
            format!("rotate -i --rm-pgp {alice} a.yaml"),
            "no key would be left",
        ),
        (
            format!("rotate -i --add-pgp {} a.yaml", "2".repeat(40)),
            "no such public key",
        ),
        (
            format!("groups add -i --file a.yaml --pgp {}", "2".repeat(40)),
            "no such public key",
        ),
        (
            "groups delete -i --file a.yaml 1".to_owned(),
            "there is no key group 1",
        ),
    ] {
        let ran = gnupg.run(&scratch, Ours, &line);
        assert_ne!(ran.code, 0, "{line}");
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
        assert_eq!(scratch.read("a.yaml"), before, "{line}");
    }

    run(&format!(
        "groups add -i --file a.yaml --pgp {bob} --age {RECIPIENT}"
    ));
    decrypts(&scratch);
    let ran = run("recipients a.yaml");
    let listed = ran.text();
    for expected in [
        "one key each of 2 of 2 groups is needed",
        &format!("group 0\n  pgp       {alice}"),
        "group 1\n",
        &format!("pgp       {bob}"),
    ] {
        assert!(listed.contains(expected), "{expected}: {listed}");
    }
    run("groups delete -i --file a.yaml --shamir-secret-sharing-threshold 1 0");
    decrypts(&scratch);
    assert!(!scratch.read_text("a.yaml").contains(&alice));
}

#[test]
fn rules_bring_openpgp_keys_in_and_out() {
    let Some(gnupg) = Gnupg::new() else { return };
    let alice = gnupg.make(Kind::Ed25519, "alice");
    let bob = gnupg.make(Kind::Rsa, "bob");
    let programs = if has_reference() {
        &[Ours, Reference][..]
    } else {
        &[Ours]
    };
    let mut printed = Vec::new();
    for &program in programs {
        let scratch = scratch();
        scratch.write("one", format!("creation_rules:\n  - pgp: {alice}\n"));
        scratch.write(
            "two",
            format!("creation_rules:\n  - pgp: [{alice}, {bob}]\n    age: {RECIPIENT}\n"),
        );
        scratch.write("groups", mixed_groups(&bob, 2));
        gnupg
            .run(&scratch, Ours, "--config one encrypt -i a.yaml")
            .ok();
        let mut all = String::new();
        for rules in ["two", "groups", "one"] {
            let before = scratch.read_text("a.yaml");
            let line = format!("--config {rules} updatekeys -y a.yaml");
            let ran = gnupg.run(&scratch, program, &line);
            assert_eq!(ran.code, 0, "{rules}: {}", ran.stderr);
            let printed = ran.text();
            // The reference leaves out the threshold of the rule, and needs all groups.
            let lines = printed
                .lines()
                .filter(|line| !line.contains("shamir_threshold"));
            all.extend(lines.map(|line| format!("{line}\n")));
            let opened = gnupg.run(&scratch, Ours, "decrypt a.yaml");
            assert_eq!(opened.code, 0, "{rules}: {}", opened.stderr);
            if program == Ours {
                let after = scratch.read_text("a.yaml");
                let values = |text: &str| text.split("\nsops:").next().map(str::to_owned);
                let kept = |text: &str| {
                    text.split_once("lastmodified:")
                        .map(|(_, rest)| rest.to_owned())
                };
                assert_eq!(values(&before), values(&after), "{rules}");
                assert_eq!(
                    kept(&before).map(|rest| rest
                        .lines()
                        .take(2)
                        .map(str::to_owned)
                        .collect::<Vec<_>>()),
                    kept(&after).map(|rest| rest
                        .lines()
                        .take(2)
                        .map(str::to_owned)
                        .collect::<Vec<_>>()),
                    "{rules}"
                );
                if rules == "one" {
                    let warning = format!("{RECIPIENT}, {bob} may still know the data key");
                    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
                }
            }
        }
        printed.push(all);
        // A key that cannot be encrypted for: nothing changes.
        let before = scratch.read("a.yaml");
        scratch.write(
            "bad",
            format!("creation_rules:\n  - pgp: [{alice}, {}]\n", "3".repeat(40)),
        );
        let ran = gnupg.run(&scratch, program, "--config bad updatekeys -y a.yaml");
        assert_ne!(ran.code, 0);
        assert_eq!(scratch.read("a.yaml"), before);
    }
    if let [ours, theirs] = printed.as_slice() {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_doctor_sees_keyring_and_agent() {
    let Some(gnupg) = Gnupg::golden() else { return };
    let scratch = scratch();
    gnupg.forget();
    let text = gnupg.run(&scratch, Ours, "doctor").text();
    let line = format!("keyring of gpg: {}, with no agent yet\n", gnupg.home());
    assert!(text.contains(&line), "{text}");
    for fingerprint in [RSA, CURVE] {
        assert!(
            text.contains(&format!("  secret key: {fingerprint}\n")),
            "{text}"
        );
    }
    let json: Value =
        serde_json::from_slice(&gnupg.run(&scratch, Ours, "doctor --json").ok()).expect("JSON");
    assert_eq!(json["pgp"]["home"], gnupg.home());
    assert_eq!(json["pgp"]["agent"], true);
    assert_eq!(json["pgp"]["secret_keys"].as_array().map(Vec::len), Some(2));

    // Looking makes no folder.
    let missing = scratch.temporary().join("none");
    let settings = [("GNUPGHOME", missing.to_str().expect("ASCII"))];
    let text = scratch.run_with(Ours, ["doctor"], settings, None).text();
    assert!(
        !text.contains("keyring of gpg") && !missing.exists(),
        "{text}"
    );
}

/// Neither a gpg that hangs nor an agent that does not answer keeps the doctor.
#[test]
fn the_doctor_does_not_wait_for_a_gpg_that_hangs() {
    let scratch = scratch();
    let home = scratch.temporary().display().to_string();
    let program = |name: &str, script: &str| {
        let path = scratch.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a file of ours");
    };
    let path = format!(
        "{}:{}",
        scratch.path("bin").display(),
        env::var("PATH").expect("a path")
    );
    let hangs = "exec sleep 120";
    let lists = format!("case \"$*\" in --version) echo 'gpg 9';; *) {hangs};; esac");
    program("gpgconf", &format!("echo '{home}'"));
    program("gpg-connect-agent", "exit 1");
    let no_answer = "no answer within 10 seconds";
    thread::scope(|scope| {
        for (name, gpg, expected) in [
            ("silent", hangs, format!("  {{gpg}}: {no_answer}\n")),
            (
                "listing",
                &lists,
                format!(
                    "  problem: {{gpg}} --batch --no-tty --with-colons --list-secret-keys: {no_answer}\n"
                ),
            ),
        ] {
            program(name, gpg);
            let gpg = scratch.path("bin").join(name).display().to_string();
            let (scratch, path) = (&scratch, &path);
            scope.spawn(move || {
                let start = Instant::now();
                let settings = [("SOPS_GPG_EXEC", gpg.as_str()), ("PATH", path)];
                let ran = scratch.run_with(Ours, ["doctor"], settings, None);
                assert!(start.elapsed() < Duration::from_secs(60), "{name}");
                let text = ran.text();
                assert!(text.contains(&expected.replace("{gpg}", &gpg)), "{text}");
                ran.ok();
            });
        }
    });
}
