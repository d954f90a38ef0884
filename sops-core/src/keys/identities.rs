//! age identities: the secret keys, as files and variables hold them.

use std::{fmt, sync::OnceLock};

use zeroize::Zeroizing;

use super::{
    KeyError,
    age_file::{self, Identity, hybrid, ssh, x25519},
    locked::{LockedFile, LockedSshKey},
    plugin::PluginIdentity,
};
use crate::secret::{SecretBytes, SecretText};

/// age identities to unwrap data keys with, of all kinds: native ones (`AGE-SECRET-KEY-1…`), post-quantum ones
/// (`AGE-SECRET-KEY-PQ-1…`), those of plugins (`AGE-PLUGIN-…`), private keys of SSH, and identities that are encrypted
/// with a passphrase.
///
/// A [`Keyring`](super::Keyring) uses those first that need nobody to be asked. Identities of plugins make it run the
/// programs `age-plugin-NAME` that it finds on the path.
#[derive(Default)]
pub struct Identities {
    open: Vec<OpenIdentity>,
    locked_keys: Vec<LockedSshKey>,
    plugins: Vec<PluginIdentity>,
    locked_files: Vec<LockedFile>,
}

/// An identity that can be used as it is.
pub(super) struct OpenIdentity {
    recipient: OnceLock<String>,
    pub(super) identity: Identity,
}

impl OpenIdentity {
    fn new(identity: Identity) -> Self {
        Self {
            recipient: OnceLock::new(),
            identity,
        }
    }

    /// Returns the public key, as metadata name it.
    pub(super) fn recipient(&self) -> &str {
        self.recipient.get_or_init(|| self.identity.recipient())
    }
}

impl Identities {
    /// Reads the identities of a file: one a line, with comments (`#`) and blank lines between them; or one private key of
    /// SSH; or such a file encrypted with a passphrase. `origin` is what errors and questions call the file.
    ///
    /// # Errors
    ///
    /// Fails at the first line that is no identity of any kind, or a damaged one.
    pub fn parse(text: &SecretBytes, origin: &str) -> Result<Self, IdentityError> {
        Self::read(text.expose(), origin, false)
    }

    /// Reads identities as [`parse`](Self::parse) does, several on a line with white space between them.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    pub fn parse_words(text: &SecretBytes, origin: &str) -> Result<Self, IdentityError> {
        Self::read(text.expose(), origin, true)
    }

    /// Makes a new identity.
    ///
    /// # Panics
    ///
    /// If the system gives no random numbers.
    #[must_use]
    pub fn generate() -> Self {
        let identity = x25519::Identity::generate().expect("the system gives random numbers");
        Self::from_open(Identity::X25519(identity))
    }

    /// Makes a new identity that withstands quantum computers. Its recipient has some 2,000 characters, and so has what it
    /// adds to a file.
    ///
    /// # Panics
    ///
    /// If the system gives no random numbers.
    #[must_use]
    pub fn generate_post_quantum() -> Self {
        let identity = hybrid::Identity::generate().expect("the system gives random numbers");
        Self::from_open(Identity::Hybrid(Box::new(identity)))
    }

    /// Returns the text of the identities, one a line, as an identity file holds them. Private keys of SSH, and what is
    /// encrypted, are left out.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        /// The longest line of a native identity: `AGE-SECRET-KEY-PQ-1`, 58 more, and the line feed.
        const LINE: usize = 78;
        let of_plugins = self.plugins.iter();
        let of_plugins = of_plugins.map(|identity| identity.text().expose().len() + 1);
        // Enough from the start, so that nothing is left behind by growing.
        let length = LINE * self.open.len() + of_plugins.sum::<usize>();
        let mut text = Zeroizing::new(String::with_capacity(length));
        for open in &self.open {
            match &open.identity {
                Identity::X25519(identity) => identity.push_text(&mut text),
                Identity::Hybrid(identity) => identity.push_text(&mut text),
                Identity::Ssh(_) => continue,
            }
            text.push('\n');
        }
        for identity in &self.plugins {
            text.push_str(identity.text().expose());
            text.push('\n');
        }
        SecretText::new(std::mem::take(&mut *text))
    }

    /// Returns the recipients that wrap for these identities, as far as that can be told without a passphrase or a plugin.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        let open = self.open.iter().map(|open| open.recipient().to_owned());
        let locked = self.locked_keys.iter();
        open.chain(locked.map(|key| key.recipient().to_string()))
            .collect()
    }

    /// Returns the number of identities. Those in a file that is encrypted count as one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len() + self.locked_keys.len() + self.plugins.len() + self.locked_files.len()
    }

    /// Returns whether there is no identity.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the identities of `other`.
    pub fn append(&mut self, mut other: Self) {
        self.open.append(&mut other.open);
        self.locked_keys.append(&mut other.locked_keys);
        self.plugins.append(&mut other.plugins);
        self.locked_files.append(&mut other.locked_files);
    }

    /// Those that can be used as they are.
    pub(super) fn open(&self) -> &[OpenIdentity] {
        &self.open
    }

    pub(super) fn locked_keys(&self) -> &[LockedSshKey] {
        &self.locked_keys
    }

    pub(super) fn plugins(&self) -> &[PluginIdentity] {
        &self.plugins
    }

    pub(super) fn locked_files(&self) -> &[LockedFile] {
        &self.locked_files
    }

    pub(super) fn has_locked_files(&self) -> bool {
        !self.locked_files.is_empty()
    }

    /// Reads a private key of SSH. `public_key` gives the text of its public key, if it does not say itself what that is.
    pub(super) fn parse_ssh(
        text: &SecretBytes,
        origin: &str,
        public_key: impl FnOnce() -> Result<String, KeyError>,
    ) -> Result<Self, KeyError> {
        let error = |problem: ssh::PrivateKeyError| {
            KeyError::new(format!("{origin}: {problem}")).with_hint(problem.hint())
        };
        let text = str::from_utf8(text.expose()).map_err(|_| error(ssh::PrivateKeyError::NoKey))?;
        match ssh::PrivateKey::parse(text).map_err(error)? {
            ssh::PrivateKey::Open(identity) => Ok(Self::from_open(Identity::Ssh(identity))),
            ssh::PrivateKey::Locked(key) => Ok(Self::from_locked(key, origin)),
            ssh::PrivateKey::Nameless(key) => {
                let recipient = public_key()?.parse();
                let recipient = recipient.map_err(|problem: ssh::RecipientError| {
                    KeyError::new(format!("{origin}: its public key: {problem}"))
                        .with_hint(ssh::PrivateKeyError::OldPassphrase.hint())
                })?;
                Ok(Self::from_locked(key.with_public_key(recipient), origin))
            }
        }
    }

    fn from_locked(key: ssh::LockedKey, origin: &str) -> Self {
        Self {
            locked_keys: vec![LockedSshKey::new(origin, key)],
            ..Self::default()
        }
    }

    fn from_open(identity: Identity) -> Self {
        Self {
            open: vec![OpenIdentity::new(identity)],
            ..Self::default()
        }
    }

    fn read(text: &[u8], origin: &str, has_words: bool) -> Result<Self, IdentityError> {
        let error = |line, problem| IdentityError {
            origin: origin.to_owned(),
            line,
            problem,
        };
        // As Windows PowerShell writes files.
        if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            return Err(error(1, Problem::Utf16));
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if is_encrypted(text) {
            let file = LockedFile::parse(text, origin, has_words);
            let file = file.map_err(|_| error(1, Problem::Encryption))?;
            if !file.has_passphrase() {
                return Err(error(1, Problem::EncryptedForKey));
            }
            return Ok(Self {
                locked_files: vec![file],
                ..Self::default()
            });
        }
        let mut found = Self::default();
        let mut recipient_at = None;
        let mut next_start = 0;
        for (index, bytes) in text.split(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            let start = next_start;
            next_start += bytes.len() + 1;
            let line = str::from_utf8(bytes)
                .map_err(|_| error(number, Problem::NotText))?
                .trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if is_ssh_armor(line) {
                // It is all that such a file holds.
                let rest = str::from_utf8(&text[start..]);
                let rest = rest.map_err(|_| error(number, Problem::NotText))?;
                let key = ssh::PrivateKey::parse(rest);
                let problem = |problem| error(number, Problem::Ssh(problem));
                found.append(match key.map_err(problem)? {
                    ssh::PrivateKey::Open(identity) => Self::from_open(Identity::Ssh(identity)),
                    ssh::PrivateKey::Locked(key) => Self::from_locked(key, origin),
                    ssh::PrivateKey::Nameless(_) => {
                        return Err(problem(ssh::PrivateKeyError::OldPassphrase));
                    }
                });
                break;
            }
            let words = match has_words {
                true => line.split_whitespace().collect(),
                false => vec![line],
            };
            for word in words {
                match found.push(word) {
                    Ok(()) => {}
                    Err(Problem::Recipient) => {
                        recipient_at.get_or_insert(number);
                    }
                    Err(problem) => return Err(error(number, problem)),
                }
            }
        }
        match recipient_at {
            // Beside identities, recipients do no harm.
            Some(number) if found.is_empty() => Err(error(number, Problem::Recipient)),
            _ => Ok(found),
        }
    }

    /// Adds the identity that a word is.
    fn push(&mut self, word: &str) -> Result<(), Problem> {
        const X25519_LEN: usize = 74;
        const HYBRID_LEN: usize = 77;
        if word.starts_with("AGE-SECRET-KEY-1") {
            let identity = word
                .parse()
                .map_err(|_| Problem::of_length(word, X25519_LEN))?;
            self.open
                .push(OpenIdentity::new(Identity::X25519(identity)));
        } else if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            let identity = word
                .parse()
                .map_err(|_| Problem::of_length(word, HYBRID_LEN))?;
            let identity = Identity::Hybrid(Box::new(identity));
            self.open.push(OpenIdentity::new(identity));
        } else if word.starts_with("AGE-PLUGIN-") {
            let identity = PluginIdentity::parse(word).map_err(|_| Problem::Damaged)?;
            self.plugins.push(identity);
        } else {
            let small = ["age-secret-key-", "age-plugin-"];
            return Err(if small.iter().any(|start| word.starts_with(start)) {
                Problem::LowerCase
            } else if word.starts_with("age1") || word.starts_with("ssh-") {
                Problem::Recipient
            } else {
                Problem::Unknown
            });
        }
        Ok(())
    }
}

/// Whether a text is encrypted by age. The reference decides by the same first bytes.
fn is_encrypted(text: &[u8]) -> bool {
    text.starts_with(&age_file::VERSION[..14]) || text.starts_with(b"-----BEGIN AGE")
}

/// Whether `line` is the first of a private key in PEM.
fn is_ssh_armor(line: &str) -> bool {
    line.strip_prefix("-----BEGIN ")
        .is_some_and(|rest| rest.ends_with("PRIVATE KEY-----"))
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} [REDACTED])", self.len())
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
            Problem::Utf16 => {
                "convert it to UTF-8; in PowerShell: Get-Content FILE | Out-File -Encoding utf8 NEW"
            }
            Problem::Recipient => {
                "an identity file holds secret keys, which begin with AGE-SECRET-KEY-1; this is the public key to one of them"
            }
            Problem::LowerCase => "secret keys are written in capital letters",
            Problem::Length { .. } | Problem::Damaged => {
                "restore the line from a backup, or put # before it"
            }
            Problem::Encryption => "restore the file from a backup",
            Problem::EncryptedForKey => {
                "decrypt it with `age -d`, and encrypt it with a passphrase (`age -p`), or not at all"
            }
            Problem::Ssh(problem) => problem.hint(),
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
    #[error("a text in UTF-16")]
    Utf16,
    #[error("a recipient (public key) where an identity (secret key) belongs")]
    Recipient,
    #[error("an age identity in small letters")]
    LowerCase,
    #[error(
        "an age identity of {found} characters, where all have {expected}: it was cut, or something was added"
    )]
    Length { found: usize, expected: usize },
    #[error(
        "a damaged age identity: its checksum is wrong, so at least one character of it is wrong"
    )]
    Damaged,
    #[error("unknown identity type")]
    Unknown,
    #[error("a file encrypted by age that is damaged, or takes too much work to decrypt")]
    Encryption,
    #[error("identities that are encrypted for a key, where only a passphrase can be")]
    EncryptedForKey,
    #[error("{0}")]
    Ssh(ssh::PrivateKeyError),
}

impl Problem {
    fn of_length(word: &str, expected: usize) -> Self {
        match word.len() {
            found if found == expected => Self::Damaged,
            found => Self::Length { found, expected },
        }
    }
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
    fn byte_order_marks_are_no_letters() {
        let with_mark = parse(&format!("\u{feff}{FIRST}\n")).expect("one identity");
        assert_eq!(with_mark.len(), 1);
        let utf16: Vec<u8> = format!("\u{feff}{FIRST}\n")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let error = Identities::parse(&SecretBytes::new(utf16), "keys.txt").expect_err("UTF-16");
        assert_eq!(error.to_string(), "keys.txt, line 1: a text in UTF-16");
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
    fn all_kinds_may_stand_in_one_file() {
        let hybrid = Identities::generate_post_quantum();
        let text = format!(
            "{}AGE-PLUGIN-UNENCRYPTED-1CR7ZD5\r\n{FIRST}\nage1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj\n",
            hybrid.to_text().expose()
        );
        let found = parse(&text).expect("identities");
        assert_eq!(
            (found.open().len(), found.plugins().len(), found.len()),
            (2, 1, 3)
        );
        assert_eq!(found.plugins()[0].name(), "unencrypted");
        assert_eq!(found.recipients()[0], hybrid.recipients()[0]);
        let again = parse(found.to_text().expose()).expect("identities");
        assert_eq!(again.len(), 3);
        assert!(!format!("{found:?} {:?}", found.plugins()).contains("1CR7ZD5"));
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
            ("AGE-SECRET-KEY-PQ-1XYZ", "all have 77"),
            ("AGE-PLUGIN-YUBIKEY-1XYZ", "checksum"),
            ("age-plugin-unencrypted-1cr7zd5", "small letters"),
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
