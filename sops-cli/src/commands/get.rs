//! `sops get`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use sops_core::{SecretBytes, TreePath};

use super::{
    argument::{parse_path, text_of},
    decryption::Decryption,
    transform::{Input, is_stdin},
};
use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Code, Doing, Failure},
    files, json, ui,
};

/// Print values of an encrypted file
///
/// Each PATH is written `["db"]["users"][0]`, `db.users[0]` or `/db/users/0`. A text is printed as it is, a map or list in
/// the format of the file; each ends with a line break. All are printed, or none.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file and a path; more paths may follow
    #[arg(value_name = "FILE PATH")]
    words: Vec<OsString>,

    /// Print the values in JSON, a line for each
    #[arg(long)]
    json: bool,

    /// Print the last value without a line break after it
    #[arg(long, short)]
    no_newline: bool,

    /// Print this text for a value that is not there
    #[arg(long, value_name = "TEXT")]
    default: Option<String>,

    /// The format of the file: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    input_type: Option<String>,

    /// The format that maps and lists are printed in
    #[arg(long, value_name = "FORMAT")]
    output_type: Option<String>,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (file, paths) = match args.words.split_first() {
        Some((file, paths)) if !paths.is_empty() => (PathBuf::from(file), paths),
        _ => {
            return Err(Failure::new(Code::NoFile, "a file and a path are needed")
                .hint("sops get FILE db.password"));
        }
    };
    let paths: Vec<TreePath> = paths
        .iter()
        .map(|path| {
            let path = text_of(path, "the path").and_then(parse_path);
            path.map_err(|failure| failure.with_code(Code::TreePath))
        })
        .collect::<Result<_, _>>()?;
    let printed = args.values(&file, &paths, context)?;
    ui::write_stdout(printed.expose())
}

impl Args {
    fn values(
        &self,
        file: &Path,
        paths: &[TreePath],
        context: &Context,
    ) -> Result<SecretBytes, Failure> {
        let types = TypeArgs {
            input_type: self.input_type.clone(),
            output_type: self.output_type.clone(),
            ..TypeArgs::default()
        };
        let decryption = Decryption::new(&types, self.ignore_mac);
        let target = context.target(Some(file), &types)?;
        let content = match is_stdin(file) {
            true => files::read_stdin()?,
            false => files::read(file)?,
        };
        let plain = decryption.open(context, &target, Input::Content(content))?;
        let mut values = Vec::new();
        for path in paths {
            let value = match self.json {
                true => plain.extract_json(path).map(|value| on_one_line(&value)),
                false => plain.extract_as(path, target.output),
            };
            values.push(match (value, &self.default) {
                (Ok(value), _) => value,
                (Err(sops_core::Error::NotFound { .. }), Some(default)) => {
                    let default = match self.json {
                        true => json::text(default),
                        false => default.clone(),
                    };
                    SecretBytes::new(default.into_bytes())
                }
                (Err(error), _) => {
                    return Err(target.failed(Doing::Decrypting)(error));
                }
            });
        }
        Ok(self.lines(&values))
    }

    fn lines(&self, values: &[SecretBytes]) -> SecretBytes {
        let room = values.iter().map(|value| value.len() + 1).sum();
        let mut text = Vec::with_capacity(room);
        for value in values {
            text.extend_from_slice(value.expose());
            // Maps and lists end with one already.
            if !text.ends_with(b"\n") || value.is_empty() {
                text.push(b'\n');
            }
        }
        if self.no_newline {
            text.pop();
        }
        SecretBytes::new(text)
    }
}

/// JSON on one line. Its line breaks and the tabs behind them stand between tokens, never in a text.
fn on_one_line(json: &SecretBytes) -> SecretBytes {
    let mut line = Vec::with_capacity(json.len());
    for piece in json.expose().split(|&byte| byte == b'\n') {
        line.extend_from_slice(piece.trim_ascii_start());
    }
    SecretBytes::new(line)
}
