//! Values back to JSON text.

use std::{borrow::Cow, fmt::Write as _};

use zeroize::Zeroizing;

use crate::{
    format::edit::{Edit, EditText},
    tree::{NodeId, Tree, ValueRef},
};

/// Floats from here on are written with an exponent, as Go's encoder does.
const LARGE: f64 = 1e21;

/// Floats below this one likewise.
const SMALL: f64 = 1e-6;

/// Returns the edit that writes a ciphertext in the place of a scalar.
pub(crate) fn encrypted(tree: &Tree, id: NodeId, enc: EditText) -> Edit {
    // Nothing in it has to be escaped.
    Edit::new(tree[id].span, enc.double_quoted())
}

/// Returns the edit that writes a value in the place of its ciphertext.
///
/// A float that is not finite has no spelling in JSON. The caller refuses it, as the reference does; here it becomes
/// the string it is called.
pub(crate) fn restored(tree: &Tree, id: NodeId, value: ValueRef<'_>) -> Edit {
    Edit {
        span: tree[id].span,
        text: value_text(value).into(),
    }
}

/// Returns the JSON text of a value.
pub(crate) fn value_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Int(value) => value.to_string(),
        ValueRef::Unsigned(value) => value.to_string(),
        ValueRef::Float(value) => float_text(value),
        ValueRef::Time(_) => {
            let mut text = Zeroizing::new(Vec::new());
            value.plaintext(&mut text);
            string_text(&String::from_utf8_lossy(&text))
        }
        ValueRef::Str(bytes) => match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => string_text(text),
            Cow::Owned(text) => string_text(&Zeroizing::new(text)),
        },
    }
}

/// Returns `text` as a JSON string.
pub(crate) fn string_text(text: &str) -> String {
    // The exact size: growing would leave pieces of a secret in freed memory.
    let escapes: usize = text.bytes().map(|byte| escaped_len(byte) - 1).sum();
    let mut quoted = String::with_capacity(text.len() + escapes + 2);
    push_string(&mut quoted, text);
    quoted
}

/// Appends `text` as a JSON string. Only what must be is escaped: `"`, `\` and control characters.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if escaped_len(byte) == 1 {
            continue;
        }
        out.push_str(&text[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{byte:04x}").expect("writing to a string cannot fail"),
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x0c | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// Returns the shortest text that reads back as the same value and as a float: `1.0`, not `1`.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "\"NaN\"".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(SMALL..LARGE).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    let mut text = value.to_string();
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        format::{edit::splice, json::parse},
        tree::{Value, timestamp::Timestamp},
    };

    /// Writes `value` where `"x"` stands in an object, and returns the text and what it reads back as.
    fn round_trip(value: ValueRef<'_>) -> (String, Value) {
        let source = r#"{ "a" : "x" }"#;
        let tree = parse(source).unwrap();
        let (_, id) = tree.entry(source, NodeId(1), "a").unwrap();
        let written = splice(source, &mut [restored(&tree, id, value)]);
        let mut tree = parse(&written).unwrap();
        let text = written[8..written.len() - 2].to_owned();
        let (_, id) = tree.entry(&written, NodeId(1), "a").unwrap();
        let crate::tree::NodeKind::Scalar(scalar) = &mut tree.nodes_mut()[id.index()].kind else {
            panic!("not a scalar");
        };
        let value = std::mem::replace(&mut scalar.value, Value::Null);
        let value = match value.view(&written) {
            ValueRef::Str(bytes) => Value::Str(crate::tree::Text::Owned(bytes.into())),
            _ => value,
        };
        (text, value)
    }

    #[test]
    fn writes_floats_so_that_they_stay_floats() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1.1, "1.1"),
            (-2.5, "-2.5"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_223_372_036_854_775_808.0, "9223372036854776000.0"),
        ] {
            let (written, read) = round_trip(ValueRef::Float(value));
            assert_eq!(written, text);
            assert!(matches!(read, Value::Float(back) if back.to_bits() == value.to_bits()));
        }
        assert_eq!(float_text(f64::NAN), r#""NaN""#);
        assert_eq!(float_text(f64::NEG_INFINITY), r#""-Inf""#);
    }

    #[test]
    fn writes_the_other_kinds() {
        assert_eq!(round_trip(ValueRef::Null).0, "null");
        assert_eq!(round_trip(ValueRef::Bool(true)).0, "true");
        let time = Timestamp {
            seconds: 1_008_384_143,
            nanoseconds: 120_000_000,
            offset_minutes: -300,
        };
        assert_eq!(
            round_trip(ValueRef::Time(time)).0,
            r#""2001-12-14T21:42:23.12-05:00""#
        );
        assert_eq!(
            round_trip(ValueRef::Int(i64::MIN)).0,
            "-9223372036854775808"
        );
        assert_eq!(round_trip(ValueRef::Str(b"<>& \x7f")).0, "\"<>& \x7f\"");
        let (text, _) = round_trip(ValueRef::Str("\u{2028}é😀/".as_bytes()));
        assert_eq!(text, "\"\u{2028}é😀/\"");
        let (text, _) = round_trip(ValueRef::Str(b"\0\x01\x08\t\n\x0b\x0c\r\x1f\"\\"));
        assert_eq!(text, r#""\u0000\u0001\b\t\n\u000b\f\r\u001f\"\\""#);
        assert_eq!(round_trip(ValueRef::Str(b"a\xff")).0, "\"a\u{fffd}\"");
    }

    #[test]
    fn an_encrypted_value_stands_in_quotes() {
        let source = r#"{"a": 5432, "b": "x"}"#;
        let tree = parse(source).unwrap();
        let mut edits: Vec<_> = tree
            .entries(NodeId(1))
            .map(|(_, id)| encrypted(&tree, id, "ENC[AES256_GCM,data:a/+=]".into()))
            .collect();
        assert_eq!(
            splice(source, &mut edits),
            r#"{"a": "ENC[AES256_GCM,data:a/+=]", "b": "ENC[AES256_GCM,data:a/+=]"}"#
        );
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in any::<String>()) {
            let quoted = string_text(&text);
            prop_assert_eq!(quoted.capacity(), quoted.len());
            let (_, read) = round_trip(ValueRef::Str(text.as_bytes()));
            let Value::Str(back) = read else { panic!("not a string") };
            prop_assert_eq!(back.bytes(""), text.as_bytes());
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }

        #[test]
        fn every_number_reads_back(bits in any::<u64>(), int in any::<i64>()) {
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let (_, read) = round_trip(ValueRef::Float(float));
                prop_assert!(matches!(read, Value::Float(back) if back.to_bits() == bits));
            }
            let (_, read) = round_trip(ValueRef::Int(int));
            prop_assert!(matches!(read, Value::Int(back) if back == int));
        }
    }
}
