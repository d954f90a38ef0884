//! Comments: the lines above a key or section, and what stands behind a value.
//!
//! The reference joins the comment lines above a key into one text, without the mark of the first line, and encrypts
//! that. So do we, if the lines follow each other and the first is not empty: then nothing gets lost, and the text
//! stands where it stood. Other comments are brought into that form, which `layout` undoes.

use super::COMMENT_MARKS;
use crate::{crypto::looks_encrypted, tree::Span};

/// The comment lines above a key or section.
#[derive(Default)]
pub(super) struct Lines {
    /// Each from its mark to the last character that is no blank.
    lines: Vec<Span>,
    /// Whether blank lines stand between them.
    is_parted: bool,
    /// Whether a blank line was the last thing seen.
    after_blank: bool,
}

impl Lines {
    pub(super) fn push(&mut self, line: Span) {
        self.is_parted |= self.after_blank && !self.lines.is_empty();
        self.after_blank = false;
        self.lines.push(line);
    }

    pub(super) fn blank(&mut self) {
        self.after_blank = true;
    }

    /// Returns where the first line starts.
    pub(super) fn start(&self) -> Option<u32> {
        self.lines.first().map(|line| line.start)
    }

    /// Returns the text of the comment: with the mark of its first line if it is not in the one form that comes back by
    /// itself. Lines that are encrypted one by one are as many comments.
    pub(super) fn above(self, source: &str) -> Vec<Span> {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else {
            return Vec::new();
        };
        let whole = Span {
            start: first.start,
            end: last.end,
        };
        let is_encrypted =
            |line: &Span| looks_encrypted(without_mark(source, *line).of(source).as_bytes());
        if self.lines.len() > 1 && self.lines.iter().any(is_encrypted) {
            return self.one_by_one(source);
        }
        let text = without_mark(source, whole);
        let starts_oddly = text.is_empty() || text.of(source).starts_with(['\r', '\n', ';', '#']);
        vec![match self.is_parted || starts_oddly {
            true => whole,
            false => text,
        }]
    }

    /// Returns the texts of the lines.
    pub(super) fn one_by_one(self, source: &str) -> Vec<Span> {
        self.lines
            .into_iter()
            .map(|line| without_marks(source, line))
            .filter(|text| !text.is_empty())
            .collect()
    }
}

/// Cuts the mark of a comment off, with all that repeats it and the blanks, as the reference does.
pub(super) fn without_mark(source: &str, comment: Span) -> Span {
    let text = comment.of(source);
    let mark = text.chars().next().unwrap_or(';');
    let rest = text.trim_start_matches([mark, ' ']);
    Span::new(comment.end as usize - rest.len(), comment.end as usize)
}

/// Cuts all marks off that a comment starts with: for one that stands by itself, so that it comes back in its place.
pub(super) fn without_marks(source: &str, comment: Span) -> Span {
    let text = comment.of(source);
    let rest = text.trim_start_matches([';', '#', ' ']);
    Span::new(comment.end as usize - rest.len(), comment.end as usize)
}

/// Whether the text of a comment node starts with the mark.
pub(super) fn is_odd(text: &str) -> bool {
    text.starts_with(COMMENT_MARKS)
}

/// Returns an odd comment in the form that all readers can read: lines with marks but for the first, none of them blank,
/// and the first not empty.
pub(super) fn regular(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_empty = |line: &&str| line.trim_start_matches([' ', ';', '#']).is_empty();
    let mut lines = lines.skip_while(is_empty);
    let Some(first) = lines.next() else {
        return String::new();
    };
    let first = first.trim_start_matches([' ', ';', '#']);
    std::iter::once(first)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}
