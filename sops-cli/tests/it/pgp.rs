//! OpenPGP keys, through a real gpg and from files, side by side with the reference.

use std::{process::Stdio, time::Instant};

use serde_json::Value;

use crate::{
    gnupg::{CURVE, Gnupg, Kind, RSA, Wrapper},
    support::{
        Program::{Ours, Reference},
        RECIPIENT, Ran, Scratch, cases, has_reference, read_testdata, report, testdata,
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
    let revocation = std::fs::read_to_string(gnupg.path().join(revocation)).expect("gpg made it");
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
