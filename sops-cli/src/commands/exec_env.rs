//! `sops exec-env`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

#[cfg(unix)]
use std::os::unix::{ffi::OsStringExt, process::CommandExt};

use sops_core::{Format, Variable, VariableOptions};

use super::{decrypt::How, transform::Input};
use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Code, Doing, Failure},
    files,
    process::{self, Program},
    user::User,
};

/// Run a command with the values of a file in its environment
///
/// COMMAND is a line for the shell. With `--` and several words behind it, these are a program and its arguments, which
/// is run without a shell: `sops exec-env FILE... -- PROGRAM ARGUMENT...`; of several files, later ones win. The
/// program takes the place of this one, so that signals and exit codes are its own.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file, and the command for the shell
    #[arg(value_name = "FILE COMMAND")]
    words: Vec<OsString>,

    /// Give the program nothing but the values of the file: none of the environment of this one
    #[arg(long)]
    pristine: bool,

    /// Put this before the name of every variable
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// The variables that are wanted, comma-separated; may be given several times
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// Take values inside of maps and lists, too, under the keys on the way to them: db_users_0
    #[arg(long)]
    flatten: bool,

    #[command(flatten)]
    run: RunArgs,

    /// Accepted for compatibility: the program takes the place of this one anyway
    #[arg(long)]
    same_process: bool,
}

/// What `exec-env` and `exec-file` share.
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

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (files, program) = args.run.split(&args.words)?;
    if args.run.background {
        warn_of_background("exec-env", context);
        if args.same_process {
            let message = "The --same-process flag cannot be used with --background";
            return Err(Failure::new(Code::Conflict, message));
        }
    }
    let mut variables = Vec::new();
    for file in &files {
        variables.extend(args.read(file, context)?);
    }

    let mut command = program.command();
    if args.pristine {
        command.env_clear();
    }
    if let Some(user) = args.run.user()? {
        user.take_over_thread()?;
        user.apply_to(&mut command);
    }
    let prefix = args.prefix.as_deref().unwrap_or_default();
    for Variable { name, value, .. } in variables {
        command.env(format!("{prefix}{name}"), into_os_string(value.into_vec()));
    }
    context.warn_about_keys();
    if args.run.background {
        return process::start_in_background(command, &program.name());
    }
    become_program(command, &program)
}

#[cfg(unix)]
fn become_program(mut command: std::process::Command, program: &Program) -> Result<(), Failure> {
    let error = command.exec();
    Err(process::cannot_start(&program.name(), &error))
}

#[cfg(not(unix))]
fn become_program(command: std::process::Command, program: &Program) -> Result<(), Failure> {
    process::Supervisor::start()?.run(command, &program.name())
}

#[cfg(unix)]
fn into_os_string(value: Vec<u8>) -> OsString {
    OsString::from_vec(value)
}

#[cfg(not(unix))]
fn into_os_string(value: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&value).into_owned().into()
}

impl Args {
    /// The variables of one file.
    fn read(&self, file: &Path, context: &Context) -> Result<Vec<Variable>, Failure> {
        let types = TypeArgs::of_input(self.run.input_type.clone());
        let how = How {
            types: &types,
            path: None,
            ignore_mac: self.run.ignore_mac,
        };
        let mut target = context.target(Some(file), &types)?;
        // Values are wanted, also those of JSON under a name that says nothing of it.
        if target.output == Format::Binary {
            target.output = Format::Json;
        }
        let content = read_input(file)?;
        let plain = how.open(context, &target, Input::Content(content))?;
        context.ui.warn_of_all(&target.name, plain.warnings());
        let mut options = VariableOptions::default();
        options.flatten = self.flatten;
        options.only = self.only.clone();
        plain
            .variables(&options)
            .map_err(target.failed(Doing::Decrypting))
    }
}

/// Reads a file that is to be decrypted for a program.
pub(crate) fn read_input(file: &Path) -> Result<sops_core::SecretBytes, Failure> {
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

impl RunArgs {
    /// Tells files and program apart.
    pub(crate) fn split(&self, words: &[OsString]) -> Result<(Vec<PathBuf>, Program), Failure> {
        let files = match self.files_before_dashes {
            Some(count) if (1..words.len()).contains(&count) => count,
            // `sops exec-env -- FILE COMMAND`, and without dashes.
            Some(0) | None if words.len() == 2 => 1,
            _ => {
                return Err(Failure::new(
                    Code::Generic,
                    "missing file to decrypt, or command to run",
                )
                .hint(
                    "sops exec-env FILE 'COMMAND', or sops exec-env FILE -- PROGRAM ARGUMENT...",
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
