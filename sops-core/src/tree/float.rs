//! Floats as Go's `strconv.ParseFloat` reads them.

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
