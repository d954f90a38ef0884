//! `set` and `unset` in dotenv and INI: ours and the reference change the same, each in a file of its own, and both can
//! read what both leave. Numbers and booleans become texts in ours, which the files cannot tell from them.

use serde_json::Value;

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Scratch, has_reference, in_parallel, report,
};

const DOTENV: &str = "# head\nA=1\n\nB=x\n";
const INI: &str = "; head\n[a]\nx = 1\n\n# second\n[b]\ny=2\n";

const EMPTY_DOTENV: &str = "A=\nB=x\n";
const EMPTY_INI: &str = "[a]\nA=\nh = \nc = ; beside\nB=x\n\n[b]\nq = C:\\dir\\\n";

const CHANGES: [(&str, &str, &[&str]); 29] = [
    ("file.env", DOTENV, &["set", "[\"A\"]", "\"new\""]),
    ("file.env", DOTENV, &["set", "[\"C\"]", "\"a\\nb\""]),
    ("file.env", DOTENV, &["set", "[\"C\"]", "true"]),
    ("file.env", DOTENV, &["set", "[\"C\"]", "1.5"]),
    ("file.env", DOTENV, &["set", "[\"export C\"]", "\"# a=b\""]),
    ("file.env", DOTENV, &["unset", "[\"A\"]"]),
    ("file.env", DOTENV, &["unset", "[\"B\"]"]),
    ("file.ini", INI, &["set", "[\"a\"][\"x\"]", "\"new\""]),
    ("file.ini", INI, &["set", "[\"a\"][\"z\"]", "\"a;b\""]),
    ("file.ini", INI, &["set", "[\"a\"][\"z\"]", "\"a\\nb\""]),
    ("file.ini", INI, &["set", "[\"a\"][\"z\"]", "\" b \""]),
    ("file.ini", INI, &["set", "[\"a\"][\"z\"]", "true"]),
    ("file.ini", INI, &["set", "[\"a\"][\"k=l\"]", "\"v\""]),
    ("file.ini", INI, &["set", "[\"c\"][\"z\"]", "\"q\""]),
    ("file.ini", INI, &["set", "[\"c\"]", "{\"a\": \"b\"}"]),
    ("file.ini", INI, &["set", "[\"c\"]", "{}"]),
    ("file.ini", INI, &["set", "[\"a\"]", "{\"n\": \"m\"}"]),
    ("file.ini", INI, &["set", "[\"DEFAULT\"][\"z\"]", "\"q\""]),
    ("file.ini", INI, &["unset", "[\"a\"][\"x\"]"]),
    ("file.ini", INI, &["unset", "[\"a\"]"]),
    ("file.ini", INI, &["unset", "[\"b\"]"]),
    ("file.env", EMPTY_DOTENV, &["set", "[\"A\"]", "\"v\""]),
    ("file.env", EMPTY_DOTENV, &["set", "[\"A\"]", "5"]),
    ("file.env", EMPTY_DOTENV, &["set", "[\"B\"]", "\"\""]),
    ("file.ini", EMPTY_INI, &["set", "[\"a\"][\"A\"]", "\"v\""]),
    ("file.ini", EMPTY_INI, &["set", "[\"a\"][\"h\"]", "true"]),
    ("file.ini", EMPTY_INI, &["set", "[\"a\"][\"c\"]", "\"v\""]),
    ("file.ini", EMPTY_INI, &["set", "[\"a\"][\"B\"]", "\"\""]),
    ("file.ini", EMPTY_INI, &["set", "[\"b\"][\"n\"]", "\"x\""]),
];

/// Returns what the reference reads in a file that `program` encrypted and changed.
fn changed(program: Program, name: &str, text: &str, change: &[&str]) -> Result<Value, String> {
    let scratch = Scratch::new();
    scratch.write(name, text);
    let arguments = ["encrypt", "--in-place", "--age", RECIPIENT, name];
    scratch.run(program, arguments).ok();
    let ran = scratch.run(program, [&[change[0], name], &change[1..]].concat());
    if ran.code != 0 {
        return Err(format!("{program:?} {change:?}: {}", ran.stderr));
    }
    let arguments = ["decrypt", "--output-type", "json", name];
    let json = scratch.run(Reference, arguments);
    let ours = scratch.run(Ours, arguments);
    if json.code != 0 || ours.code != 0 {
        return Err(format!(
            "reading {change:?}: {} {}",
            json.stderr, ours.stderr
        ));
    }
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let ours: Value = serde_json::from_slice(&ours.stdout).expect("JSON");
    match json == ours {
        true => Ok(json),
        false => Err(format!("{change:?}: {json} there, {ours} here")),
    }
}

/// Returns a value with the texts of its numbers and booleans.
fn in_texts(value: Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, in_texts(value)))
            .collect(),
        Value::String(text) => Value::String(text),
        other => Value::String(other.to_string()),
    }
}

#[test]
fn lines_are_changed_as_the_reference_changes_them() {
    if !has_reference() {
        return;
    }
    let failures = in_parallel(&CHANGES, |(name, text, change)| {
        let ours = match changed(Ours, name, text, change) {
            Ok(ours) => ours,
            Err(why) => return Some(why),
        };
        let expected = match changed(Reference, name, text, change) {
            Ok(expected) => expected,
            Err(why) => return Some(why),
        };
        let (ours, expected) = (in_texts(ours), in_texts(expected));
        (ours != expected).then(|| format!("{change:?}: {ours}, not {expected}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    report(&failures, CHANGES.len());
}

#[test]
fn changes_that_lines_cannot_hold_leave_the_file_alone() {
    let changes: [(&str, &str, &[&str], i32); 8] = [
        ("file.env", DOTENV, &["set", "[\"C\"]", "[1]"], 4),
        ("file.env", DOTENV, &["set", "[\"C\"][\"d\"]", "1"], 4),
        ("file.env", DOTENV, &["set", "[\"A\"]", "null"], 4),
        ("file.env", DOTENV, &["set", "[\"sops_a\"]", "1"], 4),
        ("file.env", DOTENV, &["unset", "[\"C\"]"], 1),
        ("file.ini", INI, &["set", "[\"c\"]", "1"], 4),
        ("file.ini", INI, &["set", "[\"a\"][\"x\"][\"y\"]", "1"], 4),
        ("file.ini", INI, &["unset", "[\"a\"][\"y\"]"], 1),
    ];
    for (name, text, change, code) in changes {
        let scratch = Scratch::new();
        scratch.write(name, text);
        scratch
            .run(Ours, ["encrypt", "--in-place", "--age", RECIPIENT, name])
            .ok();
        let before = scratch.read(name);
        let ran = scratch.run(Ours, [&[change[0], name], &change[1..]].concat());
        assert_eq!(ran.code, code, "{change:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{change:?}");
        assert_eq!(scratch.read(name), before, "{change:?}");
    }
}

#[test]
fn empty_values_of_the_reference_are_set_and_all_else_stays() {
    if !has_reference() {
        return;
    }
    for (name, text, path) in [
        ("file.env", EMPTY_DOTENV, "[\"A\"]"),
        ("file.ini", EMPTY_INI, "[\"a\"][\"A\"]"),
        ("file.ini", EMPTY_INI, "[\"a\"][\"h\"]"),
        ("file.ini", EMPTY_INI, "[\"a\"][\"c\"]"),
    ] {
        let scratch = Scratch::new();
        scratch.write(name, text);
        let arguments = ["encrypt", "--in-place", "--age", RECIPIENT, name];
        scratch.run(Reference, arguments).ok();
        let plaintext = || scratch.run(Ours, ["decrypt", name]).ok();
        let before = plaintext();
        scratch.run(Ours, ["set", name, path, "\"v\""]).ok();
        let read = ["decrypt", "--extract", path, name];
        assert_eq!(scratch.run(Reference, read).ok(), b"v", "{path}");
        assert_ne!(plaintext(), before, "{path}");
        scratch.run(Ours, ["set", name, path, "\"\""]).ok();
        assert_eq!(plaintext(), before, "{path}");
    }
}
