//! The command that is meant.

use std::ffi::{OsStr, OsString};

use super::flag::Flag;
use crate::{
    definitions::Definitions,
    error::{Code, Failure},
};

/// Commands that the reference does not have.
pub(super) const OWN_VERBS: [&str; 8] = [
    "check",
    "demo",
    "doctor",
    "get",
    "init",
    "keygen",
    "man",
    "recipients",
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Verb,
    Legacy,
}

pub(super) fn is_verb(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| {
        is_help_verb(word.as_ref()) || Definitions::names().any(|verb| verb == word)
    })
}

pub(super) fn is_help_verb(word: &OsStr) -> bool {
    word == "help" || word == "h"
}

/// The verb that `-e`, `-d` and the like stand for. When there are several the reference does all of them, and shows
/// the outcome of the last one in its own order.
pub(super) fn verb_of_modes(
    flags: &[Flag],
    warnings: &mut Vec<String>,
) -> Result<&'static str, Failure> {
    let given = |name: &str| flags.iter().any(|flag| flag.name == name);
    let mut modes: Vec<&'static str> = ["encrypt", "decrypt", "rotate", "set"]
        .into_iter()
        .filter(|name| given(name))
        .collect();
    if modes.len() > 1 {
        warnings.push(format!(
            "more than one command (--{}) has been specified; only the last one counts",
            modes.join(", --")
        ));
    }
    if modes.is_empty() && given("extract") {
        return Err(
            Failure::new(Code::Generic, "--extract works on decrypting only")
                .hint("use `sops decrypt --extract PATH FILE`"),
        );
    }
    Ok(modes.pop().unwrap_or("edit"))
}

/// `sops --add-age RECIPIENT FILE` does nothing but edit; for a file that does not exist the reference has a code.
pub(super) fn refuse_keys_of_no_file(
    flags: &[Flag],
    files: &[OsString],
    exists: impl Fn(&OsStr) -> bool,
) -> Result<(), Failure> {
    let changes_keys = |flag: &Flag| flag.name.starts_with("add-") || flag.name.starts_with("rm-");
    match files.first() {
        Some(file) if flags.iter().any(changes_keys) && !exists(file) => Err(Failure::new(
            Code::KeysOfNoFile,
            "cannot add or remove keys on non-existent files, use the `edit` subcommand instead.",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::flag::Known;

    fn flags(names: &[&str]) -> Vec<Flag> {
        let flag = |name: &&str| Flag {
            name: (*name).to_owned(),
            known: Known::Mode,
            value: None,
            before_verb: true,
        };
        names.iter().map(flag).collect()
    }

    #[test]
    fn the_last_mode_in_the_order_of_the_reference_counts() {
        for (given, verb, warned) in [
            (&[][..], "edit", false),
            (&["decrypt"], "decrypt", false),
            (&["decrypt", "encrypt"], "decrypt", true),
            (&["set", "rotate", "encrypt"], "set", true),
        ] {
            let mut warnings = Vec::new();
            let found = verb_of_modes(&flags(given), &mut warnings);
            assert_eq!(found.ok(), Some(verb), "{given:?}");
            assert_eq!(!warnings.is_empty(), warned, "{given:?}");
        }
    }

    #[test]
    fn keys_of_a_file_that_is_not_there_are_refused() {
        let refused = |names: &[&str], file: &str| {
            let files = [OsString::from(file)];
            refuse_keys_of_no_file(&flags(names), &files, |name| name == "existing").is_err()
        };
        assert!(refused(&["add-age"], "new") && refused(&["rm-kms"], "new"));
        assert!(!refused(&["add-age"], "existing") && !refused(&["age"], "new"));
    }
}
