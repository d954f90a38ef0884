//! The spellings that neither a plaintext nor the style of its ciphertext can tell: `0x1F`, a folded text, an alias.
//!
//! They are kept, encrypted, under the metadata key `layout`, which every other reader ignores. An entry is the
//! position of a node among the keys and values of the file, and the original text of that node. A spelling is only a
//! hint: it is used if the file that results has exactly the leaves that were decrypted, else it is dropped.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::{
    format::{
        edit::Edit,
        yaml::{alias, block_scalar, metadata_block},
    },
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
            let replaced =
                |(source, tree): (_, _), id| block_scalar::replaced(source, tree, id).of(source);
            if is_leaf
                && (text != other || replaced(original, left_id) != replaced(decrypted, right_id))
            {
                let left = (original.0, original.1, left_id);
                let text = before_moved_comment(left, (decrypted.1, right_id))
                    .or_else(|| document_body(original.0, original.1, left_id))
                    .unwrap_or_else(|| replaced(original, left_id));
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
    pub(crate) fn places(
        &self,
        source: &str,
        tree: &Tree,
        metadata: &[Range<NodeId>],
    ) -> Vec<Spelled<'_>> {
        let mut places = Vec::new();
        let mut entries = self.entries.iter().peekable();
        let mut metadata = metadata.iter().peekable();
        let counted = positioned(tree).filter(|(_, id)| {
            while metadata.next_if(|cut| cut.end <= *id).is_some() {}
            !metadata.peek().is_some_and(|cut| cut.contains(id))
        });
        for (position, (_, id)) in counted.enumerate() {
            while entries.next_if(|(at, _)| *at < position).is_some() {}
            if let Some((_, spelling)) = entries.next_if(|(at, _)| *at == position) {
                places.extend(Spelled::new(source, tree, id, spelling));
            }
        }
        places
    }
}

/// Returns those of the places whose spellings can be used together, found by halves: where a file was merged or edited by hand,
/// some do not fit any more. `fits` is asked at most `tries` times.
pub(crate) fn usable<'l>(
    places: Vec<Spelled<'l>>,
    tries: usize,
    mut fits: impl FnMut(&[Spelled<'l>]) -> bool,
) -> Vec<Spelled<'l>> {
    let mut kept = Vec::new();
    let mut untried = vec![places];
    for _ in 0..tries {
        let Some(mut places) = untried.pop() else {
            break;
        };
        let before = kept.len();
        kept.extend(places.iter().cloned());
        if !fits(&kept) {
            kept.truncate(before);
            if places.len() > 1 {
                let second = places.split_off(places.len() / 2);
                untried.extend([second, places]);
            }
        }
    }
    kept
}

/// A node that has a spelling.
#[derive(Clone)]
pub(crate) struct Spelled<'l> {
    /// The node and its descendants: none of them is written in another way.
    pub(crate) nodes: Range<NodeId>,
    /// Where it stands, and what to write there.
    value: (Span, &'l str),
    /// What to write before the comment behind its key.
    before_comment: Option<(Span, &'l str)>,
}

impl<'l> Spelled<'l> {
    fn new(source: &str, tree: &Tree, id: NodeId, spelling: &'l str) -> Option<Self> {
        let span = match document_of_root(tree, id) {
            Some(document) => metadata_block::body(source, tree, document),
            None => outer(&tree[id]),
        };
        let nodes = id..NodeId(tree[id].end);
        if !ends_before_comment(spelling) {
            return Some(Self {
                nodes,
                value: (span, spelling),
                before_comment: None,
            });
        }
        let comment = alias::comment_before_value(tree, id)?;
        let hash = Span {
            start: comment.start - 1,
            end: comment.start,
        };
        let value = Span {
            start: comment.end,
            end: span.end,
        };
        Some(Self {
            nodes,
            value: (value, ""),
            before_comment: Some((hash, spelling)),
        })
    }

    /// Whether it may be, or hold, an alias.
    pub(crate) fn may_have_alias(&self) -> bool {
        let before_comment = self.before_comment.map_or("", |(_, spelling)| spelling);
        [self.value.1, before_comment]
            .iter()
            .any(|spelling| spelling.contains('*'))
    }

    /// Adds the spellings to the edits of all other nodes, in the place of those of comments that are part of a
    /// spelling. An edit that begins where a spelling stands is that of its value, and may go on over the empty lines behind
    /// it.
    pub(crate) fn apply(places: &[Self], edits: &mut Vec<Edit>) {
        let replaced = || {
            let both = |place: &Spelled<'l>| [Some(place.value), place.before_comment];
            places.iter().flat_map(both).flatten()
        };
        let mut regions: Vec<Span> = replaced().map(|(span, _)| span).collect();
        regions.sort_by_key(|span| span.start);
        edits.retain(|edit| {
            let after = regions.partition_point(|region| region.start <= edit.span.start);
            !after.checked_sub(1).is_some_and(|before| {
                let region = regions[before];
                region.contains(edit.span) || edit.span.start < region.end
            })
        });
        edits.extend(replaced().map(|(span, text)| Edit::new(span, text)));
    }
}

/// Returns the keys and values of a file, numbered.
fn positioned(tree: &Tree) -> impl Iterator<Item = (usize, NodeId)> + '_ {
    tree.numbered()
        .filter(|(_, node)| !matches!(node.kind, NodeKind::Document | NodeKind::Comment))
        .map(|(id, _)| id)
        .enumerate()
}

/// Returns the spelling of an alias that was written out behind its comment: up to the `#`.
fn before_moved_comment<'t>(
    original: (&'t str, &Tree, NodeId),
    decrypted: (&Tree, NodeId),
) -> Option<&'t str> {
    let (text, tree, id) = original;
    let NodeKind::Alias { .. } = tree[id].kind else {
        return None;
    };
    let comment = alias::comment_behind_alias(text, tree, id)?;
    alias::comment_before_value(decrypted.0, decrypted.1)?;
    Some(&text[tree[id].span.range().start..comment.range().start])
}

/// Returns all of a document whose root is the null `id`: comments around it are part of its spelling, since where it
/// stood among them nothing else tells.
fn document_body<'t>(source: &'t str, tree: &Tree, id: NodeId) -> Option<&'t str> {
    let document = document_of_root(tree, id)?;
    Some(metadata_block::body(source, tree, document).of(source))
}

/// Returns the document whose root a node is.
fn document_of_root(tree: &Tree, id: NodeId) -> Option<NodeId> {
    let before = (0..id.0).rev().map(NodeId);
    let mut before = before.skip_while(|&node| matches!(tree[node].kind, NodeKind::Comment));
    before
        .next()
        .filter(|&node| matches!(tree[node].kind, NodeKind::Document))
}

/// Whether a spelling is that of an alias and the `#` of the comment behind it.
fn ends_before_comment(spelling: &str) -> bool {
    spelling.starts_with('*') && spelling.ends_with('#')
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
    fn keeps_the_spellings_that_fit() {
        let spelled = |id: u32| Spelled {
            nodes: NodeId(id)..NodeId(id + 1),
            value: (Span::new(0, 0), ""),
            before_comment: None,
        };
        for bad in [&[][..], &[0], &[6], &[2, 3], &[0, 1, 2, 3, 4, 5, 6]] {
            let mut asked = 0;
            let kept = usable((0..7).map(spelled).collect(), 100, |places| {
                asked += 1;
                !places
                    .iter()
                    .any(|place| bad.contains(&place.nodes.start.0))
            });
            let kept: Vec<u32> = kept.iter().map(|place| place.nodes.start.0).collect();
            let good: Vec<u32> = (0..7).filter(|id| !bad.contains(id)).collect();
            assert_eq!(kept, good);
            assert!(asked < 20, "{asked}");
        }
        let mut asked = 0;
        let none = usable((0..7).map(spelled).collect(), 3, |_| {
            asked += 1;
            false
        });
        assert!(none.is_empty());
        assert_eq!(asked, 3);
    }

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
