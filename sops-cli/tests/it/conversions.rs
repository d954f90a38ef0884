//! Conversions: a file decrypted into another format, or with another indentation, is written byte for byte as the
//! reference writes it.

use crate::{
    interop::{each_document, explain},
    support::{
        Program::{Ours, Reference},
        RECIPIENT, Scratch, has_reference,
    },
};

/// How each document is decrypted. An indentation makes ours, too, write the whole file anew.
const CONVERSIONS: [&[&str]; 5] = [
    &["--output-type", "json"],
    &["--output-type", "yaml"],
    &["--indent", "2"],
    &["--indent", "3"],
    &["--indent", "7", "--output-type", "yaml"],
];

#[test]
fn documents_are_written_as_the_reference_writes_them() {
    if !has_reference() {
        return;
    }
    each_document(|document| {
        let scratch = Scratch::new();
        let encrypted = scratch.encrypt(Reference, document.name, &document.text);
        if encrypted.code != 0 {
            return Err(explain("the reference encrypting it", &encrypted));
        }
        scratch.write(document.name, &encrypted.stdout);
        for conversion in CONVERSIONS {
            // Without an indentation, ours keeps the layout of a file whose format does not change.
            if conversion[0] == "--output-type" && document.name.ends_with(conversion[1]) {
                continue;
            }
            // --indent stands before the command, where both take it.
            let (global, own) = match conversion[0] {
                "--indent" => conversion.split_at(2),
                _ => conversion.split_at(0),
            };
            let arguments = [global, &["decrypt"], own, &[document.name]].concat();
            let expected = scratch.run(Reference, &arguments);
            let written = scratch.run(Ours, &arguments);
            // Some of what it writes it cannot read, in part or at all; of several documents it drops all but the first.
            let has_several = written.stderr.contains("several documents");
            if expected.code != 0
                || expected.text().contains("ENC[")
                || (conversion.contains(&"json") && has_several)
            {
                continue;
            }
            if written.code != 0 {
                return Err(explain(&format!("{conversion:?}"), &written));
            }
            let loses_comments = notes(&expected.text()) < notes(&written.text());
            if written.stdout != expected.stdout && !loses_comments {
                return Err(format!(
                    "{conversion:?}:\n{:?}\nnot {:?}",
                    written.text(),
                    expected.text()
                ));
            }
        }
        Ok(())
    });
}

/// With a selector that selects nothing, the encrypted file holds the plaintext as it is written anew.
#[test]
fn documents_are_encrypted_into_what_the_reference_writes() {
    if !has_reference() {
        return;
    }
    each_document(|document| {
        let scratch = Scratch::new();
        scratch.write(document.name, &document.text);
        for conversion in CONVERSIONS {
            if conversion[0] == "--output-type" && document.name.ends_with(conversion[1]) {
                continue;
            }
            let (global, own) = match conversion[0] {
                "--indent" => conversion.split_at(2),
                _ => conversion.split_at(0),
            };
            let keys = ["--age", RECIPIENT, "--encrypted-regex", "^none of them$"];
            let arguments = [global, &["encrypt"], own, &keys, &[document.name]].concat();
            let expected = scratch.run(Reference, &arguments);
            let written = scratch.run(Ours, &arguments);
            let has_several = written.stderr.contains("several documents");
            if expected.code != 0 || (conversion.contains(&"json") && has_several) {
                continue;
            }
            if written.code != 0 {
                return Err(explain(&format!("{conversion:?}"), &written));
            }
            let has_comments = notes(&String::from_utf8_lossy(&document.text)) > 0;
            let content = |text: &str| without_metadata(text, has_comments);
            if content(&written.text()) != content(&expected.text()) {
                return Err(format!(
                    "{conversion:?}:\n{:?}\nnot {:?}",
                    written.text(),
                    expected.text()
                ));
            }
        }
        Ok(())
    });
}

/// Cuts the metadata out of each document; they stand last. Comments are cut out too, all of which are called `note`:
/// the reference moves those beside lists and empty maps to places of other values.
fn without_metadata(encrypted: &str, has_comments: bool) -> Vec<String> {
    encrypted
        .split("\n---\n")
        .map(|document| {
            let block = document
                .find("sops:")
                .or_else(|| document.rfind("\"sops\":"));
            let content = &document[..block.unwrap_or(document.len())];
            if !has_comments {
                return content.trim_end().to_owned();
            }
            // What stands behind a dash goes on the next line when a comment comes between.
            let lines = content.lines().map(|line| without_comment(line).trim());
            let kept: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
            kept.join(" ").replace("{ }", "{}")
        })
        .collect()
}

fn without_comment(line: &str) -> &str {
    match line.find("# note").or_else(|| line.find("#note")) {
        Some(at) => line[..at].trim_end_matches(['#', ' ']),
        None => line,
    }
}

fn notes(text: &str) -> usize {
    text.matches("note ").count()
}
