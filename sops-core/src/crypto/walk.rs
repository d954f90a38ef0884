//! One pass over all leaves and comments of a file, in document order, each with its path, and whether it is selected.
//!
//! The walk keeps everything that depends on the path up to date as it goes: the additional data (`a:b:`), whether a
//! key on the path matched, whether a comment in force matched. No leaf costs more than its own key. Aliases are
//! walked as the copy that they stand for, at their own path, without being copied.

use super::select::Matcher;
use crate::tree::{NodeId, NodeKind, Scalar, Tree};

/// Receives what [`walk`] comes across.
pub(crate) trait Visitor {
    /// What stops the walk.
    type Error;

    /// Called for each scalar, null and empty text included.
    fn leaf(&mut self, at: &Place<'_>, scalar: &Scalar) -> Result<(), Self::Error>;

    /// Called for each line of comment.
    fn comment(&mut self, at: &Place<'_>) -> Result<(), Self::Error>;

    /// Called when aliases expand to far more nodes than the file has.
    fn too_many_nodes(&mut self, at: NodeId) -> Self::Error;
}

/// Where the walk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'w> {
    /// The node; inside an alias, the node that is copied.
    pub(crate) id: NodeId,
    /// The map keys from the root, each followed by `:`; a single `:` at the top level, where comments are.
    pub(crate) additional_data: &'w [u8],
    /// Whether the selector wants this leaf or comment encrypted.
    pub(crate) selected: bool,
    /// Whether it is an item of a list.
    pub(crate) in_list: bool,
    /// The outermost alias under which this is a copy.
    pub(crate) alias: Option<NodeId>,
}

/// Whether the plaintext of a comment has one blank more than its text: there is no encrypted text of no bytes, and in
/// lists there has to be one.
pub(crate) fn is_padded(at: &Place<'_>, comment: &[u8]) -> bool {
    at.in_list && comment.iter().all(|&byte| byte == b' ')
}

/// A container that is being walked.
struct Frame {
    /// One past the container's last node.
    end: u32,
    /// Where to go on after a container that is the target of an alias.
    resume: Option<u32>,
    /// The length of the additional data of the container itself.
    path_length: usize,
    is_list: bool,
    key_matched: bool,
    /// Whether a comment matches that is in force for this whole container.
    comment_above: bool,
    /// Whether a comment matches that is in force for the container's current item.
    comment_here: bool,
}

/// Nodes that aliases may add to a file of any size, and how often they may repeat the nodes that it has.
const ALIAS_NODES: usize = 1_000_000;
const ALIAS_FACTOR: usize = 10;

/// Visits every leaf and comment of `tree` except those under the metadata key of each document.
pub(crate) fn walk<V: Visitor>(
    source: &str,
    tree: &Tree,
    matcher: &Matcher,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let mut budget = ALIAS_NODES + ALIAS_FACTOR * tree.len();
    let mut path = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut alias = Vec::new();
    for document in tree.documents() {
        let metadata = tree.metadata_entry(source, document).map(|(key, _)| key);
        path.clear();
        frames.clear();
        frames.push(Frame {
            end: tree[document].end,
            resume: None,
            path_length: 0,
            is_list: false,
            key_matched: false,
            comment_above: false,
            comment_here: false,
        });
        let mut next = document.0 + 1;
        let mut key_matched = false;
        while let Some(frame) = frames.last_mut() {
            if next >= frame.end {
                if let Some(resume) = frame.resume {
                    next = resume;
                    alias.pop();
                }
                frames.pop();
                if let Some(parent) = frames.last_mut() {
                    parent.comment_here = false;
                }
                continue;
            }
            let id = NodeId(next);
            let node = &tree[id];
            next += 1;
            if let Some(&outermost) = alias.first() {
                budget = budget
                    .checked_sub(1)
                    .ok_or_else(|| visitor.too_many_nodes(outermost))?;
            }
            match &node.kind {
                NodeKind::Key { text, .. } => {
                    if metadata == Some(id) && alias.is_empty() {
                        next = tree[NodeId(next)].end;
                        continue;
                    }
                    let text = text.bytes(source);
                    path.truncate(frame.path_length);
                    path.extend_from_slice(text);
                    path.push(b':');
                    key_matched = frame.key_matched || matcher.key(text);
                    continue;
                }
                NodeKind::Comment => {
                    path.truncate(frame.path_length);
                    let matches = matcher.comment(node.span.of(source).as_bytes());
                    let earlier = frame.comment_above || frame.comment_here;
                    let selected = matcher.comment_selected(frame.key_matched, earlier, matches);
                    frame.comment_here |= matches;
                    let additional_data: &[u8] = if path.is_empty() { b":" } else { &path };
                    visitor.comment(&Place {
                        id,
                        additional_data,
                        selected,
                        in_list: frame.is_list,
                        alias: alias.first().copied(),
                    })?;
                    continue;
                }
                _ => {}
            }
            // A value. In a list, at the root of a document, and where an alias goes on with its target, the path is
            // that of the frame: only a key adds to it.
            let after_key = matches!(tree[NodeId(id.0 - 1)].kind, NodeKind::Key { .. });
            if !after_key {
                path.truncate(frame.path_length);
                key_matched = frame.key_matched;
            }
            let comment_in_force = frame.comment_above || frame.comment_here;
            let is_list_item = frame.is_list;
            match &node.kind {
                NodeKind::Scalar(scalar) => {
                    visitor.leaf(
                        &Place {
                            id,
                            additional_data: &path,
                            selected: matcher.selected(key_matched, comment_in_force),
                            in_list: is_list_item,
                            alias: alias.first().copied(),
                        },
                        scalar,
                    )?;
                    frame.comment_here = false;
                }
                NodeKind::Map { .. } | NodeKind::Sequence => frames.push(Frame {
                    end: node.end,
                    resume: None,
                    path_length: path.len(),
                    is_list: matches!(node.kind, NodeKind::Sequence),
                    key_matched,
                    comment_above: comment_in_force,
                    comment_here: false,
                }),
                NodeKind::Alias { target } => {
                    frames.push(Frame {
                        end: tree[*target].end,
                        resume: Some(next),
                        path_length: path.len(),
                        is_list: is_list_item,
                        key_matched,
                        comment_above: comment_in_force,
                        comment_here: false,
                    });
                    alias.push(id);
                    next = target.0;
                }
                NodeKind::Document | NodeKind::Key { .. } | NodeKind::Comment => {}
            }
        }
    }
    Ok(())
}
