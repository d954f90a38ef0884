//! Files as people write them, both ways: ours encrypts and the reference decrypts, the reference encrypts and ours
//! decrypts.
//!
//! `SOPS_TEST_CORPUS_STEP` says to take each n-th file (7); with 1 it is all of them. `SOPS_TEST_CORPUS` names a
//! folder with more files, all of which are taken.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    interop::explain,
    support::{
        Program::{Ours, Reference},
        Scratch, has_reference, in_parallel, number_from_env, read_testdata, report, testdata,
        tree_of_encrypted, tree_of_plain, types,
    },
};

/// The endings of the names of the files that are tested.
const ENDINGS: [&str; 5] = ["yaml", "yml", "json", "ini", "env"];

fn is_tested(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// Returns the files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_tested(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn files() -> Vec<PathBuf> {
    let step = number_from_env("SOPS_TEST_CORPUS_STEP", 7);
    let index = String::from_utf8(read_testdata("corpus/index.tsv")).expect("a text");
    let mut files: Vec<_> = index
        .lines()
        .skip(1)
        .map(|line| testdata("corpus").join(line.split('\t').next().expect("a path")))
        .filter(|path| is_tested(path))
        .step_by(step)
        .collect();
    if let Some(folder) = env::var_os("SOPS_TEST_CORPUS") {
        files.extend(below(Path::new(&folder)));
    }
    files
}

/// Returns whether the table of the corpus says why ours refuses a file.
fn is_known_as_refused(path: &Path) -> bool {
    let table = String::from_utf8(read_testdata("corpus/refused.tsv")).expect("a text");
    table
        .lines()
        .filter_map(|line| line.split('\t').next())
        .any(|known| path.ends_with(known))
}

fn check(path: &Path) -> Result<(), String> {
    let text = fs::read(path).expect("readable");
    let ending = path.extension().expect("tested above").to_string_lossy();
    let name = format!("file.{ending}");
    let scratch = Scratch::new();
    let encrypted = scratch.encrypt(Ours, &name, &text);
    let by_reference = scratch.encrypt(Reference, &name, &text);
    if encrypted.code != 0 || by_reference.code != 0 {
        return match (encrypted.code, by_reference.code) {
            (_, 0) if is_known_as_refused(path) => Ok(()),
            (_, 0) => Err(explain("refused by ours alone", &encrypted)),
            (0, _) => Err(explain("refused by the reference alone", &by_reference)),
            _ => Ok(()),
        };
    }
    let back = scratch.decrypt(Ours, &name, &encrypted.stdout);
    if back.stdout != text {
        return Err(explain("does not come back to the byte", &back));
    }
    let expected =
        tree_of_plain(&name, &text).map_err(|ran| explain("the reference reads it", &ran))?;
    let tree = tree_of_encrypted(&name, &encrypted.stdout)
        .map_err(|ran| explain("the reference decrypts ours", &ran))?;
    if tree != expected {
        return Err("the reference sees another tree".to_owned());
    }
    if scratch.decrypt(Reference, &name, &by_reference.stdout).code != 0 {
        // It cannot open what it encrypted.
        return Ok(());
    }
    let opened = scratch.decrypt(Ours, &name, &by_reference.stdout);
    if opened.code != 0 {
        return Err(explain(
            "ours decrypts what the reference encrypted",
            &opened,
        ));
    }
    let ours = tree_of_plain(&name, &opened.stdout)
        .map_err(|ran| explain("the reference reads what ours decrypted", &ran))?;
    if ours.types != types(&by_reference.text()) || ours.content != expected.content {
        return Err("ours sees another tree".to_owned());
    }
    Ok(())
}

#[test]
fn files_of_others_go_both_ways() {
    if !has_reference() {
        return;
    }
    let files = files();
    let outcomes = in_parallel(&files, |path| check(path));
    let failures: Vec<_> = files
        .iter()
        .zip(outcomes)
        .filter_map(|(path, outcome)| {
            let why = outcome.err()?;
            Some(format!("{}: {why}", path.display()))
        })
        .collect();
    report(&failures, files.len());
}
