//! `sops unset`.

use std::{ffi::OsString, path::PathBuf};

use sops_core::Change;

use super::{
    argument::{parse_path, text_of},
    change::ChangeArgs,
};
use crate::{
    context::Context,
    error::{Code, Failure},
};

/// Remove values from an encrypted file
///
/// PATH is written `["db"]["users"][0]` or `db.users[0]`. The key goes with its value, and the items behind a list item
/// move up.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file and a path; more paths may follow
    #[arg(value_name = "FILE PATH")]
    words: Vec<OsString>,

    #[command(flatten)]
    file: ChangeArgs,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (file, paths) = match args.words.split_first() {
        Some((file, paths)) if !paths.is_empty() => (PathBuf::from(file), paths),
        _ => {
            return Err(Failure::new(Code::NoFile, "a file and a path are needed")
                .hint("sops unset FILE '[\"key\"]'"));
        }
    };
    let changes = paths
        .iter()
        .map(|path| {
            Ok(Change::Unset {
                path: parse_path(text_of(path, "the path")?)?,
                if_there: args.file.idempotent,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    args.file.change(&file, &changes, context)
}
