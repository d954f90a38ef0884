//! `sops completion`, and the list of words that the reference's own completion scripts ask for.

use clap::Arg;
use clap_complete::Shell;

use crate::{
    cli,
    context::Context,
    definitions::Definitions,
    error::{Code, Failure},
    ui,
};

/// What the reference's completion scripts put behind the words that are there.
pub(crate) const CANDIDATES_FLAG: &str = "--generate-bash-completion";

/// The shells that there are completions for.
const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

/// Print a completion script for a shell
///
/// bash: `source <(sops completion bash)`; zsh: `sops completion zsh > "${fpath[1]}/_sops"`; fish:
/// `sops completion fish | source`; PowerShell: `sops completion powershell | Out-String | Invoke-Expression`; elvish:
/// `eval (sops completion elvish | slurp)`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL")]
    shells: Vec<String>,
}

pub(crate) fn run(args: &Args, _context: &Context) -> Result<(), Failure> {
    let known = SHELLS.join(", ");
    let Some(name) = args.shells.first() else {
        return Err(Failure::new(Code::Generic, "no shell specified")
            .hint(format!("name one of {known}: sops completion bash")));
    };
    let shell: Shell = name.to_lowercase().parse().map_err(|_| {
        Failure::new(
            Code::Generic,
            format!("there are no completions for {name:?}"),
        )
        .hint(format!("name one of {known}"))
    })?;
    let mut script = Vec::new();
    let mut command = cli::with_older_form();
    clap_complete::generate(shell, &mut command, "sops", &mut script);
    ui::write_stdout(&script)
}

/// Prints what may stand next, a word a line, for scripts that the reference's `completion` wrote. `describing` is
/// what zsh gets: words with their meaning.
pub(crate) fn print_candidates(words: &[String], describing: bool) -> Result<(), Failure> {
    let definitions = Definitions::new();
    let verb = words.iter().find_map(|word| definitions.verb(word));
    let wants_flag = words.last().is_some_and(|word| word.starts_with('-'));
    let mut text = String::new();
    let mut add = |name: &str, about: String| {
        text += name;
        if describing && !about.is_empty() {
            text += ":";
            text += &about;
        }
        text += "\n";
    };
    match (verb, wants_flag) {
        (None, false) => {
            for verb in definitions.verbs() {
                let about = verb.get_about().map(ToString::to_string);
                add(verb.get_name(), about.unwrap_or_default());
            }
        }
        (verb, true) => {
            for flag in verb.unwrap_or(definitions.program()).get_arguments() {
                if let (Some(long), false) = (flag.get_long(), flag.is_hide_set()) {
                    let about = flag.get_help().map(ToString::to_string);
                    add(&format!("--{long}"), about.unwrap_or_default());
                }
            }
        }
        // Files, which the shell knows better.
        (Some(verb), false) if verb.get_name() == "completion" => {
            for shell in SHELLS {
                add(shell, String::new());
            }
        }
        // Words that a command has for what it does, such as `groups add`.
        (Some(verb), false) if words.last().is_some_and(|word| word == verb.get_name()) => {
            let first = verb.get_positionals().next();
            for value in first.map(Arg::get_possible_values).unwrap_or_default() {
                let about = value.get_help().map(ToString::to_string);
                add(value.get_name(), about.unwrap_or_default());
            }
        }
        (Some(_), false) => {}
    }
    ui::print(&text)
}
