//! Decrypting a file, for the commands that do nothing else with it.

use std::path::Path;

use sops_core::{
    DecryptOptions, EncryptedFile, Format, Plaintext, SecretBytes, TreePath, Unlocked, Warning,
};

use super::transform::Input;
use crate::{
    appearance::Appearance,
    cli::TypeArgs,
    context::{Context, Event, Target},
    error::{Doing, Failure},
};

/// How a file is decrypted.
pub(crate) struct Decryption<'a> {
    types: &'a TypeArgs,
    /// The one value that is wanted.
    path: Option<&'a TreePath>,
    /// Whether the values are wanted, however the result is written.
    wants_values: bool,
    ignore_mac: bool,
}

impl<'a> Decryption<'a> {
    /// Of the whole file, as it is.
    pub(crate) fn new(types: &'a TypeArgs, ignore_mac: bool) -> Self {
        Self {
            types,
            path: None,
            wants_values: false,
            ignore_mac,
        }
    }

    /// Of one value, if a path is given.
    pub(crate) fn of_one_value(self, path: Option<&'a TreePath>) -> Self {
        Self { path, ..self }
    }

    /// Of the values, and not the bytes: JSON under a name that says nothing of it is then taken for JSON.
    pub(crate) fn of_values(self) -> Self {
        Self {
            wants_values: true,
            ..self
        }
    }

    /// Decrypts a file into the format that is asked for.
    pub(crate) fn decrypt(
        &self,
        context: &Context,
        file: Option<&Path>,
        input: Input<'_>,
    ) -> Result<(SecretBytes, Vec<Warning>), Failure> {
        let target = context.target(file, self.types)?;
        let failed = target.failed(Doing::Decrypting);
        if let Some(path) = self.path
            && target.format != Format::Binary
        {
            let unlocked = self.unlock(context, &target, input.bytes())?;
            return self.extract(&unlocked, path, target.output).map_err(failed);
        }
        let plain = self.open(context, &target, input)?;
        let warnings = plain.warnings().to_vec();
        // As the reference prints whatever is one text, when nobody says how.
        if target.format != Format::Binary
            && target.is_output_open
            && self.path.is_none()
            && plain.holds_binary()
        {
            let bytes = plain.convert(Format::Binary, None).map_err(failed)?;
            return Ok((bytes, warnings));
        }
        let bytes = match (self.path, context.rewriting_plaintext(&target)?) {
            (Some(path), _) => plain.extract_as(path, target.output).map_err(failed)?,
            // Bytes have no indentation.
            (None, _) if (target.format, target.output) == (Format::Binary, Format::Binary) => {
                plain.into_bytes()
            }
            (None, Some(indent)) => plain.convert(target.output, indent).map_err(failed)?,
            (None, None) => plain.into_bytes(),
        };
        Ok((bytes, warnings))
    }

    /// Decrypts one value of a file: if it is a text, without the plaintext of all the others.
    fn extract(
        &self,
        unlocked: &Unlocked<'_>,
        path: &TreePath,
        output: Format,
    ) -> Result<(SecretBytes, Vec<Warning>), sops_core::Error> {
        let found = match self.ignore_mac {
            true => unlocked
                .danger_extract_text(path)?
                .map(|text| (text, Vec::new())),
            false => unlocked.extract_text(path)?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let plain =
            unlocked.decrypt(&DecryptOptions::default().danger_ignore_mac(self.ignore_mac))?;
        Ok((plain.extract_as(path, output)?, plain.warnings().to_vec()))
    }

    /// Recovers the data key of a file.
    fn unlock<'t>(
        &self,
        context: &Context,
        target: &Target,
        bytes: &'t [u8],
    ) -> Result<Unlocked<'t>, Failure> {
        context.unlock(target.parse(bytes)?, target, &[Event::Decrypt])
    }

    /// Decrypts a file.
    pub(crate) fn open(
        &self,
        context: &Context,
        target: &Target,
        input: Input<'_>,
    ) -> Result<Plaintext, Failure> {
        let options = DecryptOptions::default().danger_ignore_mac(self.ignore_mac);
        let failed = target.failed(Doing::Decrypting);
        let decrypt = |encrypted: EncryptedFile<'_>| {
            let unlocked = context.unlock(encrypted, target, &[Event::Decrypt])?;
            unlocked.into_plaintext(&options).map_err(failed)
        };
        match target.format {
            Format::Binary => {
                let appearance = Appearance::of(input.bytes());
                let encrypted = EncryptedFile::from_bytes(input.take().into_vec(), target.format);
                let encrypted = encrypted
                    .map_err(|error| target.unreadable(error, Doing::Decrypting, appearance))?;
                if encrypted.holds_binary() {
                    decrypt(encrypted)
                } else if self.wants_values
                    || self.path.is_some()
                    || target.output != Format::Binary
                {
                    decrypt(encrypted.as_what_it_holds())
                } else {
                    let hint = "it holds other values than the text of a binary file: --output-type json prints them";
                    let plain = decrypt(encrypted).map_err(|failure| failure.hint(hint))?;
                    context.ui.warning(&format!("{}: {hint}", target.name));
                    Ok(plain)
                }
            }
            _ => target.parse(input.bytes()).and_then(decrypt),
        }
    }
}
