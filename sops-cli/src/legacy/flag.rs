//! A flag: what there is of it, and what was given.

use std::{any::TypeId, ffi::OsString, path::PathBuf};

use clap::{ArgAction, Command};

use super::verb::Form;
use crate::definitions::Definitions;

pub(super) struct Flag {
    /// The long name.
    pub(super) name: String,
    pub(super) known: Known,
    pub(super) value: Option<OsString>,
    pub(super) before_verb: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Help,
    Version,
    /// `--encrypt`, `--decrypt`, `--rotate`, `--set`.
    Mode,
    /// Defined in `cli`.
    Defined {
        takes: Takes,
        is_path: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    OptionalValue,
}

impl Flag {
    pub(super) fn is_mode(&self) -> bool {
        self.known == Known::Mode
    }

    /// The flag as clap reads it without doubt.
    pub(super) fn written(self) -> OsString {
        let mut written = OsString::from(format!("--{}", self.name));
        if let Some(value) = self.value {
            written.push("=");
            written.push(value);
        }
        written
    }
}

/// Finds a flag by its long or short name, whichever command defines it: a flag has the same shape everywhere. The one
/// that is `likely` meant is looked at first, so that the others need not be described.
pub(super) fn look_up(
    definitions: &Definitions,
    likely: Option<&str>,
    name: &str,
) -> Option<(String, Known)> {
    let special = match name {
        "help" => Some(("help", Known::Help)),
        "h" => Some(("h", Known::Help)),
        "version" | "v" => Some(("version", Known::Version)),
        "encrypt" | "e" => Some(("encrypt", Known::Mode)),
        "decrypt" | "d" => Some(("decrypt", Known::Mode)),
        "rotate" | "r" => Some(("rotate", Known::Mode)),
        "set" => Some(("set", Known::Mode)),
        _ => None,
    };
    if let Some((long, known)) = special {
        return Some((long.to_owned(), known));
    }
    let likely = likely.and_then(|verb| definitions.verb(verb));
    std::iter::once(definitions.program())
        .chain(likely)
        .chain(definitions.verbs())
        .flat_map(Command::get_arguments)
        .find_map(|arg| {
            let long = arg.get_long()?;
            let short = arg
                .get_short()
                .is_some_and(|short| name.chars().eq([short]));
            let aliases = arg.get_all_aliases().unwrap_or_default();
            (long == name || short || aliases.contains(&name)).then(|| {
                let optional = arg
                    .get_num_args()
                    .is_some_and(|range| range.min_values() == 0);
                let takes = match arg.get_action() {
                    ArgAction::Set | ArgAction::Append if optional => Takes::OptionalValue,
                    ArgAction::Set | ArgAction::Append => Takes::Value,
                    _ => Takes::Nothing,
                };
                let is_path = arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
                (long.to_owned(), Known::Defined { takes, is_path })
            })
        })
}

pub(super) fn takes(name: &str, known: Known) -> Takes {
    match known {
        Known::Defined { takes, .. } => takes,
        Known::Mode if name == "set" => Takes::Value,
        _ => Takes::Nothing,
    }
}

/// Whether a mode can be a flag of the command: before a verb it stands for another one.
pub(super) fn takes_mode(flag: &Flag, form: Form) -> bool {
    form == Form::Legacy || !flag.before_verb
}

/// Flags that callers pass whatever the verb: those of encrypting when they decrypt.
pub(super) fn is_tolerated(verb: &str, name: &str) -> bool {
    match verb {
        "decrypt" => {
            KEY_FLAGS.contains(&name)
                || name.ends_with("-suffix")
                || name.ends_with("-regex")
                || matches!(
                    name,
                    "aws-profile" | "encryption-context" | "shamir-secret-sharing-threshold"
                )
        }
        "edit" | "set" => name == "in-place",
        _ => false,
    }
}

const KEY_FLAGS: [&str; 7] = [
    "age",
    "pgp",
    "kms",
    "gcp-kms",
    "hckms",
    "azure-kv",
    "hc-vault-transit",
];

pub(super) fn defines(command: &Command, name: &str) -> bool {
    command
        .get_arguments()
        .any(|arg| arg.get_long() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_found_by_each_of_its_names() {
        let definitions = Definitions::new();
        let defined = |takes, is_path| Known::Defined { takes, is_path };
        for (name, expected) in [
            ("i", Some(("in-place", defined(Takes::Nothing, false)))),
            (
                "in-place",
                Some(("in-place", defined(Takes::Nothing, false))),
            ),
            ("output", Some(("output", defined(Takes::Value, true)))),
            ("age", Some(("age", defined(Takes::Value, false)))),
            ("config", Some(("config", defined(Takes::Value, true)))),
            ("d", Some(("decrypt", Known::Mode))),
            ("h", Some(("h", Known::Help))),
            ("v", Some(("version", Known::Version))),
            ("ag", None),
            ("", None),
        ] {
            for likely in [None, Some("decrypt"), Some("nothing")] {
                let found = look_up(&definitions, likely, name);
                let expected = expected.map(|(long, known)| (long.to_owned(), known));
                assert_eq!(found, expected, "{name}");
            }
        }
    }

    #[test]
    fn what_is_tolerated_belongs_to_encrypting() {
        for (verb, name, expected) in [
            ("decrypt", "age", true),
            ("decrypt", "encrypted-regex", true),
            ("decrypt", "unencrypted-suffix", true),
            ("decrypt", "add-age", false),
            ("decrypt", "yes", false),
            ("edit", "in-place", true),
            ("encrypt", "age", false),
        ] {
            assert_eq!(is_tolerated(verb, name), expected, "{verb} --{name}");
        }
    }
}
