//! Which files are meant to be encrypted, and which look as if they were.

use std::path::{Component, Path};

use sops_core::{Format, config::CreationRule};

use crate::{context::Context, error::Failure};

/// Whether a rule says of a file that it has to be encrypted.
pub(super) fn is_covered(context: &Context, file: &Path) -> Result<bool, Failure> {
    Ok(context.rule(file)?.is_ok_and(|rule| means_file(rule, file)))
}

/// Settings of tools that hold no secrets, and that nobody could read if they were encrypted.
const SETTINGS: [&str; 6] = [
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    ".pre-commit-config.yaml",
    ".pre-commit-hooks.yaml",
    ".sops.yaml",
];

/// What makes a hidden file or folder one of secrets.
const SECRET_NAMES: [&str; 4] = ["secret", "credential", "password", "passwd"];

/// Endings of dotenv files that show what belongs into the others.
const EXAMPLES: [&str; 6] = [
    "example", "examples", "sample", "template", "dist", "defaults",
];

/// Whether a rule that was chosen for a file means it. A rule without `path_regex` is chosen for everything; what it
/// means are the files that hold values under keys, but not the settings of tools, which start with a dot.
pub(super) fn means_file(rule: &CreationRule, file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    if SETTINGS.iter().any(|settings| name == *settings) {
        return false;
    }
    !rule.path_regex.is_empty()
        || holds_variables(file)
        || Format::from_path(file) != Format::Binary && !is_among_settings(file)
}

/// Whether a file has a name of those with variables: `.env`, `prod.env`, `.env.local`, but not `.env.example`.
pub(super) fn holds_variables(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_prefix(".env.") {
        Some(stage) => !EXAMPLES.iter().any(|ending| stage.ends_with(ending)),
        None => Format::from_path(file) == Format::Dotenv,
    }
}

/// Whether the name of a file, or of a folder on the way to it, starts with a dot and says nothing of secrets.
fn is_among_settings(file: &Path) -> bool {
    file.components().any(|part| {
        let Component::Normal(name) = part else {
            return false;
        };
        let name = name.to_string_lossy().to_lowercase();
        name.starts_with('.') && !SECRET_NAMES.iter().any(|secret| name.contains(secret))
    })
}

/// Whether there is anything in a file that an encrypted one has. A quick look, since most files have not.
pub(super) fn looks_encrypted(content: &[u8]) -> bool {
    contains(content, b"ENC[AES256_GCM,")
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    let mut rest = content;
    while let Some(at) = rest.iter().position(|byte| *byte == wanted[0]) {
        rest = &rest[at..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_are_settings_or_secrets() {
        let file = Path::new;
        for secret in [
            ".env",
            "prod.env",
            "a/.env",
            ".github/.env",
            ".env.local",
            ".env.production",
            "a/.env.test.local",
        ] {
            assert!(holds_variables(file(secret)), "{secret}");
        }
        for other in [
            ".env.example",
            ".env.local.sample",
            ".envrc",
            "env.local",
            ".env.d/x",
        ] {
            assert!(!holds_variables(file(other)), "{other}");
        }
        for settings in [".github/secrets.yaml", "a/.b.json", ".gitlab-ci.yml"] {
            assert!(is_among_settings(file(settings)), "{settings}");
        }
        for secret in [
            "a/b.yaml",
            ".secrets.yaml",
            ".secrets/a.yaml",
            "a/.Credentials.json",
            "../a.yaml",
        ] {
            assert!(!is_among_settings(file(secret)), "{secret}");
        }
    }

    #[test]
    fn looks_for_what_encrypted_files_have() {
        assert!(looks_encrypted(b"a: ENC[AES256_GCM,data:x"));
        assert!(looks_encrypted(b"EENENC[AES256_GCM,"));
        assert!(!looks_encrypted(b"a: ENC[AES256_GC"));
        assert!(!looks_encrypted(b""));
    }
}
