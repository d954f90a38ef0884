//! Commands in environment variables, split into words without a shell.

/// Splits `text` as the reference does: words at blanks, `'…'` literal, `"…"` with `\` before any character, `\` outside
/// quotes before any character, `#` at the start of a word comments out the line. Nothing is expanded.
pub(super) fn split(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                letters.by_ref().find(|&letter| letter == '\n');
            }
            '\'' => loop {
                match letters.next().ok_or(WordsError::OpenQuote)? {
                    '\'' => break word.get_or_insert_default().push_str(""),
                    letter => word.get_or_insert_default().push(letter),
                }
            },
            '"' => loop {
                match letters.next().ok_or(WordsError::OpenQuote)? {
                    '"' => break word.get_or_insert_default().push_str(""),
                    '\\' => {
                        let escaped = letters.next().ok_or(WordsError::NothingEscaped)?;
                        word.get_or_insert_default().push(escaped);
                    }
                    letter => word.get_or_insert_default().push(letter),
                }
            },
            '\\' => {
                let escaped = letters.next().ok_or(WordsError::NothingEscaped)?;
                word.get_or_insert_default().push(escaped);
            }
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Why a text is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordsError {
    #[error("a quote is not closed")]
    OpenQuote,
    #[error("there is nothing after the last backslash")]
    NothingEscaped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_the_reference_does() {
        for (text, expected) in [
            ("", &[][..]),
            (" \t\r\n", &[]),
            ("pass show age", &["pass", "show", "age"]),
            ("  a\tb\nc\r\n", &["a", "b", "c"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("'' \"\"", &["", ""]),
            (r#"a\ b "c\"d" 'e\f' "g\h""#, &["a b", "c\"d", r"e\f", "gh"]),
            ("'\"' \"'\"", &["\"", "'"]),
            ("a #b c\nd", &["a", "d"]),
            ("a#b", &["a#b"]),
            ("# only", &[]),
            (
                "$HOME/x *.txt ~ `y` a;b|c",
                &["$HOME/x", "*.txt", "~", "`y`", "a;b|c"],
            ),
        ] {
            assert_eq!(split(text).expect(text), expected, "{text}");
        }
        for text in ["'", "a 'b", "\"a", "\"a'", "\"a\\\""] {
            assert_eq!(split(text), Err(WordsError::OpenQuote), "{text}");
        }
        for text in ["\\", "a \\", "\"\\"] {
            assert_eq!(split(text), Err(WordsError::NothingEscaped), "{text}");
        }
    }
}
