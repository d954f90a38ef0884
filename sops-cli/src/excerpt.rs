//! The line of a configuration that an error is about, with a mark below the place. Lines of other files are never shown,
//! since they may hold secrets, nor are lines of a configuration that look as if they did.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use sops_core::{Position, printable::is_obeyed};

/// How much of a configuration is looked at.
const LIMIT: u64 = 1 << 20;

/// How many characters of a line are shown.
const WIDTH: usize = 100;

/// What secret keys begin with, and words that stand before secrets; in small letters.
const KEYS: [&str; 3] = ["age-secret-key-", "age-plugin-", "private key"];
const WORDS: [&str; 6] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "credential",
];

/// Returns the line of a file, and a mark below the column. `None` if it cannot be read, is not that long, or looks as if
/// it had a secret in it.
pub(crate) fn of_file(path: &Path, position: Position) -> Option<String> {
    // Whatever else there is, such as a pipe, would be read a second time.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let file = BufReader::new(File::open(path).ok()?.take(LIMIT));
    let line = file.lines().nth(position.line.checked_sub(1)?)?.ok()?;
    if may_be_secret(&line) {
        return None;
    }
    excerpt(&line, position.line, position.column)
}

/// Whether there is something in a line that had better not be on a screen.
fn may_be_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    let has_any = |words: &[&str]| words.iter().any(|word| line.contains(word));
    has_any(&KEYS) || has_any(&WORDS) && !is_pattern(&line) || has_user(&line)
}

/// Whether a line is about names of files or keys, which are often those of secrets.
fn is_pattern(line: &str) -> bool {
    let Some((name, pattern)) = line.split_once(':') else {
        return false;
    };
    let name = name.trim_matches(|letter: char| !letter.is_alphanumeric());
    // Nothing else may stand behind it.
    let is_alone = !pattern.contains(": ") && !pattern.contains('#');
    is_alone && (name.ends_with("_regex") || name.ends_with("_suffix"))
}

/// Whether there is a URL with a name or a password before its host.
fn has_user(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let end = rest.find(|letter: char| letter.is_whitespace() || "\"',".contains(letter));
        rest[..end.unwrap_or(rest.len())].contains('@')
    })
}

fn excerpt(line: &str, number: usize, column: usize) -> Option<String> {
    let column = column.checked_sub(1)?;
    let letters: Vec<char> = line.trim_end().chars().collect();
    // The place may be the end of the line.
    if letters.is_empty() || column > letters.len() {
        return None;
    }
    // Of a long line, such as one of many recipients, the part around the place.
    let start = match letters.len() > WIDTH {
        true => column.saturating_sub(WIDTH / 2).min(letters.len() - WIDTH),
        false => 0,
    };
    let end = letters.len().min(start + WIDTH);
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if end < letters.len() { "…" } else { "" },
    );
    // What would move the cursor of a terminal is shown as one blank, so that the mark stays below its place.
    let shown: String = letters[start..end]
        .iter()
        .map(|letter| if is_obeyed(*letter) { ' ' } else { *letter })
        .collect();
    let number = number.to_string();
    let margin = " ".repeat(number.len());
    let indentation = " ".repeat(before.chars().count() + column - start);
    Some(format!(
        "{number} | {before}{shown}{after}\n{margin} | {indentation}^"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str, column: usize) -> Option<String> {
        excerpt(line, 12, column)
    }

    #[test]
    fn marks_the_place() {
        assert_eq!(
            shown("  - age: x\r", 10).as_deref(),
            Some("12 |   - age: x\n   |          ^")
        );
        assert_eq!(shown("é: x", 4).as_deref(), Some("12 | é: x\n   |    ^"));
        assert_eq!(shown("a:", 3).as_deref(), Some("12 | a:\n   |   ^"));
    }

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(
            shown("\ta:\u{1b}[2J", 2).as_deref(),
            Some("12 |  a: [2J\n   |  ^")
        );
    }

    #[test]
    fn shows_a_part_of_long_lines() {
        let line = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let text = shown(&line, 501).expect("it is there");
        let (line, mark) = text.split_once('\n').expect("two lines");
        assert!(line.chars().count() < 120, "{line}");
        let at = mark.chars().position(|letter| letter == '^');
        assert_eq!(line.chars().position(|letter| letter == 'X'), at);
        let text = shown(&"a".repeat(500), 500).expect("it is there");
        assert!(text.starts_with("12 | …a"), "{text}");
    }

    #[test]
    fn knows_lines_with_secrets() {
        for line in [
            "  - age: AGE-SECRET-KEY-1QQQ",
            "AGE-PLUGIN-YUBIKEY-1Q",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "hc_vault_transit_uri: https://u:pa55@h/v1/foo",
            "uri: https://pa55@h",
            "uri: https://u:p/a55@h",
            "DB_PASSWORD=hunter2",
            "  - path_regex: a\\.yaml$  # AGE-SECRET-KEY-1",
            "  - path_regex: a\\.yaml$  # my password",
            "  - {path_regex: a, password: hunter2}",
            "vault: https://h/v1/foo?token=x",
        ] {
            assert!(may_be_secret(line), "{line}");
        }
        for line in [
            "  - path_regex: ^secrets/(",
            "    encrypted_regex: ^(password|token",
            "    'unencrypted_suffix': _secret",
            "  - age: age1qqq",
            "    hc_vault_transit_uri: https://h/v1/foo",
            "    pgp: me@example.org",
            "  - gcp_kms: [{resource_id: https://h/a, x: b@c}]",
        ] {
            assert!(!may_be_secret(line), "{line}");
        }
    }

    #[test]
    fn shows_nothing_where_nothing_is() {
        for (line, column) in [("", 1), ("a", 0), ("a", 3)] {
            assert_eq!(shown(line, column), None, "{line}:{column}");
        }
    }
}
