//! How keys ask the user: through the pinentry that `PINENTRY_PROGRAM` names, or else on the terminal. Standard input is
//! never read, since it may be the document.

use std::{
    env,
    ffi::OsString,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sops_core::{Prompt, PromptError, SecretText, printable::is_obeyed};

use crate::{pinentry::Pinentry, terminal::Terminal, ui::Ui};

/// Asks where the user is. Clones wait for each other: one question at a time.
#[derive(Clone)]
pub(crate) struct UserPrompt {
    ui: Ui,
    pinentry: Option<OsString>,
    asking: Arc<Mutex<()>>,
}

impl UserPrompt {
    /// Looks at `PINENTRY_PROGRAM`.
    pub(crate) fn from_env(ui: Ui) -> Self {
        Self {
            ui,
            pinentry: env::var_os("PINENTRY_PROGRAM").filter(|program| !program.is_empty()),
            asking: Arc::default(),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prompt for UserPrompt {
    fn secret(&self, question: &str) -> Result<SecretText, PromptError> {
        let _turn = self.turn();
        match &self.pinentry {
            Some(program) => Pinentry::start(program)?.secret(question),
            None => Terminal::open()?.secret(&format!("{}: ", printable(question))),
        }
    }

    /// A pinentry hides what is typed, so the terminal is better, if there is one.
    fn text(&self, question: &str) -> Result<String, PromptError> {
        let _turn = self.turn();
        let question = printable(question);
        match (Terminal::open(), &self.pinentry) {
            (Ok(terminal), _) => terminal.text(&format!("{question}: ")),
            (Err(PromptError::Unavailable { .. }), Some(program)) => {
                let answer = Pinentry::start(program)?.secret(&question)?;
                Ok(answer.expose().to_owned())
            }
            (Err(error), _) => Err(error),
        }
    }

    fn confirm(&self, question: &str, yes: &str, no: Option<&str>) -> Result<bool, PromptError> {
        let _turn = self.turn();
        if let Some(program) = &self.pinentry {
            return Pinentry::start(program)?.confirm(question, yes, no);
        }
        let terminal = Terminal::open()?;
        let (question, yes) = (printable(question), printable(yes));
        let Some(no) = no.map(printable) else {
            terminal.text(&format!("{question} (press enter for {yes:?}) "))?;
            return Ok(true);
        };
        loop {
            let choice = format!("{question} (1 for {yes:?}, 2 for {no:?}): ");
            match terminal.text(&choice)?.trim() {
                "1" => return Ok(true),
                "2" => return Ok(false),
                _ => {}
            }
        }
    }

    fn message(&self, message: &str) -> Result<(), PromptError> {
        self.ui.note(&printable(message));
        Ok(())
    }
}

/// What a key or plugin says, without anything that would do more to a terminal than show it.
fn printable(text: &str) -> String {
    let text = text.trim_end();
    let is_shown = |letter: &char| *letter == '\n' || !is_obeyed(*letter);
    text.chars().filter(is_shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_taken_out() {
        assert_eq!(printable("touch\nthe key\r\n"), "touch\nthe key");
        assert_eq!(printable("\x1b]0;title\x07a\u{9b}31mb"), "]0;titlea31mb");
    }
}
