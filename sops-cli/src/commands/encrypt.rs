//! `sops encrypt`.

use std::path::Path;

use sops_core::{Error, Format, PlainFile, Selector};

use super::{
    covered::{is_covered, looks_encrypted},
    transform::{Contents, FileArgs, Input, Product, name_of},
};
use crate::{
    appearance::Appearance,
    cli::{KeyArgs, SelectorArgs, TypeArgs},
    context::{Context, Event},
    error::{Code, Doing, Failure},
    files,
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

    /// Encrypt in place those of the files that are in the clear and covered by a creation rule; fail if there
    /// were any
    #[arg(long, hide = true)]
    pre_commit: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.pre_commit {
        return run_before_commit(args, context);
    }
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
        .transform(context, |file, input| one(args, context, file, input))
}

fn one(
    args: &Args,
    context: &Context,
    file: Option<&Path>,
    input: Input<'_>,
) -> Result<Product, Failure> {
    let target = context.target(file, &args.types)?;
    let keyring = context.keyring(Doing::Encrypting)?;
    let failed = target.failed(Doing::Encrypting);
    let mut options = context.encrypt_options(&target, &args.keys, &args.selectors)?;
    context.record(Event::Encrypt, &target)?;
    // The reference writes JSON for either of them.
    let output = match (target.format, target.output) {
        (Format::Binary, Format::Binary) => {
            let encrypted =
                sops_core::encrypt_binary(input.take(), &options, keyring).map_err(failed)?;
            return Ok(Product {
                bytes: Contents::Encrypted(encrypted.bytes),
                warnings: encrypted.warnings,
            });
        }
        (_, Format::Binary) => Format::Json,
        (_, output) => output,
    };
    if target.format == Format::Binary {
        if options.selector != Selector::default() {
            context
                .ui
                .warning("selectors are ignored: a binary file is one value, which is encrypted");
        }
        options.selector = Selector::default();
        options.mac_only_encrypted = false;
    }
    let plain = PlainFile::parse(input.bytes(), target.format).map_err(|error| {
        let appearance = Appearance::of(input.bytes());
        let failure = target.unreadable(error, Doing::Encrypting, appearance);
        unparsable(failure, target.format)
    })?;
    let encrypted = match context.rewriting(&target)? {
        None => plain.encrypt(&options, keyring),
        Some(indent) => {
            let converted = plain.convert(output, indent).map_err(failed)?;
            let parsed = PlainFile::parse(converted.expose(), output).map_err(|error| {
                let name = format!("{}, written as {}", target.name, output.name());
                Failure::from_library(&error, Doing::Encrypting, &name)
            })?;
            parsed.with_values_of(&plain).encrypt(&options, keyring)
        }
    };
    let encrypted = encrypted.map_err(failed)?;
    Ok(Product {
        bytes: Contents::Encrypted(encrypted.bytes),
        warnings: encrypted.warnings,
    })
}

/// What is staged is committed as it is, unless a hook fails; so it fails when it had something to encrypt.
fn run_before_commit(args: &Args, context: &Context) -> Result<(), Failure> {
    let mut plain = Vec::new();
    for file in &args.files.files {
        if is_to_be_encrypted(context, file)? {
            plain.push(file.clone());
        }
    }
    if plain.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = plain.iter().map(|file| name_of(Some(file))).collect();
    let in_place = FileArgs {
        files: plain,
        in_place: true,
        output: None,
    };
    in_place.transform(context, |file, input| one(args, context, file, input))?;
    let message = format!("these files were in the clear: {}", names.join(", "));
    Err(Failure::new(Code::Generic, message)
        .hint("they are encrypted now: stage them with `git add`, and commit again"))
}

/// Whether a rule covers a file that has no metadata. What cannot be read as its format is left for encrypting to
/// report.
fn is_to_be_encrypted(context: &Context, file: &Path) -> Result<bool, Failure> {
    if !is_covered(context, file)? {
        return Ok(false);
    }
    let content = files::read(file)?;
    // Anything is a binary file in the clear, an encrypted one, too.
    if Format::from_path(file) == Format::Binary {
        return Ok(!looks_encrypted(content.expose()));
    }
    Ok(
        match PlainFile::parse(content.expose(), Format::from_path(file)) {
            Err(Error::AlreadyEncrypted { .. }) => false,
            Err(Error::UnsupportedFormat(_)) => !looks_encrypted(content.expose()),
            _ => true,
        },
    )
}

/// The code for a file without any document is one for YAML; an empty JSON text is malformed.
fn unparsable(failure: Failure, format: Format) -> Failure {
    match (failure.code, format) {
        (Code::NoDocument, Format::Json) => failure.with_code(Code::Input),
        _ => failure,
    }
}
