//! Servers made for the tests: they listen on loopback, do the cryptography that the real ones do, and check what they are
//! sent. The official clients and the reference are pointed at them, too.

pub(crate) mod amazon;
pub(crate) mod azure;
pub(crate) mod clouds;
pub(crate) mod google;
#[cfg(feature = "gcp-kms")]
pub(crate) mod google_grpc;
#[cfg(feature = "gcp-kms")]
pub(crate) mod socks;
pub(crate) mod web;

/// Returns the `=` separated fields of a form.
pub(crate) fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect()
}

/// Returns a field of a form.
pub(crate) fn field(fields: &[(String, String)], name: &str) -> String {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0) as u8;
                digit(high) << 4 | digit(low)
            }
            _ => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
