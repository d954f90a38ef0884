//! Decrypting a binary file.

use std::{borrow::Cow, ops::Range};

use base64::Engine;
use zeroize::Zeroizing;

use super::{
    ADDITIONAL_DATA, KEY, PIECE, TEXT_PIECE,
    beside::{Exchange, hash_beside},
};
use crate::{
    crypto::{
        Cipher, EncryptedValue, LeafProblem, Mac, MacDigest, TAG_LEN,
        cipher::{BASE64, base64_of_pieces},
        decrypt::Decryption,
        encrypted_value::PREFIX,
        looks_encrypted,
        select::Matcher,
    },
    document::{check_mac, located},
    error::Error,
    format::{EmitError, Format},
    metadata::Metadata,
    secret::SecretBytes,
    tree::{NodeId, NodeKind, Text, Tree, Value, span::Position},
};

/// Memory for a piece. Base64 that is damaged may decode to a little more.
const PIECE_ROOM: usize = PIECE + 3;

/// Decrypts a file. A text that is owned is overwritten by what it decrypts to, so that nothing is there twice.
pub(crate) fn open(
    text: Cow<'_, str>,
    tree: &Tree,
    metadata: &Metadata,
    cipher: &Cipher,
    ignore_mac: bool,
) -> Result<SecretBytes, Error> {
    let matcher = metadata.selector.compile()?;
    let Some(sealed) = Sealed::find(&text, tree, &matcher) else {
        return open_any(&text, tree, metadata, &matcher, cipher, ignore_mac);
    };
    let mut place = match &text {
        Cow::Borrowed(text) => Place::Copy {
            unread: &text.as_bytes()[sealed.data.clone()],
            copy: Zeroizing::new(Vec::with_capacity(sealed.data.len() / 4 * 3)),
        },
        Cow::Owned(_) => Place::Inside {
            buffer: Zeroizing::new(text.into_owned().into_bytes()),
            unread: sealed.data.clone(),
            written: 0,
        },
    };
    let mac = sealed.decrypt(&mut place, cipher, metadata)?;
    if !ignore_mac {
        check_mac(metadata, cipher, std::slice::from_ref(&mac))?;
    }
    Ok(place.into_bytes())
}

/// Returns the tag of the value of a file, after checking that it is that of the ciphertext. Nothing is decrypted. `None`
/// for an empty file, which has none.
pub(super) fn authenticate(
    text: &str,
    tree: &Tree,
    metadata: &Metadata,
    cipher: &Cipher,
) -> Result<Option<[u8; TAG_LEN]>, Error> {
    let matcher = metadata.selector.compile()?;
    let Some(sealed) = Sealed::find(text, tree, &matcher) else {
        return match super::bytes_of(text, tree)?.is_empty() {
            true => Ok(None),
            false => Err(Error::Unfaithful("its value is not encrypted")),
        };
    };
    let mut stream = cipher.stream(&sealed.nonce, ADDITIONAL_DATA);
    let mut pieces = text.as_bytes()[sealed.data.clone()]
        .chunks(TEXT_PIECE)
        .peekable();
    let mut ciphertext = vec![0; PIECE_ROOM];
    let base64 = base64_of_pieces();
    while let Some(piece) = pieces.next() {
        let decoded = base64
            .decode_slice(piece, &mut ciphertext)
            .map_err(|_| sealed.located(LeafProblem::Damaged))?;
        if decoded != PIECE && pieces.peek().is_some() {
            return Err(sealed.located(LeafProblem::Damaged));
        }
        stream.authenticate(&ciphertext[..decoded]);
    }
    match stream.finish_and_compare(&sealed.tag) {
        true => Ok(Some(sealed.tag)),
        false => Err(sealed.located(LeafProblem::Authentication)),
    }
}

/// The value of a file as nearly all are: nothing beside it, nothing unusual in its text.
struct Sealed {
    /// Where the base64 of the ciphertext is.
    data: Range<usize>,
    nonce: Vec<u8>,
    tag: [u8; TAG_LEN],
    position: Position,
}

impl Sealed {
    fn find(text: &str, tree: &Tree, matcher: &Matcher) -> Option<Self> {
        let (document, root) = root(tree)?;
        let metadata = tree.metadata_entry(text, document).map(|(key, _)| key);
        let mut entries = tree.entries(root).filter(|(key, _)| Some(*key) != metadata);
        let (key, value) = entries.next()?;
        if entries.next().is_some() || !is_selected(matcher) {
            return None;
        }
        let NodeKind::Key { text: name, .. } = &tree[key].kind else {
            return None;
        };
        let NodeKind::Scalar(scalar) = &tree[value].kind else {
            return None;
        };
        let Value::Str(Text::Source(span)) = &scalar.value else {
            return None;
        };
        let value = EncryptedValue::parse(span.of(text).as_bytes()).ok()?;
        let decoded = |text| BASE64.decode(text).ok();
        let start = span.start as usize + PREFIX.len();
        let is_usual = name.bytes(text) == KEY.as_bytes()
            && matches!(value.kind, "str" | "bytes")
            && memchr::memchr(b'\r', value.data).is_none();
        let nonce = decoded(value.iv).filter(|nonce| !nonce.is_empty())?;
        is_usual.then_some(Self {
            data: start..start + value.data.len(),
            nonce,
            tag: decoded(value.tag)?.try_into().ok()?,
            position: Position::of(text, tree[key].span.start as usize),
        })
    }

    /// Decrypts the value, piece by piece. After a failure nothing is left where the plaintext was put.
    fn decrypt(
        &self,
        place: &mut Place<'_>,
        cipher: &Cipher,
        metadata: &Metadata,
    ) -> Result<MacDigest, Error> {
        let mut mac = Mac::new(metadata.mac_only_encrypted);
        let decrypted = hash_beside(&mut mac, PIECE_ROOM, self.data.len(), |exchange| {
            self.decrypt_pieces(place, cipher, exchange)
        });
        decrypted.map_err(|problem| self.located(problem))?;
        Ok(mac.finish())
    }

    fn located(&self, problem: LeafProblem) -> Error {
        Error::Decrypt {
            path: format!("[\"{KEY}\"]"),
            position: self.position,
            problem,
        }
    }

    fn decrypt_pieces(
        &self,
        place: &mut Place<'_>,
        cipher: &Cipher,
        exchange: &mut Exchange<'_>,
    ) -> Result<(), LeafProblem> {
        let mut stream = cipher.stream(&self.nonce, ADDITIONAL_DATA);
        let mut text = vec![0; TEXT_PIECE];
        let base64 = base64_of_pieces();
        let mut piece = Zeroizing::new(vec![0; PIECE_ROOM]);
        loop {
            let length = place.read(&mut text);
            if length == 0 {
                break;
            }
            let decoded = base64
                .decode_slice(&text[..length], &mut piece)
                .map_err(|_| LeafProblem::Damaged)?;
            if decoded != PIECE && !place.is_read() {
                return Err(LeafProblem::Damaged);
            }
            let plaintext = &mut piece[..decoded];
            stream.decrypt(plaintext);
            place.write(plaintext);
            piece = exchange((piece, decoded));
        }
        if stream.finish_and_compare(&self.tag) {
            Ok(())
        } else {
            Err(LeafProblem::Authentication)
        }
    }
}

/// Where the pieces of text come from, and those of plaintext go to. Wiped when dropped.
enum Place<'t> {
    Copy {
        unread: &'t [u8],
        copy: Zeroizing<Vec<u8>>,
    },
    /// Plaintext is shorter than its base64, so it never reaches what was not read yet.
    Inside {
        buffer: Zeroizing<Vec<u8>>,
        unread: Range<usize>,
        written: usize,
    },
}

impl Place<'_> {
    /// Copies the next piece of the text into `piece`, and returns how long it is.
    fn read(&mut self, piece: &mut [u8]) -> usize {
        let source: &[u8] = match self {
            Self::Copy { unread, .. } => unread,
            Self::Inside { buffer, unread, .. } => &buffer[unread.clone()],
        };
        let length = source.len().min(piece.len());
        piece[..length].copy_from_slice(&source[..length]);
        match self {
            Self::Copy { unread, .. } => *unread = &unread[length..],
            Self::Inside { unread, .. } => unread.start += length,
        }
        length
    }

    fn is_read(&self) -> bool {
        match self {
            Self::Copy { unread, .. } => unread.is_empty(),
            Self::Inside { unread, .. } => unread.is_empty(),
        }
    }

    fn write(&mut self, piece: &[u8]) {
        match self {
            Self::Copy { copy, .. } => copy.extend_from_slice(piece),
            Self::Inside {
                buffer, written, ..
            } => {
                buffer[*written..*written + piece.len()].copy_from_slice(piece);
                *written += piece.len();
            }
        }
    }

    fn into_bytes(self) -> SecretBytes {
        let mut bytes = match self {
            Self::Copy { copy, .. } => copy,
            Self::Inside {
                mut buffer,
                written,
                ..
            } => {
                buffer.truncate(written);
                buffer
            }
        };
        SecretBytes::new(std::mem::take(&mut *bytes))
    }
}

/// Decrypts a file that is unusual: with other values beside `data`, with a selector, with escapes in its strings.
fn open_any(
    text: &str,
    tree: &Tree,
    metadata: &Metadata,
    matcher: &Matcher,
    cipher: &Cipher,
    ignore_mac: bool,
) -> Result<SecretBytes, Error> {
    let leaves = Decryption {
        format: Format::Binary,
        cipher,
        matcher,
        by_content: false,
        mac_only_encrypted: metadata.mac_only_encrypted,
        with_stash: false,
        with_fingerprint: false,
        with_edits: true,
        spelled: &[],
        changed: &[],
    }
    .run(text, tree)
    .map_err(|error| located(text, tree, error, false))?;
    if !ignore_mac {
        check_mac(metadata, cipher, &[leaves.mac.finish()])?;
    }
    let value = root(tree)
        .and_then(|(_, root)| tree.entry(text, root, KEY))
        .map(|(_, value)| &tree[value].kind);
    let Some(NodeKind::Scalar(scalar)) = value else {
        return Err(EmitError::NotBinary.into());
    };
    let Value::Str(value) = &scalar.value else {
        return Err(EmitError::NotBinary.into());
    };
    let value = value.bytes(text);
    if value.is_empty() || !is_selected(matcher) || !looks_encrypted(value) {
        return Ok(SecretBytes::new(value.to_vec()));
    }
    // Decrypting has succeeded above, so these cannot fail.
    let unfaithful = |_| Error::Unfaithful("it does not decrypt twice");
    let encrypted = EncryptedValue::parse(value).map_err(unfaithful)?;
    if !matches!(encrypted.kind, "str" | "bytes") {
        return Err(EmitError::NotBinary.into());
    }
    let mut bytes = Vec::new();
    cipher
        .decrypt_into(&encrypted, ADDITIONAL_DATA, &mut bytes)
        .map_err(unfaithful)?;
    Ok(SecretBytes::new(bytes))
}

fn is_selected(matcher: &Matcher) -> bool {
    matcher.selected(matcher.key(KEY.as_bytes()), false)
}

fn root(tree: &Tree) -> Option<(NodeId, NodeId)> {
    let document = tree.documents().next()?;
    Some((document, tree.root(document)?))
}
