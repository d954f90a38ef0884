//! The tag of a node, in the text before it.

use std::ops::Range;

use crate::tree::Node;

/// The text between the start of a node's properties (tag and anchor) and its content.
pub(super) struct Properties {
    /// The tag with the blanks behind it.
    pub(super) tag: Option<Range<usize>>,
    /// Whether the tag is `!`, which says nothing.
    pub(super) is_non_specific: bool,
    /// Whether there is a comment, which is only possible where the content stands on a later line.
    pub(super) has_comment: bool,
}

impl Properties {
    pub(super) fn of(source: &str, node: &Node) -> Self {
        let mut properties = Self {
            tag: None,
            is_non_specific: false,
            has_comment: false,
        };
        let end = node.span.start as usize;
        let mut at = node.outer_start as usize;
        while at < end {
            let rest = &source[at..end];
            let length = match rest.as_bytes()[0] {
                b' ' | b'\t' | b'\n' | b'\r' => 1,
                b'#' => {
                    properties.has_comment = true;
                    rest.find(['\n', '\r']).unwrap_or(rest.len())
                }
                _ => rest.find([' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
            };
            if rest.starts_with('!') {
                properties.is_non_specific = length == 1;
                let behind = rest[length..].trim_start_matches([' ', '\t']);
                properties.tag = Some(at..end - behind.len());
            }
            at += length;
        }
        properties
    }
}
