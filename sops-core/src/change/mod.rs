//! Values set and removed in a text that stays as it is everywhere else.
//!
//! A change is found in the tree, written by [`flow`] or [`block`] as edits of the text, and what comes out is read
//! again: it has to hold exactly what was there, with the change. What cannot be written so is an error.

mod block;
mod error;
mod flow;
mod lines;
mod new_value;
mod outline;
mod target;

pub use error::ChangeError;
pub(crate) use new_value::NewValue;

use crate::{
    error::Error,
    format::{
        Format, ParseOptions,
        edit::{Edit, splice},
        json::render::string_text,
        yaml::place::line_break_of,
    },
    secret::SecretText,
    tree::{NodeId, NodeKind, Tree, TreePath},
};
use outline::Outline;
use target::Target;

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

/// A text that is being changed, with what is known of it.
pub(crate) struct Draft {
    format: Format,
    text: SecretText,
    tree: Tree,
    /// What the text holds; `None` if its aliases blow it up.
    outline: Option<Outline>,
}

impl Draft {
    /// Reads a text that is to be changed.
    pub(crate) fn new(text: SecretText, format: Format) -> Result<Self, Error> {
        let tree = format.parse(text.expose(), ParseOptions::default())?;
        let outline = Outline::of(text.expose(), &tree);
        Ok(Self {
            format,
            text,
            tree,
            outline,
        })
    }

    pub(crate) fn text(&self) -> &str {
        self.text.expose()
    }

    /// Makes one change; returns false if all is so already.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<bool, Error> {
        let (Change::Set { path, .. } | Change::Unset { path, .. }) = change;
        let failed = |error: ChangeError| Error::Change {
            path: path.to_string(),
            error,
        };
        if self.format == Format::Binary {
            return Err(failed(ChangeError::Format(self.format)));
        }
        let text = self.text.expose();
        let target = Target::find(text, &self.tree, path).map_err(failed)?;
        let Some(before) = &self.outline else {
            return Err(failed(ChangeError::Aliases));
        };
        let changed = match (change, target) {
            (Change::Unset { .. }, Target::Node(node)) => self.without(node, before),
            (Change::Unset { if_there: true, .. }, _) => return Ok(false),
            (Change::Unset { path, .. }, Target::Missing { .. } | Target::Scalar { .. }) => {
                return Err(Error::not_found(text, &self.tree, path));
            }
            (Change::Set { json, .. }, target) => {
                self.read_value(json, path, &target).and_then(|new| {
                    let expected = self.expected(before, &target, &new)?;
                    match expected.is(before) {
                        true => Ok(None),
                        false => self.with(&target, new, &expected).map(Some),
                    }
                })
            }
        };
        match changed.map_err(failed)? {
            Some(changed) => {
                *self = changed;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn read_value(
        &self,
        json: &SecretText,
        path: &TreePath,
        target: &Target<'_>,
    ) -> Result<NewValue, ChangeError> {
        let rest = target.rest();
        match is_of_lines(self.format) {
            true => lines::texts_of(json, self.format, path, rest),
            false => NewValue::read(json, rest),
        }
    }

    /// What the text has to hold with the value in it.
    fn expected(
        &self,
        before: &Outline,
        target: &Target<'_>,
        new: &NewValue,
    ) -> Result<Outline, ChangeError> {
        let outline = new.outline()?;
        let expected = match target {
            Target::Node(node) | Target::Scalar { node, .. } => before.replace(*node, &outline),
            Target::Missing { container, key, .. } => {
                let next = match self.format {
                    Format::Ini => lines::next_key(self.text(), &self.tree, *container),
                    _ => None,
                };
                before.add(*container, next, key.as_deref(), &outline)
            }
        };
        expected.ok_or(ChangeError::Aliases)
    }

    fn with(
        &self,
        target: &Target<'_>,
        mut new: NewValue,
        expected: &Outline,
    ) -> Result<Self, ChangeError> {
        let edits = set(self.text(), &self.tree, self.format, target, &new)?;
        if let Some(changed) = self.edited(edits, expected) {
            return Ok(changed);
        }
        // A block takes in the blank lines that follow it, where it ends with several line breaks.
        if self.format == Format::Yaml && new.has_line_breaks() {
            new.one_line = true;
            let edits = set(self.text(), &self.tree, self.format, target, &new)?;
            if let Some(changed) = self.edited(edits, expected) {
                return Ok(changed);
            }
        }
        Err(ChangeError::Unwritable)
    }

    fn without(&self, node: NodeId, before: &Outline) -> Result<Option<Self>, ChangeError> {
        let (edits, expected) = remove(self.text(), &self.tree, self.format, node, before)?;
        let changed = self.edited(edits, &expected);
        changed
            .filter(|_| !expected.is(before))
            .map(Some)
            .ok_or(ChangeError::Unwritable)
    }

    /// The text with edits, if it then holds what is expected.
    fn edited(&self, mut edits: Vec<Edit>, expected: &Outline) -> Option<Self> {
        let text = self.text();
        let changed = SecretText::new(splice(text, &mut edits));
        // A text of several lines at the end of a file needs its last line break.
        let ended = (!text.ends_with(['\n', '\r']))
            .then(|| SecretText::new([changed.expose(), line_break_of(text)].concat()));
        [Some(changed), ended]
            .into_iter()
            .flatten()
            .filter_map(|text| Self::new(text, self.format).ok())
            .find(|draft| {
                let outline = draft.outline.as_ref();
                outline.is_some_and(|outline| outline.is(expected))
            })
    }
}

fn set(
    text: &str,
    tree: &Tree,
    format: Format,
    target: &Target<'_>,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    match target {
        Target::Missing { container, key, .. } if is_of_lines(format) => {
            let key = key.as_deref().ok_or(ChangeError::KeyIntoList)?;
            lines::add(text, tree, format, *container, key, new)
        }
        Target::Missing { container, key, .. } => {
            add(text, tree, format, *container, key.as_deref(), new)
        }
        Target::Node(node) | Target::Scalar { node, .. } => {
            let edits = in_style_of(text, tree, format, *node, new)?;
            if !edits.is_empty() && is_of_lines(format) {
                return Ok(lines::set_apart(text, tree, format, *node, edits));
            }
            let is_filled =
                !is_empty_node(tree, *node) && !block::is_empty_block(text, tree, *node);
            if !edits.is_empty() && is_filled {
                return Ok(edits);
            }
            replace(text, tree, format, *node, new)
        }
    }
}

/// A scalar takes the place and the style of a scalar; no edits where one of them is none.
fn in_style_of(
    text: &str,
    tree: &Tree,
    format: Format,
    node: NodeId,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    let mut edits = Vec::new();
    if matches!(tree[node].kind, NodeKind::Scalar(_)) {
        new.with_value(|source, new_tree, value| {
            if let NodeKind::Scalar(scalar) = &new_tree[value].kind {
                let value = scalar.value.view(source);
                format
                    .engine()
                    .restored(text, tree, node, value, &mut edits);
            }
        })?;
    }
    Ok(edits)
}

fn add(
    text: &str,
    tree: &Tree,
    format: Format,
    container: NodeId,
    key: Option<&str>,
    new: &NewValue,
) -> Result<Vec<Edit>, ChangeError> {
    if !is_flow(text, tree, container) {
        return block::add(text, tree, container, key, new);
    }
    let is_empty = tree.items(container).next().is_none();
    // An empty mapping in a block grows into a block.
    if is_empty && !is_in_flow(text, tree, container) {
        if !is_root(tree, container) {
            return block::replace(text, tree, container, &new.within(key));
        }
        if let (Format::Yaml, Some(key)) = (format, key)
            && let Some(edits) = block::first_of_root(text, tree, container, key, new)?
        {
            return Ok(edits);
        }
    }
    flow::add(text, tree, format, container, key, new)
}

fn replace(
    text: &str,
    tree: &Tree,
    format: Format,
    node: NodeId,
    new: &NewValue,
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
    let expected = match lines::is_without_header(tree, format, node) {
        // It is there without its lines, too.
        true => before.replace(node, &NewValue::empty(false).outline()?),
        false => before.remove(node, key),
    };
    let expected = expected.ok_or(ChangeError::Aliases)?;
    if is_of_lines(format) {
        return Ok((lines::remove(text, tree, format, node), expected));
    }
    let count = match is_list {
        true => tree.items(container).count(),
        false => tree.entries(container).count(),
    };
    let edits = if is_flow(text, tree, container) {
        flow::remove(text, tree, container, key.unwrap_or(node), node)
    } else if count > 1 {
        block::remove(text, tree, container, key.unwrap_or(node), node)?
    } else if is_root(tree, container) {
        block::empty_root(text, tree, key.unwrap_or(node), node)
    } else {
        block::replace(text, tree, container, &NewValue::empty(is_list))?
    };
    Ok((edits, expected))
}

/// Whether a container is all that its document holds.
fn is_root(tree: &Tree, container: NodeId) -> bool {
    tree.parent(container)
        .is_none_or(|parent| matches!(tree[parent].kind, NodeKind::Document))
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
mod line_tests;
#[cfg(test)]
mod tests;
