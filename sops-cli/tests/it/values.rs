//! `set` and `unset`: what changes, and what does not.

use serde_json::Value;

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Ran, Scratch, has_reference,
};

const TEXT: &str = "# about\nuser: admin # who\npassword:   'old'   # note\n\nlist: [a,  0x1F]\nm:\n  - x: 1\n\n    y: 2\n";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("a.yaml", TEXT);
    scratch
        .run(Ours, ["encrypt", "-i", "--age", RECIPIENT, "a.yaml"])
        .ok();
    scratch
}

fn run(scratch: &Scratch, arguments: &[&str], input: &str) -> Ran {
    scratch.run_with(Ours, arguments, [], Some(input.as_bytes()))
}

#[track_caller]
fn plaintext(scratch: &Scratch) -> String {
    String::from_utf8(run(scratch, &["decrypt", "a.yaml"], "").ok()).expect("a text")
}

#[test]
fn setting_one_value_changes_its_line_the_mac_and_the_date() {
    let scratch = scratch();
    let before = scratch.read_text("a.yaml");
    run(
        &scratch,
        &["set", "a.yaml", "[\"password\"]", "\"new\""],
        "",
    )
    .ok();
    let after = scratch.read_text("a.yaml");
    let changed: Vec<&str> = before
        .lines()
        .zip(after.lines())
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after.trim())
        .collect();
    assert!(changed[0].starts_with("password:   'ENC["), "{changed:?}");
    let is_metadata = |line: &&str| line.starts_with("mac:") || line.starts_with("lastmodified:");
    assert!(changed[1..].iter().all(is_metadata), "{changed:?}");
    assert_eq!(plaintext(&scratch), TEXT.replace("old", "new"));
}

#[test]
fn values_come_from_arguments_files_and_standard_input() {
    for (arguments, input, value) in [
        (&["set", "a.yaml", "user", "\"o'x\""][..], "", "o'x"),
        (
            &["set", "a.yaml", "user", "--string", "\"q\""],
            "",
            "'\"q\"'",
        ),
        (
            &["set", "--string", "a.yaml", "user", "--", "-5"],
            "",
            "\"-5\"",
        ),
        (&["set", "--value-stdin", "a.yaml", "user"], "17\n", "17"),
        (
            &["set", "--value-stdin", "--string", "a.yaml", "user"],
            "17\n",
            "\"17\"",
        ),
        (
            &["set", "--value-file", "a.yaml", "user", "value"],
            "",
            "true",
        ),
        (&["--set", "[\"user\"] null", "a.yaml"], "", "null"),
        (
            &["set", "a.yaml", "user", "12345678901234567"],
            "",
            "12345678901234567",
        ),
        (&["set", "a.yaml", "user", "2.50"], "", "2.5"),
    ] {
        let scratch = scratch();
        scratch.write("value", "true\n");
        run(&scratch, arguments, input).ok();
        assert_eq!(
            plaintext(&scratch),
            TEXT.replace("admin", value),
            "{arguments:?}"
        );
    }
}

#[test]
fn several_values_are_set_all_or_none() {
    let scratch = scratch();
    let before = scratch.read_text("a.yaml");
    let line = ["set", "a.yaml", "user", "\"root\"", "m[0].x", "oops"];
    assert_eq!(run(&scratch, &line, "").code, 7);
    assert_eq!(scratch.read_text("a.yaml"), before);
    let line = [
        "set",
        "a.yaml",
        "user",
        "\"root\"",
        "m[0].z",
        "{\"a\": 3}",
        "m[0].z.a",
        "4",
    ];
    run(&scratch, &line, "").ok();
    let expected = TEXT.replace("admin", "root") + "    z:\n      a: 4\n";
    assert_eq!(plaintext(&scratch), expected);
    run(&scratch, &["unset", "a.yaml", "m[0].z", "list[0]"], "").ok();
    let expected = TEXT.replace("admin", "root").replace("a,  ", "");
    assert_eq!(plaintext(&scratch), expected);
    let before = scratch.read_text("a.yaml");
    assert_eq!(
        run(&scratch, &["unset", "a.yaml", "user", "nobody"], "").code,
        1
    );
    assert_eq!(scratch.read_text("a.yaml"), before);
}

#[test]
fn what_is_so_already_is_not_written() {
    let scratch = scratch();
    let before = scratch.read_text("a.yaml");
    for line in [
        &["set", "a.yaml", "user", "\"admin\""][..],
        &["set", "a.yaml", "list", "[\"a\", 31]"],
        &[
            "set",
            "--idempotent",
            "a.yaml",
            "m",
            "[{\"x\": 1, \"y\": 2}]",
        ],
        &["unset", "--idempotent", "a.yaml", "nobody", "m[7]"],
    ] {
        run(&scratch, line, "").ok();
        assert_eq!(scratch.read_text("a.yaml"), before, "{line:?}");
    }
}

#[test]
fn no_message_holds_a_value() {
    let scratch = scratch();
    for line in [
        &["set", "a.yaml", "user", "hunter2"][..],
        &["set", "a.yaml", "user", "{\"hunter2\": 1, \"hunter2\": 2}"],
        &["set", "a.yaml", "user", "\"hunter2\" 1"],
        &["--set", "[\"user\"]\"hunter2\"", "a.yaml"],
        &["set", "a.yaml", "list.name", "\"hunter2\""],
    ] {
        let ran = run(&scratch, line, "");
        assert_eq!(ran.code, 7, "{line:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{line:?}: {}", ran.stderr);
    }
}

#[test]
fn places_of_few_words_change_as_in_the_reference() {
    if !has_reference() {
        return;
    }
    let changed = |program: Program, text: &str, change: &[&str]| -> Value {
        let scratch = Scratch::new();
        scratch.write("a.yaml", text);
        let arguments = ["encrypt", "-i", "--age", RECIPIENT, "a.yaml"];
        scratch.run(program, arguments).ok();
        let arguments = [&[change[0], "a.yaml"], &change[1..]].concat();
        scratch.run(program, arguments).ok();
        let arguments = ["decrypt", "--output-type", "json", "a.yaml"];
        let json = scratch.run(Reference, arguments).ok();
        serde_json::from_slice(&json).expect("JSON")
    };
    let cases: [(&str, &[&str]); 9] = [
        (
            "on:\n  schedule: [cron: \"1 2 * * *\"]\n",
            &["unset", "[\"on\"][\"schedule\"][0][\"cron\"]"],
        ),
        ("a: [b: 1, c: 2]\n", &["unset", "[\"a\"][0][\"b\"]"]),
        ("a: [b: 1, c: 2]\n", &["set", "[\"a\"][0][\"n\"]", "5"]),
        ("a: {b, c: 2}\n", &["set", "[\"a\"][\"b\"]", "\"x\""]),
        ("a: {\"b\", c: 2}\n", &["set", "[\"a\"][\"b\"]", "\"x\""]),
        ("a: |\nb: c\n", &["set", "[\"a\"]", "\"x\""]),
        ("a: |-\nb: c\n", &["set", "[\"a\"]", "\"x\""]),
        (
            "a:\n  b: c\n\nd: e\n",
            &["set", "[\"a\"][\"new\"]", "\"x\\n\\n\""],
        ),
        ("a: |\n  x", &["set", "[\"b\"]", "\"y\""]),
    ];
    for (text, change) in cases {
        let ours = changed(Ours, text, change);
        let theirs = changed(Reference, text, change);
        assert_eq!(ours, theirs, "{text:?} {change:?}");
    }
}
