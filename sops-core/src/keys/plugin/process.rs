//! A running plugin: stanzas go in and come out, and none of it waits for ever.

use std::{
    env,
    ffi::OsStr,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::keys::age_file::Stanza;

/// The longest line of a plugin; the longest of the protocol is shorter.
const MAX_LINE: usize = 64 << 10;
/// The largest body of a stanza of a plugin.
const MAX_BODY: usize = 1 << 20;
/// How much of what a plugin complains about is shown.
const MAX_COMPLAINT: usize = 600;
/// How long a plugin may take to end when it has said that it is done.
const FAREWELL: Duration = Duration::from_secs(2);

type Line = Zeroizing<String>;

/// A running plugin. It is ended when this is dropped.
pub(super) struct Process {
    name: String,
    child: Child,
    input: Option<Sender<Line>>,
    output: Receiver<io::Result<Line>>,
    complaint: Receiver<String>,
}

/// Why a plugin does not answer.
#[derive(Debug)]
pub(super) enum ProcessError {
    /// There is none with this name.
    NotFound { program: String },
    /// It cannot be run.
    Start { program: String, error: io::Error },
    /// It ended, and this is what it complained about.
    Ended { complaint: String },
    /// It said nothing for so long.
    Silent { after: Duration },
    /// What it said is not of the protocol.
    Protocol(&'static str),
}

const NO_PROTOCOL: ProcessError =
    ProcessError::Protocol("it does not speak the protocol of age plugins");

impl Process {
    /// Runs the plugin with this name, in one of its roles.
    pub(super) fn start(name: &str, role: &str, path: &OsStr) -> Result<Self, ProcessError> {
        let program = format!("age-plugin-{name}");
        let path = find_in(path, &program).ok_or_else(|| ProcessError::NotFound {
            program: program.clone(),
        })?;
        let start = || {
            let mut child = Command::new(path)
                .arg(format!("--age-plugin={role}"))
                // A folder that it has no reason to write to or read from.
                .current_dir(env::temp_dir())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let (Some(input), Some(output), Some(errors)) = streams else {
                return Err(io::ErrorKind::BrokenPipe.into());
            };
            Ok((child, input, output, errors))
        };
        let (child, input, output, errors) =
            start().map_err(|error| ProcessError::Start { program, error })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            input: Some(write_lines(input)),
            output: read_lines(output),
            complaint: read_complaint(errors),
        })
    }

    /// Sends a stanza. Whether the plugin reads it shows in what it answers.
    pub(super) fn send(&self, stanza: &Stanza) {
        // Room for all of it from the start: growing would leave copies of a secret behind.
        let words = stanza.arguments.iter().map(|argument| argument.len() + 1);
        let length = stanza.kind.len() + words.sum::<usize>() + 2 * stanza.body.len() + 64;
        let mut text = Line::new(String::with_capacity(length));
        stanza.push_text(&mut text);
        if let Some(input) = &self.input {
            // The thread at the other end is gone if the plugin has closed its input.
            let _ = input.send(text);
        }
    }

    /// Receives a stanza, within `patience` for each of its lines. `waiting` is called once if that takes a while.
    pub(super) fn receive(
        &mut self,
        patience: Option<Duration>,
        waiting: impl FnOnce(),
    ) -> Result<Stanza, ProcessError> {
        let line = self.line_with_notice(patience, waiting)?;
        let (kind, arguments) = Stanza::parse_first_line(&line).map_err(|_| NO_PROTOCOL)?;
        // Room for all of it from the start: growing would leave copies of a secret behind.
        let mut body = Vec::with_capacity(1024);
        loop {
            let line = self.line(patience)?;
            let goes_on = Stanza::parse_body_line(&line, &mut body)
                .map_err(|_| ProcessError::Protocol("it sent a malformed stanza"))?;
            if !goes_on {
                break;
            }
            if body.len() > MAX_BODY {
                return Err(ProcessError::Protocol("it sent too long a stanza"));
            }
        }
        Ok(Stanza {
            kind,
            arguments,
            body,
        })
    }

    /// Receives a line. `waiting` is called once if that takes a while.
    fn line_with_notice(
        &mut self,
        patience: Option<Duration>,
        waiting: impl FnOnce(),
    ) -> Result<Line, ProcessError> {
        const A_WHILE: Duration = Duration::from_secs(5);
        if patience.is_some_and(|patience| patience <= A_WHILE) {
            return self.line(patience);
        }
        match self.line(Some(A_WHILE)) {
            Err(ProcessError::Silent { .. }) => {
                waiting();
                let rest = patience.map(|patience| patience.saturating_sub(A_WHILE));
                self.line(rest).map_err(|error| match error {
                    ProcessError::Silent { after } => ProcessError::Silent {
                        after: after + A_WHILE,
                    },
                    other => other,
                })
            }
            outcome => outcome,
        }
    }

    fn line(&mut self, patience: Option<Duration>) -> Result<Line, ProcessError> {
        let line = match patience {
            Some(patience) => self.output.recv_timeout(patience),
            None => self.output.recv().map_err(RecvTimeoutError::from),
        };
        match line {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) => Err(NO_PROTOCOL),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => Err(ProcessError::Silent {
                after: patience.unwrap_or_default(),
            }),
        }
    }

    /// Waits until the plugin has ended by itself, if it does so soon.
    pub(super) fn finish(mut self) {
        self.input = None;
        // The end of its complaints is the end of it.
        let _ = self.complaint.recv_timeout(FAREWELL);
    }

    fn ended(&mut self) -> ProcessError {
        self.input = None;
        let complaint = self.complaint.recv_timeout(FAREWELL);
        ProcessError::Ended {
            complaint: complaint.unwrap_or_default(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        // It may have ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.name)
    }
}

impl ProcessError {
    /// Returns what to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { program } => Some(format!(
                "install {program} in a folder that PATH lists as an absolute path"
            )),
            Self::Silent { .. } => Some(
                "set SOPS_AGE_PLUGIN_TIMEOUT to the seconds that the plugin may take, or to 0 for no limit"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program } => write!(f, "{program} is not installed"),
            Self::Start { program, error } => write!(f, "cannot run {program}: {error}"),
            Self::Ended { complaint } if complaint.is_empty() => {
                f.write_str("it ended before it was done")
            }
            Self::Ended { complaint } => write!(f, "it ended before it was done: {complaint}"),
            Self::Silent { after } => {
                write!(f, "it said nothing for {} seconds", after.as_secs())
            }
            Self::Protocol(what) => f.write_str(what),
        }
    }
}

/// Finds a program on a path. Relative folders on it are passed over: what they hold depends on where one stands.
pub(super) fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|candidate| is_executable(candidate))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// Writes from a thread of its own: a plugin that reads nothing must not hold anyone up.
fn write_lines(mut input: impl Write + Send + 'static) -> Sender<Line> {
    let (sender, lines) = mpsc::channel::<Line>();
    thread::spawn(move || {
        for line in lines {
            if input
                .write_all(line.as_bytes())
                .and_then(|()| input.flush())
                .is_err()
            {
                break;
            }
        }
    });
    sender
}

/// Reads from a thread of its own, so that waiting for a line can end.
fn read_lines(output: impl Read + Send + 'static) -> Receiver<io::Result<Line>> {
    // A plugin that says more than is read has to wait.
    let (sender, lines) = mpsc::sync_channel(64);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Some(line) = read_line(&mut output).transpose() {
            let is_last = line.is_err();
            if sender.send(line).is_err() || is_last {
                break;
            }
        }
    });
    lines
}

/// Reads a line; `None` at the end.
fn read_line(output: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    output.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
    match bytes.pop() {
        None => Ok(None),
        Some(b'\n') => match str::from_utf8(&bytes) {
            Ok(line) => Ok(Some(Line::new(line.to_owned()))),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        },
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Reads what the plugin complains about to the end, and sends the last of it, fit to be shown.
fn read_complaint(mut errors: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, complaint) = mpsc::channel();
    thread::spawn(move || {
        let mut last = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = errors.read(&mut chunk) {
            last.extend_from_slice(&chunk[..count]);
            let excess = last.len().saturating_sub(4 * MAX_COMPLAINT);
            last.drain(..excess);
        }
        let _ = sender.send(tidy(&String::from_utf8_lossy(&last)));
    });
    complaint
}

/// What a plugin says in one line, without anything that would do more to a terminal than show it, and not too much.
pub(super) fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // Where to find a trace of the stack is of no use here.
        if line.starts_with("note: run with `RUST_BACKTRACE") {
            continue;
        }
        if !tidied.is_empty() {
            tidied.push_str("; ");
        }
        tidied.extend(line.chars().filter(|letter| !letter.is_control()));
    }
    let excess = tidied.len().saturating_sub(MAX_COMPLAINT);
    if excess > 0 {
        let is_boundary = |at: &usize| tidied.is_char_boundary(*at);
        let cut = (excess..).find(is_boundary).unwrap_or_default();
        tidied.replace_range(..cut, "…");
    }
    tidied
}
