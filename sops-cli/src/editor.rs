//! The editor on a private copy of a plaintext, and what happens around it: signals, and asking to go on.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, IsTerminal, Write},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use crate::{
    error::{Code, Failure},
    private::PrivateFile,
};
#[cfg(unix)]
use crate::{signals, temporary};

/// Runs editors, and catches the signals that would end this program before its temporary file is removed.
pub(crate) struct Session {
    editor: Vec<OsString>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

#[cfg_attr(
    not(unix),
    expect(dead_code, reason = "signals are caught on Unix only")
)]
enum Event {
    /// A child may have ended.
    Child,
    /// A signal asks to end.
    Cancel(i32),
    /// A line of standard input was read; or its end, when false.
    Line(bool),
}

impl Session {
    /// Finds the editor.
    pub(crate) fn start() -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel();
        catch_signals(sender.clone())?;
        Ok(Self {
            editor: editor()?,
            sender,
            events,
        })
    }

    /// Opens the editor, and waits until it is closed.
    pub(crate) fn edit(&self, file: &PrivateFile) -> Result<(), Failure> {
        let failed = |reason: &dyn std::fmt::Display| {
            let program = self.editor[0].to_string_lossy();
            Failure::new(
                Code::Editor,
                format!("the editor {program:?} failed: {reason}"),
            )
        };
        let child = Command::new(&self.editor[0])
            .args(&self.editor[1..])
            .arg(file.path())
            .spawn()
            .map_err(|error| {
                failed(&error).hint("set SOPS_EDITOR or EDITOR to the editor you want")
            })?;
        let status = self.wait(child)?.map_err(|error| failed(&error))?;
        if status.success() {
            Ok(())
        } else {
            Err(failed(&status))
        }
    }

    /// Asks whether to go back to the editor; false when nobody can answer.
    pub(crate) fn ask_to_return(&self) -> Result<bool, Failure> {
        let _ = writeln!(
            io::stderr(),
            "Press enter to return to the editor, or Ctrl+C to exit."
        );
        let sender = self.sender.clone();
        thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            let _ = sender.send(Event::Line(read.is_ok_and(|length| length > 0)));
        });
        loop {
            match self.events.recv() {
                Ok(Event::Line(answered)) => return Ok(answered),
                Ok(Event::Cancel(_)) => return Err(cancelled()),
                Ok(Event::Child) => {}
                Err(_) => return Ok(false),
            }
        }
    }

    /// Fails if a signal asked to end since the editor was closed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        while let Ok(event) = self.events.try_recv() {
            if matches!(event, Event::Cancel(_)) {
                return Err(cancelled());
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn wait(&self, mut child: Child) -> Result<io::Result<ExitStatus>, Failure> {
        loop {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Ok(Ok(status)),
                Err(error) => return Ok(Err(error)),
            }
            if let Ok(Event::Cancel(signal)) = self.events.recv() {
                end(child, signal);
                return Err(cancelled());
            }
        }
    }

    #[cfg(not(unix))]
    fn wait(&self, mut child: Child) -> Result<io::Result<ExitStatus>, Failure> {
        Ok(child.wait())
    }
}

fn cancelled() -> Failure {
    Failure::new(
        Code::Generic,
        "User canceled operation; the file is as it was",
    )
}

/// Passes the signal on, so that the editor can put the terminal in order.
#[cfg(unix)]
fn end(mut child: Child, signal: i32) {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process};

    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        let _ = kill_process(pid, signal);
    }
    let patience = Instant::now() + Duration::from_secs(1);
    while Instant::now() < patience {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(unix)]
fn catch_signals(sender: Sender<Event>) -> Result<(), Failure> {
    use signal_hook::consts::SIGCHLD;

    let mut signals = signals::watch(&[SIGCHLD]).map_err(|error| signals::failure(&error))?;
    temporary::leave_signals();
    thread::spawn(move || {
        let mut is_cancelled = false;
        for signal in signals.forever() {
            let event = match signal {
                SIGCHLD => Event::Child,
                // Whatever is being waited for: nobody wants to wait for it any more.
                _ if is_cancelled => return temporary::end_by(signal),
                _ => {
                    is_cancelled = true;
                    Event::Cancel(signal)
                }
            };
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn catch_signals(_sender: Sender<Event>) -> Result<(), Failure> {
    Ok(())
}

/// `SOPS_EDITOR`, `EDITOR`, or the first of the usual ones that is installed.
fn editor() -> Result<Vec<OsString>, Failure> {
    for variable in ["SOPS_EDITOR", "EDITOR"] {
        let Some(value) = env::var_os(variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        let words = value
            .to_str()
            .and_then(|value| shell_words::split(value).ok());
        return match words {
            Some(words) if !words.is_empty() => Ok(words.into_iter().map(OsString::from).collect()),
            _ => Err(Failure::new(
                Code::Editor,
                format!(
                    "{variable} is no command line: a quote is not closed, or there is no word"
                ),
            )),
        };
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(
            Failure::new(Code::Editor, "there is no terminal to open an editor in")
                .hint("set SOPS_EDITOR to a program that edits the file it is given"),
        );
    }
    let usual: [(&str, &[&str]); 3] = [
        // No swap file, no history: they would hold secrets after the end.
        ("vim", &["-n", "-i", "NONE"]),
        ("nano", &[]),
        ("vi", &[]),
    ];
    for (program, arguments) in usual {
        if is_installed(program) {
            return Ok([program]
                .iter()
                .chain(arguments)
                .map(OsString::from)
                .collect());
        }
    }
    Err(Failure::new(
        Code::Editor,
        "no editor available: none of vim, nano, vi is installed",
    )
    .hint("set SOPS_EDITOR or EDITOR to the editor you want"))
}

fn is_installed(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
