//! Every change of one byte to an encrypted file is refused, or has no effect on the values; what the format does not
//! protect is listed here.

use std::collections::BTreeSet;

use serde_json::Value;
use sops_core::{DecryptOptions, EncryptedFile, Error, Format};

use crate::support::{encrypt, keyring, options};

/// A file of each format that is tested.
const FILES: [(Format, &str); 5] = [
    (
        Format::Yaml,
        "# top\nname: first secret # side\nnumber: 42\nlist:\n  - one\n  - two\nnothing: null\nempty: {}\nopen_unencrypted: 5\nblock: |\n  line\n",
    ),
    (
        Format::Json,
        "{\n  \"name\": \"first secret\",\n  \"number\": 42,\n  \"list\": [\"one\", \"two\"],\n  \"nothing\": null,\n  \"empty\": {},\n  \"open_unencrypted\": 5\n}\n",
    ),
    (
        Format::Dotenv,
        "# top\nname=first secret\nnumber=42\nopen_unencrypted=5\n",
    ),
    (
        Format::Ini,
        "; top\n[section]\nname = first secret\nnumber = 42\nopen_unencrypted = 5\n",
    ),
    (Format::Binary, "first secret\n"),
];

/// What the format leaves unprotected: a change in a line that holds the second text may do what the first says.
const UNPROTECTED: [(&str, &str, &[Format]); 5] = [
    (
        "a comment, which can become an empty section",
        "type:comment]",
        &[Format::Ini],
    ),
    (
        "the key of a null, and the null",
        "nothing",
        &[Format::Yaml, Format::Json],
    ),
    (
        "the key of an empty container, and the container",
        "empty",
        &[Format::Yaml, Format::Json],
    ),
    (
        "the key of a value in the clear",
        "open_unencrypted",
        &[Format::Yaml, Format::Json, Format::Dotenv, Format::Ini],
    ),
    (
        "whether a value stands alone or in a list",
        "block: |-",
        &[Format::Yaml],
    ),
];

fn values(text: &str, format: Format) -> Result<Value, Error> {
    let plain = EncryptedFile::parse(text.as_bytes(), format)?
        .unlock(&keyring())?
        .decrypt(&DecryptOptions::default())?;
    if format == Format::Binary {
        return Ok(Value::from(plain.bytes()));
    }
    plain.deserialize()
}

/// Returns the text with the byte at `at` changed in every way that is tried.
fn changes(text: &str, at: usize) -> Vec<String> {
    let (before, after) = (&text[..at], &text[at + 1..]);
    let byte = text.as_bytes()[at];
    let mut changes: BTreeSet<String> = [byte ^ 1, byte ^ 0x20, b'0', b'"', b'\n', b':', b'#']
        .into_iter()
        .filter(u8::is_ascii)
        .map(|other| format!("{before}{}{after}", char::from(other)))
        .collect();
    changes.insert(format!("{before}{after}"));
    changes.insert(format!("{before} {}", &text[at..]));
    changes.remove(text);
    changes.into_iter().collect()
}

fn line_at(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    &text[start..end]
}

#[test]
fn every_change_of_a_byte_is_refused_or_without_effect_on_the_values() {
    for (format, text) in FILES {
        let encrypted = encrypt(text, format, &options()).expect("encrypts");
        let original = values(&encrypted, format).expect("decrypts");
        let mut seen = BTreeSet::new();
        let mut problems = Vec::new();
        let (mut tried, mut refused) = (0, 0);
        for at in 0..encrypted.len() {
            for changed in changes(&encrypted, at) {
                tried += 1;
                match values(&changed, format) {
                    Err(_) => refused += 1,
                    Ok(values) if values == original => {}
                    Ok(values) => {
                        let line = line_at(&encrypted, at);
                        match UNPROTECTED.iter().find(|(_, part, formats)| {
                            formats.contains(&format) && line.contains(part)
                        }) {
                            Some((what, ..)) => {
                                seen.insert(*what);
                            }
                            None => problems.push(format!(
                                "{line:?} became {:?}: {values}",
                                line_at(&changed, at)
                            )),
                        }
                    }
                }
            }
        }
        assert!(
            problems.is_empty(),
            "{format:?}: {} changes have an effect:\n{}",
            problems.len(),
            problems.join("\n")
        );
        assert!(
            refused > tried / 2,
            "{format:?}: {refused} of {tried} refused"
        );
        for (what, _, formats) in UNPROTECTED {
            let is_expected = formats.contains(&format);
            assert!(
                !is_expected || seen.contains(what),
                "{format:?}: {what} is protected now: say so in SECURITY.md"
            );
        }
    }
}

/// Encrypts, changes the encrypted text, and returns the values.
fn after(
    text: &str,
    mac_only_encrypted: bool,
    change: impl Fn(&str) -> String,
) -> Result<Value, Error> {
    let mut options = options();
    options.mac_only_encrypted = mac_only_encrypted;
    let encrypted = encrypt(text, Format::Yaml, &options).expect("encrypts");
    let changed = change(&encrypted);
    assert_ne!(changed, encrypted, "something is changed");
    values(&changed, Format::Yaml)
}

fn without_line(text: &str, start: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with(start));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn comments_are_not_protected() {
    let text = "# secret\na: b\n";
    let removed = after(text, false, |encrypted| without_line(encrypted, "#ENC"));
    assert_eq!(removed.expect("decrypts"), serde_json::json!({"a": "b"}));
    let added = after(text, false, |encrypted| {
        format!("# in the clear\n{encrypted}")
    });
    assert_eq!(added.expect("decrypts"), serde_json::json!({"a": "b"}));
}

#[test]
fn the_type_of_a_value_is_not_protected_but_its_text_is() {
    let values = after("a: 5\n", false, |encrypted| {
        encrypted.replacen("type:int", "type:str", 1)
    });
    assert_eq!(values.expect("decrypts"), serde_json::json!({"a": "5"}));
}

#[test]
fn values_in_the_clear_are_protected_unless_the_mac_is_of_encrypted_ones_only() {
    let text = "a: b\nopen_unencrypted: 5\n";
    let change =
        |encrypted: &str| encrypted.replacen("open_unencrypted: 5", "open_unencrypted: 6", 1);
    assert!(matches!(after(text, false, change), Err(Error::Mac(_))));
    let values = after(text, true, change).expect("decrypts");
    assert_eq!(values, serde_json::json!({"a": "b", "open_unencrypted": 6}));
}

#[test]
fn nulls_and_empty_containers_can_be_added_and_removed() {
    let text = "a: b\nnothing: null\nempty: []\n";
    let removed = after(text, false, |encrypted| {
        without_line(&without_line(encrypted, "nothing"), "empty")
    });
    assert_eq!(removed.expect("decrypts"), serde_json::json!({"a": "b"}));
    let added = after("a: b\n", false, |encrypted| {
        format!("more: {{}}\n{encrypted}")
    });
    assert_eq!(
        added.expect("decrypts"),
        serde_json::json!({"more": {}, "a": "b"})
    );
}

#[test]
fn whether_a_value_stands_alone_or_in_a_list_is_not_protected() {
    let values = after("a: b\n", false, |encrypted| {
        encrypted.replacen("a: ", "a:\n  - ", 1)
    });
    assert_eq!(values.expect("decrypts"), serde_json::json!({"a": ["b"]}));
}

#[test]
fn the_time_and_what_decides_about_the_mac_are_protected() {
    let text = "a: b\nopen_unencrypted: 5\n";
    for (from, to) in [
        ("lastmodified: \"2", "lastmodified: \"3"),
        (
            "unencrypted_suffix: _unencrypted",
            "unencrypted_suffix: _other",
        ),
        (
            "unencrypted_suffix: _unencrypted",
            "mac_only_encrypted: true\n  unencrypted_suffix: _unencrypted",
        ),
    ] {
        let outcome = after(text, false, |encrypted| encrypted.replacen(from, to, 1));
        assert!(outcome.is_err(), "{to}");
    }
}
