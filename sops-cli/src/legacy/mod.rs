//! The argument grammar of the reference, rewritten for clap.
//!
//! The reference reads its arguments as Go programs do, and has two forms: `sops decrypt -i FILE` and the older
//! `sops -d -i FILE`. Both come out of here in one strict form, `sops [global] VERB --flag=value … -- FILE…`:
//!
//! - `-flag` is `--flag`; short flags do not combine.
//! - `--flag=value` and `--flag value`; a switch takes `=true` and `=false`, in all of Go's spellings.
//! - Flags may stand before and after the verb and the files; `--` ends them.
//! - Without a verb, `-e`, `-d` decide, and without those it is `edit`. There, a flag that means nothing to the verb
//!   is no error.
//!
//! What flags there are, and whether they take a value, comes from the definitions of the commands, save for those that exist
//! in the older form only.

mod flag;
mod help;
mod suggestion;
#[cfg(test)]
mod tests;
mod verb;
mod words;

use std::ffi::{OsStr, OsString};

pub(crate) use self::words::parse_bool;
use self::{
    flag::{Flag, Known, defines, is_tolerated, takes_mode},
    help::help,
    suggestion::{refuse_misspelt_verb, undefined},
    verb::{Form, OWN_VERBS, is_help_verb, refuse_keys_of_no_file, verb_of_modes},
    words::Words,
};
use crate::{
    definitions::Definitions,
    error::{Code, Failure},
    topics::Topic,
};

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// `--version`.
    Version,
    /// `help TOPIC`.
    Topic(&'static Topic),
    /// Anything else: arguments for clap, and warnings to print first. Without a verb it is the help about all of them.
    Run {
        verb: Option<String>,
        arguments: Vec<OsString>,
        warnings: Vec<String>,
    },
}

/// Reads the arguments, without the program's name. `exists` tells whether there is a file of that name.
pub(crate) fn rewrite(
    definitions: &Definitions,
    arguments: Vec<OsString>,
    exists: impl Fn(&OsStr) -> bool,
) -> Result<Request, Failure> {
    let mut words = Words::read(definitions, arguments)?;
    if words.verb_first
        && words
            .flags
            .iter()
            .any(|flag| flag.before_verb && flag.is_mode())
    {
        // `sops -d demo` has always decrypted a file of that name.
        words.verb_first = !OWN_VERBS.iter().any(|verb| words.positionals[0] == *verb);
    }
    if words.flags.iter().any(|flag| flag.known == Known::Version) {
        return Ok(Request::Version);
    }
    let mut warnings = Vec::new();
    let mut files = words.positionals;
    let asks_help = words.flags.iter().find(|flag| flag.known == Known::Help);
    let asks_help = asks_help.map(|flag| flag.name.clone());

    let (verb, form) = if words.verb_first && is_help_verb(&files[0]) {
        return help(definitions, files.get(1), "help");
    } else if words.verb_first {
        let verb = files.remove(0).to_string_lossy().into_owned();
        let is_own = |flag: &Flag| {
            let subcommand = definitions.verb(&verb);
            takes_mode(flag, Form::Verb)
                && subcommand.is_some_and(|subcommand| defines(subcommand, &flag.name))
        };
        let mut modes = words.flags.iter().filter(|flag| flag.is_mode());
        if let Some(flag) = modes.find(|flag| !is_own(flag)) {
            warnings.push(format!(
                "--{} has no effect beside the command {verb}",
                flag.name
            ));
        }
        (verb, Form::Verb)
    } else if let Some(flag) = &asks_help {
        return help(definitions, None, flag);
    } else {
        let verb = verb_of_modes(&words.flags, &mut warnings)?;
        if verb == "edit" {
            refuse_keys_of_no_file(&words.flags, &files, &exists)?;
        }
        if verb == "edit" && words.before_dashes.is_none() {
            refuse_misspelt_verb(&words.flags, &files, exists)?;
        }
        (verb.to_owned(), Form::Legacy)
    };

    if files.first().is_some_and(|file| file.is_empty()) {
        // Such as a variable that is not set. The reference takes it for the working folder.
        return Err(Failure::new(Code::Input, "the name of the file is empty"));
    }
    if form == Form::Legacy && files.is_empty() && verb != "edit" {
        return Err(
            Failure::new(Code::NoFile, "no file specified").hint(format!(
                "`sops {verb}` reads standard input, and so does /dev/stdin as the file"
            )),
        );
    }
    let Some(subcommand) = definitions.verb(&verb) else {
        return Err(Failure::new(
            Code::Generic,
            format!("unknown command {verb}"),
        ));
    };
    if let Some(flag) = asks_help {
        return help(definitions, Some(&verb.into()), &flag);
    }

    let mut global = vec![OsString::from("sops")];
    let mut local = vec![OsString::from(&verb)];
    for flag in words.flags {
        match flag.known {
            // `--set PATH-AND-VALUE` in the older form, and `updatekeys --rotate`.
            Known::Mode if takes_mode(&flag, form) && defines(subcommand, &flag.name) => {
                local.push(flag.written());
            }
            // A path that is empty is none.
            Known::Defined { is_path: true, .. }
                if flag.value.as_ref().is_some_and(|path| path.is_empty()) => {}
            Known::Defined { .. } if defines(definitions.program(), &flag.name) => {
                global.push(flag.written())
            }
            Known::Defined { .. } if defines(subcommand, &flag.name) => {
                local.push(flag.written());
            }
            Known::Defined { .. } if is_tolerated(&verb, &flag.name) => {}
            Known::Defined { .. } if form == Form::Legacy || flag.before_verb => {
                warnings.push(format!("--{} has no effect on {verb}", flag.name));
            }
            Known::Defined { .. } => return Err(undefined(definitions, Some(&verb), &flag.name)),
            _ => {}
        }
    }
    if let Some(before) = words
        .before_dashes
        .filter(|_| defines(subcommand, FILES_FLAG))
    {
        // The verb is no file.
        let files = before.saturating_sub(1);
        local.push(format!("--{FILES_FLAG}={files}").into());
    }
    global.extend(local);
    global.push("--".into());
    global.extend(files);
    Ok(Request::Run {
        verb: Some(verb),
        arguments: global,
        warnings,
    })
}

/// How many files stand before `--`, where a program follows.
const FILES_FLAG: &str = "files-before-dashes";
