//! The pipeline, top to bottom: a plain file is encrypted, an encrypted file is unlocked, decrypted, and encrypted again.
//!
//! ```text
//! PlainFile ──encrypt──▶ bytes      EncryptedFile ──unlock──▶ Unlocked ──decrypt──▶ Plaintext
//!                                                                 └──────update──▶ bytes
//! ```
//!
//! Every result is read again before it is given out: encrypting ends with decrypting what was just written and
//! comparing bytes, decrypting with comparing the leaves of what is given out with those that were decrypted.

mod change;
mod change_in_place;
mod convert;
mod extract;
mod leaf;
mod open;
mod rotate;
mod seal;
mod unlocked;
mod with_metadata;

pub(crate) use open::check_mac;
pub use unlocked::Unlocked;

use std::{borrow::Cow, fmt, time::SystemTime};

use crate::{
    binary,
    config::CreationRule,
    convert::convert,
    crypto::{Cipher, DataKey, LeafError, select::Selector, stash::Stash},
    error::Error,
    format::{EmitStyle, Format, ParseOptions, SyntaxError, SyntaxErrorKind},
    keys::Keyring,
    metadata::{KeyEntry, MasterKey, Metadata, rfc3339},
    secret::SecretBytes,
    tree::{Tree, span::Position},
    typed,
    warning::Warning,
    warnings,
};
use seal::Seal;

/// The version of the format that our files claim: that of the reference they are made for.
pub const FORMAT_VERSION: &str = "3.13.2";

/// How a plain file is encrypted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EncryptOptions {
    /// Who can decrypt: the key groups. One group: any of its keys. Several: one key each of as many groups as the
    /// threshold says.
    pub groups: Vec<Vec<MasterKey>>,
    /// How many groups are needed, when there are several; all, if not given.
    pub shamir_threshold: Option<usize>,
    /// Which leaves are encrypted.
    pub selector: Selector,
    /// Whether the MAC covers encrypted leaves only, so that the others can be changed without a key.
    pub mac_only_encrypted: bool,
    /// Whether spellings that a value cannot tell are kept, encrypted, in the metadata.
    pub layout: bool,
    /// How many blanks indent the JSON that a binary file becomes; tabs, if not given.
    pub binary_indent: Option<usize>,
    /// The time that the file claims to be changed at; now, if not given.
    pub last_modified: Option<SystemTime>,
}

impl EncryptOptions {
    /// Returns the options for key groups, everything else as it is by default.
    #[must_use]
    pub fn new(groups: Vec<Vec<MasterKey>>) -> Self {
        Self {
            groups,
            shamir_threshold: None,
            selector: Selector::default(),
            mac_only_encrypted: false,
            layout: true,
            binary_indent: None,
            last_modified: None,
        }
    }

    /// Returns the options that a creation rule asks for, everything else as it is by default. What is wrong with the keys
    /// of the rule is told by [`CreationRule::check_keys`].
    #[must_use]
    pub fn of_rule(rule: &CreationRule) -> Self {
        Self {
            shamir_threshold: rule.shamir_threshold,
            selector: rule.selector.clone().unwrap_or_default(),
            mac_only_encrypted: rule.mac_only_encrypted,
            ..Self::new(rule.groups())
        }
    }
}

/// How an encrypted file is decrypted.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DecryptOptions {
    /// Whether to go on when the MAC does not fit. What is decrypted then may have been put together by anybody who
    /// can write the file.
    ignore_mac: bool,
}

impl DecryptOptions {
    /// Returns the options with the check of the MAC switched off.
    #[must_use]
    pub fn danger_ignore_mac(mut self, ignore: bool) -> Self {
        self.ignore_mac = ignore;
        self
    }
}

/// What encrypting gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Encrypted {
    /// The encrypted file.
    pub bytes: Vec<u8>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// A file in the clear.
pub struct PlainFile<'t>(Plain<'t>);

enum Plain<'t> {
    Text(PlainText<'t>),
    Binary(&'t [u8]),
}

struct PlainText<'t> {
    text: &'t str,
    tree: Tree,
    format: Format,
}

impl<'t> PlainFile<'t> {
    /// Reads a file that is to be encrypted.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is not in the format, or what SOPS cannot hold (a list on top, keys that are no
    /// text, keys twice); [`Error::AlreadyEncrypted`] for a file with a top-level key `sops`.
    pub fn parse(bytes: &'t [u8], format: Format) -> Result<Self, Error> {
        if format == Format::Binary {
            return Ok(Self(Plain::Binary(bytes)));
        }
        let text = text_of(bytes)?;
        let tree = format.parse(
            text,
            ParseOptions {
                before_root_key: true,
            },
        )?;
        for (index, document) in tree.documents().enumerate() {
            if let Some((key, _)) = tree.metadata_entry(text, document) {
                let position = Position::of(text, tree[key].span.start as usize);
                return Err(Error::AlreadyEncrypted {
                    position,
                    document: index,
                });
            }
        }
        Ok(Self(Plain::Text(PlainText { text, tree, format })))
    }

    /// Returns the file in another format, or with another indentation, in the style of the reference: nothing of its
    /// own layout is kept.
    ///
    /// # Errors
    /// [`Error::Emit`] if the format cannot hold it.
    pub fn convert(&self, output: Format, indent: Option<usize>) -> Result<SecretBytes, Error> {
        let from = match &self.0 {
            Plain::Text(plain) => plain.format,
            Plain::Binary(_) => Format::Binary,
        };
        let style = EmitStyle {
            indent,
            beside: &|_| true,
            from: from.engine(),
            one_line: false,
            keeps_floats: false,
        };
        match &self.0 {
            Plain::Text(plain) => {
                // No metadata follow what is written here.
                let tree = plain.format.parse(plain.text, ParseOptions::default())?;
                convert(plain.text, &tree, output, &style)
            }
            Plain::Binary(bytes) if output == Format::Binary => {
                Ok(SecretBytes::new(bytes.to_vec()))
            }
            Plain::Binary(bytes) => convert("", &binary::tree_of(bytes), output, &style),
        }
    }

    /// Reads the first document into a type of the caller's: for configurations, which are in the clear.
    ///
    /// # Errors
    /// [`Error::Deserialize`], which names the path and what was expected there; [`Error::UnsupportedFormat`] for a binary
    /// file.
    pub fn deserialize<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        match &self.0 {
            Plain::Text(plain) => Ok(crate::deserialize::from_first_document(
                plain.text,
                &plain.tree,
            )?),
            Plain::Binary(_) => Err(Error::UnsupportedFormat(Format::Binary)),
        }
    }

    /// Returns the file with the values of the one that it was converted from, where its format can only write their texts:
    /// a number in dotenv is encrypted as a number, as the reference does it.
    #[must_use]
    pub fn with_values_of(mut self, original: &PlainFile<'_>) -> Self {
        if let (Plain::Text(plain), Plain::Text(original)) = (&mut self.0, &original.0) {
            typed::take_over(
                (original.text, &original.tree),
                (plain.text, &mut plain.tree),
                plain.format.engine(),
            );
        }
        self
    }

    /// Encrypts the file under a new data key.
    ///
    /// # Errors
    /// [`Error::Selector`] for a regex that is none; [`Error::Wrap`] if a key cannot wrap the data key;
    /// [`Error::Encrypt`] for a leaf that cannot be encrypted; [`Error::Unfaithful`] if decrypting the result does not
    /// give the same bytes.
    pub fn encrypt(&self, options: &EncryptOptions, keyring: &Keyring) -> Result<Encrypted, Error> {
        match &self.0 {
            Plain::Text(plain) => {
                let matcher = options.selector.compile()?;
                let (data_key, metadata) = new_metadata(options, keyring)?;
                let seal = Seal {
                    matcher: &matcher,
                    cipher: &Cipher::new(&data_key),
                    stash: &Stash::default(),
                };
                seal.run(plain, metadata, options.layout)
            }
            Plain::Binary(bytes) => {
                encrypt_binary(SecretBytes::new(bytes.to_vec()), options, keyring)
            }
        }
    }
}

/// Encrypts a binary file as [`PlainFile::encrypt`] does, in the memory that it is in: for files so large that having
/// them twice matters.
///
/// # Errors
/// As [`PlainFile::encrypt`].
pub fn encrypt_binary(
    bytes: SecretBytes,
    options: &EncryptOptions,
    keyring: &Keyring,
) -> Result<Encrypted, Error> {
    let (data_key, metadata) = new_metadata(options, keyring)?;
    let cipher = Cipher::new(&data_key);
    seal_binary(bytes, metadata, &cipher, options.binary_indent)
}

/// Encrypts a binary file under a data key and metadata that are there. No selector has a say in it.
fn seal_binary(
    bytes: SecretBytes,
    mut metadata: Metadata,
    cipher: &Cipher,
    indent: Option<usize>,
) -> Result<Encrypted, Error> {
    let warnings = warnings::about_selector_of_binary(&metadata.selector);
    metadata.selector = Selector::default();
    metadata.mac_only_encrypted = false;
    metadata.layout = None;
    let bytes = binary::seal(bytes, metadata, cipher, indent)?;
    Ok(Encrypted { bytes, warnings })
}

/// Makes a data key and wraps it.
fn new_metadata(options: &EncryptOptions, keyring: &Keyring) -> Result<(DataKey, Metadata), Error> {
    let now = rfc3339(options.last_modified.unwrap_or_else(SystemTime::now));
    let data_key = DataKey::generate().map_err(|error| Error::Random(error.to_string()))?;
    let Wrapped {
        groups,
        shamir_threshold,
    } = wrap(
        keyring,
        &options.groups,
        options.shamir_threshold,
        &data_key,
        &now,
    )?;
    let metadata = Metadata {
        groups,
        shamir_threshold,
        last_modified: now,
        mac: String::new(),
        selector: options.selector.clone(),
        mac_only_encrypted: options.mac_only_encrypted,
        version: FORMAT_VERSION.to_owned(),
        layout: None,
        unknown: Vec::new(),
    };
    Ok((data_key, metadata))
}

/// What the metadata say about who can decrypt.
struct Wrapped {
    groups: Vec<Vec<KeyEntry>>,
    shamir_threshold: Option<usize>,
}

/// Wraps a data key for key groups. No threshold, or one of 0, means all of the groups; where there is one group, the metadata
/// have none.
fn wrap(
    keyring: &Keyring,
    groups: &[Vec<MasterKey>],
    shamir_threshold: Option<usize>,
    data_key: &DataKey,
    now: &str,
) -> Result<Wrapped, Error> {
    let groups = keyring
        .wrap_groups(groups, shamir_threshold, data_key, now)
        .map_err(Error::Wrap)?;
    let wanted = shamir_threshold.filter(|&wanted| wanted > 0);
    Ok(Wrapped {
        shamir_threshold: (groups.len() > 1).then_some(wanted.unwrap_or(groups.len())),
        groups,
    })
}

/// An encrypted file whose data key is not known yet.
pub struct EncryptedFile<'t> {
    text: Cow<'t, str>,
    tree: Tree,
    format: Format,
    metadata: Metadata,
}

impl<'t> EncryptedFile<'t> {
    /// Reads an encrypted file and its metadata. Needs no key.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is not in the format; [`Error::NotEncrypted`] without metadata, [`Error::Metadata`]
    /// if it is broken.
    pub fn parse(bytes: &'t [u8], format: Format) -> Result<Self, Error> {
        Self::from_text(Cow::Borrowed(text_of(bytes)?), format)
    }

    /// Reads an encrypted file as [`EncryptedFile::parse`] does, and keeps it, so that
    /// [`Unlocked::into_plaintext`] can decrypt a binary file where it lies.
    ///
    /// # Errors
    /// As [`EncryptedFile::parse`].
    pub fn from_bytes(bytes: Vec<u8>, format: Format) -> Result<Self, Error> {
        text_of(&bytes)?;
        // What the line above accepts is UTF-8.
        let text = String::from_utf8(bytes).map_err(|_| Error::NotEncrypted)?;
        Self::from_text(Cow::Owned(text), format)
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn from_text(text: Cow<'t, str>, format: Format) -> Result<Self, Error> {
        let tree = format.parse(&text, ParseOptions::default())?;
        let first = tree.documents().next().ok_or(Error::NotEncrypted)?;
        let (_, value) = tree
            .metadata_entry(&text, first)
            .ok_or(Error::NotEncrypted)?;
        let metadata = Metadata::from_raw(&format.engine().metadata(&text, &tree, value))?;
        Ok(Self {
            text,
            tree,
            format,
            metadata,
        })
    }

    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the format the file was read as.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns whether the file is what a binary file becomes: a map with a text under `data`, and nothing else but
    /// metadata. A JSON file that was encrypted under a name that says nothing of it, as the reference does it, is not.
    #[must_use]
    pub fn holds_binary(&self) -> bool {
        binary::is_envelope(&self.text, &self.tree)
    }

    /// Returns a file that was read as a binary one, but holds other values, as the JSON file that it is; any other file as
    /// it is.
    #[must_use]
    pub fn as_what_it_holds(mut self) -> Self {
        if self.format == Format::Binary && !self.holds_binary() {
            self.format = Format::Json;
        }
        self
    }

    /// Recovers the data key.
    ///
    /// # Errors
    /// [`Error::Unwrap`], which lists every key that was tried, if none of them (or too few groups) opens.
    pub fn unlock(self, keyring: &Keyring) -> Result<Unlocked<'t>, Error> {
        let data_key = keyring.unwrap(&self.metadata).map_err(Error::Unwrap)?;
        let cipher = Cipher::new(&data_key);
        Ok(Unlocked {
            file: self,
            data_key,
            layout: true,
            cipher,
        })
    }
}

/// Shows nothing of the text.
impl fmt::Debug for PlainFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match &self.0 {
            Plain::Text(plain) => plain.format,
            Plain::Binary(_) => Format::Binary,
        };
        f.debug_struct("PlainFile")
            .field("format", &format)
            .finish_non_exhaustive()
    }
}

/// Shows nothing of the text: some of its values may be in the clear.
impl fmt::Debug for EncryptedFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedFile")
            .field("format", &self.format)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// Returns the text of a file.
fn text_of(bytes: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid =
            std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked by the error");
        SyntaxError::at(
            valid,
            valid.len(),
            SyntaxErrorKind::NotUtf8,
            "the text is not UTF-8 from here on",
        )
        .with_hint("convert it to UTF-8, or encrypt it as a whole with --input-type binary")
    })?;
    if u32::try_from(text.len()).is_err() {
        return Err(SyntaxError::at(
            "",
            0,
            SyntaxErrorKind::TooLarge,
            "the text has 4 GiB or more",
        )
        .into());
    }
    Ok(text)
}

/// Gives the error of a leaf its path and place.
pub(crate) fn located(text: &str, tree: &Tree, error: LeafError, encrypting: bool) -> Error {
    let path = tree.path_of(text, error.node).to_string();
    let position = Position::of(text, tree[error.node].outer_start as usize);
    let problem = error.problem;
    if encrypting {
        Error::Encrypt {
            path,
            position,
            problem,
        }
    } else {
        Error::Decrypt {
            path,
            position,
            problem,
        }
    }
}

/// Returns whether a text is an encrypted file: it has metadata that can be read, with a version and a MAC.
///
/// # Errors
/// [`Error::Syntax`] for what is not in the format.
pub fn is_encrypted(bytes: &[u8], format: Format) -> Result<bool, Error> {
    // As in the reference, which complains of blanks.
    if bytes.is_empty() && format == Format::Yaml {
        return Ok(false);
    }
    match EncryptedFile::parse(bytes, format) {
        Ok(file) => Ok(!file.metadata.mac.is_empty() && !file.metadata.version.is_empty()),
        Err(Error::NotEncrypted | Error::Metadata(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
