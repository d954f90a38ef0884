//! `decrypt(encrypt(x)) == x`, byte for byte, under every kind of selector.

use std::fs;

use sops_core::{Format, PlainFile, Selector};

use crate::support::{decrypt, encrypt, files, keyring, options};

fn selectors() -> Vec<Selector> {
    let text = str::to_owned;
    vec![
        Selector::default(),
        Selector::EncryptedRegex(text("^(b|c|password|data|stringData|list|nested)$")),
        Selector::UnencryptedRegex(text("^(a|user|multi|.*comment.*)$")),
        Selector::EncryptedSuffix(text("e")),
        Selector::UnencryptedSuffix(text("e")),
        Selector::EncryptedCommentRegex(text("line")),
        Selector::UnencryptedCommentRegex(text("^ (before|inside)")),
    ]
}

#[test]
fn every_file_comes_back_to_the_byte() {
    let mut failures = Vec::new();
    for path in files("lossless") {
        let text = fs::read_to_string(&path).expect("readable");
        let format = Format::from_path(&path);
        for selector in selectors() {
            for mac_only_encrypted in [false, true] {
                let mut options = options();
                options.selector = selector.clone();
                options.mac_only_encrypted = mac_only_encrypted;
                let name = path.file_name().expect("a file").to_string_lossy();
                let outcome =
                    encrypt(&text, format, &options).and_then(|enc| decrypt(&enc, format));
                match outcome {
                    Ok(back) if back == text => {}
                    Ok(back) => {
                        failures.push(format!("{name} {selector:?}: {text:?}\nbecame {back:?}"))
                    }
                    Err(error) => failures.push(format!("{name} {selector:?}: {error}")),
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn nothing_but_values_comments_and_the_block_changes() {
    let text = "# c\na:   b   # d\n\n\nl: [x,  'y']\nt: |\n   z\n";
    let encrypted = encrypt(text, Format::Yaml, &options()).expect("encrypts");
    let enc = regex::Regex::new(r"ENC\[[^\]]*\]").expect("a regex");
    let masked = enc.replace_all(&encrypted, "E");
    let (content, _) = masked.split_once("sops:\n").expect("a block");
    assert_eq!(
        content,
        "#E\na:   E   #E\n\n\nl: [\"E\",  'E']\nt: |-\n   E\n"
    );
}

#[test]
fn two_runs_share_no_ciphertext() {
    let one = encrypt("a: b\n", Format::Yaml, &options()).expect("encrypts");
    let two = encrypt("a: b\n", Format::Yaml, &options()).expect("encrypts");
    assert_ne!(one.lines().next(), two.lines().next());
}

#[test]
fn a_large_file_comes_back_too() {
    let mut text = String::from("# large\nbase: &base {user: admin, password: secret}\n");
    for index in 0..2000 {
        text.push_str(&format!(
            "entry{index}: # about {index}\n  name: value {index}\n  list: [{index}, 0x1F, \"\"]\n  clear_unencrypted: {index}\n"
        ));
    }
    text.push_str("last: *base\n");
    let encrypted = encrypt(&text, Format::Yaml, &options()).expect("encrypts");
    assert_eq!(decrypt(&encrypted, Format::Yaml).expect("decrypts"), text);
    let damaged = encrypted.replacen("entry1500:", "entry1500x:", 1);
    let error = decrypt(&damaged, Format::Yaml).expect_err("refused");
    assert!(error.to_string().contains("entry1500x"), "{error}");
}

#[test]
fn many_warnings_of_one_kind_are_summed_up() {
    let mut text = String::new();
    for index in 0..2000 {
        text.push_str(&format!("n{index}: 0.12345678901234567890{index}\n"));
    }
    let encrypted = PlainFile::parse(text.as_bytes(), Format::Yaml)
        .expect("parses")
        .encrypt(&options(), &keyring())
        .expect("encrypts");
    let warnings = encrypted.warnings;
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[1].path.as_deref(), Some("n1"));
    assert!(
        warnings[20].message.starts_with("1980 more: "),
        "{}",
        warnings[20].message
    );
}

#[test]
fn that_nothing_was_encrypted_is_said_if_there_was_something() {
    let mut options = options();
    options.selector = Selector::EncryptedRegex("^none$".to_owned());
    for (text, format, is_said) in [
        ("a: \"\"\n", Format::Yaml, false),
        ("a: null\nb: ~\nc:\n", Format::Yaml, false),
        ("a: {}\nb: []\n", Format::Yaml, false),
        ("a: \"\"\nb: x\n", Format::Yaml, true),
        ("a: 0\n", Format::Yaml, true),
        ("a: false\n", Format::Yaml, true),
        ("{\"a\": {}}", Format::Json, false),
        ("{\"a\": \"x\"}", Format::Json, true),
        ("A=\n", Format::Dotenv, false),
        ("A=\nB=x\n", Format::Dotenv, true),
        ("[a]\nb =\n", Format::Ini, false),
    ] {
        let plain = PlainFile::parse(text.as_bytes(), format).expect("parses");
        let encrypted = plain.encrypt(&options, &keyring()).expect("encrypts");
        let said = |warning: &sops_core::Warning| warning.message.starts_with("nothing was");
        assert_eq!(encrypted.warnings.iter().any(said), is_said, "{text:?}");
    }
}

#[test]
fn the_block_comes_first_in_braces_that_end_with_a_comment() {
    let text = "{ a: 1, b: 2 # c\n}\n";
    let encrypted = encrypt(text, Format::Yaml, &options()).expect("encrypts");
    assert!(encrypted.starts_with("{\"sops\": {"), "{encrypted}");
    assert_eq!(decrypt(&encrypted, Format::Yaml).expect("decrypts"), text);
}
