//! What is wrong with mappings, seen when they are there.

use foldhash::HashMap;

use super::compose::narrow;
use crate::{
    format::{SyntaxError, SyntaxErrorKind},
    tree::{NodeId, NodeKind, Tree, span::Position},
};

/// Refuses mappings that have a key twice.
pub(super) fn check_duplicates(source: &str, tree: &Tree) -> Result<(), SyntaxError> {
    for (index, node) in tree.nodes().iter().enumerate() {
        if matches!(node.kind, NodeKind::Map { .. }) {
            check_keys(source, tree, NodeId(narrow(index)))?;
        }
    }
    Ok(())
}

/// Refuses a mapping that has a key twice.
pub(super) fn check_keys(source: &str, tree: &Tree, map: NodeId) -> Result<(), SyntaxError> {
    if is_ascending(source, tree, map) {
        return Ok(());
    }
    let mut seen: HashMap<&[u8], NodeId> = HashMap::default();
    let mut few: Vec<(&[u8], NodeId)> = Vec::new();
    for (key, _) in tree.entries(map) {
        let NodeKind::Key { text, .. } = &tree[key].kind else {
            continue;
        };
        let text = text.bytes(source);
        let earlier = if few.len() < FEW_KEYS {
            let earlier = few
                .iter()
                .find(|(known, _)| *known == text)
                .map(|(_, id)| *id);
            few.push((text, key));
            if few.len() == FEW_KEYS {
                seen.extend(few.iter().copied());
            }
            earlier
        } else {
            seen.insert(text, key)
        };
        if let Some(earlier) = earlier {
            let first = Position::of(source, tree[earlier].span.range().start);
            let name = String::from_utf8_lossy(text);
            let message = format!(
                "the key {name:?} stands twice in one mapping, first in line {}",
                first.line
            );
            let at = tree[key].span.range().start;
            let error = SyntaxError::at(source, at, SyntaxErrorKind::DuplicateKey, message);
            return Err(error.with_hint("remove one of them, or rename it"));
        }
    }
    Ok(())
}

/// Whether each key of a mapping comes after the one before in the order of bytes: so it is with keys that are sorted or
/// counted, and there is none twice.
fn is_ascending(source: &str, tree: &Tree, map: NodeId) -> bool {
    let keys = tree.entries(map).map(|(key, _)| match &tree[key].kind {
        NodeKind::Key { text, .. } => text.bytes(source),
        _ => b"",
    });
    keys.is_sorted_by(|before, after| before < after)
}

/// Refuses merge keys of the first document that merge no mapping, as the reference does. (It only looks at the first.)
pub(super) fn check_merges(
    source: &str,
    tree: &Tree,
    merge_keys: &[NodeId],
) -> Result<(), SyntaxError> {
    let first_end = tree
        .documents()
        .next()
        .map_or(0, |document| tree[document].end);
    let is_map = |id| matches!(tree[tree.resolve(id)].kind, NodeKind::Map { .. });
    for key in merge_keys.iter().take_while(|key| key.0 < first_end) {
        let value = NodeId(key.0 + 1);
        let wrong = match tree[value].kind {
            NodeKind::Sequence => tree
                .children(value)
                .find(|&item| !matches!(tree[item].kind, NodeKind::Comment) && !is_map(item)),
            _ => (!is_map(value)).then_some(value),
        };
        if let Some(wrong) = wrong {
            let at = tree[wrong].span.range().start;
            let message = "what the key << merges is no mapping";
            let error = SyntaxError::at(source, at, SyntaxErrorKind::Malformed, message);
            return Err(error.with_hint("put the key in quotes if nothing is to be merged"));
        }
    }
    Ok(())
}

/// Up to how many keys comparing each with each is faster than hashing.
const FEW_KEYS: usize = 12;
