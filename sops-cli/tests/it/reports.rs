//! Reports in JSON: each command that has `--json` prints what docs/commands.md says, and nothing else.

use serde_json::{Value, json};

use crate::support::{Program::Ours, RECIPIENT, Ran, SECOND_RECIPIENT, Scratch};

/// A file for one recipient, and rules for that one, for two, and for none.
fn scratch() -> Scratch {
    let scratch = Scratch::new();
    for (name, recipients) in [
        ("one", RECIPIENT.to_owned()),
        ("two", format!("{RECIPIENT},{SECOND_RECIPIENT}")),
    ] {
        let rules = format!("creation_rules:\n  - age: {recipients}\n");
        scratch.write(name, rules);
    }
    scratch.write("a.yaml", "user: \" admin\\n\"\nlist: [1, {b: c}]\n");
    ours(&scratch, "--config one encrypt -i a.yaml", "").ok();
    scratch
}

fn ours(scratch: &Scratch, line: &str, input: &str) -> Ran {
    let words: Vec<&str> = line.split_whitespace().collect();
    scratch.run_with(Ours, words, [], Some(input.as_bytes()))
}

/// Each line that was printed, as JSON.
#[track_caller]
fn lines(ran: Ran) -> Vec<Value> {
    let text = String::from_utf8(ran.ok()).expect("a text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The names of the fields, which readers rely on.
#[track_caller]
fn assert_fields(object: &Value, expected: &[&str]) {
    let mut fields: Vec<&str> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = expected.to_vec();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected, "{object}");
}

#[test]
fn updatekeys() {
    let scratch = scratch();
    let report = |status: &str, added: &[&str]| {
        json!({
            "file": "a.yaml", "status": status, "rotated": false,
            "shamir_threshold": {"before": null, "after": null},
            "groups": [{"kept": [RECIPIENT], "added": added, "removed": []}],
        })
    };
    // The question is no part of the report.
    let ran = ours(&scratch, "--config two updatekeys --json a.yaml", "n\n");
    assert!(ran.stderr.contains("+++ age1") && ran.stderr.contains("Is this okay?"));
    assert_eq!(lines(ran), [report("declined", &[SECOND_RECIPIENT])]);
    let ran = ours(&scratch, "--config two updatekeys --json -y a.yaml", "");
    assert!(!ran.stderr.contains("Group"), "{}", ran.stderr);
    assert_eq!(lines(ran), [report("updated", &[SECOND_RECIPIENT])]);
    let ran = ours(
        &scratch,
        "--config one updatekeys --json --rotate -y a.yaml",
        "",
    );
    assert!(ran.stderr.contains("may have read the values"));
    let printed = lines(ran);
    assert_eq!(printed[0]["rotated"], true);
    assert_eq!(
        printed[0]["groups"][0]["removed"],
        json!([SECOND_RECIPIENT])
    );
    // Of several, those that fail are told of on standard error alone.
    scratch.write("plain.yaml", "a: b\n");
    let ran = ours(
        &scratch,
        "--config one updatekeys --json -y plain.yaml a.yaml missing.yaml",
        "",
    );
    assert_eq!(ran.code, 1);
    assert_eq!(ran.text().lines().count(), 1);
    assert!(ran.text().contains("\"status\":\"up-to-date\""));
    let ran = ours(&scratch, "updatekeys --json -y a.yaml", "");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    let ran = ours(&scratch, "--config two updatekeys --json a.yaml", "");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "nobody answers");
}

#[test]
fn keygen() {
    let scratch = scratch();
    let made = &lines(ours(&scratch, "keygen --json", ""))[0];
    assert_fields(made, &["recipient", "created", "identity", "file"]);
    let identity = made["identity"].as_str().expect("a text");
    assert!(identity.starts_with("AGE-SECRET-KEY-1") && identity.trim() == identity);
    assert_eq!(made["file"], Value::Null);
    let recipient = made["recipient"].as_str().expect("a text");
    scratch.write("key.txt", identity);
    ours(&scratch, &format!("encrypt -i --age {recipient} one"), "").ok();
    let settings = [("SOPS_AGE_KEY_FILE", "key.txt")];
    scratch
        .run_with(Ours, ["decrypt", "one"], settings, None)
        .ok();

    let ran = ours(&scratch, "keygen --json --pq -o new.txt", "");
    assert_eq!(ran.stderr, "");
    let made = &lines(ran)[0];
    assert_eq!(
        (&made["identity"], &made["file"]),
        (&Value::Null, &json!("new.txt"))
    );
    let file = scratch.read_text("new.txt");
    assert!(file.contains(made["recipient"].as_str().expect("a text")));
    assert!(file.contains("\nAGE-SECRET-KEY-PQ-1"), "{}", file.len());
    let ran = ours(&scratch, "keygen --json -o new.txt", "");
    assert_eq!((ran.code, ran.stdout.len()), (3, 0));
    assert_eq!(scratch.read_text("new.txt"), file);
}

#[test]
fn groups() {
    let scratch = scratch();
    let key = |recipient: &str| json!([{"kind": "age", "key": recipient}]);
    let line = format!("groups add --json -i -f a.yaml --age {SECOND_RECIPIENT}");
    let both = json!({
        "file": "a.yaml", "shamir_threshold": 2, "groups": [key(RECIPIENT), key(SECOND_RECIPIENT)],
    });
    assert_eq!(lines(ours(&scratch, &line, "")), [both]);
    let one = json!({"file": "a.yaml", "shamir_threshold": null, "groups": [key(RECIPIENT)]});
    let line = "groups delete --json -i -f a.yaml --shamir-secret-sharing-threshold 1 1";
    assert_eq!(lines(ours(&scratch, line, "")), [one]);
    let before = scratch.read("a.yaml");
    for (line, code) in [
        ("groups delete --json -f a.yaml 0", 8),
        ("groups delete --json -i -f a.yaml 0", 1),
        ("groups delete --json -i -f a.yaml 7", 1),
    ] {
        let ran = ours(&scratch, line, "");
        assert_eq!((ran.code, ran.stdout.len()), (code, 0), "{line}");
    }
    assert_eq!(scratch.read("a.yaml"), before);
}

#[test]
fn init() {
    let scratch = scratch();
    scratch.write("sub/file", "");
    let run = |home: &str, line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = scratch.command(Ours);
        command.env_remove("SOPS_AGE_KEY_FILE").args(words);
        command.env("SOPS_AGE_KEY_FILE", scratch.path(home));
        command.current_dir(scratch.path("sub"));
        Ran::from(command.output().expect("it starts"))
    };
    scratch.write(".sops.yaml", "creation_rules: []\n");
    let made = &lines(run("new-key.txt", "init --json"))[0];
    assert_fields(
        made,
        &[
            "recipients",
            "new_key_file",
            "config",
            "config_is_new",
            "instead_of",
        ],
    );
    assert_eq!(made["config"], ".sops.yaml");
    assert_eq!(made["config_is_new"], true);
    assert!(
        made["instead_of"]
            .as_str()
            .expect("a path")
            .ends_with(".sops.yaml")
    );
    assert!(
        made["new_key_file"]
            .as_str()
            .expect("a path")
            .ends_with("new-key.txt")
    );
    let again = &lines(run("new-key.txt", "init --json"))[0];
    assert_eq!(again["recipients"], made["recipients"]);
    for field in ["new_key_file", "instead_of"] {
        assert_eq!(again[field], Value::Null, "{field}");
    }
    assert_eq!(again["config_is_new"], false);
    scratch.write("empty-key.txt", "");
    let ran = run("empty-key.txt", "init --json");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
}

#[test]
fn check() {
    let scratch = scratch();
    let ran = ours(&scratch, "--config one check --json a.yaml", "");
    assert_eq!(ran.text(), "[]\n");
    let ran = ours(&scratch, "--config two check --json a.yaml", "");
    assert_eq!(ran.code, 1);
    let found: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_fields(
        &found[0],
        &["file", "line", "column", "kind", "path", "message", "hint"],
    );
    assert_eq!(found[0]["file"], "a.yaml");
}

#[test]
fn filestatus_and_get() {
    let scratch = scratch();
    for line in ["filestatus --json a.yaml", "filestatus a.yaml"] {
        assert_eq!(
            lines(ours(&scratch, line, "")),
            [json!({"encrypted": true})]
        );
    }
    let ran = ours(&scratch, "filestatus --json missing.yaml", "");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    let ran = ours(&scratch, "get --json a.yaml user list list[0]", "");
    let values = [json!(" admin\n"), json!([1, {"b": "c"}]), json!(1)];
    assert_eq!(lines(ran), values);
    let ran = ours(&scratch, "get --json a.yaml user list[2]", "");
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "all or none");
}

#[test]
fn recipients_and_doctor() {
    let scratch = scratch();
    let shown = &lines(ours(&scratch, "recipients --json a.yaml", ""))[0];
    assert_eq!(
        *shown,
        json!({
            "file": "a.yaml", "rule": null, "shamir_threshold": null, "only_in_rule": [],
            "groups": [[{"kind": "age", "key": RECIPIENT, "in_rule": null}]],
        })
    );
    let shown = &lines(ours(&scratch, "--config two recipients --json a.yaml", ""))[0];
    assert_eq!(
        shown["only_in_rule"],
        json!([{"kind": "age", "key": SECOND_RECIPIENT}])
    );
    let ran = ours(
        &scratch,
        "--config two doctor --json a.yaml missing.yaml",
        "",
    );
    assert_eq!(ran.code, 100);
    let shown: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert_fields(
        &shown,
        &[
            "age",
            "pgp",
            "programs",
            "variables",
            "configuration",
            "files",
        ],
    );
    assert_fields(
        &shown["age"],
        &["places", "recipients", "plugins", "problems", "warnings"],
    );
    assert_fields(&shown["pgp"], &["home", "agent", "secret_keys", "problems"]);
    assert_eq!(
        shown["configuration"],
        json!({"path": "two", "creation_rules": 1})
    );
    assert_eq!(
        shown["files"][0],
        json!({"file": "a.yaml", "opens": true, "problem": null})
    );
    assert_eq!(shown["files"][1]["opens"], false);
}
