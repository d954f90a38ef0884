//! Fingerprints: how an OpenPGP key is named.

use std::fmt;

use crate::keys::KeyError;

/// How many digits a key ID has: the least that `gpg` takes.
const KEY_ID: usize = 16;
/// How many digits the longest fingerprint has.
const LONGEST: usize = 64;

/// The name of a key: 16 to 64 hexadecimal digits, perhaps with `0x` before them, perhaps with a `!` after them that
/// forces this very subkey.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(String);

impl Fingerprint {
    /// Reads a fingerprint as the metadata have it. What `gpg` would take for a name, an address or an option is refused:
    /// it could mean any key.
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let text: String = text.split_whitespace().collect();
        let is_forced = text.ends_with('!');
        let digits = digits(&text);
        let before = text.chars().count() - digits.chars().count() - usize::from(is_forced);
        let stranger = digits
            .chars()
            .position(|letter| !letter.is_ascii_hexdigit());
        let what = match (digits.len(), stranger) {
            (0, _) => "it is empty".to_owned(),
            (_, Some(_)) if text.contains('@') => "it looks like an address".to_owned(),
            (_, Some(at)) => format!("character {} is no hexadecimal digit", before + at + 1),
            (KEY_ID..=LONGEST, None) => return Ok(Self(text)),
            (length, None) => {
                format!("it has {length} digits, where a fingerprint has 40, and a key ID {KEY_ID}")
            }
        };
        Err(
            KeyError::new(format!("malformed OpenPGP fingerprint: {what}"))
                .with_hint("`gpg --list-keys` prints fingerprints: 40 hexadecimal digits"),
        )
    }

    /// Returns the fingerprint as `gpg` takes it for a recipient.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it asks for this very subkey, and not for whichever one of the key.
    pub(super) fn is_forced(&self) -> bool {
        self.0.ends_with('!')
    }

    /// Returns its last 16 digits, and its `!`: what `gpg` takes for a key that is trusted.
    pub(super) fn key_id(&self) -> &str {
        let length = KEY_ID + usize::from(self.is_forced());
        // As short as that, it has no more than digits.
        self.0
            .get(self.0.len().saturating_sub(length)..)
            .unwrap_or(&self.0)
    }

    /// Returns whether `other`, 40 capital digits, is the fingerprint or ends in the key ID that this is.
    pub(super) fn names(&self, other: &str) -> bool {
        let digits = digits(&self.0);
        other
            .get(other.len().saturating_sub(digits.len())..)
            .is_some_and(|end| end.eq_ignore_ascii_case(digits))
    }
}

/// The digits without what may stand before and after them.
fn digits(text: &str) -> &str {
    let text = text.strip_suffix('!').unwrap_or(text);
    let without_prefix = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    without_prefix.unwrap_or(text)
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "DF2BA211968D947F1BAB326B96EE52914472CDC6";

    #[test]
    fn reads_what_names_one_key() {
        for (text, key_id) in [
            (WHOLE, "96EE52914472CDC6"),
            (
                "DF2B A211 968D 947F 1BAB 326B 96EE 5291 4472 CDC6",
                "96EE52914472CDC6",
            ),
            ("96EE52914472CDC6", "96EE52914472CDC6"),
            ("96EE52914472CDC6!", "96EE52914472CDC6!"),
            (
                "DF2BA211968D947F1BAB326B96EE52914472CDC6!",
                "96EE52914472CDC6!",
            ),
            (
                "0xdf2ba211968d947f1bab326b96ee52914472cdc6",
                "96ee52914472cdc6",
            ),
        ] {
            let fingerprint = Fingerprint::parse(text).expect(text);
            assert_eq!(fingerprint.key_id(), key_id);
            assert_eq!(fingerprint.is_forced(), text.ends_with('!'));
            assert!(fingerprint.names(WHOLE), "{text}");
            assert!(!fingerprint.names("DF2BA211968D947F1BAB326B96EE52914472CDC7"));
            assert!(!fingerprint.names("CDC6"));
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (text, expected) in [
            ("", "it is empty"),
            ("!", "it is empty"),
            ("0x", "it is empty"),
            ("4472CDC6", "it has 8 digits"),
            (&WHOLE[..15], "it has 15 digits"),
            (&"A".repeat(65), "it has 65 digits"),
            ("alice@example.org", "it looks like an address"),
            ("--output", "character 1 is no"),
            ("=Alice of the example", "character 1 is no"),
            (&WHOLE.replace('2', "é"), "character 3 is no"),
            (
                "DF2BA211968D947F1BAB326B96EE52914472CDC6!!",
                "character 41 is no",
            ),
        ] {
            let error = Fingerprint::parse(text).expect_err(text);
            assert!(error.message.contains(expected), "{text}: {error}");
            assert!(error.hint.is_some());
        }
    }
}
