//! JSON, as far as reports need it. What they say is made of texts, numbers and lists alone.

use std::fmt::Write as _;

use sops_core::printable;

/// A text as JSON has it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if printable::is_obeyed(letter) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A text, or `null`.
pub(crate) fn quoted_or_null(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

/// A number, or `null`.
pub(crate) fn number_or_null(number: Option<usize>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// A list of what is JSON already.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A list of texts.
pub(crate) fn list_of_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    list(texts.into_iter().map(|text| quoted(text.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_needs_it() {
        assert_eq!(
            quoted("a\"b\\c\nd\te\u{1}\u{7f}\u{202e}é"),
            r#""a\"b\\c\nd\te\u0001\u007f\u202eé""#
        );
    }

    #[test]
    fn lists() {
        assert_eq!(list_of_texts::<&str>([]), "[]");
        assert_eq!(list_of_texts(["a", "\""]), r#"["a","\""]"#);
        assert_eq!(quoted_or_null(None), "null");
        assert_eq!(number_or_null(Some(3)), "3");
    }
}
