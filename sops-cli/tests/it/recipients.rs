//! The life of recipients: who is added, who is removed, and what stays as it is.

use std::collections::BTreeSet;

use crate::age_kinds::made;
use crate::support::{
    Program::{Ours, Reference},
    RECIPIENT, Ran, SECOND_RECIPIENT, Scratch, has_reference,
};

const TEXT: &str = "# about\nuser: admin\npassword:   'old'   # note\n\nlist: [a,  0x1F]\ncopy: >\n  folded\n  text\n";

/// Rules for one recipient, for two, for two groups.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    let groups = format!(
        "creation_rules:\n  - path_regex: yaml$\n    key_groups:\n      - age: [{RECIPIENT}]\n      - age: [{SECOND_RECIPIENT}]\n"
    );
    for (name, text) in [
        ("one", format!("creation_rules:\n  - age: {RECIPIENT}\n")),
        (
            "two",
            format!("creation_rules:\n  - age: {SECOND_RECIPIENT},{RECIPIENT}\n"),
        ),
        ("groups", groups.clone()),
        (
            "threshold",
            format!("{groups}      - age: [{RECIPIENT}]\n    shamir_threshold: 2\n"),
        ),
    ] {
        scratch.write(name, text);
    }
    scratch.write("a.yaml", TEXT);
    ours(&scratch, "--config one encrypt -i a.yaml", "").ok();
    scratch
}

fn ours(scratch: &Scratch, line: &str, input: &str) -> Ran {
    let words: Vec<&str> = line.split_whitespace().collect();
    scratch.run_with(Ours, words, [], Some(input.as_bytes()))
}

#[track_caller]
fn plaintext(scratch: &Scratch) -> String {
    String::from_utf8(ours(scratch, "decrypt a.yaml", "").ok()).expect("a text")
}

fn ciphertexts(text: &str) -> BTreeSet<String> {
    text.split("ENC[")
        .skip(1)
        .filter_map(|piece| piece.split(']').next())
        .map(str::to_owned)
        .collect()
}

/// What stands before the keys, and what behind them.
fn without_keys(text: &str) -> (&str, &str) {
    let (before, rest) = text.split_once("\nsops:").expect("the metadata");
    let (_, after) = rest.split_once("lastmodified:").expect("the date");
    (before, after)
}

#[test]
fn updating_keys_changes_nothing_but_the_keys() {
    let scratch = scratch();
    let before = scratch.read_text("a.yaml");
    let ran = ours(&scratch, "--config two updatekeys -y a.yaml", "");
    assert!(
        ran.stderr.contains("a.yaml: synced with new keys"),
        "{}",
        ran.stderr
    );
    ran.ok();
    let after = scratch.read_text("a.yaml");
    assert_ne!(before, after);
    assert_eq!(without_keys(&before), without_keys(&after));
    assert_eq!(ciphertexts(&before), ciphertexts(&after));
    assert!(after.contains(SECOND_RECIPIENT));
    assert_eq!(plaintext(&scratch), TEXT);
    // Once more: nothing to do, and nothing written.
    let ran = ours(&scratch, "--config two updatekeys a.yaml", "");
    assert_eq!(ran.stderr, "a.yaml: already up to date\n");
    assert!(ran.ok().is_empty());
    assert_eq!(scratch.read_text("a.yaml"), after);
}

#[test]
fn the_question_is_answered_or_nothing_happens() {
    for (answer, code, is_changed) in [
        ("y\n", 0, true),
        ("maybe\n\ny\n", 0, true),
        ("n\n", 0, false),
        ("", 1, false),
        ("perhaps\n", 1, false),
    ] {
        let scratch = scratch();
        let before = scratch.read_text("a.yaml");
        let ran = ours(&scratch, "--config two updatekeys a.yaml", answer);
        assert_eq!(ran.code, code, "{answer:?}: {}", ran.stderr);
        assert!(ran.text().contains("Is this okay? (y/n):"), "{answer:?}");
        assert_eq!(
            scratch.read_text("a.yaml") != before,
            is_changed,
            "{answer:?}"
        );
    }
}

#[test]
fn the_changes_are_printed_as_the_reference_prints_them() {
    if !has_reference() {
        return;
    }
    for (from, to) in [
        ("one", "two"),
        ("two", "one"),
        ("one", "groups"),
        ("groups", "one"),
        ("groups", "groups"),
        ("two", "groups"),
    ] {
        let [ours, theirs] = [Ours, Reference].map(|program| {
            let scratch = scratch();
            scratch
                .run(Ours, ["--config", from, "updatekeys", "-y", "a.yaml"])
                .ok();
            let arguments = ["--config", to, "updatekeys", "-y", "a.yaml"];
            let printed = scratch.run(program, arguments).ok();
            let decrypted = scratch.run(Reference, ["decrypt", "a.yaml"]);
            assert_eq!(decrypted.code, 0, "{from} {to}: {}", decrypted.stderr);
            String::from_utf8(printed).expect("a text")
        });
        assert_eq!(ours, theirs, "{from} {to}");
    }
}

#[test]
fn who_is_removed_is_warned_about() {
    let scratch = scratch();
    ours(&scratch, "--config two updatekeys -y a.yaml", "").ok();
    let ran = ours(&scratch, "--config one updatekeys -y a.yaml", "");
    let warning = format!("warning: a.yaml: {SECOND_RECIPIENT} may still know the data key");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: `sops rotate --in-place FILE`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn updating_and_rotating_at_once() {
    let scratch = scratch();
    for config in ["two", "two", "one"] {
        let before = scratch.read_text("a.yaml");
        let line = format!("--config {config} updatekeys --rotate -y a.yaml");
        ours(&scratch, &line, "").ok();
        let after = scratch.read_text("a.yaml");
        assert!(
            ciphertexts(&before).is_disjoint(&ciphertexts(&after)),
            "{config}"
        );
        assert_eq!(plaintext(&scratch), TEXT);
    }
}

#[test]
fn a_threshold_of_the_rule_counts_where_the_file_has_none() {
    let scratch = scratch();
    ours(&scratch, "--config threshold updatekeys -y a.yaml", "").ok();
    assert!(scratch.read_text("a.yaml").contains("shamir_threshold: 2"));
    let line = "--config threshold updatekeys -y --shamir-secret-sharing-threshold 3 a.yaml";
    ours(&scratch, line, "").ok();
    assert!(scratch.read_text("a.yaml").contains("shamir_threshold: 3"));
    // That of the file stays, but not without a word.
    let ran = ours(&scratch, "--config threshold updatekeys a.yaml", "");
    assert!(ran.stderr.contains("the rule says 2"), "{}", ran.stderr);
    assert_eq!(plaintext(&scratch), TEXT);
}

#[test]
fn of_several_files_those_that_can_be_are_updated() {
    let scratch = scratch();
    let encrypted = scratch.read_text("a.yaml");
    scratch.write("b.yaml", &encrypted);
    scratch.write("plain.yaml", "a: b\n");
    let line = "--config two updatekeys -y plain.yaml a.yaml missing.yaml . b.yaml";
    let ran = ours(&scratch, line, "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .ends_with("error: failed updating 3 of 5 files\n"),
        "{}",
        ran.stderr
    );
    for name in ["a.yaml", "b.yaml"] {
        assert!(scratch.read_text(name).contains(SECOND_RECIPIENT), "{name}");
    }
    assert_eq!(scratch.read_text("plain.yaml"), "a: b\n");
}

#[test]
fn rotating_leaves_no_ciphertext_and_every_byte_of_the_text() {
    let scratch = scratch();
    let before = scratch.read_text("a.yaml");
    let line = format!("rotate -i --add-age {SECOND_RECIPIENT} --rm-age {RECIPIENT} a.yaml");
    ours(&scratch, &line, "").ok();
    let after = scratch.read_text("a.yaml");
    assert!(ciphertexts(&before).is_disjoint(&ciphertexts(&after)));
    assert!(!after.contains(RECIPIENT));
    assert_eq!(plaintext(&scratch), TEXT);
}

#[test]
fn rotating_says_what_it_did_not_do() {
    let scratch = scratch();
    for (flags, message) in [
        (
            format!("--add-age {RECIPIENT}"),
            "is a key of the file already",
        ),
        (
            format!("--rm-age {SECOND_RECIPIENT}"),
            "so it was not removed",
        ),
    ] {
        let ran = ours(&scratch, &format!("rotate -i {flags} a.yaml"), "");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        ran.ok();
        assert_eq!(scratch.read_text("a.yaml").matches("recipient:").count(), 1);
    }
    let before = scratch.read_text("a.yaml");
    for (line, message) in [
        (
            format!("--rm-age {RECIPIENT}"),
            "nobody could decrypt the file",
        ),
        (
            format!("--add-age {SECOND_RECIPIENT} --rm-age {RECIPIENT},{SECOND_RECIPIENT}"),
            "nobody could decrypt the file",
        ),
        ("--output-type json".to_owned(), "keeps the format"),
    ] {
        let ran = ours(&scratch, &format!("rotate -i {line} a.yaml"), "");
        assert_ne!(ran.code, 0, "{line}");
        assert!(ran.stderr.contains(message), "{line}: {}", ran.stderr);
        assert_eq!(scratch.read_text("a.yaml"), before, "{line}");
    }
}

#[test]
fn recipients_are_listed_with_the_rule_they_come_from() {
    let scratch = scratch();
    let list = |line: &str| String::from_utf8(ours(&scratch, line, "").ok()).expect("a text");
    assert_eq!(
        list("--config two recipients a.yaml"),
        format!(
            "a.yaml  (rule: two:2:5)\n  age       {RECIPIENT}\n  age       {SECOND_RECIPIENT}  (only in the rule: cannot read the file)\n"
        )
    );
    assert_eq!(
        list("recipients a.yaml"),
        format!("a.yaml  (no rule)\n  age       {RECIPIENT}\n")
    );
    ours(&scratch, "--config groups updatekeys -y a.yaml", "").ok();
    let text = list("--config one recipients a.yaml");
    assert!(
        text.contains("one key each of 2 of 2 groups is needed"),
        "{text}"
    );
    assert!(
        text.contains(&format!("{SECOND_RECIPIENT}  (not in the rule)")),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&list("--config one recipients --json a.yaml")).expect("JSON");
    assert_eq!(json["groups"][1][0]["key"], SECOND_RECIPIENT);
    assert_eq!(json["groups"][1][0]["in_rule"], false);
    assert_eq!(json["shamir_threshold"], 2);
    assert_eq!(json["rule"], "one:2:5");
    for (line, code) in [
        ("recipients", 100),
        ("recipients missing.yaml", 100),
        ("--config broken recipients a.yaml", 1),
        ("recipients one", 1),
    ] {
        assert_eq!(ours(&scratch, line, "").code, code, "{line}");
    }
}

#[test]
fn a_new_key_opens_what_is_encrypted_for_it() {
    let scratch = scratch();
    let ran = ours(&scratch, "keygen -o key.txt", "");
    let recipient = ran
        .stderr
        .trim()
        .strip_prefix("Public key: ")
        .expect("it says so")
        .to_owned();
    assert!(ran.ok().is_empty());
    let key = scratch.read_text("key.txt");
    let lines: Vec<&str> = key.lines().collect();
    assert!(lines[0].starts_with("# created: 20"), "{}", lines[0]);
    assert_eq!(lines[1], format!("# public key: {recipient}"));
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(scratch.path("key.txt"))
            .expect("it is there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    let ran = ours(&scratch, "keygen -o key.txt", "");
    assert_eq!(ran.code, 3);
    assert_eq!(scratch.read_text("key.txt"), key);
    ours(
        &scratch,
        &format!("rotate -i --add-age {recipient} --rm-age {RECIPIENT} a.yaml"),
        "",
    )
    .ok();
    assert_eq!(ours(&scratch, "decrypt a.yaml", "").code, 128);
    let settings = [("SOPS_AGE_KEY_FILE", "key.txt")];
    let ran = scratch.run_with(Ours, ["decrypt", "a.yaml"], settings, None);
    assert_eq!(ran.ok(), TEXT.as_bytes());
}

#[test]
fn patterns_that_no_shell_expanded_name_files() {
    let scratch = scratch();
    let text = scratch.read("a.yaml");
    scratch.write("deep/er/b.yaml", &text);
    scratch.write("deep/c.txt", "no secret");
    let run = |line: &str| ours(&scratch, &format!("--config two updatekeys -y {line}"), "");
    for (pattern, expected) in [
        ("deep", "can't operate on a directory"),
        ("*.toml", "no file"),
    ] {
        let ran = run(pattern);
        assert_eq!(ran.code, 1, "{pattern}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{pattern}: {}", ran.stderr);
    }
    run("deep/**/*.yaml").ok();
    assert!(
        scratch
            .read_text("deep/er/b.yaml")
            .contains(SECOND_RECIPIENT)
    );
    assert!(!scratch.read_text("a.yaml").contains(SECOND_RECIPIENT));
    run("*.yaml").ok();
    assert!(scratch.read_text("a.yaml").contains(SECOND_RECIPIENT));
}

#[test]
fn long_recipients_are_shown_by_how_they_begin_and_end() {
    let scratch = Scratch::new();
    let long = made(&scratch, "hybrid", &["--pq"]).recipient;
    let short = format!("{}…{}", &long[..20], &long[long.len() - 8..]);
    scratch.write(
        "long",
        format!("creation_rules:\n  - age: {long},{RECIPIENT}\n"),
    );
    scratch.write("short", format!("creation_rules:\n  - age: {RECIPIENT}\n"));
    scratch.write("a.yaml", TEXT);
    ours(&scratch, &format!("encrypt -i --age {long} a.yaml"), "").ok();

    let shown = |line: &str| {
        let ran = ours(&scratch, line, "");
        let shown = format!("{}{}", ran.text(), ran.stderr);
        assert!(shown.contains(&short), "{line}: {shown}");
        assert!(!shown.contains(&long[..30]), "{line}: {shown}");
    };
    shown("decrypt a.yaml");
    shown("--config short recipients a.yaml");
    shown("--config short check --config short a.yaml");
    shown("doctor a.yaml");
    scratch.run_with(
        Ours,
        ["--config", "long", "updatekeys", "-y", "a.yaml"],
        [("SOPS_AGE_KEY_FILE", "hybrid.txt")],
        None,
    );
    shown("--config short updatekeys -y a.yaml");
    shown(&format!("rotate -i --rm-age {long} a.yaml"));
    scratch.write("b.yaml", TEXT);
    ours(&scratch, "--config long encrypt -i b.yaml", "").ok();
    shown(&format!("rotate -i --add-age {long} b.yaml"));
    shown("--config short updatekeys --rotate -y b.yaml");

    // Programs get all of it.
    let whole = format!("\"{long}\"");
    for line in [
        "--config long recipients --json b.yaml",
        "--config long updatekeys -y --json b.yaml",
    ] {
        assert!(ours(&scratch, line, "").text().contains(&whole), "{line}");
    }
}
