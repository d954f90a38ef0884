//! The documents of the YAML test suite: what is YAML has the events that another parser sees, what is not is refused at
//! a place, and what the reference takes is taken.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::event_tests::{others, ours};
use crate::{Format, format::ParseOptions, fuzzing, tree::span::Position};

struct Case {
    name: String,
    yaml: String,
    valid: bool,
    parser: bool,
    reference: bool,
}

fn read(name: &str) -> String {
    let path = format!(
        "{}/../testdata/yaml-test-suite/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::read_to_string(path).expect("readable")
}

fn cases() -> Vec<Case> {
    let cases: serde_json::Value = serde_json::from_str(&read("cases.json")).expect("JSON");
    let text = |case: &serde_json::Value, key: &str| case[key].as_str().expect("a text").to_owned();
    let flag = |case: &serde_json::Value, key: &str| case[key].as_bool().expect("yes or no");
    let cases: Vec<_> = cases
        .as_array()
        .expect("a list")
        .iter()
        .map(|case| Case {
            name: text(case, "name"),
            yaml: text(case, "yaml"),
            valid: flag(case, "valid"),
            parser: flag(case, "parser"),
            reference: flag(case, "reference"),
        })
        .collect();
    assert_eq!(cases.len(), 402);
    cases
}

/// Compares what went wrong, by case, with the exceptions of one kind: neither may be without the other.
fn check(kind: &str, mut failures: BTreeMap<String, String>) {
    let table = read("exceptions.tsv");
    let mut problems = Vec::new();
    for line in table.lines() {
        let mut cells = line.split('\t');
        let (Some(name), Some(of), Some(reason)) = (cells.next(), cells.next(), cells.next())
        else {
            panic!("three cells: {line}");
        };
        assert!(!reason.is_empty(), "{name} has a reason");
        if of == kind && failures.remove(name).is_none() {
            problems.push(format!("{name}: no exception any more"));
        }
    }
    problems.extend(
        failures
            .into_iter()
            .map(|(name, failure)| format!("{name}: {failure}")),
    );
    assert!(
        problems.is_empty(),
        "{kind}: {}\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Compares what our parser accepts with what it should.
fn check_accepted(kind: &str, should: impl Fn(&Case) -> bool) {
    let mut failures = BTreeMap::new();
    for case in cases() {
        match ours(&case.yaml) {
            Ok(_) if !should(&case) => {
                failures.insert(case.name, format!("accepted: {:?}", case.yaml));
            }
            Err(error) if should(&case) => {
                failures.insert(case.name, format!("{error:?}: {:?}", case.yaml));
            }
            _ => {}
        }
    }
    check(kind, failures);
}

#[test]
fn what_is_yaml_is_accepted_and_nothing_else() {
    check_accepted("valid", |case| case.valid);
}

#[test]
fn what_the_parser_of_the_reference_reads_is_read_and_nothing_else() {
    check_accepted("parser", |case| case.parser);
}

#[test]
fn the_events_are_those_that_another_parser_sees() {
    let mut failures = BTreeMap::new();
    for case in cases().into_iter().filter(|case| case.valid) {
        let mut source = case.yaml;
        // The other one adds it to block scalars.
        if !source.ends_with(['\n', '\r']) {
            source.push('\n');
        }
        let Ok(ours) = ours(&source) else { continue };
        let Ok(others) = catch_unwind(AssertUnwindSafe(|| others(&source))) else {
            failures.insert(case.name, "the other parser refuses it".to_owned());
            continue;
        };
        if ours != others {
            let difference = ours.iter().zip(&others).find(|(ours, other)| ours != other);
            failures.insert(
                case.name,
                format!(
                    "{difference:?}, {} and {} events: {source:?}",
                    ours.len(),
                    others.len()
                ),
            );
        }
    }
    check("events", failures);
}

#[test]
fn what_the_reference_takes_is_taken() {
    let mut failures = BTreeMap::new();
    for case in cases() {
        match Format::Yaml.parse(&case.yaml, ParseOptions::default()) {
            Ok(_) if !case.reference => {
                failures.insert(case.name, format!("accepted: {:?}", case.yaml));
            }
            Err(error) if case.reference => {
                failures.insert(case.name, format!("{error}: {:?}", case.yaml));
            }
            Ok(_) => {}
            Err(error) => {
                let end = Position::of(&case.yaml, case.yaml.len());
                let at = error.position;
                assert!(
                    at.line >= 1
                        && at.column >= 1
                        && (at.line, at.column) <= (end.line, end.column),
                    "{}: {at} is not a place in the text",
                    case.name
                );
                assert!(!error.message.is_empty(), "{}", case.name);
            }
        }
    }
    check("reference", failures);
}

#[test]
fn spans_lie_in_each_other_and_a_text_without_changes_is_copied() {
    for case in cases() {
        for text in [case.yaml.replace('\n', "\r\n"), case.yaml] {
            fuzzing::parse(&text, Format::Yaml);
            // Cut anywhere: refused or not, but never a panic.
            for (end, _) in text.char_indices() {
                fuzzing::parse(&text[..end], Format::Yaml);
            }
        }
    }
}
