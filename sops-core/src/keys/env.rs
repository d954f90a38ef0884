//! Identities from the environment: with [`command`], the one place of [`keys`](super)
//! that reads variables and files, and runs commands.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use super::{
    Identities, IdentityError, KeyError,
    age::{AgeService, FoundIdentities, IdentitySource},
    age_file::ssh::PrivateKeyError,
    asker::Asker,
    command::{self, read_limited},
    file_mode::warn_of_readers,
    plugin::Plugins,
};
use crate::secret::SecretBytes;

const KEY: &str = "SOPS_AGE_KEY";
const KEY_FILE: &str = "SOPS_AGE_KEY_FILE";
const KEY_COMMAND: &str = "SOPS_AGE_KEY_CMD";
/// What the command is told.
const RECIPIENT: &str = "SOPS_AGE_RECIPIENT";
const SSH_KEY_FILE: &str = "SOPS_AGE_SSH_PRIVATE_KEY_FILE";
const SSH_KEY_COMMAND: &str = "SOPS_AGE_SSH_PRIVATE_KEY_CMD";
/// Where else private keys of SSH are looked for, in `.ssh` in the folder of the user.
const SSH_KEYS: [&str; 2] = ["id_ed25519", "id_rsa"];
/// How many seconds a plugin may say nothing.
const PLUGIN_TIMEOUT: &str = "SOPS_AGE_PLUGIN_TIMEOUT";

/// Returns where the identities of this user are kept if nothing else is said: `sops/age/keys.txt` in the folder that
/// the platform has for configurations. Reads the environment.
///
/// The folder is `$XDG_CONFIG_HOME`, or else `~/.config` (macOS: `~/Library/Application Support`); on Windows
/// `%AppData%`. `None` if none of these is set.
#[must_use]
pub fn user_key_file_from_env() -> Option<PathBuf> {
    user_key_file(&|name| env::var_os(name))
}

/// Returns the recipients of the identities that [`Keyring::from_env`](super::Keyring::from_env) would use, apart from
/// keys of SSH and those that a command or a passphrase would have to give. Reads the environment and files.
///
/// # Errors
///
/// Fails if there is no identity, and one of the places for them cannot be read; or if there are some, but the recipient of
/// none of them can be told.
pub fn own_recipients_from_env() -> Result<Vec<String>, KeyError> {
    let mut found = Environment::from_env().look();
    if found.identities.is_empty() && !found.problems.is_empty() {
        return Err(found.problems.swap_remove(0));
    }
    let recipients = found.identities.recipients();
    match recipients.is_empty() && !found.identities.is_empty() {
        true => Err(KeyError::new(
            "the recipients of these identities cannot be told without a passphrase or a plugin",
        )),
        false => Ok(recipients),
    }
}

/// Returns the service for the identities that the environment names. Reads the environment; the identities are read when
/// they are needed.
pub(super) fn age_service_from_env(asker: Asker) -> Result<AgeService, KeyError> {
    let plugins = Plugins::new(asker.clone());
    let plugins = match plugin_timeout(env::var_os(PLUGIN_TIMEOUT))? {
        Some(timeout) => plugins.with_patience(timeout),
        None => plugins,
    };
    Ok(AgeService::new(Environment::from_env(), asker, plugins))
}

/// How long a plugin may say nothing, if the variable says so; `Some(None)` is no limit.
fn plugin_timeout(value: Option<OsString>) -> Result<Option<Option<Duration>>, KeyError> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let seconds = value.to_str().and_then(|value| value.parse().ok());
    match seconds {
        Some(0) => Ok(Some(None)),
        Some(seconds) => Ok(Some(Some(Duration::from_secs(seconds)))),
        None => Err(
            KeyError::new(format!("{PLUGIN_TIMEOUT} is no number of seconds")).with_hint(format!(
                "unset {PLUGIN_TIMEOUT}, or set it to 0 for no limit"
            )),
        ),
    }
}

/// Looks up an environment variable.
type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// The identities that the environment names. Nothing is read before it is needed.
pub(super) struct Environment {
    variable: Box<Lookup>,
    common: OnceLock<FoundIdentities>,
    ssh: OnceLock<FoundIdentities>,
    /// What commands gave, for each recipient they were asked for.
    by_recipient: Mutex<HashMap<String, Arc<OnceLock<Arc<FoundIdentities>>>>>,
}

impl Environment {
    pub(super) fn from_env() -> Self {
        Self::new(|name| env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self {
            variable: Box::new(variable),
            common: OnceLock::new(),
            ssh: OnceLock::new(),
            by_recipient: Mutex::default(),
        }
    }

    /// Reads all places, as the reference does: the first is not preferred to the others, and a place that cannot be
    /// read is no reason not to use the others.
    pub(super) fn look(&self) -> FoundIdentities {
        let mut found = FoundIdentities::default();
        match (self.variable)(KEY) {
            Some(text) => {
                let text = SecretBytes::new(text.into_encoded_bytes());
                let problems = found.problems.len();
                found.take(KEY, Identities::parse_words(&text, KEY));
                if is_path(text.expose())
                    && let Some(problem) = found.problems.get_mut(problems)
                {
                    problem.hint = Some(format!(
                        "{KEY} holds the secret key itself; {KEY_FILE} names a file"
                    ));
                }
            }
            None => found.searched.push(format!("{KEY}: not set")),
        }
        self.read_named(&mut found, KEY_FILE, Kind::Age);
        found.searched.push(match (self.variable)(KEY_COMMAND) {
            Some(_) => format!("{KEY_COMMAND}: set, and run when no other identity fits"),
            None => format!("{KEY_COMMAND}: not set"),
        });
        match user_key_file(&self.variable) {
            Some(path) => found.read_file(&path, None, Kind::Age),
            None => found
                .searched
                .push("sops/age/keys.txt: there is no configuration folder to look in".to_owned()),
        }
        found
    }

    /// Reads the places of SSH, as the reference does.
    pub(super) fn look_for_ssh(&self) -> FoundIdentities {
        let mut found = FoundIdentities::default();
        self.read_named(&mut found, SSH_KEY_FILE, Kind::Ssh);
        found.searched.push(match (self.variable)(SSH_KEY_COMMAND) {
            Some(_) => format!("{SSH_KEY_COMMAND}: set, and run when no other identity fits"),
            None => format!("{SSH_KEY_COMMAND}: not set"),
        });
        match user_folder(&self.variable) {
            Some(home) => {
                for name in SSH_KEYS {
                    found.read_file(&home.join(".ssh").join(name), None, Kind::Ssh);
                }
            }
            None => found
                .searched
                .push("~/.ssh: there is no home folder to look in".to_owned()),
        }
        found
    }

    /// Reads the file that a variable names.
    fn read_named(&self, found: &mut FoundIdentities, variable: &str, kind: Kind) {
        match (self.variable)(variable) {
            Some(path) if path.is_empty() => {
                found
                    .problems
                    .push(KeyError::new(format!("{variable} is set, but empty")));
                found.searched.push(format!("{variable}: empty"));
            }
            Some(path) => found.read_file(Path::new(&path), Some(variable), kind),
            None => found.searched.push(format!("{variable}: not set")),
        }
    }

    fn ask_commands(&self, recipient: &str, is_ssh: bool) -> FoundIdentities {
        let mut found = FoundIdentities::default();
        for variable in commands(is_ssh) {
            let Some(command) = (self.variable)(variable) else {
                continue;
            };
            let command = command.to_string_lossy();
            match command::run(variable, &command, (RECIPIENT, recipient)) {
                Ok(text) if variable == SSH_KEY_COMMAND => {
                    let public_key = || Err(without_public_key(variable));
                    found.take_ssh(variable, Identities::parse_ssh(&text, variable, public_key));
                }
                Ok(text) => found.take(variable, Identities::parse(&text, variable)),
                Err(problem) => found.problems.push(problem),
            }
        }
        found
    }
}

impl IdentitySource for Environment {
    fn common(&self) -> &FoundIdentities {
        self.common.get_or_init(|| self.look())
    }

    fn ssh(&self) -> Option<&FoundIdentities> {
        Some(self.ssh.get_or_init(|| self.look_for_ssh()))
    }

    fn for_recipient(&self, recipient: &str, is_ssh: bool) -> Option<Arc<FoundIdentities>> {
        if commands(is_ssh).all(|variable| (self.variable)(variable).is_none()) {
            return None;
        }
        let answer = {
            let mut answers = self
                .by_recipient
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(recipient.to_owned()).or_default())
        };
        // Outside the lock: commands for other recipients need not wait for this one.
        let answer = answer.get_or_init(|| Arc::new(self.ask_commands(recipient, is_ssh)));
        Some(Arc::clone(answer))
    }

    fn already_found(&self) -> Vec<&FoundIdentities> {
        [self.common.get(), self.ssh.get()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// The commands that are asked for the identity of a recipient.
fn commands(is_ssh: bool) -> impl Iterator<Item = &'static str> {
    let ssh = is_ssh.then_some(SSH_KEY_COMMAND);
    [Some(KEY_COMMAND), ssh].into_iter().flatten()
}

/// What a file is expected to hold.
#[derive(Clone, Copy)]
enum Kind {
    Age,
    Ssh,
}

impl FoundIdentities {
    fn take(&mut self, place: &str, parsed: Result<Identities, IdentityError>) {
        match parsed {
            Ok(identities) => {
                self.searched.push(match identities.len() {
                    0 => format!("{place}: no age identity"),
                    1 => format!("{place}: 1 age identity"),
                    count => format!("{place}: {count} age identities"),
                });
                self.identities.append(identities);
            }
            Err(error) => {
                self.searched.push(format!("{place}: malformed"));
                let hint = error.hint();
                self.problems
                    .push(KeyError::new(error.to_string()).with_hint(hint));
            }
        }
    }

    fn take_ssh(&mut self, place: &str, parsed: Result<Identities, KeyError>) {
        match parsed {
            Ok(identities) => {
                let how = match identities.locked_keys().is_empty() {
                    true => "",
                    false => ", with a passphrase",
                };
                self.searched.push(format!("{place}: 1 SSH key{how}"));
                self.identities.append(identities);
            }
            Err(problem) => {
                self.searched.push(format!("{place}: cannot be used"));
                self.problems.push(problem);
            }
        }
    }

    /// Reads the file at `path`, which is that of `variable`, or else one that need not exist.
    fn read_file(&mut self, path: &Path, variable: Option<&str>, kind: Kind) {
        let place = match variable {
            Some(variable) => format!("{variable} ({})", path.display()),
            None => path.display().to_string(),
        };
        let text = File::open(path).and_then(|file| {
            self.warnings.extend(warn_of_readers(path, &file));
            read_limited(&file)
        });
        match text {
            Ok(text) => {
                let origin = path.display().to_string();
                match kind {
                    Kind::Ssh => {
                        let public_key = || read_public_key(path);
                        let parsed = Identities::parse_ssh(&text, &origin, public_key);
                        self.take_ssh(&place, parsed);
                    }
                    Kind::Age => {
                        let parsed = Identities::parse(&text, &origin);
                        let is_empty = parsed.as_ref().is_ok_and(Identities::is_empty);
                        self.take(&place, parsed);
                        if is_empty && let Some(variable) = variable {
                            let problem = KeyError::new(format!("{place} holds no identity"));
                            self.problems.push(problem.with_hint(format!(
                                "set {variable} to the path of an age identity file"
                            )));
                        }
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && variable.is_none() => {
                self.searched.push(format!("{place}: does not exist"));
            }
            Err(error) => {
                self.searched.push(format!("{place}: cannot be read"));
                let mut problem = KeyError::new(format!("cannot read {place}: {error}"));
                if let Some(variable) = variable {
                    let what = match kind {
                        Kind::Age => "an age identity file",
                        Kind::Ssh => "a private key of SSH",
                    };
                    problem = problem.with_hint(match path.starts_with("~") {
                        true => format!("~ is not expanded in {variable}: write the whole path"),
                        false => format!("set {variable} to the path of {what}"),
                    });
                }
                self.problems.push(problem);
            }
        }
    }
}

/// Whether a text is the path of a file rather than a secret key.
fn is_path(text: &[u8]) -> bool {
    !text.contains(&b'\n')
        && [&b"/"[..], b"~", b"."]
            .iter()
            .any(|start| text.starts_with(start))
}

/// Reads the public key that `ssh-keygen` writes beside a private key.
fn read_public_key(path: &Path) -> Result<String, KeyError> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let read = File::open(&public).and_then(read_limited);
    let text = read.and_then(|text| {
        let text = str::from_utf8(text.expose()).map_err(io::Error::other)?;
        Ok(text.to_owned())
    });
    text.map_err(|error| {
        let problem = without_public_key(&path.display().to_string());
        KeyError {
            message: format!(
                "{} ({}: {error})",
                problem.message,
                Path::new(&public).display()
            ),
            ..problem
        }
    })
}

fn without_public_key(place: &str) -> KeyError {
    let problem = PrivateKeyError::OldPassphrase;
    KeyError::new(format!("{place}: {problem}")).with_hint(problem.hint())
}

fn user_key_file(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let configuration = if cfg!(windows) {
        folder("AppData")
    } else if cfg!(target_os = "macos") {
        let library = || folder("HOME").map(|home| home.join("Library/Application Support"));
        folder("XDG_CONFIG_HOME").or_else(library)
    } else {
        match folder("XDG_CONFIG_HOME") {
            // The reference refuses to use a relative one, and does not look in ~/.config either.
            Some(path) => path.is_absolute().then_some(path),
            None => folder("HOME").map(|home| home.join(".config")),
        }
    };
    configuration.map(|folder| folder.join("sops").join("age").join("keys.txt"))
}

/// The folder of the user, as the reference finds it.
fn user_folder(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    variable(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A home folder of its own for one test.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary folder"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
            fs::write(&path, text).expect("a file is written");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                    .expect("a mode is set");
            }
            path
        }

        fn environment(&self, variables: &[(&str, &str)]) -> Environment {
            let mut map: HashMap<String, OsString> = variables
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.into()))
                .collect();
            for name in ["XDG_CONFIG_HOME", "HOME"] {
                map.entry(name.to_owned())
                    .or_insert_with(|| self.0.path().into());
            }
            Environment::new(move |name| map.get(name).cloned())
        }
    }

    fn identity() -> (String, String) {
        let made = Identities::generate();
        (
            made.to_text().expose().trim_end().to_owned(),
            made.recipients().remove(0),
        )
    }

    #[cfg(not(windows))]
    #[test]
    fn all_places_are_read_together() {
        let home = Home::new();
        let made: Vec<_> = (0..4).map(|_| identity()).collect();
        home.write("sops/age/keys.txt", &format!("# mine\n{}\n", made[0].0));
        let file = home.write("other.txt", &made[1].0);
        let environment = home.environment(&[
            (KEY, &format!("{} {}", made[2].0, made[3].0)),
            (KEY_FILE, &file.to_string_lossy()),
        ]);
        assert!(
            environment.already_found().is_empty(),
            "nothing is read before it is needed"
        );
        let found = environment.common();
        let mut recipients = found.identities.recipients();
        let mut expected: Vec<_> = made.into_iter().map(|(_, recipient)| recipient).collect();
        recipients.sort();
        expected.sort();
        assert_eq!(recipients, expected);
        assert!(
            found.problems.is_empty() && found.warnings.is_empty(),
            "{found:?}"
        );
        assert_eq!(found.searched[0], "SOPS_AGE_KEY: 2 age identities");
        assert_eq!(found.searched[2], "SOPS_AGE_KEY_CMD: not set");
    }

    #[cfg(not(windows))]
    #[test]
    fn a_missing_file_is_a_problem_only_if_it_was_named() {
        let home = Home::new();
        let found = home.environment(&[]).look();
        assert!(found.problems.is_empty());
        assert!(
            found.searched[3].ends_with("sops/age/keys.txt: does not exist"),
            "{found:?}"
        );

        let (text, _) = identity();
        home.write("sops/age/keys.txt", &text);
        let found = home
            .environment(&[(KEY_FILE, "/does/not/exist.txt")])
            .look();
        assert_eq!(
            found.identities.len(),
            1,
            "the others are used all the same"
        );
        assert!(
            found.problems[0]
                .message
                .contains("SOPS_AGE_KEY_FILE (/does/not/exist.txt)")
        );
        assert!(found.problems[0].hint.is_some());
        assert_eq!(home.environment(&[(KEY_FILE, "")]).look().problems.len(), 1);
    }

    #[test]
    fn a_malformed_place_is_a_problem_without_its_text() {
        let home = Home::new();
        let found = home.environment(&[(KEY, "hunter2")]).look();
        assert!(found.identities.is_empty());
        assert_eq!(
            found.problems[0].message,
            "SOPS_AGE_KEY, line 1: unknown identity type"
        );
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_warned_of() {
        use std::os::unix::fs::PermissionsExt;

        let home = Home::new();
        let (text, _) = identity();
        let path = home.write("sops/age/keys.txt", &text);
        for (mode, expected) in [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o622, 0)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode is set");
            let found = home.environment(&[]).look();
            assert_eq!(found.warnings.len(), expected, "{mode:o}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_command_is_run_once_per_recipient_and_told_which() {
        let home = Home::new();
        let (text, recipient) = identity();
        let keys = home.write("vault.txt", &format!("{text}\n"));
        let log = home.0.path().join("log");
        let script = home.write(
            "give key.sh",
            &format!(
                "echo \"$SOPS_AGE_RECIPIENT\" >> '{}'\ncat '{}'\n",
                log.display(),
                keys.display()
            ),
        );
        let command = format!("sh '{}'", script.display());
        let environment = home.environment(&[(KEY_COMMAND, &command)]);
        assert!(environment.common().identities.is_empty());
        assert!(!log.exists(), "not before it is needed");
        for name in [&recipient, "other", &recipient] {
            let found = environment.for_recipient(name, false).expect("a command");
            assert_eq!(
                found.identities.recipients(),
                std::slice::from_ref(&recipient)
            );
        }
        let told = fs::read_to_string(log).expect("a log");
        assert_eq!(told, format!("{recipient}\nother\n"));
    }

    #[cfg(unix)]
    #[test]
    fn commands_that_fail_are_problems() {
        let home = Home::new();
        for (command, expected) in [
            ("", "empty"),
            ("# nothing", "empty"),
            ("'sh", "quote"),
            ("/does/not/exist", "cannot run /does/not/exist"),
            (
                "sh -c 'echo AGE-SECRET; exit 3'",
                "sh failed (exit status: 3)",
            ),
            (
                "sh -c 'echo hunter2'",
                "SOPS_AGE_KEY_CMD, line 1: unknown identity type",
            ),
            ("yes", "larger than 1 MiB"),
        ] {
            let environment = home.environment(&[(KEY_COMMAND, command)]);
            let found = environment.for_recipient("age1", false).expect("a command");
            let messages: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
            assert_eq!(messages.len(), 1, "{command}");
            assert!(messages[0].contains(expected), "{}", messages[0]);
            assert!(!messages[0].contains("AGE-SECRET") && !messages[0].contains("hunter2"));
        }
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn the_file_of_the_user_is_in_the_configuration_folder() {
        let path = |variables: &[(&str, &str)]| {
            user_key_file(&|name| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(path(&[]), None);
        assert_eq!(path(&[("HOME", "")]), None);
        assert_eq!(
            path(&[("HOME", "/h")]),
            Some("/h/.config/sops/age/keys.txt".into())
        );
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]),
            Some("/x/sops/age/keys.txt".into())
        );
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "")]),
            Some("/h/.config/sops/age/keys.txt".into())
        );
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]), None);
    }

    #[cfg(not(windows))]
    #[test]
    fn private_keys_of_ssh_are_looked_for_in_all_their_places() {
        let home = Home::new();
        let read = |name: &str| {
            let path = format!("{}/../testdata/ssh/{name}", env!("CARGO_MANIFEST_DIR"));
            fs::read_to_string(path).expect("a key")
        };
        home.write(".ssh/id_ed25519", &read("ed25519-passphrase"));
        home.write(".ssh/id_rsa", &read("ecdsa"));
        let named = home.write("named", &read("rsa"));
        let named = named.to_string_lossy().into_owned();
        let environment = home.environment(&[
            (SSH_KEY_FILE, &named),
            (SSH_KEY_COMMAND, &format!("cat '{named}'")),
        ]);
        assert!(environment.common().identities.is_empty());
        assert_eq!(environment.already_found().len(), 1, "none of SSH was read");
        let found = environment.ssh().expect("places");
        assert_eq!(found.identities.open().len(), 1);
        assert_eq!(found.identities.locked_keys().len(), 1);
        assert_eq!(found.problems.len(), 1);
        assert!(
            found.problems[0]
                .message
                .contains("id_rsa: SSH keys of this type")
        );
        assert_eq!(found.searched.len(), 4);
        assert!(found.searched[2].ends_with("id_ed25519: 1 SSH key, with a passphrase"));
        let by_command = environment
            .for_recipient("ssh-rsa AAAA", true)
            .expect("a command");
        assert_eq!(by_command.identities.len(), 1);
        assert!(environment.for_recipient("age1", false).is_none());

        let nothing = Home::new();
        let environment = nothing.environment(&[(SSH_KEY_FILE, "/does/not/exist")]);
        let found = environment.ssh().expect("places");
        assert_eq!(found.problems.len(), 1);
        assert!(found.problems[0].message.contains(SSH_KEY_FILE));
        assert!(found.searched[3].ends_with("id_rsa: does not exist"));
    }

    #[test]
    fn the_patience_with_plugins_is_a_number_of_seconds() {
        let timeout = |text: &str| plugin_timeout(Some(text.into()));
        assert_eq!(plugin_timeout(None).expect("unset"), None);
        assert_eq!(timeout("").expect("empty"), None);
        assert_eq!(timeout("0").expect("a number"), Some(None));
        assert_eq!(
            timeout("7").expect("a number"),
            Some(Some(Duration::from_secs(7)))
        );
        for wrong in ["-1", "1.5", "soon", "99999999999999999999"] {
            assert!(timeout(wrong).expect_err(wrong).hint.is_some());
        }
    }
}
