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

use super::*;

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

    fn open(&self) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let file = match self.has("armored") {
            true => {
                let text = str::from_utf8(&self.file).map_err(|_| OpenError::Armor)?;
                from_armor(text)?
            }
            false => self.file.clone(),
        };
        let identities = self.keys.get("identity").into_iter().flatten();
        let identities: Vec<Identity> = identities.filter_map(|text| text.parse().ok()).collect();
        decrypt(&file, &identities)
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

/// What has to come of a vector. Where a key is needed that is of another kind, it must not come to that: the header is
/// refused, or found to be for nobody here.
fn outcome(vector: &Vector) -> Result<(), String> {
    let opened = vector.open();
    let needs_other_key = vector.has("passphrase")
        || vector.name.contains("hybrid") && vector.keys["expect"][0] != "armor failure";
    let is_right = match (vector.keys["expect"][0].as_str(), &opened) {
        (_, Err(OpenError::Passphrase)) => vector.has("passphrase"),
        ("success", Ok(plaintext)) => {
            let digest = Sha256::digest(plaintext.as_slice());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            digest == vector.keys["payload"][0]
        }
        ("success", Err(OpenError::NoMatch)) => needs_other_key,
        ("no match", Err(OpenError::NoMatch))
        | ("HMAC failure", Err(OpenError::HeaderMac))
        | ("header failure", Err(OpenError::Header))
        | ("armor failure", Err(OpenError::Armor))
        | ("payload failure", Err(OpenError::Payload)) => true,
        ("header failure" | "payload failure" | "HMAC failure", Err(OpenError::NoMatch)) => {
            needs_other_key
        }
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
        prop_assert_eq!(&*decrypt(&file, &[other]).expect("opens"), &plaintext);
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
        prop_assert_eq!(&*decrypt(&file, &[ours]).expect("opens"), &plaintext);
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
        prop_assert!(decrypt(&file, &[ours]).is_err());
    }
}

#[test]
fn every_way_of_cutting_a_file_is_refused() {
    let ours = Identity::generate().expect("a key");
    let file = encrypt(&[1; 33], &[&ours.to_recipient()]).expect("encrypts");
    for end in 0..file.len() {
        assert!(
            decrypt(&file[..end], std::slice::from_ref(&ours)).is_err(),
            "{end}"
        );
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
