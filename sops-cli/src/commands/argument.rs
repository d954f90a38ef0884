//! Words of the command line that have to be texts, or paths in a document.

use std::ffi::OsStr;

use sops_core::TreePath;

use crate::error::{Code, Failure};

/// A word of the command line that has to be a text, which only names of files need not be.
pub(super) fn text_of<'w>(word: &'w OsStr, what: &str) -> Result<&'w str, Failure> {
    word.to_str().ok_or_else(|| not_text(what))
}

/// Something that has to be a text, and is none.
pub(super) fn not_text(what: &str) -> Failure {
    Failure::new(Code::SetFormat, format!("{what} is not UTF-8"))
}

/// Reads a path from the command line.
pub(super) fn parse_path(text: &str) -> Result<TreePath, Failure> {
    if text.is_empty() {
        return Err(Failure::new(Code::SetFormat, "the path is empty"));
    }
    TreePath::parse(text).map_err(|error| {
        Failure::new(Code::SetFormat, format!("invalid path: {error}")).hint(hint_for_path(text))
    })
}

/// What to do about a path that cannot be read.
pub(super) fn hint_for_path(text: &str) -> &'static str {
    match text.starts_with('[') && !text.contains(['"', '\'']) {
        true => {
            "the shell takes quotes away: write it in single quotes, '[\"key\"][0]', or as key[0].other"
        }
        false => "write it as [\"key\"][0][\"other\"] or key[0].other",
    }
}
