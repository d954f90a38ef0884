//! Encrypted files whose data key is known.

use std::{borrow::Cow, time::SystemTime};

use super::{
    DecryptOptions, Encrypted, EncryptedFile, Plain, PlainFile,
    open::{Opened, Purpose, doubt_data_key, open},
    rfc3339,
    seal::Seal,
    seal_binary, wrap,
};
use crate::{
    binary,
    crypto::{Cipher, DataKey, orphans::Orphans},
    error::Error,
    format::{EmitError, Format, edit::splice},
    keys::Keyring,
    metadata::{MasterKey, Metadata},
    plaintext::Plaintext,
    secret::SecretBytes,
};

/// An encrypted file with its data key.
#[derive(Debug)]
pub struct Unlocked<'t> {
    pub(super) file: EncryptedFile<'t>,
    pub(super) data_key: DataKey,
    pub(super) layout: bool,
    pub(super) cipher: Cipher,
}

impl Unlocked<'_> {
    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.file.metadata
    }

    /// Decrypts the file.
    ///
    /// # Errors
    /// [`Error::Decrypt`] for a value that cannot be decrypted; [`Error::Mac`] if the MAC does not fit, unless it is
    /// ignored.
    pub fn decrypt(&self, options: &DecryptOptions) -> Result<Plaintext, Error> {
        self.decrypt_for_rotation(options).map(|(plain, _)| plain)
    }

    /// Decrypts the file. Returns also what must not be in the clear when it is encrypted again.
    pub(super) fn decrypt_for_rotation(
        &self,
        options: &DecryptOptions,
    ) -> Result<(Plaintext, Orphans), Error> {
        if self.file.format == Format::Binary {
            let bytes = self.open_binary(options.ignore_mac)?;
            let selector = self.file.metadata.selector.clone();
            let plain = Plaintext::binary(bytes, selector);
            return Ok((plain, Orphans::default()));
        }
        let matcher = self.file.metadata.selector.compile()?;
        let ignore_mac = options.ignore_mac;
        let Opened {
            text,
            tree,
            warnings,
            stash,
        } = open(
            &self.file,
            &self.cipher,
            &matcher,
            Purpose::Read { ignore_mac },
        )?;
        let tree = tree.expect("opening parses what it gives out, unless it is told not to");
        let selector = self.file.metadata.selector.clone();
        let plain = Plaintext::new(text, tree, self.file.format, selector, warnings);
        Ok((plain, stash.orphans))
    }

    /// Decrypts the file as [`Unlocked::decrypt`] does. A binary file that was read with
    /// [`EncryptedFile::from_bytes`] takes no more memory for it.
    ///
    /// # Errors
    /// As [`Unlocked::decrypt`].
    pub fn into_plaintext(self, options: &DecryptOptions) -> Result<Plaintext, Error> {
        if self.file.format != Format::Binary {
            return self.decrypt(options);
        }
        let EncryptedFile {
            text,
            tree,
            metadata,
            ..
        } = self.file;
        let bytes = binary::open(text, &tree, &metadata, &self.cipher, options.ignore_mac)
            .map_err(|error| doubt_data_key(error, &metadata, &self.cipher))?;
        Ok(Plaintext::binary(bytes, metadata.selector))
    }

    fn open_binary(&self, ignore_mac: bool) -> Result<SecretBytes, Error> {
        let EncryptedFile {
            text,
            tree,
            metadata,
            ..
        } = &self.file;
        let text = Cow::Borrowed(text.as_ref());
        binary::open(text, tree, metadata, &self.cipher, ignore_mac)
            .map_err(|error| doubt_data_key(error, metadata, &self.cipher))
    }

    /// Refuses a file that has values that the binary file it was read as does not have: they would be lost.
    pub(super) fn check_binary(&self) -> Result<(), Error> {
        match self.file.holds_binary() {
            true => Ok(()),
            false => Err(EmitError::NotBinary.into()),
        }
    }

    fn update_binary(&self, plaintext: &[u8]) -> Result<Encrypted, Error> {
        self.check_binary()?;
        let text = &self.file.text;
        if self.open_binary(true)?.expose() == plaintext {
            return Ok(self.unchanged());
        }
        let mut metadata = self.file.metadata.clone();
        metadata.touch();
        let bytes = SecretBytes::new(plaintext.to_vec());
        seal_binary(bytes, metadata, &self.cipher, binary::indent_of(text))
    }

    /// The file as it is, for a change that changes nothing.
    pub(super) fn unchanged(&self) -> Encrypted {
        Encrypted {
            bytes: self.file.text.as_bytes().to_vec(),
            warnings: Vec::new(),
        }
    }

    /// Returns the file with `layout` switched on or off for its next version, as
    /// [`EncryptOptions::layout`](super::EncryptOptions::layout) does.
    #[must_use]
    pub fn with_layout(self, layout: bool) -> Self {
        Self { layout, ..self }
    }

    /// Wraps the same data key for other key groups. Values, MAC and `lastmodified` stay as they are.
    ///
    /// Whoever could decrypt the file before still knows its data key, and can decrypt what is encrypted under it.
    ///
    /// # Errors
    /// [`Error::Wrap`] if a key cannot wrap the data key.
    pub fn rewrap(
        &self,
        groups: &[Vec<MasterKey>],
        shamir_threshold: Option<usize>,
        keyring: &Keyring,
    ) -> Result<Vec<u8>, Error> {
        let EncryptedFile {
            text, tree, format, ..
        } = &self.file;
        let now = rfc3339(SystemTime::now());
        let mut metadata = self.file.metadata.clone();
        let wrapped = wrap(keyring, groups, shamir_threshold, &self.data_key, &now)?;
        metadata.groups = wrapped.groups;
        metadata.shamir_threshold = wrapped.shamir_threshold;
        let mut edits = format
            .engine()
            .replace_metadata(text, tree, &metadata.to_raw());
        let rewrapped = EncryptedFile::from_text(Cow::Owned(splice(text, &mut edits)), *format)?;
        if rewrapped.metadata.to_raw() != metadata.to_raw() {
            return Err(Error::Unfaithful("it has other metadata"));
        }
        Ok(rewrapped.text.into_owned().into_bytes())
    }

    /// Encrypts a changed text under the same data key and the same rules. Values that did not change (same path, same
    /// plaintext) keep their ciphertext; a text that did not change gives the file as it is.
    ///
    /// # Errors
    /// As [`PlainFile::parse`] and [`PlainFile::encrypt`]; and as [`Unlocked::decrypt`], for the values that the file
    /// has now (the MAC is not checked).
    pub fn update(&self, plaintext: &[u8]) -> Result<Encrypted, Error> {
        if self.file.format == Format::Binary {
            return self.update_binary(plaintext);
        }
        self.update_as(plaintext, self.file.metadata.clone())
    }

    /// Encrypts a changed text under metadata that may have changed, too.
    pub(super) fn update_as(
        &self,
        plaintext: &[u8],
        mut metadata: Metadata,
    ) -> Result<Encrypted, Error> {
        let matcher = self.file.metadata.selector.compile()?;
        let Opened {
            text: before,
            stash,
            ..
        } = open(&self.file, &self.cipher, &matcher, Purpose::EncryptAgain)?;
        let is_same = before.expose().as_bytes() == plaintext;
        if is_same && metadata.to_raw() == self.file.metadata.to_raw() {
            return Ok(self.unchanged());
        }
        let PlainFile(Plain::Text(changed)) = PlainFile::parse(plaintext, self.file.format)? else {
            return Err(Error::UnsupportedFormat(self.file.format));
        };
        let matcher = metadata.selector.compile()?;
        metadata.touch();
        metadata.layout = None;
        Seal {
            matcher: &matcher,
            cipher: &self.cipher,
            stash: &stash,
        }
        .run(&changed, metadata, self.layout)
    }
}
