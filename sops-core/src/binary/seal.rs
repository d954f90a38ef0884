//! Encrypting a binary file.

use std::borrow::Cow;

use base64::Engine;
use zeroize::{Zeroize, Zeroizing};

use super::{
    ADDITIONAL_DATA, KEY, PIECE, TEXT_PIECE, beside::hash_and_encrypt, open::authenticate,
    recheck::Recheck,
};
use crate::{
    crypto::{
        Cipher, Mac, NonceSource,
        cipher::{BASE64, base64_of_pieces},
        encrypted_value::PREFIX,
    },
    document::{EncryptedFile, check_mac},
    error::Error,
    format::{Format, edit::splice},
    metadata::{Metadata, Raw},
    secret::SecretBytes,
};

/// Encrypts bytes, and reads again what was written. The envelope is indented by tabs, or by so many blanks.
///
/// All happens in the memory of the plaintext, which is ciphertext before it has to grow.
pub(crate) fn seal(
    plaintext: SecretBytes,
    mut metadata: Metadata,
    cipher: &Cipher,
    indent: Option<usize>,
) -> Result<Vec<u8>, Error> {
    let mut buffer = Zeroizing::new(plaintext.into_vec());
    let mut nonces = NonceSource::new();
    let mut draw = || {
        nonces
            .draw()
            .map_err(|error| Error::Random(error.to_string()))
    };
    let nonce = draw()?;
    let mut mac = Mac::new(metadata.mac_only_encrypted);
    let mut stream = cipher.stream(&nonce, ADDITIONAL_DATA);
    let mut recheck = Recheck::new(cipher.stream(&nonce, ADDITIONAL_DATA));
    hash_and_encrypt(&mut buffer, &mut mac, &mut stream, &mut recheck);
    let tag = stream.finish();
    if !recheck.finish(&tag) {
        return Err(Error::Unfaithful("decrypting it gives other bytes"));
    }
    let mac = mac.finish();

    let too_large = |_| Error::Unfaithful("it is too large");
    let additional_data = metadata.mac_additional_data()?;
    metadata.mac.clear();
    cipher
        .encrypt_into(
            mac.expose(),
            "str",
            additional_data.as_bytes(),
            &draw()?,
            &mut metadata.mac,
        )
        .map_err(too_large)?;
    let (mut head, mut tail) = envelope(&metadata, indent)?;
    let is_empty = buffer.is_empty();
    if !is_empty {
        head.push_str(PREFIX);
        tail.insert_str(
            0,
            &format!(
                ",iv:{},tag:{},type:str]",
                BASE64.encode(nonce),
                BASE64.encode(tag)
            ),
        );
    }
    wrap(&mut buffer, head.as_bytes(), tail.as_bytes());

    // What is encrypted is no secret any more.
    let written = std::mem::take(&mut *buffer);
    let text = str::from_utf8(&written).map_err(|_| Error::Unfaithful("it is no text"))?;
    let again = EncryptedFile::from_text(Cow::Borrowed(text), Format::Binary)?;
    if raw(again.metadata()) != raw(&metadata) {
        return Err(Error::Unfaithful("it has other metadata"));
    }
    // What was encrypted was decrypted again, piece by piece. The text holds that ciphertext, if it has this tag.
    let found = authenticate(text, again.tree(), again.metadata(), cipher)?;
    if found != (!is_empty).then_some(tag) {
        return Err(Error::Unfaithful("it holds another ciphertext"));
    }
    // Those bytes had this MAC.
    check_mac(again.metadata(), cipher, std::slice::from_ref(&mac))?;
    drop(again);
    Ok(written)
}

/// Returns the metadata as binary files have them: without a selector, since there is one value only.
fn raw(metadata: &Metadata) -> Raw {
    let mut raw = metadata.to_raw();
    if let (Raw::Map(entries), Some(selector)) = (&mut raw, metadata.selector.key()) {
        entries.retain(|(key, _)| key != selector);
    }
    raw
}

/// Returns what stands before and behind the value.
fn envelope(metadata: &Metadata, indent: Option<usize>) -> Result<(String, String), Error> {
    let unit = indent.map_or_else(|| "\t".to_owned(), |width| " ".repeat(width));
    let mut head = format!("{{\n{unit}\"{KEY}\": \"");
    let source = format!("{head}\"\n}}\n");
    let engine = Format::Binary.engine();
    let tree = Format::Binary.parse(&source, Default::default())?;
    let text = splice(
        &source,
        &mut engine.insert_metadata(&source, &tree, &raw(metadata)),
    );
    let tail = text
        .strip_prefix(&head)
        .ok_or(Error::Unfaithful("its envelope is not what was meant"))?;
    head.reserve(PREFIX.len());
    Ok((head, tail.to_owned()))
}

/// Replaces bytes by their base64 between `head` and `tail`.
fn wrap(buffer: &mut Zeroizing<Vec<u8>>, head: &[u8], tail: &[u8]) {
    let length = buffer.len();
    let body = length.div_ceil(3) * 4;
    buffer.reserve_exact(head.len() + body + tail.len() - length);
    buffer.resize(head.len() + body, 0);
    let mut piece = vec![0; PIECE];
    let base64 = base64_of_pieces();
    // From the end, since base64 is longer: what is written never reaches what was not read yet.
    for start in (0..length).step_by(PIECE).rev() {
        let bytes = &mut piece[..PIECE.min(length - start)];
        bytes.copy_from_slice(&buffer[start..start + bytes.len()]);
        let at = head.len() + start / PIECE * TEXT_PIECE;
        base64
            .encode_slice(&*bytes, &mut buffer[at..])
            .expect("there is room for all pieces up to the last one");
    }
    buffer[..head.len()].copy_from_slice(head);
    buffer.extend_from_slice(tail);
    piece.zeroize();
}
