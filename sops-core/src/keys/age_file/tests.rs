//! The vectors of C2SP for the format, and files that go to another implementation and back.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    path::Path,
};

use age::{Decryptor, Encryptor};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    x25519::{Identity, Recipient},
    *,
};

/// Encrypts for recipients of one kind.
fn encrypt(plaintext: &[u8], recipients: &[&Recipient]) -> Result<Vec<u8>, EncryptError> {
    seal(plaintext, |file_key| {
        let stanzas = recipients.iter().map(|recipient| recipient.wrap(file_key));
        stanzas.collect()
    })
}

/// Why a file is not opened.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Open(OpenError),
    NoMatch,
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// Decrypts with the first identity or passphrase that fits.
fn decrypt_with(
    file: &[u8],
    identities: &[super::Identity],
    passphrases: &[SecretText],
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let sealed = Sealed::parse(file)?;
    let file_key = identities
        .iter()
        .find_map(|identity| sealed.unwrap(identity, ""))
        .or_else(|| {
            let mut passphrases = passphrases.iter();
            passphrases.find_map(|passphrase| sealed.unwrap_passphrase(passphrase))
        })
        .ok_or(Failure::NoMatch)?;
    Ok(sealed.open(&file_key)?)
}

fn decrypt(file: &[u8], identity: Identity) -> Result<Zeroizing<Vec<u8>>, Failure> {
    decrypt_with(file, &[super::Identity::X25519(identity)], &[])
}

/// A vector: the header's keys, and the file.
struct Vector {
    name: String,
    keys: HashMap<String, Vec<String>>,
    file: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("a vector");
        let end = bytes
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .expect("a header");
        let mut keys: HashMap<String, Vec<String>> = HashMap::new();
        for line in str::from_utf8(&bytes[..end]).expect("text").lines() {
            let (key, value) = line.split_once(": ").expect("key: value");
            keys.entry(key.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        let mut file = bytes[end + 2..].to_vec();
        match keys.get("compressed").map(|how| how[0].as_str()) {
            None => {}
            Some("zlib") => {
                file = miniz_oxide::inflate::decompress_to_vec_zlib(&file).expect("zlib");
            }
            Some(other) => panic!("{other}"),
        }
        Self {
            name: path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            keys,
            file,
        }
    }

    fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    fn open(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let file = match self.has("armored") {
            true => {
                let text = str::from_utf8(&self.file).map_err(|_| OpenError::Armor)?;
                from_armor(text)?
            }
            false => self.file.clone(),
        };
        let all = |key: &str| self.keys.get(key).into_iter().flatten();
        let identities = all("identity").map(|text| match text.parse() {
            Ok(identity) => super::Identity::X25519(identity),
            Err(_) => super::Identity::Hybrid(Box::new(text.parse().expect("an identity"))),
        });
        let passphrases = all("passphrase").map(|text| SecretText::new(text.clone()));
        decrypt_with(
            &file,
            &identities.collect::<Vec<_>>(),
            &passphrases.collect::<Vec<_>>(),
        )
    }
}

fn vectors() -> Vec<Vector> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/age");
    let mut vectors: Vec<Vector> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "md"))
        .map(|path| Vector::read(&path))
        .collect();
    vectors.sort_by(|left, right| left.name.cmp(&right.name));
    assert!(vectors.len() > 140);
    vectors
}

/// Fails if something else comes of a vector than it says.
fn outcome(vector: &Vector) -> Result<(), String> {
    let opened = vector.open();
    let is_right = match (vector.keys["expect"][0].as_str(), &opened) {
        ("success", Ok(plaintext)) => {
            let digest = Sha256::digest(plaintext.as_slice());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            digest == vector.keys["payload"][0]
        }
        ("no match", Err(Failure::NoMatch))
        | ("HMAC failure", Err(Failure::Open(OpenError::HeaderMac)))
        | ("header failure", Err(Failure::Open(OpenError::Header)))
        | ("armor failure", Err(Failure::Open(OpenError::Armor)))
        | ("payload failure", Err(Failure::Open(OpenError::Payload))) => true,
        _ => false,
    };
    match is_right {
        true => Ok(()),
        false => Err(format!(
            "{}: {}, but {:?}",
            vector.name,
            vector.keys["expect"][0],
            opened.map(|plaintext| plaintext.len())
        )),
    }
}

#[test]
fn vectors_of_the_format() {
    let failures: Vec<String> = vectors()
        .iter()
        .filter_map(|vector| outcome(vector).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// An armor that is read is written again as it was, but for the ends of lines and the white space around it.
#[test]
fn armor_round_trip() {
    for vector in vectors() {
        let Ok(text) = str::from_utf8(&vector.file) else {
            continue;
        };
        if let Ok(file) = from_armor(text) {
            let expected = text.replace("\r\n", "\n");
            assert_eq!(to_armor(&file).trim(), expected.trim(), "{}", vector.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn another_implementation_opens_ours(plaintext: Vec<u8>, chunks in 0_usize..3) {
        let plaintext = [plaintext, vec![7; chunks * (64 << 10)]].concat();
        let theirs = age::x25519::Identity::generate();
        let recipient: Recipient = theirs.to_public().to_string().parse().expect("a recipient");
        let other = Identity::generate().expect("a key");
        let file = encrypt(&plaintext, &[&other.to_recipient(), &recipient]).expect("encrypts");
        let decryptor = Decryptor::new(&file[..]).expect("a header");
        let mut opened = Vec::new();
        let identities = std::iter::once(&theirs as &dyn age::Identity);
        decryptor.decrypt(identities).expect("a key").read_to_end(&mut opened).expect("content");
        prop_assert_eq!(&opened, &plaintext);
        prop_assert_eq!(&*decrypt(&file, other).expect("opens"), &plaintext);
    }

    #[test]
    fn ours_opens_those_of_another_implementation(plaintext: Vec<u8>, chunks in 0_usize..3) {
        let plaintext = [plaintext, vec![7; chunks * (64 << 10)]].concat();
        let ours = Identity::generate().expect("a key");
        let recipient: age::x25519::Recipient = ours.to_recipient().to_string().parse().expect("a recipient");
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        let mut file = Vec::new();
        let mut writer = Encryptor::with_recipients(recipients).expect("recipients").wrap_output(&mut file).expect("a writer");
        writer.write_all(&plaintext).expect("memory");
        writer.finish().expect("memory");
        prop_assert_eq!(&*decrypt(&file, ours).expect("opens"), &plaintext);
    }

    #[test]
    fn keys_are_written_as_another_implementation_writes_them(_seed: u8) {
        let theirs = age::x25519::Identity::generate();
        let text = age::secrecy::ExposeSecret::expose_secret(&theirs.to_string()).to_owned();
        let ours: Identity = text.parse().expect("an identity");
        let mut written = String::new();
        ours.push_text(&mut written);
        prop_assert_eq!(written, text);
        prop_assert_eq!(ours.to_recipient().to_string(), theirs.to_public().to_string());
    }

    /// Whatever is changed is noticed.
    #[test]
    fn changed_files_are_refused(at in 0_usize..1000, bit in 0_u32..8) {
        let ours = Identity::generate().expect("a key");
        let mut file = encrypt(b"a data key of thirty-two bytes..", &[&ours.to_recipient()]).expect("encrypts");
        let at = at % file.len();
        file[at] ^= 1 << bit;
        prop_assert!(decrypt(&file, ours).is_err());
    }
}

#[test]
fn every_way_of_cutting_a_file_is_refused() {
    let ours = Identity::generate().expect("a key");
    let file = encrypt(&[1; 33], &[&ours.to_recipient()]).expect("encrypts");
    let ours = [super::Identity::X25519(ours)];
    for end in 0..file.len() {
        assert!(decrypt_with(&file[..end], &ours, &[]).is_err(), "{end}");
    }
}

#[test]
fn texts_that_are_no_keys() {
    for text in [
        "",
        "age1",
        "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8c",
        "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8ck",
        "AGE1XTLM3L8NDQ7WDCXXV9VZ7ADSXNMFRF00U07Q4QPRX29HSEQFRFUSX0E8CJ",
        " age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    ] {
        assert!(text.parse::<Recipient>().is_err(), "{text}");
        assert!(text.parse::<Identity>().is_err(), "{text}");
    }
    let recipient = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
    let parsed: Recipient = recipient.parse().expect("a recipient");
    assert_eq!(parsed.to_string(), recipient);
}

#[test]
fn debug_shows_no_secret() {
    let identity = Identity::generate().expect("a key");
    let mut text = String::new();
    identity.push_text(&mut text);
    assert!(!format!("{identity:?}").contains(&text[20..30]));
}

#[test]
fn a_post_quantum_identity_opens_what_its_recipient_got() {
    let identity = hybrid::Identity::generate().expect("a key");
    let mut text = String::new();
    identity.push_text(&mut text);
    assert_eq!(text.len(), 77);
    assert!(text.starts_with("AGE-SECRET-KEY-PQ-1"));
    assert!(!format!("{identity:?}").contains(&text[20..30]));
    let recipient = identity.to_recipient().to_string();
    assert_eq!(
        recipient.parse::<hybrid::Recipient>().expect("a recipient"),
        identity.to_recipient()
    );
    let file = seal(b"plain", |file_key| {
        Ok::<_, EncryptError>(vec![identity.to_recipient().wrap(file_key)?])
    });
    let file = file.expect("encrypts");
    let other = hybrid::Identity::generate().expect("a key");
    for (identity, expected) in [(other, false), (text.parse().expect("an identity"), true)] {
        let identities = [super::Identity::Hybrid(Box::new(identity))];
        assert_eq!(decrypt_with(&file, &identities, &[]).is_ok(), expected);
    }
}

#[test]
fn texts_that_are_no_post_quantum_keys() {
    let identity = hybrid::Identity::generate().expect("a key");
    let recipient = identity.to_recipient().to_string();
    let mut text = String::new();
    identity.push_text(&mut text);
    let damaged = recipient.replacen("qq", "qp", 1);
    for wrong in [
        "",
        "age1pq1",
        &recipient[..recipient.len() - 1],
        &recipient.to_uppercase(),
        &damaged,
        &text.to_lowercase(),
        &text[..76],
        &text.replace("PQ-1", "1"),
    ] {
        if wrong != recipient {
            assert!(wrong.parse::<hybrid::Recipient>().is_err(), "{wrong}");
            assert!(wrong.parse::<hybrid::Identity>().is_err(), "{wrong}");
        }
    }
}

#[test]
fn whoever_a_file_is_said_to_be_for_its_identity_opens_it() {
    let ours = Identity::generate().expect("a key");
    let mut text = String::with_capacity(80);
    ours.push_text(&mut text);
    let own = ours.to_recipient().to_string();
    let other = Identity::generate().expect("a key").to_recipient();
    let file = encrypt(&[1; 33], &[&other, &ours.to_recipient()]).expect("encrypts");
    let sealed = Sealed::parse(&file).expect("a file");
    for named in [own.as_str(), &other.to_string(), "age1", ""] {
        // As it was read: nobody has asked for its public key.
        let ours = super::Identity::X25519(text.parse().expect("an identity"));
        for _ in 0..2 {
            let file_key = sealed.unwrap(&ours, named).expect("it is for this one");
            assert_eq!(*sealed.open(&file_key).expect("a file"), [1; 33]);
        }
        let stranger = Identity::generate().expect("a key");
        let stranger = super::Identity::X25519(stranger);
        assert!(sealed.unwrap(&stranger, named).is_none());
    }
}
