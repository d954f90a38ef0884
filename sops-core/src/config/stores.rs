//! How files are written: the key `stores`.

use super::{ConfigError, reader::Reader};
use crate::tree::NodeId;

/// The settings under `stores`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoresConfig {
    /// The indentation of YAML, if files are to be written in the reference's style.
    pub yaml_indent: Option<usize>,
    /// The indentation of JSON in blanks, 0 for line breaks alone; a tab if not given.
    pub json_indent: Option<usize>,
    /// The same for the JSON around binary files.
    pub json_binary_indent: Option<usize>,
    /// Whether spellings that a plaintext cannot tell are kept in the metadata.
    pub layout: bool,
}

impl Default for StoresConfig {
    fn default() -> Self {
        Self {
            yaml_indent: None,
            json_indent: None,
            json_binary_indent: None,
            layout: true,
        }
    }
}

/// More blanks than anybody wants, and few enough not to fill a disk.
const MAX_INDENT: i64 = 100;

impl StoresConfig {
    pub(super) fn read(reader: &mut Reader<'_>, node: NodeId) -> Result<Self, ConfigError> {
        let mut stores = Self::default();
        let mut section = reader.section(node, "stores")?;
        if let Some(node) = section.take(reader, "yaml") {
            // 0 is the default of the reference, like nothing at all.
            stores.yaml_indent =
                indent(reader, node, "stores.yaml", 0)?.filter(|&indent| indent > 0);
        }
        if let Some(node) = section.take(reader, "json") {
            stores.json_indent = indent(reader, node, "stores.json", -1)?;
        }
        if let Some(node) = section.take(reader, "json_binary") {
            stores.json_binary_indent = indent(reader, node, "stores.json_binary", -1)?;
        }
        for (name, what) in [("dotenv", "stores.dotenv"), ("ini", "stores.ini")] {
            if let Some(node) = section.take(reader, name) {
                reader.section(node, what)?.finish(reader, what);
            }
        }
        if let Some(node) = section.take(reader, "layout") {
            stores.layout = reader.boolean(node, "stores.layout")?;
        }
        section.finish(reader, "stores");
        Ok(stores)
    }
}

/// Reads the one setting of a store. Negative numbers are the default, as far as `least` allows them.
fn indent(
    reader: &mut Reader<'_>,
    node: NodeId,
    what: &str,
    least: i64,
) -> Result<Option<usize>, ConfigError> {
    let mut section = reader.section(node, what)?;
    let mut indent = None;
    if let Some(node) = section.take(reader, "indent") {
        let what = format!("{what}.indent");
        let number = reader.integer(node, &what)?;
        if !(least..=MAX_INDENT).contains(&number) {
            return Err(reader.error(
                node,
                format!("{what}: expected a number from {least} to {MAX_INDENT}"),
            ));
        }
        indent = usize::try_from(number).ok();
    }
    section.finish(reader, what);
    Ok(indent)
}
