//! Identities with a passphrase: who is asked, when, and how often.

use std::{fs, thread};

use super::{
    Identities, KeyService, PromptError,
    age::{AgeService, FoundIdentities},
    asker::tests::Scripted,
    plugin::Plugins,
};
use crate::{
    metadata::{KeyEntry, MasterKey},
    secret::SecretBytes,
};

const PASSPHRASE: &str = "pass phrase";

fn testdata(name: &str) -> SecretBytes {
    let path = format!("{}/../testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    SecretBytes::new(fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn parse(name: &str) -> Identities {
    Identities::parse(&testdata(name), name).expect(name)
}

fn service(identities: Identities, script: &Scripted) -> AgeService {
    let found = FoundIdentities {
        identities,
        ..FoundIdentities::default()
    };
    let asker = script.asker();
    AgeService::new(found, asker.clone(), Plugins::new(asker))
}

/// An entry for this recipient.
fn entry(recipient: &str) -> KeyEntry {
    let key = MasterKey::Age {
        recipient: recipient.to_owned(),
    };
    let service = AgeService::with_identities(Identities::default());
    let enc = service.wrap(&key, &SecretBytes::new(vec![7; 32]));
    KeyEntry::new(key, enc.expect("its kind").expect("wraps"), None)
}

/// The recipient of the identity in `identities/passphrase.age`.
fn locked_recipient() -> String {
    let text = testdata("identities/recipient.txt");
    let text = str::from_utf8(text.expose()).expect("a text");
    text.trim().to_owned()
}

#[test]
fn files_with_a_passphrase_open_in_both_formats_and_are_asked_for_once() {
    for name in ["identities/passphrase.age", "identities/passphrase.txt"] {
        let script = Scripted::new(&["wrong", PASSPHRASE]);
        let service = service(parse(name), &script);
        let entry = entry(&locked_recipient());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let opened = service.unwrap(&entry).expect("its kind");
                    assert_eq!(opened.expect("unwraps").expose(), [7; 32]);
                });
            }
        });
        let question = format!("Passphrase for the identities in {name}");
        assert_eq!(
            script.questions(),
            [question.clone(), format!("Wrong, try again. {question}")]
        );
    }
}

#[test]
fn keys_of_ssh_are_asked_for_once_and_only_if_they_fit() {
    for name in ["ed25519-passphrase", "rsa-passphrase", "ed25519-cbc"] {
        let file = format!("ssh/{name}");
        let recipient = String::from_utf8(testdata(&format!("{file}.pub")).into_vec());
        let entry = entry(recipient.expect("a text").trim());
        let script = Scripted::new(&[PASSPHRASE]);
        let mut identities = parse("ssh/ed25519");
        for other in ["ed25519-passphrase", "rsa-passphrase", "ed25519-cbc"] {
            identities.append(parse(&format!("ssh/{other}")));
        }
        identities.append(parse("identities/passphrase.age"));
        let service = service(identities, &script);
        for _ in 0..3 {
            let opened = service.unwrap(&entry).expect("its kind");
            assert_eq!(opened.expect("unwraps").expose(), [7; 32]);
        }
        assert_eq!(script.questions(), [format!("Passphrase for {file}")]);
    }
}

#[test]
fn nobody_is_asked_when_another_key_of_the_group_will_do() {
    let open = Identities::generate();
    let entries = [
        entry(&locked_recipient()),
        entry(&parse("ssh/ed25519-passphrase").recipients()[0]),
        entry(&open.recipients()[0]),
    ];
    let script = Scripted::new(&[]);
    let mut identities = parse("identities/passphrase.age");
    identities.append(parse("ssh/ed25519-passphrase"));
    identities.append(open);
    let service = service(identities, &script);
    let entries: Vec<&KeyEntry> = entries.iter().collect();
    assert!(service.unwrap_any(&entries).share.is_some());
    assert!(script.questions().is_empty());
}

#[test]
fn a_refusal_is_remembered_and_reported() {
    for (error, expected) in [
        (
            PromptError::Cancelled,
            "Passphrase for the identities in identities/passphrase.age: cancelled",
        ),
        (
            PromptError::unavailable("there is no terminal"),
            "Passphrase for the identities in identities/passphrase.age: there is nobody to ask: there is no terminal",
        ),
    ] {
        let script = Scripted::failing(error);
        let service = service(parse("identities/passphrase.age"), &script);
        let entry = entry(&locked_recipient());
        for _ in 0..3 {
            let error = service.unwrap(&entry).expect("its kind");
            let error = error.expect_err("no passphrase");
            assert!(error.message.contains(expected), "{error}");
        }
        assert_eq!(script.questions().len(), 1);
    }
    // Without anybody to ask, it says what to do.
    let service = AgeService::with_identities(parse("ssh/rsa-passphrase"));
    let entry = entry(&parse("ssh/rsa-passphrase").recipients()[0]);
    let error = service.unwrap(&entry).expect("its kind").expect_err("none");
    assert!(error.message.contains("Passphrase for ssh/rsa-passphrase"));
    assert!(error.hint.expect("a hint").contains("PINENTRY_PROGRAM"));
}

#[test]
fn entries_that_are_damaged_ask_nobody() {
    let script = Scripted::new(&[PASSPHRASE]);
    let service = service(parse("identities/passphrase.age"), &script);
    let mut entry = entry(&locked_recipient());
    entry.enc = entry.enc.replace("BEGIN", "END");
    let error = service
        .unwrap(&entry)
        .expect("its kind")
        .expect_err("damaged");
    assert!(error.message.contains("damaged"), "{error}");
    assert!(script.questions().is_empty());
}

#[test]
fn what_is_no_file_with_a_passphrase_is_refused() {
    for (name, expected) in [
        ("identities/for-a-key.age", "encrypted for a key"),
        ("age/scrypt_work_factor_23", "unknown identity type"),
        ("age/armor_garbage_leading", "unknown identity type"),
    ] {
        let error = Identities::parse(&testdata(name), name).expect_err(name);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let text = testdata("identities/passphrase.age").into_vec();
    for end in [20, 100, 180] {
        let text = SecretBytes::new(text[..end.min(text.len() - 1)].to_vec());
        let parsed = Identities::parse(&text, "cut");
        // Cut behind the header, it shows when it is decrypted.
        if let Ok(identities) = parsed {
            let script = Scripted::new(&[PASSPHRASE]);
            let error = service(identities, &script).unwrap(&entry(&locked_recipient()));
            let error = error.expect("its kind").expect_err("cut");
            assert!(error.message.contains("damaged"), "{error}");
        }
    }
}

#[test]
fn what_is_encrypted_in_it_may_be_of_any_kind() {
    let script = Scripted::new(&[PASSPHRASE, PASSPHRASE]);
    let service = service(parse("identities/ssh-in-passphrase.age"), &script);
    let entry = entry(&parse("ssh/ed25519-passphrase").recipients()[0]);
    let opened = service.unwrap(&entry).expect("its kind");
    assert_eq!(opened.expect("unwraps").expose(), [7; 32]);
    assert_eq!(script.questions().len(), 2);
}
