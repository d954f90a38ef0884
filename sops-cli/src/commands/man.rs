//! `sops man`.

use std::path::{Path, PathBuf};

use clap_mangen::Man;

use crate::{
    cli,
    context::Context,
    error::{Code, Failure},
    files, ui,
};

/// Print a manual page, or write all of them
///
/// `sops man | man -l -` shows the page of sops, `sops man decrypt | man -l -` that of a command.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The command; the whole program if none is given
    #[arg(value_name = "COMMAND")]
    commands: Vec<String>,

    /// Write the pages of all commands to this folder, which must exist
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let program = cli::with_older_form();
    if let Some(folder) = &args.output {
        return write_all(&program, folder, context);
    }
    let command = match args.commands.first() {
        None => &program,
        Some(name) => program.find_subcommand(name).ok_or_else(|| {
            Failure::new(Code::Generic, format!("unknown command {name:?}"))
                .hint("`sops --help` lists the commands")
        })?,
    };
    ui::write_stdout(&page(command)?)
}

fn write_all(program: &clap::Command, folder: &Path, context: &Context) -> Result<(), Failure> {
    let commands = program
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let mut count = 0;
    for command in std::iter::once(program).chain(commands) {
        files::write(&folder.join(file_name(command)), &page(command)?)?;
        count += 1;
    }
    context.ui.note(&format!("{count} pages written"));
    Ok(())
}

fn file_name(command: &clap::Command) -> String {
    format!("{}.1", title(command))
}

fn title(command: &clap::Command) -> String {
    match command.get_name() {
        "sops" => "sops".to_owned(),
        name => format!("sops-{name}"),
    }
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let title = title(command);
    let usage = title.replacen('-', " ", 1);
    let command = command
        .clone()
        .bin_name(usage)
        .version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Man::new(command)
        .title(title)
        .render(&mut page)
        .map_err(|error| Failure::new(Code::Generic, format!("cannot make the page: {error}")))?;
    Ok(page)
}
