//! The spellings that neither a plaintext nor the style of its ciphertext can tell: `0x1F`, a folded text, an alias.
//!
//! They are kept, encrypted, under the metadata key `layout`, which every other reader ignores. An entry is the
//! position of a node among the keys and values of the file, and the original text of that node. A spelling is only a
//! hint: it is used if the file that results has exactly the leaves that were decrypted, else it is dropped.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::{
    format::edit::Edit,
    tree::{Node, NodeId, NodeKind, Span, Tree},
};

/// The additional data under which `layout` is encrypted.
pub(crate) const ADDITIONAL_DATA: &[u8] = b"sops:layout:";

/// Original spellings, by the position of their node.
#[derive(Default)]
pub(crate) struct Layout {
    /// Ordered by position.
    entries: Vec<(usize, Zeroizing<String>)>,
}

impl Layout {
    /// Returns the spellings that are needed to get `original` back from `decrypted`, which has the same nodes, but for
    /// aliases that were written out.
    pub(crate) fn difference(original: (&str, &Tree), decrypted: (&str, &Tree)) -> Self {
        let mut layout = Self::default();
        let (mut left, mut right) = (positioned(original.1), positioned(decrypted.1));
        let (mut left_next, mut right_next) = (left.next(), right.next());
        while let (Some((_, left_id)), Some((position, right_id))) = (left_next, right_next) {
            let (left_node, right_node) = (&original.1[left_id], &decrypted.1[right_id]);
            let (text, other) = (
                outer(left_node).of(original.0),
                outer(right_node).of(decrypted.0),
            );
            let is_leaf = !matches!(left_node.kind, NodeKind::Map { .. } | NodeKind::Sequence);
            if is_leaf && text != other {
                layout
                    .entries
                    .push((position, Zeroizing::new(text.to_owned())));
            }
            left_next = left.next();
            right_next = right.next();
            // A leaf in the place of a container: an alias that was written out.
            while is_leaf && right_next.is_some_and(|(_, id)| id.0 < right_node.end) {
                right_next = right.next();
            }
        }
        layout
    }

    /// Returns the text that is encrypted: for each entry its distance from the one before, the length of the spelling
    /// in bytes, and the spelling.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let size = self
            .entries
            .iter()
            .map(|(_, spelling)| spelling.len() + 16)
            .sum();
        let mut text = Zeroizing::new(String::with_capacity(size));
        let mut before = 0;
        for (position, spelling) in &self.entries {
            text.push_str(&(position - before).to_string());
            text.push(':');
            text.push_str(&spelling.len().to_string());
            text.push(':');
            text.push_str(spelling);
            before = *position;
        }
        text
    }

    /// Reads what [`Layout::to_text`] wrote. Damaged text gives `None`.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut entries = Vec::new();
        let mut position: usize = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (distance, after) = rest.split_once(':')?;
            let (length, after) = after.split_once(':')?;
            position = position.checked_add(distance.parse().ok()?)?;
            let (spelling, after) = after.split_at_checked(length.parse().ok()?)?;
            entries.push((position, Zeroizing::new(spelling.to_owned())));
            rest = after;
        }
        Some(Self { entries })
    }

    /// Returns the nodes of `tree` that have a spelling. Nodes of the `metadata`, which stands in every document, are not
    /// counted.
    pub(crate) fn places(&self, tree: &Tree, metadata: &[Range<NodeId>]) -> Vec<Spelled<'_>> {
        let mut places = Vec::new();
        let mut entries = self.entries.iter().peekable();
        let mut metadata = metadata.iter().peekable();
        let counted = positioned(tree).filter(|&(_, id)| {
            while metadata.next_if(|nodes| nodes.end <= id).is_some() {}
            !metadata.peek().is_some_and(|nodes| nodes.contains(&id))
        });
        for (position, (_, id)) in counted.enumerate() {
            while entries.next_if(|(at, _)| *at < position).is_some() {}
            if let Some((_, spelling)) = entries.next_if(|(at, _)| *at == position) {
                places.push(Spelled {
                    nodes: id..NodeId(tree[id].end),
                    span: outer(&tree[id]),
                    spelling,
                });
            }
        }
        places
    }
}

/// A node that has a spelling.
pub(crate) struct Spelled<'l> {
    /// The node and its descendants: none of them is written in another way.
    pub(crate) nodes: Range<NodeId>,
    span: Span,
    spelling: &'l str,
}

impl Spelled<'_> {
    /// Adds the spellings to the edits of all other nodes, in the place of those of comments that are part of a
    /// spelling.
    pub(crate) fn apply(places: &[Spelled<'_>], edits: &mut Vec<Edit>) {
        let mut regions: Vec<Span> = places.iter().map(|place| place.span).collect();
        regions.sort_by_key(|span| span.start);
        edits.retain(|edit| {
            let after = regions.partition_point(|region| region.start <= edit.span.start);
            !after
                .checked_sub(1)
                .is_some_and(|before| regions[before].contains(edit.span))
        });
        edits.extend(
            places
                .iter()
                .map(|place| Edit::new(place.span, place.spelling)),
        );
    }
}

/// Returns the keys and values of a file, numbered.
fn positioned(tree: &Tree) -> impl Iterator<Item = (usize, NodeId)> + '_ {
    tree.numbered()
        .filter(|(_, node)| !matches!(node.kind, NodeKind::Document | NodeKind::Comment))
        .map(|(id, _)| id)
        .enumerate()
}

/// The text of a node with its tag and anchor.
fn outer(node: &Node) -> Span {
    Span {
        start: node.outer_start,
        end: node.span.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let entries = [(3, "0x1F"), (3 + 40, "a: 1:2\n"), (100, "")];
        let layout = Layout {
            entries: entries
                .iter()
                .map(|(at, text)| (*at, Zeroizing::new((*text).to_owned())))
                .collect(),
        };
        let text = layout.to_text();
        assert_eq!(text.as_str(), "3:4:0x1F40:7:a: 1:2\n57:0:");
        let read = Layout::from_text(&text).expect("just written");
        assert_eq!(read.to_text().as_str(), text.as_str());
    }

    #[test]
    fn damaged_texts_are_no_layout() {
        for text in [
            "x",
            "3",
            "3:",
            "3:4",
            "3:4:abc",
            "3:x:abc",
            "-1:0:",
            "3:1:é",
            "1:99999999999999999999:a",
        ] {
            assert!(Layout::from_text(text).is_none(), "{text}");
        }
        assert!(Layout::from_text("").is_some_and(|layout| layout.entries.is_empty()));
    }
}
