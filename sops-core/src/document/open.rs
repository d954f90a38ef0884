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
        edit::{Edit, splice, splice_both},
    },
    layout::{self, Layout, Spelled},
    metadata::Metadata,
    secret::SecretText,
    tree::{NodeId, Tree},
    typed,
    warning::Warning,
    warnings,
};

/// How often, and for how many bytes altogether, a file is read to find out which spellings of its layout fit.
const MOST_TRIES: usize = 200;
const TRIED_BYTES: usize = 64 << 20;

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The plaintext is given out.
    Read { ignore_mac: bool },
    /// The plaintext is compared with the one that was encrypted just now.
    Verify,
    /// A changed plaintext is encrypted, whose values keep their nonces where they did not change. The MAC, which is made
    /// anew, is not checked.
    EncryptAgain,
}

impl Purpose {
    fn ignores_mac(self) -> bool {
        matches!(self, Self::Read { ignore_mac: true } | Self::EncryptAgain)
    }
}

/// What opening a file gives.
pub(super) struct Opened {
    pub(super) text: SecretText,
    /// The tree of a text that is given out.
    pub(super) tree: Option<Tree>,
    pub(super) warnings: Vec<Warning>,
    pub(super) stash: Stash,
}

/// Decrypts a whole file, and checks that what is given out has exactly the leaves that were decrypted.
pub(super) fn open(
    file: &EncryptedFile<'_>,
    cipher: &Cipher,
    matcher: &Matcher,
    purpose: Purpose,
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
    let is_given_out = matches!(purpose, Purpose::Read { .. });
    let decryption = Decryption {
        format: *format,
        cipher,
        matcher,
        mac_only_encrypted: metadata.mac_only_encrypted,
        by_content: false,
        with_stash: purpose == Purpose::EncryptAgain,
        with_fingerprint: is_given_out,
        with_edits: true,
        spelled: &spelled,
        changed: &[],
    };
    let mut leaves = open_moved(file, &decryption, purpose)?;
    let warnings = warnings::after_decryption(text, tree, &leaves);
    let mut stash = std::mem::take(&mut leaves.stash);
    stash.extend(layout_stash);
    let expected = std::mem::take(&mut leaves.fingerprint).finish();
    let may_differ = !leaves.lossy.is_empty();
    let with_tree = |text: SecretText, may_differ: bool| {
        if !is_given_out {
            return Ok((text, None));
        }
        let tree = format
            .parse(text.expose(), ParseOptions::default())
            .map_err(|_| Error::Unfaithful("it cannot be parsed"))?;
        match may_differ || has_leaves(&text, &tree, expected) {
            true => Ok((text, Some(tree))),
            false => Err(Error::Unfaithful("it has other values than were decrypted")),
        }
    };

    let mut removals = format.engine().remove_metadata(text, tree);
    let with_spellings = |places: &[Spelled<'_>], unspelled: &[Edit]| {
        let edits = [&leaves.edits, unspelled, &removals];
        let mut edits: Vec<_> = edits.into_iter().flatten().cloned().collect();
        Spelled::apply(places, &mut edits);
        with_tree(SecretText::new(splice(text, &mut edits)), false).ok()
    };
    let mut spelled = match places.is_empty() {
        true => None,
        false => with_spellings(&places, &[]),
    };
    if spelled.is_none() && !places.is_empty() {
        let tries = (TRIED_BYTES / text.len().max(1)).clamp(1, MOST_TRIES);
        layout::usable(places, tries, |places| {
            let usable = with_spellings(places, &leaves.unspelled);
            let fits = usable.is_some();
            spelled = usable.or(spelled.take());
            fits
        });
    }
    let (plain, mut plain_tree) = match spelled {
        Some(spelled) => spelled,
        None => {
            leaves.edits.append(&mut leaves.unspelled);
            let plain = SecretText::new(splice_both(text, &mut leaves.edits, &mut removals));
            drop((leaves.edits, removals));
            with_tree(plain, may_differ)?
        }
    };
    if let Some(plain_tree) = &mut plain_tree {
        let metadata = metadata_nodes(text, tree);
        typed::restore(leaves.typed, tree, &metadata, plain_tree);
    }
    Ok(Opened {
        text: plain,
        tree: plain_tree,
        warnings,
        stash,
    })
}

/// Decrypts all leaves, also those that a comment governs which another program moved.
///
/// The reference moves comments when it writes a YAML file, so that they govern other values when it reads it; and in INI files
/// it lets them govern others than we do. What was encrypted can be seen, and the MAC tells whether it was. When the file is
/// encrypted again, what can be seen comes first: the MAC, which is not checked then, would tell of values that no comment
/// governs any more.
fn open_moved(
    file: &EncryptedFile<'_>,
    decryption: &Decryption<'_>,
    purpose: Purpose,
) -> Result<DecryptedLeaves, Error> {
    let ignore_mac = purpose.ignores_mac();
    let by_comments = || open_leaves(file, decryption, ignore_mac);
    let by_content = || {
        let by_content = Decryption {
            by_content: true,
            ..*decryption
        };
        open_leaves(file, &by_content, ignore_mac)
    };
    if !decryption.matcher.is_by_comment() {
        return by_comments();
    }
    match purpose {
        Purpose::Read { ignore_mac: true } | Purpose::Verify => by_comments(),
        Purpose::Read { ignore_mac: false } => {
            by_comments().or_else(|error| by_content().map_err(|_| error))
        }
        Purpose::EncryptAgain => by_content().or_else(|_| by_comments()),
    }
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
        .and_then(|mac| match mac.kind {
            "str" => cipher.decrypt_into(&mac, additional_data.as_bytes(), &mut stored),
            _ => Err(CipherError::BadFormat),
        })
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
