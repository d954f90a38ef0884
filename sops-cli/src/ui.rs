//! What the user reads: everything but results goes to standard error, one message per line, in colour only there
//! where a person looks at it. Whatever a terminal would obey in a message is escaped here, since much of what messages
//! name comes from files.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use sops_core::{Warning, printable};

use crate::error::{Code, Failure};

/// The two streams, and whether standard error takes colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    colours: bool,
    loudness: Loudness,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// What failed, and nothing else.
    Quiet,
    Normal,
    Verbose,
}

impl Loudness {
    pub(crate) fn of(verbose: bool, quiet: bool) -> Self {
        match (verbose, quiet) {
            (_, true) => Self::Quiet,
            (true, false) => Self::Verbose,
            (false, false) => Self::Normal,
        }
    }
}

impl Ui {
    /// Looks at standard error and `NO_COLOR`.
    pub(crate) fn new(loudness: Loudness) -> Self {
        Self {
            colours: takes_colours(&io::stderr()),
            loudness,
        }
    }

    /// Prints an error: the message may have several lines.
    pub(crate) fn error(self, message: &str) {
        self.line("error", "1;31", message);
    }

    /// Prints what to do about the error or warning before it.
    pub(crate) fn hint(self, message: &str) {
        if self.loudness > Loudness::Quiet {
            self.line("hint", "1;36", message);
        }
    }

    /// Prints a warning.
    pub(crate) fn warning(self, message: &str) {
        if self.loudness > Loudness::Quiet {
            self.line("warning", "1;33", message);
        }
    }

    /// Prints a line without a label.
    pub(crate) fn line_alone(self, message: &str) {
        write_stderr("", message);
    }

    /// Prints a question, or what it is about, as it is: it may have colours, so whoever makes it escapes names.
    pub(crate) fn ask(self, text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Prints a fact about the run, such as a summary.
    pub(crate) fn note(self, message: &str) {
        if self.loudness > Loudness::Quiet {
            write_stderr("", message);
        }
    }

    /// Prints a warning of the library about a file.
    pub(crate) fn warn_of(self, file: &str, warning: &Warning) {
        let place = match warning.position {
            Some(position) => format!("{file}:{position}"),
            None => file.to_owned(),
        };
        self.warning(&format!("{}: {warning}", printable::line(&place)));
        if let Some(hint) = &warning.hint {
            self.hint(hint);
        }
    }

    /// Prints the warnings of the library about a file.
    pub(crate) fn warn_of_all(self, file: &str, warnings: &[Warning]) {
        for warning in warnings {
            self.warn_of(file, warning);
        }
    }

    /// Returns whether `--verbose` was given.
    pub(crate) fn is_verbose(self) -> bool {
        self.loudness == Loudness::Verbose
    }

    /// Returns whether a line of progress is welcome on a terminal.
    pub(crate) fn has_progress(self) -> bool {
        self.colours && self.loudness > Loudness::Quiet
    }

    /// Prints what only `--verbose` shows.
    pub(crate) fn detail(self, message: &str) {
        if self.is_verbose() {
            write_stderr("", message);
        }
    }

    fn line(self, label: &str, style: &str, message: &str) {
        if self.colours {
            write_stderr(&format!("\x1b[{style}m{label}:\x1b[0m "), message);
        } else {
            write_stderr(&format!("{label}: "), message);
        }
    }
}

/// Returns whether a person who likes colours looks at a stream.
pub(crate) fn takes_colours(stream: &impl IsTerminal) -> bool {
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || env::var_os("TERM").is_some_and(|term| term == "dumb");
    !forbidden && stream.is_terminal()
}

/// Prints a report to standard output: what a terminal would obey in it is escaped.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write_stdout(printable::text(text).as_bytes())
}

/// Prints a report that may have colours: whoever makes it escapes names.
pub(crate) fn print_painted(text: &str) -> Result<(), Failure> {
    write_stdout(text.as_bytes())
}

/// Writes a result to standard output, all of it. A closed pipe counts as success, since its reader has what it wanted.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            // That of the reference, which keeps its code for output to files.
            Code::Generic,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// One write per message, so that messages of several threads or processes do not mix. A standard error that is closed
/// is nothing to complain about, and nowhere to complain to.
fn write_stderr(label: &str, message: &str) {
    let message = printable::text(message);
    let _ = io::stderr().write_all(format!("{label}{message}\n").as_bytes());
}
