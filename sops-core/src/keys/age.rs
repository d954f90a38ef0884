//! Local age keys: the [`KeyService`] that wraps for recipients and unwraps with identities.

use super::{
    Identities, KeyError, KeyService,
    age_file::{self, EncryptError, OpenError, Recipient},
    is_secret_key,
    prompt::Asker,
};
use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
    warning::Warning,
};

/// More bytes than any data key or share has.
const MAX_SHARE: usize = 256;

/// Where an [`AgeService`] gets its identities from, when it needs them.
pub(super) trait IdentitySource {
    /// Returns the identities that are the same for every recipient. They are looked for once.
    fn common(&self) -> &FoundIdentities;

    /// Calls `attempt` with identities for `recipient` alone, if there is a way to get some.
    fn for_recipient(&self, recipient: &str, attempt: &mut dyn FnMut(&FoundIdentities));

    /// Returns what [`common`](Self::common) returned, if it was asked.
    fn already_found(&self) -> Option<&FoundIdentities>;
}

/// Identities, and what was seen on the way to them.
#[derive(Debug, Default)]
pub(super) struct FoundIdentities {
    pub(super) identities: Identities,
    /// What could not be read.
    pub(super) problems: Vec<KeyError>,
    /// Each place that was looked at, and what was there.
    pub(super) searched: Vec<String>,
    pub(super) warnings: Vec<Warning>,
}

impl IdentitySource for FoundIdentities {
    fn common(&self) -> &FoundIdentities {
        self
    }

    fn for_recipient(&self, _recipient: &str, _attempt: &mut dyn FnMut(&FoundIdentities)) {}

    fn already_found(&self) -> Option<&FoundIdentities> {
        Some(self)
    }
}

/// Wraps and unwraps with age, in this process.
pub(super) struct AgeService {
    source: Box<dyn IdentitySource + Send + Sync>,
    #[expect(dead_code)]
    asker: Asker,
}

impl AgeService {
    pub(super) fn new(source: impl IdentitySource + Send + Sync + 'static, asker: Asker) -> Self {
        Self {
            source: Box::new(source),
            asker,
        }
    }

    pub(super) fn with_identities(identities: Identities) -> Self {
        let found = FoundIdentities {
            identities,
            ..FoundIdentities::default()
        };
        Self::new(found, Asker::default())
    }

    fn open(&self, enc: &str, recipient: &str) -> Result<SecretBytes, KeyError> {
        let common = self.source.common();
        let mut outcome = unwrap_with(enc, &common.identities);
        let mut problems: Vec<String> = common.problems.iter().map(ToString::to_string).collect();
        let mut unsupported = common.identities.unsupported().to_vec();
        let mut tried = common.identities.len();
        let mut hint = common
            .problems
            .iter()
            .find_map(|problem| problem.hint.clone());
        if let Err(Failure::NoIdentity) = outcome {
            self.source.for_recipient(recipient, &mut |found| {
                outcome = unwrap_with(enc, &found.identities);
                problems.extend(found.problems.iter().map(ToString::to_string));
                unsupported.extend_from_slice(found.identities.unsupported());
                tried += found.identities.len();
                hint = hint.take().or_else(|| {
                    found
                        .problems
                        .iter()
                        .find_map(|problem| problem.hint.clone())
                });
            });
        }
        outcome.map_err(|failure| {
            let mut message = match (failure, unsupported_kind(recipient)) {
                (Failure::Damaged(what), _) => return KeyError::new(what).with_hint(DAMAGED_HINT),
                (Failure::NoIdentity, Some(kind)) => {
                    return KeyError::new(format!("{kind} are not supported by this build yet"));
                }
                (Failure::NoIdentity, None) if tried == 0 => "there is no age identity".to_owned(),
                (Failure::NoIdentity, None) if tried == 1 => {
                    "the one age identity at hand does not fit".to_owned()
                }
                (Failure::NoIdentity, None) => {
                    format!("none of the {tried} age identities at hand fits")
                }
            };
            for problem in problems {
                message.push_str("; ");
                message.push_str(&problem);
            }
            if !unsupported.is_empty() {
                message.push_str("; identities that this build does not support: ");
                message.push_str(&unsupported.join("; "));
            }
            match hint {
                Some(hint) => KeyError::new(message).with_hint(hint),
                None => KeyError::new(message),
            }
        })
    }
}

impl KeyService for AgeService {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Age { recipient } = key else {
            return None;
        };
        Some(parse_recipient(recipient).and_then(|recipient| {
            wrap_for(&recipient, share)
                .map_err(|error| KeyError::new("age could not encrypt").with_source(error))
        }))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let MasterKey::Age { recipient } = &entry.key else {
            return None;
        };
        Some(self.open(&entry.enc, recipient))
    }

    fn searched(&self) -> Vec<String> {
        let found = self.source.already_found();
        found
            .map(|found| found.searched.clone())
            .unwrap_or_default()
    }

    fn warnings(&self) -> Vec<Warning> {
        let found = self.source.already_found();
        found
            .map(|found| found.warnings.clone())
            .unwrap_or_default()
    }
}

/// Checks that this build can wrap for `recipient`, and says what is wrong with it if not.
pub(super) fn parse_recipient(recipient: &str) -> Result<Recipient, KeyError> {
    let recipient = recipient.trim();
    if let Some(problem) = other_kind(recipient) {
        return Err(problem);
    }
    recipient.parse().map_err(|_| malformed(recipient))
}

/// Returns what to call a recipient that is fine, but not for this build.
fn unsupported_kind(recipient: &str) -> Option<&'static str> {
    if recipient.starts_with("age1pq1") {
        Some("post-quantum recipients (age1pq1…)")
    } else if recipient.starts_with("age1") && recipient.matches('1').count() > 1 {
        Some("recipients of age plugins (age1NAME1…)")
    } else if recipient.starts_with("ssh-") {
        Some("SSH keys as recipients (ssh-…)")
    } else {
        None
    }
}

fn other_kind(recipient: &str) -> Option<KeyError> {
    if let Some(kind) = unsupported_kind(recipient) {
        Some(
            KeyError::new(format!("{kind} are not supported by this build yet")).with_hint(
                "use a native age recipient (age1 and 58 more characters); `age-keygen` makes one",
            ),
        )
    } else if is_secret_key(recipient) {
        Some(KeyError::new("a secret key was given where a recipient (public key) belongs").with_hint(
            "give the public key, which begins with age1 (`age-keygen -y` prints it); if the secret key has been committed or shared, make a new one",
        ))
    } else if !recipient.starts_with("age1") {
        let hint = if recipient
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("age1"))
        {
            "recipients are written in small letters"
        } else {
            "a recipient begins with age1, as in the line `# public key:` of an identity file"
        };
        Some(KeyError::new("not an age recipient").with_hint(hint))
    } else {
        None
    }
}

/// What is wrong with a text that begins as a native recipient does.
fn malformed(recipient: &str) -> KeyError {
    const LENGTH: usize = 62;
    const LETTERS: &str = "023456789acdefghjklmnpqrstuvwxyz";
    let stranger = recipient[4..]
        .char_indices()
        .find(|&(_, letter)| !LETTERS.contains(letter));
    let what = match (stranger, recipient.chars().count()) {
        (Some((at, letter)), _) if letter.is_uppercase() => {
            format!("a capital letter at character {}", at + 5)
        }
        (Some((at, _)), _) => {
            format!("character {} is one that no recipient has", at + 5)
        }
        (None, LENGTH) => "its checksum is wrong, so at least one character is".to_owned(),
        (None, found) => format!("it has {found} characters, where all have {LENGTH}"),
    };
    KeyError::new(format!("malformed age recipient: {what}"))
        .with_hint("copy the recipient again, as a whole")
}

fn wrap_for(recipient: &Recipient, share: &SecretBytes) -> Result<String, EncryptError> {
    let file = age_file::encrypt(share.expose(), &[recipient])?;
    Ok(age_file::to_armor(&file))
}

enum Failure {
    NoIdentity,
    Damaged(&'static str),
}

const DAMAGED_HINT: &str = "restore the `enc` of this key from an earlier version of the file";

fn unwrap_with(enc: &str, identities: &Identities) -> Result<SecretBytes, Failure> {
    let opened =
        age_file::from_armor(enc).and_then(|file| age_file::decrypt(&file, identities.native()));
    let mut share = opened.map_err(|error| match error {
        OpenError::NoMatch => Failure::NoIdentity,
        OpenError::Passphrase => {
            Failure::Damaged("its `enc` is encrypted with a passphrase, which SOPS does not do")
        }
        OpenError::Armor | OpenError::Header | OpenError::HeaderMac | OpenError::Payload => {
            Failure::Damaged("its `enc` is damaged, or not encrypted with age")
        }
    })?;
    if share.len() >= MAX_SHARE {
        return Err(Failure::Damaged("its `enc` holds more than a data key"));
    }
    Ok(SecretBytes::new(std::mem::take(&mut *share)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::KeyEntry;

    fn entry(recipient: &str, enc: String) -> KeyEntry {
        KeyEntry::new(
            MasterKey::Age {
                recipient: recipient.to_owned(),
            },
            enc,
            None,
        )
    }

    fn service() -> (AgeService, String) {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        (AgeService::with_identities(identities), recipient)
    }

    #[test]
    fn what_is_wrapped_comes_back() {
        let (service, recipient) = service();
        let share = SecretBytes::new((0..33).collect());
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let enc = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        assert!(enc.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        assert!(enc.ends_with("\n-----END AGE ENCRYPTED FILE-----\n"));
        assert!(!enc.ends_with("\n\n"));
        for enc in [
            enc.clone(),
            enc.trim_end().to_owned(),
            enc.replace('\n', "\r\n"),
            format!("\n{enc}\n"),
        ] {
            let opened = service.unwrap(&entry(&recipient, enc)).expect("its kind");
            assert_eq!(opened.expect("unwraps").expose(), share.expose());
        }
    }

    #[test]
    fn other_kinds_are_not_its_business() {
        let (service, _) = service();
        let key = MasterKey::Pgp {
            fingerprint: "AB".repeat(20),
        };
        assert!(service.wrap(&key, &SecretBytes::new(vec![1; 32])).is_none());
        assert!(
            service
                .unwrap(&KeyEntry::new(key, String::new(), None))
                .is_none()
        );
    }

    #[test]
    fn damaged_entries_are_errors() {
        let (service, recipient) = service();
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let share = SecretBytes::new(vec![1; 32]);
        let good = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        let too_long = SecretBytes::new(vec![1; 5000]);
        let long = service
            .wrap(&key, &too_long)
            .expect("its kind")
            .expect("wraps");
        for enc in [
            String::new(),
            "text".to_owned(),
            good.replace("BEGIN", "BEGUN"),
            good.replace("YWdl", "YWdm"),
            good[..200].to_owned(),
            good.replace("\n-----END", "\nA-----END"),
            good.replace("-----END AGE ENCRYPTED FILE-----\n", ""),
            long,
        ] {
            let error = service
                .unwrap(&entry(&recipient, enc))
                .expect("its kind")
                .expect_err("damaged");
            assert!(error.message.contains("enc"), "{error}");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn a_stranger_is_told_so() {
        let (service, recipient) = service();
        let key = MasterKey::Age {
            recipient: recipient.clone(),
        };
        let share = SecretBytes::new(vec![1; 32]);
        let enc = service
            .wrap(&key, &share)
            .expect("its kind")
            .expect("wraps");
        let message = |identities| {
            let stranger = AgeService::with_identities(identities);
            let outcome = stranger
                .unwrap(&entry(&recipient, enc.clone()))
                .expect("its kind");
            outcome.expect_err("does not fit").message
        };
        assert_eq!(message(Identities::default()), "there is no age identity");
        assert_eq!(
            message(Identities::generate()),
            "the one age identity at hand does not fit"
        );
        let mut several = Identities::generate();
        several.append(
            Identities::parse(
                &SecretBytes::new(b"AGE-SECRET-KEY-PQ-1X\n".to_vec()),
                "keys.txt",
            )
            .expect("a post-quantum identity"),
        );
        several.append(Identities::generate());
        assert_eq!(
            message(several),
            "none of the 2 age identities at hand fits; identities that this build does not support: keys.txt, line 1: a post-quantum identity"
        );
    }

    #[test]
    fn malformed_recipients_are_named_with_what_is_wrong() {
        let good = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
        assert!(parse_recipient(good).is_ok());
        assert!(parse_recipient(&format!(" {good}\n")).is_ok());
        for (recipient, expected) in [
            ("", "not an age recipient"),
            ("age", "not an age recipient"),
            ("alice@example.org", "not an age recipient"),
            (&good.to_uppercase(), "small letters"),
            (
                "AGE-SECRET-KEY-18KYYLYHPG7J29KAMT6VYWKSKVWQXG2EEAPTKU3LANV3QDD99A6NQDM0L5E",
                "secret key",
            ),
            ("age-secret-key-18kyy", "secret key"),
            (
                "age1pq13y6rthhstewty59n8xw03p409kgxkcns84j0r00gzactptryhy7fzljzfq4",
                "post-quantum",
            ),
            ("age1yubikey1qwerty", "plugin"),
            ("age1tag1qwerty", "plugin"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "SSH"),
            ("age1", "4 characters"),
            (&good[..61], "61 characters"),
            (&good.replace("xtlm3", "xtlm4"), "checksum"),
            (
                &good.replace("xtlm3", "xtlM3"),
                "capital letter at character 8",
            ),
            (
                &good.replace("xtlm3", "xtlb3"),
                "character 8 is one that no recipient has",
            ),
            (
                &good.replace("xtlm3", "xt—m3"),
                "character 7 is one that no recipient has",
            ),
        ] {
            let error = parse_recipient(recipient).expect_err(expected);
            let text = format!("{error} {}", error.hint.as_deref().unwrap_or_default());
            assert!(text.contains(expected), "{text}");
            assert!(!text.to_lowercase().contains("8kyy"), "{text}");
        }
    }
}
