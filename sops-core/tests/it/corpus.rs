//! Files as people write them, from packages of others: each comes back to the byte, or is refused for a known reason.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sops_core::{Error, Format};

use crate::support::{decrypt, encrypt, options};

/// The formats that are tested, and the folder of each.
const FORMATS: [(Format, &str); 3] = [
    (Format::Yaml, "yaml"),
    (Format::Json, "json"),
    (Format::Ini, "ini"),
];

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/corpus"))
}

/// Returns the path and the text of the files in a folder, those in folders inside it included.
fn texts(folder: &str) -> Vec<(String, String)> {
    let index = fs::read_to_string(corpus().join("index.tsv")).expect("readable");
    let mut texts = Vec::new();
    for line in index.lines().skip(1) {
        let path = line.split('\t').next().expect("a path");
        if path.split('/').next() == Some(folder) {
            let bytes = fs::read(corpus().join(path)).expect("readable");
            if let Ok(text) = String::from_utf8(bytes) {
                texts.push((path.to_owned(), text));
            }
        }
    }
    texts
}

/// Returns the files that are refused, and why.
fn refused() -> BTreeMap<String, String> {
    fs::read_to_string(corpus().join("refused.tsv"))
        .expect("readable")
        .lines()
        .map(|line| {
            let (path, reason) = line.split_once('\t').expect("two cells");
            (path.to_owned(), reason.to_owned())
        })
        .collect()
}

fn round_trip(text: &str, format: Format) -> Result<String, Error> {
    decrypt(&encrypt(text, format, &options())?, format)
}

#[test]
fn files_of_others_come_back_to_the_byte() {
    let refused = refused();
    let mut problems = Vec::new();
    for (format, folder) in FORMATS {
        let texts = texts(folder);
        assert!(!texts.is_empty(), "{folder} has files");
        for (path, text) in texts {
            match (round_trip(&text, format), refused.get(&path)) {
                (Ok(back), None) if back == text => {}
                (Ok(_), None) => problems.push(format!("{path}\tcomes back changed")),
                (Ok(_), Some(_)) => problems.push(format!("{path}\tis not refused any more")),
                (Err(error), None) => problems.push(format!("{path}\t{error}")),
                (Err(error), Some(reason)) if error.to_string().ends_with(reason) => {}
                (Err(error), Some(reason)) => {
                    problems.push(format!("{path}\t{error}, not {reason}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
