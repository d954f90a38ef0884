//! Comments: each is encrypted under the path where the reference looks for it, opens there, and comes back here.

use serde_json::Value;

use crate::support::{
    Program::{Ours, Reference},
    Scratch, cases, has_reference, in_parallel, report,
};

const NAME: &str = "comments.yaml";

/// Encrypts the `input` of every row, and lets `check` look at what the reference makes of it: its output and messages.
fn each_input(rows: &[Value], check: impl Fn(&str, &str) -> Result<(), String> + Sync) {
    let failures: Vec<String> = in_parallel(rows, |row| {
        let input = row["input"].as_str().unwrap_or_default();
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Ours, NAME, input.as_bytes());
        if encrypted.code != 0 {
            return Some(format!("{input:?}: encrypting: {}", encrypted.stderr));
        }
        let back = scratch.decrypt(Ours, NAME, &encrypted.stdout);
        if back.text() != input {
            return Some(format!(
                "{input:?} came back as {:?} {}",
                back.text(),
                back.stderr
            ));
        }
        let opened = scratch.run(Reference, ["decrypt", NAME]);
        if opened.code != 0 {
            return Some(format!("{input:?}: the reference: {}", opened.stderr));
        }
        let outcome = check(&opened.text(), &opened.stderr);
        outcome.err().map(|why| format!("{input:?}: {why}"))
    })
    .into_iter()
    .flatten()
    .collect();
    report(&failures, rows.len());
}

/// The reference warns of a comment that it cannot decrypt. Which of them it then writes out is its own affair: of a list
/// whose first item has comments, too, it loses some.
#[test]
fn every_comment_of_random_documents_opens_in_the_reference() {
    if !has_reference() {
        return;
    }
    let rows = cases("golden/comment-paths.json");
    each_input(&rows, |output, messages| {
        match messages.is_empty() && !output.contains("ENC[") {
            true => Ok(()),
            false => Err(format!("the reference says {messages} and {output:?}")),
        }
    });
}

/// In every place there is, the places included where the reference itself writes what it cannot open.
#[test]
fn comments_in_every_place_open_in_the_reference() {
    if !has_reference() {
        return;
    }
    let mut rows = cases("golden/comments.json");
    rows.retain(|row| row["encrypt_exit"] == 0);
    each_input(&rows, |output, messages| {
        // One of them holds a comment that only looks encrypted.
        let encrypted = output.replace("# ENC[AES256_GCM,data:x]", "");
        match messages.is_empty() && !encrypted.contains("ENC[") {
            true => Ok(()),
            false => Err(format!("the reference says {messages} and {output:?}")),
        }
    });
}

/// For the reference they are items of the list, and of its own file it finds none at all: the MAC does not fit then.
#[test]
fn comments_in_lists_do_not_count_as_items() {
    if !has_reference() {
        return;
    }
    let plain = b"a:\n    # first\n    - x\n    # second\n    - y\n";
    let scratch = Scratch::new();
    for writer in [Ours, Reference] {
        let encrypted = scratch.encrypt(writer, NAME, plain).ok();
        scratch.write(NAME, &encrypted);
        for (index, item) in [Some("x"), Some("y"), None].into_iter().enumerate() {
            let path = format!("[\"a\"][{index}]");
            for more in [&[][..], &["--ignore-mac"]] {
                let arguments = [&["decrypt", "--extract", &path], more, &[NAME]].concat();
                let found = scratch.run(Ours, &arguments);
                match item {
                    Some(item) => assert_eq!(found.text(), item, "{writer:?} {arguments:?}"),
                    None => assert_ne!(found.code, 0, "{writer:?} {arguments:?}"),
                }
            }
        }
        let first = scratch.run(Reference, ["decrypt", "--extract", "[\"a\"][0]", NAME]);
        assert_ne!(first.text(), "x", "{writer:?}");
    }
}
