//! Typed reading of a configuration's tree, as Go's yaml v3 decodes into types, with a place for every problem.

use std::path::{Path, PathBuf};

use super::{ConfigError, ConfigErrorKind, ConfigWarning};
use crate::{
    suggest,
    tree::{NodeId, NodeKind, Tree, Value, span::Position},
};

/// How deeply `<<` and `merge` may nest.
pub(super) const MAX_DEPTH: usize = 50;

/// The tree of a configuration, and the warnings about it.
pub(super) struct Reader<'t> {
    source: &'t str,
    tree: &'t Tree,
    path: PathBuf,
    pub(super) warnings: Vec<ConfigWarning>,
    /// What aliases stand for.
    targets: Vec<NodeId>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &'t str, tree: &'t Tree, path: &Path) -> Self {
        let targets = tree
            .nodes()
            .iter()
            .filter_map(|node| match node.kind {
                NodeKind::Alias { target } => Some(target),
                _ => None,
            })
            .collect();
        Self {
            source,
            tree,
            path: path.to_owned(),
            warnings: Vec::new(),
            targets,
        }
    }

    pub(super) fn position(&self, node: NodeId) -> Position {
        Position::of(self.source, self.tree[node].span.start as usize)
    }

    pub(super) fn error(&self, node: NodeId, message: impl Into<String>) -> ConfigError {
        ConfigError::new(
            ConfigErrorKind::Invalid,
            &self.path,
            Some(self.position(node)),
            message,
        )
    }

    pub(super) fn warn(&mut self, node: NodeId, message: String, hint: Option<String>) {
        let position = Some(self.position(node));
        self.warnings.push(ConfigWarning {
            path: self.path.clone(),
            position,
            message,
            hint,
        });
    }

    /// Reads a text. Other scalars count as the text they are written as.
    pub(super) fn text(&self, node: NodeId, what: &str) -> Result<String, ConfigError> {
        match &self.tree[self.tree.resolve(node)].kind {
            NodeKind::Scalar(scalar) => Ok(match &scalar.value {
                Value::Null => String::new(),
                Value::Str(text) => lossy(text.bytes(self.source)),
                _ => self.tree[self.tree.resolve(node)]
                    .span
                    .of(self.source)
                    .trim_matches(['"', '\''])
                    .to_owned(),
            }),
            _ => Err(self.mismatch(node, what, "a text")),
        }
    }

    /// Reads a text, and nothing that YAML takes for a number, a boolean or a time.
    pub(super) fn strict_text(&self, node: NodeId, what: &str) -> Result<String, ConfigError> {
        match &self.tree[self.tree.resolve(node)].kind {
            NodeKind::Scalar(scalar) if matches!(scalar.value, Value::Str(_)) => {
                self.text(node, what)
            }
            NodeKind::Scalar(scalar) if !matches!(scalar.value, Value::Null) => Err(self
                .mismatch(node, what, "a text")
                .with_hint("put quotes around it")),
            _ => Err(self.mismatch(node, what, "a text")),
        }
    }

    pub(super) fn boolean(&self, node: NodeId, what: &str) -> Result<bool, ConfigError> {
        if let NodeKind::Scalar(scalar) = &self.tree[self.tree.resolve(node)].kind {
            match &scalar.value {
                Value::Bool(value) => return Ok(*value),
                // A typed boolean may be spelled as in YAML 1.1.
                Value::Str(text) => match text.bytes(self.source) {
                    b"y" | b"Y" | b"yes" | b"Yes" | b"YES" | b"on" | b"On" | b"ON" => {
                        return Ok(true);
                    }
                    b"n" | b"N" | b"no" | b"No" | b"NO" | b"off" | b"Off" | b"OFF" => {
                        return Ok(false);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Err(self.mismatch(node, what, "true or false"))
    }

    pub(super) fn integer(&self, node: NodeId, what: &str) -> Result<i64, ConfigError> {
        if let NodeKind::Scalar(scalar) = &self.tree[self.tree.resolve(node)].kind {
            match scalar.value {
                Value::Int(value) => return Ok(value),
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "it is whole, and within the range of whole numbers"
                )]
                Value::Float(value) if value.trunc() == value && value.abs() < 1e15 => {
                    return Ok(value as i64);
                }
                _ => {}
            }
        }
        Err(self.mismatch(node, what, "a whole number"))
    }

    /// Reads the items of a list; those that are null count as not there.
    pub(super) fn list(&self, node: NodeId, what: &str) -> Result<Vec<NodeId>, ConfigError> {
        let mut items = self.all_items(node, what)?;
        items.retain(|&item| !self.is_null(item));
        Ok(items)
    }

    /// Reads the items of a list, null or not.
    pub(super) fn all_items(&self, node: NodeId, what: &str) -> Result<Vec<NodeId>, ConfigError> {
        let resolved = self.tree.resolve(node);
        match self.tree[resolved].kind {
            NodeKind::Sequence => Ok(self
                .tree
                .children(resolved)
                .filter(|&child| !matches!(self.tree[child].kind, NodeKind::Comment))
                .collect()),
            _ => Err(self.mismatch(node, what, "a list")),
        }
    }

    /// Reads a mapping; null is an empty one.
    pub(super) fn section(&self, node: NodeId, what: &str) -> Result<Section, ConfigError> {
        let mut entries = Vec::new();
        self.collect(node, what, &mut entries, 0)?;
        Ok(Section {
            entries,
            asked: Vec::new(),
        })
    }

    pub(super) fn is_null(&self, node: NodeId) -> bool {
        matches!(&self.tree[self.tree.resolve(node)].kind,
            NodeKind::Scalar(scalar) if matches!(scalar.value, Value::Null))
    }

    pub(super) fn is_list(&self, node: NodeId) -> bool {
        matches!(self.tree[self.tree.resolve(node)].kind, NodeKind::Sequence)
    }

    pub(super) fn mismatch(&self, node: NodeId, what: &str, expected: &str) -> ConfigError {
        let found = match &self.tree[self.tree.resolve(node)].kind {
            NodeKind::Map { .. } => "a mapping",
            NodeKind::Sequence => "a list",
            NodeKind::Scalar(scalar) => match scalar.value {
                Value::Null => "nothing",
                Value::Bool(_) => "a boolean",
                Value::Int(_) | Value::Unsigned(_) | Value::Float(_) => "a number",
                Value::Time(_) => "a time",
                Value::Str(_) => "a text",
            },
            _ => "something else",
        };
        self.error(node, format!("{what}: expected {expected}, found {found}"))
    }

    /// Collects the entries of a mapping: its own first, then those that `<<` merges in and it does not have.
    ///
    /// Recursive; the depth is limited.
    fn collect(
        &self,
        node: NodeId,
        what: &str,
        entries: &mut Vec<Entry>,
        depth: usize,
    ) -> Result<(), ConfigError> {
        if depth > MAX_DEPTH {
            return Err(self.error(node, format!("{what}: mappings are merged too deeply")));
        }
        let resolved = self.tree.resolve(node);
        if depth == 0 && self.is_null(node) {
            return Ok(());
        }
        if !matches!(self.tree[resolved].kind, NodeKind::Map { .. }) {
            return Err(self.mismatch(node, what, "a mapping"));
        }
        let mut merged = None;
        for (key, value) in self.tree.entries(resolved) {
            let NodeKind::Key { text, .. } = &self.tree[key].kind else {
                continue;
            };
            let name = lossy(text.bytes(self.source));
            let quoted = self.tree[key].span.of(self.source).starts_with(['"', '\'']);
            if name == "<<" && !quoted {
                merged = Some(value);
            } else if !entries.iter().any(|entry| entry.name == name) {
                entries.push(Entry { name, key, value });
            }
        }
        let Some(merged) = merged else {
            return Ok(());
        };
        if self.is_list(merged) {
            for item in self.list(merged, what)? {
                self.collect(item, what, entries, depth + 1)?;
            }
            Ok(())
        } else {
            self.collect(merged, what, entries, depth + 1)
        }
    }

    /// Whether something in the node is what an alias stands for. Such a node is there to be referred to, and its key
    /// may have any name.
    fn is_referred_to(&self, node: NodeId) -> bool {
        self.targets
            .iter()
            .any(|target| (node.0..self.tree[node].end).contains(&target.0))
    }
}

/// A mapping whose entries are taken out one by one; what nobody took is unknown.
pub(super) struct Section {
    entries: Vec<Entry>,
    asked: Vec<&'static str>,
}

struct Entry {
    name: String,
    key: NodeId,
    value: NodeId,
}

impl Section {
    /// Takes an entry out; `None` if it is absent or null.
    pub(super) fn take(&mut self, reader: &Reader<'_>, name: &'static str) -> Option<NodeId> {
        self.asked.push(name);
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        let entry = self.entries.remove(at);
        (!reader.is_null(entry.value)).then_some(entry.value)
    }

    /// Takes a text; empty if absent.
    pub(super) fn text(
        &mut self,
        reader: &Reader<'_>,
        name: &'static str,
    ) -> Result<String, ConfigError> {
        self.take(reader, name)
            .map_or(Ok(String::new()), |node| reader.text(node, name))
    }

    /// Takes the items of a list; empty if absent.
    pub(super) fn list(
        &mut self,
        reader: &Reader<'_>,
        name: &'static str,
    ) -> Result<Vec<NodeId>, ConfigError> {
        self.take(reader, name)
            .map_or(Ok(Vec::new()), |node| reader.list(node, name))
    }

    /// Returns the entries that are left, with all their names.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (String, NodeId)> {
        self.entries
            .into_iter()
            .map(|entry| (entry.name, entry.value))
    }

    /// Warns about the entries that nobody took.
    pub(super) fn finish(self, reader: &mut Reader<'_>, what: &str) {
        for entry in self.entries {
            if reader.is_referred_to(entry.value) {
                continue;
            }
            let hint = suggest::closest(&entry.name, self.asked.iter().copied())
                .map(|name| format!("did you mean {name}?"));
            reader.warn(
                entry.key,
                format!("unknown key {:?} in {what}, it has no effect", entry.name),
                hint,
            );
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
