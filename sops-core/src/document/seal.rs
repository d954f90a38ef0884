//! Encrypting a whole file, and the proof that decrypting gives it back.

use std::borrow::Cow;

use super::{
    Encrypted, EncryptedFile, PlainText, located,
    open::{Purpose, has_leaves, open},
};
use crate::{
    crypto::{
        Cipher, NonceSource,
        encrypt::{EncryptedLeaves, Encryption},
        fingerprint::Fingerprint,
        select::Matcher,
        stash::Stash,
    },
    error::Error,
    format::{
        Format, ParseOptions,
        edit::{Edit, splice_both},
    },
    layout::{self, Layout},
    metadata::{Metadata, Raw},
    secret::SecretText,
    tree::{NodeId, NodeKind, Tree, ValueRef},
    warnings,
};

/// Up to how many bytes of plaintext the ciphertexts are kept, in case the file has to be written a second time.
const KEPT_EDITS: usize = 1 << 20;

/// Encrypts a plain file under a data key and metadata that are there.
pub(super) struct Seal<'s> {
    pub(super) matcher: &'s Matcher,
    pub(super) cipher: &'s Cipher,
    pub(super) stash: &'s Stash,
}

impl Seal<'_> {
    pub(super) fn run(
        &self,
        plain: &PlainText<'_>,
        mut metadata: Metadata,
        with_layout: bool,
    ) -> Result<Encrypted, Error> {
        let PlainText { text, tree, format } = plain;
        let has_our_keys = with_layout && !is_operator_resource(text, tree);
        if has_our_keys && *format == Format::Yaml && has_flow_roots(tree) {
            mark(&mut metadata);
        }
        let mut draft = Draft {
            seal: self,
            plain,
            mac_only_encrypted: metadata.mac_only_encrypted,
            nonces: NonceSource::new(),
            edits: None,
        };
        let leaves = draft.encrypt()?;
        let warnings = warnings::after_encryption(text, tree, *format, &metadata, &leaves);
        draft.edits = Some(leaves.edits);
        let mac = leaves.mac.finish();
        let additional_data = metadata.mac_additional_data()?;
        metadata.mac = draft.encrypt_text(mac.expose(), additional_data.as_bytes())?;

        let (written, back) = draft.finish(&metadata)?;
        let written = match back.expose() == *text {
            true => written,
            false if has_our_keys => draft.finish_with_spellings(metadata, &back)?,
            false => {
                draft.check_values(&back)?;
                written
            }
        };
        Ok(Encrypted {
            bytes: written.into_bytes(),
            warnings,
        })
    }
}

/// A file that is being encrypted.
struct Draft<'s> {
    seal: &'s Seal<'s>,
    plain: &'s PlainText<'s>,
    mac_only_encrypted: bool,
    nonces: NonceSource,
    /// The ciphertexts, if they are there already.
    edits: Option<Vec<Edit>>,
}

impl Draft<'_> {
    fn encrypt(&mut self) -> Result<EncryptedLeaves, Error> {
        let PlainText { text, tree, format } = self.plain;
        let encryption = Encryption {
            engine: format.engine(),
            cipher: self.seal.cipher,
            matcher: self.seal.matcher,
            mac_only_encrypted: self.mac_only_encrypted,
            stash: self.seal.stash,
        };
        encryption
            .run(text, tree, &mut self.nonces)
            .map_err(|error| located(text, tree, error, true))
    }

    /// Writes the file with its metadata, and reads it again: returns it, and what decrypting it gives.
    fn finish(&mut self, metadata: &Metadata) -> Result<(String, SecretText), Error> {
        let PlainText { text, tree, format } = self.plain;
        let mut insertions = format
            .engine()
            .insert_metadata(text, tree, &metadata.to_raw());
        let mut edits = match self.edits.take() {
            Some(edits) => edits,
            None => self.encrypt()?.edits,
        };
        let written = splice_both(text, &mut edits, &mut insertions);
        // The ciphertexts of a large file are not kept for a second time, which few files need.
        self.edits = (text.len() < KEPT_EDITS).then_some(edits);

        let written = EncryptedFile::from_text(Cow::Owned(written), *format)?;
        if !is_opened_alike(&written.metadata, metadata) {
            return Err(Error::Unfaithful("its metadata cannot be written"));
        }
        let Seal {
            cipher, matcher, ..
        } = self.seal;
        let back = open(&written, cipher, matcher, Purpose::Verify)?.text;
        Ok((written.text.into_owned(), back))
    }

    /// Writes the file once more with what decrypting it did not give back.
    fn finish_with_spellings(
        &mut self,
        mut metadata: Metadata,
        back: &SecretText,
    ) -> Result<String, Error> {
        const OTHER_BYTES: Error = Error::Unfaithful("decrypting it does not give the same bytes");
        let PlainText { text, tree, .. } = self.plain;
        let layout = Layout::difference((text, tree), (back.expose(), &self.parse(back)?));
        let spellings = layout.to_text();
        if spellings.is_empty() {
            return Err(OTHER_BYTES);
        }
        let layout = self.encrypt_text(spellings.as_bytes(), layout::ADDITIONAL_DATA)?;
        metadata.layout = Some(layout);
        let (written, back) = self.finish(&metadata)?;
        match back.expose() == *text {
            true => Ok(written),
            false => Err(OTHER_BYTES),
        }
    }

    /// Checks that what decrypting gives has the values that were encrypted, if not their spellings.
    fn check_values(&self, back: &SecretText) -> Result<(), Error> {
        let PlainText { text, tree, .. } = self.plain;
        let expected = Fingerprint::of(text, tree)
            .map_err(|error| located(text, tree, error, true))?
            .finish();
        match has_leaves(back, &self.parse(back)?, expected) {
            true => Ok(()),
            false => Err(Error::Unfaithful("it has other values than were encrypted")),
        }
    }

    fn parse(&self, back: &SecretText) -> Result<Tree, Error> {
        self.plain
            .format
            .parse(back.expose(), ParseOptions::default())
            .map_err(|_| Error::Unfaithful("decrypting it gives a text that cannot be parsed"))
    }

    fn encrypt_text(&mut self, text: &[u8], additional_data: &[u8]) -> Result<String, Error> {
        let nonce = match self.seal.stash.nonce(additional_data, text) {
            Some(nonce) => nonce,
            None => self
                .nonces
                .draw()
                .map_err(|error| Error::Random(error.to_string()))?,
        };
        let mut enc = String::new();
        self.seal
            .cipher
            .encrypt_into(text, "str", additional_data, &nonce, &mut enc)
            .map_err(|_| Error::Unfaithful("it is too large"))?;
        Ok(enc)
    }
}

/// What Flux and others look for in the bytes of a YAML file to know that it is encrypted, which is how the reference writes
/// the metadata.
const MARKER: &str = "sops: mac: ENC[";

/// Adds a key that holds the marker, for metadata in flow style, where the MAC itself stands in quotes.
fn mark(metadata: &mut Metadata) {
    const KEY: &str = "marker";
    if metadata.unknown.iter().all(|(key, _)| key != KEY) {
        metadata
            .unknown
            .push((KEY.to_owned(), Raw::Text(MARKER.to_owned())));
    }
}

/// Whether all metadata of a YAML file go into flow mappings, which hold something else.
fn has_flow_roots(tree: &Tree) -> bool {
    let mut roots = tree
        .documents()
        .filter_map(|document| tree.root(document))
        .peekable();
    let is_filled_flow = |root: NodeId| {
        matches!(tree[root].kind, NodeKind::Map { flow: true })
            && tree.entries(root).next().is_some()
    };
    roots.peek().is_some() && roots.all(is_filled_flow)
}

/// Whether what is needed to open a file was read as it was written. Keys of several kinds come in an order of their own, and
/// what others wrote into the metadata opens nothing.
fn is_opened_alike(read: &Metadata, written: &Metadata) -> bool {
    let raw = |metadata: &Metadata| {
        let known = Metadata {
            unknown: Vec::new(),
            ..metadata.clone()
        };
        known.to_raw()
    };
    read.selector == written.selector && raw(read) == raw(written)
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

#[cfg(all(test, feature = "age"))]
mod tests {
    use crate::{
        DecryptOptions, EncryptOptions, EncryptedFile, Error, Format, Keyring, PlainFile, Selector,
        keys::Identities, metadata::MasterKey,
    };

    fn key() -> (Keyring, MasterKey) {
        let identities = Identities::generate();
        let recipient = identities.recipients().remove(0);
        let keyring = Keyring::new().with_identities(identities);
        (keyring, MasterKey::Age { recipient })
    }

    #[test]
    fn yaml_in_braces_holds_the_bytes_that_mark_an_encrypted_file() {
        let (keyring, key) = key();
        let options = EncryptOptions::new(vec![vec![key]]);
        let with_marker = |text: &str| {
            let plain = PlainFile::parse(text.as_bytes(), Format::Yaml).unwrap();
            let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
            let file = EncryptedFile::parse(&encrypted, Format::Yaml).unwrap();
            let unlocked = file.unlock(&keyring).unwrap();
            let back = unlocked.into_plaintext(&DecryptOptions::default()).unwrap();
            assert_eq!(back.bytes(), text.as_bytes());
            let encrypted = String::from_utf8(encrypted).unwrap();
            (
                encrypted.contains("mac: ENC["),
                encrypted.contains("marker"),
            )
        };
        assert_eq!(with_marker("{a: b}\n"), (true, true));
        assert_eq!(with_marker("{\"a\": \"b\"}"), (true, true));
        assert_eq!(with_marker("--- {a: b}\n--- {c: d}\n"), (true, true));
        assert_eq!(with_marker("--- {a: b}\n---\nc: d\n"), (true, false));
        assert_eq!(with_marker("a: {b: c}\n"), (true, false));
        assert_eq!(with_marker("{}\n"), (false, false));
        assert_eq!(
            with_marker("{\"kind\": \"SopsSecret\", \"a\": \"b\"}\n"),
            (false, false),
            "the schema of the operator refuses other keys"
        );
    }

    #[test]
    fn what_metadata_cannot_tell_is_an_error() {
        let (keyring, key) = key();
        let mut options = EncryptOptions::new(vec![vec![key]]);
        options.selector = Selector::All;
        let plain = PlainFile::parse(b"a: b\nc_unencrypted: d\n", Format::Yaml).unwrap();
        let error = plain.encrypt(&options, &keyring).unwrap_err();
        assert!(matches!(error, Error::Unfaithful(_)), "{error}");
    }

    #[test]
    fn no_threshold_is_all_groups() {
        let (keyring, key) = key();
        let groups = vec![vec![key.clone()], vec![key]];
        let mut options = EncryptOptions::new(groups.clone());
        options.shamir_threshold = Some(0);
        let plain = PlainFile::parse(b"a: b\n", Format::Yaml).unwrap();
        let encrypted = plain.encrypt(&options, &keyring).unwrap().bytes;
        let file = EncryptedFile::parse(&encrypted, Format::Yaml).unwrap();
        assert_eq!(file.metadata().shamir_threshold, Some(2));
        let unlocked = file.unlock(&keyring).unwrap();
        let rewrapped = unlocked.rewrap(&groups, Some(0), &keyring).unwrap();
        let file = EncryptedFile::parse(&rewrapped, Format::Yaml).unwrap();
        assert_eq!(file.metadata().shamir_threshold, Some(2));
    }
}
