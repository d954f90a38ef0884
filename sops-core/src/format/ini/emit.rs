//! A tree of any format as INI, as the reference writes it: the delimiters of a section one below the other, a blank
//! line between sections.
//!
//! Only comments stand elsewhere: above the key that they precede, where the reference puts them above the one before.

use zeroize::Zeroizing;

use super::{COMMENT_MARKS, DEFAULT_SECTION, DELIMITERS};
use crate::{
    format::{EmitError, Engine, Format, text_value},
    tree::{NodeId, NodeKind, Tree},
};

/// Returns the text of a map of sections, of one section, or of a single value.
pub(super) fn emit(
    source: &str,
    tree: &Tree,
    node: NodeId,
    from: &dyn Engine,
) -> Result<String, EmitError> {
    let node = tree.resolve(node);
    let nested = |id: NodeId| EmitError::Nested {
        path: tree.path_of(source, id).to_string(),
        format: Format::Ini,
    };
    match &tree[node].kind {
        NodeKind::Map { .. } => {}
        NodeKind::Scalar(scalar) => {
            return Ok(text_value::text(scalar.value.view(source)).to_string());
        }
        _ => return Err(nested(node)),
    }
    let sections: Vec<(NodeId, NodeId)> = tree.entries(node).collect();
    let mut out = String::new();
    for (index, &(key, section)) in sections.iter().enumerate() {
        let section = tree.resolve(section);
        let name = key_text(source, tree, key);
        if !matches!(tree[section].kind, NodeKind::Map { .. }) {
            return Err(EmitError::OutsideSections {
                path: tree.path_of(source, key).to_string(),
            });
        }
        let mut body = Body::default();
        for child in tree.children(section) {
            match &tree[child].kind {
                NodeKind::Comment => {
                    let span = tree[child].span;
                    let text = from.comment_text(source, tree, child);
                    let lines = comment_lines(&text);
                    match span.start < tree[key].span.start {
                        true => body.above_section.extend(lines),
                        false => body.waiting.extend(lines),
                    }
                }
                NodeKind::Key { .. } => body.keys.push(key_text(source, tree, child)),
                _ => {
                    let NodeKind::Scalar(scalar) = &tree[tree.resolve(child)].kind else {
                        return Err(nested(child));
                    };
                    body.value(text_value::text(scalar.value.view(source)));
                }
            }
        }
        let is_default = index == 0 && name.to_uppercase() == DEFAULT_SECTION;
        if is_default && body.pairs.is_empty() {
            continue;
        }
        for line in &body.above_section {
            out.push_str(&format!("{line}\n"));
        }
        if !is_default {
            out.push_str(&format!("[{name}]\n"));
        }
        for (line, comments) in entries(&body.pairs).into_iter().zip(&body.comments) {
            for comment in comments {
                out.push_str(&format!("{comment}\n"));
            }
            out.push_str(&line);
            out.push('\n');
        }
        if index + 1 < sections.len() {
            out.push('\n');
        }
    }
    Ok(out)
}

/// What stands in a section.
#[derive(Default)]
struct Body {
    above_section: Vec<String>,
    keys: Vec<String>,
    pairs: Vec<(String, Zeroizing<String>)>,
    /// The lines of comment above each pair.
    comments: Vec<Vec<String>>,
    waiting: Vec<String>,
}

impl Body {
    fn value(&mut self, value: Zeroizing<String>) {
        let key = self.keys.pop().unwrap_or_default();
        self.pairs.push((key, value));
        self.comments.push(std::mem::take(&mut self.waiting));
    }
}

/// Returns the lines of a comment, each with its mark.
fn comment_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| match line.strip_prefix(COMMENT_MARKS) {
        Some(rest) => format!("{} {}", &line[..1], rest.trim())
            .trim_end()
            .to_owned(),
        None => format!("; {line}"),
    })
}

/// Returns a line for each pair, without line breaks at their ends, the delimiters below each other.
pub(super) fn entries(pairs: &[(String, Zeroizing<String>)]) -> Vec<Zeroizing<String>> {
    let keys: Vec<String> = pairs.iter().map(|(key, _)| written_key(key)).collect();
    let width = keys.iter().map(String::len).max().unwrap_or_default();
    keys.iter()
        .zip(pairs)
        .map(|(key, (_, value))| {
            let (quote, blanks) = (quote_for(value), " ".repeat(width - key.len()));
            let pieces = [key.as_str(), &blanks, " = ", quote, value, quote];
            Zeroizing::new(pieces.concat())
        })
        .collect()
}

/// Returns a key as the reference writes it: in quotes, if it has to be.
pub(crate) fn written_key(key: &str) -> String {
    if key.contains('"') || key.contains(DELIMITERS) {
        format!("`{key}`")
    } else if key.contains('`') {
        format!("\"\"\"{key}\"\"\"")
    } else {
        key.to_owned()
    }
}

fn quote_for(value: &str) -> &'static str {
    if value.contains(['\n', '`']) {
        "\"\"\""
    } else if value.contains(COMMENT_MARKS) {
        "`"
    } else if value.trim() != value {
        "\""
    } else {
        ""
    }
}

fn key_text(source: &str, tree: &Tree, key: NodeId) -> String {
    match &tree[key].kind {
        NodeKind::Key { text, .. } => String::from_utf8_lossy(text.bytes(source)).into_owned(),
        _ => String::new(),
    }
}
