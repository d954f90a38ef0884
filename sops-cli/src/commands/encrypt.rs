//! `sops encrypt`.

use std::path::Path;

use sops_core::{Format, PlainFile, SecretBytes};

use super::transform::{FileArgs, Product};
use crate::{
    cli::{KeyArgs, SelectorArgs, TypeArgs},
    context::Context,
    error::{Code, Doing, Failure},
};

/// Encrypt files
///
/// Prints the encrypted file, or replaces it with --in-place. Keys come from the arguments or from the first creation
/// rule in `.sops.yaml` that matches the file. Nothing but the values and comments that are encrypted changes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    types: TypeArgs,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let is_named = args.types.filename_override.is_some()
        || args
            .types
            .input_type
            .as_deref()
            .and_then(Format::from_name)
            .is_some();
    if args.files.files.is_empty() && !args.files.in_place && !is_named {
        let message = "must specify --filename-override when reading from stdin";
        return Err(Failure::new(Code::Conflict, message).hint(
            "the name tells the creation rule and the format; --input-type alone tells the format",
        ));
    }
    args.files
        .transform(context, |file: Option<&Path>, content| {
            let target = context.target_to_encrypt(file, &args.types)?;
            let keyring = context.keyring(Doing::Encrypting)?;
            let failed = |error| Failure::from_library(&error, Doing::Encrypting, &target.name);
            let options = context.encrypt_options(&target, &args.keys, &args.selectors)?;
            let plain = PlainFile::parse(content, target.format)
                .map_err(|error| unparsable(failed(error), target.format))?;
            let encrypted = plain.encrypt(&options, keyring).map_err(failed)?;
            Ok(Product {
                bytes: SecretBytes::new(encrypted.bytes),
                warnings: encrypted.warnings,
            })
        })
}

/// The code for a file without any document is one for YAML; an empty JSON text is malformed.
fn unparsable(failure: Failure, format: Format) -> Failure {
    match (failure.code, format) {
        (Code::NoDocument, Format::Json) => failure.with_code(Code::Input),
        _ => failure,
    }
}
