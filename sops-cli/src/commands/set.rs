//! `sops set`, and the older `sops --set`.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use sops_core::{Change, DecryptOptions, EncryptedFile, Format, SecretText, Step, TreePath};

use super::transform::warn_of_other_names;
use crate::{
    cli::TypeArgs,
    context::{Context, Event},
    error::{Code, Doing, Failure},
    files::{self, Original},
};

/// Set values in an encrypted file
///
/// PATH is written `["db"]["users"][0]` or `db.users[0]`, VALUE in JSON: `'"text"'`, `5`, `true`, `'{"a": [1]}'`.
/// Mappings that are missing on the way are made; an index beyond the end of a list appends to it. Only the line of the
/// value, the MAC and the date change.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file, a path and a value; more paths and values may follow
    #[arg(value_name = "FILE PATH VALUE", allow_hyphen_values = true)]
    words: Vec<OsString>,

    /// Take the value from the file that stands in its place
    #[arg(long)]
    value_file: bool,

    /// Read the value from standard input; none follows the path
    #[arg(long)]
    value_stdin: bool,

    /// The value is a text, not JSON. From a file or standard input, without its last line break
    #[arg(long)]
    string: bool,

    #[command(flatten)]
    file: ChangeArgs,

    /// Path and value of the older form
    #[arg(long, hide = true)]
    set: Option<OsString>,
}

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

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    if args.value_file && args.value_stdin {
        let message = "cannot use both --value-file and --value-stdin";
        return Err(Failure::new(Code::Generic, message));
    }
    let (file, changes) = match &args.set {
        Some(words) => older_form(words, &args.words)?,
        None => args.changes()?,
    };
    args.file.change(&file, &changes, context)
}

/// Takes `["path"] value` apart, where the reference does.
fn older_form(words: &OsStr, files: &[OsString]) -> Result<(PathBuf, Vec<Change>), Failure> {
    let Some(file) = files.first() else {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    };
    let Some((path, json)) = text_of(words, "what to set")?.split_once("] ") else {
        return Err(Failure::new(Code::SetFormat, "invalid --set format")
            .hint("--set takes a path, a blank, and a value in JSON: '[\"key\"] \"value\"'"));
    };
    let change = Change::Set {
        path: parse_path(&format!("{path}]"))?,
        json: SecretText::new(json.to_owned()),
    };
    Ok((PathBuf::from(file), vec![change]))
}

impl Args {
    fn changes(&self) -> Result<(PathBuf, Vec<Change>), Failure> {
        let (file, rest) = match self.words.split_first() {
            Some((file, rest)) if self.value_stdin && rest.len() == 1 => (file, rest),
            Some((file, rest))
                if !self.value_stdin && !rest.is_empty() && rest.len().is_multiple_of(2) =>
            {
                (file, rest)
            }
            _ => {
                let expected = match self.value_stdin {
                    true => "exactly a file and a path are needed with --value-stdin",
                    false => "a file, a path and a value are needed",
                };
                return Err(Failure::new(Code::NoFile, expected)
                    .hint("sops set FILE '[\"key\"]' '\"value\"'"));
            }
        };
        let mut changes = Vec::new();
        for pair in rest.chunks(2) {
            let path = parse_path(text_of(&pair[0], "the path")?)?;
            let value = self.value(pair.get(1))?;
            changes.push(match self.string {
                true => Change::set_text(path, value.expose()),
                false => Change::Set { path, json: value },
            });
        }
        Ok((PathBuf::from(file), changes))
    }

    fn value(&self, word: Option<&OsString>) -> Result<SecretText, Failure> {
        let bytes = match word {
            None => files::read_stdin()?,
            Some(word) if self.value_file => {
                files::read(Path::new(word)).map_err(|failure| failure.with_code(Code::Generic))?
            }
            Some(word) => return Ok(SecretText::new(text_of(word, "the value")?.to_owned())),
        };
        let text = std::str::from_utf8(bytes.expose()).map_err(|_| not_text("the value"))?;
        let text = match text.strip_suffix('\n') {
            Some(line) if self.string => line.strip_suffix('\r').unwrap_or(line),
            _ => text,
        };
        Ok(SecretText::new(text.to_owned()))
    }
}

/// A word of the command line that has to be a text, which only names of files need not be.
pub(crate) fn text_of<'w>(word: &'w OsStr, what: &str) -> Result<&'w str, Failure> {
    word.to_str().ok_or_else(|| not_text(what))
}

fn not_text(what: &str) -> Failure {
    Failure::new(Code::SetFormat, format!("{what} is not UTF-8"))
}

/// Reads a path from the command line.
pub(crate) fn parse_path(text: &str) -> Result<TreePath, Failure> {
    if text.is_empty() {
        return Err(Failure::new(Code::SetFormat, "the path is empty"));
    }
    TreePath::parse(text).map_err(|error| {
        Failure::new(Code::SetFormat, format!("invalid path: {error}"))
            .hint("write it as [\"key\"][0][\"other\"] or key[0].other")
    })
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
        let failed = target.failed(Doing::Decrypting);
        let original = Original::read(file).map_err(|failure| match failure.code {
            Code::NoFile => failure.with_code(Code::Input),
            _ => failure,
        })?;
        let options = DecryptOptions::default().danger_ignore_mac(self.ignore_mac);
        // An encrypted binary file is JSON with one text.
        let format = match target.format {
            Format::Binary => Format::Json,
            format => format,
        };
        let encrypted = EncryptedFile::parse(original.content(), format).map_err(failed)?;
        if target.format == Format::Binary && encrypted.holds_binary() {
            check_change_of_binary(changes).map_err(|failure| failure.in_file(&target.name))?;
        }
        let changed = context
            .unlock(encrypted, &target, &[Event::Decrypt, Event::Encrypt])?
            .with_layout(context.layout()?)
            .change(changes, &options)
            .map_err(failed)?;
        context.ui.warn_of_all(&target.name, &changed.warnings);
        let is_same = changed.bytes == original.content();
        if is_same {
            context.ui.detail(&format!(
                "{}: nothing changed, so it was not written",
                target.name
            ));
        }
        let replace = |bytes: &[u8]| {
            let has_other_names = original.has_other_names() && bytes != original.content();
            original.replace(bytes)?;
            if has_other_names {
                warn_of_other_names(&target.name, context);
            }
            Ok(())
        };
        if target.output == target.format || (self.idempotent && is_same) {
            return replace(&changed.bytes);
        }
        // As in the reference: the name of the file stays, whatever it says about the format.
        let indent = context.rewriting(&target)?.flatten();
        let written = EncryptedFile::parse(&changed.bytes, target.format).map_err(failed)?;
        // The file that was recorded above.
        let converted = context
            .unlock(written, &target, &[])?
            .with_layout(false)
            .convert(target.output, indent, &options)
            .map_err(failed)?;
        context.ui.warn_of_all(&target.name, &converted.warnings);
        replace(&converted.bytes)
    }
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
