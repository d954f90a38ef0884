//! Values that are encrypted although no comment says so any more: they are read, and never written in the clear.

use sops_core::{
    Change, DecryptOptions, EncryptOptions, Encrypted, Error, Format, LeafProblem, Selector,
    TreePath, Unlocked, metadata::MasterKey,
};

use crate::support::{decrypt, encrypt, keyring, options, unlock};

fn with_comments(selector: Selector) -> EncryptOptions {
    let mut options = options();
    options.selector = selector;
    options
}

fn only_marked() -> EncryptOptions {
    with_comments(Selector::EncryptedCommentRegex("SECRET".to_owned()))
}

fn all_but_marked() -> EncryptOptions {
    with_comments(Selector::UnencryptedCommentRegex("CLEAR".to_owned()))
}

/// Files that somebody changed without a key: the options, the text, what is replaced in the encrypted text and by what, and
/// the paths that would be in the clear.
fn tampered() -> Vec<(EncryptOptions, Format, &'static str, String)> {
    let change = |options: EncryptOptions, format, text, from: &str, to: &str| {
        let encrypted = encrypt(text, format, &options).unwrap();
        assert!(encrypted.contains(from), "{encrypted}");
        (options, format, text, encrypted.replacen(from, to, 1))
    };
    let secrets = "# SECRET\npassword: hunter2\n# SECRET\ntoken: t0k\nb: two\n";
    let lines = "# SECRET\npassword=hunter2\nb=two\n";
    let rest = "# CLEAR\nhost: h\npassword: hunter2\ntoken: t\nb: two\n";
    let list = "l:\n  # SECRET\n  - hunter2\nb: two\n";
    vec![
        change(only_marked(), Format::Yaml, secrets, "# SECRET\n", ""),
        change(only_marked(), Format::Yaml, secrets, "# SECRET\n", "# x\n"),
        change(only_marked(), Format::Yaml, list, "  # SECRET\n", ""),
        change(only_marked(), Format::Dotenv, lines, "# SECRET\n", ""),
        change(
            all_but_marked(),
            Format::Yaml,
            rest,
            "password:",
            "# CLEAR\npassword:",
        ),
    ]
}

fn change_of_another(unlocked: &Unlocked<'_>) -> Result<Encrypted, Error> {
    let path = TreePath::parse("b").unwrap();
    let change = Change::set_text(path, "other");
    unlocked.change(&[change], &DecryptOptions::default())
}

fn recipients() -> Vec<Vec<MasterKey>> {
    options().groups
}

fn is_refused(result: Result<Encrypted, Error>) -> bool {
    match result {
        Ok(encrypted) => panic!("{}", String::from_utf8_lossy(&encrypted.bytes)),
        Err(Error::Encrypt { problem, .. }) => problem == LeafProblem::Orphan,
        Err(_) => false,
    }
}

#[test]
fn are_read_and_not_written_in_the_clear() {
    for (_, format, text, encrypted) in tampered() {
        let plain = decrypt(&encrypted, format).unwrap();
        assert!(plain.contains("hunter2"), "{text}: {plain}");
        let unlocked = unlock(&encrypted, format).unwrap();
        assert!(is_refused(change_of_another(&unlocked)), "{text}");
        let rotated = unlocked.rotate(&recipients(), None, &DecryptOptions::default(), &keyring());
        assert!(is_refused(rotated), "{text}");
        let changed = plain.replace("two", "other");
        assert!(is_refused(unlocked.update(changed.as_bytes())), "{text}");
        let renamed = plain.replace("password", "secret").replace("two", "2");
        assert!(is_refused(unlocked.update(renamed.as_bytes())), "{text}");
        let other = plain.replace("hunter2", "another secret");
        assert!(is_refused(unlocked.update(other.as_bytes())), "{text}");
        if format == Format::Yaml {
            let converted = unlocked.convert(Format::Dotenv, None, &DecryptOptions::default());
            assert!(converted.is_err(), "{text}");
        }
    }
}

#[test]
fn are_written_again_once_a_comment_says_so() {
    for (options, format, text, encrypted) in tampered() {
        let unlocked = unlock(&encrypted, format).unwrap();
        let restored = unlocked
            .update(text.replace("two", "2").as_bytes())
            .unwrap();
        let restored = String::from_utf8(restored.bytes).unwrap();
        assert!(!restored.contains("hunter2"), "{restored}");
        let again = decrypt(&restored, format).unwrap();
        assert_eq!(again, text.replace("two", "2"), "{:?}", options.selector);
    }
}

#[test]
fn whoever_takes_a_comment_away_in_the_text_means_it() {
    let text = "# SECRET\na: was secret\nb: two\n";
    let encrypted = encrypt(text, Format::Yaml, &only_marked()).unwrap();
    let unlocked = unlock(&encrypted, Format::Yaml).unwrap();
    let published = unlocked.update(b"a: was secret\nb: two\n").unwrap();
    let published = String::from_utf8(published.bytes).unwrap();
    assert!(
        published.starts_with("a: was secret\nb: two\n"),
        "{published}"
    );
}

#[test]
fn files_whose_comments_moved_but_hide_nothing_are_written() {
    let text = "a: one\n# SECRET\nb: two\n";
    let encrypted = encrypt(text, Format::Yaml, &only_marked()).unwrap();
    let moved = encrypted.replacen("a: one", "# SECRET\na: one", 1);
    let unlocked = unlock(&moved, Format::Yaml).unwrap();
    let rotated = unlocked
        .rotate(&recipients(), None, &DecryptOptions::default(), &keyring())
        .unwrap();
    let rotated = String::from_utf8(rotated.bytes).unwrap();
    assert!(
        !rotated.contains("one") && !rotated.contains("two"),
        "{rotated}"
    );
}

#[test]
fn no_item_of_a_list_with_one_is_written_in_the_clear() {
    let text = "l:\n- a\n- b # SECRET\nb: two\n";
    let encrypted = encrypt(text, Format::Yaml, &only_marked()).unwrap();
    let moved = encrypted.replacen(" # SECRET", "", 1);
    let unlocked = unlock(&moved, Format::Yaml).unwrap();
    for changed in ["l:\n- a\n- c\nb: two\n", "l:\n- a\nb: two\n"] {
        assert!(is_refused(unlocked.update(changed.as_bytes())), "{changed}");
    }
}
