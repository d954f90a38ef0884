//! `sops exec-file`.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::{Component, Path, PathBuf},
    process::Command,
    sync::Arc,
};

use sops_core::SecretBytes;

use super::{
    decryption::Decryption,
    run_args::{RunArgs, read_input, warn_of_background},
    transform::{Input, name_of},
};
use crate::{
    cli::TypeArgs,
    context::Context,
    error::{Code, Failure},
    private::PrivateFolder,
    process::{self, Supervisor},
    user::User,
};

#[cfg(unix)]
use std::fs::File;

#[cfg(unix)]
use crate::fifo::Fifo;

/// Run a command with a file in the clear
///
/// COMMAND is a line for the shell, in which `{}` stands for the path of the file: a named pipe, which is in memory
/// only, or with --no-fifo a file for the owner alone, which is removed afterwards. With `--` and several words behind
/// it, these are a program and its arguments, which is run without a shell: `sops exec-file FILE -- PROGRAM {}`. With
/// several files, the first `{}` is the first file, and so on.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file, and the command for the shell
    #[arg(value_name = "FILE COMMAND")]
    words: Vec<OsString>,

    /// Make a file, not a named pipe: for programs that seek in it, or look at its size
    #[arg(long)]
    no_fifo: bool,

    /// The name of the temporary file
    #[arg(long, value_name = "NAME")]
    filename: Option<PathBuf>,

    /// The format of the temporary file
    #[arg(long, value_name = "FORMAT")]
    output_type: Option<String>,

    #[command(flatten)]
    run: RunArgs,
}

/// The reference's name for the temporary file.
const DEFAULT_NAME: &str = "tmp-file";

/// What stands for the file in the command.
const PLACEHOLDER: &str = "{}";

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let (files, program) = args.run.split(&args.words)?;
    let name = args.name()?;
    let mut texts = Vec::new();
    for file in &files {
        texts.push(Arc::new(args.read(file, context)?));
    }
    let places = program.count(PLACEHOLDER);
    if files.len() > 1 && places != files.len() {
        let message = format!("there are {} files, but {places} times {{}}", files.len());
        return Err(Failure::new(Code::Generic, message)
            .hint("with several files, each {} stands for one of them, in their order"));
    }
    let user = args.run.user()?;
    context.warn_about_keys();
    if args.run.background {
        warn_of_background("exec-file", context);
        return run_again_in_background();
    }

    let supervisor = Supervisor::start()?;
    if let Some(user) = &user {
        user.take_over_thread()?;
    }
    let given = args.make(&name, &texts, places, context);
    let given = given
        .and_then(|given| given.to_user(user.as_ref()).map(|()| given))
        .map_err(|error| {
            let message = format!("cannot make a temporary file: {error}");
            Failure::new(Code::Output, message)
        })?;
    let mut command = program.replace(PLACEHOLDER, &given.paths).command();
    if let Some(user) = &user {
        user.apply_to(&mut command);
    }
    supervisor.run(command, &program.name())
}

/// The texts as the program finds them. What is dropped first stands first.
struct Given {
    /// What each `{}` stands for, in their order. The last one is for all that follow.
    paths: Vec<PathBuf>,
    /// One of the files that the process may open, kept for ending the pipes and removing the folder.
    #[cfg(unix)]
    _spare: File,
    #[cfg(unix)]
    pipes: Vec<Fifo>,
    folder: PrivateFolder,
}

impl Given {
    fn new() -> io::Result<Self> {
        Ok(Self {
            paths: Vec::new(),
            #[cfg(unix)]
            _spare: File::open("/dev/null")?,
            #[cfg(unix)]
            pipes: Vec::new(),
            folder: PrivateFolder::create()?,
        })
    }

    fn to_user(&self, user: Option<&User>) -> io::Result<()> {
        let Some(user) = user else { return Ok(()) };
        for path in &self.paths {
            user.give(path)?;
            let folders = path.ancestors().skip(1);
            for folder in folders.take_while(|folder| folder.starts_with(self.folder.path())) {
                user.give(folder)?;
            }
        }
        Ok(())
    }
}

impl Args {
    fn read(&self, file: &Path, context: &Context) -> Result<SecretBytes, Failure> {
        let types = TypeArgs {
            input_type: self.run.input_type.clone(),
            output_type: self.output_type.clone(),
            ..TypeArgs::default()
        };
        let decryption = Decryption::new(&types, self.run.ignore_mac);
        let content = read_input(file)?;
        let (bytes, warnings) = decryption.decrypt(context, Some(file), Input::Content(content))?;
        context.ui.warn_of_all(&name_of(Some(file)), &warnings);
        Ok(bytes)
    }

    /// The name of the temporary file, which stays inside of its folder.
    fn name(&self) -> Result<PathBuf, Failure> {
        let given = self.filename.as_deref().unwrap_or(Path::new(""));
        if given.as_os_str().is_empty() {
            return Ok(PathBuf::from(DEFAULT_NAME));
        }
        let is_name =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if given.file_name().is_none() || !given.components().all(is_name) {
            return Err(
                Failure::new(Code::Generic, "The provided filename is not a local path.").hint(
                    "--filename names a file in a temporary folder: no `..`, no `/` at the start",
                ),
            );
        }
        Ok(given.to_owned())
    }

    /// Makes a pipe for each place, as several readers of one might share the text; or a file for each text.
    #[cfg(unix)]
    fn make(
        &self,
        name: &Path,
        texts: &[Arc<SecretBytes>],
        places: usize,
        _context: &Context,
    ) -> io::Result<Given> {
        if self.no_fifo {
            return make_files(name, texts);
        }
        let mut given = Given::new()?;
        for place in 0..places {
            let text = texts.get(place).unwrap_or(&texts[0]);
            let path = given.folder.path().join(name_at(place, name));
            given.folder.make_folders(&path)?;
            given.pipes.push(Fifo::serve(path.clone(), text.clone())?);
            given.paths.push(path);
        }
        Ok(given)
    }

    #[cfg(not(unix))]
    fn make(
        &self,
        name: &Path,
        texts: &[Arc<SecretBytes>],
        _places: usize,
        context: &Context,
    ) -> io::Result<Given> {
        if !self.no_fifo {
            context
                .ui
                .warning("no fifos on this system, use --no-fifo next time");
        }
        make_files(name, texts)
    }
}

fn make_files(name: &Path, texts: &[Arc<SecretBytes>]) -> io::Result<Given> {
    let mut given = Given::new()?;
    for (place, text) in texts.iter().enumerate() {
        let path = given.folder.write(&name_at(place, name), text.expose())?;
        given.paths.push(path);
    }
    Ok(given)
}

/// The first one has the name alone; the others are in folders, so that the base name is the same.
fn name_at(place: usize, name: &Path) -> PathBuf {
    if place == 0 {
        return name.to_owned();
    }
    let first = name
        .components()
        .find(|part| matches!(part, Component::Normal(_)));
    // No folder is where the name itself leads to.
    let is_hidden = first.is_some_and(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
    let dot = if is_hidden { "" } else { "." };
    Path::new(&format!("{dot}{}", place + 1)).join(name)
}

/// Starts this program once more, to serve the file and clean up. That the file can be decrypted was seen already.
fn run_again_in_background() -> Result<(), Failure> {
    let failed = |error: io::Error| process::cannot_start("sops", &error);
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let flags = arguments.iter().position(|word| word == "--");
    let flags = flags.unwrap_or(arguments.len());
    let rest = arguments.split_off(flags);
    arguments.retain(|word| !is_background(word));
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.args(arguments).args(rest);
    process::start_in_background(command, "sops")
}

fn is_background(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| {
        let name = word.split('=').next().unwrap_or_default();
        matches!(name, "-background" | "--background")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_on_the_way_to_another() {
        for name in [
            "tmp-file", ".2", "./.2", "2", ".2/.2", "2/2", ".next", ".3/x",
        ] {
            let names: Vec<_> = (0..4)
                .map(|place| name_at(place, Path::new(name)))
                .collect();
            for (place, one) in names.iter().enumerate() {
                let one = Path::new("/folder").join(one);
                for other in &names[place + 1..] {
                    let other = Path::new("/folder").join(other);
                    assert!(
                        !one.starts_with(&other) && !other.starts_with(&one),
                        "{names:?}"
                    );
                }
                assert_eq!(one.file_name(), Path::new(name).file_name());
            }
        }
    }
}
