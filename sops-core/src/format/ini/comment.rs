//! Comments: the lines above a key or section, and what stands behind a value.
//!
//! The reference joins the comment lines above a key into one text, without the mark of the first line, and encrypts
//! that. So do we, if the lines follow each other and the first is not empty: then nothing gets lost, and the text
//! stands where it stood. Other comments are brought into that form, which `layout` undoes.

use super::COMMENT_MARKS;
use crate::tree::Span;

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

    /// Returns the comment, and where it starts with its mark if it is not in the one form that comes back by itself.
    pub(super) fn above(self, source: &str) -> Option<Above> {
        let (first, last) = (self.lines.first()?, self.lines.last()?);
        let whole = Span {
            start: first.start,
            end: last.end,
        };
        let text = without_mark(source, whole);
        let starts_oddly = text.of(source).starts_with(['\r', '\n', ';', '#']) || text.is_empty();
        Some(match self.is_parted || starts_oddly {
            true => Above {
                span: whole,
                is_odd: true,
            },
            false => Above {
                span: text,
                is_odd: false,
            },
        })
    }

    /// Returns the texts of comments that nothing follows: readers skip them, so that each may stand by itself.
    pub(super) fn at_the_end(self, source: &str) -> Vec<Span> {
        self.lines
            .into_iter()
            .map(|line| without_mark(source, line))
            .filter(|text| !text.is_empty())
            .collect()
    }
}

/// The comment above a key or section.
pub(super) struct Above {
    /// Its text; if it is odd, with the mark of its first line.
    pub(super) span: Span,
    pub(super) is_odd: bool,
}

/// Cuts the mark of a comment off, with all that repeats it and the blanks, as the reference does.
pub(super) fn without_mark(source: &str, comment: Span) -> Span {
    let text = comment.of(source);
    let mark = text.chars().next().unwrap_or(';');
    let rest = text.trim_start_matches([mark, ' ']);
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
