//! A whole file in another format or with another indentation: its tree, written in the style of the reference.

use crate::{
    binary,
    crypto::{
        select::Matcher,
        walk::{Place, Visitor, walk},
    },
    error::Error,
    format::{EmitError, EmitStyle, Format},
    secret::SecretBytes,
    tree::{NodeId, Scalar, Tree},
};

/// Writes all documents of a text in the format `output`.
pub(crate) fn convert(
    text: &str,
    tree: &Tree,
    output: Format,
    style: &EmitStyle<'_>,
) -> Result<SecretBytes, Error> {
    if output == Format::Binary {
        return binary::bytes_of(text, tree);
    }
    let roots: Vec<_> = tree
        .documents()
        .filter_map(|document| tree.root(document))
        .collect();
    if output != Format::Yaml && roots.len() > 1 {
        return Err(EmitError::SeveralDocuments { format: output }.into());
    }
    let mut converted = Vec::new();
    for (index, root) in roots.into_iter().enumerate() {
        if index > 0 {
            converted.extend_from_slice(b"---\n");
        }
        converted.extend_from_slice(emit(text, tree, root, output, style)?.expose());
    }
    Ok(SecretBytes::new(converted))
}

/// Writes one value in the format `output`.
pub(crate) fn emit(
    text: &str,
    tree: &Tree,
    node: NodeId,
    output: Format,
    style: &EmitStyle<'_>,
) -> Result<SecretBytes, Error> {
    let written = output.engine().emit(text, tree, node, style)?;
    Ok(SecretBytes::new(written.into_bytes()))
}

/// Returns for each node whether it is a comment that `matcher` selects. The reference forgets where such a comment
/// stood, and writes it above the value that it stood beside.
pub(crate) fn selected_comments(text: &str, tree: &Tree, matcher: &Matcher) -> Vec<bool> {
    let mut selected = SelectedComments(vec![false; tree.len()]);
    // An alias bomb ends the walk, and then the writing too, which says so.
    let _ = walk(text, tree, matcher, &mut selected);
    selected.0
}

struct SelectedComments(Vec<bool>);

impl Visitor for SelectedComments {
    type Error = ();

    fn leaf(&mut self, _: &Place<'_>, _: &Scalar) -> Result<(), ()> {
        Ok(())
    }

    fn comment(&mut self, at: &Place<'_>) -> Result<(), ()> {
        self.0[at.id.index()] |= at.selected;
        Ok(())
    }

    fn too_many_nodes(&mut self, _: NodeId) {}
}
