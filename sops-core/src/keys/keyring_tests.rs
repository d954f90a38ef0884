//! Tests of the keyring: with services made up for them, and with files of the reference.

use std::sync::{Arc, Mutex};

use super::{KeyError, KeyService, Keyring};
use crate::{
    crypto::DataKey,
    metadata::{KeyEntry, MasterKey, Metadata},
    secret::SecretBytes,
};

const NOW: &str = "2026-11-23T18:21:36Z";

/// "Wraps" for one kind of key by writing hexadecimal, and keeps a list of what it was asked.
struct Fake {
    kind: &'static str,
    fails: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl KeyService for Fake {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        (key.kind() == self.kind).then(|| match self.fails {
            true => Err(KeyError::new("it is out of order").with_hint("wait")),
            false => Ok(share
                .expose()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()),
        })
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        (entry.key.kind() == self.kind).then(|| {
            self.asked
                .lock()
                .expect("a list")
                .push(entry.key.to_string());
            let bytes = (0..entry.enc.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&entry.enc[at..at + 2], 16).ok())
                .collect::<Option<Vec<u8>>>();
            match bytes {
                Some(bytes) if !self.fails => Ok(SecretBytes::new(bytes)),
                _ => Err(KeyError::new("it is out of order")),
            }
        })
    }
}

#[derive(Default)]
struct Bench {
    keyring: Keyring,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn with(mut self, kind: &'static str, fails: bool) -> Self {
        let asked = Arc::clone(&self.asked);
        self.keyring = self.keyring.with_service(Fake { kind, fails, asked });
        self
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("a list"))
    }
}

fn pgp(name: &str) -> MasterKey {
    MasterKey::Pgp {
        fingerprint: name.to_owned(),
    }
}

fn hckms(name: &str) -> MasterKey {
    MasterKey::Hckms {
        key_id: name.to_owned(),
    }
}

fn gcp(name: &str) -> MasterKey {
    MasterKey::GcpKms {
        resource_id: name.to_owned(),
    }
}

fn metadata(groups: Vec<Vec<KeyEntry>>, shamir_threshold: Option<usize>) -> Metadata {
    Metadata {
        groups,
        shamir_threshold,
        last_modified: NOW.to_owned(),
        mac: String::new(),
        selector: crate::crypto::select::Selector::default(),
        mac_only_encrypted: false,
        version: "3.13.2".to_owned(),
        layout: None,
        unknown: Vec::new(),
    }
}

fn data_key() -> DataKey {
    DataKey::generate().expect("randomness")
}

#[test]
fn a_keyring_goes_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Keyring>();
}

#[test]
fn one_group_holds_the_data_key_itself() {
    let bench = Bench::default().with("pgp", false);
    let key = data_key();
    // The threshold does not count, and is not looked at.
    let groups = bench
        .keyring
        .wrap_groups(&[vec![pgp("A"), pgp("B")]], Some(1), &key, NOW)
        .expect("wraps");
    assert_eq!(groups[0].len(), 2);
    assert_eq!(groups[0][0].enc.len(), 64);
    assert_eq!(groups[0][0].created_at.as_deref(), Some(NOW));
    let recovered = bench
        .keyring
        .unwrap(&metadata(groups, None))
        .expect("unwraps");
    assert_eq!(recovered.expose(), key.expose());
    assert_eq!(bench.asked(), ["A"], "one success is enough");
}

#[test]
fn several_groups_hold_shares() {
    let bench = Bench::default().with("pgp", false).with("hckms", true);
    let key = data_key();
    let keys = [
        vec![pgp("A")],
        vec![pgp("B")],
        vec![pgp("C")],
        vec![pgp("D")],
    ];
    for (threshold, needed) in [
        (Some(2), 2),
        (Some(3), 3),
        (Some(4), 4),
        (None, 4),
        (Some(0), 4),
    ] {
        let groups = bench
            .keyring
            .wrap_groups(&keys, threshold, &key, NOW)
            .expect("wraps");
        assert!(groups.iter().all(|group| group[0].enc.len() == 66));

        let all = metadata(groups.clone(), threshold);
        assert_eq!(
            bench.keyring.unwrap(&all).expect("unwraps").expose(),
            key.expose()
        );
        assert_eq!(bench.asked().len(), needed, "no more than the threshold");

        let mut some = groups.clone();
        for group in &mut some[..4 - needed] {
            group[0].key = hckms("broken");
        }
        let some = metadata(some, threshold);
        assert_eq!(
            bench.keyring.unwrap(&some).expect("unwraps").expose(),
            key.expose()
        );

        let mut few = groups;
        for group in &mut few[..5 - needed] {
            group[0].key = hckms("broken");
        }
        let error = bench
            .keyring
            .unwrap(&metadata(few, threshold))
            .expect_err("too few");
        assert!(
            error.to_string().contains(&format!(
                "of 4 key groups, {needed} are needed and {} could be used",
                needed - 1
            )),
            "{error}"
        );
        bench.asked();
    }
}

#[test]
fn bad_groups_are_refused() {
    let bench = Bench::default().with("pgp", false);
    let error = |groups: &[Vec<MasterKey>], threshold| {
        let error = bench
            .keyring
            .wrap_groups(groups, threshold, &data_key(), NOW);
        let error = error.expect_err("refused");
        assert!(error.hint().is_some());
        error.to_string()
    };
    let two = [vec![pgp("A")], vec![pgp("B")]];
    assert_eq!(error(&[], None), "no key groups provided");
    assert_eq!(error(&[vec![]], None), "empty key group provided");
    assert_eq!(
        error(&[vec![pgp("A")], vec![]], None),
        "empty key group provided"
    );
    assert!(error(&two, Some(1)).contains("threshold must be at least 2"));
    assert!(error(&two, Some(3)).contains("parts cannot be less than threshold"));
}

#[test]
fn every_key_that_cannot_wrap_is_listed() {
    let bench = Bench::default().with("pgp", false).with("hckms", true);
    let groups = [vec![pgp("A"), hckms("B"), gcp("C")]];
    let error = bench
        .keyring
        .wrap_groups(&groups, None, &data_key(), NOW)
        .expect_err("fails");
    assert_eq!(
        error.to_string(),
        "failed to encrypt the data key with 2 keys:\n  hckms B: it is out of order\n  gcp_kms C: no support for gcp_kms keys in this build"
    );
    assert_eq!(error.hint(), Some("wait"));
}

#[test]
fn a_secret_key_among_the_recipients_is_not_shown() {
    let recipient = "AGE-SECRET-KEY-1ABC".to_owned();
    let groups = [vec![MasterKey::Age { recipient }]];
    let error = Keyring::new()
        .wrap_groups(&groups, None, &data_key(), NOW)
        .expect_err("fails");
    assert!(!format!("{error} {error:?}").contains("1ABC"));
}

#[test]
fn kinds_are_tried_in_order() {
    let bench = Bench::default()
        .with("pgp", true)
        .with("hckms", true)
        .with("gcp_kms", true);
    let entry = |key| KeyEntry::new(key, "00".repeat(32), None);
    let group = vec![
        entry(hckms("h1")),
        entry(gcp("g1")),
        entry(pgp("p1")),
        entry(hckms("h2")),
        entry(pgp("p2")),
    ];
    let metadata = metadata(vec![group], None);
    bench.keyring.unwrap(&metadata).expect_err("all fail");
    assert_eq!(bench.asked(), ["p1", "p2", "g1", "h1", "h2"]);

    let order = vec!["hckms".to_owned(), "no such kind".to_owned()];
    let keyring = bench.keyring.with_decryption_order(order);
    keyring.unwrap(&metadata).expect_err("all fail");
    let asked = std::mem::take(&mut *bench.asked.lock().expect("a list"));
    assert_eq!(asked, ["h1", "h2", "p1", "p2", "g1"]);
}

#[test]
fn a_second_service_may_do_what_the_first_cannot() {
    let bench = Bench::default().with("pgp", true).with("pgp", false);
    let key = data_key();
    let groups = bench
        .keyring
        .wrap_groups(&[vec![pgp("A")]], None, &key, NOW)
        .expect("wraps");
    let recovered = bench
        .keyring
        .unwrap(&metadata(groups, None))
        .expect("unwraps");
    assert_eq!(recovered.expose(), key.expose());
}

#[test]
fn what_is_no_data_key_is_refused() {
    let bench = Bench::default().with("pgp", false);
    let entry = |name, enc: &str| vec![KeyEntry::new(pgp(name), enc.to_owned(), None)];
    let error = |groups, threshold| {
        bench
            .keyring
            .unwrap(&metadata(groups, threshold))
            .expect_err("refused")
            .to_string()
    };
    for length in [0, 16, 31, 33] {
        assert!(error(vec![entry("A", &"00".repeat(length))], None).contains("32 bytes"));
    }
    // A threshold of 1 recovers nothing: one share is not enough.
    let share = |x| format!("{}{x}", "00".repeat(32));
    assert!(
        error(vec![entry("A", &share("01")), entry("B", "zz")], Some(1)).contains("2 are needed")
    );
    assert!(
        error(
            vec![entry("A", &share("01")), entry("B", &share("01"))],
            Some(2)
        )
        .contains("duplicate")
    );
    assert!(error(vec![entry("A", "0001"), entry("B", "0002")], Some(2)).contains("32 bytes"));
    assert!(
        error(
            vec![entry("A", &share("01")), entry("B", &share("02"))],
            Some(9)
        )
        .contains("9 are needed")
    );
}

#[cfg(feature = "age")]
mod with_age {
    use super::*;
    use crate::{
        crypto::{Cipher, EncryptedValue, Mac},
        keys::Identities,
        metadata::{Raw, test_support},
    };

    macro_rules! testdata {
        ($name:literal) => {
            include_str!(concat!("../../../testdata/keys/", $name))
        };
    }

    fn read(file: &str) -> Metadata {
        let Raw::Map(entries) = test_support::json(file) else {
            panic!("a JSON object")
        };
        let (_, sops) = entries
            .iter()
            .find(|(key, _)| key == "sops")
            .expect("metadata");
        Metadata::from_raw(sops).expect("metadata")
    }

    fn keyring(identities: &str) -> Keyring {
        let text = SecretBytes::new(identities.as_bytes().to_vec());
        let identities = Identities::parse(&text, "keys.txt").expect("identities");
        Keyring::new().with_identities(identities)
    }

    /// Opens the MAC of the file, which only the right data key does.
    fn mac_of(
        metadata: &Metadata,
        keyring: &Keyring,
    ) -> Result<Vec<u8>, crate::keys::KeyringError> {
        let data_key = keyring.unwrap(metadata)?;
        let value = EncryptedValue::parse(metadata.mac.as_bytes()).expect("a value");
        let mut mac = Vec::new();
        Cipher::new(&data_key)
            .decrypt_into(&value, metadata.last_modified.as_bytes(), &mut mac)
            .expect("the right data key");
        Ok(mac)
    }

    #[test]
    fn files_of_the_reference_open() {
        let keyring = keyring(testdata!("age.txt"));
        for file in [
            testdata!("default.json"),
            testdata!("age-two.json"),
            testdata!("age-pq.json"),
            testdata!("age-pgp.json"),
            testdata!("groups-threshold-2.json"),
        ] {
            assert_eq!(mac_of(&read(file), &keyring).expect("opens").len(), 128);
        }
        let mac = mac_of(&read(testdata!("mac-only-encrypted.json")), &keyring).expect("opens");
        let mut expected = Mac::new(true);
        for leaf in ["abc", "deep", "a", "1", "True", "both"] {
            expected.update(leaf.as_bytes());
        }
        assert!(expected.finish().matches(&mac));
    }

    #[test]
    fn files_of_the_reference_for_keys_of_ssh_open() {
        let ed25519 = include_str!("../../../testdata/golden/keys/ssh_ed25519");
        let rsa = include_str!("../../../testdata/golden/keys/ssh_rsa");
        let for_rsa = include_str!("../../../testdata/golden/ok/keys-json.ssh-rsa.enc.json");
        for (key, file) in [(ed25519, testdata!("ssh-ed25519.json")), (rsa, for_rsa)] {
            let mac = mac_of(&read(file), &keyring(key)).expect("opens");
            assert_eq!(mac.len(), 128);
        }
    }

    #[test]
    fn files_for_others_say_what_was_tried() {
        let ours = keyring(testdata!("age.txt"));
        let stranger = keyring(testdata!("stranger.txt"));
        let message =
            |keyring: &Keyring, file| keyring.unwrap(&read(file)).expect_err("fails").to_string();
        assert_eq!(
            message(&stranger, testdata!("age-pgp.json")),
            "failed to get the data key required to decrypt the SOPS file: no key could be used\n  age age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj: the one age identity at hand does not fit\n  pgp 0B31C79005161CD9841F3916F07AF8230EA0EB66: no support for pgp keys in this build"
        );
        for file in [
            testdata!("groups-threshold-0.json"),
            testdata!("groups-threshold-3.json"),
        ] {
            let message = message(&ours, file);
            assert!(
                message.contains("of 3 key groups, 3 are needed and 2 could be used"),
                "{message}"
            );
            assert!(
                message.contains("group 2 cannot be used\n    pgp 0B31"),
                "{message}"
            );
        }
        assert!(message(&ours, testdata!("ssh-ed25519.json")).contains("identities at hand fits"));
        assert!(message(&ours, testdata!("pgp-rsa.json")).contains("no support for pgp"));
        let error = stranger
            .unwrap(&read(testdata!("default.json")))
            .expect_err("fails");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("SOPS_AGE_KEY"))
        );
    }

    #[test]
    fn age_entries_have_no_time() {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let keyring = Keyring::new().with_identities(identities);
        let key = data_key();
        let groups = [vec![MasterKey::Age { recipient }]];
        let groups = keyring
            .wrap_groups(&groups, None, &key, NOW)
            .expect("wraps");
        assert_eq!(groups[0][0].created_at, None);
        let recovered = keyring.unwrap(&metadata(groups, None)).expect("unwraps");
        assert_eq!(recovered.expose(), key.expose());
    }

    #[test]
    fn many_threads_share_one_keyring() {
        let keyring = keyring(testdata!("age.txt"));
        let metadata = read(testdata!("default.json"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| mac_of(&metadata, &keyring).expect("opens"));
            }
        });
    }
}
