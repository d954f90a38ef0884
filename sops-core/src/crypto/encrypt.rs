//! Encrypting the leaves and comments of a document: one walk that yields edits and the MAC.

use std::{collections::HashMap, sync::Arc};

use zeroize::Zeroizing;

use super::{
    Cipher, LeafError, LeafProblem, Mac, NonceSource,
    ahead::on_all_cores,
    select::Matcher,
    stash::{KeptNonces, Stash, Token},
    walk::{Place, Visitor, is_padded, walk},
};
use crate::{
    format::{
        Engine,
        edit::{Edit, EditText},
        yaml::{self, alias::Expansion},
    },
    tree::{NodeId, NodeKind, Scalar, Tree, ValueRef},
};

/// What encrypting a document needs to know.
pub(crate) struct Encryption<'e> {
    pub(crate) engine: &'static dyn Engine,
    pub(crate) cipher: &'e Cipher,
    pub(crate) matcher: &'e Matcher,
    pub(crate) mac_only_encrypted: bool,
    /// Nonces of the values as they were before, when a file is encrypted again under its data key.
    pub(crate) stash: &'e Stash,
}

/// What encrypting a document gives.
pub(crate) struct EncryptedLeaves {
    /// The ciphertexts, in the places of the plaintexts.
    pub(crate) edits: Vec<Edit>,
    pub(crate) mac: Mac,
    /// How many leaves (not comments) were encrypted.
    pub(crate) encrypted: usize,
    /// How many leaves there are that would be encrypted if they were selected.
    pub(crate) leaves: usize,
    /// Whether nodes below an alias are written out because one of them is encrypted.
    pub(crate) expanded: Vec<NodeId>,
    /// Keys that are aliases of encrypted values, and are written out: in the clear.
    pub(crate) expanded_keys: Vec<NodeId>,
}

impl Encryption<'_> {
    /// Encrypts the selected leaves and comments of `tree`.
    pub(crate) fn run(
        &self,
        source: &str,
        tree: &Tree,
        nonces: &mut NonceSource,
    ) -> Result<EncryptedLeaves, LeafError> {
        let kept = match self.stash.is_empty() {
            true => KeptNonces::default(),
            false => self.stash.for_document(&self.tokens(source, tree)?),
        };
        let ahead = self.ahead(source, tree, &kept)?;
        let mut encryptor = Encryptor {
            ahead,
            kept,
            given: HashMap::new(),
            with: self,
            source,
            tree,
            nonces,
            mac: Mac::new(self.mac_only_encrypted),
            edits: Vec::new(),
            plaintext: Zeroizing::new(Vec::new()),
            encrypted: 0,
            leaves: 0,
            encrypted_nodes: vec![false; tree.len()],
            copy: None,
            comment: LastComment::default(),
            expansion: Expansion::new(source, tree),
            expanded: Vec::new(),
        };
        walk(source, tree, self.matcher, &mut encryptor)?;
        encryptor.finish_copy()?;
        let expanded_keys = encryptor.write_out_keys();
        encryptor.pin_last_key();
        Ok(EncryptedLeaves {
            edits: encryptor.edits,
            mac: encryptor.mac,
            encrypted: encryptor.encrypted,
            leaves: encryptor.leaves,
            expanded: encryptor.expanded,
            expanded_keys,
        })
    }
}

impl Encryption<'_> {
    /// Returns what is encrypted, in the order of the walk.
    fn tokens(&self, source: &str, tree: &Tree) -> Result<Vec<Token>, LeafError> {
        let mut tokens = Tokens {
            with: self,
            source,
            tree,
            plaintext: Zeroizing::new(Vec::new()),
            tokens: Vec::new(),
        };
        walk(source, tree, self.matcher, &mut tokens)?;
        Ok(tokens.tokens)
    }

    /// Encrypts the leaves of a large file on all cores.
    fn ahead(
        &self,
        source: &str,
        tree: &Tree,
        kept: &KeptNonces,
    ) -> Result<Ciphertexts, LeafError> {
        if kept.has_repetitions() {
            return Ok(Box::new(std::iter::empty()));
        }
        let parts = on_all_cores(source, tree, self.matcher, is_encrypted, |part| {
            let mut nonces = NonceSource::new();
            let mut plaintext = Zeroizing::new(Vec::new());
            let mut texts = String::new();
            let pieces = part.leaves().map(|leaf| {
                plaintext.clear();
                leaf.value.plaintext(&mut plaintext);
                let kind = leaf.value.type_word();
                texts.push('"');
                let start = texts.len();
                let kept = kept.nonce(leaf.additional_data, &plaintext, |_| 0);
                let nonce = or_new(kept, &mut nonces)?;
                self.cipher
                    .encrypt_into(&plaintext, kind, leaf.additional_data, &nonce, &mut texts)
                    .map_err(|_| LeafProblem::TooLong)?;
                let end = texts.len();
                texts.push('"');
                Ok((start, end))
            });
            let pieces = pieces.collect::<Vec<_>>();
            (Arc::new(texts), pieces)
        })?;
        let pieces = |(shared, pieces): (Arc<String>, Vec<Result<_, _>>)| {
            let piece = move |piece: Result<(usize, usize), LeafProblem>| {
                let shared = Arc::clone(&shared);
                piece.map(|(start, end)| EditText::Piece { shared, start, end })
            };
            pieces.into_iter().map(piece)
        };
        Ok(Box::new(parts.into_iter().flat_map(pieces)))
    }
}

/// Returns a nonce that is kept, else a new one.
fn or_new(kept: Option<[u8; 32]>, nonces: &mut NonceSource) -> Result<[u8; 32], LeafProblem> {
    match kept {
        Some(nonce) => Ok(nonce),
        None => nonces.draw().map_err(|_| LeafProblem::NoRandomness),
    }
}

/// Collects what [`Encryptor`] will encrypt.
struct Tokens<'r, 'e> {
    with: &'r Encryption<'e>,
    source: &'r str,
    tree: &'r Tree,
    plaintext: Zeroizing<Vec<u8>>,
    tokens: Vec<Token>,
}

impl Visitor for Tokens<'_, '_> {
    type Error = LeafError;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), LeafError> {
        let value = scalar.value.view(self.source);
        if at.selected && is_encrypted(value) {
            self.plaintext.clear();
            value.plaintext(&mut self.plaintext);
            self.tokens
                .push(Token::of(at.additional_data, &self.plaintext));
        }
        Ok(())
    }

    fn comment(&mut self, at: &Place<'_>) -> Result<(), LeafError> {
        let text = self.with.engine.comment_text(self.source, self.tree, at.id);
        if at.alias.is_none() && is_comment_encrypted(at, text.as_bytes()) {
            comment_plaintext(at, text.as_bytes(), &mut self.plaintext);
            self.tokens
                .push(Token::of(at.additional_data, &self.plaintext));
        }
        Ok(())
    }

    fn too_many_nodes(&mut self, node: NodeId) -> LeafError {
        LeafError {
            node,
            problem: LeafProblem::TooManyNodes,
        }
    }
}

/// Whether a comment that is no copy is encrypted.
fn is_comment_encrypted(at: &Place<'_>, text: &[u8]) -> bool {
    at.selected && (!text.is_empty() || at.in_list)
}

/// Writes what is encrypted of a comment to `plaintext`. Of an empty comment in a list the reference makes an item of the list,
/// when it decrypts.
fn comment_plaintext(at: &Place<'_>, text: &[u8], plaintext: &mut Vec<u8>) {
    plaintext.clear();
    plaintext.extend_from_slice(text);
    if is_padded(at, text) {
        plaintext.push(b' ');
    }
}

/// The ciphertexts of leaves, in the order of the walk.
type Ciphertexts = Box<dyn Iterator<Item = Result<EditText, LeafProblem>>>;

/// Whether a selected value is encrypted: null and the empty text never are.
fn is_encrypted(value: ValueRef<'_>) -> bool {
    !matches!(
        value,
        ValueRef::Null | ValueRef::Unsigned(_) | ValueRef::Str(b"")
    )
}

struct Encryptor<'r, 'e> {
    with: &'r Encryption<'e>,
    /// The ciphertexts of the leaves, if they were made ahead of the walk.
    ahead: Ciphertexts,
    kept: KeptNonces,
    /// How many of equal values were encrypted already.
    given: HashMap<Token, usize>,
    source: &'r str,
    tree: &'r Tree,
    nonces: &'r mut NonceSource,
    mac: Mac,
    edits: Vec<Edit>,
    plaintext: Zeroizing<Vec<u8>>,
    encrypted: usize,
    leaves: usize,
    /// Which nodes are encrypted where they stand.
    encrypted_nodes: Vec<bool>,
    copy: Option<Copy>,
    comment: LastComment,
    expansion: Expansion<'r>,
    expanded: Vec<NodeId>,
}

/// The copy that an alias stands for, while it is being walked.
struct Copy {
    alias: NodeId,
    /// The ciphertext of each leaf of the copy, `None` for those in the clear.
    leaves: Vec<Option<EditText>>,
    /// Whether the alias has to be written out: a leaf of the copy, or of the original, is encrypted.
    is_encrypted: bool,
    /// The comments in it that say what is encrypted, and stay in the clear.
    comments: Vec<NodeId>,
    comment_beside: Option<LastComment>,
}

/// The comment that was visited last, outside of copies.
#[derive(Clone)]
struct LastComment {
    id: NodeId,
    path: Vec<u8>,
    /// The edit that encrypts it.
    edit: Option<usize>,
}

impl Default for LastComment {
    fn default() -> Self {
        Self {
            id: NodeId(u32::MAX - 2),
            path: Vec::new(),
            edit: None,
        }
    }
}

impl Encryptor<'_, '_> {
    fn encrypt(&mut self, kind: &str, additional_data: &[u8]) -> Result<String, LeafProblem> {
        let given = &mut self.given;
        let kept = self.kept.nonce(additional_data, &self.plaintext, |token| {
            let given = given.entry(token).or_default();
            *given += 1;
            *given - 1
        });
        let nonce = or_new(kept, self.nonces)?;
        let mut text = String::new();
        self.with
            .cipher
            .encrypt_into(&self.plaintext, kind, additional_data, &nonce, &mut text)
            .map_err(|_| LeafProblem::TooLong)?;
        Ok(text)
    }

    fn encrypt_leaf(
        &mut self,
        kind: &str,
        additional_data: &[u8],
    ) -> Result<EditText, LeafProblem> {
        match self.ahead.next() {
            Some(encrypted) => encrypted,
            None => self.encrypt(kind, additional_data).map(EditText::from),
        }
    }

    /// Takes note of a leaf that is a copy; its text is written when the whole copy is known.
    fn copy_leaf(
        &mut self,
        alias: NodeId,
        original: NodeId,
        enc: Option<EditText>,
    ) -> Result<(), LeafError> {
        let is_encrypted = enc.is_some() || self.encrypted_nodes[original.index()];
        let copy = self.copy_of(alias)?;
        copy.leaves.push(enc);
        copy.is_encrypted |= is_encrypted;
        Ok(())
    }

    /// Returns the copy that `alias` stands for; writes the one before it.
    fn copy_of(&mut self, alias: NodeId) -> Result<&mut Copy, LeafError> {
        if self.copy.as_ref().is_some_and(|copy| copy.alias != alias) {
            self.finish_copy()?;
        }
        let comment = &self.comment;
        Ok(self.copy.get_or_insert_with(|| Copy {
            alias,
            leaves: Vec::new(),
            comments: Vec::new(),
            is_encrypted: false,
            // The comment of an entry comes directly before its key.
            comment_beside: (comment.id.0 + 2 == alias.0).then(|| comment.clone()),
        }))
    }

    /// Writes the copy out in the place of its alias, if it has to be.
    fn finish_copy(&mut self) -> Result<(), LeafError> {
        let Some(copy) = self.copy.take() else {
            return Ok(());
        };
        if !copy.is_encrypted {
            return Ok(());
        }
        let mut leaves = copy.leaves.into_iter();
        let mut comments = copy.comments.into_iter().peekable();
        let enclosed = self.expansion.write_out(
            copy.alias,
            &mut |_| leaves.next().flatten().map(|enc| enc.to_string()),
            &mut |id| comments.next_if_eq(&id).is_some(),
            &mut self.edits,
        );
        self.expanded.push(copy.alias);
        if let (Some(_), Some(comment)) = (enclosed, copy.comment_beside) {
            self.enclose(copy.alias, comment)
                .map_err(|problem| LeafError {
                    node: copy.alias,
                    problem,
                })?;
        }
        Ok(())
    }

    /// Writes out the keys that are aliases of encrypted values. Returns them.
    fn write_out_keys(&mut self) -> Vec<NodeId> {
        let keys = self.tree.aliased_keys.iter();
        let keys = keys.filter(|(_, target)| self.encrypted_nodes[target.index()]);
        let keys: Vec<NodeId> = keys.map(|(key, _)| *key).collect();
        let edits = keys.iter();
        let edits =
            edits.filter_map(|&key| yaml::alias::written_out_key(self.source, self.tree, key));
        self.edits.extend(edits);
        keys
    }

    /// Makes sure that a key at the end of the text stays the same when the metadata follow it.
    fn pin_last_key(&mut self) {
        let keys = self.tree.numbered().rev();
        let mut keys = keys.filter(|(_, node)| matches!(node.kind, NodeKind::Key { .. }));
        if let Some((key, _)) = keys.next() {
            self.with
                .engine
                .kept(self.source, self.tree, key, &mut self.edits);
        }
    }

    /// Encrypts a comment again that is now inside of what was written for `alias`.
    fn enclose(&mut self, alias: NodeId, mut comment: LastComment) -> Result<(), LeafProblem> {
        let NodeKind::Key { text: key, .. } = &self.tree[NodeId(alias.0 - 1)].kind else {
            return Ok(());
        };
        let key = key.bytes(self.source);
        let text = self.tree[comment.id].span.of(self.source).as_bytes();
        let matcher = self.with.matcher;
        let is_encrypted = comment.edit.is_some();
        let other_path =
            matcher.key(key) && matcher.comment_selected(true, false, false) != is_encrypted;
        if matcher.comment(text) || other_path && !text.is_empty() {
            return Err(LeafProblem::CommentOfAlias);
        }
        let Some(edit) = comment.edit else {
            return Ok(());
        };
        if comment.path == b":" {
            comment.path.clear();
        }
        comment.path.extend_from_slice(key);
        comment.path.push(b':');
        self.plaintext.clear();
        self.plaintext.extend_from_slice(text);
        self.edits[edit].text = self.encrypt("comment", &comment.path)?.into();
        Ok(())
    }
}

impl Visitor for Encryptor<'_, '_> {
    type Error = LeafError;

    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), LeafError> {
        let value = match scalar.value.view(self.source) {
            ValueRef::Unsigned(_) => {
                let node = at.alias.unwrap_or(at.id);
                return Err(LeafError {
                    node,
                    problem: LeafProblem::IntegerTooLarge,
                });
            }
            // Neither encrypted nor hashed.
            ValueRef::Null => {
                if let Some(alias) = at.alias {
                    self.copy_leaf(alias, at.id, None)?;
                }
                return Ok(());
            }
            value => value,
        };
        // A value that comes from another format is a text in this one, unless its type is in the ciphertext.
        let text = match at.selected {
            true => None,
            false => self.with.engine.as_text(value),
        };
        let value = match &text {
            Some(text) => ValueRef::Str(text.as_bytes()),
            None => value,
        };
        self.leaves += usize::from(is_encrypted(value));
        self.plaintext.clear();
        value.plaintext(&mut self.plaintext);
        let orphans = &self.with.stash.orphans;
        if !at.selected
            && is_encrypted(value)
            && orphans.has_value(at.additional_data, &self.plaintext)
        {
            return Err(LeafError {
                node: at.alias.unwrap_or(at.id),
                problem: LeafProblem::Orphan,
            });
        }
        if at.selected || !self.with.mac_only_encrypted {
            self.mac.update(&self.plaintext);
        }
        // An empty text stays as it is.
        let enc = if at.selected && is_encrypted(value) {
            let enc = self.encrypt_leaf(value.type_word(), at.additional_data);
            Some(enc.map_err(|problem| LeafError {
                node: at.alias.unwrap_or(at.id),
                problem,
            })?)
        } else {
            None
        };
        self.encrypted += usize::from(enc.is_some());
        match (at.alias, enc) {
            (Some(alias), enc) => self.copy_leaf(alias, at.id, enc)?,
            (None, Some(enc)) => {
                self.encrypted_nodes[at.id.index()] = true;
                self.with
                    .engine
                    .encrypted(self.source, self.tree, at.id, enc, &mut self.edits);
            }
            (None, None) => self
                .with
                .engine
                .kept(self.source, self.tree, at.id, &mut self.edits),
        }
        Ok(())
    }

    fn comment(&mut self, at: &Place<'_>) -> Result<(), LeafError> {
        let text = self.with.engine.comment_text(self.source, self.tree, at.id);
        let text = text.as_bytes();
        if let Some(alias) = at.alias {
            let is_kept = !at.selected && self.with.matcher.comment(text);
            // Under the path of the copy the reference could not decrypt it.
            let is_encrypted = self.encrypted_nodes[at.id.index()];
            if is_kept || is_encrypted {
                let copy = self.copy_of(alias)?;
                copy.comments.extend(is_kept.then_some(at.id));
                copy.is_encrypted |= is_encrypted;
            }
            return Ok(());
        }
        self.comment.id = at.id;
        self.comment.path.clear();
        self.comment.path.extend_from_slice(at.additional_data);
        self.comment.edit = None;
        if text.is_empty() && !is_comment_encrypted(at, text) {
            return Ok(());
        }
        if !at.selected {
            if self.with.stash.orphans.has_comment(text) {
                return Err(LeafError {
                    node: at.id,
                    problem: LeafProblem::Orphan,
                });
            }
            self.with
                .engine
                .kept_comment(self.source, self.tree, at.id, &mut self.edits);
            return Ok(());
        }
        comment_plaintext(at, text, &mut self.plaintext);
        let enc = self
            .encrypt("comment", at.additional_data)
            .map_err(|problem| LeafError {
                node: at.id,
                problem,
            })?;
        if self.with.matcher.mistakes_for_clear(&enc) {
            return Err(LeafError {
                node: at.id,
                problem: LeafProblem::CommentMatchesSelector,
            });
        }
        self.encrypted_nodes[at.id.index()] = true;
        self.comment.edit = Some(self.edits.len());
        self.with
            .engine
            .encrypted_comment(self.source, self.tree, at.id, enc, &mut self.edits);
        Ok(())
    }

    fn too_many_nodes(&mut self, node: NodeId) -> LeafError {
        LeafError {
            node,
            problem: LeafProblem::TooManyNodes,
        }
    }
}
