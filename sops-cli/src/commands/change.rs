//! What `set` and `unset` share: values of a file are changed in place.

use std::path::Path;

use sops_core::{Change, DecryptOptions, EncryptedFile, Format, Step};

use super::transform::warn_of_other_names;
use crate::{
    appearance::Appearance,
    cli::TypeArgs,
    context::{Context, Event, Target},
    error::{Code, Doing, Failure},
    files::Original,
};

/// How a file is read whose values are changed.
#[derive(clap::Args, Debug)]
pub(crate) struct ChangeArgs {
    /// The format of the file: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,

    /// The format of the output; the file keeps its name
    #[arg(long, value_name = "FORMAT")]
    output_type: Option<String>,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,

    /// Do not write the file when there is nothing to change, not even in another format. In the same format it is never
    /// written then; and it is no error that a value to be removed is not there
    #[arg(long)]
    pub(crate) idempotent: bool,

    /// Accepted for compatibility: has no effect
    #[arg(long, hide = true)]
    shamir_secret_sharing_threshold: Option<usize>,
}

impl ChangeArgs {
    /// Changes a file in place.
    pub(crate) fn change(
        &self,
        file: &Path,
        changes: &[Change],
        context: &Context,
    ) -> Result<(), Failure> {
        context.check_given_config()?;
        let types = TypeArgs {
            input_type: self.input_type.clone(),
            output_type: self.output_type.clone(),
            ..TypeArgs::default()
        };
        let target = context.target(Some(file), &types)?;
        let original = Original::read(file).map_err(|failure| match failure.code {
            Code::NoFile => failure.with_code(Code::Input),
            _ => failure,
        })?;
        let changed = self.changed(&original, changes, &target, context)?;
        let is_same = changed == original.content();
        if is_same {
            context.ui.detail(&format!(
                "{}: nothing changed, so it was not written",
                target.name
            ));
        }
        if target.output == target.format || (self.idempotent && is_same) {
            return replace(&original, &changed, &target, context);
        }
        // As in the reference: the name of the file stays, whatever it says about the format.
        let converted = self.converted(&changed, &target, context)?;
        replace(&original, &converted, &target, context)
    }

    /// The encrypted file after the changes.
    fn changed(
        &self,
        original: &Original,
        changes: &[Change],
        target: &Target,
        context: &Context,
    ) -> Result<Vec<u8>, Failure> {
        let failed = target.failed(Doing::Decrypting);
        // An encrypted binary file is JSON with one text.
        let format = match target.format {
            Format::Binary => Format::Json,
            format => format,
        };
        let encrypted = EncryptedFile::parse(original.content(), format).map_err(|error| {
            let appearance = Appearance::of(original.content());
            target.unreadable(error, Doing::Decrypting, appearance)
        })?;
        if target.format == Format::Binary && encrypted.holds_binary() {
            check_change_of_binary(changes).map_err(|failure| failure.in_file(&target.name))?;
        }
        let changed = context
            .unlock(encrypted, target, &[Event::Decrypt, Event::Encrypt])?
            .with_layout(context.layout()?)
            .change(changes, &self.options())
            .map_err(failed)?;
        context.ui.warn_of_all(&target.name, &changed.warnings);
        Ok(changed.bytes)
    }

    /// An encrypted file in the format that is asked for.
    fn converted(
        &self,
        encrypted: &[u8],
        target: &Target,
        context: &Context,
    ) -> Result<Vec<u8>, Failure> {
        let failed = target.failed(Doing::Decrypting);
        let indent = context.rewriting(target)?.flatten();
        let encrypted = EncryptedFile::parse(encrypted, target.format).map_err(failed)?;
        // It is the file that was recorded when it was changed.
        let converted = context
            .unlock(encrypted, target, &[])?
            .with_layout(false)
            .convert(target.output, indent, &self.options())
            .map_err(failed)?;
        context.ui.warn_of_all(&target.name, &converted.warnings);
        Ok(converted.bytes)
    }

    fn options(&self) -> DecryptOptions {
        DecryptOptions::default().danger_ignore_mac(self.ignore_mac)
    }
}

/// Replaces a file, and warns if others keep what it was.
fn replace(
    original: &Original,
    bytes: &[u8],
    target: &Target,
    context: &Context,
) -> Result<(), Failure> {
    let has_other_names = original.has_other_names() && bytes != original.content();
    original.replace(bytes)?;
    if has_other_names {
        warn_of_other_names(&target.name, context);
    }
    Ok(())
}

/// A binary file is one text, and nothing else can be set in it.
fn check_change_of_binary(changes: &[Change]) -> Result<(), Failure> {
    let is_its_text = |change: &Change| match change {
        Change::Set { path, json } => {
            path.steps() == [Step::Key("data".to_owned())]
                && json.expose().trim_start().starts_with('"')
        }
        _ => false,
    };
    if changes.iter().all(is_its_text) {
        return Ok(());
    }
    let message = "a binary file is one text: [\"data\"]";
    Err(Failure::new(Code::SetFormat, message)
        .hint("with --input-type, the file is taken for one of another format"))
}
