//! Raw metadata from JSON, for tests.

use serde_json::Value;

use super::Raw;

/// Reads raw metadata from JSON.
pub(crate) fn json(text: &str) -> Raw {
    from_value(&serde_json::from_str(text).expect("tests hold valid JSON"))
}

/// Returns metadata with little more than what is required, and `key` set to the JSON `value`.
pub(crate) fn minimal(key: &str, value: &str) -> Raw {
    let Raw::Map(mut entries) = json(
        r#"{"age":[{"enc":"e","recipient":"r"}],"lastmodified":"2024-05-01T12:00:00Z",
            "mac":"ENC[]","version":"3.13.2"}"#,
    ) else {
        unreachable!("it is a mapping")
    };
    entries.retain(|(name, _)| name != key);
    entries.push((key.to_owned(), json(value)));
    Raw::Map(entries)
}

fn from_value(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Bool(value) => Raw::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Raw::Int(integer),
            None => Raw::Float(number.as_f64().expect("a number")),
        },
        Value::String(text) => Raw::Text(text.clone()),
        Value::Array(items) => Raw::List(items.iter().map(from_value).collect()),
        Value::Object(entries) => Raw::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), from_value(value)))
                .collect(),
        ),
    }
}
