//! Slips of the fingers, and what was probably meant.

use std::ffi::{OsStr, OsString};

use clap::Command;

use super::flag::{Flag, look_up};
use crate::{
    definitions::Definitions,
    error::{Code, Failure},
};

/// `sops decrpyt FILE` would edit a new file of that name.
pub(super) fn refuse_misspelt_verb(
    flags: &[Flag],
    files: &[OsString],
    exists: impl Fn(&OsStr) -> bool,
) -> Result<(), Failure> {
    let Some(word) = files.first().and_then(|file| file.to_str()) else {
        return Ok(());
    };
    let is_path = word.contains(['/', '\\', '.']) || exists(word.as_ref());
    if is_path || flags.iter().any(Flag::is_mode) {
        return Ok(());
    }
    let verbs = Definitions::names();
    match closest(word, verbs) {
        Some(verb) => Err(Failure::new(
            Code::Generic,
            format!("there is no command and no file {word:?}"),
        )
        .hint(format!("did you mean `sops {verb}`?"))
        .hint(format!(
            "to make a new file of that name: `sops edit {word}`"
        ))),
        None => Ok(()),
    }
}

/// A flag as it is usually written.
pub(super) fn with_dashes(name: &str) -> String {
    match name.chars().nth(1) {
        Some(_) => format!("--{name}"),
        None => format!("-{name}"),
    }
}

/// An undefined flag, in the words of the reference.
pub(super) fn undefined(definitions: &Definitions, verb: Option<&str>, name: &str) -> Failure {
    let failure = Failure::new(
        Code::Generic,
        format!("flag provided but not defined: {}", with_dashes(name)),
    );
    let subcommand = verb.and_then(|verb| definitions.verb(verb));
    let names = [Some(definitions.program()), subcommand]
        .into_iter()
        .flatten()
        .flat_map(Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .chain(["help", "version"])
        .chain(
            verb.is_none()
                .then_some(["encrypt", "decrypt"])
                .into_iter()
                .flatten(),
        );
    let everywhere = definitions
        .verbs()
        .flat_map(Command::get_arguments)
        .filter_map(clap::Arg::get_long);
    let all_short = (2..=4).contains(&name.len())
        && name
            .chars()
            .all(|letter| look_up(definitions, verb, letter.encode_utf8(&mut [0; 4])).is_some());
    if all_short {
        let apart: Vec<String> = name.chars().map(|letter| format!("-{letter}")).collect();
        return failure.hint(format!("short flags stand apart: {}", apart.join(" ")));
    }
    match closest(name, names).or_else(|| closest(name, everywhere).filter(|_| verb.is_none())) {
        Some(known) if known != name => failure.hint(format!("did you mean --{known}?")),
        _ => match verb {
            Some(verb) => failure.hint(format!("`sops {verb} --help` lists the flags")),
            None => failure.hint("`sops --help` lists commands and flags"),
        },
    }
}

/// The name that differs from `word` by a slip of the fingers.
pub(super) fn closest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (strsim::osa_distance(word, name), name))
        .filter(|&(distance, name)| distance <= (name.len() / 3).clamp(1, 3))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_letters_may_differ() {
        let names = ["decrypt", "encrypt", "edit", "set", "rotate"];
        for (word, expected) in [
            ("decrpyt", Some("decrypt")),
            ("dcrypt", Some("decrypt")),
            ("encrypted", Some("encrypt")),
            ("rotat", Some("rotate")),
            ("st", Some("set")),
            ("set", Some("set")),
            ("", None),
            ("x", None),
            ("notes", None),
            ("secrets", None),
        ] {
            assert_eq!(closest(word, names.into_iter()), expected, "{word}");
        }
    }

    #[test]
    fn an_undefined_flag_comes_with_what_was_meant() {
        for (verb, name, hint) in [
            (Some("decrypt"), "in-plase", "did you mean --in-place?"),
            (Some("decrypt"), "di", "short flags stand apart: -d -i"),
            (
                Some("decrypt"),
                "zzzzz",
                "`sops decrypt --help` lists the flags",
            ),
            // Of another command.
            (None, "extrct", "did you mean --extract?"),
            (None, "decrpyt", "did you mean --decrypt?"),
            (None, "zzzzz", "`sops --help` lists commands and flags"),
        ] {
            let failure = undefined(&Definitions::new(), verb, name);
            assert!(format!("{failure:?}").contains(hint), "{name}: {failure:?}");
        }
    }
}
