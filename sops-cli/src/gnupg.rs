//! The user's GnuPG, as far as it tells who can be decrypted for.

use std::{
    env, fmt,
    io::{self, Read as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long all its programs together may take. One that waits for an agent that hangs would wait forever.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait until looking again whether a program has ended that has closed its output.
const PAUSE: Duration = Duration::from_millis(5);
/// No list of keys is longer.
const MAX_OUTPUT: u64 = 16 << 20;

/// What was found of GnuPG.
pub(crate) struct GnuPg {
    /// The program that is run.
    pub(crate) program: String,
    /// What it calls itself, or why it does not.
    pub(crate) version: String,
    /// Where its keys are, if it has a folder.
    pub(crate) home: Option<PathBuf>,
    /// Whether its agent runs. If not, gpg starts it when it needs a key.
    pub(crate) has_agent: bool,
    /// The fingerprints of its secret keys, also of those whose secret is on a card.
    pub(crate) secret_keys: Vec<String>,
    /// What could not be found out in time.
    pub(crate) problems: Vec<String>,
}

impl GnuPg {
    /// Looks for it, for ten seconds at the most. Reads the environment; asks the agent, which gpg starts if it has to.
    pub(crate) fn from_env() -> Self {
        let program = env::var("SOPS_GPG_EXEC").ok();
        let program = program.filter(|name| !name.is_empty());
        let program = program.unwrap_or_else(|| "gpg".to_owned());
        Self::ask(program, Instant::now() + TIME_LIMIT)
    }

    fn ask(program: String, end: Instant) -> Self {
        let mut found = Self {
            program,
            version: String::new(),
            home: None,
            has_agent: false,
            secret_keys: Vec::new(),
            problems: Vec::new(),
        };
        match output(&found.program, &["--version"], end) {
            Ok(text) => found.version = text.lines().next().unwrap_or_default().to_owned(),
            Err(silence) => {
                found.version = silence.to_string();
                return found;
            }
        }
        let home = found.output("gpgconf", &["--list-dirs", "homedir"], end);
        let home = home.map(|path| PathBuf::from(path.trim_end()));
        // gpg would make the folder.
        let Some(home) = home.filter(|home| home.is_dir()) else {
            return found;
        };
        found.home = Some(home);
        let agent = ["--no-autostart", "GETINFO pid", "/bye"];
        let pid = found.output("gpg-connect-agent", &agent, end);
        found.has_agent = pid.is_some_and(|text| text.starts_with("D "));
        let list = ["--batch", "--no-tty", "--with-colons", "--list-secret-keys"];
        let program = found.program.clone();
        let list = found.output(&program, &list, end);
        found.secret_keys = fingerprints(&list.unwrap_or_default());
        found
    }

    /// What a program prints. One that fails has nothing to say; one that says nothing in time is a problem.
    fn output(&mut self, program: &str, arguments: &[&str], end: Instant) -> Option<String> {
        match output(program, arguments, end) {
            Ok(text) => Some(text),
            Err(Silence::Failed(_)) => None,
            Err(silence @ Silence::TimedOut) => {
                let words = arguments.join(" ");
                self.problems.push(format!("{program} {words}: {silence}"));
                None
            }
        }
    }
}

/// The fingerprints in a list of secret keys, without those of subkeys.
fn fingerprints(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_primary = false;
    for line in list.lines() {
        let mut fields = line.split(':');
        match fields.next() {
            Some("sec") => is_primary = true,
            Some("fpr") if is_primary => {
                found.extend(fields.nth(8).map(str::to_owned));
                is_primary = false;
            }
            _ => {}
        }
    }
    found
}

/// Why a program printed nothing of use.
#[derive(Debug, PartialEq, Eq)]
enum Silence {
    /// In words.
    Failed(String),
    /// It took too long, and was ended.
    TimedOut,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(problem) => f.write_str(problem),
            Self::TimedOut => write!(f, "no answer within {} seconds", TIME_LIMIT.as_secs()),
        }
    }
}

/// What a program prints before `end`.
fn output(program: &str, arguments: &[&str], end: Instant) -> Result<String, Silence> {
    let cannot_run = |error: io::Error| Silence::Failed(format!("cannot be run: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot_run)?;
    let stdout = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    // Not waited for: whatever the program has started may hold the pipe open after its end.
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MAX_OUTPUT).read_to_end(&mut text));
        let _ = sender.send(match read {
            Some(Err(error)) => Err(error),
            _ => Ok(text),
        });
    });
    let text = receiver.recv_timeout(end.saturating_duration_since(Instant::now()));
    let status = loop {
        match child.try_wait().map_err(cannot_run)? {
            Some(status) if text.is_ok() => break status,
            None if text.is_ok() && Instant::now() < end => thread::sleep(PAUSE),
            _ => {
                // It may have ended by itself, which is as well.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Silence::TimedOut);
            }
        }
    };
    match text {
        Ok(Ok(text)) if status.success() => Ok(String::from_utf8_lossy(&text).into_owned()),
        Ok(Err(error)) => Err(Silence::Failed(format!("cannot be read: {error}"))),
        _ => Err(Silence::Failed(format!("failed ({status})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_of_primary_keys_are_read() {
        let list = "sec:-:3072:1:A:1:::-:::e:::+:::23::0:\nfpr:::::::::AA:\ngrp:::::::::BB:\nuid:-::::1::C::n::::::::::0:\nssb:-:3072:1:D:1::::::e:::+:::23:\nfpr:::::::::DD:\nsec:u:\nfpr:::::::::EE:\nsec\nfpr:short\n";
        assert_eq!(fingerprints(list), ["AA", "EE"]);
        assert!(fingerprints("").is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn programs_are_not_waited_for_beyond_the_limit() {
        let run = |script: &str, limit: u64| {
            let start = Instant::now();
            let end = start + Duration::from_millis(limit);
            let output = output("sh", &["-c", script], end);
            assert!(start.elapsed() < Duration::from_secs(20), "{script}");
            output
        };
        let failed = |status: &str| Err(Silence::Failed(format!("failed ({status})")));
        assert_eq!(run("printf text", 20_000), Ok("text".to_owned()));
        assert_eq!(run("echo a; exit 3", 20_000), failed("exit status: 3"));
        assert_eq!(run("exec sleep 60", 100), Err(Silence::TimedOut));
        // It has closed its output, and goes on; it has ended, and another holds its output open.
        assert_eq!(run("exec sleep 60 >&-", 300), Err(Silence::TimedOut));
        assert_eq!(run("echo a; sleep 3 & exit 0", 300), Err(Silence::TimedOut));
        let missing = output("/nonexistent/gpg", &[], Instant::now());
        assert!(
            matches!(missing, Err(Silence::Failed(problem)) if problem.contains("cannot be run"))
        );
    }
}
