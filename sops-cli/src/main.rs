//! The command line `sops`.

mod cli;
mod commands;
mod context;
mod editor;
mod error;
mod files;
mod legacy;
mod master_keys;
mod parallel;
mod patterns;
mod ui;

use std::{env, panic, process::ExitCode};

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    match cli::run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(ui::Ui::new(false));
            ExitCode::from(failure.code as u8)
        }
    }
}

/// A panic is a mistake of ours. Its message is not shown: it may hold a piece of the text that was worked on, which is
/// what the standard library says when a text is cut in the middle of a character.
fn report_panic(panic: &panic::PanicHookInfo<'_>) {
    let ui = ui::Ui::new(false);
    match panic.location() {
        Some(place) => ui.error(&format!("internal error at {place}")),
        None => ui.error("internal error"),
    }
    ui.hint("please report this, with the structure of the file and made-up values");
}
