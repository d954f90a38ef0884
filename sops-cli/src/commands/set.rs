//! `sops set`, and the older `sops --set`.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use sops_core::{Change, SecretText};

use super::{
    argument::{not_text, parse_path, text_of},
    change::ChangeArgs,
};
use crate::{
    context::Context,
    error::{Code, Failure},
    files,
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
