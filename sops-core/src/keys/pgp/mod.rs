//! OpenPGP keys through the user's `gpg`: its keyring, its agent, its smartcards, its pinentry.
//!
//! `gpg` gets the arguments that the reference gives it, so that wrappers in `SOPS_GPG_EXEC` work for both. (For
//! encrypting, the reference looks into an old `pubring.gpg` itself first; `gpg` reads that file, too.)

mod diagnosis;
mod fingerprint;
mod gpg;

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use self::{diagnosis::SecretKeys, fingerprint::Fingerprint, gpg::Gpg};
use super::{KeyError, KeyService, Unwrapped};
use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
};

/// More bytes than any data key or share has.
const MAX_SHARE: usize = 256;

/// Wraps and unwraps with a `gpg`.
#[derive(Debug)]
pub(super) struct PgpService {
    gpg: Gpg,
    known: Mutex<Known>,
    /// Which secret keys there are, if `gpg` tells.
    secret: OnceLock<Option<SecretKeys>>,
}

/// What came of earlier requests of this run.
#[derive(Debug, Default)]
struct Known {
    /// By `enc`. No message is decrypted twice.
    unwrapped: HashMap<String, SecretBytes>,
    /// By fingerprint: why it could not be used the last time.
    refusals: HashMap<String, Refusal>,
}

/// Why a key could not decrypt.
#[derive(Debug)]
struct Refusal {
    complaint: String,
    message: String,
    hint: Option<String>,
    /// Whether someone was asked for a passphrase, or could not be. They are not asked again for the next file.
    is_final: bool,
}

impl PgpService {
    /// Returns the service of the `gpg` that the environment names. It is not started before it is needed.
    pub(super) fn from_env() -> Self {
        Self::new(Gpg::from_env())
    }

    fn new(gpg: Gpg) -> Self {
        Self {
            gpg,
            known: Mutex::default(),
            secret: OnceLock::new(),
        }
    }

    fn encrypt(&self, fingerprint: &str, share: &SecretBytes) -> Result<String, KeyError> {
        let fingerprint = Fingerprint::parse(fingerprint)?;
        let arguments = [
            "--no-default-recipient",
            "--yes",
            "--encrypt",
            "-a",
            "-r",
            fingerprint.as_str(),
            "--trusted-key",
            fingerprint.key_id(),
            "--no-encrypt-to",
        ];
        let output = self.gpg.run(&arguments, share.expose())?;
        if !output.is_success() {
            return Err(diagnosis::of_encryption(
                &self.gpg,
                &fingerprint,
                &output.complaint,
            ));
        }
        let message = String::from_utf8_lossy(output.stdout.expose());
        match message.trim() {
            "" => Err(KeyError::new(format!(
                "{} printed nothing, and did not say why",
                self.gpg.name()
            ))),
            message => Ok(message.to_owned()),
        }
    }

    fn decrypt(&self, fingerprint: &str, enc: &str) -> Result<SecretBytes, KeyError> {
        // Held until the answer is there: who wants the same waits for it, and is told the same.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = known.unwrapped.get(enc) {
            return Ok(SecretBytes::new(share.expose().to_vec()));
        }
        if let Some(refusal) = known.refusals.get(fingerprint)
            && refusal.is_final
        {
            return Err(refusal.to_error());
        }
        let output = self.gpg.run(&["-d"], enc.as_bytes())?;
        if output.is_success() {
            let share = self.check(output.stdout)?;
            let copy = SecretBytes::new(share.expose().to_vec());
            known.unwrapped.insert(enc.to_owned(), copy);
            return Ok(share);
        }
        match known.refusals.get(fingerprint) {
            Some(refusal) if refusal.complaint == output.complaint => Err(refusal.to_error()),
            _ => {
                let refusal = Refusal::find(&self.gpg, fingerprint, output.complaint);
                let error = refusal.to_error();
                known.refusals.insert(fingerprint.to_owned(), refusal);
                Err(error)
            }
        }
    }

    fn check(&self, share: SecretBytes) -> Result<SecretBytes, KeyError> {
        let what = match share.len() {
            // Seen of an old gpg that left out a packet it did not understand.
            0 => format!(
                "{} printed nothing: it may be too old for this message",
                self.gpg.name()
            ),
            1..=MAX_SHARE => return Ok(share),
            _ => "its `enc` holds more than a data key".to_owned(),
        };
        Err(KeyError::new(what))
    }
}

impl Refusal {
    fn find(gpg: &Gpg, fingerprint: &str, complaint: String) -> Self {
        let (error, is_there) = match Fingerprint::parse(fingerprint) {
            Ok(fingerprint) => diagnosis::of_decryption(gpg, &fingerprint, &complaint),
            // The message itself says for whom it is.
            Err(_) => (
                KeyError::new(format!("{} failed: {complaint}", gpg.name())),
                false,
            ),
        };
        Self {
            is_final: is_there && diagnosis::is_about_passphrase(&complaint),
            message: error.message,
            hint: error.hint,
            complaint,
        }
    }

    fn to_error(&self) -> KeyError {
        let error = KeyError::new(&self.message);
        match &self.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl KeyService for PgpService {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Pgp { fingerprint } = key else {
            return None;
        };
        Some(self.encrypt(fingerprint, share))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let MasterKey::Pgp { fingerprint } = &entry.key else {
            return None;
        };
        Some(self.decrypt(fingerprint, &entry.enc))
    }

    /// Tries those first that there are secret keys for: many people may be able to read a file.
    fn unwrap_any(&self, entries: &[&KeyEntry]) -> Unwrapped {
        let mut order: Vec<(usize, &KeyEntry, &str)> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if let MasterKey::Pgp { fingerprint } = &entry.key {
                order.push((index, entry, fingerprint));
            }
        }
        if order.len() > 1
            && let Some(keys) = self.secret.get_or_init(|| SecretKeys::list(&self.gpg))
        {
            order.sort_by_key(|(_, _, fingerprint)| !keys.contains(fingerprint));
        }
        let mut outcome = Unwrapped::default();
        for (index, entry, fingerprint) in order {
            match self.decrypt(fingerprint, &entry.enc) {
                Ok(share) => {
                    outcome.share = Some(share);
                    break;
                }
                Err(error) => outcome.failures.push((index, error)),
            }
        }
        outcome
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    const FINGERPRINT: &str = "DF2BA211968D947F1BAB326B96EE52914472CDC6";

    /// A `gpg` that does what a script says, and a log of what it was given.
    struct Fake {
        folder: tempfile::TempDir,
        service: PgpService,
    }

    impl Fake {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("gpg");
            let log = folder.path().join("log");
            let text = format!("#!/bin/sh\necho \"$*\" >> '{}'\n{script}\n", log.display());
            fs::write(&path, text).expect("a file is written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a mode is set");
            Self {
                service: PgpService::new(Gpg::new(path)),
                folder,
            }
        }

        fn wrap(&self, fingerprint: &str) -> Result<String, KeyError> {
            let key = MasterKey::Pgp {
                fingerprint: fingerprint.to_owned(),
            };
            let share = SecretBytes::new(vec![b's'; 32]);
            self.service.wrap(&key, &share).expect("its kind")
        }

        fn unwrap(&self, enc: &str) -> Result<SecretBytes, KeyError> {
            let key = MasterKey::Pgp {
                fingerprint: FINGERPRINT.to_owned(),
            };
            let entry = KeyEntry::new(key, enc.to_owned(), None);
            self.service.unwrap(&entry).expect("its kind")
        }

        fn log(&self) -> String {
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        }

        fn path(&self) -> &Path {
            self.folder.path()
        }
    }

    #[test]
    fn gpg_gets_the_arguments_of_the_reference() {
        let fake = Fake::new("echo; cat; echo");
        assert_eq!(fake.wrap(FINGERPRINT).expect("wraps"), "s".repeat(32));
        let spaced = "DF2B A211 968D 947F 1BAB  326B 96EE 5291 4472 CDC6!";
        fake.wrap(spaced).expect("wraps");
        fake.unwrap("enc").expect("unwraps");
        let encrypt = |fingerprint: &str, key_id: &str| {
            format!(
                "--no-default-recipient --yes --encrypt -a -r {fingerprint} --trusted-key {key_id} --no-encrypt-to\n"
            )
        };
        let expected = [
            encrypt(FINGERPRINT, "96EE52914472CDC6"),
            encrypt(&format!("{FINGERPRINT}!"), "96EE52914472CDC6!"),
            "-d\n".to_owned(),
        ];
        assert_eq!(fake.log(), expected.concat());
    }

    #[test]
    fn what_is_no_fingerprint_starts_no_gpg() {
        let fake = Fake::new("cat");
        for text in ["alice@example.org", "--output", "4472CDC6", "!"] {
            fake.wrap(text).expect_err(text);
        }
        assert_eq!(fake.log(), "");
    }

    #[test]
    fn no_message_is_decrypted_twice() {
        let fake = Fake::new("cat");
        for _ in 0..3 {
            assert_eq!(fake.unwrap("one").expect("unwraps").expose(), b"one");
        }
        assert_eq!(fake.unwrap("two").expect("unwraps").expose(), b"two");
        assert_eq!(fake.log(), "-d\n-d\n");
    }

    #[test]
    fn of_many_keys_those_at_hand_are_tried_first() {
        let others: Vec<String> = (0..50).map(|number| format!("{number:040}")).collect();
        let fake = Fake::new(&format!(
            "case \"$*\" in -d) grep mine || exit 2;; *--list-secret-keys) printf 'sec:u:::::::::\\nfpr:::::::::{FINGERPRINT}:\\n';; esac"
        ));
        let entry = |fingerprint: &str, enc: &str| {
            let key = MasterKey::Pgp {
                fingerprint: fingerprint.to_owned(),
            };
            KeyEntry::new(key, enc.to_owned(), None)
        };
        let mut entries: Vec<KeyEntry> = others.iter().map(|name| entry(name, "other")).collect();
        entries.push(entry(&FINGERPRINT[24..], "mine"));
        let entries: Vec<&KeyEntry> = entries.iter().collect();
        for _ in 0..2 {
            let outcome = fake.service.unwrap_any(&entries);
            assert!(outcome.share.is_some());
            assert!(outcome.failures.is_empty());
        }
        let log = fake.log();
        assert_eq!(log.lines().count(), 2, "{log}");
        // The only one is just tried.
        let outcome = fake.service.unwrap_any(&entries[..1]);
        assert!(outcome.share.is_none());
        assert_eq!(outcome.failures.len(), 1);
        // Who lists none gets them all tried.
        let fake = Fake::new("test \"$*\" = -d && grep mine");
        let outcome = fake.service.unwrap_any(&entries[48..]);
        assert!(outcome.share.is_some());
        assert_eq!(outcome.failures.len(), 2);
    }

    #[test]
    fn nobody_is_asked_twice_for_a_passphrase_that_was_refused() {
        for (complaint, is_there, asked) in [
            ("Operation cancelled", true, 1),
            ("Bad passphrase", true, 1),
            ("No secret key", false, 2),
            ("Invalid packet", true, 2),
        ] {
            let list = if is_there { "sec:u:255:22:" } else { "" };
            let fake = Fake::new(&format!(
                "case \"$*\" in -d) echo 'gpg: decryption failed: {complaint}' >&2; exit 2;; *) echo '{list}';; esac"
            ));
            for enc in ["one", "two"] {
                let error = fake.unwrap(enc).expect_err("it fails");
                assert!(error.message.contains(complaint), "{error}");
            }
            let log = fake.log();
            let decrypted = log.lines().filter(|line| *line == "-d").count();
            assert_eq!(decrypted, asked, "{complaint}: {log}");
            let listed = log.lines().count() - decrypted;
            assert_eq!(listed, 1, "{complaint}: {log}");
        }
    }

    #[test]
    fn an_agent_that_is_busy_is_asked_again() {
        let fake = Fake::new(
            "d=$(dirname \"$0\"); test -e \"$d/tried\" && exec cat; touch \"$d/tried\"; echo \"gpg: decryption failed: Cannot allocate memory\" >&2; exit 2",
        );
        assert_eq!(fake.unwrap("enc").expect("unwraps").expose(), b"enc");
        assert!(fake.path().join("tried").exists());
        let fake = Fake::new("echo 'gpg: Cannot allocate memory' >&2; exit 2");
        fake.unwrap("enc").expect_err("it stays busy");
        assert!(fake.log().lines().count() < 12);
    }

    #[test]
    fn what_is_no_data_key_is_refused() {
        for (script, expected) in [
            ("true", "printed nothing"),
            ("head -c 300 /dev/zero", "more than a data key"),
            ("cat /dev/zero", "larger than 256 KiB"),
            ("cat; exit 2", "no such secret key"),
        ] {
            let error = Fake::new(script).unwrap("hunter2").expect_err(expected);
            assert!(error.message.contains(expected), "{error}");
            assert!(!error.message.contains("hunter2"));
        }
        let error = Fake::new("true").wrap(FINGERPRINT).expect_err("no message");
        assert!(error.message.contains("printed nothing"), "{error}");
    }

    #[test]
    fn other_kinds_are_not_its_business() {
        let fake = Fake::new("cat");
        let key = MasterKey::Age {
            recipient: "age1".to_owned(),
        };
        let share = SecretBytes::new(vec![1; 32]);
        assert!(fake.service.wrap(&key, &share).is_none());
        let entry = KeyEntry::new(key, String::new(), None);
        assert!(fake.service.unwrap(&entry).is_none());
    }
}
