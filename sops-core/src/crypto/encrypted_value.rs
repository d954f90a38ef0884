//! The text form of an encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.

use super::{CipherError, cipher::decode_nonce, nonce::NONCE_LEN};

/// What every encrypted value begins with.
pub(crate) const PREFIX: &str = "ENC[AES256_GCM,data:";

/// Returns whether `text` begins as encrypted values do. It may still be damaged.
pub(crate) fn looks_encrypted(text: &[u8]) -> bool {
    text.starts_with(b"ENC[AES256_GCM,")
}

/// The parts of an encrypted value as they stand in the text: base64 that is not decoded yet, and the type word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncryptedValue<'a> {
    /// The ciphertext, in base64.
    pub(crate) data: &'a [u8],
    /// The nonce, in base64.
    pub(crate) iv: &'a [u8],
    /// The authentication tag, in base64.
    pub(crate) tag: &'a [u8],
    /// The type word: `str`, `int`, `float`, `bool`, `time`, `comment` or `bytes`, if the file is sound.
    pub(crate) kind: &'a str,
}

impl std::fmt::Debug for EncryptedValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedValue").finish_non_exhaustive()
    }
}

impl<'a> EncryptedValue<'a> {
    /// Splits `text` as the reference does, whose pattern is
    /// `^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]`: greedy, no dot matches a line feed, and nothing ties
    /// the match to the end of the text. So what follows the last `]` of the first line does not count.
    ///
    /// Being greedy, each part reaches as far right as the parts after it leave room, which is what searching the
    /// separators from the right finds.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, CipherError> {
        Self::split(text).ok_or(CipherError::BadFormat)
    }

    /// Returns the nonce, if it has the length that every writer gives it.
    pub(crate) fn nonce(&self) -> Option<[u8; NONCE_LEN]> {
        let mut nonce = [0; NONCE_LEN];
        decode_nonce(self.iv, &mut nonce).then_some(nonce)
    }

    fn split(text: &'a [u8]) -> Option<Self> {
        let body = first_line(text).strip_prefix(PREFIX.as_bytes())?;
        let closing = body.iter().rposition(|&byte| byte == b']')?;
        let (rest, kind) = split_last(&body[..closing], b",type:", "str".len())?;
        let (rest, tag) = split_last(rest, b",tag:", TAG_LETTERS)?;
        let (data, iv) = split_last(rest, b",iv:", NONCE_LETTERS)?;
        if data.is_empty() {
            return None;
        }
        let kind = std::str::from_utf8(kind).ok()?;
        Some(Self {
            data,
            iv,
            tag,
            kind,
        })
    }
}

/// From how many bytes on a search of all of them is worth asking which instructions the processor has. The question
/// traps on a virtual machine, where it takes longer than all the searches of a small file.
const WIDE: usize = 4096;

/// Returns `text` up to its first line feed.
fn first_line(text: &[u8]) -> &[u8] {
    if text.len() < WIDE && !text.contains(&b'\n') {
        return text;
    }
    memchr::memchr(b'\n', text).map_or(text, |end| &text[..end])
}

/// How many letters of Base64 the nonces and tags have that every writer makes.
const NONCE_LETTERS: usize = 44;
const TAG_LETTERS: usize = 24;

/// Splits at the last occurrence of a separator that starts with a comma and has something after it: probably as much as
/// is `expected`.
fn split_last<'a>(
    text: &'a [u8],
    separator: &[u8],
    expected: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    if let Some(start) = text.len().checked_sub(separator.len() + expected)
        && let Some(after) = text[start..].strip_prefix(separator)
        && !after.contains(&b',')
    {
        return Some((&text[..start], after));
    }
    let mut end = text.len();
    loop {
        // Base64 has no commas: the first one found is nearly always the one.
        let start = text[..end].iter().rposition(|&byte| byte == b',')?;
        let after = text[start..].strip_prefix(separator);
        match after.filter(|after| !after.is_empty()) {
            Some(after) => return Some((&text[..start], after)),
            None => end = start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<[&str; 4]> {
        let value = EncryptedValue::parse(text.as_bytes()).ok()?;
        let text_of = |part| std::str::from_utf8(part).expect("a piece of the text");
        Some([
            text_of(value.data),
            text_of(value.iv),
            text_of(value.tag),
            value.kind,
        ])
    }

    #[test]
    fn splits_at_the_separators() {
        assert_eq!(
            parts("ENC[AES256_GCM,data:AA==,iv:BB==,tag:CC==,type:str]"),
            Some(["AA==", "BB==", "CC==", "str"])
        );
    }

    #[test]
    fn what_follows_the_last_bracket_of_the_first_line_does_not_count() {
        let expected = Some(["A", "B", "C", "str"]);
        assert_eq!(
            parts("ENC[AES256_GCM,data:A,iv:B,tag:C,type:str] # x"),
            expected
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:A,iv:B,tag:C,type:str]\n"),
            expected
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:A,iv:B,tag:C,type:str]\nmore]]"),
            expected
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:A,iv:B,tag:C,type:str]]"),
            Some(["A", "B", "C", "str]"])
        );
    }

    /// The expected parts are those that Go's regexp finds.
    #[test]
    fn parts_are_greedy() {
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,iv:c,tag:d,type:e]"),
            Some(["a,iv:b", "c", "d", "e"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,tag:c,tag:d,type:e,type:f]"),
            Some(["a", "b,tag:c", "d,type:e", "f"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,tag:c,type:d,type:]"),
            Some(["a", "b", "c", "d,type:"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:a,iv:b,iv:,tag:c,type:d]"),
            Some(["a", "b,iv:", "c", "d"])
        );
        assert_eq!(
            parts("ENC[AES256_GCM,data:,iv:,iv:b,tag:c,type:d]"),
            Some([",iv:", "b", "c", "d"])
        );
    }

    #[test]
    fn refuses_what_the_reference_refuses() {
        for text in [
            "",
            "ENC[",
            "ENC[AES256_GCM,data:",
            " ENC[AES256_GCM,data:A,iv:B,tag:C,type:str]",
            "enc[AES256_GCM,data:A,iv:B,tag:C,type:str]",
            "ENC[AES128_GCM,data:A,iv:B,tag:C,type:str]",
            "ENC[AES256_GCM,data:,iv:B,tag:C,type:str]",
            "ENC[AES256_GCM,data:A,iv:,tag:C,type:str]",
            "ENC[AES256_GCM,data:A,iv:B,tag:,type:str]",
            "ENC[AES256_GCM,data:A,iv:B,tag:C,type:]",
            "ENC[AES256_GCM,data:A,iv:B,tag:C,type:str",
            "ENC[AES256_GCM,data:A,iv:B,tag:C]",
            "ENC[AES256_GCM,data:A,tag:C,iv:B,type:str]",
            "ENC[AES256_GCM,data:A,iv:B,\ntag:C,type:str]",
            "ENC[AES256_GCM,data:A,iv:B,tag:C,type:str\n]",
            "\nENC[AES256_GCM,data:A,iv:B,tag:C,type:str]",
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn splits_as_the_reference_does() {
        let table = include_str!("../../../testdata/crypto/splitting.tsv");
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let line = line.replace("\\n", "\n");
            let (text, expected) = line.split_once('\t').expect("two columns");
            match parts(text) {
                Some(found) => assert_eq!(found.join("\t"), expected, "{text}"),
                None => assert_eq!(expected, "refused", "{text}"),
            }
        }
    }

    #[test]
    fn a_prefix_is_enough_to_look_encrypted() {
        assert!(looks_encrypted(b"ENC[AES256_GCM,"));
        assert!(looks_encrypted(b"ENC[AES256_GCM,data:A,iv"));
        assert!(!looks_encrypted(b"ENC[AES256_GCM"));
        assert!(!looks_encrypted(b" ENC[AES256_GCM,"));
        assert!(!looks_encrypted(b""));
    }
}
