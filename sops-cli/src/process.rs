//! Running the program that gets the secrets: as another user if asked to, with signals and exit code passed on.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use crate::error::{Code, Failure};
#[cfg(unix)]
use crate::signals;

/// What is to be run.
#[derive(Debug)]
pub(crate) enum Program {
    /// A command line for the shell.
    Shell(OsString),
    /// A program with arguments, without a shell.
    Direct(Vec<OsString>),
}

impl Program {
    /// Reads what stands behind the files. One word is for the shell, as it is in the reference; several are a program
    /// and its arguments.
    pub(crate) fn of_words(words: &[OsString]) -> Self {
        match words {
            [line] => Self::Shell(line.clone()),
            words => Self::Direct(words.to_vec()),
        }
    }

    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Direct(words) => {
                let mut words = words.iter();
                let mut command =
                    Command::new(words.next().map_or(OsStr::new(""), OsString::as_os_str));
                command.args(words);
                command
            }
            Self::Shell(line) => shell(line),
        }
    }

    /// How often a text stands in it.
    pub(crate) fn count(&self, wanted: &str) -> usize {
        let pieces = self
            .words()
            .iter()
            .map(|word| split(word, wanted).len() - 1);
        pieces.sum()
    }

    /// The program with a text replaced by paths: the first one where it stands first, and so on; then the last one.
    pub(crate) fn replace(&self, wanted: &str, paths: &[PathBuf]) -> Self {
        let mut place = 0;
        let replaced = self.words().iter().map(|word| {
            let mut pieces = split(word, wanted).into_iter();
            let mut replaced = pieces.next().unwrap_or_default();
            for piece in pieces {
                if let Some(path) = paths.get(place).or(paths.last()) {
                    replaced.push(path);
                }
                replaced.push(piece);
                place += 1;
            }
            replaced
        });
        match self {
            Self::Shell(_) => Self::Shell(replaced.collect()),
            Self::Direct(_) => Self::Direct(replaced.collect()),
        }
    }

    fn words(&self) -> &[OsString] {
        match self {
            Self::Shell(line) => std::slice::from_ref(line),
            Self::Direct(words) => words,
        }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Direct(words) => words
                .first()
                .map(|word| word.to_string_lossy().into_owned())
                .unwrap_or_default(),
            Self::Shell(_) => SHELL.to_owned(),
        }
    }
}

/// Splits a word, which need not be UTF-8. Gives one piece at least.
#[cfg(unix)]
fn split(word: &OsStr, at: &str) -> Vec<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let mut pieces = Vec::new();
    let mut rest = word.as_bytes();
    while let Some(found) = rest
        .windows(at.len())
        .position(|window| window == at.as_bytes())
    {
        pieces.push(OsString::from_vec(rest[..found].to_vec()));
        rest = &rest[found + at.len()..];
    }
    pieces.push(OsString::from_vec(rest.to_vec()));
    pieces
}

#[cfg(not(unix))]
fn split(word: &OsStr, at: &str) -> Vec<OsString> {
    let word = word.to_string_lossy();
    word.split(at).map(OsString::from).collect()
}

#[cfg(unix)]
const SHELL: &str = "/bin/sh";
#[cfg(not(unix))]
const SHELL: &str = "cmd.exe";

#[cfg(unix)]
fn shell(line: &OsStr) -> Command {
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(line);
    command
}

#[cfg(windows)]
fn shell(line: &OsStr) -> Command {
    use std::os::windows::process::CommandExt;

    let mut command = Command::new(SHELL);
    // As it is: cmd.exe has rules of its own for quotes.
    command.arg("/C").raw_arg(line);
    command
}

#[cfg(not(any(unix, windows)))]
fn shell(line: &OsStr) -> Command {
    let mut command = Command::new(SHELL);
    command.arg("/C").arg(line);
    command
}

/// A program that could not be started.
pub(crate) fn cannot_start(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::Generic, format!("cannot start {name:?}: {error}"))
}

/// Starts a program, and does not wait for it.
pub(crate) fn start_in_background(mut command: Command, name: &str) -> Result<(), Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command
        .spawn()
        .map_err(|error| cannot_start(name, &error))?;
    drop(child);
    Ok(())
}

/// What a program that ended leaves to its caller.
fn outcome(status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;

        if let Some(signal) = status.signal() {
            // As a shell has it.
            let code = u8::try_from(128 + signal).unwrap_or(u8::MAX);
            return Err(Failure::of_child(code));
        }
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::of_child(code.unwrap_or(u8::MAX)))
}

/// Catches the signals that would end this program, so that it can clean up, and passes them on to the program it runs.
pub(crate) struct Supervisor {
    #[cfg(unix)]
    signals: signal_hook::iterator::Signals,
}

#[cfg(unix)]
impl Supervisor {
    /// Catches signals from now on: nothing that has to be cleaned up may be made before.
    pub(crate) fn start() -> Result<Self, Failure> {
        use signal_hook::consts::{SIGCHLD, SIGUSR1, SIGUSR2};

        let signals = signals::watch(&[SIGUSR1, SIGUSR2, SIGCHLD])
            .map_err(|error| signals::failure(&error))?;
        Ok(Self { signals })
    }

    /// Runs a program to its end.
    pub(crate) fn run(mut self, mut command: Command, name: &str) -> Result<(), Failure> {
        use signal_hook::consts::SIGCHLD;

        let mut child = command
            .spawn()
            .map_err(|error| cannot_start(name, &error))?;
        let failed = |error: std::io::Error| {
            Failure::new(Code::Generic, format!("cannot wait for {name:?}: {error}"))
        };
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return outcome(status);
            }
            for signal in self.signals.wait() {
                // The child's number is its own until it was waited for, which happens above.
                if signal != SIGCHLD && !is_from_terminal(signal) {
                    pass_on(child.id(), signal);
                }
            }
        }
    }
}

#[cfg(not(unix))]
impl Supervisor {
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {})
    }

    pub(crate) fn run(self, mut command: Command, name: &str) -> Result<(), Failure> {
        let status = command
            .status()
            .map_err(|error| cannot_start(name, &error))?;
        outcome(status)
    }
}

/// Whether the program got the signal already: keys of a terminal signal everybody in the foreground.
#[cfg(unix)]
fn is_from_terminal(signal: i32) -> bool {
    use rustix::{process::getpgrp, termios::tcgetpgrp};
    use signal_hook::consts::{SIGINT, SIGQUIT};

    matches!(signal, SIGINT | SIGQUIT)
        && std::fs::File::open("/dev/tty")
            .is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
}

#[cfg(unix)]
fn pass_on(child: u32, signal: i32) {
    use rustix::process::{Pid, Signal, kill_process};

    let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        let _ = kill_process(pid, signal);
    }
}
