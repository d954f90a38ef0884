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

/// Nobody sees from what moves that two values are equal.
#[test]
fn equal_values_keep_their_ciphertexts_when_others_come_and_go() {
    let user = |name: &str, password: &str| format!("- n: {name}\n  pw: {password}\n  # note\n");
    let text = |users: &[(&str, &str)]| -> String {
        let users = users.iter().map(|(name, password)| user(name, password));
        format!("users:\n{}z: 1\n", users.collect::<String>())
    };
    let before = [("a", "same"), ("b", "same"), ("c", "same")];
    let encrypted = encrypt(&text(&before), Format::Yaml, &options()).unwrap();
    let unlocked = unlock(&encrypted, Format::Yaml).unwrap();
    // The ciphertexts of the password and the note of each user, by the ciphertext of the name, which no other has.
    let by_name = |text: &str| -> Vec<[String; 3]> {
        let lines: Vec<&str> = text.lines().collect();
        let starts = (0..lines.len()).filter(|&at| lines[at].starts_with("- n: "));
        starts
            .map(|at| [0, 1, 2].map(|more| lines[at + more].to_owned()))
            .collect()
    };
    let old = by_name(&encrypted);
    for (after, kept) in [
        (
            &[("a", "other"), ("b", "same"), ("c", "same")][..],
            &[None, Some(1), Some(2)][..],
        ),
        (&[("b", "same"), ("c", "same")], &[Some(1), Some(2)]),
        (&[("a", "same"), ("c", "same")], &[Some(0), Some(2)]),
        (
            &[("a", "same"), ("d", "same"), ("b", "same"), ("c", "same")],
            &[Some(0), None, Some(1), Some(2)],
        ),
        (
            &[("d", "same"), ("a", "same"), ("b", "same"), ("c", "same")],
            &[None, Some(0), Some(1), Some(2)],
        ),
    ] {
        let updated = unlocked.update(text(after).as_bytes()).unwrap().bytes;
        let updated = String::from_utf8(updated).unwrap();
        assert_eq!(decrypt(&updated, Format::Yaml).unwrap(), text(after));
        let new = by_name(&updated);
        assert_eq!(new.len(), kept.len());
        for (new, kept) in new.iter().zip(kept) {
            match kept {
                Some(kept) => assert_eq!(new, &old[*kept], "{after:?}"),
                None => assert!(
                    old.iter().all(|old| old[1] != new[1]),
                    "{after:?}: the ciphertext of another"
                ),
            }
        }
    }
}
