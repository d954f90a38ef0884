//! Bech32, as age writes keys in it: of any length, in letters of one case.

use bech32::{
    Bech32, Checksum, Hrp,
    primitives::{
        correction::CorrectableError,
        decode::{CheckedHrpstring, CheckedHrpstringError},
    },
};
use zeroize::Zeroizing;

use super::KeyTextError;

/// The checksum of Bech32 without its limit of length, beyond which it finds fewer mistakes, but most of them.
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <Bech32 as Checksum>::MidstateRepr;
    type CorrectionField = <Bech32 as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = Bech32::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = Bech32::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = usize::MAX;
    const CHECKSUM_LENGTH: usize = Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = Bech32::TARGET_RESIDUE;
}

/// Returns the bytes that `text` spells after `prefix`, if there are as many as `LEN`, and it spells them as [`push`] does: in
/// the case of `prefix`, and without bits that mean nothing.
pub(super) fn decode<const LEN: usize>(
    text: &str,
    prefix: Hrp,
) -> Result<Zeroizing<[u8; LEN]>, KeyTextError> {
    let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| KeyTextError)?;
    if checked.hrp() != prefix {
        return Err(KeyTextError);
    }
    let mut key = Zeroizing::new([0; LEN]);
    let mut bytes = checked.byte_iter();
    for byte in key.iter_mut() {
        *byte = bytes.next().ok_or(KeyTextError)?;
    }
    let mut written = Zeroizing::new(String::with_capacity(text.len()));
    push(&mut written, prefix, &*key);
    match bytes.next() {
        None if *written == text => Ok(key),
        _ => Err(KeyTextError),
    }
}

/// Returns the prefix of a text with a right checksum, as it is written.
pub(crate) fn prefix(text: &str) -> Result<&str, KeyTextError> {
    let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| KeyTextError)?;
    let length = checked.hrp().len();
    text.get(..length).ok_or(KeyTextError)
}

/// Appends an encoding in the case of `prefix`. Growing would leave pieces of it behind: there should be room for it.
pub(super) fn push(text: &mut String, prefix: Hrp, bytes: &[u8]) {
    let pushed = match prefix.as_str().starts_with(char::is_uppercase) {
        true => bech32::encode_upper_to_fmt::<LongBech32, _>(text, prefix, bytes),
        false => bech32::encode_lower_to_fmt::<LongBech32, _>(text, prefix, bytes),
    };
    pushed.expect("no length is too long, and writing to a text does not fail");
}

pub(super) fn encode(prefix: Hrp, bytes: &[u8]) -> String {
    let mut text = String::new();
    push(&mut text, prefix, bytes);
    text
}

/// Returns the one character, counted from 0, that has to be another for the checksum to be right, if there is one.
pub(crate) fn one_wrong_character(text: &str) -> Option<usize> {
    let Err(CheckedHrpstringError::Checksum(error)) = CheckedHrpstring::new::<Bech32>(text) else {
        return None;
    };
    let corrector = error.correction_context::<Bech32>()?;
    let mut wrong = corrector.bch_errors()?;
    match (wrong.next(), wrong.next()) {
        (Some((from_end, _)), None) => text.len().checked_sub(from_end + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bech32::primitives::iter::Fe32IterExt as _;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        LongBech32::sanity_check();
    }

    #[test]
    fn only_one_spelling_is_taken() {
        let (lower, upper) = (Hrp::parse_unchecked("age"), Hrp::parse_unchecked("AGE"));
        let text = encode(lower, &[0; 32]);
        assert_eq!(*decode::<32>(&text, lower).expect("a key"), [0; 32]);
        assert!(decode::<32>(&text.to_uppercase(), upper).is_ok());
        // 52 letters of 5 bits are 4 bits more than 32 bytes.
        let with_bits: Vec<_> = (0..52).map(|at| u8::from(at == 51)).collect();
        let letters = with_bits
            .iter()
            .map(|&bits| bech32::Fe32::try_from(bits).expect("5 bits"));
        let letters = letters
            .with_checksum::<LongBech32>(&lower)
            .chars()
            .collect::<String>();
        assert_eq!(letters[..55], text[..55]);
        for (text, prefix) in [
            (&text.to_uppercase(), lower),
            (&text, upper),
            (&letters, lower),
        ] {
            assert!(decode::<32>(text, prefix).is_err(), "{text}");
        }
        assert!(decode::<31>(&text, lower).is_err() && decode::<33>(&text, lower).is_err());
    }

    #[test]
    fn a_single_typo_is_found() {
        let right = "age1xtlm3l8ndq7wdcxxv9vz7adsxnmfrf00u07q4qprx29hseqfrfusx0e8cj";
        assert_eq!(one_wrong_character(right), None);
        for at in 4..right.len() {
            let other = if right.as_bytes()[at] == b'q' {
                "p"
            } else {
                "q"
            };
            let typo = [&right[..at], other, &right[at + 1..]].concat();
            assert_eq!(one_wrong_character(&typo), Some(at), "{typo}");
        }
        for text in ["", "age1", "nonsense", &right[..40], "age1bio"] {
            assert_eq!(one_wrong_character(text), None, "{text}");
        }
    }
}
