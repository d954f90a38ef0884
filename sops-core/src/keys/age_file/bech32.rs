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

/// Returns the bytes that `text` spells after `prefix`, if there are as many as `LEN`.
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
    match bytes.next() {
        None => Ok(key),
        Some(_) => Err(KeyTextError),
    }
}

/// Returns the prefix of a text with a right checksum, as it is written.
pub(crate) fn prefix(text: &str) -> Result<&str, KeyTextError> {
    let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| KeyTextError)?;
    let length = checked.hrp().len();
    text.get(..length).ok_or(KeyTextError)
}

pub(super) fn encode_lower(prefix: Hrp, bytes: &[u8]) -> String {
    bech32::encode_lower::<LongBech32>(prefix, bytes).expect("no length is too long")
}

/// Appends an encoding in capital letters. Growing would leave pieces of it behind: there should be room for it.
pub(super) fn push_upper(text: &mut String, prefix: Hrp, bytes: &[u8]) {
    bech32::encode_upper_to_fmt::<LongBech32, _>(text, prefix, bytes)
        .expect("no length is too long, and writing to a text does not fail");
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
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        LongBech32::sanity_check();
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
