//! Values that are no texts, as plain scalars.

use crate::tree::{ValueRef, float};

/// Returns the spelling that Go's yaml v3 prints for a value that is no text, but for floats without a fraction: these
/// are written so that they read back as floats.
pub(super) fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Float(value) => float_text(value),
        value => {
            let mut out = Vec::new();
            value.plaintext(&mut out);
            String::from_utf8(out).unwrap_or_default()
        }
    }
}

fn float_text(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let mut text = float::general(value);
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::yaml::resolve::{Resolved, untagged};

    #[test]
    fn floats_are_printed_as_the_reference_does() {
        for (value, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (12_345_678.9, "1.23456789e+07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (-1e19, "-1e+19"),
            (f64::INFINITY, ".inf"),
            (f64::NEG_INFINITY, "-.inf"),
            (f64::NAN, ".nan"),
        ] {
            assert_eq!(text(ValueRef::Float(value)), expected);
        }
    }

    proptest! {
        #[test]
        fn floats_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let Ok(Resolved::Float(read)) = untagged(&text(ValueRef::Float(value))) else {
                return Err(TestCaseError::fail("no float"));
            };
            prop_assert!(read.to_bits() == bits || read.is_nan() && value.is_nan());
        }

        #[test]
        fn integers_read_back(value in any::<i64>()) {
            prop_assert_eq!(untagged(&text(ValueRef::Int(value))), Ok(Resolved::Int(value)));
        }
    }
}
