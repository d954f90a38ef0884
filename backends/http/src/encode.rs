//! Texts in addresses and forms.

use sops_core::SecretBytes;
use zeroize::Zeroizing;

/// Returns `text` with everything encoded that could mean something else in a path, a query or a form.
#[must_use]
pub fn encode(text: &str) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Zeroizing::new(String::with_capacity(3 * text.len()));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
            encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// Returns the body of a form.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> SecretBytes {
    let encoded: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, encode(value)))
        .collect();
    let length = encoded
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    let mut body = Vec::with_capacity(length);
    for (name, value) in &encoded {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        body.extend_from_slice(value.as_bytes());
    }
    SecretBytes::new(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding() {
        assert_eq!(encode("aZ9-_.~").as_str(), "aZ9-_.~");
        assert_eq!(encode("a b/ü?&=%").as_str(), "a%20b%2F%C3%BC%3F%26%3D%25");
        let body = form(&[("a", "1&2"), ("b", "")]);
        assert_eq!(body.expose(), b"a=1%262&b=");
    }
}
