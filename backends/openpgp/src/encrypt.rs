//! Messages that hold a data key.

use std::io::Write;

use sequoia_openpgp::{
    KeyHandle,
    serialize::stream::{Armorer, Encryptor, LiteralWriter, Message, Recipient},
    types::{DataFormat, Features, SymmetricAlgorithm},
};
use sops_core::{SecretBytes, keys::KeyError};

use crate::{key_files::said_by, select::Found};

/// Encrypts a data key or share, as every `gpg` can read it: with AES-256 and an MDC, whatever newer ways the key claims to
/// understand.
pub(crate) fn encrypt(found: Found<'_>, share: &SecretBytes) -> Result<String, KeyError> {
    let key = found.encryption_key()?;
    let failed = |error| KeyError::new(format!("cannot encrypt: {}", said_by(&error)));
    let mut armored = Vec::new();
    let write = |armored: &mut Vec<u8>| -> sequoia_openpgp::Result<()> {
        let features = Features::empty().set_seipdv1();
        let recipient = Recipient::new(features, Some(KeyHandle::from(key.keyid())), &key);
        let message = Message::new(armored);
        let message = Armorer::new(message).build()?;
        let message = Encryptor::for_recipients(message, [recipient])
            .symmetric_algo(SymmetricAlgorithm::AES256)
            .build()?;
        let mut message = LiteralWriter::new(message)
            .format(DataFormat::Binary)
            .build()?;
        message.write_all(share.expose())?;
        message.finalize()
    };
    write(&mut armored).map_err(failed)?;
    let text = String::from_utf8_lossy(&armored);
    Ok(text.trim().to_owned())
}
