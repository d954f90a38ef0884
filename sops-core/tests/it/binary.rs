//! Binary files: any bytes come back, and nothing of a damaged file is given out.

use sops_core::{
    DecryptOptions, EncryptedFile, Error, Format, MacError, Plaintext, SecretBytes, Selector,
    TreePath,
};

use crate::support::{keyring, options};

fn encrypt(bytes: &[u8]) -> Vec<u8> {
    sops_core::encrypt(bytes, Format::Binary, &options(), &keyring()).expect("encrypts")
}

fn decrypt(encrypted: &[u8]) -> Result<Plaintext, Error> {
    sops_core::decrypt(encrypted, Format::Binary, &keyring())
}

/// Decrypts where the text lies.
fn decrypt_owned(encrypted: &[u8]) -> Result<Plaintext, Error> {
    EncryptedFile::from_bytes(encrypted.to_vec(), Format::Binary)?
        .unlock(&keyring())?
        .into_plaintext(&DecryptOptions::default())
}

fn bytes_of_length(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at % 257) as u8).collect()
}

#[test]
fn any_bytes_come_back() {
    const PIECE: usize = 48 << 10;
    let lengths = [0, 1, 2, 3, 15, 16, 17, 1000, PIECE - 1, PIECE, PIECE + 1];
    for length in lengths.into_iter().chain([2 * PIECE, 2 * PIECE + 31]) {
        let bytes = bytes_of_length(length);
        let encrypted = encrypt(&bytes);
        assert_eq!(decrypt(&encrypted).unwrap().bytes(), bytes, "{length}");
        assert_eq!(
            decrypt_owned(&encrypted).unwrap().bytes(),
            bytes,
            "{length}"
        );
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(decrypt(&encrypt(&all)).unwrap().bytes(), all);
}

#[test]
fn the_envelope_is_that_of_the_reference() {
    let text = String::from_utf8(encrypt(b"")).unwrap();
    assert!(text.starts_with("{\n\t\"data\": \"\",\n\t\"sops\": {\n\t\t\"age\": [\n"));
    assert!(text.ends_with("\n\t}\n}\n"));
    assert!(!text.contains("unencrypted_suffix"));
    let mut options = options();
    options.binary_indent = Some(2);
    let text = sops_core::encrypt(b"x", Format::Binary, &options, &keyring()).unwrap();
    assert!(text.starts_with(b"{\n  \"data\": \"ENC[AES256_GCM,data:"));
}

#[test]
fn selectors_are_ignored_with_a_warning() {
    let mut options = options();
    options.selector = Selector::EncryptedRegex("^nothing$".to_owned());
    options.mac_only_encrypted = true;
    let bytes = SecretBytes::new(b"secret".to_vec());
    let encrypted = sops_core::encrypt_binary(bytes, &options, &keyring()).unwrap();
    assert_eq!(encrypted.warnings.len(), 1);
    let text = String::from_utf8(encrypted.bytes).unwrap();
    assert!(!text.contains("secret") && !text.contains("_regex") && !text.contains("mac_only"));
    assert_eq!(decrypt(text.as_bytes()).unwrap().bytes(), b"secret");
}

#[test]
fn damage_is_found_anywhere() {
    let bytes = bytes_of_length(200_000);
    let text = String::from_utf8(encrypt(&bytes)).unwrap();
    let data = text.find("data:").unwrap() + 5;
    for offset in [0, 70_000, 200_000] {
        let mut damaged = text.clone().into_bytes();
        let byte = &mut damaged[data + offset];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        for result in [decrypt(&damaged), decrypt_owned(&damaged)] {
            assert!(matches!(result, Err(Error::Decrypt { .. })), "{offset}");
        }
        damaged[data + offset] = b'=';
        for result in [decrypt(&damaged), decrypt_owned(&damaged)] {
            assert!(matches!(result, Err(Error::Decrypt { .. })), "{offset}");
        }
    }
    for length in [0, 1, 100, 100_000, text.len() - 3] {
        assert!(decrypt(&text.as_bytes()[..length]).is_err(), "{length}");
    }
    let emptied = [
        &text[..data - "ENC[AES256_GCM,data:".len()],
        &text[text.find("type:str]").unwrap() + 9..],
    ]
    .concat();
    let result = decrypt(emptied.as_bytes());
    assert!(matches!(result, Err(Error::Mac(MacError::Mismatch))));
    let other = String::from_utf8(encrypt(b"other")).unwrap();
    let (_, sops) = other.split_once("\"sops\"").unwrap();
    let (value, _) = text.split_once("\"sops\"").unwrap();
    assert!(decrypt(format!("{value}\"sops\"{sops}").as_bytes()).is_err());
}

#[test]
fn unusual_spellings_open_too() {
    let text = String::from_utf8(encrypt(b"some bytes")).unwrap();
    let escaped = text.replacen("\"ENC[", "\"\\u0045NC[", 1);
    assert_eq!(
        decrypt_owned(escaped.as_bytes()).unwrap().bytes(),
        b"some bytes"
    );
    let old = text.replacen("type:str]", "type:bytes]", 1);
    assert_eq!(decrypt(old.as_bytes()).unwrap().bytes(), b"some bytes");
    let compact = text.replace(['\n', '\t'], "");
    assert_eq!(decrypt(compact.as_bytes()).unwrap().bytes(), b"some bytes");
    let number = text.replacen("type:str]", "type:int]", 1);
    assert!(decrypt(number.as_bytes()).is_err());
    let moved = text.replacen("\"data\"", "\"date\"", 1);
    assert!(decrypt(moved.as_bytes()).is_err());
    let beside = text.replacen("{\n", "{\n\t\"more\": \"clear\",\n", 1);
    assert!(decrypt(beside.as_bytes()).is_err());
}

#[test]
fn what_did_not_change_stays_as_it_is() {
    let mut options = options();
    options.binary_indent = Some(3);
    let encrypted =
        sops_core::encrypt(b"\xffbefore", Format::Binary, &options, &keyring()).unwrap();
    let unlocked = EncryptedFile::parse(&encrypted, Format::Binary)
        .unwrap()
        .unlock(&keyring())
        .unwrap();
    assert_eq!(unlocked.update(b"\xffbefore").unwrap().bytes, encrypted);
    let updated = unlocked.update(b"\xffafter").unwrap().bytes;
    assert!(updated.starts_with(b"{\n   \"data\": \"ENC["));
    assert_eq!(decrypt(&updated).unwrap().bytes(), b"\xffafter");
    let rewrapped = unlocked.rewrap(&options.groups, None, &keyring()).unwrap();
    assert_eq!(decrypt(&rewrapped).unwrap().bytes(), b"\xffbefore");
}

#[test]
fn bytes_are_a_value_under_data() {
    let plain = decrypt(&encrypt(b"text")).unwrap();
    assert_eq!(plain.get("data").unwrap().expose(), "text");
    assert!(plain.get("date").is_err());
    let path = TreePath::parse("[\"data\"]").unwrap();
    assert_eq!(plain.extract(&path).unwrap().expose(), b"text");
    let converted = |format| plain.convert(format, None).unwrap().expose().to_vec();
    assert_eq!(converted(Format::Json), b"{\n\t\"data\": \"text\"\n}\n");
    assert_eq!(converted(Format::Yaml), b"data: text\n");
    assert_eq!(converted(Format::Binary), b"text");

    let yaml = |text: &str| {
        let encrypted =
            sops_core::encrypt(text.as_bytes(), Format::Yaml, &options(), &keyring()).unwrap();
        let plain = sops_core::decrypt(&encrypted, Format::Yaml, &keyring()).unwrap();
        plain.convert(Format::Binary, None)
    };
    assert_eq!(yaml("data: text\nmore: 1\n").unwrap().expose(), b"text");
    for text in [
        "data: 1\n",
        "date: text\n",
        "data: [text]\n",
        "data: a\n---\ndata: b\n",
    ] {
        assert!(matches!(yaml(text), Err(Error::Emit(_))), "{text}");
    }
}

#[test]
fn nothing_of_it_is_shown() {
    let plain = decrypt(&encrypt(b"secret")).unwrap();
    assert!(plain.get("data").is_ok());
    let shown = format!("{plain:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("115"),
        "{shown}"
    );
}
