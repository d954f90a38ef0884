//! age recipients of all kinds, and what is wrong with a text that is none.

use super::{
    KeyError,
    age_file::{self, FileKey, Stanza, hybrid, one_wrong_character, ssh, x25519},
    is_secret_key,
    plugin::{PluginRecipient, Plugins},
};

const HYBRID: &str = "age1pq1";
/// How many characters a recipient of age's own kinds has.
const X25519_LEN: usize = 62;
const HYBRID_LEN: usize = 1959;

/// The characters of a recipient after `age1`.
const LETTERS: &str = "023456789acdefghjklmnpqrstuvwxyz";

/// Whoever a data key is wrapped for.
#[derive(Debug)]
pub(super) enum AgeRecipient {
    X25519(x25519::Recipient),
    Hybrid(Box<hybrid::Recipient>),
    Ssh(ssh::Recipient),
    Plugin(PluginRecipient),
}

impl AgeRecipient {
    /// Reads a recipient as the reference does: by how it begins.
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with(HYBRID) {
            let recipient = text.parse().map(Box::new).map(Self::Hybrid);
            recipient.map_err(|_| malformed(text, Some(HYBRID_LEN)))
        } else if text.starts_with("age1") && text.matches('1').count() > 1 {
            let recipient = PluginRecipient::parse(text).map(Self::Plugin);
            recipient.map_err(|_| malformed(text, None))
        } else if text.starts_with("age1") {
            let recipient = text.parse().map(Self::X25519);
            recipient.map_err(|_| malformed(text, Some(X25519_LEN)))
        } else if text.starts_with("ssh-") {
            text.parse().map(Self::Ssh).map_err(|error| not_ssh(&error))
        } else {
            Err(no_recipient(text))
        }
    }

    pub(super) fn wrap(
        &self,
        file_key: &FileKey,
        plugins: &Plugins,
    ) -> Result<Vec<Stanza>, KeyError> {
        let stanza = match self {
            Self::X25519(recipient) => recipient.wrap(file_key),
            Self::Hybrid(recipient) => recipient.wrap(file_key),
            Self::Ssh(recipient) => recipient.wrap(file_key),
            Self::Plugin(recipient) => return plugins.wrap(recipient, file_key),
        };
        Ok(vec![stanza?])
    }

    /// Returns the recipient as an identity would name it: without a comment.
    pub(super) fn canonical(text: &str) -> String {
        let text = text.trim();
        match text.starts_with("ssh-") {
            true => {
                let words: Vec<&str> = text.split_ascii_whitespace().take(2).collect();
                words.join(" ")
            }
            false => text.to_owned(),
        }
    }
}

impl From<age_file::EncryptError> for KeyError {
    fn from(error: age_file::EncryptError) -> Self {
        Self::new("age could not encrypt").with_source(error)
    }
}

fn no_recipient(text: &str) -> KeyError {
    if is_secret_key(text) {
        return KeyError::new("a secret key was given where a recipient (public key) belongs")
            .with_hint("give the public key, which begins with age1 (`age-keygen -y` prints it); if the secret key has been committed or shared, make a new one");
    }
    let is_capital = text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("age1"));
    KeyError::new("not an age recipient").with_hint(match is_capital {
        true => "recipients are written in small letters",
        false => {
            "a recipient begins with age1, as in the line `# public key:` of an identity file, or is a public key of SSH"
        }
    })
}

fn not_ssh(error: &ssh::RecipientError) -> KeyError {
    KeyError::new(error.to_string()).with_hint(match error {
        ssh::RecipientError::Type => {
            "give a key that `ssh-keygen -t ed25519` made, or an age recipient"
        }
        ssh::RecipientError::Malformed => {
            "copy the line of the .pub file again, as a whole: the type, a space, and the key"
        }
        ssh::RecipientError::RsaSize => {
            "give a larger RSA key, one that `ssh-keygen -t ed25519` made, or an age recipient"
        }
    })
}

/// What is wrong with a text that begins as a recipient does. All of its kind have `length` characters.
fn malformed(text: &str, length: Option<usize>) -> KeyError {
    let stranger = text[4..]
        .char_indices()
        .find(|&(at, letter)| !LETTERS.contains(letter) && !is_separator(text, at + 4));
    let found = text.chars().count();
    if let Some(at) = text.chars().position(char::is_whitespace) {
        let message = format!(
            "malformed age recipient: a blank or line break at character {}",
            at + 1
        );
        return KeyError::new(message).with_hint("separate recipients by commas");
    }
    let what = match (stranger, length) {
        (Some((at, letter)), _) if letter.is_uppercase() => {
            format!("a capital letter at character {}", at + 5)
        }
        (Some((at, _)), _) => {
            format!("character {} is one that no recipient has", at + 5)
        }
        (None, Some(length)) if found != length => {
            format!("it has {found} characters, where all have {length}")
        }
        (None, _) => match one_wrong_character(text) {
            Some(at) => format!(
                "its checksum is wrong: character {} is probably another",
                at + 1
            ),
            None => "its checksum is wrong, so at least one character of it is wrong".to_owned(),
        },
    };
    KeyError::new(format!("malformed age recipient: {what}"))
        .with_hint("copy the recipient again, as a whole")
}

/// Whether the byte at `at` belongs to the name of a plugin or ends it; there, other characters may stand.
fn is_separator(text: &str, at: usize) -> bool {
    text.rfind('1').is_some_and(|last| last > 3 && at <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const X25519: &str = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";

    #[test]
    fn all_kinds_are_told_apart() {
        for text in [X25519, &format!(" {X25519}\n")] {
            assert!(matches!(
                AgeRecipient::parse(text),
                Ok(AgeRecipient::X25519(_))
            ));
        }
        let hybrid = hybrid::Identity::generate().expect("a key").to_recipient();
        let hybrid = hybrid.to_string();
        assert_eq!(hybrid.len(), HYBRID_LEN);
        assert!(matches!(
            AgeRecipient::parse(&hybrid),
            Ok(AgeRecipient::Hybrid(_))
        ));
        for text in [SSH, &format!("{SSH} me@host"), &SSH.replace(' ', "  ")] {
            assert!(
                matches!(AgeRecipient::parse(text), Ok(AgeRecipient::Ssh(_))),
                "{text}"
            );
            assert_eq!(AgeRecipient::canonical(text), SSH);
        }
        assert!(matches!(
            AgeRecipient::parse("age1unencrypted1k5fr0r"),
            Ok(AgeRecipient::Plugin(_))
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            (&X25519[..61], "61 characters"),
            (&format!("{X25519}q"), "63 characters"),
            ("age1", "4 characters"),
            (
                &X25519.replace("tlm3", "tIm3"),
                "a capital letter at character 7",
            ),
            (
                &X25519.replace("tlm3", "tim3"),
                "character 7 is one that no recipient has",
            ),
            (
                &X25519.replace("tlm3", "t—m3"),
                "character 7 is one that no recipient has",
            ),
            (
                &X25519.replace("tlm3", "tlm4"),
                "character 9 is probably another",
            ),
            (
                &X25519.replace("xtlm3l8", "txml83l"),
                "at least one character of it is wrong",
            ),
            (
                &format!("{X25519} {X25519}"),
                "a blank or line break at character 63 separate recipients by commas",
            ),
            (&format!("{X25519}\n{X25519}"), "by commas"),
            ("age1unencrypted1k5fr0q", "character 22 is probably another"),
            ("age1unencrypted1k5fr0", "checksum"),
            ("age1yubikey1qwerty", "checksum"),
            ("age1../evil1k5fr0r", "checksum"),
            (&X25519.to_uppercase(), "small letters"),
            (
                "AGE-SECRET-KEY-18KYYLYHPG7J29KAMT6VYWKSKVWQXG2EEAPTKU3LANV3QDD99A6NQDM0L5E",
                "secret key",
            ),
            ("age-secret-key-18kyy", "secret key"),
            ("alice@example.org", "not an age recipient"),
            ("age", "not an age recipient"),
            ("", "not an age recipient"),
            ("ssh-dss AAAA", "of this type"),
            ("ssh-ed25519", "malformed SSH key"),
            ("ssh-ed25519 !!!", "malformed SSH key"),
            (&SSH[..70], "malformed SSH key"),
            (&SSH.replace("ed25519 ", "rsa "), "malformed SSH key"),
            ("age1pq1qqqq", "11 characters, where all have 1959"),
        ] {
            let error = AgeRecipient::parse(text).expect_err(expected);
            let shown = format!("{error} {}", error.hint.as_deref().expect("a hint"));
            assert!(shown.contains(expected), "{text}: {shown}");
            assert!(!shown.to_lowercase().contains("8kyy"), "{shown}");
        }
    }
}
