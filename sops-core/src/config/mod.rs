//! `.sops.yaml`.

mod destination;
mod discover;
mod error;
mod key_groups;
mod match_path;
mod reader;
mod rule;
mod stores;

pub use destination::{Destination, DestinationRule};
pub use discover::Discovery;
pub use error::{ConfigError, ConfigErrorKind, ConfigWarning};
pub use rule::CreationRule;
pub use stores::StoresConfig;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    format::{Format, ParseOptions, SyntaxError, SyntaxErrorKind},
    tree::Tree,
};
use reader::Reader;

/// More bytes than a configuration has, however many rules there are.
const MAX_SIZE: u64 = 16 << 20;

/// A `.sops.yaml`: which keys are for which files.
///
/// Keys that nobody knows, and others that have no effect, are accepted as the reference accepts them, but told by
/// [`warnings`](Self::warnings). A rule that cannot be used (a bad regular expression, a text that is no key, two
/// selectors) stands in the way only of the files that it would be for; also this the warnings tell.
#[derive(Clone, Debug)]
pub struct Config {
    path: PathBuf,
    /// `None` if there is no such key: then the file is as good as none.
    creation_rules: Option<Vec<CreationRule>>,
    destinations: Vec<DestinationRule>,
    stores: StoresConfig,
    warnings: Vec<ConfigWarning>,
    destination_warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Reads the configuration file at `path`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if it is larger than 16 MiB, and as [`parse`](Self::parse) does.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable =
            |message: String| ConfigError::new(ConfigErrorKind::Unreadable, path, None, message);
        let bytes = read(path)
            .map_err(|error| unreadable(format!("could not read config file: {error}")))?;
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(unreadable("the config file is in UTF-16".to_owned()).with_hint(
                "convert it to UTF-8; in PowerShell: Get-Content FILE | Out-File -Encoding utf8 NEW",
            ));
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| unreadable("the config file is not UTF-8".to_owned()))?;
        Self::parse(&text, path)
    }

    /// Reads the text of a configuration. `path` is for messages, and its folder is what paths are relative to.
    ///
    /// # Errors
    ///
    /// Fails if it is not YAML, or if a key has a value of another type than it must have.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let tree = match Format::Yaml.parse(text, ParseOptions::default()) {
            Ok(tree) => tree,
            Err(error)
                if matches!(
                    error.kind,
                    SyntaxErrorKind::Empty | SyntaxErrorKind::NoDocument
                ) =>
            {
                return Ok(Self::without_rules(path));
            }
            Err(error) => return Err(syntax_error(error, path)),
        };
        Self::from_tree(text, &tree, path)
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what is accepted, but probably not meant so.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Returns the same for the destination rules, which only those who publish need to know.
    #[must_use]
    pub fn destination_warnings(&self) -> &[ConfigWarning] {
        &self.destination_warnings
    }

    /// Returns the settings under `stores`.
    #[must_use]
    pub fn stores(&self) -> &StoresConfig {
        &self.stores
    }

    /// Returns the creation rules, in order; `None` if the file has no such key.
    #[must_use]
    pub fn creation_rules(&self) -> Option<&[CreationRule]> {
        self.creation_rules.as_deref()
    }

    /// Returns the destination rules, in order.
    #[must_use]
    pub fn destination_rules(&self) -> &[DestinationRule] {
        &self.destinations
    }

    fn without_rules(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            creation_rules: None,
            destinations: Vec::new(),
            stores: StoresConfig::default(),
            warnings: Vec::new(),
            destination_warnings: Vec::new(),
        }
    }

    fn from_tree(text: &str, tree: &Tree, path: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::without_rules(path);
        let mut reader = Reader::new(text, tree, path);
        let mut documents = tree.documents();
        let Some(root) = documents.next().and_then(|document| tree.root(document)) else {
            return Ok(config);
        };
        if let Some(second) = documents.next() {
            reader.warn(
                second,
                "only the first document of the file is read".to_owned(),
                None,
            );
        }
        let mut section = reader
            .section(root, "the configuration")
            .map_err(|mut error| {
                error.kind = ConfigErrorKind::NoConfiguration;
                error
            })?;
        if let Some(node) = section.take(&reader, "creation_rules") {
            let mut rules = Vec::new();
            for node in reader.list(node, "creation_rules")? {
                rules.push(CreationRule::read(&mut reader, node)?);
            }
            config.creation_rules = Some(rules);
        }
        if let Some(node) = section.take(&reader, "destination_rules") {
            let before = std::mem::take(&mut reader.warnings);
            for node in reader.list(node, "destination_rules")? {
                config
                    .destinations
                    .push(DestinationRule::read(&mut reader, node)?);
            }
            config.destination_warnings = std::mem::replace(&mut reader.warnings, before);
        }
        if let Some(node) = section.take(&reader, "stores") {
            config.stores = StoresConfig::read(&mut reader, node)?;
        }
        section.finish(&mut reader, "the configuration");
        config.warnings = reader.warnings;
        config.warn_about_rules();
        Ok(config)
    }

    /// Adds warnings about rules that cannot be used, or never are.
    fn warn_about_rules(&mut self) {
        let rules = self.creation_rules.as_deref().unwrap_or_default();
        for problem in rules.iter().filter_map(CreationRule::problem) {
            self.warnings.push(ConfigWarning {
                path: self.path.clone(),
                position: problem.position,
                message: format!("a rule that cannot be used: {}", problem.message),
                hint: problem.hint.clone(),
            });
        }
        let catch_all = rules.iter().position(|rule| rule.path_regex.is_empty());
        if let Some(at) = catch_all
            && let Some(next) = rules.get(at + 1)
        {
            self.warnings.push(ConfigWarning {
                path: self.path.clone(),
                position: Some(next.position),
                message: format!(
                    "this rule is never used: the one at line {} has no path_regex and is for all files",
                    rules[at].position.line
                ),
                hint: Some("the first rule that matches wins; move the one for all to the end".to_owned()),
            });
        }
        self.warnings.sort_by_key(|warning| warning.position);
    }
}

fn syntax_error(error: SyntaxError, path: &Path) -> ConfigError {
    let message = format!("could not read as YAML: {}", error.message);
    let problem = ConfigError::new(
        ConfigErrorKind::NoConfiguration,
        path,
        Some(error.position),
        message,
    );
    match error.hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// Reads a file, unless it is one that never ends.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        let message = format!("it has more than {} MiB", MAX_SIZE >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
