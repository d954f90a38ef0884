//! What others wrote, for people to read on a terminal: what it would obey instead of showing is escaped.
//!
//! Metadata, names of keys and of files come from whoever wrote the file. Control characters in them move the cursor,
//! change the title or hide text; those that change the direction of writing show a text in another order than it has.

use std::borrow::Cow;

/// Returns whether a terminal does something else with a character than show it; line breaks and tabs are among them.
#[must_use]
pub fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Marks, embeddings and isolates of direction; separators of lines and paragraphs.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Returns a text of several lines with what a terminal obeys escaped, save for line breaks and tabs.
///
/// ```
/// use sops_core::printable;
///
/// assert_eq!(printable::text("one\n\ttwo\u{1b}[2J"), "one\n\ttwo\\u{1b}[2J");
/// ```
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| {
        is_obeyed(letter) && !matches!(letter, '\n' | '\t')
    })
}

/// Returns a name or another text of one line with what a terminal obeys escaped, line breaks as well.
///
/// ```
/// use sops_core::printable;
///
/// assert_eq!(printable::line("one\r\ntwo\u{202e}"), "one\\r\\ntwo\\u{202e}");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_escaped(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_escaped() {
        assert_eq!(
            line("\u{1b}]0;x\u{7}\u{9b}1m\u{7f}\u{200f}\u{2028}\u{2066}a\r\n\t"),
            r"\u{1b}]0;x\u{7}\u{9b}1m\u{7f}\u{200f}\u{2028}\u{2066}a\r\n\t"
        );
        assert_eq!(text("a\r\n\u{0}\tb\u{202e}"), "a\\r\n\\u{0}\tb\\u{202e}");
    }

    #[test]
    fn all_else_is_shown_as_it_is() {
        for kept in [
            "",
            "a b",
            "größe",
            "שלום",
            "名前 🔑",
            r"a\u{1b}",
            "…\u{fe0f}",
        ] {
            assert!(matches!(line(kept), Cow::Borrowed(same) if same == kept));
            assert!(matches!(text(kept), Cow::Borrowed(same) if same == kept));
        }
        assert!(matches!(text("a\n\tb"), Cow::Borrowed(_)));
    }
}
