//! The user's `gpg`: how it is started, fed and read.

use std::{
    env,
    ffi::OsString,
    io::{self, Read, Write},
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    keys::{KeyError, one_line},
    secret::SecretBytes,
};

/// Which program is run, if it is not `gpg`.
const PROGRAM: &str = "SOPS_GPG_EXEC";
/// Which terminal a pinentry may use.
const TERMINAL: &str = "GPG_TTY";

/// What `gpg` prints ends here, whether a data key, a list of keys, or complaints.
const MAX_OUTPUT: usize = 1 << 18;
/// More is not shown of what it complains about.
const MAX_COMPLAINT: usize = 1000;
/// How often it is asked again when its agent was not up to it.
const ATTEMPTS: u32 = 4;

/// One `gpg` at a time: the agent takes one request after the other anyway, runs out of protected memory if there are too
/// many, and two pinentries on one terminal help nobody.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The program `gpg`, and what it is started with.
#[derive(Debug)]
pub(super) struct Gpg {
    program: OsString,
    /// Whether the environment names it.
    is_given: bool,
    terminal: Option<OsString>,
}

/// What a `gpg` printed.
pub(super) struct Output {
    pub(super) stdout: SecretBytes,
    /// Its complaints, tidied: in one line, and without what is no complaint.
    pub(super) complaint: String,
    status: ExitStatus,
}

impl Output {
    pub(super) fn is_success(&self) -> bool {
        self.status.success()
    }
}

impl Gpg {
    /// Returns the program that the environment names. Its home (`GNUPGHOME`) and all else it finds in the environment
    /// itself.
    pub(super) fn from_env() -> Self {
        let given = env::var_os(PROGRAM).filter(|program| !program.is_empty());
        Self {
            is_given: given.is_some(),
            program: given.unwrap_or_else(|| "gpg".into()),
            // It looks for its terminal at its standard input, which is not one here.
            terminal: match env::var_os(TERMINAL) {
                Some(_) => None,
                None => terminal(),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            is_given: true,
            terminal: None,
        }
    }

    /// Runs it with `arguments` and `input`, after any other that runs. It may take as long as someone needs to type a
    /// passphrase.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be run, or prints too much. Its own failure is no error here.
    pub(super) fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Output, KeyError> {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attempt = 1;
        loop {
            let output = self.run_once(arguments, input)?;
            if output.is_success() || attempt == ATTEMPTS || !is_busy_agent(&output.complaint) {
                return Ok(output);
            }
            thread::sleep(Duration::from_millis(50) * attempt * attempt);
            attempt += 1;
        }
    }

    fn run_once(&self, arguments: &[&str], input: &[u8]) -> Result<Output, KeyError> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(terminal) = &self.terminal {
            command.env(TERMINAL, terminal);
        }
        let mut child = command.spawn().map_err(|error| self.cannot_run(&error))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = thread::scope(|scope| {
            scope.spawn(move || {
                // One that fails early does not read all of it, and says why itself.
                stdin.map(|mut stdin| stdin.write_all(input));
            });
            let stderr = scope.spawn(move || read(stderr));
            let stdout = read(stdout);
            if stdout.is_err() {
                // There is no end to what it prints, so it waits for nobody.
                child.kill().ok();
            }
            let gone = || Err(io::ErrorKind::BrokenPipe.into());
            (stdout, stderr.join().unwrap_or_else(|_| gone()))
        });
        let status = child.wait().map_err(|error| self.cannot_run(&error))?;
        let stdout = stdout.map_err(|error| {
            KeyError::new(format!("cannot read what {} prints: {error}", self.name()))
        })?;
        let complaint = match &stderr {
            Ok(stderr) => tidy(&String::from_utf8_lossy(stderr.expose())),
            Err(error) => format!("its messages cannot be read: {error}"),
        };
        Ok(Output {
            stdout,
            complaint,
            status,
        })
    }

    /// Returns what messages call it.
    pub(super) fn name(&self) -> String {
        if self.is_given {
            self.program.to_string_lossy().into_owned()
        } else {
            "gpg".to_owned()
        }
    }

    fn cannot_run(&self, error: &io::Error) -> KeyError {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let message = match (self.is_given, is_missing) {
            (false, true) => "there is no gpg on the PATH".to_owned(),
            (true, true) => format!("there is no {}, which {PROGRAM} names", self.name()),
            _ => format!("cannot run {}: {error}", self.name()),
        };
        KeyError::new(message).with_hint(if self.is_given {
            "set SOPS_GPG_EXEC to the path of a gpg, or unset it"
        } else {
            "install GnuPG, or set SOPS_GPG_EXEC to the path of its gpg; without one, export the key, and set SOPS_PGP_KEY_FILE to the path of the exported file"
        })
    }
}

/// Returns the terminal that one of the standard streams is.
fn terminal() -> Option<OsString> {
    use std::io::IsTerminal;

    let streams = [
        io::stdin().is_terminal(),
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
    ];
    let stream = streams.iter().position(|&is_terminal| is_terminal)?;
    // Only Linux shows the name this way. Where it does not, the user's GPG_TTY is needed, as with any other program.
    let path = std::fs::read_link(format!("/proc/self/fd/{stream}")).ok()?;
    path.starts_with("/dev").then(|| path.into_os_string())
}

fn read(stream: Option<impl Read>) -> io::Result<SecretBytes> {
    match stream {
        Some(stream) => SecretBytes::read_limited(stream, MAX_OUTPUT),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Whether a failure is of the kind that passes: an agent that another process is just starting or stopping, or that has
/// too much to do. None of them has asked anybody for anything.
fn is_busy_agent(complaint: &str) -> bool {
    [
        "Cannot allocate memory",
        "can't connect to the agent",
        "IPC connect call failed",
        "End of file",
        "Resource temporarily unavailable",
    ]
    .iter()
    .any(|sign| complaint.contains(sign))
}

/// Puts complaints into one line: no `gpg:` before each, no word on what the message was encrypted
/// with.
fn tidy(stderr: &str) -> String {
    let mut complaints: Vec<String> = Vec::new();
    let mut is_skipping = false;
    for line in stderr.lines() {
        let is_continued = line.starts_with([' ', '\t']);
        if is_continued && is_skipping {
            continue;
        }
        let line = one_line(line, MAX_COMPLAINT);
        let line = line.strip_prefix("gpg: ").unwrap_or(&line);
        is_skipping = line.starts_with("encrypted with ")
            || line.starts_with("keybox '") && line.ends_with(" created")
            || line.ends_with(": trustdb created");
        if line.is_empty() || is_skipping || complaints.last().is_some_and(|last| last == line) {
            continue;
        }
        match complaints.last_mut().filter(|_| is_continued) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => complaints.push(line.to_owned()),
        }
    }
    // What it comes down to, after why.
    if complaints.len() > 1 {
        complaints.pop_if(|last| last.starts_with("[stdin]: "));
    }
    one_line(&complaints.join("; "), MAX_COMPLAINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_become_one_line() {
        for (stderr, expected) in [
            ("", ""),
            ("\n \n", ""),
            (
                "gpg: DF2B: skipped: No public key\ngpg: [stdin]: encryption failed: No public key\n",
                "DF2B: skipped: No public key",
            ),
            (
                "gpg: [stdin]: encryption failed: No public key\n",
                "[stdin]: encryption failed: No public key",
            ),
            (
                "gpg: encrypted with 255-bit ECDH key, ID C1CE, created 2026-11-25\n      \"alice\"\ngpg: public key decryption failed: No pinentry\n",
                "public key decryption failed: No pinentry",
            ),
            (
                "gpg: keybox '/h/pubring.kbx' created\ngpg: /h/trustdb.gpg: trustdb created\ngpg: a\n     b\r\ngpg: a b\n",
                "a b",
            ),
            ("gpg: \u{1b}[31mred\u{7}\n", "[31mred"),
        ] {
            assert_eq!(tidy(stderr), expected);
        }
        assert_eq!(tidy(&"é".repeat(5000)).chars().count(), MAX_COMPLAINT + 1);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_with_a_way_out() {
        let gpg = Gpg::new("/does/not/exist");
        let error = gpg.run(&[], &[]).err().expect("it is not there");
        assert!(error.message.contains("/does/not/exist"), "{error}");
        assert!(error.hint.expect("a hint").contains(PROGRAM));
        let gpg = Gpg {
            is_given: false,
            ..gpg
        };
        let error = gpg.run(&[], &[]).err().expect("it is not there");
        assert_eq!(error.message, "there is no gpg on the PATH");
        assert!(error.hint.expect("a hint").contains("SOPS_PGP_KEY_FILE"));
    }

    #[cfg(unix)]
    #[test]
    fn input_and_output_do_not_wait_for_each_other() {
        let large = vec![b'x'; MAX_OUTPUT];
        let output = Gpg::new("cat").run(&[], &large).expect("runs");
        assert!(output.is_success());
        assert_eq!(output.stdout.len(), MAX_OUTPUT);
        // Nobody reads the input.
        assert!(
            Gpg::new("true")
                .run(&[], &large)
                .expect("runs")
                .is_success()
        );
        assert!(
            !Gpg::new("false")
                .run(&[], &large)
                .expect("runs")
                .is_success()
        );
    }

    #[cfg(unix)]
    #[test]
    fn output_without_an_end_is_an_error() {
        let error = Gpg::new("yes").run(&[], &[]).err().expect("too much");
        assert!(error.message.contains("larger than 256 KiB"), "{error}");
    }
}
