//! What the fuzz targets check and the public interface does not show. No part of it: it may change at any time.

use std::ops::Range;

use crate::{
    Format,
    crypto::{Cipher, CipherError, DataKey, EncryptedValue, nonce::NONCE_LEN},
    format::{ParseOptions, edit::splice},
    secret::SecretBytes,
    tree::{NodeKind, Tree},
};

/// Parses a text and checks that the spans of its tree lie in the text and in each other, and that a text without
/// changes is copied through.
///
/// # Panics
/// If one of these does not hold.
pub fn parse(text: &str, format: Format) {
    for before_root_key in [false, true] {
        if let Ok(tree) = format.parse(text, ParseOptions { before_root_key }) {
            check_spans(text, &tree, &gathered(text, &tree, format));
            assert_eq!(splice(text, &mut []), text);
        }
    }
}

/// The nodes of metadata that the parser of dotenv gathers at the end, wherever they stand in the text.
fn gathered(text: &str, tree: &Tree, format: Format) -> Range<usize> {
    let document = tree.documents().next();
    let metadata = document.and_then(|document| tree.metadata_entry(text, document));
    match metadata.filter(|_| format == Format::Dotenv) {
        Some((key, value)) => key.index()..tree[value].end as usize,
        None => 0..0,
    }
}

fn check_spans(text: &str, tree: &Tree, gathered: &Range<usize>) {
    // The containers around the node, innermost last: where their text starts and ends, where their nodes end, and
    // where the text of their last child ended.
    let mut around: Vec<Around> = vec![Around {
        start: 0,
        end: text.len(),
        nodes_end: tree.len(),
        reached: 0,
    }];
    for (index, node) in tree.nodes().iter().enumerate() {
        if gathered.contains(&index) {
            continue;
        }
        while around.len() > 1 && around.last().is_some_and(|last| last.nodes_end <= index) {
            around.pop();
        }
        let parent = around.last_mut().expect("the first is never removed");
        let (outer, start, end) = (
            node.outer_start as usize,
            node.span.start as usize,
            node.span.end as usize,
        );
        let nodes_end = node.end as usize;
        assert!(outer <= start && start <= end && end <= text.len());
        for at in [outer, start, end] {
            assert!(text.is_char_boundary(at), "a span cuts a character");
        }
        assert!(index < nodes_end && nodes_end <= parent.nodes_end);
        // Comments are listed where the reference attaches them, wherever they stand.
        if !matches!(node.kind, NodeKind::Comment) {
            assert!(
                parent.start <= outer && end <= parent.end,
                "node {index}, {outer}..{end}, reaches out of its container, {}..{}",
                parent.start,
                parent.end
            );
            assert!(
                parent.reached <= outer,
                "node {index}, {outer}..{end}, overlaps the one before it, which ends at {}",
                parent.reached
            );
            parent.reached = end;
        }
        if let NodeKind::Alias { target } = node.kind {
            assert!(target.index() < index, "an alias of what follows");
        }
        if nodes_end > index + 1 {
            around.push(Around {
                start,
                end,
                nodes_end,
                reached: start,
            });
        }
    }
}

struct Around {
    start: usize,
    end: usize,
    nodes_end: usize,
    reached: usize,
}

/// Reads a text as an encrypted value and opens it with a key that it was not encrypted with; encrypts the text and
/// opens that.
///
/// # Panics
/// If it opens with the wrong key, or does not come back.
pub fn encrypted_value(text: &[u8]) {
    let key = DataKey::from_bytes(&SecretBytes::new(vec![7; 32])).expect("a key has 32 bytes");
    let cipher = Cipher::new(&key);
    let mut opened = Vec::new();
    if let Ok(value) = EncryptedValue::parse(text) {
        assert!(cipher.decrypt_into(&value, b"a:", &mut opened).is_err());
        assert!(opened.is_empty(), "something is left of a failure");
    }
    let mut encrypted = String::new();
    let written = cipher.encrypt_into(text, "str", b"a:", &[9; NONCE_LEN], &mut encrypted);
    if text.is_empty() {
        assert_eq!(written, Err(CipherError::EmptyPlaintext));
        return;
    }
    written.expect("the text is short");
    let value = EncryptedValue::parse(encrypted.as_bytes()).expect("what was written is read");
    cipher
        .decrypt_into(&value, b"a:", &mut opened)
        .expect("what was encrypted is decrypted");
    assert_eq!(opened, text);
    assert!(cipher.decrypt_into(&value, b"b:", &mut opened).is_err());
}
