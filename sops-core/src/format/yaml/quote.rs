//! Texts as YAML scalars on one line: plain, single- and double-quoted.
//!
//! Readers differ in what they take for a line break or a printable character. What any of them could misread stands
//! escaped, in double quotes.

use super::resolve::{Resolved, untagged};

/// Whether a text, written plain and without a tag, reads back as that very text.
pub(super) fn is_plain(text: &str, flow: bool) -> bool {
    is_plain_syntax(text, flow) && untagged(text) == Ok(Resolved::Str)
}

/// Whether a text, written plain behind a tag that makes it a text, reads back as that very text.
pub(super) fn is_plain_syntax(text: &str, flow: bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if is_blank(first) || is_blank(last) || !starts_plain(bytes, flow) {
        return false;
    }
    let mut before = b' ';
    for (index, &byte) in bytes.iter().enumerate() {
        let ends = match byte {
            b':' => flow || bytes.get(index + 1).is_none_or(|&next| is_blank(next)),
            b'#' => is_blank(before),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => flow,
            _ => false,
        };
        if ends {
            return false;
        }
        before = byte;
    }
    fits_one_line(text)
}

/// Whether readers of YAML 1.1 take a plain text for a boolean or a number in base 60.
pub(super) fn is_other_to_some(text: &str) -> bool {
    const BOOLEANS: [&str; 16] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_base_60 = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.contains(':')
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'_' | b'.'));
    (text.len() <= "Off".len() && BOOLEANS.contains(&text)) || is_base_60
}

/// Whether a text can stand in single quotes on one line.
pub(super) fn fits_one_line(text: &str) -> bool {
    text.chars().all(is_printable)
}

/// Whether a character can stand in a scalar as it is.
pub(super) fn is_printable(character: char) -> bool {
    match character {
        '\t' | ' '..='~' => true,
        // Line breaks to readers of YAML 1.1; a byte order mark; no characters at all.
        '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => false,
        _ => character >= '\u{A0}',
    }
}

/// Returns a text in single quotes; it must fit one line.
pub(super) fn single_quoted(text: &str) -> String {
    let quotes = text.bytes().filter(|&byte| byte == b'\'').count();
    let mut out = String::with_capacity(text.len() + quotes + 2);
    out.push('\'');
    for (index, piece) in text.split('\'').enumerate() {
        if index > 0 {
            out.push_str("''");
        }
        out.push_str(piece);
    }
    out.push('\'');
    out
}

/// Returns a text in double quotes, on one line.
pub(super) fn double_quoted(text: &str) -> String {
    let needs_escape =
        |&character: &char| matches!(character, '"' | '\\' | '\t') || !is_printable(character);
    // Sized so that it never grows: what is freed while growing is not wiped.
    const LONGEST_ESCAPE: usize = "\\U00000000".len();
    let escapes = text.chars().filter(needs_escape).count();
    let mut out = String::with_capacity(text.len() + escapes * LONGEST_ESCAPE + 2);
    out.push('"');
    for character in text.chars() {
        if needs_escape(&character) {
            push_escape(&mut out, character);
        } else {
            out.push(character);
        }
    }
    out.push('"');
    out
}

fn push_escape(out: &mut String, character: char) {
    out.push('\\');
    let short = match character {
        '"' => '"',
        '\\' => '\\',
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{B}' => 'v',
        '\u{C}' => 'f',
        '\r' => 'r',
        '\u{1B}' => 'e',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(character);
            let (letter, digits) = match code {
                0..=0xFF => ('x', 2),
                0x100..=0xFFFF => ('u', 4),
                _ => ('U', 8),
            };
            out.push(letter);
            for place in (0..digits).rev() {
                let digit = char::from_digit(code >> (4 * place) & 0xF, 16);
                out.extend(digit.map(|digit| digit.to_ascii_uppercase()));
            }
            return;
        }
    };
    out.push(short);
}

fn starts_plain(text: &[u8], flow: bool) -> bool {
    match text[0] {
        b'-' => match text.get(1) {
            None => false,
            Some(&next) => !(is_blank(next) || flow && b",?[]{}".contains(&next)),
        },
        b'?' | b':' => !flow && text.get(1).is_some_and(|&next| !is_blank(next)),
        first => !b"#,[]{}&*!|>'\"%@`".contains(&first),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_read_back() {
        for text in [
            "a",
            "yes",
            "a b",
            "a#b",
            "a:b",
            "http://x:80/",
            "-a",
            "--",
            "?a",
            ":a",
            "a'b\"c",
            "a\tb",
            "é",
            "日本",
            "😀",
            "a, b",
            "1.2.3",
            "192.168.0.1",
            "<<",
            "=",
            "a]",
            "---a",
            "$1",
            "~a",
            "a?",
            "\\n",
        ] {
            assert!(is_plain(text, false), "{text}");
        }
        for text in ["a", "-a", "a b", "a#b", "--", "é"] {
            assert!(is_plain(text, true), "{text}");
        }
    }

    #[test]
    fn other_texts_are_quoted() {
        for text in [
            "",
            " a",
            "a ",
            "a\t",
            "\ta",
            "a: b",
            "a:",
            "a:\tb",
            "a #b",
            "a\t#b",
            "#a",
            "- a",
            "-",
            "-\ta",
            "? a",
            "?",
            ":",
            ": a",
            "&a",
            "*a",
            "!a",
            "|a",
            ">a",
            "'a",
            "\"a",
            "%a",
            "@a",
            "`a",
            ",a",
            "[a",
            "]a",
            "{a",
            "}a",
            "a\nb",
            "a\rb",
            "\u{85}",
            "a\u{2028}b",
            "\u{FEFF}a",
            "a\0",
            "\u{1b}",
            "\u{7f}",
            "\u{9f}",
            "1",
            "0x1F",
            "1.5",
            "true",
            "null",
            "~",
            ".inf",
            "2001-12-14",
            "1_0",
            "12345678901234567890",
        ] {
            assert!(!is_plain(text, false), "{text:?}");
        }
        for text in ["a,b", "a]", "a}", "a[", "a{", "a:b", "a?", "-,", "?a", ":a"] {
            assert!(!is_plain(text, true), "{text:?}");
        }
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(single_quoted("it's 'x'"), "'it''s ''x'''");
        assert_eq!(single_quoted(""), "''");
        assert_eq!(
            double_quoted("a\"b\\c\td\n\0\u{7f}é😀\u{2028}\u{85}\u{FEFF}\r/"),
            "\"a\\\"b\\\\c\\td\\n\\0\\x7Fé😀\\L\\N\\uFEFF\\r/\""
        );
    }
}
