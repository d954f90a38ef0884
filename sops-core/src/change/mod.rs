//! Values set and removed in a text that stays as it is everywhere else.
//!
//! A change is found in the tree, written by [`flow`] or [`block`] as edits of the text, and what comes out is read
//! again: it has to hold exactly what was there, with the change. What cannot be written so is an error.

mod block;
mod error;
mod flow;
mod lines;
mod outline;

pub use error::ChangeError;

use crate::{
    error::Error,
    format::{
        Format, ParseOptions,
        edit::{Edit, splice},
        json::render::string_text,
        yaml::place::line_break_of,
    },
    secret::SecretText,
    tree::{NodeId, NodeKind, Step, Tree, TreePath},
};
use outline::Outline;

/// A change of one value.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// Sets a value, which is written in JSON. Mappings that are missing on the way are made, a scalar that is in the
    /// way is replaced, and an index beyond the end of a list appends to it.
    Set {
        /// Where.
        path: TreePath,
        /// The value, in JSON.
        json: SecretText,
    },
    /// Removes a value with its key, or an item of a list.
    Unset {
        /// Where.
        path: TreePath,
        /// Whether it is no error that there is nothing.
        if_there: bool,
    },
}

impl Change {
    /// Returns the change that sets a value to a text, whatever the text looks like.
    #[must_use]
    pub fn set_text(path: TreePath, text: &str) -> Self {
        Self::Set {
            path,
            json: SecretText::new(string_text(text)),
        }
    }
}

/// Returns `text` with one change; `None` if it is so already.
pub(crate) fn apply(
    text: &str,
    format: Format,
    change: &Change,
) -> Result<Option<SecretText>, Error> {
    let (Change::Set { path, .. } | Change::Unset { path, .. }) = change;
    let failed = |error: ChangeError| Error::Change {
        path: path.to_string(),
        error,
    };
    if format == Format::Binary {
        return Err(failed(ChangeError::Format(format)));
    }
    let tree = format.parse(text, ParseOptions::default())?;
    let target = Target::find(text, &tree, path).map_err(failed)?;
    let before = Outline::of(text, &tree).ok_or_else(|| failed(ChangeError::Aliases))?;
    let mut on_one_line = None;
    let (edits, expected) = match (change, target) {
        (Change::Unset { .. }, Target::Node(node)) => {
            let (edits, expected) = remove(text, &tree, format, node, &before).map_err(failed)?;
            (edits, expected)
        }
        (Change::Unset { if_there: true, .. }, _) => return Ok(None),
        (Change::Unset { path, .. }, Target::Missing { .. } | Target::Scalar { .. }) => {
            return Err(Error::not_found(text, &tree, path));
        }
        (Change::Set { json, .. }, target) => {
            let rest = match &target {
                Target::Node(_) => &[],
                Target::Missing { rest, .. } | Target::Scalar { rest, .. } => *rest,
            };
            let mut new = match is_of_lines(format) {
                true => lines::texts_of(json, format, path, rest).map_err(failed)?,
                false => New::read(json, rest).map_err(failed)?,
            };
            let outline = new.outline().map_err(failed)?;
            let expected = match &target {
                Target::Node(node) | Target::Scalar { node, .. } => before.replace(*node, &outline),
                Target::Missing { container, key, .. } => {
                    let next = match format {
                        Format::Ini => lines::next_key(text, &tree, *container),
                        _ => None,
                    };
                    before.add(*container, next, key.as_deref(), &outline)
                }
            };
            let expected = expected.ok_or_else(|| failed(ChangeError::Aliases))?;
            if expected.is(&before) {
                return Ok(None);
            }
            let edits = set(text, &tree, format, &target, &new).map_err(failed)?;
            if format == Format::Yaml && new.json.expose().contains("\\n") {
                new.one_line = true;
                on_one_line = Some(set(text, &tree, format, &target, &new).map_err(failed)?);
            }
            (edits, expected)
        }
    };
    // A block takes in the blank lines that follow it, where it ends with several line breaks.
    for mut edits in [Some(edits), on_one_line].into_iter().flatten() {
        let changed = SecretText::new(splice(text, &mut edits));
        if is_like(changed.expose(), format, &expected) {
            return Ok(Some(changed));
        }
        // A text of several lines at the end of a file needs its last line break.
        let line_break = line_break_of(text);
        let ended = SecretText::new([changed.expose(), line_break].concat());
        if !text.ends_with(['\n', '\r']) && is_like(ended.expose(), format, &expected) {
            return Ok(Some(ended));
        }
    }
    Err(failed(ChangeError::Unwritable))
}

/// Whether a text holds what is expected, and can be read at all.
fn is_like(text: &str, format: Format, expected: &Outline) -> bool {
    format
        .parse(text, ParseOptions::default())
        .ok()
        .and_then(|tree| Outline::of(text, &tree))
        .is_some_and(|outline| outline.is(expected))
}

/// Where a path leads.
enum Target<'p> {
    Node(NodeId),
    /// A scalar is in the way.
    Scalar {
        node: NodeId,
        rest: &'p [Step],
    },
    /// The container has no such entry, or the list is shorter.
    Missing {
        container: NodeId,
        key: Option<String>,
        rest: &'p [Step],
    },
}

impl<'p> Target<'p> {
    fn find(text: &str, tree: &Tree, path: &'p TreePath) -> Result<Self, ChangeError> {
        let document = tree.documents().next();
        let mut node = document
            .and_then(|document| tree.root(document))
            .ok_or(ChangeError::NoMapping)?;
        if path.steps().is_empty() {
            return Err(ChangeError::Root);
        }
        for (at, step) in path.steps().iter().enumerate() {
            let rest = &path.steps()[at + 1..];
            let found = match (&tree[node].kind, step) {
                (NodeKind::Map { .. }, Step::Key(key) | Step::KeyOrIndex(key, _)) => {
                    let entry = tree.entry(text, node, key);
                    entry.map(|(_, value)| value).ok_or(Some(key.clone()))
                }
                (NodeKind::Sequence, Step::Index(index) | Step::KeyOrIndex(_, index)) => {
                    tree.items(node).nth(*index).ok_or(None)
                }
                (NodeKind::Map { .. }, _) => return Err(ChangeError::IndexIntoMapping),
                (NodeKind::Sequence, _) => return Err(ChangeError::KeyIntoList),
                (NodeKind::Alias { .. }, _) => return Err(ChangeError::Aliases),
                _ if at == 0 => return Err(ChangeError::NoMapping),
                _ => {
                    return Ok(Self::Scalar {
                        node,
                        rest: &path.steps()[at..],
                    });
                }
            };
            match found {
                Ok(next) => node = next,
                Err(key) => {
                    return Ok(Self::Missing {
                        container: node,
                        key,
                        rest,
                    });
                }
            }
        }
        match tree[node].kind {
            NodeKind::Alias { .. } => Err(ChangeError::Aliases),
            _ => Ok(Self::Node(node)),
        }
    }
}

/// A value to be written, as the tree of a JSON text.
pub(crate) struct New {
    json: SecretText,
    /// Whether its texts are written on one line each, with escapes, even if a block could hold them.
    one_line: bool,
}

impl New {
    /// Reads the value, and puts it into the containers that the rest of a path asks for.
    pub(crate) fn read(json: &SecretText, rest: &[Step]) -> Result<Self, ChangeError> {
        let value = SecretText::new(json.expose().trim().to_owned());
        let new = Self {
            json: value,
            one_line: false,
        };
        // One value and nothing behind it that would make more entries of the object.
        let is_one = new.with_tree("{\"\":", "}", |_, tree, root| {
            let is_whole = tree.entries(root).count() == 1;
            is_whole.then_some(())
        })?;
        if is_one.is_none() || new.json.expose().is_empty() {
            return Err(ChangeError::NotJson);
        }
        let mut opening = String::new();
        let mut closing = String::new();
        for step in rest {
            match step {
                Step::Key(key) | Step::KeyOrIndex(key, _) => {
                    opening.push('{');
                    opening += &string_text(key);
                    opening.push(':');
                    closing.push('}');
                }
                Step::Index(_) => {
                    opening.push('[');
                    closing.push(']');
                }
            }
        }
        let closing: String = closing.chars().rev().collect();
        Ok(Self {
            json: SecretText::new([opening.as_str(), new.json.expose(), &closing].concat()),
            one_line: false,
        })
    }

    /// An empty container.
    fn empty(is_list: bool) -> Self {
        Self {
            json: SecretText::new(if is_list { "[]" } else { "{}" }.to_owned()),
            one_line: false,
        }
    }

    /// Calls `read` with an object that is the value between two texts, its tree and its root.
    fn with_tree<T>(
        &self,
        opening: &str,
        closing: &str,
        read: impl FnOnce(&str, &Tree, NodeId) -> T,
    ) -> Result<T, ChangeError> {
        let text = SecretText::new([opening, self.json.expose(), closing].concat());
        let tree = Format::Json
            .parse(text.expose(), ParseOptions::default())
            .map_err(|_| ChangeError::NotJson)?;
        let root = tree
            .documents()
            .next()
            .and_then(|document| tree.root(document))
            .ok_or(ChangeError::NotJson)?;
        Ok(read(text.expose(), &tree, root))
    }

    /// Calls `read` with the value alone.
    pub(crate) fn with_value<T>(
        &self,
        read: impl FnOnce(&str, &Tree, NodeId) -> T,
    ) -> Result<T, ChangeError> {
        self.with_tree("{\"\":", "}", |text, tree, root| {
            let value = tree.entries(root).next().map_or(root, |(_, value)| value);
            read(text, tree, value)
        })
    }

    /// Calls `read` with a mapping of one entry, the value under `key`.
    pub(crate) fn with_entry<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str, &Tree, NodeId) -> T,
    ) -> Result<T, ChangeError> {
        let opening = SecretText::new(format!("{{{}:", string_text(key)));
        self.with_tree(opening.expose(), "}", read)
    }

    /// Calls `read` with a list of one item, the value.
    pub(crate) fn with_item<T>(
        &self,
        read: impl FnOnce(&str, &Tree, NodeId) -> T,
    ) -> Result<T, ChangeError> {
        self.with_tree("{\"\":[", "]}", |text, tree, root| {
            let list = tree.entries(root).next().map_or(root, |(_, value)| value);
            read(text, tree, list)
        })
    }

    fn outline(&self) -> Result<Outline, ChangeError> {
        self.with_value(Outline::of_value)?
            .ok_or(ChangeError::NotJson)
    }
}

fn set(
    text: &str,
    tree: &Tree,
    format: Format,
    target: &Target<'_>,
    new: &New,
) -> Result<Vec<Edit>, ChangeError> {
    match target {
        Target::Missing { container, key, .. } if is_of_lines(format) => {
            let key = key.as_deref().ok_or(ChangeError::KeyIntoList)?;
            lines::add(text, tree, format, *container, key, new)
        }
        Target::Node(node) | Target::Scalar { node, .. } => {
            let mut edits = Vec::new();
            let is_scalar = |tree: &Tree, id: NodeId| matches!(tree[id].kind, NodeKind::Scalar(_));
            if is_scalar(tree, *node) {
                new.with_value(|source, new_tree, value| {
                    if let NodeKind::Scalar(scalar) = &new_tree[value].kind {
                        let value = scalar.value.view(source);
                        format
                            .engine()
                            .restored(text, tree, *node, value, &mut edits);
                    }
                })?;
            }
            if !edits.is_empty() && is_of_lines(format) {
                return Ok(lines::set_apart(text, tree, format, *node, edits));
            }
            // A scalar takes the place and the style of a scalar.
            let is_filled =
                !is_empty_node(tree, *node) && !block::is_empty_block(text, tree, *node);
            if !edits.is_empty() && is_filled {
                return Ok(edits);
            }
            replace(text, tree, format, *node, new)
        }
        Target::Missing { container, key, .. } => {
            let is_empty = tree.items(*container).next().is_none();
            if is_flow(text, tree, *container) {
                // An empty mapping in a block grows into a block.
                if is_empty && !is_in_flow(text, tree, *container) {
                    let grown = match key {
                        Some(key) => format!("{{{}:{}}}", string_text(key), new.json.expose()),
                        None => format!("[{}]", new.json.expose()),
                    };
                    let grown = New {
                        json: SecretText::new(grown),
                        one_line: new.one_line,
                    };
                    let is_root = tree
                        .parent(*container)
                        .is_none_or(|parent| matches!(tree[parent].kind, NodeKind::Document));
                    if !is_root {
                        return block::replace(text, tree, *container, &grown);
                    }
                    if let (Format::Yaml, Some(key)) = (format, key)
                        && let Some(edits) = block::first_of_root(text, tree, *container, key, new)?
                    {
                        return Ok(edits);
                    }
                }
                return flow::add(text, tree, format, *container, key.as_deref(), new);
            }
            block::add(text, tree, *container, key.as_deref(), new)
        }
    }
}

fn replace(
    text: &str,
    tree: &Tree,
    format: Format,
    node: NodeId,
    new: &New,
) -> Result<Vec<Edit>, ChangeError> {
    if is_of_lines(format) {
        return lines::replace_section(text, tree, node, new);
    }
    if is_in_flow(text, tree, node) {
        flow::replace(text, tree, format, node, new)
    } else {
        block::replace(text, tree, node, new)
    }
}

fn remove(
    text: &str,
    tree: &Tree,
    format: Format,
    node: NodeId,
    before: &Outline,
) -> Result<(Vec<Edit>, Outline), ChangeError> {
    let container = tree.parent(node).ok_or(ChangeError::Root)?;
    let is_list = matches!(tree[container].kind, NodeKind::Sequence);
    let key = (!is_list).then(|| NodeId(node.0.saturating_sub(1)));
    let expected = before.remove(node, key).ok_or(ChangeError::Aliases)?;
    if is_of_lines(format) {
        return Ok((lines::remove(text, tree, format, node), expected));
    }
    let count = match is_list {
        true => tree.items(container).count(),
        false => tree.entries(container).count(),
    };
    let is_root = tree
        .parent(container)
        .is_none_or(|parent| matches!(tree[parent].kind, NodeKind::Document));
    let edits = if is_flow(text, tree, container) {
        flow::remove(text, tree, container, key.unwrap_or(node), node)
    } else if count > 1 {
        block::remove(text, tree, container, key.unwrap_or(node), node)?
    } else if is_root {
        block::empty_root(text, tree, key.unwrap_or(node), node)
    } else {
        block::replace(text, tree, container, &New::empty(is_list))?
    };
    Ok((edits, expected))
}

/// Whether a container is written with brackets.
fn is_flow(text: &str, tree: &Tree, container: NodeId) -> bool {
    match tree[container].kind {
        NodeKind::Map { flow } => flow,
        _ => tree[container].span.of(text).starts_with('['),
    }
}

/// Whether a node stands inside brackets.
fn is_in_flow(text: &str, tree: &Tree, node: NodeId) -> bool {
    tree.ancestors(node).any(|around| match tree[around].kind {
        NodeKind::Map { .. } | NodeKind::Sequence => is_flow(text, tree, around),
        _ => false,
    })
}

/// Whether nothing is written where the node is.
fn is_empty_node(tree: &Tree, node: NodeId) -> bool {
    tree[node].outer_start >= tree[node].span.end
}

/// Whether a format has a line for each value, and texts for values.
fn is_of_lines(format: Format) -> bool {
    matches!(format, Format::Dotenv | Format::Ini)
}

/// Where an entry or item ends that starts with `first`, which is its key or the value itself.
fn end_of(text: &str, tree: &Tree, first: NodeId, value: NodeId) -> usize {
    let node = &tree[value];
    if !is_empty_node(tree, value) || first == value {
        return node.span.end.max(node.outer_start) as usize;
    }
    let key_end = tree[first].span.end as usize;
    let behind = text[key_end..].trim_start_matches([' ', '\t', '\n', '\r']);
    match behind.strip_prefix(':') {
        Some(behind) => text.len() - behind.len(),
        None => key_end,
    }
}

/// The entries of a mapping or items of a list: where each starts, and its value.
fn parts(tree: &Tree, container: NodeId) -> Vec<(NodeId, NodeId)> {
    match tree[container].kind {
        NodeKind::Sequence => tree.items(container).map(|item| (item, item)).collect(),
        _ => tree.entries(container).collect(),
    }
}

#[cfg(test)]
mod tests;
