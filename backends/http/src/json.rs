//! JSON with secrets in it.

use sops_core::SecretBytes;
use zeroize::Zeroizing;

/// A JSON object of texts, put together without leaving copies behind.
pub struct JsonBody(Zeroizing<Vec<u8>>);

impl JsonBody {
    /// Returns the empty object.
    #[must_use]
    pub fn new() -> Self {
        let mut text = Vec::with_capacity(1024);
        text.push(b'{');
        Self(Zeroizing::new(text))
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.quoted(value);
        self
    }

    /// Adds a value that is JSON already.
    #[must_use]
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.append(json.as_bytes());
        self
    }

    /// Returns the object.
    #[must_use]
    pub fn build(mut self) -> SecretBytes {
        self.append(b"}");
        SecretBytes::new(std::mem::take(&mut *self.0))
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.append(b",");
        }
        self.quoted(key);
        self.append(b":");
    }

    fn quoted(&mut self, text: &str) {
        self.append(b"\"");
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| letter < ' ' || matches!(letter, '"' | '\\'))
        {
            self.append(&rest.as_bytes()[..at]);
            let escaped = format!("\\u{:04x}", rest.as_bytes()[at]);
            self.append(escaped.as_bytes());
            rest = &rest[at + 1..];
        }
        self.append(rest.as_bytes());
        self.append(b"\"");
    }

    /// Growing a vector leaves the old one as it was, so it is done by hand.
    fn append(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let mut larger =
                Zeroizing::new(Vec::with_capacity(2 * self.0.capacity() + bytes.len()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Default for JsonBody {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let body = JsonBody::new()
            .text("a", "x\"\\\n\u{1f}ö")
            .raw("b", "[1]")
            .build();
        let value: serde_json::Value = serde_json::from_slice(body.expose()).expect("JSON");
        assert_eq!(value, serde_json::json!({"a": "x\"\\\n\u{1f}ö", "b": [1]}));
        assert_eq!(JsonBody::new().build().expose(), b"{}");
    }

    #[test]
    fn long_bodies() {
        let long = "é".repeat(3000);
        let body = JsonBody::new().text("a", &long).text("b", &long).build();
        let value: serde_json::Value = serde_json::from_slice(body.expose()).expect("JSON");
        assert_eq!(value, serde_json::json!({"a": long, "b": long}));
    }
}
