//! What `exec-env` and `exec-file` share: which files are for which program, and who runs it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use sops_core::SecretBytes;

use crate::{
    context::Context,
    error::{Code, Failure},
    files,
    process::Program,
    user::User,
};

/// The arguments that both have.
#[derive(clap::Args, Debug)]
pub(crate) struct RunArgs {
    /// Run the program as this user, which takes root
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// Do not wait for the program (deprecated)
    #[arg(long)]
    pub(crate) background: bool,

    /// The format of the file: yaml, json, dotenv, ini, binary
    #[arg(long, value_name = "FORMAT")]
    pub(crate) input_type: Option<String>,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    pub(crate) ignore_mac: bool,

    /// How many of the words stand before `--`
    #[arg(long, hide = true, value_name = "N")]
    files_before_dashes: Option<usize>,
}

impl RunArgs {
    /// Tells files and program apart.
    pub(crate) fn split(&self, words: &[OsString]) -> Result<(Vec<PathBuf>, Program), Failure> {
        let files = match self.files_before_dashes {
            Some(count) if (1..words.len()).contains(&count) => count,
            // `sops exec-env -- FILE COMMAND`, and without dashes.
            Some(0) | None if words.len() == 2 => 1,
            _ => {
                let message = match self.files_before_dashes {
                    None if words.len() > 2 => "more words than a file and a command to run",
                    _ => "missing file to decrypt, or command to run",
                };
                return Err(Failure::new(Code::Generic, message).hint(
                    "quote the command, or put -- before it: sops exec-env FILE 'COMMAND', or sops exec-env FILE -- PROGRAM ARGUMENT...",
                ));
            }
        };
        let (files, program) = words.split_at(files);
        let files = files.iter().map(PathBuf::from).collect();
        Ok((files, Program::of_words(program)))
    }

    /// The user that the program is to be run as.
    pub(crate) fn user(&self) -> Result<Option<User>, Failure> {
        let name = self.user.as_deref().filter(|name| !name.is_empty());
        name.map(User::find).transpose()
    }
}

/// Reads a file that is to be decrypted for a program.
pub(crate) fn read_input(file: &Path) -> Result<SecretBytes, Failure> {
    files::read(file).map_err(|failure| match failure.code {
        Code::NoFile => failure.with_code(Code::Input),
        _ => failure,
    })
}

/// Says what the reference says about `--background`.
pub(crate) fn warn_of_background(verb: &str, context: &Context) {
    context.ui.warning(&format!(
        "{verb}'s --background option is deprecated and will be removed in a future version of sops"
    ));
}
