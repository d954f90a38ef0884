//! Encrypting again after an edit: what did not change keeps its ciphertext.

use sops_core::{Format, metadata::MasterKey};

use crate::support::{decrypt, encrypt, keyring, options, unlock};

const TEXT: &str = "# head\na: one\nb:\n  - two\n  - three # line\nf: 0x1F\nn: null\n";

fn update(encrypted: &str, plaintext: &str) -> String {
    let updated = unlock(encrypted, Format::Yaml)
        .expect("unlocks")
        .update(plaintext.as_bytes())
        .expect("updates");
    String::from_utf8(updated.bytes).expect("text")
}

#[test]
fn nothing_changed_is_the_same_file() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    assert_eq!(update(&encrypted, TEXT), encrypted);
}

#[test]
fn one_value_changes_one_line_and_the_metadata() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let changed = TEXT.replace("two", "zwei");
    let updated = update(&encrypted, &changed);
    assert_eq!(decrypt(&updated, Format::Yaml).expect("decrypts"), changed);
    let different: Vec<usize> = encrypted
        .lines()
        .zip(updated.lines())
        .enumerate()
        .filter(|(_, (before, after))| before != after)
        .map(|(line, _)| line)
        .collect();
    let lines: Vec<&str> = different
        .iter()
        .map(|&at| updated.lines().nth(at).expect("a line").trim())
        .collect();
    assert_eq!(different.first(), Some(&3), "the list item");
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.starts_with("mac:") || line.starts_with("lastmodified:")),
        "{lines:?}"
    );
}

#[test]
fn a_new_layout_of_the_text_keeps_the_ciphertexts() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let changed = format!("\n\n{}", TEXT.replace("a: one", "a:    one   "));
    let updated = update(&encrypted, &changed);
    assert_eq!(decrypt(&updated, Format::Yaml).expect("decrypts"), changed);
    let value = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("a:"))
            .expect("the line")
            .to_owned();
        line.trim_start_matches("a:").trim().to_owned()
    };
    assert_eq!(value(&encrypted), value(&updated));
}

#[test]
fn a_text_that_cannot_be_encrypted_is_refused() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    for bad in [
        "a: [",
        "- list\n",
        "a: 1\na: 2\n",
        "1: x\n",
        "sops: x\na: b\n",
        "",
    ] {
        let unlocked = unlock(&encrypted, Format::Yaml).expect("unlocks");
        assert!(unlocked.update(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn rewrapping_changes_nothing_but_the_keys() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let key = |name: &str| MasterKey::Age {
        recipient: name.to_owned(),
    };
    let groups = [vec![key("age1one"), key("age1two")]];
    let rewrapped = unlock(&encrypted, Format::Yaml)
        .expect("unlocks")
        .rewrap(&groups, None, &keyring())
        .expect("rewraps");
    let rewrapped = String::from_utf8(rewrapped).expect("text");
    assert_eq!(decrypt(&rewrapped, Format::Yaml).expect("decrypts"), TEXT);
    let without_keys = |text: &str| {
        let (before, rest) = text.split_once("  age:\n").expect("recipients");
        let (_, after) = rest.split_once("  lastmodified").expect("the rest");
        format!("{before}{after}")
    };
    assert_eq!(without_keys(&rewrapped), without_keys(&encrypted));
    assert!(rewrapped.contains("recipient: age1two"));
}
