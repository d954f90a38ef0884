//! What others say, made fit for a message: services, plugins, libraries, and whoever wrote a file.

use std::error::Error;

use crate::printable::is_obeyed;

/// Returns `text` in one line of at most `limit` characters and a `…`, with nothing in it that would do more to a terminal
/// than show it: no control characters, so no escape sequences, and nothing that turns the direction of writing.
///
/// ```
/// use sops_core::keys::one_line;
///
/// assert_eq!(one_line("denied\n\t\u{1b}]0;root\u{7} by policy ", 80), "denied ]0;root by policy");
/// assert_eq!(one_line("denied by policy", 6), "denied…");
/// ```
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit));
    let mut length = 0;
    let words = text.split(|letter: char| letter.is_whitespace() || is_obeyed(letter));
    for word in words.filter(|word| !word.is_empty()) {
        let space = (length > 0).then_some(' ');
        for letter in space.into_iter().chain(word.chars()) {
            if length == limit {
                line.push('…');
                return line;
            }
            line.push(letter);
            length += 1;
        }
    }
    line
}

/// Returns what `error` says and what its causes say, from the outside in, without those that are said already. As they
/// say it: what may come from elsewhere has to go through [`one_line`] before it is shown.
#[must_use]
pub fn words_of(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_a_terminal_and_not_for_ever() {
        for (text, expected) in [
            ("", ""),
            (" \n\t", ""),
            ("a\r\n\u{2028}b  c ", "a b c"),
            ("\u{1b}[1mred\u{1b}[0m", "[1mred [0m"),
            ("\u{9b}31mred\u{9c}\u{7f}\0", "31mred"),
            ("no\u{202e}sey\u{2069}", "no sey"),
            ("größer", "größer"),
            ("0123456789", "0123456789"),
            ("0123456789 ", "0123456789"),
            ("01234567890", "0123456789…"),
            ("012345678 0", "012345678 …"),
            ("ééééééééééé", "éééééééééé…"),
        ] {
            assert_eq!(one_line(text, 10), expected, "{text:?}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn causes_are_said_once() {
        let chain = ["a: b", "b", "c", "a"].into_iter().rev();
        let error = chain.fold(None, |cause, said| Some(Box::new(Said(said, cause))));
        assert_eq!(words_of(error.as_deref().expect("errors")), "a: b: c");
    }
}
