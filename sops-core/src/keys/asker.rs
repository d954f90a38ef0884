//! Asking the user for secrets, in turn, and again when an answer is wrong.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{KeyError, Prompt, PromptError};
use crate::secret::SecretText;

/// How often a secret is asked for when the answers are wrong.
const ATTEMPTS: usize = 3;

/// Asks one question at a time, if there is somebody to ask. Clones ask the same user.
#[derive(Clone, Default)]
pub(super) struct Asker(Arc<Inner>);

#[derive(Default)]
struct Inner {
    prompt: Option<Box<dyn Prompt>>,
    asking: Mutex<()>,
}

impl Asker {
    /// Asks with `prompt`; without one there is nobody to ask.
    pub(super) fn new(prompt: Option<Box<dyn Prompt>>) -> Self {
        Self(Arc::new(Inner {
            prompt,
            asking: Mutex::default(),
        }))
    }

    /// Asks for `what`, such as the passphrase of a file, until `accept` takes the answer or it was wrong too often.
    pub(super) fn secret<T>(
        &self,
        what: &str,
        mut accept: impl FnMut(&SecretText) -> Result<T, NotAccepted>,
    ) -> Result<T, KeyError> {
        let (prompt, _turn) = self.turn(what)?;
        let mut question = what.to_owned();
        for _ in 0..ATTEMPTS {
            let answer = prompt
                .secret(&question)
                .map_err(|error| error.about(what))?;
            match accept(&answer) {
                Ok(accepted) => return Ok(accepted),
                Err(NotAccepted::Wrong) => question = format!("Wrong, try again. {what}"),
                Err(NotAccepted::Failed(error)) => return Err(error),
            }
        }
        Err(KeyError::new(format!(
            "{what}: the answer was wrong {ATTEMPTS} times"
        )))
    }

    /// Asks whatever `ask` asks, while nobody else does.
    pub(super) fn dialogue<T>(
        &self,
        ask: impl FnOnce(&dyn Prompt) -> Result<T, PromptError>,
    ) -> Result<T, PromptError> {
        let prompt = self.0.prompt.as_deref().ok_or_else(nobody)?;
        let _turn = self.lock();
        ask(prompt)
    }

    fn turn(&self, what: &str) -> Result<(&dyn Prompt, MutexGuard<'_, ()>), KeyError> {
        let prompt = self.0.prompt.as_deref();
        let prompt = prompt.ok_or_else(|| nobody().about(what))?;
        Ok((prompt, self.lock()))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asker({})", self.0.prompt.is_some())
    }
}

/// Why an answer is not taken.
pub(super) enum NotAccepted {
    /// It is the wrong one.
    Wrong,
    /// No answer would do.
    Failed(KeyError),
}

fn nobody() -> PromptError {
    PromptError::unavailable("this program does not ask questions")
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    /// Answers from a list, and counts the questions.
    #[derive(Clone, Default)]
    pub(in super::super) struct Scripted(Arc<Script>);

    #[derive(Default)]
    struct Script {
        answers: Mutex<Vec<Result<String, PromptError>>>,
        questions: Mutex<Vec<String>>,
        is_asking: AtomicBool,
    }

    impl Scripted {
        pub(in super::super) fn new(answers: &[&str]) -> Self {
            let script = Self::default();
            let answers = answers.iter().rev().map(|&answer| Ok(answer.to_owned()));
            script.0.answers.lock().unwrap().extend(answers);
            script
        }

        pub(in super::super) fn failing(error: PromptError) -> Self {
            let script = Self::default();
            script.0.answers.lock().unwrap().push(Err(error));
            script
        }

        pub(in super::super) fn asker(&self) -> Asker {
            Asker::new(Some(Box::new(self.clone())))
        }

        pub(in super::super) fn questions(&self) -> Vec<String> {
            self.0.questions.lock().unwrap().clone()
        }

        fn ask(&self, question: &str) -> Result<String, PromptError> {
            assert!(
                !self.0.is_asking.swap(true, Ordering::SeqCst),
                "two at once"
            );
            self.0.questions.lock().unwrap().push(question.to_owned());
            thread::sleep(Duration::from_millis(2));
            let answer = self.0.answers.lock().unwrap().pop();
            self.0.is_asking.store(false, Ordering::SeqCst);
            answer.unwrap_or(Err(PromptError::Cancelled))
        }
    }

    impl Prompt for Scripted {
        fn secret(&self, question: &str) -> Result<SecretText, PromptError> {
            self.ask(question).map(SecretText::new)
        }

        fn text(&self, question: &str) -> Result<String, PromptError> {
            self.ask(question)
        }

        fn confirm(&self, question: &str, yes: &str, _: Option<&str>) -> Result<bool, PromptError> {
            self.ask(question).map(|answer| answer == yes)
        }

        fn message(&self, message: &str) -> Result<(), PromptError> {
            self.0.questions.lock().unwrap().push(message.to_owned());
            Ok(())
        }
    }

    fn is_right(answer: &SecretText) -> Result<usize, NotAccepted> {
        match answer.expose() {
            "right" => Ok(7),
            "broken" => Err(NotAccepted::Failed(KeyError::new("damaged"))),
            _ => Err(NotAccepted::Wrong),
        }
    }

    #[test]
    fn wrong_answers_are_asked_again_up_to_a_limit() {
        let script = Scripted::new(&["wrong", "right"]);
        let asker = script.asker();
        assert_eq!(asker.secret("The word", is_right).expect("right"), 7);
        assert_eq!(
            script.questions(),
            ["The word", "Wrong, try again. The word"]
        );

        let script = Scripted::new(&["a", "b", "c", "right"]);
        let error = script.asker().secret("The word", is_right);
        assert_eq!(
            error.expect_err("wrong").message,
            "The word: the answer was wrong 3 times"
        );
        assert_eq!(script.questions().len(), 3);
    }

    #[test]
    fn no_answer_is_an_error_that_names_what_was_asked_for() {
        for (prompt, expected, has_hint) in [
            (
                Some(Scripted::failing(PromptError::unavailable("no terminal"))),
                "The word: there is nobody to ask: no terminal",
                true,
            ),
            (
                Some(Scripted::failing(PromptError::Cancelled)),
                "The word: cancelled",
                false,
            ),
            (
                Some(Scripted::failing(PromptError::failed("it broke"))),
                "The word: cannot ask: it broke",
                false,
            ),
            (Some(Scripted::new(&["broken"])), "damaged", false),
            (
                None,
                "The word: there is nobody to ask: this program does not ask questions",
                true,
            ),
        ] {
            let asker = prompt.map_or_else(Asker::default, |script| script.asker());
            let error = asker.secret("The word", is_right).expect_err(expected);
            assert_eq!(error.message, expected);
            assert_eq!(error.hint.is_some(), has_hint, "{expected}");
        }
    }

    #[test]
    fn threads_wait_for_their_turn() {
        let script = Scripted::new(&["right"; 16]);
        let asker = script.asker();
        let taken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    asker.secret("a", is_right).expect("right");
                    asker.dialogue(|prompt| prompt.text("b")).expect("right");
                    taken.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(taken.into_inner(), 8);
        assert_eq!(script.questions().len(), 16);
    }
}
