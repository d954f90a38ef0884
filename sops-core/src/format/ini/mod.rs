//! INI sections, with spans, as the library reads them that the reference uses (gopkg.in/ini.v1).
//!
//! Keys before the first section belong to a section `DEFAULT`, which is always there. A key ends at the first `=` or
//! `:`; a value is trimmed, cut at the first `;` or `#`, and freed of one pair of quotes: `"…"`, `'…'`, `` `…` `` or
//! `"""…"""`, the last two of which may hold line breaks, `;` and `#`. A `\` at the end of a line joins the next one.
//!
//! A comment stands in the tree before the key that it stands above or beside. The reference puts it behind that key,
//! which only comment selectors notice.

mod comment;
mod emit;
mod engine;
mod metadata_section;
mod parser;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use emit::written_key;
pub(crate) use engine::Ini;
pub(crate) use parser::parse;
pub(crate) use value::written as written_value;

/// The section of the keys that stand before any other.
const DEFAULT_SECTION: &str = "DEFAULT";

/// What ends a key.
pub(crate) const DELIMITERS: [char; 2] = ['=', ':'];

/// What starts a comment.
pub(crate) const COMMENT_MARKS: [char; 2] = [';', '#'];
