//! Decrypting the leaves and comments of a document: one walk that yields edits, the MAC, and what changed hands.

use std::{collections::VecDeque, ops::Range};

use zeroize::Zeroizing;

use super::{
    Cipher, CipherError, EncryptedValue, LeafError, LeafProblem, Mac,
    ahead::on_all_cores,
    buffer::Buffer,
    fingerprint::Fingerprint,
    looks_encrypted, mac_of_leaves,
    select::Matcher,
    stash::Stash,
    walk::{Place, Visitor, is_padded, walk},
};
use crate::{
    format::{CommentItem, Format, edit::Edit},
    secret::{SecretBytes, SecretText},
    tree::{NodeId, NodeKind, Scalar, Tree, ValueRef},
    typed::{self, Typed},
};

/// What decrypting a document needs to know.
pub(crate) struct Decryption<'d> {
    pub(crate) format: Format,
    pub(crate) cipher: &'d Cipher,
    pub(crate) matcher: &'d Matcher,
    pub(crate) mac_only_encrypted: bool,
    /// Whether those values are selected that look encrypted, whatever `matcher` says. Those that it does not select are
    /// orphans.
    pub(crate) by_content: bool,
    /// Whether to collect the nonces, for encrypting again.
    pub(crate) with_stash: bool,
    /// Whether to collect the fingerprint.
    pub(crate) with_fingerprint: bool,
    /// Whether to collect the plaintexts; without, there is the MAC.
    pub(crate) with_edits: bool,
    /// Nodes whose spelling is known, in order. Their edits are kept apart.
    pub(crate) spelled: &'d [Range<NodeId>],
    /// Leaves that get other values, in order, for the MAC that the file has then.
    pub(crate) changed: &'d [ChangedLeaf],
}

/// A leaf that gets another value.
pub(crate) struct ChangedLeaf {
    pub(crate) node: NodeId,
    /// The plaintext of the new value.
    pub(crate) plaintext: SecretBytes,
}

/// What decrypting a document gives.
pub(crate) struct DecryptedLeaves {
    /// The plaintexts, in the places of the ciphertexts.
    pub(crate) edits: Vec<Edit>,
    /// The same for nodes whose spelling is known, in case it cannot be used.
    pub(crate) unspelled: Vec<Edit>,
    pub(crate) mac: Mac,
    /// The MAC if every `-0` in the clear is a floating-point number: so the reference writes them, and reads integers.
    pub(crate) other_mac: Option<Mac>,
    /// The MAC with the changed leaves, if there are any.
    pub(crate) changed_mac: Option<Mac>,
    /// The fingerprint that the decrypted text has to have.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) stash: Stash,
    /// Comments that look encrypted, and could not be decrypted; they stay as they are.
    pub(crate) undecrypted_comments: Vec<NodeId>,
    /// Texts that this format cannot hold as they are (bytes that are not UTF-8, in JSON).
    pub(crate) lossy: Vec<NodeId>,
    /// The values that their texts in this format cannot tell.
    pub(crate) typed: Typed,
}

impl<'d> Decryption<'d> {
    /// Returns what asks for nothing but the MAC.
    pub(crate) fn of_mac(
        format: Format,
        cipher: &'d Cipher,
        matcher: &'d Matcher,
        mac_only_encrypted: bool,
    ) -> Self {
        Self {
            format,
            cipher,
            matcher,
            mac_only_encrypted,
            by_content: false,
            with_stash: false,
            with_fingerprint: false,
            with_edits: false,
            spelled: &[],
            changed: &[],
        }
    }
}

impl Decryption<'_> {
    /// Decrypts the selected leaves and comments of `tree`.
    pub(crate) fn run(&self, source: &str, tree: &Tree) -> Result<DecryptedLeaves, LeafError> {
        let mut out = DecryptedLeaves {
            edits: Vec::new(),
            unspelled: Vec::new(),
            mac: Mac::new(self.mac_only_encrypted),
            other_mac: None,
            changed_mac: None,
            fingerprint: Fingerprint::default(),
            stash: Stash::default(),
            undecrypted_comments: Vec::new(),
            lossy: Vec::new(),
            typed: Vec::new(),
        };
        let is_only_mac = !(self.with_edits || self.with_fingerprint || self.with_stash);
        if is_only_mac && let Some(macs) = mac_of_leaves::of_large(self, source, tree) {
            out.mac = macs.mac;
            out.changed_mac = macs.changed;
            return Ok(out);
        }
        let ahead = self.ahead(source, tree)?;
        let mut decryptor = Decryptor {
            ahead,
            retries: RETRIES,
            with: self,
            source,
            tree,
            plaintext: Buffer::default(),
            restored: Vec::new(),
            canonical: Zeroizing::new(Vec::new()),
            comment_items: Vec::new(),
            out,
        };
        walk(source, tree, self.matcher, &mut decryptor)?;
        let Decryptor {
            comment_items,
            mut out,
            ..
        } = decryptor;
        self.format
            .engine()
            .restored_comment_items(source, tree, &comment_items, &mut out.edits);
        Ok(out)
    }
}

impl Decryption<'_> {
    fn is_spelled(&self, id: NodeId) -> bool {
        let after = self.spelled.partition_point(|nodes| nodes.start <= id);
        after
            .checked_sub(1)
            .is_some_and(|before| self.spelled[before].contains(&id))
    }

    /// Decrypts the leaves of a large file on all cores.
    fn ahead(&self, source: &str, tree: &Tree) -> Result<Plaintexts, LeafError> {
        let all = Matcher::all();
        let matcher = if self.by_content { &all } else { self.matcher };
        let parts = on_all_cores(source, tree, matcher, is_encrypted, |part| {
            let size = part.leaves().map(|leaf| plaintext_len(leaf.value)).sum();
            let mut bytes = Zeroizing::new(Vec::with_capacity(size));
            let mut plaintext = Zeroizing::new(Vec::new());
            let mut edits = Vec::new();
            let leaves = part.leaves().map(|leaf| {
                let ValueRef::Str(text) = leaf.value else {
                    return Err(LeafProblem::NotText);
                };
                let encrypted = EncryptedValue::parse(text).map_err(problem)?;
                self.cipher
                    .decrypt_into(&encrypted, leaf.additional_data, &mut plaintext)
                    .map_err(problem)?;
                extend(&mut bytes, &plaintext);
                let before = edits.len();
                // What is wrong with a plaintext is found where it is used.
                if let Ok(value) = ValueRef::from_plaintext(encrypted.kind, &plaintext)
                    && self.with_edits
                    && !leaf.is_copy
                    && encrypted.kind != COMMENT
                {
                    let engine = self.format.engine();
                    engine.restored(source, tree, leaf.id, value, &mut edits);
                }
                Ok(LeafAhead {
                    end: bytes.len(),
                    edits: edits.len() - before,
                })
            });
            let leaves = leaves.collect::<Vec<_>>().into_iter();
            PlaintextPart {
                bytes,
                leaves,
                edits: edits.into_iter(),
                start: 0,
            }
        })?;
        Ok(Plaintexts(parts.into()))
    }
}

/// The plaintexts of leaves, in the order of the walk.
struct Plaintexts(VecDeque<PlaintextPart>);

/// Plaintexts one after the other, and the edits that write them.
struct PlaintextPart {
    bytes: Zeroizing<Vec<u8>>,
    leaves: std::vec::IntoIter<Result<LeafAhead, LeafProblem>>,
    edits: std::vec::IntoIter<Edit>,
    /// Where the next plaintext starts.
    start: usize,
}

/// A leaf that was decrypted ahead of the walk.
struct LeafAhead {
    /// Where its plaintext ends.
    end: usize,
    /// How many edits write it.
    edits: usize,
}

impl Plaintexts {
    /// Puts the next plaintext into `out`, and the edits that write it into `edits`. False if there is none.
    fn take(&mut self, out: &mut Vec<u8>, edits: &mut Vec<Edit>) -> Result<bool, LeafProblem> {
        while let Some(part) = self.0.front_mut() {
            let Some(leaf) = part.leaves.next() else {
                self.0.pop_front();
                continue;
            };
            let leaf = leaf?;
            out.clear();
            out.extend_from_slice(&part.bytes[part.start..leaf.end]);
            part.start = leaf.end;
            edits.extend(part.edits.by_ref().take(leaf.edits));
            return Ok(true);
        }
        Ok(false)
    }
}

/// About how long the plaintext of a value is that was written as values are.
pub(super) fn plaintext_len(value: ValueRef<'_>) -> usize {
    /// What stands around the data.
    const FRAME: usize = "ENC[AES256_GCM,data:,iv:,tag:,type:str]".len() + 44 + 24;
    match value {
        ValueRef::Str(text) => text.len().saturating_sub(FRAME) / 4 * 3,
        _ => 0,
    }
}

/// Appends to bytes that are wiped when they have to move.
pub(super) fn extend(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let length = bytes.len() + more.len();
    if length > bytes.capacity() {
        let mut moved = Zeroizing::new(Vec::with_capacity(length.max(2 * bytes.capacity())));
        moved.extend_from_slice(bytes);
        *bytes = moved;
    }
    bytes.extend_from_slice(more);
}

/// Whether a selected value has to be decrypted. An empty text is never encrypted.
fn is_encrypted(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Str(text) if looks_encrypted(text))
}

/// The type word of encrypted comments.
pub(super) const COMMENT: &str = "comment";

/// How many comments of a file are tried under other paths than their own. Only files that other programs wrote, or
/// that were damaged, have such comments.
const RETRIES: usize = 1000;

/// Under how many paths around its own each of them is tried.
const OTHER_PATHS: usize = 64;

struct Decryptor<'r, 'd> {
    with: &'r Decryption<'d>,
    /// The plaintexts of the leaves, if they were decrypted ahead of the walk.
    ahead: Plaintexts,
    retries: usize,
    source: &'r str,
    tree: &'r Tree,
    plaintext: Buffer,
    /// The edits that write the current leaf, if they were made ahead.
    restored: Vec<Edit>,
    canonical: Zeroizing<Vec<u8>>,
    comment_items: Vec<CommentItem>,
    out: DecryptedLeaves,
}

impl Decryptor<'_, '_> {
    fn remember(
        &mut self,
        encrypted: &EncryptedValue<'_>,
        additional_data: &[u8],
        plaintext: &[u8],
    ) {
        if self.with.with_stash
            && let Some(nonce) = encrypted.nonce()
        {
            self.out.stash.remember(additional_data, plaintext, nonce);
        }
    }

    fn encrypted_leaf(&mut self, at: &Place<'_>, text: &[u8]) -> Result<(), LeafProblem> {
        if !looks_encrypted(text) {
            return Err(LeafProblem::NotEncrypted);
        }
        let encrypted = EncryptedValue::parse(text).map_err(problem)?;
        let is_ahead = self.ahead.take(&mut self.plaintext, &mut self.restored)?;
        if !is_ahead {
            self.with
                .cipher
                .decrypt_into(&encrypted, at.additional_data, &mut self.plaintext)
                .map_err(problem)?;
        }
        if encrypted.kind == COMMENT {
            return self.comment_item(at, &encrypted);
        }
        let plaintext = std::mem::take(&mut self.plaintext);
        let value =
            ValueRef::from_plaintext(encrypted.kind, &plaintext).map_err(|error| match error {
                crate::tree::PlaintextError::UnknownType => LeafProblem::UnknownType,
                _ => LeafProblem::BadPlaintext,
            })?;
        self.count(at, value);
        self.remember(&encrypted, at.additional_data, &plaintext);
        if at.alias.is_none()
            && let ValueRef::Str(bytes) = value
            && !self.with.format.engine().holds(bytes)
        {
            self.out.lossy.push(at.id);
        }
        if at.alias.is_none() && self.with.with_edits {
            if self.with.with_fingerprint {
                let untold = typed::untold(self.with.format.engine(), value);
                self.out.typed.extend(untold.map(|value| (at.id, value)));
            }
            let edits = match self.with.is_spelled(at.id) {
                true => &mut self.out.unspelled,
                false => &mut self.out.edits,
            };
            match is_ahead {
                true => edits.append(&mut self.restored),
                false => {
                    self.with
                        .format
                        .engine()
                        .restored(self.source, self.tree, at.id, value, edits)
                }
            }
        }
        self.plaintext = plaintext;
        Ok(())
    }

    /// The reference writes a comment that stands between the items of a list as an item of the list. It is a comment.
    fn comment_item(
        &mut self,
        at: &Place<'_>,
        encrypted: &EncryptedValue<'_>,
    ) -> Result<(), LeafProblem> {
        if !at.in_list || at.alias.is_some() {
            return Err(LeafProblem::CommentAsValue);
        }
        let plaintext = std::mem::take(&mut self.plaintext);
        self.remember(encrypted, at.additional_data, &plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| LeafProblem::BadPlaintext)?;
        self.comment_items.push(CommentItem {
            id: at.id,
            text: SecretText::new(text.to_owned()),
        });
        self.plaintext = plaintext;
        Ok(())
    }

    /// Takes a decrypted or clear value into the MAC and the fingerprint.
    fn count(&mut self, at: &Place<'_>, value: ValueRef<'_>) {
        self.canonical.clear();
        value.plaintext(&mut self.canonical);
        if at.selected || !self.with.mac_only_encrypted {
            let is_negative_zero =
                matches!(value, ValueRef::Int(0)) && self.tree[at.id].span.of(self.source) == "-0";
            if is_negative_zero && self.out.other_mac.is_none() {
                self.out.other_mac = Some(self.out.mac.clone());
            }
            let changed = self.with.changed;
            let changed = changed.binary_search_by_key(&at.id, |leaf| leaf.node).ok();
            let changed = changed.map(|index| &self.with.changed[index]);
            if changed.is_some() && self.out.changed_mac.is_none() {
                self.out.changed_mac = Some(self.out.mac.clone());
            }
            if let Some(mac) = &mut self.out.changed_mac {
                mac.update(changed.map_or(&self.canonical, |leaf| leaf.plaintext.expose()));
            }
            self.out.mac.update(&self.canonical);
            if let Some(other) = &mut self.out.other_mac {
                other.update(if is_negative_zero {
                    b"-0"
                } else {
                    &self.canonical
                });
            }
        }
        if !self.with.with_fingerprint {
            return;
        }
        // JSON has no times, for one: what is decrypted there is written as a text.
        let text = self.with.format.engine().as_text(value);
        let written = match &text {
            Some(text) => ValueRef::Str(text.as_bytes()),
            None => value,
        };
        self.out.fingerprint.add(at.additional_data, written);
    }
}

impl Visitor for Decryptor<'_, '_> {
    type Error = LeafError;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), LeafError> {
        let fail = |problem| LeafError {
            node: at.alias.unwrap_or(at.id),
            problem,
        };
        let value = scalar.value.view(self.source);
        let is_orphan = self.with.by_content && !at.selected && is_encrypted(value);
        let at = &match self.with.by_content {
            true => Place {
                selected: is_encrypted(value),
                ..*at
            },
            false => *at,
        };
        match value {
            ValueRef::Unsigned(_) => Err(fail(LeafProblem::IntegerTooLarge)),
            ValueRef::Null => {
                if self.with.with_fingerprint {
                    self.out.fingerprint.add(at.additional_data, value);
                }
                Ok(())
            }
            // An empty text is never encrypted.
            ValueRef::Str(text) if at.selected && !text.is_empty() => {
                self.encrypted_leaf(at, text).map_err(fail)?;
                if is_orphan {
                    let orphans = &mut self.out.stash.orphans;
                    orphans.add_value(at.additional_data, &self.plaintext);
                }
                Ok(())
            }
            ValueRef::Str(_) => {
                self.count(at, value);
                Ok(())
            }
            _ if at.selected => Err(fail(LeafProblem::NotText)),
            _ => {
                self.count(at, value);
                Ok(())
            }
        }
    }

    fn comment(&mut self, at: &Place<'_>) -> Result<(), LeafError> {
        let span = self.tree[at.id].span;
        let text = span.of(self.source);
        let is_orphan = self.with.by_content && !at.selected;
        if at.alias.is_some() || !(at.selected || is_orphan) || !looks_encrypted(text.as_bytes()) {
            return Ok(());
        }
        let mut decrypted = None;
        if let Ok(encrypted) = EncryptedValue::parse(text.as_bytes()) {
            let cipher = self.with.cipher;
            let mut opens = |path: &[u8]| {
                cipher
                    .decrypt_into(&encrypted, path, &mut self.plaintext)
                    .is_ok()
            };
            if opens(at.additional_data) {
                decrypted = Some((encrypted, at.additional_data.to_vec()));
            } else if self.retries > 0 && encrypted.kind == COMMENT {
                self.retries -= 1;
                let others = other_comment_paths(self.source, self.tree, at);
                decrypted = others
                    .into_iter()
                    .find(|path| opens(path))
                    .map(|path| (encrypted, path));
            }
        }
        let plaintext = std::mem::take(&mut self.plaintext);
        match (decrypted, std::str::from_utf8(&plaintext)) {
            (Some((encrypted, path)), Ok(comment)) => {
                self.remember(&encrypted, &path, &plaintext);
                if is_orphan {
                    self.out.stash.orphans.add_comment(&plaintext);
                }
                let comment = match is_padded(at, &plaintext) {
                    true => comment.strip_suffix(' ').unwrap_or(comment),
                    false => comment,
                };
                self.with.format.engine().restored_comment(
                    self.source,
                    self.tree,
                    at.id,
                    comment,
                    &mut self.out.edits,
                );
            }
            _ => self.out.undecrypted_comments.push(at.id),
        }
        self.plaintext = plaintext;
        Ok(())
    }

    fn too_many_nodes(&mut self, node: NodeId) -> LeafError {
        LeafError {
            node,
            problem: LeafProblem::TooManyNodes,
        }
    }
}

/// Returns the paths under which a comment may have been encrypted, other than that of the container it is attached to,
/// the likeliest first: those around that container, those of the entries beside it. Writers and readers do not always
/// agree about the container of a comment.
fn other_comment_paths(source: &str, tree: &Tree, at: &Place<'_>) -> Vec<Vec<u8>> {
    let own = at.additional_data.to_vec();
    let mut paths = Vec::new();
    let mut add = |path: Vec<u8>| {
        let path = if path.is_empty() { b":".to_vec() } else { path };
        if !paths.contains(&path) && path != at.additional_data {
            paths.push(path);
        }
    };
    // Around: cut the last key. A key that holds a `:` itself is cut in pieces, which only costs a try.
    let mut around = own.clone();
    for _ in 0..OTHER_PATHS {
        let Some(without_last) = around.strip_suffix(b":") else {
            break;
        };
        let cut = without_last
            .iter()
            .rposition(|&byte| byte == b':')
            .map_or(0, |at| at + 1);
        around.truncate(cut);
        add(around.clone());
    }
    // Beside: the containers before and after the comment, and the last container in the one before.
    let prefix: &[u8] = if own == b":" { b"" } else { &own };
    let beside = tree
        .parent(at.id)
        .map(|parent| tree.children(parent).collect::<Vec<_>>())
        .unwrap_or_default();
    let position = beside.iter().position(|&child| child == at.id).unwrap_or(0);
    let key_of = |id: &NodeId| match &tree[*id].kind {
        NodeKind::Key { text, .. } => Some(text.bytes(source)),
        _ => None,
    };
    for key in beside[..position]
        .iter()
        .rev()
        .find_map(key_of)
        .into_iter()
        .chain(beside[position..].iter().find_map(key_of))
    {
        add([prefix, key, b":"].concat());
    }
    paths
}

fn problem(error: CipherError) -> LeafProblem {
    match error {
        CipherError::Authentication => LeafProblem::Authentication,
        _ => LeafProblem::Damaged,
    }
}
