//! The command line `sops`.

mod answer;
mod appearance;
#[cfg(feature = "audit")]
mod audit;
mod backends;
mod cli;
mod commands;
mod context;
mod core_dump;
mod definitions;
mod dialogue;
mod editor;
mod error;
mod excerpt;
#[cfg(unix)]
mod fifo;
mod file_list;
mod files;
#[cfg(feature = "age")]
mod gnupg;
mod json;
mod legacy;
mod master_keys;
mod parallel;
mod patterns;
mod pinentry;
mod private;
mod process;
mod progress;
mod prompt;
#[cfg(unix)]
mod signals;
mod temporary;
mod terminal;
mod topics;
mod ui;
mod user;
mod working_folder;

use std::{env, panic, process::ExitCode};

fn main() -> ExitCode {
    core_dump::prevent();
    panic::set_hook(Box::new(report_panic));
    match cli::run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(ui::Ui::new(ui::Loudness::Normal));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// A panic is a mistake of ours. Its message is not shown: it may hold a piece of the text that was worked on, which is
/// what the standard library says when a text is cut in the middle of a character.
fn report_panic(panic: &panic::PanicHookInfo<'_>) {
    let ui = ui::Ui::new(ui::Loudness::Normal);
    match panic.location() {
        Some(place) => ui.error(&format!("internal error at {place}")),
        None => ui.error("internal error"),
    }
    ui.hint("please report this, with the structure of the file and made-up values");
}
