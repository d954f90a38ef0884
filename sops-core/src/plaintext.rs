//! A decrypted file, and reading values from it.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use crate::{
    binary,
    convert::{convert, emit, selected_comments},
    crypto::select::Selector,
    deserialize,
    error::Error,
    format::{EmitError, EmitStyle, Format},
    secret::{SecretBytes, SecretText},
    tree::{NodeKind, Tree, TreePath},
    warning::Warning,
};

/// A decrypted file. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Debug)]
pub struct Plaintext {
    content: Content,
    format: Format,
    selector: Selector,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
enum Content {
    Text {
        text: SecretText,
        tree: Tree,
    },
    Binary {
        bytes: SecretBytes,
        /// Made when somebody asks for a value: it has a copy of the bytes.
        tree: OnceLock<Tree>,
    },
}

impl Plaintext {
    pub(crate) fn new(
        text: SecretText,
        tree: Tree,
        format: Format,
        selector: Selector,
        warnings: Vec<Warning>,
    ) -> Self {
        Self {
            content: Content::Text { text, tree },
            format,
            selector,
            warnings,
        }
    }

    pub(crate) fn binary(bytes: SecretBytes, selector: Selector) -> Self {
        Self {
            content: Content::Binary {
                bytes,
                tree: OnceLock::new(),
            },
            format: Format::Binary,
            selector,
            warnings: Vec::new(),
        }
    }

    /// Returns the whole file in the clear.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text { text, .. } => text.expose().as_bytes(),
            Content::Binary { bytes, .. } => bytes.expose(),
        }
    }

    /// Returns what the user should know.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the format the file was read as.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns one value as text: a text as it is, a number, boolean or time in its canonical spelling.
    /// `path` is written `db.users[0].password`, `["db"]["users"][0]["password"]` or `/db/users/0/password`.
    ///
    /// # Errors
    /// [`Error::Path`] for a path that is none, [`Error::NotFound`] if it leads nowhere, or to a map, list or null.
    pub fn get(&self, path: &str) -> Result<SecretText, Error> {
        let path = TreePath::parse(path)?;
        let not_found = || Error::not_found(self.text(), self.tree(), &path);
        let node = self.find(&path).ok_or_else(not_found)?;
        let NodeKind::Scalar(scalar) = &self.tree()[self.tree().resolve(node)].kind else {
            return Err(not_found());
        };
        let mut text = Vec::new();
        match scalar.value.view(self.text()) {
            crate::tree::ValueRef::Null => return Err(not_found()),
            crate::tree::ValueRef::Bool(value) => {
                text.extend_from_slice(value.to_string().as_bytes())
            }
            value => value.plaintext(&mut text),
        }
        String::from_utf8(text)
            .map(SecretText::new)
            .map_err(|_| not_found())
    }

    /// Returns what stands at a path, as `--extract` prints it: a text as it is, without a line break after it; anything
    /// else in the format of the file.
    ///
    /// # Errors
    /// As [`Plaintext::extract_as`].
    pub fn extract(&self, path: &TreePath) -> Result<SecretBytes, Error> {
        self.extract_as(path, self.format)
    }

    /// Returns what stands at a path, maps and lists in the format `output`.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the path leads nowhere; [`Error::Emit`] if the format cannot hold it; [`Error::Selector`] if the
    /// selector of the file is not a regular expression.
    pub fn extract_as(&self, path: &TreePath, output: Format) -> Result<SecretBytes, Error> {
        let node = self
            .find(path)
            .ok_or_else(|| Error::not_found(self.text(), self.tree(), path))?;
        if let NodeKind::Scalar(scalar) = &self.tree()[self.tree().resolve(node)].kind
            && let crate::tree::ValueRef::Str(text) = scalar.value.view(self.text())
        {
            return Ok(SecretBytes::new(text.to_vec()));
        }
        if output == Format::Binary {
            return Err(EmitError::NotBinary.into());
        }
        let written = self.emit(node, output)?;
        let is_list = matches!(
            self.tree()[self.tree().resolve(node)].kind,
            NodeKind::Sequence
        );
        match (output, written.expose()) {
            // As the reference prints a list.
            (Format::Json, [list @ .., b'\n']) if is_list => Ok(SecretBytes::new(list.to_vec())),
            _ => Ok(written),
        }
    }

    /// Returns what stands at a path in JSON, a text in quotes.
    ///
    /// # Errors
    /// As [`Plaintext::extract_as`].
    pub fn extract_json(&self, path: &TreePath) -> Result<SecretBytes, Error> {
        let node = self
            .find(path)
            .ok_or_else(|| Error::not_found(self.text(), self.tree(), path))?;
        self.emit(node, Format::Json)
    }

    fn emit(&self, node: crate::tree::NodeId, output: Format) -> Result<SecretBytes, Error> {
        let encrypted = selected_comments(self.text(), self.tree(), &self.selector.compile()?);
        let style = EmitStyle {
            indent: None,
            beside: &|comment| !encrypted[comment.index()],
            from: self.format.engine(),
            one_line: false,
            keeps_floats: false,
        };
        emit(self.text(), self.tree(), node, output, &style)
    }

    /// Returns the whole file in another format, or with another indentation, in the style of the reference: nothing of
    /// its own layout is kept.
    ///
    /// # Errors
    /// [`Error::Emit`] if the format cannot hold it; [`Error::Selector`] if the selector of the file is not a regular
    /// expression.
    pub fn convert(&self, output: Format, indent: Option<usize>) -> Result<SecretBytes, Error> {
        if let (Content::Binary { bytes, .. }, Format::Binary) = (&self.content, output) {
            return Ok(SecretBytes::new(bytes.expose().to_vec()));
        }
        let text = self.text();
        let matcher = self.selector.compile()?;
        let encrypted = selected_comments(text, self.tree(), &matcher);
        let style = EmitStyle {
            indent,
            beside: &|comment| !encrypted[comment.index()],
            from: self.format.engine(),
            one_line: false,
            keeps_floats: false,
        };
        convert(text, self.tree(), output, &style)
    }

    /// Returns whether this is a binary file, or what one becomes in another format: a map with a text under `data`, and
    /// nothing else.
    #[must_use]
    pub fn holds_binary(&self) -> bool {
        match &self.content {
            Content::Binary { .. } => true,
            Content::Text { .. } => binary::is_envelope(self.text(), self.tree()),
        }
    }

    /// Reads the first document into a type of the caller's.
    ///
    /// # Errors
    /// [`Error::Deserialize`], which names the path and what was expected there.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(deserialize::from_first_document(self.text(), self.tree())?)
    }

    /// Returns the file as bytes that are wiped when dropped.
    #[must_use]
    pub fn into_bytes(self) -> SecretBytes {
        match self.content {
            Content::Text { text, .. } => text.into_bytes(),
            Content::Binary { bytes, .. } => bytes,
        }
    }

    /// The source of the tree: nothing for a binary file.
    pub(crate) fn text(&self) -> &str {
        match &self.content {
            Content::Text { text, .. } => text.expose(),
            Content::Binary { .. } => "",
        }
    }

    pub(crate) fn tree(&self) -> &Tree {
        match &self.content {
            Content::Text { tree, .. } => tree,
            Content::Binary { bytes, tree } => tree.get_or_init(|| binary::tree_of(bytes.expose())),
        }
    }

    fn find(&self, path: &TreePath) -> Option<crate::tree::NodeId> {
        let document = self.tree().documents().next()?;
        self.tree().find(self.text(), document, path)
    }
}
