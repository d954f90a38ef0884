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
mod ui;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    match cli::run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(ui::Ui::new(false));
            ExitCode::from(failure.code as u8)
        }
    }
}
