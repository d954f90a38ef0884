//! Encrypting a whole file, and the proof that decrypting gives it back.

use std::borrow::Cow;

use super::{
    Encrypted, EncryptedFile, PlainText, located,
    open::{Open, has_leaves, open},
};
use crate::{
    crypto::{
        Cipher, NonceSource, encrypt::Encryption, fingerprint::Fingerprint, select::Matcher,
        stash::Stash,
    },
    error::Error,
    format::{Format, ParseOptions, edit::splice_both},
    layout::{self, Layout},
    metadata::{Metadata, Raw},
    tree::{NodeKind, Tree, ValueRef},
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
        let has_our_keys = with_layout && !is_operator_resource(text, tree);
        if has_our_keys && *format == Format::Yaml && has_flow_roots(tree) {
            mark(&mut metadata);
        }
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
            if !is_opened_alike(&written.metadata, metadata) {
                return Err(Error::Unfaithful("its metadata cannot be written"));
            }
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
            if !has_our_keys {
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

/// Whether all metadata of a YAML file go into flow mappings.
fn has_flow_roots(tree: &Tree) -> bool {
    let mut roots = tree
        .documents()
        .filter_map(|document| tree.root(document))
        .peekable();
    roots.peek().is_some()
        && roots.all(|root| matches!(tree[root].kind, NodeKind::Map { flow: true }))
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
