//! What the targets share.

use sops_core::{
    DecryptOptions, EncryptOptions, EncryptedFile, Error, Format, Keyring, PlainFile, SecretBytes,
    Selector,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

/// Wraps data keys by writing them down in hexadecimal: no key, no time spent.
struct Paper;

impl KeyService for Paper {
    fn wrap(&self, _key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let digits = share.expose().iter().map(|byte| format!("{byte:02x}"));
        Some(Ok(format!("paper\n{}\n", digits.collect::<String>())))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let digits = entry.enc.strip_prefix("paper\n")?.trim_end().as_bytes();
        let bytes = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>();
        Some(
            bytes
                .map(SecretBytes::new)
                .ok_or_else(|| KeyError::new("not on paper")),
        )
    }
}

/// Encrypts a text, decrypts what comes out, and compares. What is refused is fine; that the library itself found that
/// it would lose something is not.
pub fn encrypt_and_decrypt(text: &[u8], format: Format, options: &EncryptOptions) {
    let Ok(plain) = PlainFile::parse(text, format) else {
        return;
    };
    let keyring = Keyring::new().with_service(Paper);
    let encrypted = match plain.encrypt(options, &keyring) {
        Ok(encrypted) => encrypted.bytes,
        Err(error @ (Error::Unfaithful(_) | Error::Wrap(_))) => panic!("{error}"),
        Err(_) => return,
    };
    let unlocked = EncryptedFile::parse(&encrypted, format)
        .and_then(|file| file.unlock(&keyring))
        .expect("what was encrypted is read");
    let decrypted = unlocked
        .decrypt(&DecryptOptions::default())
        .expect("what was encrypted is decrypted");
    assert!(
        decrypted.bytes() == text,
        "decrypting does not give the text back"
    );
    let same = unlocked
        .update(text)
        .expect("what was encrypted is updated")
        .bytes;
    assert!(
        same == encrypted,
        "an update without changes changes the file"
    );
}

/// Options that the first byte of the input chooses, and the rest of the input.
pub fn options(data: &[u8]) -> (EncryptOptions, &[u8]) {
    let recipient = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj".to_owned();
    let mut options = EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]]);
    // A first byte that begins a document chooses nothing, so that ordinary files are inputs too.
    let Some((&choice @ 0..8, text)) = data.split_first() else {
        return (options, data);
    };
    options.mac_only_encrypted = choice & 1 != 0;
    options.selector = match choice >> 1 {
        0 => Selector::default(),
        1 => Selector::EncryptedRegex("^(a|data|password)$".to_owned()),
        2 => Selector::UnencryptedCommentRegex("b|clear".to_owned()),
        _ => Selector::EncryptedCommentRegex("b|secret".to_owned()),
    };
    (options, text)
}
