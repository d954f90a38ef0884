//! What a command needs to know besides its arguments: the configuration, the keys, the format of a file.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sops_core::{
    EncryptOptions, EncryptedFile, Error, Format, Keyring, Unlocked,
    config::{Config, ConfigErrorKind, ConfigWarning, CreationRule},
};

#[cfg(feature = "audit")]
use sops_audit::Action;

#[cfg(feature = "audit")]
use crate::audit::Audit;
use crate::{
    backends,
    cli::{GlobalArgs, KeyArgs, SelectorArgs, TypeArgs},
    error::{Code, Doing, Failure},
    prompt::UserPrompt,
    ui::Ui,
    working_folder::{absolute, by_shell},
};

/// The run of one command.
pub(crate) struct Context {
    pub(crate) ui: Ui,
    global: GlobalArgs,
    config: Once<Option<Config>>,
    keyring: Once<Keyring>,
    has_warned: AtomicBool,
    has_warned_about_formats: AtomicBool,
    has_warned_about_rules: AtomicBool,
    #[cfg(feature = "audit")]
    audit: Audit,
}

/// What happens to a file, for the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Encrypt,
    Decrypt,
    Rotate,
}

impl Event {
    /// What a rotation is, as the reference has it.
    pub(crate) const ROTATION: [Self; 3] = [Self::Rotate, Self::Decrypt, Self::Encrypt];
}

/// The names and formats of a file to work on.
pub(crate) struct Target {
    /// How messages call it.
    pub(crate) name: String,
    /// The absolute path that creation rules are matched with.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    /// The format of the result.
    pub(crate) output: Format,
    /// Whether nothing says what format the result should have: neither the name of the file nor an option.
    pub(crate) is_output_open: bool,
    /// Whether nothing says what format the file has: neither its name nor an option.
    pub(crate) is_format_open: bool,
    /// Whether there is no name that could say so.
    pub(crate) is_unnamed: bool,
}

impl Target {
    /// Says of an error of the library which file it is about.
    pub(crate) fn failed(&self, doing: Doing) -> impl Fn(Error) -> Failure + Copy {
        move |error| Failure::from_library(&error, doing, &self.name)
    }
}

impl Context {
    pub(crate) fn new(global: GlobalArgs, ui: Ui) -> Self {
        Self {
            ui,
            global,
            config: Once::default(),
            keyring: Once::default(),
            has_warned: AtomicBool::new(false),
            has_warned_about_formats: AtomicBool::new(false),
            has_warned_about_rules: AtomicBool::new(false),
            #[cfg(feature = "audit")]
            audit: Audit::default(),
        }
    }

    /// Names a file, and finds out its format. No file is standard input.
    pub(crate) fn target(&self, file: Option<&Path>, types: &TypeArgs) -> Result<Target, Failure> {
        let given = |name: &Option<String>| name.as_deref().and_then(Format::from_name);
        self.warn_about_formats(types);
        let named = non_empty_path(types.filename_override.as_deref()).or(file);
        let by_name = named.map_or(Format::Binary, Format::from_path);
        let format = given(&types.input_type).unwrap_or(by_name);
        let output = given(&types.output_type).unwrap_or(match by_name {
            // A name that says nothing about the format; the reference fails there.
            Format::Binary => format,
            _ => by_name,
        });
        let path = named.unwrap_or(Path::new("/dev/stdin"));
        Ok(Target {
            name: file.map_or_else(|| "<stdin>".to_owned(), |file| file.display().to_string()),
            path: absolute(path)?,
            format,
            output,
            is_output_open: by_name == Format::Binary && given(&types.output_type).is_none(),
            is_format_open: by_name == Format::Binary && given(&types.input_type).is_none(),
            is_unnamed: named.is_none(),
        })
    }

    /// Warns of formats that do not exist, which are ignored as in the reference. Once, however many files there are.
    fn warn_about_formats(&self, types: &TypeArgs) {
        let unknown = [
            ("--input-type", &types.input_type),
            ("--output-type", &types.output_type),
        ];
        let unknown = unknown.into_iter().filter_map(|(flag, name)| {
            let name = name.as_deref().filter(|name| !name.is_empty())?;
            Format::from_name(name).is_none().then_some((flag, name))
        });
        let unknown: Vec<_> = unknown.collect();
        if unknown.is_empty() || self.has_warned_about_formats.swap(true, Ordering::Relaxed) {
            return;
        }
        for (flag, name) in unknown {
            self.ui.warning(&format!(
                "{flag} {name} has no effect: there is no such format"
            ));
        }
        self.ui
            .hint("the formats are yaml, json, dotenv, ini and binary");
    }

    /// Whether a file is to be written in the style of the reference instead of its own, because another format or an
    /// indentation was asked for, and how far it is then indented (`None` is the style's own way).
    pub(crate) fn rewriting(&self, target: &Target) -> Result<Option<Option<usize>>, Failure> {
        if target.output == Format::Yaml && self.global.indent.is_some_and(|indent| indent < 0) {
            let message = "--indent: YAML cannot be indented by a negative number";
            return Err(Failure::new(Code::Dump, message));
        }
        let given = self
            .global
            .indent
            .map(|indent| usize::try_from(indent).ok());
        if given.is_some() || target.output == target.format {
            return Ok(given);
        }
        self.indent_of(target).map(Some)
    }

    /// As [`Context::rewriting`], for what is decrypted: also if `SOPS_STYLE` asks for the style of the reference.
    pub(crate) fn rewriting_plaintext(
        &self,
        target: &Target,
    ) -> Result<Option<Option<usize>>, Failure> {
        let asked = self.rewriting(target)?;
        if asked.is_some() {
            return Ok(asked);
        }
        match env::var_os("SOPS_STYLE").filter(|style| !style.is_empty()) {
            None => Ok(None),
            Some(style) if style == "reference" => self.indent_of(target).map(Some),
            Some(_) => Err(Failure::new(
                Code::Generic,
                "SOPS_STYLE: the only style is `reference`",
            )
            .hint("unset it to get files back as they were")),
        }
    }

    /// How far the configuration wants an output of its own style indented.
    fn indent_of(&self, target: &Target) -> Result<Option<usize>, Failure> {
        let stores = self.config()?.map(Config::stores);
        Ok(stores.and_then(|stores| match target.output {
            Format::Yaml => stores.yaml_indent,
            Format::Binary => stores.json_binary_indent,
            _ => stores.json_indent,
        }))
    }

    /// The configuration that was asked for, or that of the working folder and above.
    pub(crate) fn config(&self) -> Result<Option<&Config>, Failure> {
        let config = self.config.get_or_try(|| {
            let path = match non_empty_path(self.global.config.as_deref()) {
                Some(path) => Some(by_shell(path)),
                None => {
                    let found = Config::discover(Path::new("."));
                    found.warning.iter().for_each(|warning| self.warn(warning));
                    found.path.map(|path| by_shell(&path))
                }
            };
            let Some(path) = path else { return Ok(None) };
            self.ui.detail(&format!("using {}", path.display()));
            let config = Config::load(&path).map_err(|error| Failure::from_config(&error))?;
            let (_, others) = split_warnings(&config);
            others.into_iter().for_each(|warning| self.warn(warning));
            Ok(Some(config))
        });
        config.map(Option::as_ref)
    }

    /// Fails if the configuration that was asked for cannot be read, though nothing in it is needed.
    pub(crate) fn check_given_config(&self) -> Result<(), Failure> {
        match non_empty_path(self.global.config.as_deref()) {
            Some(_) => self.config().map(drop),
            None => Ok(()),
        }
    }

    /// Prints what is odd about the destination rules.
    pub(crate) fn warn_about_destinations(&self) -> Result<(), Failure> {
        for warning in self
            .config()?
            .map(Config::destination_warnings)
            .unwrap_or_default()
        {
            self.warn(warning);
        }
        Ok(())
    }

    fn warn(&self, warning: &ConfigWarning) {
        self.ui.warning(&warning.to_string());
        if let Some(hint) = &warning.hint {
            self.ui.hint(hint);
        }
    }

    /// The creation rule for a file; no rule is a reason of its own.
    pub(crate) fn rule(&self, path: &Path) -> Result<Result<&CreationRule, Failure>, Failure> {
        let Some(config) = self.config()? else {
            return Ok(Err(no_rules(None)));
        };
        let found = config.rule_for(path);
        let is_reported =
            matches!(&found, Err(error) if error.kind == ConfigErrorKind::InvalidRule);
        // What is an error is no warning.
        if !is_reported && !self.has_warned_about_rules.swap(true, Ordering::Relaxed) {
            let (of_rules, _) = split_warnings(config);
            of_rules.into_iter().for_each(|warning| self.warn(warning));
        }
        match found {
            Ok(rule) => Ok(Ok(rule)),
            Err(error) => match error.kind {
                ConfigErrorKind::NoCreationRules => Ok(Err(no_rules(Some(config)))),
                ConfigErrorKind::NoMatchingRule => Ok(Err(Failure::from_config(&error))),
                _ => Err(Failure::from_config(&error)),
            },
        }
    }

    /// The keys that this machine can decrypt with, in the order that was asked for.
    pub(crate) fn keyring(&self, doing: Doing) -> Result<&Keyring, Failure> {
        self.keyring.get_or_try(|| self.read_keyring(doing))
    }

    /// Prints what there is to say about the keys that were used, such as an identity file that others can read.
    /// Once, however often it is asked to.
    pub(crate) fn warn_about_keys(&self) {
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let keyring = self.keyring.value.get();
        for warning in keyring.map(Keyring::warnings).unwrap_or_default() {
            self.ui.warning(&warning.to_string());
            if let Some(hint) = &warning.hint {
                self.ui.hint(hint);
            }
        }
    }

    /// Recovers the data key of a file, and records what is about to happen with it: nothing, if the values are not looked
    /// at.
    pub(crate) fn unlock<'t>(
        &self,
        encrypted: EncryptedFile<'t>,
        target: &Target,
        events: &[Event],
    ) -> Result<Unlocked<'t>, Failure> {
        let keyring = self.keyring(Doing::Decrypting)?;
        let unlocked = encrypted
            .unlock(keyring)
            .map_err(target.failed(Doing::Decrypting))?;
        for event in events {
            self.record(*event, target)?;
        }
        Ok(unlocked)
    }

    /// Records what is about to happen to a file, where the administrator wants that.
    #[cfg(feature = "audit")]
    pub(crate) fn record(&self, event: Event, target: &Target) -> Result<(), Failure> {
        let action = match event {
            Event::Encrypt => Action::Encrypt,
            Event::Decrypt => Action::Decrypt,
            Event::Rotate => Action::Rotate,
        };
        self.audit.record(action, &target.path)
    }

    #[cfg(not(feature = "audit"))]
    pub(crate) fn record(&self, _event: Event, _target: &Target) -> Result<(), Failure> {
        Ok(())
    }

    /// A keyring for somebody who keeps it.
    #[cfg(feature = "keyservice")]
    pub(crate) fn new_keyring(&self, doing: Doing) -> Result<Keyring, Failure> {
        self.read_keyring(doing)
    }

    fn read_keyring(&self, doing: Doing) -> Result<Keyring, Failure> {
        let time_limit = backends::time_limit()?;
        let order = self.decryption_order()?;
        let keyring = match self.global.enable_local_keyservice {
            Some(false) => Ok(backends::without_local_keys(&self.global.keyservice)),
            _ => {
                let prompt = UserPrompt::from_env(self.ui);
                Keyring::from_env_with_prompt(prompt.clone())
                    .map(|keyring| backends::add(keyring, prompt, time_limit))
            }
        };
        let keyring = keyring.map_err(|error| Failure::from_key(&error, doing))?;
        let keyring = backends::with_remote_services(keyring, &self.global.keyservice, time_limit)?;
        Ok(keyring.with_decryption_order(order))
    }

    fn decryption_order(&self) -> Result<Vec<String>, Failure> {
        let order = self.global.decryption_order.as_deref().unwrap_or_default();
        if order.is_empty() {
            return Ok(Vec::new());
        }
        let kinds: Vec<&str> = order.split(',').collect();
        // As in the reference, blanks make another kind, and an empty kind is one.
        for (index, kind) in kinds.iter().enumerate() {
            if kinds[..index].contains(kind) {
                let message = format!("Duplicate decryption key type: {kind}");
                return Err(Failure::new(Code::DuplicateOrder, message));
            }
        }
        Ok(kinds.iter().map(|kind| kind.trim().to_owned()).collect())
    }

    /// How to encrypt a new file: what the arguments say, then what the creation rule says.
    pub(crate) fn encrypt_options(
        &self,
        target: &Target,
        keys: &KeyArgs,
        selectors: &SelectorArgs,
    ) -> Result<EncryptOptions, Failure> {
        let found = self.rule(&target.path)?;
        let rule = found.as_ref().ok().copied();
        let groups = match keys.master_keys()? {
            // Keys that are given replace those of the rule, and need none.
            given if !given.is_empty() => vec![given],
            _ => match found {
                Ok(rule) => {
                    let checked = rule.check_keys();
                    checked.map_err(|error| Failure::from_config(&error))?;
                    rule.groups_with_context(&keys.kms_options.context()?)
                }
                Err(failure) => return Err(failure),
            },
        };
        if groups.iter().all(Vec::is_empty) {
            let words = "Could not generate data key: [empty key group provided]";
            return Err(Failure::verbatim(Code::Generic, words)
                .in_file(&target.name)
                .hint(self.without_keys(rule)?));
        }
        let mut options = match rule {
            Some(rule) => EncryptOptions::of_rule(rule),
            None => EncryptOptions::new(Vec::new()),
        };
        options.groups = groups;
        let threshold = keys.shamir_secret_sharing_threshold;
        if let Some(threshold) = threshold.filter(|&threshold| threshold > 0) {
            options.shamir_threshold = Some(threshold);
        }
        options.mac_only_encrypted |= self.global.mac_only_encrypted;
        if let Some(selector) = selectors.selector(rule.and_then(|rule| rule.selector.as_ref()))? {
            options.selector = selector;
        }
        options.layout = self.layout()?;
        options.binary_indent = self.binary_indent()?;
        Ok(options)
    }

    /// Says which rule names no keys.
    fn without_keys(&self, rule: Option<&CreationRule>) -> Result<String, Failure> {
        Ok(match (self.config()?, rule) {
            (Some(config), Some(rule)) => format!(
                "the creation rule at {}:{} is for the file and names no keys; add one, such as age: RECIPIENT",
                config.path().display(),
                rule.position
            ),
            _ => "name a key, such as --age RECIPIENT".to_owned(),
        })
    }

    /// How far the JSON that a binary file becomes is indented; by tabs, if nobody says.
    fn binary_indent(&self) -> Result<Option<usize>, Failure> {
        match self.global.indent {
            Some(indent) => Ok(usize::try_from(indent).ok()),
            None => Ok(self
                .config()?
                .and_then(|config| config.stores().json_binary_indent)),
        }
    }

    /// Whether spellings are kept in the metadata.
    pub(crate) fn layout(&self) -> Result<bool, Failure> {
        Ok(self.config()?.is_none_or(|config| config.stores().layout))
    }
}

/// The warnings of rules that cannot be used, and all others.
fn split_warnings(config: &Config) -> (Vec<&ConfigWarning>, Vec<&ConfigWarning>) {
    let rules = config.creation_rules().unwrap_or_default();
    let problems: Vec<_> = rules.iter().filter_map(CreationRule::problem).collect();
    config.warnings().iter().partition(|warning| {
        problems
            .iter()
            .any(|problem| problem.position == warning.position)
    })
}

fn no_rules(config: Option<&Config>) -> Failure {
    let failure = Failure::new(
        Code::Generic,
        "config file not found, or has no creation rules, and no keys provided through command line options",
    );
    let failure = match config {
        Some(config) => failure.hint(format!(
            "{} was found, and has nothing under creation_rules",
            config.path().display()
        )),
        None => failure,
    };
    failure.hint("`sops init` makes a key and a .sops.yaml; --age RECIPIENT names a key")
}

/// Something that is read at most once, when the first thread needs it.
struct Once<T> {
    value: OnceLock<T>,
    reading: Mutex<()>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            value: OnceLock::new(),
            reading: Mutex::new(()),
        }
    }
}

impl<T> Once<T> {
    fn get_or_try(&self, read: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let _guard = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.value.get() {
            Some(value) => Ok(value),
            None => read().map(|value| self.value.get_or_init(|| value)),
        }
    }
}

fn non_empty_path(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}
