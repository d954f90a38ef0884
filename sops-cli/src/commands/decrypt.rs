//! `sops decrypt`.

use std::path::Path;

use sops_core::{
    DecryptOptions, EncryptedFile, Format, Plaintext, SecretBytes, TreePath, Unlocked, Warning,
};

use super::transform::{Contents, FileArgs, Input, Product};
use crate::{
    cli::TypeArgs,
    context::{Context, Event, Target},
    error::{Doing, Failure},
};

/// Decrypt files
///
/// Prints the file in the clear, or one value of it with --extract, or replaces it with --in-place.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    types: TypeArgs,

    /// Print one value only, such as `["db"]["users"][0]` or `db.users[0]`
    #[arg(long, value_name = "PATH")]
    extract: Option<String>,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    context.check_given_config()?;
    let path = match args.extract.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => Some(TreePath::parse(path).map_err(|error| {
            Failure::from_library(&error.into(), Doing::Decrypting, "--extract")
        })?),
        None => None,
    };
    let how = How {
        types: &args.types,
        path: path.as_ref(),
        ignore_mac: args.ignore_mac,
    };
    args.files.transform(context, |file, input| {
        let (bytes, warnings) = how.decrypt(context, file, input)?;
        Ok(Product {
            bytes: Contents::Plain(bytes),
            warnings,
        })
    })
}

/// How a file is decrypted.
pub(crate) struct How<'a> {
    pub(crate) types: &'a TypeArgs,
    /// The one value that is wanted.
    pub(crate) path: Option<&'a TreePath>,
    pub(crate) ignore_mac: bool,
}

impl How<'_> {
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
        let bytes = match (self.path, context.rewriting(&target)?) {
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
        let encrypted =
            EncryptedFile::parse(bytes, target.format).map_err(target.failed(Doing::Decrypting))?;
        context.unlock(encrypted, target, &[Event::Decrypt])
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
                let encrypted = EncryptedFile::from_bytes(input.take().into_vec(), target.format);
                let encrypted = encrypted.map_err(failed)?;
                if encrypted.holds_binary() {
                    decrypt(encrypted)
                } else if self.path.is_some() || target.output != Format::Binary {
                    decrypt(encrypted.as_what_it_holds())
                } else {
                    let hint = "it holds other values than the text of a binary file: --output-type json prints them";
                    let plain = decrypt(encrypted).map_err(|failure| failure.hint(hint))?;
                    context.ui.warning(&format!("{}: {hint}", target.name));
                    Ok(plain)
                }
            }
            format => EncryptedFile::parse(input.bytes(), format)
                .map_err(failed)
                .and_then(decrypt),
        }
    }
}
