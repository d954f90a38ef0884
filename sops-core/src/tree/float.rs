//! Floats as Go's `strconv` reads and prints them.

use std::io::Write;

/// Reads a float: decimal, hexadecimal, infinite or not a number, with `_` between digits. `None` if the text is none
/// of these, or too large for a float.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity")
    {
        f64::INFINITY
    } else if text.eq_ignore_ascii_case("nan") {
        f64::NAN
    } else if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        parse_hexadecimal(&unsigned[2..])?
    } else {
        parse_decimal(unsigned)?
    };
    Some(if negative { -value } else { value })
}

/// Appends a finite float with the fewest digits that read back, and never an exponent.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write!(out, "{value}").expect("writing to memory does not fail");
    round_tie_to_even(&mut out[start..], value);
}

/// Returns a finite float with the fewest digits that read back, as `1.5e-7`.
pub(crate) fn scientific(value: f64) -> String {
    let mut text = format!("{value:e}").into_bytes();
    round_tie_to_even(&mut text, value);
    String::from_utf8(text).unwrap_or_default()
}

/// Returns a finite float as Go's `%g` prints it: with the fewest digits that read back; an exponent below -4 or from 6
/// on is written as one, with two digits at least.
pub(crate) fn general(value: f64) -> String {
    let scientific = scientific(value);
    if let Some((mantissa, exponent)) = scientific.split_once('e')
        && let Ok(exponent) = exponent.parse::<i32>()
        && !(-4..6).contains(&exponent)
    {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let mut out = Vec::new();
    push_decimal(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

/// Where two numbers of the fewest digits are equally near, the standard library takes the larger, Go the even one.
/// The plaintext must be that of Go: it is hashed.
fn round_tie_to_even(text: &mut [u8], value: f64) {
    // A tie needs more digits than a float has bits for.
    const FEWEST: usize = 16;
    const MOST: usize = 17;
    let exponent = text.iter().position(|&byte| byte == b'e');
    let digits = &text[..exponent.unwrap_or(text.len())];
    let is_nonzero = |byte: &u8| matches!(byte, b'1'..=b'9');
    let (Some(first), Some(last)) = (
        digits.iter().position(is_nonzero),
        digits.iter().rposition(is_nonzero),
    ) else {
        return;
    };
    let significant = digits[first..=last]
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .count();
    if !(FEWEST..=MOST).contains(&significant) {
        return;
    }
    let is_tie = |precision: usize| -> Option<u8> {
        let exact = format!("{:.precision$e}", value.abs());
        let mut exact = exact
            .bytes()
            .take_while(|&byte| byte != b'e')
            .filter(u8::is_ascii_digit);
        let digit = exact.nth(significant - 1)?;
        let half = exact.next()? == b'5' && exact.all(|digit| digit == b'0');
        half.then_some(digit)
    };
    // Cheap first; no float has more digits than the second look takes.
    let Some(lower) = is_tie(MOST).and_then(|_| is_tie(800)) else {
        return;
    };
    if lower % 2 == 0 && text[last] == lower + 1 {
        text[last] = lower;
        // Below a power of two floats are closer to each other: the smaller number may be that of another.
        let read = std::str::from_utf8(text).map(str::parse::<f64>);
        if read != Ok(Ok(value)) {
            text[last] = lower + 1;
        }
    }
}

fn parse_decimal(text: &str) -> Option<f64> {
    // The standard library takes signs and words that are dealt with above, and no others that Go refuses.
    if !text.starts_with(|first: char| first == '.' || first.is_ascii_digit()) {
        return None;
    }
    let value: f64 = if text.contains('_') {
        separators_stand_between_digits(text, false)
            .then(|| text.replace('_', ""))?
            .parse()
            .ok()?
    } else {
        text.parse().ok()?
    };
    value.is_finite().then_some(value)
}

/// Reads what follows `0x`: digits with at most one point, and an exponent of two, which must be there.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    if !separators_stand_between_digits(digits, true) {
        return None;
    }
    let mut mantissa = 0_u64;
    let mut lost = false;
    let mut scale = 0_i64;
    let mut after_point = false;
    let mut any_digit = false;
    for byte in digits.bytes().filter(|&byte| byte != b'_') {
        if byte == b'.' && !after_point {
            after_point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        any_digit = true;
        scale -= if after_point { 4 } else { 0 };
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
        } else {
            lost |= digit != 0;
            scale += 4;
        }
    }
    if !any_digit {
        return None;
    }
    scale_by_power_of_two(mantissa, lost, scale + binary_exponent(exponent)?)
}

fn binary_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let first = *digits.as_bytes().first()?;
    if !first.is_ascii_digit() || !separators_stand_between_digits(digits, false) {
        return None;
    }
    let mut exponent = 0_i64;
    for byte in digits.bytes().filter(|&byte| byte != b'_') {
        if !byte.is_ascii_digit() {
            return None;
        }
        // More than any float has, whatever its digits: no need to count on.
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(1 << 40);
    }
    Some(sign * exponent)
}

/// Returns `mantissa * 2^exponent`, rounded to the nearest float, ties to even. `lost` tells that the mantissa was
/// cut, hence is a little larger than it looks.
fn scale_by_power_of_two(mantissa: u64, lost: bool, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(64 - mantissa.leading_zeros());
    if bits + exponent > 1100 {
        return None;
    }
    let lowest = (bits + exponent - 53).max(-1074);
    let shift = lowest - exponent;
    let rounded = match shift {
        ..=0 => mantissa << -shift,
        1..=64 => {
            let wide = u128::from(mantissa) << 64 >> shift;
            let (whole, fraction) = ((wide >> 64) as u64, wide as u64);
            let half = 1 << 63;
            let up = fraction > half || fraction == half && (lost || whole % 2 == 1);
            whole + u64::from(up)
        }
        _ => 0,
    };
    // In two steps, because a factor of 2^-1074 is no float of full precision; both are exact.
    let half = lowest / 2;
    let value = rounded as f64 * power_of_two(half) * power_of_two(lowest - half);
    value.is_finite().then_some(value)
}

fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

fn separators_stand_between_digits(text: &str, after_prefix: bool) -> bool {
    let mut after_digit = after_prefix;
    let mut after_separator = false;
    for byte in text.bytes() {
        let digit = if after_prefix {
            byte.is_ascii_hexdigit()
        } else {
            byte.is_ascii_digit()
        };
        if byte == b'_' && !after_digit || after_separator && !digit {
            return false;
        }
        after_separator = byte == b'_';
        after_digit = digit;
    }
    !after_separator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("1.10", 1.1),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1E3", 1000.0),
            ("1_0", 10.0),
            (".5_0", 0.5),
            (".5e1_0", 5e9),
            ("1e-400", 0.0),
            ("0x1p4", 16.0),
            ("0X1P+4", 16.0),
            ("0x_1p4", 16.0),
            ("-0x1.8p-1", -0.75),
            ("0x.8p0", 0.5),
            ("0x8.p0", 8.0),
            ("0x1p-1080", 0.0),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x0.00000000000000000001p80", 1.0),
            ("0x100000000000000000000p-80", 1.0),
            ("0x1.fffffffffffff7fp1023", f64::MAX),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.00000000000008000000001p0", 1.000_000_000_000_000_2),
            ("0x1.00000000000018p0", 1.000_000_000_000_000_4),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            let value = parse(text).expect(text);
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}: {value}");
        }
        assert!(parse("NaN").unwrap().is_nan());
    }

    #[test]
    fn ties_are_rounded_to_even_digits() {
        for (value, expected) in [
            ("184467447370955.625", "184467447370955.62"),
            ("1844674407170955.25", "1844674407170955.2"),
            ("1844674407170955.75", "1844674407170955.8"),
            ("-184467447370955.625", "-184467447370955.62"),
            ("184467447370955.65625", "184467447370955.66"),
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.1"),
            ("5e-324", &format!("0.{}5", "0".repeat(323))),
        ] {
            let value: f64 = value.parse().unwrap();
            let mut out = b"x".to_vec();
            push_decimal(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{expected}"));
            assert_eq!(expected.parse::<f64>().unwrap(), value);
        }
        assert_eq!(scientific(184_467_447_370_955.62), "1.8446744737095562e14");
        assert_eq!(scientific(-1.5e-7), "-1.5e-7");
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "+.",
            " 1",
            "1 ",
            "--1",
            "+-1",
            "1e",
            "1e+",
            "e1",
            "1.5.",
            "1__0",
            "_1",
            "1_",
            "1_.5",
            "1._5",
            "1e_5",
            "1_e5",
            "1e400",
            "-1e400",
            "0x",
            "0x1",
            "0xp1",
            "0x.p1",
            "0x1.8",
            "0x1e5",
            "0x1p",
            "0x1p+",
            "0x1p1.5",
            "0x1_p1",
            "0x1p2000",
            "0x1p99999999999999999999",
            "0x1.fffffffffffff8p1023",
            "0b1",
            "1f",
            "infin",
            "infinity1",
            "-nan",
            "+nan",
            "nan1",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
