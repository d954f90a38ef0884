//! Keys that `ssh-keygen` and openssl made (`testdata/ssh/`), whole and damaged.

use std::fs;

use super::*;
use crate::{
    keys::age_file::{Identity as AnyIdentity, Sealed, seal},
    secret::SecretText,
};

const PASSPHRASE: &str = "pass phrase";

fn read(name: &str) -> String {
    let path = format!("{}/../testdata/ssh/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn passphrase(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn open(name: &str) -> Identity {
    match PrivateKey::parse(&read(name)).expect(name) {
        PrivateKey::Open(identity) => identity,
        _ => {
            let key = locked(name, "rsa.pub");
            key.unlock(&passphrase(PASSPHRASE)).expect(name)
        }
    }
}

/// A key that needs a passphrase.
fn locked(name: &str, public: &str) -> LockedKey {
    match PrivateKey::parse(&read(name)).expect(name) {
        PrivateKey::Open(_) => panic!("{name} has a passphrase"),
        PrivateKey::Locked(key) => key,
        PrivateKey::Nameless(key) => {
            key.with_public_key(read(public).parse().expect("a public key"))
        }
    }
}

fn encrypt(recipient: &Recipient) -> Vec<u8> {
    seal(b"plain", |file_key| {
        Ok::<_, EncryptError>(vec![recipient.wrap(file_key)?])
    })
    .expect("encrypts")
}

#[test]
fn keys_open_what_their_public_keys_encrypted() {
    for (name, public) in [
        ("ed25519", "ed25519"),
        ("ed25519-passphrase", "ed25519-passphrase"),
        ("ed25519-cbc", "ed25519-cbc"),
        ("rsa", "rsa"),
        ("rsa-passphrase", "rsa-passphrase"),
        ("rsa-pkcs1", "rsa"),
        ("rsa-pkcs8", "rsa"),
        ("rsa-pkcs1-passphrase", "rsa"),
        ("rsa-pkcs1-aes192", "rsa"),
        ("rsa-pkcs1-aes256", "rsa"),
    ] {
        let line = read(&format!("{public}.pub"));
        let recipient: Recipient = line.parse().expect(public);
        assert!(line.starts_with(&recipient.to_string()), "{name}");
        let identity = open(name);
        assert_eq!(identity.recipient(), &recipient, "{name}");
        let sealed = Sealed::parse(&encrypt(&recipient)).expect("a header");
        assert!(sealed.has_ssh() && sealed.is_for(&recipient), "{name}");
        let file_key = sealed.unwrap(&AnyIdentity::Ssh(identity), "").expect(name);
        assert_eq!(&*sealed.open(&file_key).expect(name), b"plain");
    }
    let identity = open("ed25519-pkcs8");
    let sealed = Sealed::parse(&encrypt(identity.recipient())).expect("a header");
    assert!(
        sealed
            .unwrap(&AnyIdentity::Ssh(open("ed25519")), "")
            .is_none()
    );
    assert!(sealed.unwrap(&AnyIdentity::Ssh(open("rsa")), "").is_none());
    assert!(sealed.unwrap(&AnyIdentity::Ssh(identity), "").is_some());
}

#[test]
fn line_ends_and_white_space_do_not_matter() {
    for name in ["ed25519", "rsa-pkcs1"] {
        let text = read(name);
        for text in [
            text.replace('\n', "\r\n"),
            format!("\n\n{}", text.trim_end()),
            text.replace('\n', "  \n\t"),
        ] {
            assert!(matches!(PrivateKey::parse(&text), Ok(PrivateKey::Open(_))));
        }
    }
}

#[test]
fn wrong_passphrases_are_told_apart_from_damage() {
    for name in ["ed25519-passphrase", "ed25519-cbc", "rsa-passphrase"] {
        let mut key = locked(name, "");
        for wrong in ["", "wrong"] {
            let outcome = key.unlock(&passphrase(wrong)).map(drop);
            assert_eq!(outcome, Err(UnlockError::Passphrase), "{name}");
        }
        *key.content.bytes.last_mut().expect("bytes") ^= 1;
        let outcome = key.unlock(&passphrase(PASSPHRASE)).map(drop);
        assert_eq!(outcome, Err(UnlockError::Damaged), "{name}");
        assert!(!format!("{key:?}").contains("bytes"));
    }
}

#[test]
fn keys_in_the_older_format_open_with_their_passphrase_and_public_key_alone() {
    for name in [
        "rsa-pkcs1-passphrase",
        "rsa-pkcs1-aes192",
        "rsa-pkcs1-aes256",
    ] {
        let mut key = locked(name, "rsa.pub");
        // The padding looks right for one or two of them.
        for number in 0..400 {
            let outcome = key.unlock(&passphrase(&format!("wrong {number}")));
            assert_eq!(outcome.map(drop), Err(UnlockError::Passphrase), "{name}");
        }
        let other = locked(name, "rsa-passphrase.pub").unlock(&passphrase(PASSPHRASE));
        assert_eq!(other.map(drop), Err(UnlockError::OtherKey), "{name}");
        // Somewhere in the primes.
        key.content.bytes[700] ^= 1;
        let damaged = key.unlock(&passphrase(PASSPHRASE)).map(drop);
        assert_eq!(damaged, Err(UnlockError::Damaged), "{name}");
        for length in [0, 16, 17] {
            key.content.bytes.truncate(length);
            let cut = key.unlock(&passphrase(PASSPHRASE)).map(drop);
            assert_eq!(cut, Err(UnlockError::Passphrase), "{name}");
        }
        let key = PrivateKey::parse(&read(name)).expect(name);
        assert_eq!(
            format!("{key:?}"),
            "Nameless(NamelessKey(Encrypted([REDACTED])))"
        );
    }
    let text = read("rsa-pkcs1-passphrase");
    let info = text.lines().nth(2).expect("a header");
    for (changed, expected) in [
        ("", PrivateKeyError::Damaged),
        ("DEK-Info: AES-128-CBC", PrivateKeyError::Damaged),
        ("DEK-Info: AES-128-CBC,12", PrivateKeyError::Damaged),
        (
            "DEK-Info: AES-128-CBC,+C81D610CEF730A9B01D38BD3DA302BC",
            PrivateKeyError::Damaged,
        ),
        (
            "DEK-Info: AES-128-CBC,xy81D610CEF730A9B01D38BD3DA302BC",
            PrivateKeyError::Damaged,
        ),
        (
            "DEK-Info: AES-128-CBC,äC81D610CEF730A9B01D38BD3DA302B",
            PrivateKeyError::Damaged,
        ),
        (
            "DEK-Info: RC4,AC81D610CEF730A9B01D38BD3DA302BC",
            PrivateKeyError::Cipher,
        ),
    ] {
        let error = PrivateKey::parse(&text.replace(info, changed)).map(drop);
        assert_eq!(error, Err(expected), "{changed}");
    }
}

#[test]
fn other_keys_are_refused_with_the_reason() {
    for (name, expected) in [
        ("ecdsa", PrivateKeyError::Recipient(RecipientError::Type)),
        (
            "rsa-1024",
            PrivateKeyError::Recipient(RecipientError::RsaSize),
        ),
        ("ed25519-aes128", PrivateKeyError::Cipher),
        ("rsa-pkcs1-des3", PrivateKeyError::Cipher),
        ("rsa-pkcs8-passphrase", PrivateKeyError::Cipher),
        ("ed25519.pub", PrivateKeyError::NoKey),
        ("README.md", PrivateKeyError::NoKey),
    ] {
        let error = PrivateKey::parse(&read(name)).expect_err(name);
        assert_eq!(error, expected, "{name}");
        assert!(!error.hint().is_empty());
    }
    for text in [
        "",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    ] {
        assert!(PrivateKey::parse(text).is_err(), "{text}");
    }
}

/// A key that is cut, or changed anywhere, is refused or still the same key: nothing panics, nothing takes for ever.
#[test]
fn damaged_keys_never_become_others() {
    use base64::engine::general_purpose::STANDARD;

    for (name, label) in [
        ("ed25519", "OPENSSH PRIVATE KEY"),
        ("rsa-pkcs1", "RSA PRIVATE KEY"),
        ("ed25519-pkcs8", "PRIVATE KEY"),
        ("ed25519-passphrase", "OPENSSH PRIVATE KEY"),
    ] {
        let text = read(name);
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let content = STANDARD.decode(body).expect("base64");
        let parse = |content: &[u8]| {
            let body = STANDARD.encode(content);
            PrivateKey::parse(&format!(
                "-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
            ))
        };
        for end in 0..content.len() {
            assert!(parse(&content[..end]).is_err(), "{name} cut at {end}");
        }
        // Checking the numbers of RSA takes a while.
        let step = if name.starts_with("rsa") { 97 } else { 1 };
        for at in (0..content.len()).step_by(step) {
            let mut changed = content.clone();
            changed[at] ^= 0x10;
            let key = parse(&changed);
            if let (Ok(PrivateKey::Open(identity)), false) = (&key, name.ends_with("pkcs8")) {
                assert_eq!(
                    identity.recipient(),
                    open(name).recipient(),
                    "{name} changed at {at}"
                );
            }
        }
    }
}

#[test]
fn stanzas_are_checked() {
    let identity = open("ed25519");
    let file = encrypt(identity.recipient());
    let text = String::from_utf8_lossy(&file).into_owned();
    let line = text.lines().nth(1).expect("a stanza");
    let words: Vec<&str> = line.split(' ').collect();
    let zero = STANDARD_NO_PAD.encode([0; 32]);
    for wrong in [
        "-> ssh-ed25519".to_owned(),
        format!("-> ssh-ed25519 {}", words[2]),
        format!("-> ssh-ed25519 {} {} x", words[2], words[3]),
        format!("-> ssh-ed25519 x{} {}", words[2], words[3]),
        format!("-> ssh-ed25519 {} {}A", words[2], words[3]),
        format!("-> ssh-ed25519 {} {zero}", words[2]),
        "-> ssh-rsa".to_owned(),
        format!("-> ssh-rsa {} x", words[2]),
        "-> ssh-rsa AAAA".to_owned(),
    ] {
        let start = file.windows(2).position(|pair| pair == b"\n-").expect("it") + 1;
        let rest = &file[start + line.len()..];
        let changed = [&file[..start], wrong.as_bytes(), rest].concat();
        assert!(
            matches!(Sealed::parse(&changed), Err(OpenError::Header)),
            "{wrong}"
        );
    }
}
