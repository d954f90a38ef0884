//! Files that somebody changed without the key: refused, with a place, and without a piece of a secret.

use sops_core::{Error, Format};

use crate::support::{decrypt, encrypt, options};

const TEXT: &str = "one: first secret\ntwo: second secret\nlist:\n  - third secret\n  - fourth secret\nclear_unencrypted: open\n";

fn encrypted() -> String {
    encrypt(TEXT, Format::Yaml, &options()).expect("encrypts")
}

fn swap_lines(text: &str, left: usize, right: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(left, right);
    lines.join("\n") + "\n"
}

#[test]
fn reordered_items_do_not_fit_the_mac() {
    let error = decrypt(&swap_lines(&encrypted(), 3, 4), Format::Yaml).expect_err("refused");
    assert!(matches!(error, Error::Mac(_)), "{error}");
}

#[test]
fn a_changed_clear_value_does_not_fit_the_mac() {
    let error = decrypt(&encrypted().replace("open", "shut"), Format::Yaml).expect_err("refused");
    assert!(matches!(error, Error::Mac(_)), "{error}");
}

#[test]
fn a_value_under_another_key_is_refused_with_its_place() {
    let text = encrypted();
    let first = text
        .lines()
        .next()
        .expect("a line")
        .trim_start_matches("one: ")
        .to_owned();
    let second = text
        .lines()
        .nth(1)
        .expect("a line")
        .trim_start_matches("two: ")
        .to_owned();
    let moved = text.replacen(&first, &second, 1);
    match decrypt(&moved, Format::Yaml).expect_err("refused") {
        Error::Decrypt { path, position, .. } => {
            assert_eq!(
                (path.as_str(), position.line, position.column),
                ("one", 1, 6)
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_way_of_cutting_the_file_is_refused() {
    let text = encrypted();
    for end in 0..text.len() - 1 {
        let Some(cut) = text.get(..end) else { continue };
        let outcome = decrypt(cut, Format::Yaml);
        // Cutting inside the last line leaves a version number that is a prefix: `3.13.`, `3.13.2` without its newline.
        assert!(
            outcome.is_err() || text.len() - end < 3,
            "{end} of {}",
            text.len()
        );
    }
}

#[test]
fn messages_hold_no_secret() {
    let text = encrypted();
    for bad in [
        text.replacen("ENC[", "ENC{", 1),
        text.replacen("data:", "data:!", 1),
        text.replacen("type:str", "type:int", 1),
        text.replacen("type:str", "type:what", 1),
        text.replacen("tag:", "tag:AAAA", 1),
        swap_lines(&text, 3, 4),
    ] {
        let error = decrypt(&bad, Format::Yaml).expect_err("refused");
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(
            !shown.contains("secret ")
                && !shown.contains("first")
                && !shown.contains(&text[30..60]),
            "{shown}"
        );
    }
}
