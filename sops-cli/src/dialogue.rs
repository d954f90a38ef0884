//! Asking whether to go on: on standard output, or, where that is for JSON alone, on standard error.

use std::io;

use sops_core::printable;

use crate::{
    answer,
    error::Failure,
    ui::{self, Ui},
};

/// A command and who runs it.
#[derive(Clone, Copy)]
pub(crate) struct Dialogue {
    ui: Ui,
    is_json: bool,
}

impl Dialogue {
    pub(crate) fn new(ui: Ui, is_json: bool) -> Self {
        Self { ui, is_json }
    }

    /// Shows what a question will be about. What a terminal would obey is escaped.
    pub(crate) fn say(self, text: &str) -> Result<(), Failure> {
        self.say_painted(&printable::text(text))
    }

    /// Shows what a question will be about, in colours. Whoever makes the text escapes the names in it.
    pub(crate) fn say_painted(self, text: &str) -> Result<(), Failure> {
        match self.is_json {
            true => self.ui.ask(text),
            false => ui::print_painted(text)?,
        }
        Ok(())
    }

    /// Asks until standard input says yes or no.
    ///
    /// # Errors
    ///
    /// The one that is given, if nobody answers.
    pub(crate) fn confirm(self, question: &str, no_answer: Failure) -> Result<bool, Failure> {
        answer::yes_or_no(|| self.say(question))?.ok_or(no_answer)
    }

    /// Returns whether what is said may be in colours.
    pub(crate) fn takes_colours(self) -> bool {
        match self.is_json {
            true => ui::takes_colours(&io::stderr()),
            false => ui::takes_colours(&io::stdout()),
        }
    }
}
