//! The arguments taken apart: flags with their values, and the rest.

use std::ffi::{OsStr, OsString};

use super::{
    flag::{Flag, Takes, look_up, takes},
    suggestion::undefined,
    verb::is_verb,
};
use crate::{
    definitions::Definitions,
    error::{Code, Failure},
};

/// Arguments taken apart.
pub(super) struct Words {
    pub(super) flags: Vec<Flag>,
    pub(super) positionals: Vec<OsString>,
    /// Whether the first positional names a command.
    pub(super) verb_first: bool,
    /// How many positionals stand before `--`, which says that no flags follow.
    pub(super) before_dashes: Option<usize>,
}

impl Words {
    pub(super) fn read(
        definitions: &Definitions,
        arguments: Vec<OsString>,
    ) -> Result<Self, Failure> {
        let mut words = Self {
            flags: Vec::new(),
            positionals: Vec::new(),
            verb_first: false,
            before_dashes: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                words.before_dashes = Some(words.positionals.len());
                words.positionals.extend(arguments);
                break;
            }
            let Some((name, value)) = split_flag(&argument) else {
                if words.positionals.is_empty() {
                    words.verb_first = is_verb(&argument);
                }
                words.positionals.push(argument);
                continue;
            };
            let verb = words
                .verb_first
                .then(|| words.positionals[0].to_string_lossy());
            let Some((name, known)) = look_up(definitions, words.likely_verb(), &name) else {
                return Err(undefined(definitions, verb.as_deref(), &name));
            };
            let before_verb = !words.verb_first;
            let value = match takes(&name, known) {
                Takes::Nothing => match value.map(|value| switch(&name, &value)) {
                    None | Some(Ok(true)) => None,
                    Some(Ok(false)) => {
                        // A switch turned off is one turned off again: the last one wins.
                        words.flags.retain(|flag| flag.name != name);
                        continue;
                    }
                    Some(Err(failure)) => return Err(failure),
                },
                Takes::OptionalValue => value,
                Takes::Value => match value.or_else(|| arguments.next()) {
                    Some(value) => Some(value),
                    None => {
                        let message = format!("flag needs an argument: --{name}");
                        return Err(Failure::new(Code::Generic, message));
                    }
                },
            };
            words.flags.push(Flag {
                name,
                known,
                value,
                before_verb,
            });
        }
        Ok(words)
    }

    /// The command that is meant, by what was read so far.
    fn likely_verb(&self) -> Option<&str> {
        let mode = || self.flags.iter().find(|flag| flag.is_mode());
        match self.verb_first {
            true => self.positionals[0].to_str(),
            false => mode().map(|flag| flag.name.as_str()),
        }
    }
}

/// Takes `--name=value` apart. `None`: no flag, such as a file name or a lone `-`.
fn split_flag(argument: &OsStr) -> Option<(String, Option<OsString>)> {
    let (name, value) = match argument.to_str() {
        Some(text) => match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text.to_owned(), None),
        },
        None => split_bytes(argument)?,
    };
    let dashes = name.len() - name.trim_start_matches('-').len();
    let bare = name[dashes.min(2)..].to_owned();
    // A value to set: no flag starts with a digit.
    if dashes == 1 && bare.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    (dashes > 0 && !bare.is_empty()).then_some((bare, value))
}

/// A flag whose value, such as a path, is not UTF-8.
#[cfg(unix)]
fn split_bytes(argument: &OsStr) -> Option<(String, Option<OsString>)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let bytes = argument.as_bytes();
    let end = bytes.iter().position(|&byte| byte == b'=')?;
    let name = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((
        name.to_owned(),
        Some(OsString::from_vec(bytes[end + 1..].to_vec())),
    ))
}

#[cfg(not(unix))]
fn split_bytes(_argument: &OsStr) -> Option<(String, Option<OsString>)> {
    None
}

/// Reads the value of a switch as Go's `strconv.ParseBool` does.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn switch(name: &str, value: &OsStr) -> Result<bool, Failure> {
    value.to_str().and_then(parse_bool).ok_or_else(|| {
        let value = value.to_string_lossy();
        Failure::new(
            Code::Generic,
            format!("invalid boolean value {value:?} for --{name}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_from_files_and_values() {
        for (argument, expected) in [
            ("-d", Some(("d", None))),
            ("--decrypt", Some(("decrypt", None))),
            ("--output=o=p", Some(("output", Some("o=p")))),
            ("--output=", Some(("output", Some("")))),
            ("---x", Some(("-x", None))),
            ("--5", Some(("5", None))),
            ("-5", None),
            ("-", None),
            ("--=x", None),
            ("f.yaml", None),
            ("a=-b", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, value): (&str, Option<&str>)| {
                (name.to_owned(), value.map(OsString::from))
            });
            assert_eq!(split_flag(OsStr::new(argument)), expected, "{argument}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_value_need_not_be_utf_8() {
        use std::os::unix::ffi::OsStrExt as _;

        let split = |bytes| split_flag(OsStr::from_bytes(bytes));
        let value = OsStr::from_bytes(b"\xff").to_owned();
        assert_eq!(
            split(b"--output=\xff"),
            Some(("output".to_owned(), Some(value)))
        );
        assert_eq!(split(b"--out\xff=x"), None);
        assert_eq!(split(b"\xff"), None);
    }

    #[test]
    fn switches_are_read_as_go_reads_them() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(text), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(text), Some(false), "{text}");
        }
        for text in ["", "yes", "tRUE", " true", "2"] {
            assert_eq!(parse_bool(text), None, "{text}");
        }
    }
}
