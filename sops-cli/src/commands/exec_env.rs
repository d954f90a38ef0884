//! `sops exec-env`.

use std::{ffi::OsString, path::Path};

#[cfg(unix)]
use std::os::unix::{ffi::OsStringExt, process::CommandExt};

use sops_core::{Variable, VariableOptions};

use super::{
    decryption::Decryption,
    run_args::{RunArgs, read_input, warn_of_background},
    transform::Input,
};
use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Code, Doing, Failure},
    process::{self, Program},
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
        let decryption = Decryption::new(&types, self.run.ignore_mac).of_values();
        let target = context.target(Some(file), &types)?;
        let content = read_input(file)?;
        let plain = decryption.open(context, &target, Input::Content(content))?;
        context.ui.warn_of_all(&target.name, plain.warnings());
        let mut options = VariableOptions::default();
        options.flatten = self.flatten;
        options.only = self.only.clone();
        plain
            .variables(&options)
            .map_err(target.failed(Doing::Decrypting))
    }
}
