//! Changes of a source text.

use std::{fmt, ops::Deref, sync::Arc};

use zeroize::Zeroize;

use crate::tree::Span;

/// Replace the bytes of `span` by `text`. An empty span inserts.
#[derive(Clone)]
pub(crate) struct Edit {
    pub(crate) span: Span,
    pub(crate) text: EditText,
}

impl Edit {
    pub(crate) fn new(span: Span, text: impl Into<EditText>) -> Self {
        Self {
            span,
            text: text.into(),
        }
    }
}

/// What an edit puts in the place of other bytes.
#[derive(Clone)]
pub(crate) enum EditText {
    /// It may be a value just decrypted, and is wiped when dropped.
    Own(OwnText),
    /// A piece of a text that many edits share, such as all ciphertexts of a large file, with a `"` before and behind
    /// it. No secret.
    Piece {
        shared: Arc<String>,
        start: usize,
        end: usize,
    },
}

impl EditText {
    /// Returns the text between two `"`.
    pub(crate) fn double_quoted(self) -> Self {
        match self {
            Self::Own(text) => format!("\"{}\"", text.0).into(),
            Self::Piece { shared, start, end } => Self::Piece {
                shared,
                start: start - 1,
                end: end + 1,
            },
        }
    }
}

#[derive(Clone)]
pub(crate) struct OwnText(String);

impl Drop for OwnText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Deref for EditText {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Own(text) => &text.0,
            Self::Piece { shared, start, end } => &shared[*start..*end],
        }
    }
}

impl From<String> for EditText {
    fn from(text: String) -> Self {
        Self::Own(OwnText(text))
    }
}

impl From<&str> for EditText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edit({}..{})", self.span.start, self.span.end)
    }
}

/// Returns `source` with the edits applied; every other byte is copied through.
///
/// Sorts the edits by where they start; insertions at the same place keep their order, and stand before what replaces
/// the bytes there. An edit inside what another edit replaces goes with it. The result is allocated once: no half-written
/// copy of a secret stays behind.
pub(crate) fn splice(source: &str, edits: &mut [Edit]) -> String {
    splice_both(source, edits, &mut [])
}

/// Returns `source` with two sets of edits applied, as [`splice`] does with both in one, the first set first.
pub(crate) fn splice_both(source: &str, first: &mut [Edit], second: &mut [Edit]) -> String {
    let place = |edit: &Edit| (edit.span.start, edit.span.end);
    first.sort_by_key(place);
    second.sort_by_key(place);
    let (mut first, mut second) = (&*first, &*second);
    let mut spliced = String::with_capacity(spliced_len(source, first, second));
    let mut copied = 0;
    loop {
        let next = match (first, second) {
            ([edit, ..], [other, ..]) if place(other) < place(edit) => &mut second,
            ([_, ..], _) => &mut first,
            ([], [_, ..]) => &mut second,
            ([], []) => break,
        };
        let (edit, rest) = next.split_first().expect("it was just seen to have one");
        *next = rest;
        let range = edit.span.range();
        if range.start < copied {
            debug_assert!(range.end <= copied, "edits overlap");
            continue;
        }
        spliced.push_str(&source[copied..range.start]);
        spliced.push_str(&edit.text);
        copied = range.end;
    }
    spliced.push_str(&source[copied..]);
    spliced
}

fn spliced_len(source: &str, first: &[Edit], second: &[Edit]) -> usize {
    let edits = || first.iter().chain(second);
    let removed: usize = edits().map(|edit| edit.span.range().len()).sum();
    let added: usize = edits().map(|edit| edit.text.len()).sum();
    (source.len() + added).saturating_sub(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit {
            span: Span::new(start, end),
            text: text.into(),
        }
    }

    #[test]
    fn copies_through_without_edits() {
        assert_eq!(splice("", &mut Vec::new()), "");
        assert_eq!(splice("a: 1\r\n", &mut Vec::new()), "a: 1\r\n");
    }

    #[test]
    fn applies_edits_in_the_order_of_the_text() {
        let mut edits = vec![edit(6, 9, "three"), edit(0, 1, ""), edit(2, 3, "ü")];
        assert_eq!(splice("a b c def", &mut edits), " ü c three");
    }

    #[test]
    fn insertions_at_one_place_keep_their_order() {
        let mut edits = vec![edit(1, 1, "1"), edit(1, 2, "X"), edit(1, 1, "2")];
        assert_eq!(splice("abc", &mut edits), "a12Xc");
        let mut edits = vec![edit(3, 3, "end"), edit(0, 0, "start")];
        assert_eq!(splice("abc", &mut edits), "startabcend");
    }

    #[test]
    fn allocates_the_exact_size() {
        let mut edits = vec![edit(0, 4, "x"), edit(5, 5, "a long insertion")];
        let spliced = splice("abcdefgh", &mut edits);
        assert_eq!(spliced.capacity(), spliced.len());
    }

    #[test]
    fn an_edit_inside_another_goes_with_it() {
        let mut edits = vec![edit(2, 3, "x"), edit(1, 5, "Y"), edit(5, 6, "z")];
        assert_eq!(splice("abcdef", &mut edits), "aYz");
    }

    #[test]
    #[should_panic = "edits overlap"]
    fn overlapping_edits_are_a_bug() {
        splice("abcdef", &mut [edit(0, 3, ""), edit(2, 4, "")]);
    }

    #[test]
    fn debug_shows_no_text() {
        assert_eq!(format!("{:?}", edit(1, 2, "hunter2")), "Edit(1..2)");
    }
}
