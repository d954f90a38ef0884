//! A new data key for a file: every value is encrypted anew.

use std::time::SystemTime;

use super::{
    DecryptOptions, Encrypted, FORMAT_VERSION, MasterKey, Plain, PlainFile, Unlocked, rfc3339,
    seal::Seal, seal_binary, wrap,
};
use crate::{
    binary,
    crypto::{Cipher, DataKey, stash::Stash},
    error::Error,
    keys::Keyring,
    secret::SecretBytes,
};

impl Unlocked<'_> {
    /// Encrypts the file under a new data key, for the given key groups, by the same rules. No ciphertext stays as it
    /// was; the plaintext stays the same to the byte.
    ///
    /// Whoever knew the old data key cannot decrypt the new file. The values, which they may have seen, are the same.
    ///
    /// # Errors
    /// As [`Unlocked::decrypt`] and [`PlainFile::encrypt`]; [`Error::Emit`] for a file that was read as a binary one, but
    /// holds other values ([`EncryptedFile::as_what_it_holds`](super::EncryptedFile::as_what_it_holds)).
    pub fn rotate(
        &self,
        groups: &[Vec<MasterKey>],
        shamir_threshold: Option<usize>,
        options: &DecryptOptions,
        keyring: &Keyring,
    ) -> Result<Encrypted, Error> {
        let matcher = self.file.metadata.selector.compile()?;
        let (plain, orphans) = self.decrypt_for_rotation(options)?;
        let mut stash = Stash::default();
        stash.orphans = orphans;
        let data_key = DataKey::generate().map_err(|error| Error::Random(error.to_string()))?;
        let now = rfc3339(SystemTime::now());
        let mut metadata = self.file.metadata.clone();
        let wrapped = wrap(keyring, groups, shamir_threshold, &data_key, &now)?;
        metadata.groups = wrapped.groups;
        metadata.shamir_threshold = wrapped.shamir_threshold;
        metadata.last_modified = now;
        metadata.layout = None;
        if metadata.version.is_empty() {
            metadata.raise_version(FORMAT_VERSION);
        }
        let cipher = Cipher::new(&data_key);
        let seal = Seal {
            matcher: &matcher,
            cipher: &cipher,
            stash: &stash,
        };
        let mut rotated = match PlainFile::parse(plain.bytes(), self.file.format)?.0 {
            Plain::Text(text) => seal.run(&text, metadata, self.layout)?,
            Plain::Binary(bytes) => {
                self.check_binary()?;
                let bytes = SecretBytes::new(bytes.to_vec());
                let indent = binary::indent_of(&self.file.text);
                seal_binary(bytes, metadata, &cipher, indent)?
            }
        };
        rotated.warnings.splice(0..0, plain.warnings().to_vec());
        Ok(rotated)
    }
}
