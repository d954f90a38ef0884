//! Files in the forms that older versions and other writers leave. See `readers.rs` for the other direction.

use serde_json::{Value, json};

use crate::support::{
    Program::{self, Ours, Reference},
    Scratch, cases, has_reference, read_testdata, report,
};

const ENDINGS: [&str; 2] = ["json", "yaml"];

fn base() -> Value {
    serde_json::from_slice(&read_testdata("foreign/base.json")).expect("JSON")
}

pub(crate) fn content() -> Value {
    json!({
        "zone": "b",
        "data": {"user": "app", "age": 5, "on": true},
        "list": ["x", 1.5],
        "app_unencrypted": 1
    })
}

/// Returns the file with the metadata of a case. JSON is YAML, too.
fn file(case: &Value) -> Vec<u8> {
    let mut file = base();
    let metadata = &mut file["sops"];
    if !case["metadata"].is_null() {
        *metadata = case["metadata"].clone();
    }
    for (key, value) in case["set"].as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    for key in case["remove"].as_array().into_iter().flatten() {
        let metadata = metadata.as_object_mut().expect("an object");
        metadata.shift_remove(key.as_str().expect("a text"));
    }
    serde_json::to_vec_pretty(&file).expect("JSON")
}

fn check(program: Program) {
    let cases = cases("foreign/metadata.json");
    let mut failures = Vec::new();
    for case in &cases {
        for ending in ENDINGS {
            let scratch = Scratch::new();
            let name = format!("file.{ending}");
            scratch.write(&name, file(case));
            let ran = scratch.run(program, ["decrypt", "--output-type", "json", &name]);
            let label = format!("{} as {ending}", case["name"]);
            if json!(ran.code) != case["code"] {
                failures.push(format!("{label}: exit {}: {}", ran.code, ran.stderr.trim()));
            } else if ran.code == 0 {
                let plain: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
                if plain != content() {
                    failures.push(format!("{label}: {plain}"));
                }
            }
        }
    }
    report(&failures, cases.len());
}

#[test]
fn metadata_of_other_writers_is_read_or_refused() {
    check(Ours);
}

#[test]
fn the_reference_reads_metadata_of_other_writers_alike() {
    if has_reference() {
        check(Reference);
    }
}

#[test]
fn a_file_whose_keys_were_sorted_opens_without_its_mac() {
    let mut file = base();
    file.sort_all_objects();
    for ending in ENDINGS {
        let scratch = Scratch::new();
        let name = format!("file.{ending}");
        scratch.write(&name, serde_json::to_vec(&file).expect("JSON"));
        assert_eq!(scratch.run(Ours, ["decrypt", &name]).code, 51);
        let arguments = ["decrypt", "--ignore-mac", "--output-type", "json", &name];
        let is_there = has_reference();
        for program in [Some(Ours), is_there.then_some(Reference)]
            .into_iter()
            .flatten()
        {
            let plain = scratch.run(program, arguments).ok();
            let plain: Value = serde_json::from_slice(&plain).expect("JSON");
            assert_eq!(plain, content());
        }
    }
}

#[test]
fn files_of_the_implementation_in_python_open() {
    for ending in ENDINGS {
        let scratch = Scratch::new();
        let name = format!("file.{ending}");
        scratch.write(
            &name,
            read_testdata(&format!("foreign/python-1.18.{ending}")),
        );
        let arguments = ["decrypt", "--output-type", "json", &name];
        let plain: Value =
            serde_json::from_slice(&scratch.run(Ours, arguments).ok()).expect("JSON");
        let expected = read_testdata(&format!("foreign/python-1.18-{ending}.plain.json"));
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        assert_eq!(plain, expected, "{ending}");
    }
}

/// It leaves out the version, which the reference and ours insist on, and in YAML the quotes around the time.
#[test]
fn files_of_rops_open_when_their_metadata_is_completed() {
    for ending in ENDINGS {
        let scratch = Scratch::new();
        let name = format!("file.{ending}");
        let text = read_testdata(&format!("foreign/rops-0.1.7.{ending}"));
        scratch.write(&name, &text);
        let arguments = ["decrypt", "--output-type", "json", &name];
        assert_eq!(scratch.run(Ours, arguments).code, 1, "{ending}");
        let text = String::from_utf8(text).expect("a text");
        let (from, to) = match ending {
            "json" => (
                "\"lastmodified\": ",
                "\"version\": \"3.0.0\", \"lastmodified\": ",
            ),
            _ => (
                "lastmodified: 2026-11-24T04:02:34Z",
                "version: 3.0.0\n  lastmodified: \"2026-11-24T04:02:34Z\"",
            ),
        };
        assert!(text.contains(from), "{ending}");
        scratch.write(&name, text.replacen(from, to, 1));
        let plain: Value =
            serde_json::from_slice(&scratch.run(Ours, arguments).ok()).expect("JSON");
        assert_eq!(plain, content(), "{ending}");
    }
}
