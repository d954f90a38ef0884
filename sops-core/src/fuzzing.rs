//! What the fuzz targets check and the public interface does not show. No part of it: it may change at any time.

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
            check_spans(text, &tree);
            assert_eq!(splice(text, &mut []), text);
        }
    }
}

fn check_spans(text: &str, tree: &Tree) {
    // The containers around the node, innermost last: where their text starts and ends, where their nodes end, and
    // where the text of their last child ended.
    let mut around: Vec<Around> = vec![Around {
        start: 0,
        end: text.len(),
        nodes_end: tree.len(),
        reached: 0,
    }];
    for (index, node) in tree.nodes().iter().enumerate() {
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
