//! Which files are meant to be encrypted, and which look as if they were.

use std::path::{Component, Path};

use sops_core::{Format, config::CreationRule};

use crate::{context::Context, error::Failure};

/// Whether a rule says of a file that it has to be encrypted.
pub(super) fn is_covered(context: &Context, file: &Path) -> Result<bool, Failure> {
    Ok(context.rule(file)?.is_ok_and(|rule| names_file(rule, file)))
}

/// Whether a rule that was chosen for a file means it. A rule without `path_regex` is chosen for everything; what it
/// means are the files that hold values under keys, but not the settings of tools, which start with a dot.
pub(super) fn names_file(rule: &CreationRule, file: &Path) -> bool {
    let is_hidden = |part: Component<'_>| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    let is_dotenv = Format::from_path(file) == Format::Dotenv;
    !rule.path_regex.is_empty()
        || Format::from_path(file) != Format::Binary
            && (is_dotenv || !file.components().any(is_hidden))
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
    fn looks_for_what_encrypted_files_have() {
        assert!(looks_encrypted(b"a: ENC[AES256_GCM,data:x"));
        assert!(looks_encrypted(b"EENENC[AES256_GCM,"));
        assert!(!looks_encrypted(b"a: ENC[AES256_GC"));
        assert!(!looks_encrypted(b""));
    }
}
