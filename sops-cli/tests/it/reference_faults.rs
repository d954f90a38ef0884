//! Where the reference goes wrong, and what ours does instead.

use serde_json::{Map, Value, json};

use crate::support::{
    Program::{self, Ours, Reference},
    RECIPIENT, Scratch, cases, has_reference, report,
};

/// Encrypts and decrypts, and returns what happened, in the words of the cases.
fn outcome(program: Program, case: &Value, clear: Option<&str>) -> Value {
    let text = |name: &str| {
        case[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is a text"))
    };
    let scratch = Scratch::new();
    let file = text("file");
    scratch.write(file, text("text"));
    let mut arguments = vec!["encrypt", "--age", RECIPIENT];
    let extra = case["arguments"].as_array().into_iter().flatten();
    arguments.extend(extra.map(|argument| argument.as_str().expect("a text")));
    arguments.push(file);
    let encrypted = scratch.run(program, &arguments);
    let mut outcome = Map::new();
    outcome.insert("encrypt".to_owned(), json!(encrypted.code));
    if encrypted.code == 0 {
        let mut encrypted = encrypted.text();
        if let Some(clear) = clear.filter(|clear| encrypted.contains(clear)) {
            outcome.insert("clear".to_owned(), json!(clear));
        }
        if let [from, to] = case["replace"].as_array().map_or(&[][..], Vec::as_slice) {
            let from = from.as_str().expect("a text");
            assert!(encrypted.contains(from), "{from} is there");
            encrypted = encrypted.replacen(from, to.as_str().expect("a text"), 1);
        }
        let decrypted = scratch.decrypt(program, file, encrypted.as_bytes());
        outcome.insert("decrypt".to_owned(), json!(decrypted.code));
        if decrypted.code == 0 {
            outcome.insert("plain".to_owned(), json!(decrypted.text()));
        }
    }
    Value::Object(outcome)
}

fn check(program: Program, whose: &str) {
    let cases = cases("reference-faults/cases.json");
    let mut failures = Vec::new();
    for case in &cases {
        // What the reference leaves in the clear must not be there in ours.
        let clear = case["reference"]["clear"].as_str();
        let outcome = outcome(program, case, clear);
        if outcome != case[whose] {
            failures.push(format!("{}: {outcome}, not {}", case["name"], case[whose]));
        }
    }
    report(&failures, cases.len());
}

#[test]
fn the_reference_does_what_is_said_of_it() {
    if has_reference() {
        check(Reference, "reference");
    }
}

#[test]
fn ours_does_better() {
    check(Ours, "ours");
}
