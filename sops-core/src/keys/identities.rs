//! age identities: the secret keys, as files and variables hold them.

use std::fmt;

use zeroize::Zeroizing;

use super::age_file::Identity;
use crate::secret::{SecretBytes, SecretText};

/// age identities to unwrap data keys with.
///
/// Only native identities (`AGE-SECRET-KEY-1…`) can be used so far. Others are remembered by their place, so that an
/// error can name them when nothing else fits.
#[derive(Default)]
pub struct Identities {
    native: Vec<Identity>,
    unsupported: Vec<String>,
}

impl Identities {
    /// Reads the identities of a file: one a line, with comments (`#`) and blank lines between them. `origin` is what
    /// errors call the file.
    ///
    /// # Errors
    ///
    /// Fails at the first line that is no identity of any kind, or a damaged one.
    pub fn parse(text: &SecretBytes, origin: &str) -> Result<Self, IdentityError> {
        Self::read(text.expose(), origin, |line| Some(line).into_iter())
    }

    /// Reads identities as [`parse`](Self::parse) does, several on a line with white space between them.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn parse_words(text: &SecretBytes, origin: &str) -> Result<Self, IdentityError> {
        Self::read(text.expose(), origin, str::split_whitespace)
    }

    /// Makes a new identity.
    ///
    /// # Panics
    ///
    /// If the system gives no random numbers.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            native: vec![Identity::generate().expect("the system gives random numbers")],
            unsupported: Vec::new(),
        }
    }

    /// Returns the text of the identities, one a line, as an identity file holds them.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        /// `AGE-SECRET-KEY-1` and 58 more, and the line feed. Enough from the start, so that nothing is left behind
        /// by growing.
        const LINE: usize = 75;
        let mut text = Zeroizing::new(String::with_capacity(LINE * self.native.len()));
        for identity in &self.native {
            identity.push_text(&mut text);
            text.push('\n');
        }
        SecretText::new(std::mem::take(&mut *text))
    }

    /// Returns the recipients that wrap for these identities.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        let recipients = self.native.iter().map(Identity::to_recipient);
        recipients.map(|recipient| recipient.to_string()).collect()
    }

    /// Returns the number of identities that can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.native.len()
    }

    /// Returns whether there is no identity that can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.native.is_empty()
    }

    /// Adds the identities of `other`.
    pub fn append(&mut self, mut other: Self) {
        self.native.append(&mut other.native);
        self.unsupported.append(&mut other.unsupported);
    }

    pub(super) fn native(&self) -> &[Identity] {
        &self.native
    }

    /// The places and kinds of identities that cannot be used.
    pub(super) fn unsupported(&self) -> &[String] {
        &self.unsupported
    }

    fn read<'a, Words: Iterator<Item = &'a str>>(
        text: &'a [u8],
        origin: &str,
        words: impl Fn(&'a str) -> Words,
    ) -> Result<Self, IdentityError> {
        let error = |line, problem| IdentityError {
            origin: origin.to_owned(),
            line,
            problem,
        };
        let mut found = Self::default();
        let mut in_ssh_key = false;
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            let line = str::from_utf8(line)
                .map_err(|_| error(number, Problem::NotText))?
                .trim();
            if in_ssh_key {
                in_ssh_key = !is_ssh_armor(line, "-----END ");
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if is_ssh_armor(line, "-----BEGIN ") {
                in_ssh_key = true;
                found.remember(origin, number, "an SSH key");
                continue;
            }
            if line == "-----BEGIN AGE ENCRYPTED FILE-----" || line == "age-encryption.org/v1" {
                // All of the file is one ciphertext.
                found.remember(origin, number, "identities encrypted with a passphrase");
                break;
            }
            for word in words(line) {
                match unsupported_kind(word) {
                    Some(kind) => found.remember(origin, number, kind),
                    None => found
                        .native
                        .push(native(word).map_err(|problem| error(number, problem))?),
                }
            }
        }
        Ok(found)
    }

    fn remember(&mut self, origin: &str, line: usize, kind: &str) {
        self.unsupported
            .push(format!("{origin}, line {line}: {kind}"));
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} [REDACTED])", self.native.len())
    }
}

/// Why a text does not hold identities. Names the place; never holds a piece of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}, line {line}: {problem}")]
#[non_exhaustive]
pub struct IdentityError {
    /// What the text was called.
    pub origin: String,
    /// The line, counted from 1.
    pub line: usize,
    problem: Problem,
}

impl IdentityError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.problem {
            Problem::NotText => "the file is not an identity file; name another one",
            Problem::Recipient => {
                "an identity file holds secret keys, which begin with AGE-SECRET-KEY-1; this is the public key to one of them"
            }
            Problem::LowerCase => "secret keys are written in capital letters",
            Problem::Length { .. } | Problem::Damaged => {
                "restore the line from a backup, or put # before it"
            }
            Problem::Unknown => {
                "every line must be a secret key (AGE-SECRET-KEY-1…), blank, or begin with #; `age-keygen` makes such files"
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("not a text")]
    NotText,
    #[error("a recipient (public key) where an identity (secret key) belongs")]
    Recipient,
    #[error("an age identity in small letters")]
    LowerCase,
    #[error(
        "an age identity of {found} characters, where all have 74: it was cut, or something was added"
    )]
    Length { found: usize },
    #[error("a damaged age identity: its checksum is wrong, so at least one character is")]
    Damaged,
    #[error("unknown identity type")]
    Unknown,
}

fn native(word: &str) -> Result<Identity, Problem> {
    const LENGTH: usize = 74;
    if word.starts_with("AGE-SECRET-KEY-1") {
        word.parse().map_err(|_| match word.len() {
            LENGTH => Problem::Damaged,
            found => Problem::Length { found },
        })
    } else if word.starts_with("age-secret-key-1") {
        Err(Problem::LowerCase)
    } else if word.starts_with("age1") || word.starts_with("ssh-") {
        Err(Problem::Recipient)
    } else {
        Err(Problem::Unknown)
    }
}

fn unsupported_kind(word: &str) -> Option<&'static str> {
    if word.starts_with("AGE-SECRET-KEY-PQ-1") {
        Some("a post-quantum identity")
    } else if word.starts_with("AGE-PLUGIN-") {
        Some("an identity of an age plugin")
    } else {
        None
    }
}

/// Whether `line` is the first or last line of a private key in PEM armor, depending on `edge`.
fn is_ssh_armor(line: &str, edge: &str) -> bool {
    line.strip_prefix(edge)
        .is_some_and(|rest| rest.ends_with("PRIVATE KEY-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "AGE-SECRET-KEY-18KYYLYHPG7J29KAMT6VYWKSKVWQXG2EEAPTKU3LANV3QDD99A6NQDM0L5E";
    const SECOND: &str =
        "AGE-SECRET-KEY-1Q6A4VXWFN0ZS6U2XYHFXDWDP53Q3KXAFV78SJ60EED5RV9PFH4RSX529NV";

    fn parse(text: &str) -> Result<Identities, IdentityError> {
        Identities::parse(&SecretBytes::new(text.as_bytes().to_vec()), "keys.txt")
    }

    #[test]
    fn reads_files_in_all_their_forms() {
        for (text, expected) in [
            (String::new(), 0),
            ("\n\n# nothing\n".to_owned(), 0),
            (FIRST.to_owned(), 1),
            (
                format!("# created: today\n# public key: age1…\n{FIRST}\n"),
                1,
            ),
            (format!("{FIRST}\r\n\r\n# two\r\n{SECOND}\r\n"), 2),
            (format!("  {FIRST}\t\n \n{SECOND}"), 2),
        ] {
            let found = parse(&text).expect("identities");
            assert_eq!(found.len(), expected);
            assert!(found.unsupported().is_empty());
        }
        assert_eq!(
            parse(FIRST).expect("an identity").recipients(),
            ["age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj"]
        );
    }

    #[test]
    fn words_are_for_variables_only() {
        let text = format!("# comment\n {FIRST}  {SECOND}\n{FIRST}");
        let bytes = SecretBytes::new(text.clone().into_bytes());
        assert_eq!(
            Identities::parse_words(&bytes, "V").expect("words").len(),
            3
        );
        let error = parse(&text).expect_err("two on a line");
        assert_eq!(error.line, 2);
    }

    #[test]
    fn other_kinds_are_remembered() {
        let text = format!(
            "AGE-SECRET-KEY-PQ-1XYZ\n{FIRST}\nAGE-PLUGIN-YUBIKEY-1XYZ\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----\n{SECOND}\n"
        );
        let found = parse(&text).expect("identities");
        assert_eq!(found.len(), 2);
        assert_eq!(
            found.unsupported(),
            [
                "keys.txt, line 1: a post-quantum identity",
                "keys.txt, line 3: an identity of an age plugin",
                "keys.txt, line 4: an SSH key",
            ]
        );
        let found = parse("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n").expect("an encrypted file");
        assert!(found.is_empty());
        assert_eq!(found.unsupported().len(), 1);
    }

    #[test]
    fn malformed_lines_are_named_and_never_shown() {
        let damaged = FIRST.replace("KYYL", "KYYM");
        for (line, expected) in [
            (&FIRST[..70], "cut"),
            (damaged.as_str(), "checksum"),
            (&FIRST.to_lowercase(), "small letters"),
            (
                "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj",
                "recipient",
            ),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "recipient"),
            ("hunter2-passphrase", "unknown"),
            ("key: hunter2-passphrase", "unknown"),
        ] {
            let error = parse(&format!("# one\n{line}\n")).expect_err(expected);
            let text = format!("{error} {error:?} {}", error.hint());
            assert_eq!(error.line, 2);
            assert!(text.contains("keys.txt, line 2"), "{text}");
            assert!(text.contains(expected), "{text}");
            for secret in ["8KYY", "8kyy", "xtlm3", "hunter2", "AAAAC3"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        let bytes = SecretBytes::new(vec![b'A', 0xff, b'\n']);
        assert_eq!(Identities::parse(&bytes, "f").expect_err("no text").line, 1);
    }

    #[test]
    fn generated_identities_come_back_from_their_text() {
        let made = Identities::generate();
        let text = made.to_text();
        assert_eq!(text.expose().len(), 75);
        assert_eq!(
            parse(text.expose()).expect("an identity").recipients(),
            made.recipients()
        );
        assert_eq!(format!("{made:?}"), "Identities(1 [REDACTED])");
    }
}
