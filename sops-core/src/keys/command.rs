//! Secrets from files and from what commands print.

use std::{
    io::{self, Read},
    process::{Command, Stdio},
};

use super::{KeyError, words};
use crate::secret::SecretBytes;

/// Identity files, and what a command prints, end here.
const MAX_IDENTITY_TEXT: usize = 1 << 20;

/// Runs the command that `text`, the value of `variable`, spells, with one more variable set, and returns what it
/// prints. Its standard input is empty, its errors and prompts go where ours go.
pub(super) fn run(
    variable: &str,
    text: &str,
    (name, value): (&str, &str),
) -> Result<SecretBytes, KeyError> {
    let failed = |what: String| KeyError::new(format!("{variable}: {what}"));
    let words = words::split(text).map_err(|error| failed(error.to_string()))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err(failed("it is empty".to_owned()).with_hint(format!("unset {variable}")));
    };
    let cannot_run = |error: io::Error| failed(format!("cannot run {program}: {error}"));
    let mut child = Command::new(program)
        .args(arguments)
        .env(name, value)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot_run)?;
    let output = match &mut child.stdout {
        Some(stdout) => read_limited(stdout),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    };
    if output.is_err() {
        // It may already have ended, which is as well.
        child.kill().ok();
    }
    let status = child.wait().map_err(cannot_run)?;
    let output =
        output.map_err(|error| failed(format!("cannot read what {program} prints: {error}")))?;
    if !status.success() {
        return Err(failed(format!("{program} failed ({status})")));
    }
    Ok(output)
}

/// Reads to the end, if it is not too far for identities.
pub(super) fn read_limited(reader: impl Read) -> io::Result<SecretBytes> {
    SecretBytes::read_limited(reader, MAX_IDENTITY_TEXT)
}
