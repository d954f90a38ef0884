//! Files as text: strict PEM, as the format has it.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::OpenError;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;

/// Returns a file as text, with a line feed at its end.
pub(crate) fn to_armor(file: &[u8]) -> String {
    let body = STANDARD.encode(file);
    let mut text = String::with_capacity(body.len() + body.len() / COLUMNS + 80);
    text.push_str(BEGIN);
    text.push('\n');
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(COLUMNS.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// Reads a text. White space may stand around it, and lines may end with a carriage return and a line feed.
pub(crate) fn from_armor(text: &str) -> Result<Vec<u8>, OpenError> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next() != Some(BEGIN) {
        return Err(OpenError::Armor);
    }
    let mut body = String::with_capacity(text.len());
    let mut is_full = true;
    loop {
        let line = lines.next().ok_or(OpenError::Armor)?;
        if line == END {
            break;
        }
        // Only the last line may be shorter.
        if !is_full || line.is_empty() || line.len() > COLUMNS {
            return Err(OpenError::Armor);
        }
        is_full = line.len() == COLUMNS;
        body.push_str(line);
    }
    if lines.next().is_some() {
        return Err(OpenError::Armor);
    }
    STANDARD.decode(body).map_err(|_| OpenError::Armor)
}
