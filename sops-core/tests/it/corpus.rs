//! Files as people write them, from packages of others: each comes back to the byte, or is refused for a known reason.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sops_core::{DecryptOptions, EncryptedFile, Error, Format, PlainFile};

use crate::support::{keyring, options};

/// The formats that are tested, and the folder of each.
const FORMATS: [(Format, &str); 4] = [
    (Format::Yaml, "yaml"),
    (Format::Json, "json"),
    (Format::Ini, "ini"),
    (Format::Dotenv, "env"),
];

fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/corpus"))
}

/// Returns the paths and the content of the files in a folder.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let index = fs::read_to_string(corpus().join("index.tsv")).expect("readable");
    index
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().expect("a path"))
        .filter(|path| path.split('/').next() == Some(folder))
        .map(|path| {
            (
                path.to_owned(),
                fs::read(corpus().join(path)).expect("readable"),
            )
        })
        .collect()
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

fn round_trip(bytes: &[u8], format: Format) -> Result<Vec<u8>, Error> {
    let encrypted = PlainFile::parse(bytes, format)?.encrypt(&options(), &keyring())?;
    let plain = EncryptedFile::parse(&encrypted.bytes, format)?
        .unlock(&keyring())?
        .decrypt(&DecryptOptions::default())?;
    Ok(plain.bytes().to_vec())
}

#[test]
fn files_of_others_come_back_to_the_byte() {
    let refused = refused();
    let mut problems = Vec::new();
    for (format, folder) in FORMATS {
        let files = files(folder);
        assert!(!files.is_empty(), "{folder} has files");
        for (path, bytes) in files {
            match (round_trip(&bytes, format), refused.get(&path)) {
                (Ok(back), None) if back == bytes => {}
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
