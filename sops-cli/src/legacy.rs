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

use std::{
    any::TypeId,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{ArgAction, Command};

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

/// What the reference's completion scripts put behind the words that are there.
pub(crate) const CANDIDATES_FLAG: &str = "--generate-bash-completion";

/// The shells that there are completions for.
pub(crate) const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

/// How many files stand before `--`, where a program follows.
pub(crate) const FILES_FLAG: &str = "files-before-dashes";

/// Commands that the reference does not have.
const OWN_VERBS: [&str; 7] = [
    "check",
    "demo",
    "get",
    "init",
    "keygen",
    "man",
    "recipients",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Verb,
    Legacy,
}

/// Arguments taken apart.
struct Words {
    flags: Vec<Flag>,
    positionals: Vec<OsString>,
    /// Whether the first positional names a command.
    verb_first: bool,
    /// How many positionals stand before `--`, which says that no flags follow.
    before_dashes: Option<usize>,
}

struct Flag {
    /// The long name.
    name: String,
    known: Known,
    value: Option<OsString>,
    before_verb: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    OptionalValue,
}

impl Words {
    fn read(definitions: &Definitions, arguments: Vec<OsString>) -> Result<Self, Failure> {
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

impl Flag {
    fn is_mode(&self) -> bool {
        self.known == Known::Mode
    }

    /// The flag as clap reads it without doubt.
    fn written(self) -> OsString {
        let mut written = OsString::from(format!("--{}", self.name));
        if let Some(value) = self.value {
            written.push("=");
            written.push(value);
        }
        written
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

/// Finds a flag by its long or short name, whichever command defines it: a flag has the same shape everywhere. The one
/// that is `likely` meant is looked at first, so that the others need not be described.
fn look_up(definitions: &Definitions, likely: Option<&str>, name: &str) -> Option<(String, Known)> {
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

fn takes(name: &str, known: Known) -> Takes {
    match known {
        Known::Defined { takes, .. } => takes,
        Known::Mode if name == "set" => Takes::Value,
        _ => Takes::Nothing,
    }
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

/// The verb that `-e`, `-d` and the like stand for. When there are several the reference does all of them, and shows
/// the outcome of the last one in its own order.
fn verb_of_modes(flags: &[Flag], warnings: &mut Vec<String>) -> Result<&'static str, Failure> {
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
fn refuse_keys_of_no_file(
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

/// `sops decrpyt FILE` would edit a new file of that name.
fn refuse_misspelt_verb(
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

/// An undefined flag, in the words of the reference.
fn undefined(definitions: &Definitions, verb: Option<&str>, name: &str) -> Failure {
    let failure = Failure::new(
        Code::Generic,
        format!("flag provided but not defined: --{name}"),
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
fn closest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (strsim::osa_distance(word, name), name))
        .filter(|&(distance, name)| distance <= (name.len() / 3).clamp(1, 3))
        .min()
        .map(|(_, name)| name)
}

/// Flags that callers pass whatever the verb: those of encrypting when they decrypt.
fn is_tolerated(verb: &str, name: &str) -> bool {
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

fn is_verb(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| {
        is_help_verb(word.as_ref()) || Definitions::names().any(|verb| verb == word)
    })
}

fn is_help_verb(word: &OsStr) -> bool {
    word == "help" || word == "h"
}

/// Asks clap for the help: `-h` for a summary, `--help` for all of it.
fn help(
    definitions: &Definitions,
    verb: Option<&OsString>,
    flag: &str,
) -> Result<Request, Failure> {
    let mut arguments = vec![OsString::from("sops")];
    if let Some(verb) = verb {
        let name = verb.to_string_lossy();
        if definitions.verb(&name).is_none() {
            if let Some(topic) = Topic::find(&name) {
                return Ok(Request::Topic(topic));
            }
            let names = Definitions::names();
            let failure = Failure::new(
                Code::Generic,
                format!("there is no command and no topic {name:?}"),
            );
            return Err(
                match closest(&name, names.chain(Topic::names().map(|name| name as &str))) {
                    Some(similar) => failure.hint(format!("did you mean `sops help {similar}`?")),
                    None => failure
                        .hint("`sops --help` lists the commands, `sops help topics` the topics"),
                },
            );
        }
        arguments.push(verb.clone());
    }
    arguments.push(if flag == "h" { "-h" } else { "--help" }.into());
    Ok(Request::Run {
        verb: verb.map(|verb| verb.to_string_lossy().into_owned()),
        arguments,
        warnings: Vec::new(),
    })
}

/// Whether a mode can be a flag of the command: before a verb it stands for another one.
fn takes_mode(flag: &Flag, form: Form) -> bool {
    form == Form::Legacy || !flag.before_verb
}

fn defines(command: &Command, name: &str) -> bool {
    command
        .get_arguments()
        .any(|arg| arg.get_long() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> Result<Request, Failure> {
        let arguments = line.split_whitespace().map(OsString::from).collect();
        rewrite(&Definitions::new(), arguments, |name| name == "existing")
    }

    fn arguments(line: &str) -> (String, Vec<String>) {
        match rewritten(line) {
            Ok(Request::Run {
                arguments,
                warnings,
                ..
            }) => {
                let words: Vec<_> = arguments
                    .iter()
                    .map(|word| word.to_string_lossy())
                    .collect();
                (words.join(" "), warnings)
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn rewrites() {
        for (line, expected) in [
            // Verbs.
            ("decrypt f.yaml", "sops decrypt -- f.yaml"),
            ("decrypt", "sops decrypt --"),
            ("decrypt -- f.yaml", "sops decrypt -- f.yaml"),
            ("decrypt -- -d", "sops decrypt -- -d"),
            ("decrypt -", "sops decrypt -- -"),
            ("set f p -5", "sops set -- f p -5"),
            ("set f p -0.5e3 --string", "sops set --string -- f p -0.5e3"),
            ("--config= -d f", "sops decrypt -- f"),
            ("decrypt -i f.yaml", "sops decrypt --in-place -- f.yaml"),
            ("decrypt f.yaml -i", "sops decrypt --in-place -- f.yaml"),
            (
                "decrypt f.yaml -i g.yaml",
                "sops decrypt --in-place -- f.yaml g.yaml",
            ),
            (
                "decrypt -in-place f.yaml",
                "sops decrypt --in-place -- f.yaml",
            ),
            ("decrypt --i f.yaml", "sops decrypt --in-place -- f.yaml"),
            (
                "decrypt --in-place=T f.yaml",
                "sops decrypt --in-place -- f.yaml",
            ),
            ("decrypt --in-place=false f.yaml", "sops decrypt -- f.yaml"),
            ("decrypt -i -i=0 f.yaml", "sops decrypt -- f.yaml"),
            (
                "decrypt -i=0 -i f.yaml",
                "sops decrypt --in-place -- f.yaml",
            ),
            (
                "decrypt --output o f.yaml",
                "sops decrypt --output=o -- f.yaml",
            ),
            (
                "decrypt -output=o=p f.yaml",
                "sops decrypt --output=o=p -- f.yaml",
            ),
            (
                "decrypt --output -d f.yaml",
                "sops decrypt --output=-d -- f.yaml",
            ),
            ("decrypt --output= f.yaml", "sops decrypt -- f.yaml"),
            ("decrypt decrypt", "sops decrypt -- decrypt"),
            // Global flags, before and after the verb.
            (
                "--config c decrypt f.yaml",
                "sops --config=c decrypt -- f.yaml",
            ),
            (
                "decrypt --config c f.yaml",
                "sops --config=c decrypt -- f.yaml",
            ),
            (
                "--config a --config b decrypt f",
                "sops --config=a --config=b decrypt -- f",
            ),
            ("--config set decrypt f", "sops --config=set decrypt -- f"),
            ("--ignore-mac decrypt f", "sops decrypt --ignore-mac -- f"),
            (
                "decrypt --enable-local-keyservice=false f",
                "sops --enable-local-keyservice=false decrypt -- f",
            ),
            (
                "decrypt --enable-local-keyservice f",
                "sops --enable-local-keyservice decrypt -- f",
            ),
            (
                "decrypt --keyservice a --keyservice b f",
                "sops --keyservice=a --keyservice=b decrypt -- f",
            ),
            // Flags of encrypting beside decrypt.
            ("decrypt --aws-profile p --age x f", "sops decrypt -- f"),
            (
                "--hc-vault-transit u -d --encrypted-regex r -i f",
                "sops decrypt --in-place -- f",
            ),
            // The older form.
            ("f.yaml", "sops edit -- f.yaml"),
            ("existing", "sops edit -- existing"),
            ("secrets", "sops edit -- secrets"),
            ("-i f.yaml", "sops edit -- f.yaml"),
            ("-- decrypt", "sops edit -- decrypt"),
            ("-d f.yaml", "sops decrypt -- f.yaml"),
            ("f.yaml -d", "sops decrypt -- f.yaml"),
            ("--d f.yaml", "sops decrypt -- f.yaml"),
            ("-decrypt=1 f.yaml", "sops decrypt -- f.yaml"),
            ("-e -i f.yaml", "sops encrypt --in-place -- f.yaml"),
            (
                "-e -a x -p y -k z f",
                "sops encrypt --age=x --pgp=y --kms=z -- f",
            ),
            (
                "-e -encrypted-comment-regex r f",
                "sops encrypt --encrypted-comment-regex=r -- f",
            ),
            (
                "-d --extract [\"a\"] f",
                "sops decrypt --extract=[\"a\"] -- f",
            ),
            (
                "--ignore-mac --input-type yaml --output-type yaml --decrypt f",
                "sops decrypt --ignore-mac --input-type=yaml --output-type=yaml -- f",
            ),
            ("-d demo", "sops decrypt -- demo"),
            ("-r f", "sops rotate -- f"),
            ("f --rotate -i", "sops rotate --in-place -- f"),
            (
                "-r --add-age a --rm-kms k f",
                "sops rotate --add-age=a --rm-kms=k -- f",
            ),
            (
                "--add-pgp p rotate --ignore-mac f",
                "sops rotate --add-pgp=p --ignore-mac -- f",
            ),
            ("updatekeys -y f g", "sops updatekeys --yes -- f g"),
            ("updatekeys --rotate f", "sops updatekeys --rotate -- f"),
            (
                "groups add -f f --age a --age b",
                "sops groups --file=f --age=a --age=b -- add",
            ),
            (
                "groups -f f delete 0 -i",
                "sops groups --file=f --in-place -- delete 0",
            ),
            ("--set [\"a\"]=1 f", "sops set --set=[\"a\"]=1 -- f"),
            ("-i --set x f", "sops set --set=x -- f"),
            ("set f [\"a\"] 1", "sops set -- f [\"a\"] 1"),
            ("exec-env f x", "sops exec-env -- f x"),
            ("exec-env f x --pristine", "sops exec-env --pristine -- f x"),
            (
                "exec-env -- f x",
                "sops exec-env --files-before-dashes=0 -- f x",
            ),
            (
                "exec-env f g --pristine -- x -y --pristine",
                "sops exec-env --pristine --files-before-dashes=2 -- f g x -y --pristine",
            ),
            ("-e -i check", "sops encrypt --in-place -- check"),
            ("check a b", "sops check -- a b"),
            // Help.
            ("help", "sops --help"),
            ("h", "sops --help"),
            ("-h", "sops -h"),
            ("-d --help f", "sops --help"),
            ("help encrypt", "sops encrypt --help"),
            ("encrypt -h f", "sops encrypt -h"),
        ] {
            let (actual, warnings) = arguments(line);
            assert_eq!(actual, expected, "{line}");
            assert_eq!(warnings, Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn warns_of_what_has_no_effect() {
        for (line, expected, warning) in [
            (
                "-e --ignore-mac f",
                "sops encrypt -- f",
                "--ignore-mac has no effect on encrypt",
            ),
            (
                "--extract x encrypt f",
                "sops encrypt -- f",
                "--extract has no effect on encrypt",
            ),
            (
                "-d encrypt f",
                "sops encrypt -- f",
                "--decrypt has no effect beside the command encrypt",
            ),
            (
                "-r updatekeys f",
                "sops updatekeys -- f",
                "--rotate has no effect beside the command updatekeys",
            ),
            (
                "--add-age a existing",
                "sops edit -- existing",
                "--add-age has no effect on edit",
            ),
            (
                "-e -d f",
                "sops decrypt -- f",
                "more than one command (--encrypt, --decrypt) has been specified; only the last one counts",
            ),
        ] {
            let (actual, warnings) = arguments(line);
            assert_eq!(actual, expected, "{line}");
            assert_eq!(warnings, [warning], "{line}");
        }
    }

    #[test]
    fn prints_the_version_whatever_stands_beside_it() {
        for line in [
            "--version",
            "-v",
            "-version",
            "--version --disable-version-check",
            "--check-for-updates -v",
        ] {
            assert_eq!(rewritten(line).unwrap(), Request::Version, "{line}");
        }
    }

    #[test]
    fn refuses() {
        for (line, message) in [
            ("decrypt --nope f", "flag provided but not defined: --nope"),
            (
                "decrypt --in-plase f",
                "flag provided but not defined: --in-plase",
            ),
            ("decrypt -di f", "flag provided but not defined: --di"),
            (
                "filestatus --age x f",
                "flag provided but not defined: --age",
            ),
            (
                "encrypt --extract x f",
                "flag provided but not defined: --extract",
            ),
            ("---decrypt f", "flag provided but not defined: ---decrypt"),
            ("decrypt --output", "flag needs an argument: --output"),
            (
                "decrypt --in-place=maybe f",
                "invalid boolean value \"maybe\" for --in-place",
            ),
            (
                "-d=maybe f",
                "invalid boolean value \"maybe\" for --decrypt",
            ),
            ("decrpyt f", "there is no command and no file \"decrpyt\""),
            ("rotat f", "there is no command and no file \"rotat\""),
            (
                "help nothing",
                "there is no command and no topic \"nothing\"",
            ),
            ("--extract x f", "--extract works on decrypting only"),
            ("--set", "flag needs an argument: --set"),
            ("set f p -x", "flag provided but not defined: --x"),
            (
                "decrypt --add-age x f",
                "flag provided but not defined: --add-age",
            ),
            (
                "exec-env f --in-place x",
                "flag provided but not defined: --in-place",
            ),
        ] {
            let failure = rewritten(line).expect_err(line);
            assert_eq!(failure.message, message, "{line}");
        }
    }
}
