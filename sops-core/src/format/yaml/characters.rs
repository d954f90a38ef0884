//! Classes of characters, on bytes. Text past its end reads as NUL, which ends everything.

/// Returns the length in bytes of the line break at `at`: LF, CR, CR LF, and as in YAML 1.1 NEL, LS and PS; 0 if there
/// is none.
pub(super) fn break_length(bytes: &[u8], at: usize) -> usize {
    match byte(bytes, at) {
        b'\n' => 1,
        b'\r' => 1 + usize::from(byte(bytes, at + 1) == b'\n'),
        0xC2 if byte(bytes, at + 1) == 0x85 => 2,
        0xE2 if byte(bytes, at + 1) == 0x80 && matches!(byte(bytes, at + 2), 0xA8 | 0xA9) => 3,
        _ => 0,
    }
}

pub(super) fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

pub(super) fn is_break(bytes: &[u8], at: usize) -> bool {
    break_length(bytes, at) > 0
}

/// A line break, or the end of the text.
pub(super) fn is_break_or_end(bytes: &[u8], at: usize) -> bool {
    byte(bytes, at) == 0 || is_break(bytes, at)
}

/// A blank, a line break, or the end of the text.
pub(super) fn is_blank_or_end(bytes: &[u8], at: usize) -> bool {
    is_blank(byte(bytes, at)) || is_break_or_end(bytes, at)
}

/// What anchors, directive names and tag handles are made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// What a tag may contain.
pub(super) fn is_uri(byte: u8) -> bool {
    is_word(byte) || b";/?:@&=+$,.!~*'()[]%".contains(&byte)
}

/// Returns the number of characters in a piece of UTF-8.
pub(super) fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

/// How many bytes [`forbidden_character`] checks at once.
const PIECE: usize = 64;

/// Returns where the first character is that no YAML text may contain, not even in a comment: control characters other
/// than tab and line breaks, and the two that Unicode reserves.
pub(super) fn forbidden_character(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let is_ordinary = |byte: u8| (b' '..0x7F).contains(&byte) | (byte == b'\n');
    // Most texts have few others: they are looked for in pieces that the compiler can check at once.
    let pieces = bytes.chunks(PIECE).enumerate().filter(|(_, piece)| {
        !piece
            .iter()
            .fold(true, |all, &byte| all & is_ordinary(byte))
    });
    pieces
        .flat_map(|(number, piece)| {
            let start = number * PIECE;
            piece
                .iter()
                .enumerate()
                .map(move |(at, byte)| (start + at, byte))
        })
        .filter(|&(_, &byte)| !is_ordinary(byte))
        .find(|&(at, &first)| match first {
            b'\t' | b'\r' => false,
            0..b' ' | 0x7F => true,
            0xC2 => matches!(byte(bytes, at + 1), 0x80..=0x84 | 0x86..=0x9F),
            0xEF => byte(bytes, at + 1) == 0xBF && matches!(byte(bytes, at + 2), 0xBE | 0xBF),
            _ => false,
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_no_text_may_contain() {
        for text in [
            "\0",
            "a\u{1}",
            "\u{7f}",
            "é\u{80}",
            "\u{9f}",
            "\u{fffe}",
            "\u{ffff}",
            "a: \u{1b}[1m",
        ] {
            let last = text.char_indices().find(|&(_, character)| {
                character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
            });
            assert_eq!(
                forbidden_character(text),
                last.map(|(at, _)| at),
                "{text:?}"
            );
        }
        for length in 0..2 * PIECE {
            let text = format!("{}\u{81}é", "a".repeat(length));
            assert_eq!(forbidden_character(&text), Some(length));
        }
        let allowed =
            "\t\n\r ~\u{85}\u{a0}é\u{2028}\u{feff}\u{fffd}\u{e000}\u{d7ff}\u{10000}\u{10ffff}😀";
        assert_eq!(forbidden_character(allowed), None);
    }
}
