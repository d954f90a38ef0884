//! Plugins of age: programs on the path that wrap and unwrap file keys (C2SP, age-plugin.md).

mod process;
#[cfg(all(test, unix))]
mod tests;

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::{
    KeyError, PromptError,
    age_file::{FileKey, KeyTextError, Stanza, bech32_prefix, decode_unpadded},
    asker::Asker,
};
use crate::secret::SecretText;
use process::{Process, ProcessError, tidy};

const RECIPIENT_PREFIX: &str = "age1";
const IDENTITY_PREFIX: &str = "AGE-PLUGIN-";

/// How long a plugin may say nothing, if nobody says otherwise. It may be waiting for a finger on a hardware key.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most commands that a plugin may send in one session.
const MAX_COMMANDS: usize = 10_000;

/// A recipient of a plugin: `age1NAME1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PluginRecipient {
    name: String,
    text: String,
}

/// An identity of a plugin: `AGE-PLUGIN-NAME-1…`. What it holds may be secret.
pub(super) struct PluginIdentity {
    name: String,
    text: SecretText,
}

impl PluginRecipient {
    pub(super) fn parse(text: &str) -> Result<Self, KeyTextError> {
        let prefix = bech32_prefix(text)?;
        let name = prefix.strip_prefix(RECIPIENT_PREFIX).ok_or(KeyTextError)?;
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
        })
    }

    /// Returns the name of the plugin, if `text` begins as a recipient of one does.
    pub(super) fn name_in(text: &str) -> Option<&str> {
        let (name, _) = text.strip_prefix(RECIPIENT_PREFIX)?.rsplit_once('1')?;
        check_name(name).is_ok().then_some(name)
    }
}

impl PluginIdentity {
    pub(super) fn parse(text: &str) -> Result<Self, KeyTextError> {
        let name = bech32_prefix(text)?
            .strip_prefix(IDENTITY_PREFIX)
            .and_then(|rest| rest.strip_suffix('-'))
            .ok_or(KeyTextError)?;
        check_name(name)?;
        Ok(Self {
            name: name.to_ascii_lowercase(),
            text: SecretText::new(text.to_owned()),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self) -> &SecretText {
        &self.text
    }
}

/// Shows nothing but the name of the plugin.
impl fmt::Debug for PluginIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginIdentity({}, [REDACTED])", self.name)
    }
}

/// Names become names of programs: no folder may be among them.
fn check_name(name: &str) -> Result<(), KeyTextError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_allowed) {
        true => Ok(()),
        false => Err(KeyTextError),
    }
}

/// The hash of a recipient or identity, which tells whose answers are whose.
type KeyHash = [u8; 32];

/// Runs plugins, one at a time, since they may share a hardware key and certainly share the user.
pub(super) struct Plugins {
    asker: Asker,
    patience: Option<Duration>,
    /// The folders to look for plugins in, if not those of `PATH`.
    path: Option<OsString>,
    /// Answers of the user that were right, by identity and question.
    answers: Mutex<HashMap<(KeyHash, String), Arc<SecretText>>>,
    running: Mutex<()>,
}

impl Plugins {
    pub(super) fn new(asker: Asker) -> Self {
        Self {
            asker,
            patience: Some(PATIENCE),
            path: None,
            answers: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Sets how long a plugin may say nothing; `None` is no limit.
    pub(super) fn with_patience(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    #[cfg(test)]
    fn with_path(mut self, path: OsString) -> Self {
        self.path = Some(path);
        self
    }

    /// Lets a plugin wrap a file key.
    pub(super) fn wrap(
        &self,
        recipient: &PluginRecipient,
        file_key: &FileKey,
    ) -> Result<Vec<Stanza>, KeyError> {
        let first_phase = vec![
            command("add-recipient", &[&recipient.text]),
            Stanza {
                body: file_key.to_vec(),
                ..command("wrap-file-key", &[])
            },
            command("extension-labels", &[]),
        ];
        let mut stanzas = Vec::new();
        let take = |stanza: &Stanza| match (stanza.kind.as_str(), &stanza.arguments[..]) {
            ("recipient-stanza", [file, kind, arguments @ ..]) if file == "0" => {
                stanzas.push(Stanza {
                    kind: kind.clone(),
                    arguments: arguments.to_vec(),
                    body: stanza.body.clone(),
                });
                Ok(Taken::Yes)
            }
            ("recipient-stanza", _) => Err(ProcessError::Protocol("it sent a malformed stanza")),
            // What must not stand beside it. Nothing does: each recipient gets a file of its own.
            ("labels", _) => Ok(Taken::Yes),
            _ => Ok(Taken::No),
        };
        let (name, key) = (&recipient.name, &recipient.text);
        self.run("recipient-v1", name, key, first_phase, take)
            .and_then(|()| match stanzas.is_empty() {
                true => Err(SessionError::Reported("it wrapped nothing".to_owned())),
                false => Ok(()),
            })
            .map_err(|error| error.into_key_error(name))?;
        Ok(stanzas)
    }

    /// Lets a plugin unwrap the file keys of some files, each given by its stanzas. Returns those that it can.
    pub(super) fn unwrap(
        &self,
        identity: &PluginIdentity,
        files: &[&[Stanza]],
    ) -> Result<Vec<(usize, FileKey)>, KeyError> {
        let (name, key) = (&identity.name, identity.text.expose());
        let mut first_phase = vec![command("add-identity", &[key])];
        for (number, stanzas) in files.iter().enumerate() {
            let number = number.to_string();
            first_phase.extend(stanzas.iter().map(|stanza| {
                let mut arguments = vec![number.clone(), stanza.kind.clone()];
                arguments.extend_from_slice(&stanza.arguments);
                Stanza {
                    kind: "recipient-stanza".to_owned(),
                    arguments,
                    body: stanza.body.clone(),
                }
            }));
        }
        let mut file_keys: Vec<(usize, FileKey)> = Vec::new();
        let take = |stanza: &Stanza| match (stanza.kind.as_str(), &stanza.arguments[..]) {
            ("file-key", [number]) => {
                let number = number.parse().ok().filter(|&number| number < files.len());
                let file_key = stanza.body[..].try_into().ok().map(Zeroizing::new);
                let file_key = number.zip(file_key);
                file_keys.push(file_key.ok_or(MALFORMED_FILE_KEY)?);
                Ok(Taken::Yes)
            }
            ("file-key", _) => Err(MALFORMED_FILE_KEY),
            _ => Ok(Taken::No),
        };
        match self.run("identity-v1", name, key, first_phase, take) {
            // It may have failed with one file, and not with another.
            Err(error) if file_keys.is_empty() => Err(error.into_key_error(name)),
            _ => Ok(file_keys),
        }
    }

    /// Runs a session: sends the commands of the first phase, and answers those of the second. `take` gets those that are
    /// no questions.
    fn run(
        &self,
        role: &str,
        name: &str,
        key: &str,
        first_phase: Vec<Stanza>,
        take: impl FnMut(&Stanza) -> Result<Taken, ProcessError>,
    ) -> Result<(), SessionError> {
        let _turn = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.clone().or_else(|| env::var_os("PATH"));
        let process = Process::start(name, role, &path.unwrap_or_default())?;
        for stanza in first_phase {
            process.send(&stanza);
            wipe(stanza);
        }
        process.send(&command("done", &[]));
        let mut session = Session {
            plugins: self,
            name,
            key: Sha256::digest(key).into(),
            process,
            given: Vec::new(),
            refusal: None,
        };
        let outcome = session.answer(take);
        session.remember_answers(outcome.is_ok());
        match (outcome, session.refusal.take()) {
            // That nobody answered is why it failed, whatever it says.
            (Err(_), Some(refusal)) => Err(SessionError::Refused(refusal)),
            (Ok(()), _) => {
                session.process.finish();
                Ok(())
            }
            (outcome, None) => outcome,
        }
    }
}

/// Whether a command was understood.
#[derive(PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

const MALFORMED_FILE_KEY: ProcessError = ProcessError::Protocol("it sent a malformed file key");

/// Why a session failed.
enum SessionError {
    Process(ProcessError),
    /// The plugin said so.
    Reported(String),
    /// The plugin had a question that was not answered.
    Refused(PromptError),
}

impl From<ProcessError> for SessionError {
    fn from(error: ProcessError) -> Self {
        Self::Process(error)
    }
}

impl SessionError {
    fn into_key_error(self, name: &str) -> KeyError {
        let (what, hint) = match self {
            Self::Process(error) => (error.to_string(), error.hint()),
            Self::Reported(message) => (message, None),
            Self::Refused(error @ PromptError::Unavailable { .. }) => (
                format!("it has a question, and {error}"),
                Some("run sops in a terminal, or set PINENTRY_PROGRAM".to_owned()),
            ),
            Self::Refused(error) => (format!("it has a question: {error}"), None),
        };
        let error = KeyError::new(format!("age plugin {name}: {what}"));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// The second phase of a session: the plugin asks, and is answered.
struct Session<'p> {
    plugins: &'p Plugins,
    name: &'p str,
    key: KeyHash,
    process: Process,
    /// The answers of the user to this run of the plugin, by question.
    given: Vec<(String, Arc<SecretText>)>,
    /// Why the user did not answer.
    refusal: Option<PromptError>,
}

impl Session<'_> {
    fn answer(
        &mut self,
        mut take: impl FnMut(&Stanza) -> Result<Taken, ProcessError>,
    ) -> Result<(), SessionError> {
        let mut reported = None;
        for _ in 0..MAX_COMMANDS {
            let (asker, name) = (&self.plugins.asker, self.name);
            let waiting = || {
                let message = format!("waiting for age-plugin-{name} …");
                let _ = asker.dialogue(|prompt| prompt.message(&message));
            };
            let stanza = self.process.receive(self.plugins.patience, waiting)?;
            let response = match stanza.kind.as_str() {
                "done" => {
                    return reported.map_or(Ok(()), |error| Err(SessionError::Reported(error)));
                }
                "error" => {
                    reported.get_or_insert_with(|| tidy(&String::from_utf8_lossy(&stanza.body)));
                    command("ok", &[])
                }
                "msg" => self.show(&stanza),
                "confirm" => self.confirm(&stanza),
                "request-secret" => self.ask(&stanza, true),
                "request-public" => self.ask(&stanza, false),
                _ => match take(&stanza)? {
                    Taken::Yes => command("ok", &[]),
                    Taken::No => command("unsupported", &[]),
                },
            };
            self.process.send(&response);
            wipe(response);
            wipe(stanza);
        }
        Err(ProcessError::Protocol("it does not come to an end").into())
    }

    fn show(&mut self, stanza: &Stanza) -> Stanza {
        let message = self.text(&stanza.body);
        let shown = self
            .plugins
            .asker
            .dialogue(|prompt| prompt.message(&message));
        self.respond(shown.map(|()| command("ok", &[])))
    }

    fn confirm(&mut self, stanza: &Stanza) -> Stanza {
        let choice = |text: &String| {
            let text = decode_unpadded(text)?;
            Some(tidy(&String::from_utf8_lossy(&text)))
        };
        let question = self.text(&stanza.body);
        let choices: Vec<_> = stanza.arguments.iter().map(choice).collect();
        let (yes, no) = match &choices[..] {
            [Some(yes)] => (yes, None),
            [Some(yes), Some(no)] => (yes, Some(no.as_str())),
            _ => return command("fail", &[]),
        };
        let asker = &self.plugins.asker;
        let chosen = asker.dialogue(|prompt| prompt.confirm(&question, yes, no));
        self.respond(chosen.map(|chosen| command("ok", &[if chosen { "yes" } else { "no" }])))
    }

    fn ask(&mut self, stanza: &Stanza, is_secret: bool) -> Stanza {
        let question = self.text(&stanza.body);
        let is_asked_again = self.given.iter().any(|(given, _)| *given == question);
        let remembered = match is_asked_again {
            // It was wrong, then.
            true => None,
            false => self.plugins.remembered(self.key, &question),
        };
        let answer = match remembered {
            Some(answer) => Ok(answer),
            None => self.plugins.asker.dialogue(|prompt| match is_secret {
                true => prompt.secret(&question).map(Arc::new),
                false => prompt.text(&question).map(SecretText::new).map(Arc::new),
            }),
        };
        if let Ok(answer) = &answer {
            self.given.push((question, Arc::clone(answer)));
        }
        self.respond(answer.map(|answer| Stanza {
            body: answer.expose().as_bytes().to_vec(),
            ..command("ok", &[])
        }))
    }

    /// What the plugin says, and that it is the one who says it.
    fn text(&self, body: &[u8]) -> String {
        format!(
            "age-plugin-{}: {}",
            self.name,
            tidy(&String::from_utf8_lossy(body))
        )
    }

    fn respond(&mut self, response: Result<Stanza, PromptError>) -> Stanza {
        response.unwrap_or_else(|error| {
            self.refusal.get_or_insert(error);
            command("fail", &[])
        })
    }

    /// Keeps the answers for other sessions, or forgets them if they were of no use.
    fn remember_answers(&mut self, were_right: bool) {
        let answers = &self.plugins.answers;
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        for (question, answer) in self.given.drain(..) {
            let key = (self.key, question);
            match were_right {
                true => drop(answers.insert(key, answer)),
                false => drop(answers.remove(&key)),
            }
        }
    }
}

impl Plugins {
    fn remembered(&self, key: KeyHash, question: &str) -> Option<Arc<SecretText>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(key, question.to_owned())).cloned()
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plugins")
    }
}

fn command(kind: &str, arguments: &[&str]) -> Stanza {
    Stanza {
        kind: kind.to_owned(),
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        body: Vec::new(),
    }
}

/// Wipes what may be a key.
fn wipe(mut stanza: Stanza) {
    stanza.body.zeroize();
    stanza.arguments.zeroize();
}
