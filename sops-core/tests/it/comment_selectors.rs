//! What comments govern, by the table made with the reference.

use std::{fs, path::Path};

use regex::Regex;
use sops_core::{Format, Selector};

use crate::support::{decrypt, encrypt, options};

#[test]
fn comments_govern_what_they_govern_there() {
    let table =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden/comment-selectors.json");
    let table = fs::read_to_string(table).expect("readable");
    let cases: serde_json::Value = serde_json::from_str(&table).expect("JSON");
    let cases = cases.as_array().expect("a list");
    assert!(cases.len() > 40);
    for case in cases {
        let text = |key: &str| case[key].as_str().expect("a text");
        let (kind, regex) = text("rule").split_once(": ").expect("a rule");
        let mut options = options();
        options.selector = match kind {
            "encrypted_comment_regex" => Selector::EncryptedCommentRegex(regex.to_owned()),
            _ => Selector::UnencryptedCommentRegex(regex.to_owned()),
        };
        let encrypted = encrypt(text("input"), Format::Yaml, &options).expect("encrypts");
        assert_eq!(
            encrypted_leaves(&masked(&encrypted)),
            encrypted_leaves(text("encrypted")),
            "{}: {}",
            text("name"),
            text("rule")
        );
        assert_eq!(
            decrypt(&encrypted, Format::Yaml).expect("decrypts"),
            text("input")
        );
    }
}

/// Returns the documents without metadata, ciphertexts as `<type>`, as the table has them.
fn masked(encrypted: &str) -> String {
    let enc = Regex::new(r#"["']?ENC\[AES256_GCM,[^\]]*type:(\w+)\]["']?"#).expect("a regex");
    let mut is_metadata = false;
    let mut text = String::new();
    for line in enc.replace_all(encrypted, "<$1>").lines() {
        is_metadata = line == "sops:" || is_metadata && line.starts_with(' ');
        if !is_metadata {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Returns the types of the encrypted values and comments, sorted: where comments stand differs.
fn encrypted_leaves(text: &str) -> Vec<&str> {
    let leaf = Regex::new(r"<\w+>").expect("a regex");
    let mut leaves: Vec<&str> = leaf.find_iter(text).map(|found| found.as_str()).collect();
    leaves.sort_unstable();
    leaves
}
