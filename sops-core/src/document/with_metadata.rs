//! A plaintext with its metadata in it, to be looked at and changed together.

use super::{Encrypted, EncryptedFile, PlainFile, Unlocked, rfc3339, wrap};
use crate::{
    error::Error,
    format::{Format, ParseOptions, edit::splice},
    keys::Keyring,
    metadata::Metadata,
    secret::{SecretBytes, SecretText},
};
use std::{borrow::Cow, time::SystemTime};

impl Unlocked<'_> {
    /// Returns a plaintext of the file with the metadata in it, as they stand in the encrypted file.
    ///
    /// # Errors
    /// [`Error::UnsupportedFormat`] for a binary file, which has no place for them; as [`PlainFile::parse`] for a text
    /// that is none.
    pub fn with_metadata(&self, plaintext: &[u8]) -> Result<SecretBytes, Error> {
        let format = self.file.format;
        let PlainFile(super::Plain::Text(plain)) = PlainFile::parse(plaintext, format)? else {
            return Err(Error::UnsupportedFormat(format));
        };
        let raw = self.file.metadata.to_raw();
        let mut edits = format
            .engine()
            .insert_metadata(plain.text, &plain.tree, &raw);
        Ok(SecretBytes::new(
            splice(plain.text, &mut edits).into_bytes(),
        ))
    }

    /// Encrypts a changed text that [`Unlocked::with_metadata`] gave, as [`Unlocked::update`] does. Of the metadata, the
    /// keys, the threshold, what is encrypted and what the MAC covers may have changed: keys that came are wrapped for;
    /// the others keep what they have.
    ///
    /// # Errors
    /// As [`Unlocked::update`]; [`Error::NotEncrypted`] if there are no metadata any more, [`Error::Metadata`] if they
    /// cannot be read, [`Error::Wrap`] if a key that came cannot wrap the data key.
    pub fn update_with_metadata(
        &self,
        plaintext: &[u8],
        keyring: &Keyring,
    ) -> Result<Encrypted, Error> {
        let format = self.file.format;
        if format == Format::Binary {
            return Err(Error::UnsupportedFormat(format));
        }
        let text = super::text_of(plaintext)?;
        let edited = EncryptedFile::from_text(Cow::Borrowed(text), format)?;
        let mut removals = format.engine().remove_metadata(text, &edited.tree);
        let plain = SecretText::new(splice(text, &mut removals));
        // Only to see that the metadata were whole: what is left has to be a text of the format.
        format.parse(plain.expose(), ParseOptions::default())?;
        let metadata = self.merged(edited.metadata, keyring)?;
        self.update_as(plain.expose().as_bytes(), metadata)
    }

    /// The metadata of the file with what was changed in a copy of them.
    fn merged(&self, edited: Metadata, keyring: &Keyring) -> Result<Metadata, Error> {
        let mut metadata = self.file.metadata.clone();
        let wanted = edited.master_keys();
        let are_same = wanted == metadata.master_keys()
            && edited.shamir_threshold == metadata.shamir_threshold;
        if !are_same {
            let now = rfc3339(SystemTime::now());
            let threshold = edited.shamir_threshold;
            let mut wrapped = wrap(keyring, &wanted, threshold, &self.data_key, &now)?;
            if let ([group], [old]) = (wrapped.groups.as_mut_slice(), metadata.groups.as_slice()) {
                // Without shares, what is wrapped already is good for the same key.
                for entry in group {
                    if let Some(kept) = old.iter().find(|kept| kept.key == entry.key) {
                        *entry = kept.clone();
                    }
                }
            }
            metadata.groups = wrapped.groups;
            metadata.shamir_threshold = wrapped.shamir_threshold;
        }
        metadata.selector = edited.selector;
        metadata.mac_only_encrypted = edited.mac_only_encrypted;
        Ok(metadata)
    }
}
