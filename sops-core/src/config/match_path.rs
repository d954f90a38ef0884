//! Which rule is for a path.

use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

use super::{Config, ConfigError, ConfigErrorKind, CreationRule};

impl Config {
    /// Returns the first creation rule for a file.
    ///
    /// `path_regex` is tested against the path relative to the folder of the configuration if the file is below it, else
    /// against the absolute path. Neither path needs to exist; relative ones are taken from the working directory.
    ///
    /// # Errors
    ///
    /// Fails if there are no rules, if none is for the file, if the one that is cannot be used, or if before that a
    /// `path_regex` cannot be.
    pub fn rule_for(&self, file: &Path) -> Result<&CreationRule, ConfigError> {
        let Some(rules) = self.creation_rules() else {
            return Err(ConfigError::new(
                ConfigErrorKind::NoCreationRules,
                self.path(),
                None,
                "config file not found, or has no creation rules, and no keys provided through command line options",
            ));
        };
        let path = self.relative(file);
        for rule in rules {
            if rule.is_for(path.as_encoded_bytes())? {
                return match rule.problem() {
                    Some(problem) => Err(problem.clone()),
                    None => Ok(rule),
                };
            }
        }
        Err(self.no_match(rules, &path.to_string_lossy()))
    }

    /// The text that rules are tested against.
    fn relative(&self, file: &Path) -> OsString {
        let file = absolute(file);
        let folder = absolute(self.path().parent().unwrap_or(Path::new("")));
        // By text, like the reference: below the root folder nothing is cut, as no path starts with two slashes.
        let mut prefix = folder.into_os_string();
        prefix.push(std::path::MAIN_SEPARATOR_STR);
        let is_below = (file.as_os_str().as_encoded_bytes()).starts_with(prefix.as_encoded_bytes());
        match file.strip_prefix(Path::new(&prefix)) {
            Ok(rest) if is_below => rest.as_os_str().to_owned(),
            _ => file.into_os_string(),
        }
    }

    fn no_match(&self, rules: &[CreationRule], path: &str) -> ConfigError {
        let tried: Vec<String> = rules
            .iter()
            .map(|rule| format!("line {}: {}", rule.position.line, rule.path_regex))
            .collect();
        let mut message =
            format!("error loading config: no matching creation rules found for {path:?}");
        if tried.is_empty() {
            message.push_str("; creation_rules is empty");
        } else {
            message.push_str("; tried ");
            message.push_str(&tried.join(", "));
        }
        ConfigError::new(ConfigErrorKind::NoMatchingRule, self.path(), None, message).with_hint(
            "add a rule with a path_regex for this path, or one without path_regex at the end",
        )
    }
}

/// The absolute form of a path, `.` and `..` resolved by text.
fn absolute(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}
