//! Binary files: any bytes as one value, in a JSON envelope.
//!
//! They may be as large as memory allows: the bytes are encrypted, and decrypted, where they lie, piece by piece, and
//! the text of the encrypted file is the one thing that is as large as the file.

mod beside;
mod open;
mod recheck;
mod seal;

pub(crate) use open::open;
pub(crate) use seal::seal;

use crate::{
    crypto::EncryptedValue,
    error::Error,
    format::EmitError,
    secret::SecretBytes,
    tree::{NodeKind, Scalar, Span, Style, Text, Tree, Value, ValueRef},
};

/// The one key of a binary file.
const KEY: &str = "data";

/// What the ciphertext is bound to.
const ADDITIONAL_DATA: &[u8] = b"data:";

/// How many bytes of plaintext are worked on at once: whole blocks of AES, and whole groups of base64.
const PIECE: usize = 48 << 10;

/// The same in base64.
const TEXT_PIECE: usize = PIECE / 3 * 4;

/// Returns the indentation of an encrypted file, for its next version: blanks, or `None` for tabs.
pub(crate) fn indent_of(text: &str) -> Option<usize> {
    let line = text.strip_prefix('{')?.trim_start_matches(['\r', '\n']);
    let width = line.len() - line.trim_start_matches(' ').len();
    (!line.starts_with('\t') && text.contains('\n')).then_some(width)
}

/// Returns the tree that the reference makes of a binary file: a map with one text. It has no source text.
pub(crate) fn tree_of(bytes: &[u8]) -> Tree {
    let nowhere = Span::new(0, 0);
    let mut tree = Tree::default();
    let document = tree.push(NodeKind::Document, nowhere, 0);
    let map = tree.push(NodeKind::Map { flow: false }, nowhere, 0);
    let key = NodeKind::Key {
        text: Text::Owned(KEY.as_bytes().into()),
        alias: false,
    };
    tree.push(key, nowhere, 0);
    let value = NodeKind::Scalar(Scalar {
        value: Value::Str(Text::Owned(bytes.into())),
        style: Style::DoubleQuoted,
        flow: false,
        converting_tag: false,
    });
    tree.push(value, nowhere, 0);
    tree.close(map, 0);
    tree.close(document, 0);
    tree
}

/// Returns whether a tree is what a binary file becomes, in the clear or encrypted: a map with a text under `data`, and
/// nothing else but metadata.
pub(crate) fn is_envelope(text: &str, tree: &Tree) -> bool {
    let mut documents = tree.documents();
    let (Some(document), None) = (documents.next(), documents.next()) else {
        return false;
    };
    let map = tree.root(document);
    let Some(map) = map.filter(|&root| matches!(tree[root].kind, NodeKind::Map { .. })) else {
        return false;
    };
    let metadata = tree.metadata_entry(text, document).map(|(key, _)| key);
    let mut entries = tree.entries(map).filter(|(key, _)| Some(*key) != metadata);
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return false;
    };
    let NodeKind::Key { text: name, .. } = &tree[key].kind else {
        return false;
    };
    let NodeKind::Scalar(scalar) = &tree[value].kind else {
        return false;
    };
    let is_text = match scalar.value.view(text) {
        ValueRef::Str(text) => match EncryptedValue::parse(text) {
            Ok(encrypted) => matches!(encrypted.kind, "str" | "bytes"),
            Err(_) => true,
        },
        _ => false,
    };
    is_text && name.bytes(text) == KEY.as_bytes()
}

/// Returns the bytes that a tree of another format stands for: the text under the key `data`.
pub(crate) fn bytes_of(text: &str, tree: &Tree) -> Result<SecretBytes, Error> {
    let mut documents = tree.documents();
    let root = documents.next().and_then(|document| tree.root(document));
    if documents.next().is_some() {
        let format = crate::format::Format::Binary;
        return Err(EmitError::SeveralDocuments { format }.into());
    }
    let data = root
        .filter(|&root| matches!(tree[root].kind, NodeKind::Map { .. }))
        .and_then(|root| tree.entry(text, root, KEY))
        .map(|(_, value)| &tree[tree.resolve(value)].kind);
    match data {
        Some(NodeKind::Scalar(scalar)) => match scalar.value.view(text) {
            ValueRef::Str(bytes) => Ok(SecretBytes::new(bytes.to_vec())),
            _ => Err(EmitError::NotBinary.into()),
        },
        _ => Err(EmitError::NotBinary.into()),
    }
}
