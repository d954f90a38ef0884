//! A new data key, and changes of single values, through the library.

use sops_core::{Change, DecryptOptions, Error, Format, SecretText, TreePath, metadata::MasterKey};

use crate::support::{decrypt, encrypt, keyring, options, unlock};

const TEXT: &str = "# head\na: one\nb:\n  - two\n  - three # line\nf: 0x1F\nn: null\n";

fn groups() -> Vec<Vec<MasterKey>> {
    options().groups
}

#[test]
fn rotating_leaves_no_ciphertext_and_every_byte() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let rotated = unlock(&encrypted, Format::Yaml)
        .expect("unlocks")
        .rotate(&groups(), None, &DecryptOptions::default(), &keyring())
        .expect("rotates");
    let rotated = String::from_utf8(rotated.bytes).expect("a text");
    assert_eq!(decrypt(&rotated, Format::Yaml).expect("decrypts"), TEXT);
    for piece in encrypted.split("data:").skip(1) {
        let data = &piece[..piece.find(']').expect("an end")];
        assert!(!rotated.contains(data), "{data}");
    }
}

#[test]
fn rotating_needs_keys_that_wrap_and_a_mac_that_fits() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let pgp = MasterKey::Pgp {
        fingerprint: "AA".to_owned(),
    };
    let rotate = |text: &str, groups: &[Vec<MasterKey>], threshold| {
        unlock(text, Format::Yaml)
            .expect("unlocks")
            .rotate(groups, threshold, &DecryptOptions::default(), &keyring())
            .map(drop)
    };
    for (groups, threshold) in [
        (vec![], None),
        (vec![vec![]], None),
        (vec![vec![pgp]], None),
        ([groups(), groups()].concat(), Some(3)),
        ([groups(), groups()].concat(), Some(1)),
    ] {
        let error = rotate(&encrypted, &groups, threshold).expect_err("cannot wrap");
        assert!(matches!(error, Error::Wrap(_)), "{error}");
    }
    let moved = encrypted.replace("a: ENC", "c: ENC");
    assert!(rotate(&moved, &groups(), None).is_err());
    let line = encrypted
        .lines()
        .find(|line| line.starts_with("a:"))
        .expect("it is there");
    let removed = encrypted.replace(&format!("{line}\n"), "");
    let error = rotate(&removed, &groups(), None).expect_err("a value is gone");
    assert!(matches!(error, Error::Mac(_)), "{error}");
}

#[test]
fn changing_values() {
    let encrypted = encrypt(TEXT, Format::Yaml, &options()).expect("encrypts");
    let path = |text: &str| TreePath::parse(text).expect("a path");
    let change = |changes: &[Change]| {
        let changed = unlock(&encrypted, Format::Yaml)
            .expect("unlocks")
            .change(changes, &DecryptOptions::default())?;
        Ok::<_, Error>(String::from_utf8(changed.bytes).expect("a text"))
    };
    assert_eq!(change(&[]).expect("nothing to do"), encrypted);
    let same = Change::set_text(path("a"), "one");
    assert_eq!(change(&[same]).expect("is so"), encrypted);
    let changed = change(&[
        Change::set_text(path("b[0]"), "2"),
        Change::Unset {
            path: path("n"),
            if_there: false,
        },
    ])
    .expect("changes");
    let expected = TEXT.replace("two", "\"2\"").replace("n: null\n", "");
    assert_eq!(decrypt(&changed, Format::Yaml).expect("decrypts"), expected);
    let error = change(&[Change::Set {
        path: path("a"),
        json: SecretText::new("hunter2".to_owned()),
    }])
    .expect_err("is no JSON");
    assert!(matches!(error, Error::Change { .. }) && !error.to_string().contains("hunter2"));
    // A key of the metadata is none of the document's.
    let error = change(&[Change::set_text(path("sops.mac"), "x")]).expect_err("reserved");
    assert!(matches!(error, Error::AlreadyEncrypted { .. }), "{error}");
}
