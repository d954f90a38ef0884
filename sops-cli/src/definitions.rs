//! The commands and flags as clap knows them, as far as somebody asks for them.
//!
//! To describe all commands with all their flags takes longer than to start the program. So a command is described when
//! its name has come up, and clap gets to see no other one.

use std::cell::OnceCell;

use clap::{Args as _, Command, CommandFactory as _};

use crate::{
    cli::Program,
    commands::{
        check, completion, decrypt, edit, encrypt, exec_env, exec_file, filestatus, get, groups,
        man, publish, recipients, rotate, set, unset, updatekeys,
    },
};

#[cfg(feature = "keyservice")]
use crate::commands::keyservice;
#[cfg(feature = "age")]
use crate::commands::{demo, doctor, init, keygen};

/// Gives a command its flags and its description.
type Describe = fn(Command) -> Command;

/// All commands, in the order in which they are listed.
const VERBS: &[(&str, Describe)] = &[
    ("encrypt", encrypt::Args::augment_args),
    ("decrypt", decrypt::Args::augment_args),
    ("edit", edit::Args::augment_args),
    ("get", get::Args::augment_args),
    ("set", set::Args::augment_args),
    ("unset", unset::Args::augment_args),
    ("rotate", rotate::Args::augment_args),
    ("updatekeys", updatekeys::Args::augment_args),
    ("groups", groups::Args::augment_args),
    ("recipients", recipients::Args::augment_args),
    ("exec-env", exec_env::Args::augment_args),
    ("exec-file", exec_file::Args::augment_args),
    ("filestatus", filestatus::Args::augment_args),
    ("check", check::Args::augment_args),
    #[cfg(feature = "age")]
    ("doctor", doctor::Args::augment_args),
    #[cfg(feature = "age")]
    ("init", init::Args::augment_args),
    #[cfg(feature = "age")]
    ("keygen", keygen::Args::augment_args),
    #[cfg(feature = "age")]
    ("demo", demo::Args::augment_args),
    #[cfg(feature = "keyservice")]
    ("keyservice", keyservice::Args::augment_args),
    ("publish", publish::Args::augment_args),
    ("completion", completion::Args::augment_args),
    ("man", man::Args::augment_args),
];

/// The program, and its commands.
pub(crate) struct Definitions {
    program: Command,
    /// Those that were asked for, in the order of [`VERBS`].
    verbs: [OnceCell<Command>; VERBS.len()],
}

impl Definitions {
    pub(crate) fn new() -> Self {
        Self {
            program: Program::command(),
            verbs: [const { OnceCell::new() }; VERBS.len()],
        }
    }

    /// Returns the program, with the flags of every command, and without the commands.
    pub(crate) fn program(&self) -> &Command {
        &self.program
    }

    /// Returns the names of all commands.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        VERBS.iter().map(|(name, _)| *name)
    }

    /// Returns a command.
    pub(crate) fn verb(&self, name: &str) -> Option<&Command> {
        let index = Self::names().position(|known| known == name)?;
        Some(self.described(index))
    }

    /// Returns all commands.
    pub(crate) fn verbs(&self) -> impl Iterator<Item = &Command> {
        (0..VERBS.len()).map(|index| self.described(index))
    }

    /// Returns the program with one command, as clap is to read the arguments of that command.
    pub(crate) fn with_verb(mut self, name: &str) -> Command {
        match Self::names().position(|known| known == name) {
            Some(index) => {
                self.described(index);
                let verb = self.verbs[index].take();
                self.program.subcommands(verb)
            }
            None => self.with_verbs(),
        }
    }

    /// Returns the program with all commands.
    pub(crate) fn with_verbs(self) -> Command {
        let verbs: Vec<Command> = self.verbs().cloned().collect();
        self.program.subcommands(verbs)
    }

    fn described(&self, index: usize) -> &Command {
        let (name, describe) = VERBS[index];
        self.verbs[index].get_or_init(|| describe(Command::new(name)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Subcommand as _;

    use super::*;
    use crate::cli::Verb;

    #[test]
    fn the_commands_are_those_that_can_be_run() {
        let derived = Verb::augment_subcommands(Command::new("sops"));
        let shape = |command: &Command| {
            let flags = command
                .get_arguments()
                .map(|flag| flag.get_id().to_string());
            let about = command.get_about().map(ToString::to_string);
            (
                command.get_name().to_owned(),
                about,
                flags.collect::<Vec<_>>(),
            )
        };
        let derived: Vec<_> = derived.get_subcommands().map(shape).collect();
        let listed: Vec<_> = Definitions::new().verbs().map(shape).collect();
        assert_eq!(listed, derived);
        Definitions::new().with_verbs().debug_assert();
    }

    #[test]
    fn clap_sees_one_command_if_it_has_to_see_no_more() {
        let verbs = |command: Command| command.get_subcommands().count();
        assert_eq!(verbs(Definitions::new().with_verb("decrypt")), 1);
        assert_eq!(verbs(Definitions::new().with_verb("help")), VERBS.len());
        assert_eq!(verbs(Definitions::new().with_verbs()), VERBS.len());
    }

    /// Arguments are taken apart with the first command that has a flag, which need not be the one that is meant.
    #[test]
    fn a_flag_has_the_same_shape_in_all_commands() {
        let definitions = Definitions::new();
        let mut long = BTreeMap::new();
        let mut short = BTreeMap::new();
        for command in definitions.verbs().chain([definitions.program()]) {
            for flag in command.get_arguments() {
                let Some(name) = flag.get_long() else {
                    continue;
                };
                let shape = (flag.get_action().takes_values(), flag.get_num_args());
                let known = long.entry(name).or_insert(shape);
                assert_eq!(*known, shape, "--{name} of {}", command.get_name());
                if let Some(letter) = flag.get_short() {
                    let known = short.entry(letter).or_insert(name);
                    assert_eq!(*known, name, "-{letter} of {}", command.get_name());
                }
            }
        }
    }
}
