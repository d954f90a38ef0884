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
mod convert;
mod extract;
mod rotate;
mod with_metadata;

use std::{borrow::Cow, fmt, ops::Range, time::SystemTime};

use crate::{
    binary,
    convert::convert,
    crypto::{
        Cipher, CipherError, DataKey, EncryptedValue, LeafError, LeafProblem, MacDigest,
        NonceSource,
        decrypt::Decryption,
        encrypt::Encryption,
        fingerprint::Fingerprint,
        select::{Matcher, Selector},
        stash::Stash,
    },
    error::{Error, MacError},
    format::{
        EmitStyle, Format, ParseOptions, SyntaxError, SyntaxErrorKind,
        edit::{splice, splice_both},
    },
    keys::Keyring,
    layout::{self, Layout, Spelled},
    metadata::{MasterKey, Metadata},
    plaintext::Plaintext,
    secret::{SecretBytes, SecretText},
    tree::{NodeId, NodeKind, Tree, ValueRef, span::Position, timestamp::Timestamp},
    typed,
    warning::Warning,
    warnings,
};

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
    /// [`Error::Emit`] if the format cannot hold it, [`Error::UnsupportedFormat`] if this version cannot write it.
    pub fn convert(&self, output: Format, indent: Option<usize>) -> Result<SecretBytes, Error> {
        let from = match &self.0 {
            Plain::Text(plain) => plain.format,
            Plain::Binary(_) => Format::Binary,
        };
        let style = EmitStyle {
            indent,
            beside: &|_| true,
            from: from.engine(),
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
    let warnings = warnings::about_selector_of_binary(&options.selector);
    let (data_key, mut metadata) = new_metadata(options, keyring)?;
    metadata.selector = Selector::default();
    metadata.mac_only_encrypted = false;
    let bytes = binary::seal(
        bytes,
        metadata,
        &Cipher::new(&data_key),
        options.binary_indent,
    )?;
    Ok(Encrypted { bytes, warnings })
}

/// Makes a data key and wraps it.
fn new_metadata(options: &EncryptOptions, keyring: &Keyring) -> Result<(DataKey, Metadata), Error> {
    let now = rfc3339(options.last_modified.unwrap_or_else(SystemTime::now));
    let data_key = DataKey::generate().map_err(|error| Error::Random(error.to_string()))?;
    let groups = keyring
        .wrap_groups(&options.groups, options.shamir_threshold, &data_key, &now)
        .map_err(Error::Wrap)?;
    let metadata = Metadata {
        shamir_threshold: (groups.len() > 1)
            .then(|| options.shamir_threshold.unwrap_or(groups.len())),
        groups,
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

/// An encrypted file with its data key.
#[derive(Debug)]
pub struct Unlocked<'t> {
    file: EncryptedFile<'t>,
    data_key: DataKey,
    layout: bool,
    cipher: Cipher,
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
        if self.file.format == Format::Binary {
            let bytes = self.open_binary(options.ignore_mac)?;
            let selector = self.file.metadata.selector.clone();
            return Ok(Plaintext::binary(bytes, selector));
        }
        let matcher = self.file.metadata.selector.compile()?;
        let how = Open {
            ignore_mac: options.ignore_mac,
            ..Open::default()
        };
        let Opened {
            text,
            tree,
            warnings,
            ..
        } = open(&self.file, &self.cipher, &matcher, how)?;
        let tree = tree.expect("opening parses what it gives out, unless it is told not to");
        let selector = self.file.metadata.selector.clone();
        Ok(Plaintext::new(
            text,
            tree,
            self.file.format,
            selector,
            warnings,
        ))
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

    fn update_binary(&self, plaintext: &[u8]) -> Result<Encrypted, Error> {
        let text = &self.file.text;
        if self.open_binary(true)?.expose() == plaintext {
            return Ok(Encrypted {
                bytes: text.as_bytes().to_vec(),
                warnings: Vec::new(),
            });
        }
        let mut metadata = self.file.metadata.clone();
        let warnings = warnings::about_selector_of_binary(&metadata.selector);
        metadata.selector = Selector::default();
        metadata.last_modified = rfc3339(SystemTime::now());
        metadata.raise_version(FORMAT_VERSION);
        metadata.layout = None;
        let bytes = binary::seal(
            SecretBytes::new(plaintext.to_vec()),
            metadata,
            &self.cipher,
            binary::indent_of(text),
        )?;
        Ok(Encrypted { bytes, warnings })
    }

    /// Returns the file with `layout` switched on or off for its next version, as [`EncryptOptions::layout`] does.
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
        metadata.groups = keyring
            .wrap_groups(groups, shamir_threshold, &self.data_key, &now)
            .map_err(Error::Wrap)?;
        metadata.shamir_threshold =
            (groups.len() > 1).then(|| shamir_threshold.unwrap_or(groups.len()));
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
    fn update_as(&self, plaintext: &[u8], mut metadata: Metadata) -> Result<Encrypted, Error> {
        let matcher = self.file.metadata.selector.compile()?;
        let how = Open {
            ignore_mac: true,
            with_stash: true,
            is_compared: true,
        };
        let Opened {
            text: before,
            stash,
            ..
        } = open(&self.file, &self.cipher, &matcher, how)?;
        let is_same = before.expose().as_bytes() == plaintext;
        if is_same && metadata.to_raw() == self.file.metadata.to_raw() {
            return Ok(Encrypted {
                bytes: self.file.text.as_bytes().to_vec(),
                warnings: Vec::new(),
            });
        }
        let PlainFile(Plain::Text(changed)) = PlainFile::parse(plaintext, self.file.format)? else {
            return Err(Error::UnsupportedFormat(self.file.format));
        };
        let matcher = metadata.selector.compile()?;
        metadata.last_modified = rfc3339(SystemTime::now());
        metadata.raise_version(FORMAT_VERSION);
        metadata.layout = None;
        Seal {
            matcher: &matcher,
            cipher: &self.cipher,
            stash: &stash,
        }
        .run(&changed, metadata, self.layout)
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

/// How a file is opened.
#[derive(Clone, Copy, Default)]
struct Open {
    ignore_mac: bool,
    /// Whether to collect the nonces, for encrypting again.
    with_stash: bool,
    /// Whether the caller compares the text with one it has, so that its leaves need no check.
    is_compared: bool,
}

/// What opening a file gives.
struct Opened {
    text: SecretText,
    /// The tree of the text, unless nobody asked for it.
    tree: Option<Tree>,
    warnings: Vec<Warning>,
    stash: Stash,
}

/// Decrypts a whole file, and checks that what is given out has exactly the leaves that were decrypted.
fn open(
    file: &EncryptedFile<'_>,
    cipher: &Cipher,
    matcher: &Matcher,
    how: Open,
) -> Result<Opened, Error> {
    let EncryptedFile {
        text,
        tree,
        format,
        metadata,
    } = file;
    let mut layout_stash = Stash::default();
    let layout = read_layout(metadata, cipher, &mut layout_stash).unwrap_or_default();
    let places = layout.places(text, tree, &metadata_nodes(text, tree));
    let spelled: Vec<_> = places.iter().map(|place| place.nodes.clone()).collect();
    let decryption = Decryption {
        format: *format,
        cipher,
        matcher,
        mac_only_encrypted: metadata.mac_only_encrypted,
        by_content: false,
        with_stash: how.with_stash,
        with_fingerprint: !how.is_compared,
        spelled: &spelled,
    };
    let run = |decryption: &Decryption<'_>| {
        let leaves = decryption
            .run(text, tree)
            .map_err(|error| located(text, tree, error, false))
            .map_err(|error| doubt_data_key(error, metadata, cipher))?;
        if !how.ignore_mac {
            let macs = [Some(&leaves.mac), leaves.other_mac.as_ref()];
            let digests = macs.into_iter().flatten().map(|mac| mac.clone().finish());
            check_mac(metadata, cipher, &digests.collect::<Vec<_>>())?;
        }
        Ok::<_, Error>(leaves)
    };
    // The reference moves comments when it writes a YAML file, so that they govern other values when it reads it; and in
    // INI files it lets them govern others than we do. What was encrypted can be seen, and the MAC tells whether it was.
    let is_own = how.is_compared && !how.with_stash;
    let may_be_moved = matcher.is_by_comment() && !is_own;
    let mut leaves = match run(&decryption) {
        Err(error) if may_be_moved && (!how.ignore_mac || how.with_stash) => {
            let by_content = Decryption {
                matcher: &Matcher::all(),
                by_content: true,
                ..decryption
            };
            run(&by_content).map_err(|_| error)?
        }
        other => other?,
    };
    let warnings = warnings::after_decryption(text, tree, &leaves);
    let mut stash = std::mem::take(&mut leaves.stash);
    let expected = std::mem::take(&mut leaves.fingerprint).finish();
    let removals = format.engine().remove_metadata(text, tree);

    stash.extend(layout_stash);
    if !places.is_empty() {
        let mut edits = leaves.edits.clone();
        edits.extend(removals.iter().cloned());
        Spelled::apply(&places, &mut edits);
        let spelled = SecretText::new(splice(text, &mut edits));
        if how.is_compared {
            return Ok(Opened {
                text: spelled,
                tree: None,
                warnings,
                stash,
            });
        }
        let spelled_tree = format.parse(spelled.expose(), ParseOptions::default());
        if let Ok(mut tree) = spelled_tree
            && has_leaves(&spelled, &tree, expected)
        {
            typed::restore(
                leaves.typed,
                &file.tree,
                &metadata_nodes(text, &file.tree),
                &mut tree,
            );
            return Ok(Opened {
                text: spelled,
                tree: Some(tree),
                warnings,
                stash,
            });
        }
    }
    let mut removals = removals;
    leaves.edits.append(&mut leaves.unspelled);
    let plain = SecretText::new(splice_both(text, &mut leaves.edits, &mut removals));
    drop((leaves.edits, removals));
    if how.is_compared {
        return Ok(Opened {
            text: plain,
            tree: None,
            warnings,
            stash,
        });
    }
    let mut tree = format
        .parse(plain.expose(), ParseOptions::default())
        .map_err(|_| Error::Unfaithful("it cannot be parsed"))?;
    if leaves.lossy.is_empty() && !has_leaves(&plain, &tree, expected) {
        return Err(Error::Unfaithful("it has other values than were decrypted"));
    }
    typed::restore(
        leaves.typed,
        &file.tree,
        &metadata_nodes(text, &file.tree),
        &mut tree,
    );
    Ok(Opened {
        text: plain,
        tree: Some(tree),
        warnings,
        stash,
    })
}

fn has_leaves(text: &SecretText, tree: &Tree, expected: u64) -> bool {
    Fingerprint::of(text.expose(), tree).is_ok_and(|fingerprint| fingerprint.finish() == expected)
}

/// Checks that the MAC in the metadata is one of those that the values can have.
pub(crate) fn check_mac(
    metadata: &Metadata,
    cipher: &Cipher,
    macs: &[MacDigest],
) -> Result<(), Error> {
    if metadata.mac.is_empty() {
        return Err(MacError::Missing.into());
    }
    let stored = read_mac(metadata, cipher)?.map_err(|_| MacError::Unreadable)?;
    match macs.iter().any(|mac| mac.matches(&stored)) {
        true => Ok(()),
        false => Err(MacError::Mismatch.into()),
    }
}

fn read_mac(metadata: &Metadata, cipher: &Cipher) -> Result<Result<Vec<u8>, CipherError>, Error> {
    let additional_data = metadata.mac_additional_data()?;
    let mut stored = Vec::new();
    Ok(EncryptedValue::parse(metadata.mac.as_bytes())
        .and_then(|mac| cipher.decrypt_into(&mac, additional_data.as_bytes(), &mut stored))
        .map(|_| stored))
}

/// Says of a value that cannot be decrypted that the data key is to blame, if the MAC cannot be decrypted either.
fn doubt_data_key(error: Error, metadata: &Metadata, cipher: &Cipher) -> Error {
    match error {
        Error::Decrypt {
            path,
            position,
            problem: LeafProblem::Authentication,
        } if matches!(
            read_mac(metadata, cipher),
            Ok(Err(CipherError::Authentication))
        ) =>
        {
            Error::Decrypt {
                path,
                position,
                problem: LeafProblem::OtherDataKey,
            }
        }
        error => error,
    }
}

/// Decrypts the spellings in the metadata. Damaged ones are none: they are only hints.
fn read_layout(metadata: &Metadata, cipher: &Cipher, stash: &mut Stash) -> Option<Layout> {
    let mut text = zeroize::Zeroizing::new(Vec::new());
    let encrypted = EncryptedValue::parse(metadata.layout.as_ref()?.as_bytes()).ok()?;
    cipher
        .decrypt_into(&encrypted, layout::ADDITIONAL_DATA, &mut text)
        .ok()?;
    if let Some(nonce) = encrypted.nonce() {
        stash.remember(layout::ADDITIONAL_DATA, &text, nonce);
    }
    Layout::from_text(std::str::from_utf8(&text).ok()?)
}

/// Up to how many bytes of plaintext the ciphertexts are kept, in case the file has to be written a second time.
const KEPT_EDITS: usize = 1 << 20;

/// Encrypts a plain file under a data key and metadata that are there.
struct Seal<'s> {
    matcher: &'s Matcher,
    cipher: &'s Cipher,
    stash: &'s Stash,
}

impl Seal<'_> {
    fn run(
        &self,
        plain: &PlainText<'_>,
        mut metadata: Metadata,
        with_layout: bool,
    ) -> Result<Encrypted, Error> {
        let PlainText { text, tree, format } = plain;
        let mut nonces = NonceSource::new();
        let encryption = Encryption {
            engine: format.engine(),
            cipher: self.cipher,
            matcher: self.matcher,
            mac_only_encrypted: metadata.mac_only_encrypted,
            stash: self.stash,
        };
        let encrypt = |nonces: &mut NonceSource| {
            encryption
                .run(text, tree, nonces)
                .map_err(|error| located(text, tree, error, true))
        };
        let leaves = encrypt(&mut nonces)?;
        let warnings = warnings::after_encryption(text, tree, *format, &metadata, &leaves);

        let mac = leaves.mac.finish();
        let additional_data = metadata.mac_additional_data()?;
        metadata.mac = self.encrypt_text(mac.expose(), additional_data.as_bytes(), &mut nonces)?;
        let mut edits = Some(leaves.edits);
        let mut write = |metadata: &Metadata, nonces: &mut NonceSource| {
            let mut insertions = format
                .engine()
                .insert_metadata(text, tree, &metadata.to_raw());
            let mut leaves = match edits.take() {
                Some(edits) => edits,
                None => encrypt(nonces)?.edits,
            };
            let written = splice_both(text, &mut leaves, &mut insertions);
            // The ciphertexts of a large file are not kept for a second time, which few files need.
            edits = (text.len() < KEPT_EDITS).then_some(leaves);
            Ok::<_, Error>(written)
        };

        let how = Open {
            is_compared: true,
            ..Open::default()
        };
        let mut reopen = |metadata: &Metadata, nonces: &mut NonceSource| {
            let written = EncryptedFile::from_text(Cow::Owned(write(metadata, nonces)?), *format)?;
            let back = open(&written, self.cipher, self.matcher, how)?.text;
            Ok::<_, Error>((written, back))
        };
        let (mut written, mut back) = reopen(&metadata, &mut nonces)?;
        if back.expose() != *text {
            let back_tree = format
                .parse(back.expose(), ParseOptions::default())
                .map_err(|_| {
                    Error::Unfaithful("decrypting it gives a text that cannot be parsed")
                })?;
            if !with_layout || is_operator_resource(text, tree) {
                let expected = Fingerprint::of(text, tree)
                    .map_err(|error| located(text, tree, error, true))?
                    .finish();
                if !has_leaves(&back, &back_tree, expected) {
                    return Err(Error::Unfaithful("it has other values than were encrypted"));
                }
                return Ok(Encrypted {
                    bytes: written.text.into_owned().into_bytes(),
                    warnings,
                });
            }
            let layout = Layout::difference((text, tree), (back.expose(), &back_tree));
            let spellings = layout.to_text();
            if spellings.is_empty() {
                return Err(Error::Unfaithful(
                    "decrypting it does not give the same bytes",
                ));
            }
            metadata.layout = Some(self.encrypt_text(
                spellings.as_bytes(),
                layout::ADDITIONAL_DATA,
                &mut nonces,
            )?);
            (written, back) = reopen(&metadata, &mut nonces)?;
            if back.expose() != *text {
                return Err(Error::Unfaithful(
                    "decrypting it does not give the same bytes",
                ));
            }
        }
        Ok(Encrypted {
            bytes: written.text.into_owned().into_bytes(),
            warnings,
        })
    }

    fn encrypt_text(
        &self,
        text: &[u8],
        additional_data: &[u8],
        nonces: &mut NonceSource,
    ) -> Result<String, Error> {
        let nonce = match self.stash.nonce(additional_data, text) {
            Some(nonce) => nonce,
            None => nonces
                .draw()
                .map_err(|error| Error::Random(error.to_string()))?,
        };
        let mut enc = String::new();
        self.cipher
            .encrypt_into(text, "str", additional_data, &nonce, &mut enc)
            .map_err(|_| Error::Unfaithful("it is too large"))?;
        Ok(enc)
    }
}

/// Whether the file is a resource whose schema lists the metadata keys and refuses others.
fn is_operator_resource(text: &str, tree: &Tree) -> bool {
    tree.documents()
        .filter_map(|document| tree.root(document))
        .any(|root| {
            matches!(tree[root].kind, NodeKind::Map { .. })
                && tree
                    .entry(text, root, "kind")
                    .is_some_and(|(_, kind)| match &tree[kind].kind {
                        NodeKind::Scalar(scalar) => {
                            matches!(scalar.value.view(text), ValueRef::Str(b"SopsSecret"))
                        }
                        _ => false,
                    })
        })
}

/// The nodes of the metadata of each document, which `layout` does not count.
fn metadata_nodes(text: &str, tree: &Tree) -> Vec<Range<NodeId>> {
    tree.documents()
        .filter_map(|document| tree.metadata_entry(text, document))
        .map(|(key, value)| key..NodeId(tree[value].end))
        .collect()
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

/// Returns a time as the metadata writes it: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    let time = ValueRef::Time(Timestamp {
        seconds,
        nanoseconds: 0,
        offset_minutes: 0,
    });
    let mut text = Vec::new();
    time.plaintext(&mut text);
    String::from_utf8(text).expect("times are written in ASCII")
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
