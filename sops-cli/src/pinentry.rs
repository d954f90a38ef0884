//! A pinentry: the program of GnuPG that asks for passphrases, in a window or on the terminal.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use sops_core::{PromptError, SecretText};
use zeroize::Zeroizing;

/// The longest line of the protocol. All of it is there from the start, so that growing leaves no copies behind.
const MAX_LINE: usize = 4096;

/// The codes of `ERR` for "cancelled", "not confirmed" and "closed", without the source in the upper half.
const CANCELLED: [u32; 3] = [99, 114, 198];

/// A running pinentry. It ends when it is dropped.
pub(crate) struct Pinentry {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    name: OsString,
}

enum Reply {
    Ok(Option<SecretText>),
    Err(u32, String),
}

impl Pinentry {
    pub(crate) fn start(program: &OsStr) -> Result<Self, PromptError> {
        let failed = |what: String| {
            PromptError::failed(format!(
                "PINENTRY_PROGRAM ({}): {what}",
                program.to_string_lossy()
            ))
        };
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(format!("cannot run it: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no input and output".to_owned()));
        };
        let mut pinentry = Self {
            child,
            input,
            output: BufReader::with_capacity(MAX_LINE, output),
            name: program.to_owned(),
        };
        match pinentry.reply()? {
            Reply::Ok(_) => {}
            Reply::Err(_, text) => return Err(pinentry.failed(&text)),
        }
        pinentry.set_options()?;
        Ok(pinentry)
    }

    /// Asks for a secret.
    pub(crate) fn secret(mut self, question: &str) -> Result<SecretText, PromptError> {
        self.describe(question)?;
        self.must("SETPROMPT Passphrase:")?;
        match self.ask("GETPIN")? {
            Reply::Ok(secret) => Ok(secret.unwrap_or_else(|| SecretText::new(String::new()))),
            Reply::Err(code, text) => Err(self.refused(code, &text)),
        }
    }

    /// Lets the user choose.
    pub(crate) fn confirm(
        mut self,
        question: &str,
        yes: &str,
        no: Option<&str>,
    ) -> Result<bool, PromptError> {
        self.describe(question)?;
        self.must(&format!("SETOK {}", escaped(yes)))?;
        if let Some(no) = no {
            self.must(&format!("SETNOTOK {}", escaped(no)))?;
        }
        match self.ask("CONFIRM")? {
            Reply::Ok(_) => Ok(true),
            Reply::Err(code, _) if no.is_some() && code & 0xffff == 114 => Ok(false),
            Reply::Err(code, text) => Err(self.refused(code, &text)),
        }
    }

    /// Tells it which terminal and language to use. Whether it knows these options does not matter.
    fn set_options(&mut self) -> Result<(), PromptError> {
        let terminal = env::var("GPG_TTY").ok().filter(|name| !name.is_empty());
        let options = [
            ("ttyname", terminal),
            ("ttytype", env::var("TERM").ok()),
            (
                "lc-ctype",
                env::var("LC_ALL").or_else(|_| env::var("LANG")).ok(),
            ),
        ];
        for (name, value) in options {
            if let Some(value) = value.filter(|value| !value.chars().any(char::is_control)) {
                self.ask(&format!("OPTION {name}={value}"))?;
            }
        }
        Ok(())
    }

    fn describe(&mut self, question: &str) -> Result<(), PromptError> {
        self.ask("SETTITLE sops")?;
        self.must(&format!("SETDESC {}", escaped(question)))
    }

    fn must(&mut self, command: &str) -> Result<(), PromptError> {
        match self.ask(command)? {
            Reply::Ok(_) => Ok(()),
            Reply::Err(_, text) => Err(self.failed(&text)),
        }
    }

    fn ask(&mut self, command: &str) -> Result<Reply, PromptError> {
        let line = format!("{command}\n");
        match self.input.write_all(line.as_bytes()) {
            Ok(()) => self.reply(),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// Reads to the end of a reply, with the data in it.
    fn reply(&mut self) -> Result<Reply, PromptError> {
        let mut secret: Option<SecretText> = None;
        loop {
            let line = match read_line(&mut self.output) {
                Ok(line) => line,
                Err(error) => return Err(self.failed(&error.to_string())),
            };
            let Ok(line) = str::from_utf8(&line) else {
                return Err(self.failed("the answer is no text"));
            };
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "OK" => return Ok(Reply::Ok(secret)),
                "ERR" => {
                    let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
                    return Ok(Reply::Err(code.parse().unwrap_or(0), text.to_owned()));
                }
                "D" => match unescaped(rest) {
                    Some(text) => secret = Some(text),
                    None => return Err(self.failed("the answer is no text")),
                },
                // Comments and states.
                _ => {}
            }
        }
    }

    fn refused(&self, code: u32, text: &str) -> PromptError {
        match CANCELLED.contains(&(code & 0xffff)) {
            true => PromptError::Cancelled,
            false => self.failed(text),
        }
    }

    fn failed(&self, what: &str) -> PromptError {
        let what: String = what.chars().filter(|letter| !letter.is_control()).collect();
        let name = self.name.to_string_lossy();
        PromptError::failed(format!("PINENTRY_PROGRAM ({name}): {what}"))
    }
}

impl Drop for Pinentry {
    fn drop(&mut self) {
        let _ = self.input.write_all(b"BYE\n");
        // It may have hung up before; a window that is still open must go in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line(output: &mut impl BufRead) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    loop {
        let mut byte = Zeroizing::new([0]);
        if output.read(&mut *byte)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it ended without an answer",
            ));
        }
        match byte[0] {
            b'\n' => return Ok(line),
            b'\r' => {}
            _ if line.len() == MAX_LINE => return Err(io::Error::other("its answer is too long")),
            byte => line.push(byte),
        }
    }
}

/// A text as an argument of the protocol.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' => escaped.push_str("%25"),
            '\n' => escaped.push_str("%0A"),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Data of the protocol as a text.
fn unescaped(data: &str) -> Option<SecretText> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(data.len()));
    let mut rest = data.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    let text = str::from_utf8(&bytes).ok()?;
    Some(SecretText::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_and_data_are_escaped() {
        assert_eq!(escaped("50 %\nof \x07it"), "50 %25%0Aof it");
        for (data, expected) in [
            ("", Some("")),
            ("abc", Some("abc")),
            ("a%25b%0Ac", Some("a%b\nc")),
            ("%C3%A4", Some("ä")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            let text = unescaped(data);
            assert_eq!(text.as_ref().map(SecretText::expose), expected, "{data}");
        }
    }
}
