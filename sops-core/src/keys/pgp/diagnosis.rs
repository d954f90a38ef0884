//! Why `gpg` could not use a key, from its lists of keys. They are the same in all languages, other than its messages.

use super::{fingerprint::Fingerprint, gpg::Gpg};
use crate::{keys::KeyError, tree::timestamp::Timestamp};

/// Returns why nothing can be encrypted for a key, if the keyring tells. `complaint` is what `gpg` had to say.
pub(super) fn of_encryption(gpg: &Gpg, fingerprint: &Fingerprint, complaint: &str) -> KeyError {
    let list = list(gpg, "--list-keys", fingerprint);
    let fault = list.as_deref().map(|list| Fault::find(list, fingerprint));
    let (what, hint) = match fault {
        Some(Fault::Unknown) => (
            format!("the keyring of {} has no such public key", gpg.name()),
            format!(
                "import it: `gpg --import FILE`, or `gpg --recv-keys {}`",
                fingerprint.as_str().trim_end_matches('!')
            ),
        ),
        Some(Fault::Revoked(owner)) => (
            format!("the key{owner} has been revoked"),
            "use another key of its owner, or import a newer copy of this one".to_owned(),
        ),
        Some(Fault::Expired(owner, when)) => (
            format!("the key{owner} has expired{when}"),
            "get a copy that has been extended, and import it: `gpg --import FILE`, or `gpg --refresh-keys`".to_owned(),
        ),
        Some(Fault::SubkeyExpired(owner, when)) => (
            format!("the key{owner} has no valid subkey for encryption: it has expired{when}"),
            "get a copy that has been extended, and import it: `gpg --import FILE`, or `gpg --refresh-keys`".to_owned(),
        ),
        Some(Fault::ForcedNotForEncryption(owner)) => (
            format!("this one of the keys{owner} is not for encryption, and the ! asks for it alone"),
            "leave out the !, or name a subkey that is for encryption".to_owned(),
        ),
        Some(Fault::NotForEncryption(owner)) => (
            format!("the key{owner} is not for encryption: it can only sign or certify"),
            "its owner can add a subkey: `gpg --quick-add-key FINGERPRINT cv25519 encr`".to_owned(),
        ),
        Some(Fault::Disabled(owner)) => (
            format!("the key{owner} is disabled in the keyring of {}", gpg.name()),
            "enable it: `gpg --edit-key FINGERPRINT enable save`".to_owned(),
        ),
        Some(Fault::None) | None => {
            return KeyError::new(format!("{} failed: {complaint}", gpg.name()));
        }
    };
    KeyError::new(with_complaint(what, complaint)).with_hint(hint)
}

/// Returns why nothing can be decrypted with a key, and whether the key is there.
pub(super) fn of_decryption(
    gpg: &Gpg,
    fingerprint: &Fingerprint,
    complaint: &str,
) -> (KeyError, bool) {
    let list = list(gpg, "--list-secret-keys", fingerprint);
    let is_there = list
        .as_deref()
        .map(|list| records(list).any(|record| record.is_primary()));
    match is_there {
        Some(false) => {
            let what = format!("the keyring of {} has no such secret key", gpg.name());
            let hint = "import the secret key: `gpg --import FILE`, set GNUPGHOME to the folder of the keyring that has it, or set SOPS_PGP_KEY_FILE to the path of an exported key";
            (
                KeyError::new(with_complaint(what, complaint)).with_hint(hint),
                false,
            )
        }
        _ => {
            let error = KeyError::new(format!("{} failed: {complaint}", gpg.name()));
            let error = if cannot_ask(complaint) {
                error.with_hint("its agent could not ask for the passphrase: in a terminal, set GPG_TTY=\"$(tty)\"; elsewhere, unlock the key first")
            } else {
                error
            };
            (error, true)
        }
    }
}

/// Returns whether `gpg` complains of a passphrase that it did not get, in the one language that we know it to.
pub(super) fn is_about_passphrase(complaint: &str) -> bool {
    cannot_ask(complaint)
        || ["cancel", "assphrase"]
            .iter()
            .any(|sign| complaint.contains(sign))
}

fn cannot_ask(complaint: &str) -> bool {
    ["pinentry", "Pinentry", "ioctl", "Timeout"]
        .iter()
        .any(|sign| complaint.contains(sign))
}

fn with_complaint(what: String, complaint: &str) -> String {
    if complaint.is_empty() {
        what
    } else {
        format!("{what} ({complaint})")
    }
}

/// The list of keys, unless `gpg` cannot make one. A key that is not there is an empty list.
fn list(gpg: &Gpg, command: &str, fingerprint: &Fingerprint) -> Option<String> {
    let arguments = [
        "--batch",
        "--no-auto-check-trustdb",
        "--with-colons",
        command,
        fingerprint.as_str(),
    ];
    let output = gpg.run(&arguments, &[]).ok()?;
    Some(String::from_utf8_lossy(output.stdout.expose()).into_owned())
}

/// The fingerprints of all secret keys and their subkeys.
#[derive(Debug)]
pub(super) struct SecretKeys(Vec<String>);

impl SecretKeys {
    /// Asks `gpg` for a list, if it gives one.
    pub(super) fn list(gpg: &Gpg) -> Option<Self> {
        let arguments = [
            "--batch",
            "--no-auto-check-trustdb",
            "--with-colons",
            "--list-secret-keys",
        ];
        let output = gpg.run(&arguments, &[]).ok()?;
        let list = String::from_utf8_lossy(output.stdout.expose());
        let fingerprints = records(&list).filter(|record| record.kind() == "fpr");
        let fingerprints: Vec<String> = fingerprints
            .map(|record| record.field(9).to_owned())
            .collect();
        (!fingerprints.is_empty()).then_some(Self(fingerprints))
    }

    /// Returns whether one of them has this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        Fingerprint::parse(name)
            .is_ok_and(|name| self.0.iter().any(|fingerprint| name.names(fingerprint)))
    }
}

/// What is wrong with a public key.
#[derive(Debug, PartialEq)]
enum Fault {
    None,
    Unknown,
    Revoked(String),
    Expired(String, String),
    SubkeyExpired(String, String),
    NotForEncryption(String),
    /// Another one of its keys may be.
    ForcedNotForEncryption(String),
    Disabled(String),
}

impl Fault {
    /// Looks at a list of one key in the format of `--with-colons`.
    fn find(list: &str, fingerprint: &Fingerprint) -> Self {
        let Some(primary) = records(list).find(Record::is_primary) else {
            return Self::Unknown;
        };
        let owner = owner(list);
        match primary.validity() {
            "r" => return Self::Revoked(owner),
            "e" => return Self::Expired(owner, primary.expiry()),
            "d" => return Self::Disabled(owner),
            _ => {}
        }
        // Capital letters are what the key as a whole can do. D: disabled.
        if primary.capabilities().contains('D') {
            return Self::Disabled(owner);
        }
        if fingerprint.is_forced()
            && let Some(forced) = named(list, fingerprint)
        {
            return match forced.validity() {
                "r" => Self::Revoked(owner),
                "e" => Self::SubkeyExpired(owner, forced.expiry()),
                _ if !forced.capabilities().contains('e') => Self::ForcedNotForEncryption(owner),
                _ => Self::None,
            };
        }
        if primary.capabilities().contains('E') {
            return Self::None;
        }
        let mut subkeys = records(list).filter(|record| record.capabilities().contains('e'));
        match subkeys.find(|record| record.validity() == "e") {
            Some(subkey) => Self::SubkeyExpired(owner, subkey.expiry()),
            None => Self::NotForEncryption(owner),
        }
    }
}

/// The first user ID, in brackets after a blank.
fn owner(list: &str) -> String {
    let user = records(list).find(|record| record.kind() == "uid");
    let name = user.map(|record| record.field(9)).unwrap_or_default();
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    match name.is_empty() {
        true => String::new(),
        false => format!(" ({name})"),
    }
}

/// The key or subkey that a fingerprint names: the record before that of the fingerprint.
fn named<'a>(list: &'a str, fingerprint: &Fingerprint) -> Option<Record<'a>> {
    let mut key = None;
    for record in records(list) {
        match record.kind() {
            "pub" | "sub" => key = Some(record),
            "fpr" if fingerprint.names(record.field(9)) => return key,
            _ => {}
        }
    }
    None
}

fn records(list: &str) -> impl Iterator<Item = Record<'_>> {
    list.lines().map(Record)
}

/// A line of a list in the format of `--with-colons`.
struct Record<'a>(&'a str);

impl<'a> Record<'a> {
    fn field(&self, index: usize) -> &'a str {
        self.0.split(':').nth(index).unwrap_or_default()
    }

    fn kind(&self) -> &'a str {
        self.field(0)
    }

    fn is_primary(&self) -> bool {
        matches!(self.kind(), "pub" | "sec")
    }

    fn validity(&self) -> &'a str {
        self.field(1)
    }

    fn capabilities(&self) -> &'a str {
        self.field(11)
    }

    /// When it expires, after a blank.
    fn expiry(&self) -> String {
        let Ok(seconds) = self.field(6).parse::<u32>() else {
            return String::new();
        };
        let mut time = Vec::new();
        Timestamp {
            seconds: seconds.into(),
            nanoseconds: 0,
            offset_minutes: 0,
        }
        .push_rfc3339(&mut time);
        let time = String::from_utf8_lossy(&time);
        let day = time.split('T').next().unwrap_or_default();
        format!(" on {day}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list as gpg 2.2.40 prints it.
    fn sample(primary: &str, can: &str, subkey: &str) -> String {
        let user = if primary == "r" { "r" } else { "u" };
        format!(
            "tru::1:1795590422:0:3:1:5\n\
             pub:{primary}:255:22:96EE52914472CDC6:1795590335:1795590336::u:::{can}:::::ed25519:::0:\n\
             fpr:::::::::DF2BA211968D947F1BAB326B96EE52914472CDC6:\n\
             uid:{user}::::1795590335::6B9A91B50F6194B883994EEF95FA53F8A73AB381::alice <alice@example.org>::::::::::0:\n\
             sub:{subkey}:255:18:C1CEBBA3C2AAE0E3:1795590335:1795676736:::::e:::::cv25519::\n\
             fpr:::::::::FC68C44B855EEBF6DBA67150C1CEBBA3C2AAE0E3:\n"
        )
    }

    #[test]
    fn finds_what_is_wrong_with_a_key() {
        let owner = || " (alice <alice@example.org>)".to_owned();
        let day = |day: &str| format!(" on {day}");
        let primary = "DF2BA211968D947F1BAB326B96EE52914472CDC6";
        let forced = "DF2BA211968D947F1BAB326B96EE52914472CDC6!";
        let subkey = "C1CEBBA3C2AAE0E3!";
        for (list, name, expected) in [
            (String::new(), primary, Fault::Unknown),
            (
                "tru::1:1795590422:0:3:1:5\n".to_owned(),
                primary,
                Fault::Unknown,
            ),
            (sample("u", "scaESCA", "u"), primary, Fault::None),
            (sample("u", "scaESCA", "u"), subkey, Fault::None),
            (
                sample("u", "scaESCA", "u"),
                forced,
                Fault::ForcedNotForEncryption(owner()),
            ),
            (sample("r", "sca", "r"), primary, Fault::Revoked(owner())),
            (
                sample("e", "sca", "e"),
                primary,
                Fault::Expired(owner(), day("2026-11-25")),
            ),
            (
                sample("u", "scaSCA", "e"),
                primary,
                Fault::SubkeyExpired(owner(), day("2026-11-26")),
            ),
            (
                sample("u", "scaSCA", "e"),
                subkey,
                Fault::SubkeyExpired(owner(), day("2026-11-26")),
            ),
            (sample("u", "scaESCA", "r"), subkey, Fault::Revoked(owner())),
            (
                sample("u", "scSC", "u"),
                primary,
                Fault::NotForEncryption(owner()),
            ),
            (
                sample("u", "scaDESCA", "u"),
                primary,
                Fault::Disabled(owner()),
            ),
            (
                "pub".to_owned(),
                primary,
                Fault::NotForEncryption(String::new()),
            ),
        ] {
            let fingerprint = Fingerprint::parse(name).expect("a fingerprint");
            assert_eq!(Fault::find(&list, &fingerprint), expected, "{list}");
        }
    }
}
