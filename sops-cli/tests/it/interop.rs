//! Random documents, both ways: ours encrypts and the reference decrypts, the reference encrypts and ours decrypts, ours
//! encrypts and ours gives the same bytes back.
//!
//! `SOPS_TEST_DOCUMENTS` says how many (60), `SOPS_TEST_SEED` which (a number that a failure prints).

use crate::{
    documents::{self, Document},
    support::{
        Program::{Ours, Reference},
        Ran, Scratch, has_reference, in_parallel, number_from_env, report, tree_of_encrypted,
        tree_of_plain, types,
    },
};

/// Runs `check` on random documents of both formats.
pub(crate) fn each_document(check: impl Fn(&Document) -> Result<(), String> + Sync) {
    let count = number_from_env("SOPS_TEST_DOCUMENTS", 60);
    let first = number_from_env("SOPS_TEST_SEED", 1);
    let seeds: Vec<u64> = (first..first + count).map(|seed| seed as u64).collect();
    let failures: Vec<String> = in_parallel(&seeds, |seed| {
        let document = documents::document(*seed);
        let text = String::from_utf8_lossy(&document.text);
        check(&document)
            .err()
            .map(|why| format!("SOPS_TEST_SEED={seed} {}: {why}\n{text:?}\n", document.name))
    })
    .into_iter()
    .flatten()
    .collect();
    report(&failures, seeds.len());
}

pub(crate) fn explain(what: &str, ran: &Ran) -> String {
    format!("{what}: exit {}: {}", ran.code, ran.stderr.trim())
}

#[test]
fn what_ours_encrypts_comes_back_to_the_byte() {
    each_document(|document| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, document.name, &document.text);
        if encrypted.code != 0 {
            return Err(explain("encrypting", &encrypted));
        }
        let back = scratch.decrypt(Ours, document.name, &encrypted.stdout);
        if back.code != 0 {
            return Err(explain("decrypting", &back));
        }
        if back.stdout != document.text {
            return Err(format!("came back as {:?}", back.text()));
        }
        Ok(())
    });
}

#[test]
fn what_ours_encrypts_opens_in_the_reference() {
    if !has_reference() {
        return;
    }
    each_document(|document| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, document.name, &document.text);
        if encrypted.code != 0 {
            return Err(explain("encrypting", &encrypted));
        }
        let expected = tree_of_plain(document.name, &document.text)
            .map_err(|ran| explain("the reference encrypting it", &ran))?;
        let tree = tree_of_encrypted(document.name, &encrypted.stdout)
            .map_err(|ran| explain("the reference decrypting it", &ran))?;
        if tree != expected {
            return Err(format!("{tree:?}\nnot {expected:?}"));
        }
        let opened = scratch.decrypt(Reference, document.name, &encrypted.stdout);
        match opened.stderr.trim() {
            "" => Ok(()),
            warning => Err(format!("the reference warns: {warning}")),
        }
    });
}

#[test]
fn what_the_reference_encrypts_opens_in_ours() {
    if !has_reference() {
        return;
    }
    each_document(|document| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Reference, document.name, &document.text);
        if encrypted.code != 0 {
            return Err(explain("the reference encrypting it", &encrypted));
        }
        let opened = scratch.decrypt(Ours, document.name, &encrypted.stdout);
        if opened.code != 0 {
            return Err(explain("decrypting", &opened));
        }
        let ours = tree_of_plain(document.name, &opened.stdout)
            .map_err(|ran| explain("the reference reading what ours decrypted", &ran))?;
        let expected = tree_of_plain(document.name, &document.text)
            .map_err(|ran| explain("the reference encrypting it", &ran))?;
        // Types are those of the encrypted file, also where the text decrypted by the reference would lose them.
        if ours.types != types(&encrypted.text()) || ours.content != expected.content {
            return Err(format!("{ours:?}\nnot {expected:?}"));
        }
        Ok(())
    });
}
