//! The terminal of this process, whatever its standard streams are connected to.

#[cfg(unix)]
pub(crate) use unix::Terminal;

#[cfg(not(unix))]
pub(crate) use other::Terminal;

#[cfg(unix)]
mod unix {
    use std::{
        fs::{File, OpenOptions},
        io::{self, Read, Write},
    };

    use rustix::{
        process::getpgrp,
        termios::{
            LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
        },
    };
    use sops_core::{PromptError, SecretText};
    use zeroize::Zeroizing;

    /// The longest answer, in bytes. All of it is there from the start, so that growing leaves no copies behind.
    const MAX_LEN: usize = 4096;

    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const BACKSPACE: u8 = 0x08;
    const ERASE_WORD: u8 = 0x17;
    const ERASE_LINE: u8 = 0x15;
    const DELETE: u8 = 0x7f;

    /// An open terminal.
    pub(crate) struct Terminal {
        file: File,
    }

    impl Terminal {
        /// Opens the terminal, if a user can answer there.
        pub(crate) fn open() -> Result<Self, PromptError> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/tty")
                .map_err(|_| PromptError::unavailable("there is no terminal"))?;
            // A job in the background would be stopped, and look as if it hung.
            match tcgetpgrp(&file) {
                Ok(foreground) if foreground == getpgrp() => Ok(Self { file }),
                Ok(_) => Err(PromptError::unavailable(
                    "sops runs in the background of its terminal",
                )),
                Err(_) => Err(PromptError::unavailable("there is no terminal")),
            }
        }

        /// Asks for a line that is not shown.
        pub(crate) fn secret(self, question: &str) -> Result<SecretText, PromptError> {
            self.ask(question, Echo::Nothing).map(SecretText::new)
        }

        /// Asks for a line.
        pub(crate) fn text(&self, question: &str) -> Result<String, PromptError> {
            self.ask(question, Echo::Answer)
        }

        fn ask(&self, question: &str, echo: Echo) -> Result<String, PromptError> {
            let asked = Keys::grab(&self.file).and_then(|keys| {
                (&self.file).write_all(question.as_bytes())?;
                let answer = read_line(&self.file, echo);
                (&self.file).write_all(b"\n")?;
                drop(keys);
                answer
            });
            match asked {
                Ok(answer) => Ok(answer),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    Err(PromptError::Cancelled)
                }
                Err(error) => Err(PromptError::failed(format!("the terminal: {error}"))),
            }
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Echo {
        Nothing,
        Answer,
    }

    /// Gives each key to this program as it is pressed, and shows none of them, until it is dropped. The keys that would
    /// end this program are among them: it must not end with the terminal in this state.
    struct Keys<'f> {
        file: &'f File,
        before: Termios,
    }

    impl<'f> Keys<'f> {
        fn grab(file: &'f File) -> io::Result<Self> {
            let before = tcgetattr(file)?;
            let mut modes = before.clone();
            modes
                .local_modes
                .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(file, OptionalActions::Drain, &modes)?;
            Ok(Self { file, before })
        }
    }

    impl Drop for Keys<'_> {
        fn drop(&mut self) {
            let _ = tcsetattr(self.file, OptionalActions::Drain, &self.before);
        }
    }

    fn read_line(mut file: &File, echo: Echo) -> io::Result<String> {
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LEN));
        let mut key = Zeroizing::new([0]);
        loop {
            match file.read(&mut *key) {
                Ok(0) => return Err(io::ErrorKind::Interrupted.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let before = line.len();
            match key[0] {
                b'\r' | b'\n' => break,
                INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
                END if line.is_empty() => return Err(io::ErrorKind::Interrupted.into()),
                BACKSPACE | DELETE => drop_letter(&mut line),
                ERASE_LINE | ERASE_WORD => line.clear(),
                byte if byte >= b' ' && line.len() < MAX_LEN => line.push(byte),
                _ => {}
            }
            if echo == Echo::Answer {
                match line.len().checked_sub(before) {
                    Some(0) => {}
                    Some(_) => file.write_all(&*key)?,
                    None => {
                        let erased = String::from_utf8_lossy(&line).into_owned();
                        file.write_all(format!("\r\x1b[K{erased}").as_bytes())?;
                    }
                }
            }
        }
        match str::from_utf8(&line) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(io::Error::other("the answer is no text")),
        }
    }

    /// Drops the last character, which may have several bytes.
    fn drop_letter(line: &mut Vec<u8>) {
        while let Some(byte) = line.pop() {
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::convert::Infallible;

    use sops_core::{PromptError, SecretText};

    /// There is none to be had: this program knows the terminals of Unix only.
    pub(crate) struct Terminal(Infallible);

    impl Terminal {
        pub(crate) fn open() -> Result<Self, PromptError> {
            Err(PromptError::unavailable(
                "questions on the terminal are not supported on this system; set PINENTRY_PROGRAM",
            ))
        }

        pub(crate) fn secret(self, _question: &str) -> Result<SecretText, PromptError> {
            match self.0 {}
        }

        pub(crate) fn text(&self, _question: &str) -> Result<String, PromptError> {
            match self.0 {}
        }
    }
}
