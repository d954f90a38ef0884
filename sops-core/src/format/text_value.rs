//! Values in formats that hold nothing but texts.

use zeroize::Zeroizing;

use crate::tree::{ValueRef, float, timestamp::Timestamp};

/// Returns the text that stands for a value that is none.
pub(crate) fn of_other(value: ValueRef<'_>) -> Option<Zeroizing<String>> {
    (!matches!(value, ValueRef::Str(_))).then(|| text(value))
}

/// Returns the text that the reference writes for a value in dotenv and INI files. Bytes that are no UTF-8 are replaced.
pub(crate) fn text(value: ValueRef<'_>) -> Zeroizing<String> {
    Zeroizing::new(match value {
        ValueRef::Str(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        // As Go prints what is nothing.
        ValueRef::Null => "<nil>".to_owned(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Float(value) if value.is_finite() => {
            let text = float::general(value).to_uppercase();
            match text.contains(['.', 'E']) {
                true => text,
                false => text + ".0",
            }
        }
        ValueRef::Time(time) => canonical(ValueRef::Time(Timestamp {
            nanoseconds: 0,
            ..time
        })),
        value => canonical(value),
    })
}

fn canonical(value: ValueRef<'_>) -> String {
    let mut out = Vec::new();
    value.plaintext(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_the_reference_prints_them() {
        let time = Timestamp::from_rfc3339(b"2001-12-14T21:59:43.1-05:00").expect("a time");
        for (value, expected) in [
            (ValueRef::Null, "<nil>"),
            (ValueRef::Bool(true), "true"),
            (ValueRef::Int(-7), "-7"),
            (ValueRef::Float(1.0), "1.0"),
            (ValueRef::Float(-0.5), "-0.5"),
            (ValueRef::Float(1e6), "1E+06"),
            (ValueRef::Float(1.5e-7), "1.5E-07"),
            (ValueRef::Float(f64::INFINITY), "+Inf"),
            (ValueRef::Float(f64::NAN), "NaN"),
            (ValueRef::Time(time), "2001-12-14T21:59:43-05:00"),
            (ValueRef::Str(b"a"), "a"),
        ] {
            assert_eq!(text(value).as_str(), expected);
        }
    }
}
