//! A value that is to be written.

use super::{ChangeError, outline::Outline};
use crate::{
    format::{Format, ParseOptions, json::render::string_text},
    secret::SecretText,
    tree::{NodeId, Step, Tree},
};

/// A value to be written, as the tree of a JSON text.
pub(crate) struct NewValue {
    json: SecretText,
    /// Whether its texts are written on one line each, with escapes, even if a block could hold them.
    pub(super) one_line: bool,
}

impl NewValue {
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
    pub(super) fn empty(is_list: bool) -> Self {
        Self {
            json: SecretText::new(if is_list { "[]" } else { "{}" }.to_owned()),
            one_line: false,
        }
    }

    /// The value in a container of its own: under a key, or in a list.
    pub(super) fn within(&self, key: Option<&str>) -> Self {
        let json = match key {
            Some(key) => format!("{{{}:{}}}", string_text(key), self.json.expose()),
            None => format!("[{}]", self.json.expose()),
        };
        Self {
            json: SecretText::new(json),
            one_line: self.one_line,
        }
    }

    /// Whether a text in the value, or a key, has a line break.
    pub(super) fn has_line_breaks(&self) -> bool {
        self.json.expose().contains("\\n")
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

    pub(super) fn outline(&self) -> Result<Outline, ChangeError> {
        self.with_value(Outline::of_value)?
            .ok_or(ChangeError::NotJson)
    }
}
