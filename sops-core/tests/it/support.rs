//! What the tests share: a key service that needs no key, and files.

use std::{fs, path::PathBuf};

use sops_core::{
    DecryptOptions, EncryptOptions, EncryptedFile, Error, Format, Keyring, PlainFile, SecretBytes,
    Unlocked,
    keys::{KeyError, KeyService},
    metadata::{KeyEntry, MasterKey},
};

/// Wraps data keys for any age recipient by writing them down in hexadecimal. For tests only.
pub(crate) struct Paper;

impl KeyService for Paper {
    fn wrap(&self, key: &MasterKey, share: &SecretBytes) -> Option<Result<String, KeyError>> {
        let MasterKey::Age { .. } = key else {
            return None;
        };
        let digits = share.expose().iter().map(|byte| format!("{byte:02x}"));
        Some(Ok(format!("paper\n{}\n", digits.collect::<String>())))
    }

    fn unwrap(&self, entry: &KeyEntry) -> Option<Result<SecretBytes, KeyError>> {
        let digits = entry.enc.strip_prefix("paper\n")?.trim_end();
        let bytes = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16))
            .collect::<Result<Vec<u8>, _>>();
        Some(
            bytes
                .map(SecretBytes::new)
                .map_err(|_| KeyError::new("not on paper")),
        )
    }
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new().with_service(Paper)
}

pub(crate) fn options() -> EncryptOptions {
    let recipient = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj".to_owned();
    EncryptOptions::new(vec![vec![MasterKey::Age { recipient }]])
}

pub(crate) fn encrypt(
    text: &str,
    format: Format,
    options: &EncryptOptions,
) -> Result<String, Error> {
    let encrypted = PlainFile::parse(text.as_bytes(), format)?.encrypt(options, &keyring())?;
    Ok(String::from_utf8(encrypted.bytes).expect("encrypting text gives text"))
}

pub(crate) fn unlock(text: &str, format: Format) -> Result<Unlocked<'_>, Error> {
    EncryptedFile::parse(text.as_bytes(), format)?.unlock(&keyring())
}

pub(crate) fn decrypt(text: &str, format: Format) -> Result<String, Error> {
    let plain = unlock(text, format)?.decrypt(&DecryptOptions::default())?;
    Ok(String::from_utf8(plain.bytes().to_vec()).expect("decrypting text gives text"))
}

/// Returns the files of a folder of testdata, sorted by name.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")).join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "md"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has files", folder.display());
    files
}
