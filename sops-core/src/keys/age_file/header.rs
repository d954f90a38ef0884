//! The header: a line for the version, a stanza for each recipient, and a MAC.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{FileKey, OpenError, derive, scrypt};

pub(crate) const VERSION: &[u8] = b"age-encryption.org/v1\n";

/// What the first line of a stanza starts with.
const STANZA_START: &str = "-> ";

/// What the line of the MAC starts with.
const MAC_LINE: &str = "---";

/// Characters of base64 on a line.
const COLUMNS: usize = 64;

/// The largest header that is read. SOPS files have one recipient; others have some thousand at most.
const MAX_LEN: usize = 16 << 20;

/// What one recipient needs to know.
#[derive(PartialEq, Eq)]
pub(crate) struct Stanza {
    pub(crate) kind: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// A header, with the bytes that its MAC covers.
pub(super) struct Header {
    pub(super) stanzas: Vec<Stanza>,
    covered: Vec<u8>,
    mac: Vec<u8>,
}

impl Header {
    pub(super) fn new(stanzas: Vec<Stanza>) -> Self {
        let mut text = String::new();
        for stanza in &stanzas {
            stanza.push_text(&mut text);
        }
        text.push_str(MAC_LINE);
        Self {
            stanzas,
            covered: [VERSION, text.as_bytes()].concat(),
            mac: Vec::new(),
        }
    }

    /// Returns the header with its MAC.
    pub(super) fn to_bytes(&self, file_key: &FileKey) -> Vec<u8> {
        let mut bytes = self.covered.clone();
        bytes.push(b' ');
        let mac = mac(file_key, &self.covered).finalize().into_bytes();
        bytes.extend_from_slice(STANDARD_NO_PAD.encode(mac).as_bytes());
        bytes.push(b'\n');
        bytes
    }

    /// Reads the header of a file, and returns what follows it.
    pub(super) fn parse(file: &[u8]) -> Result<(Self, &[u8]), OpenError> {
        let mut rest = file.strip_prefix(VERSION).ok_or(OpenError::Header)?;
        let mut stanzas = Vec::new();
        loop {
            let start = file.len() - rest.len();
            if start > MAX_LEN {
                return Err(OpenError::Header);
            }
            let line = next_line(&mut rest)?;
            if let Some(mac) = line.strip_prefix(MAC_LINE) {
                let mac = mac.strip_prefix(' ').ok_or(OpenError::Header)?;
                let mac = decode(mac).filter(|mac| mac.len() == 32);
                let header = Self {
                    stanzas,
                    covered: file[..start + MAC_LINE.len()].to_vec(),
                    mac: mac.ok_or(OpenError::Header)?,
                };
                return match header.stanzas.is_empty() {
                    true => Err(OpenError::Header),
                    false => Ok((header, rest)),
                };
            }
            stanzas.push(Stanza::parse(line, &mut rest)?);
        }
    }

    /// Fails if there is a stanza for a passphrase, and anything else: whoever knows the passphrase must be the one who
    /// made the file.
    pub(super) fn check_passphrase_is_alone(&self) -> Result<(), OpenError> {
        let is_passphrase = |stanza: &Stanza| stanza.kind == scrypt::KIND;
        match self.stanzas.len() > 1 && self.stanzas.iter().any(is_passphrase) {
            true => Err(OpenError::Header),
            false => Ok(()),
        }
    }

    /// Checks the MAC.
    pub(super) fn check(&self, file_key: &FileKey) -> Result<(), OpenError> {
        mac(file_key, &self.covered)
            .verify_slice(&self.mac)
            .map_err(|_| OpenError::HeaderMac)
    }
}

impl Stanza {
    /// Appends the stanza as a header holds it.
    pub(crate) fn push_text(&self, text: &mut String) {
        text.push_str(STANZA_START);
        text.push_str(&self.kind);
        for argument in &self.arguments {
            text.push(' ');
            text.push_str(argument);
        }
        text.push('\n');
        let body = Zeroizing::new(STANDARD_NO_PAD.encode(&self.body));
        // The last line is shorter than the others, if only by being empty.
        let mut rest = body.as_str();
        while rest.len() >= COLUMNS {
            let (line, after) = rest.split_at(COLUMNS);
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
    }

    /// Reads a stanza, of which the first line was read.
    fn parse(line: &str, rest: &mut &[u8]) -> Result<Self, OpenError> {
        let (kind, arguments) = Self::parse_first_line(line)?;
        let mut body = Vec::new();
        while Self::parse_body_line(next_line(rest)?, &mut body)? {}
        Ok(Self {
            kind,
            arguments,
            body,
        })
    }

    /// Returns the kind and the arguments that the first line holds.
    pub(crate) fn parse_first_line(line: &str) -> Result<(String, Vec<String>), OpenError> {
        let words = line.strip_prefix(STANZA_START).ok_or(OpenError::Header)?;
        let mut words = words.split(' ').map(str::to_owned);
        let is_word =
            |word: &String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        let kind = words.next().filter(is_word).ok_or(OpenError::Header)?;
        let arguments: Vec<String> = words.collect();
        if !arguments.iter().all(is_word) {
            return Err(OpenError::Header);
        }
        Ok((kind, arguments))
    }

    /// Appends what a line of the body holds, and returns whether another one follows.
    pub(crate) fn parse_body_line(line: &str, body: &mut Vec<u8>) -> Result<bool, OpenError> {
        if line.len() > COLUMNS {
            return Err(OpenError::Header);
        }
        body.extend(decode(line).ok_or(OpenError::Header)?);
        Ok(line.len() == COLUMNS)
    }
}

/// Decodes base64 as the format has it: without padding, and with no bits left over.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

fn next_line<'f>(rest: &mut &'f [u8]) -> Result<&'f str, OpenError> {
    let end = rest
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or(OpenError::Header)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    str::from_utf8(line).map_err(|_| OpenError::Header)
}

fn mac(file_key: &FileKey, covered: &[u8]) -> Hmac<Sha256> {
    let key = derive(&**file_key, &[], b"header");
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).expect("keys may have any length");
    mac.update(covered);
    mac
}
