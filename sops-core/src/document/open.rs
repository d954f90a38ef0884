//! Decrypting a whole file, and the proof that nothing was lost on the way.

use std::ops::Range;

use super::{EncryptedFile, located};
use crate::{
    crypto::{
        Cipher, CipherError, EncryptedValue, LeafProblem, MacDigest,
        decrypt::{DecryptedLeaves, Decryption},
        fingerprint::Fingerprint,
        select::Matcher,
        stash::Stash,
    },
    error::{Error, MacError},
    format::{
        ParseOptions,
        edit::{splice, splice_both},
    },
    layout::{self, Layout, Spelled},
    metadata::Metadata,
    secret::SecretText,
    tree::{NodeId, Tree},
    typed,
    warning::Warning,
    warnings,
};

/// How a file is opened.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    pub(super) ignore_mac: bool,
    /// Whether to collect the nonces, for encrypting again.
    pub(super) with_stash: bool,
    /// Whether the caller compares the text with one it has, so that its leaves need no check.
    pub(super) is_compared: bool,
}

/// What opening a file gives.
pub(super) struct Opened {
    pub(super) text: SecretText,
    /// The tree of the text, unless nobody asked for it.
    pub(super) tree: Option<Tree>,
    pub(super) warnings: Vec<Warning>,
    pub(super) stash: Stash,
}

/// Decrypts a whole file, and checks that what is given out has exactly the leaves that were decrypted.
pub(super) fn open(
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
        with_edits: true,
        spelled: &spelled,
        changed: &[],
    };
    let run = |decryption: &Decryption<'_>| open_leaves(file, decryption, how.ignore_mac);
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

/// Decrypts all leaves, and checks the MAC unless it is ignored.
pub(super) fn open_leaves(
    file: &EncryptedFile<'_>,
    decryption: &Decryption<'_>,
    ignore_mac: bool,
) -> Result<DecryptedLeaves, Error> {
    let EncryptedFile {
        text,
        tree,
        metadata,
        ..
    } = file;
    let cipher = decryption.cipher;
    let leaves = decryption
        .run(text, tree)
        .map_err(|error| located(text, tree, error, false))
        .map_err(|error| doubt_data_key(error, metadata, cipher))?;
    if !ignore_mac {
        let macs = [Some(&leaves.mac), leaves.other_mac.as_ref()];
        let digests = macs.into_iter().flatten().map(|mac| mac.clone().finish());
        check_mac(metadata, cipher, &digests.collect::<Vec<_>>())?;
    }
    Ok(leaves)
}

pub(super) fn has_leaves(text: &SecretText, tree: &Tree, expected: u64) -> bool {
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
pub(super) fn doubt_data_key(error: Error, metadata: &Metadata, cipher: &Cipher) -> Error {
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
pub(super) fn read_layout(
    metadata: &Metadata,
    cipher: &Cipher,
    stash: &mut Stash,
) -> Option<Layout> {
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

/// The nodes of the metadata of each document, which `layout` does not count.
pub(super) fn metadata_nodes(text: &str, tree: &Tree) -> Vec<Range<NodeId>> {
    tree.documents()
        .filter_map(|document| tree.metadata_entry(text, document))
        .map(|(key, value)| key..NodeId(tree[value].end))
        .collect()
}
