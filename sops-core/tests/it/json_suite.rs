//! The texts of the JSON test suite: taken as the reference takes them, or refused at a place, and what is taken has the
//! values that another parser sees, and comes back to the byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;
use sops_core::{DecryptOptions, EncryptedFile, Error, Format, PlainFile};

use crate::support::{keyring, options};

fn read(name: &str) -> String {
    let path = format!(
        "{}/../testdata/json-test-suite/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::read_to_string(path).expect("readable")
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    reference: bool,
    wrapped: bool,
}

fn bytes(case: &Value) -> Vec<u8> {
    if let Some(digits) = case["hex"].as_str() {
        return (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
            .collect();
    }
    let text = match case["repeat"].as_str() {
        Some(unit) => {
            let times = case["times"].as_u64().expect("a number");
            unit.repeat(usize::try_from(times).expect("small"))
                + case["end"].as_str().unwrap_or_default()
        }
        None => case["text"].as_str().expect("a text").to_owned(),
    };
    text.into_bytes()
}

fn cases() -> Vec<Case> {
    let cases: Value = serde_json::from_str(&read("cases.json")).expect("JSON");
    let cases: Vec<_> = cases
        .as_array()
        .expect("a list")
        .iter()
        .map(|case| Case {
            name: case["name"].as_str().expect("a name").to_owned(),
            bytes: bytes(case),
            reference: case["reference"].as_bool().expect("yes or no"),
            wrapped: case["wrapped"].as_bool().expect("yes or no"),
        })
        .collect();
    assert_eq!(cases.len(), 318);
    cases
}

/// Encrypts and decrypts; returns what another parser should see, if values can be asked for: not with 500 containers
/// inside each other.
fn round_trip(bytes: &[u8]) -> Result<Option<Value>, Error> {
    let encrypted = PlainFile::parse(bytes, Format::Json)?.encrypt(&options(), &keyring())?;
    let plain = EncryptedFile::parse(&encrypted.bytes, Format::Json)?
        .unlock(&keyring())?
        .decrypt(&DecryptOptions::default())?;
    assert_eq!(plain.bytes(), bytes);
    let is_deep = bytes.windows(500).any(|window| window == [b'['; 500]);
    (!is_deep).then(|| plain.deserialize()).transpose()
}

/// Integers without a fraction are integers here, also `-0`, which the other parser takes for a fraction.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|((key, left), (other, right))| key == other && same(left, right))
        }
        _ => left == right,
    }
}

/// Returns whether it is taken.
fn check(name: &str, bytes: &[u8]) -> bool {
    match round_trip(bytes) {
        Ok(None) => true,
        Ok(Some(value)) => {
            let other: Value = serde_json::from_slice(bytes)
                .unwrap_or_else(|error| panic!("{name}: {error} for another parser"));
            assert!(same(&value, &other), "{name}: {value} and {other}");
            true
        }
        Err(error) => {
            let at = error
                .position()
                .unwrap_or_else(|| panic!("{name}: no place in {error}"));
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(
                (1..=lines).contains(&at.line) && (1..=bytes.len() + 1).contains(&at.column),
                "{name}: {at}"
            );
            false
        }
    }
}

#[test]
fn texts_are_taken_as_the_reference_takes_them() {
    let table = read("exceptions.tsv");
    let exceptions: BTreeMap<_, _> = table
        .lines()
        .map(|line| line.split_once('\t').expect("two cells"))
        .collect();
    let mut differing = BTreeSet::new();
    let mut problems = Vec::new();
    for case in cases() {
        let wrapped = [b"{\"a\": ", &case.bytes[..], b"}"].concat();
        let taken = [
            (check(&case.name, &case.bytes), case.reference, "as a file"),
            (check(&case.name, &wrapped), case.wrapped, "as a value"),
        ];
        for (ours, reference, place) in taken {
            if ours && case.name.starts_with("n_") && place == "as a value" {
                problems.push(format!("{} is taken {place}, and is no JSON", case.name));
            }
            if ours != reference {
                if exceptions.contains_key(case.name.as_str()) {
                    differing.insert(case.name.clone());
                } else {
                    problems.push(format!("{} {place}: taken {ours}", case.name));
                }
            }
        }
    }
    for name in exceptions.keys().filter(|name| !differing.contains(**name)) {
        problems.push(format!("{name}: no exception any more"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
