//! Master keys in messages: long ones by how they begin and end.

use std::borrow::Cow;

use crate::printable;

/// A recipient of this many characters is shown whole, as are all of X25519, of ssh-ed25519 and of most plugins.
const WHOLE: usize = 100;
const BEGINNING: usize = 20;
const END: usize = 8;

/// Returns the name of a key, as [`MasterKey`](super::MasterKey) displays it, for people to recognise: of an age
/// recipient that is long, such as a post-quantum one of 1,959 characters or an RSA key of SSH, how it begins and ends.
/// What a terminal would obey is escaped, since whoever wrote the file chose the name. Not for what is read by a program, or copied.
///
/// ```
/// use sops_core::metadata::brief;
///
/// let recipient = format!("age1pq1{}8kf0w2ze", "q".repeat(1944));
/// assert_eq!(brief(&recipient), "age1pq1qqqqqqqqqqqqq…8kf0w2ze");
/// assert_eq!(brief("age1yubikey1q2w3e"), "age1yubikey1q2w3e");
/// ```
#[must_use]
pub fn brief(name: &str) -> Cow<'_, str> {
    match shortened_words(name) {
        Cow::Borrowed(name) => printable::line(name),
        Cow::Owned(name) => Cow::Owned(printable::line(&name).into_owned()),
    }
}

fn shortened_words(name: &str) -> Cow<'_, str> {
    if !name.starts_with("age1") && !name.starts_with("ssh-") {
        return Cow::Borrowed(name);
    }
    // A key of SSH has its type before it, and a comment behind it that says more than the key.
    match name.split(' ').any(is_long) {
        true => Cow::Owned(name.split(' ').map(shortened).collect::<Vec<_>>().join(" ")),
        false => Cow::Borrowed(name),
    }
}

fn is_long(word: &str) -> bool {
    word.chars().nth(WHOLE).is_some()
}

fn shortened(word: &str) -> Cow<'_, str> {
    if !is_long(word) {
        return Cow::Borrowed(word);
    }
    let beginning: String = word.chars().take(BEGINNING).collect();
    let end = word.char_indices().rev().nth(END - 1);
    let end = end.map_or("", |(at, _)| &word[at..]);
    Cow::Owned(format!("{beginning}…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_long_stays_whole() {
        for name in [
            "",
            "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN me@host",
            &format!("age1{}", "q".repeat(96)),
            // Long, but no recipient.
            &format!("arn:aws:kms:eu-west-1:1:key/{}", "k".repeat(200)),
            &format!("https://vault.example/v1/{}/keys/k", "a".repeat(200)),
        ] {
            assert!(matches!(brief(name), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (name, expected) in [
            ("arn:aws\u{1b}[2J\n", r"arn:aws\u{1b}[2J\n"),
            ("age1\u{202e}q", r"age1\u{202e}q"),
            (
                &format!("age1\r{}87654321", "q".repeat(400)),
                r"age1\rqqqqqqqqqqqqqqq…87654321",
            ),
        ] {
            assert_eq!(brief(name), expected);
        }
    }

    #[test]
    fn what_is_long_is_shown_by_its_ends() {
        let key = |start: &str| format!("{start}{}87654321", "q".repeat(400));
        for (name, expected) in [
            (key("age1pq1abc"), "age1pq1abcqqqqqqqqqq…87654321"),
            (key("age1long1abc"), "age1long1abcqqqqqqqq…87654321"),
            (
                key("ssh-rsa AAAAB3NzaC1yc2E"),
                "ssh-rsa AAAAB3NzaC1yc2Eqqqqq…87654321",
            ),
            (
                format!("{} me@host", key("ssh-rsa AAAAB3NzaC1yc2E")),
                "ssh-rsa AAAAB3NzaC1yc2Eqqqqq…87654321 me@host",
            ),
            (
                format!("age1{}", "é".repeat(97)),
                "age1éééééééééééééééé…éééééééé",
            ),
        ] {
            assert_eq!(brief(&name), expected);
        }
    }
}
