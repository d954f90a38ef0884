//! Scalars in the style in which Go's yaml v3 writes them, for whole files that are written anew.
//!
//! It is stricter than [`render`](super::render), which only has to be read back: what the reference quotes is quoted.

use super::{
    plain_value,
    quote::{double_quoted, is_other_to_some, is_plain_syntax, single_quoted},
    render::binary,
    resolve::{Resolved, untagged},
};
use crate::tree::ValueRef;

/// How a text is written.
pub(super) enum Emitted {
    /// On one line.
    Line(String),
    /// As a literal block.
    Block,
}

/// Returns how the value of a leaf is written; a whole floating-point number as an integer, unless `keeps_floats`.
pub(super) fn value(value: ValueRef<'_>, keeps_floats: bool) -> Emitted {
    match value {
        ValueRef::Str(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if is_block(text) => Emitted::Block,
            Ok(text) => Emitted::Line(one_line(text)),
            Err(_) => Emitted::Line(binary(bytes)),
        },
        ValueRef::Float(_) if !keeps_floats => {
            let mut text = plain_value::text(value);
            if text.ends_with(".0") {
                text.truncate(text.len() - ".0".len());
            }
            Emitted::Line(text)
        }
        value => Emitted::Line(plain_value::text(value)),
    }
}

/// Whether a text is written as a literal block: it has line breaks, and no character or blank that a block cannot
/// hold.
pub(super) fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with(' ')
        && !text.contains(" \n")
        && text
            .chars()
            .all(|character| character == '\t' || is_printable(character))
}

/// Returns a text on one line: plain, else in single quotes, else in double quotes. What would not be a text without
/// quotes, to readers of YAML 1.1 too, goes into double quotes at once.
pub(super) fn one_line(text: &str) -> String {
    let is_text = untagged(text) == Ok(Resolved::Str) && !is_other_to_some(text);
    let fits = text
        .chars()
        .all(|character| character != '\n' && is_printable(character));
    if !is_text || !fits {
        return double_quoted_as_there(text);
    }
    let has_marker = text.starts_with("---") || text.starts_with("...");
    match is_plain_syntax(text, false) && !has_marker {
        true => text.to_owned(),
        false => single_quoted(text),
    }
}

/// What the reference writes as it is: nothing above U+FFFF.
fn is_printable(character: char) -> bool {
    match character {
        '\n' | ' '..='~' => true,
        // Line breaks to readers of YAML 1.1, which it writes bare, so that they are lost.
        '\u{2028}' | '\u{2029}' => false,
        '\u{A0}'..='\u{FFFD}' => character != '\u{FEFF}',
        _ => false,
    }
}

/// As [`double_quoted`], with escapes for everything above U+FFFF.
fn double_quoted_as_there(text: &str) -> String {
    use std::fmt::Write as _;

    let quoted = double_quoted(text);
    if quoted.chars().all(|character| character <= '\u{FFFF}') {
        return quoted;
    }
    let mut out = String::with_capacity(quoted.len() * 3);
    for character in quoted.chars() {
        if character > '\u{FFFF}' {
            // Writing to a text does not fail.
            let _ = write!(out, "\\U{:08X}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}
