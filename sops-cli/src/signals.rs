//! Signals: which of them ask this program to end, and who hears of them.

use std::io;

use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::error::{Code, Failure};

/// Those that ask a program to end.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Watches the signals that ask to end, and `more`, from now on: none of them ends the program any more. Those that
/// whoever started it has it ignore stay ignored.
///
/// # Errors
///
/// The system does not allow it; the message says what was tried.
pub(crate) fn watch(more: &[i32]) -> io::Result<Signals> {
    let ignored = ignored();
    let watched = ENDING.iter().chain(more).filter(|&&signal| {
        // Without the news of a child's end there would be no end of waiting for it.
        signal == SIGCHLD || ignored >> (signal - 1) & 1 == 0
    });
    Signals::new(watched)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot watch for signals: {error}")))
}

/// Signals that cannot be watched.
pub(crate) fn failure(error: &io::Error) -> Failure {
    Failure::new(Code::Generic, error.to_string())
}

/// The signals that whoever started this program does not want it, and what it starts, to die of: `nohup`. One bit each.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
