//! What `encrypt` and `decrypt` share: where the input comes from and where the result goes.

use std::path::{Path, PathBuf};

use sops_core::{SecretBytes, Warning};

use crate::{
    context::Context,
    error::{Code, Failure},
    files::{self, ChangedFolders, Original},
    parallel::{self, Waits},
    progress::Progress,
    ui,
};

/// Files, and where the results go.
#[derive(clap::Args, Debug)]
pub(crate) struct FileArgs {
    /// The file; `-` is standard input, and so is none, save for rotate. With --in-place there may be many
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Replace the file by the result
    #[arg(long, short)]
    pub(crate) in_place: bool,

    /// Write the result to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What is to be worked on.
pub(crate) enum Input<'o> {
    /// It will be replaced by the result.
    Original(&'o mut Original),
    Content(SecretBytes),
}

impl Input<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Original(original) => original.content(),
            Self::Content(content) => content.expose(),
        }
    }

    /// Gives the content away, for work in the memory that it is in.
    pub(crate) fn take(self) -> SecretBytes {
        match self {
            Self::Original(original) => original.take_content(),
            Self::Content(content) => content,
        }
    }
}

/// A result, and what to say about it.
pub(crate) struct Product {
    pub(crate) bytes: Contents,
    pub(crate) warnings: Vec<Warning>,
}

/// The bytes of a result.
pub(crate) enum Contents {
    Plain(SecretBytes),
    /// No secret: wiping a large file would only take time.
    Encrypted(Vec<u8>),
}

impl Contents {
    pub(crate) fn expose(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes.expose(),
            Self::Encrypted(bytes) => bytes,
        }
    }
}

impl FileArgs {
    /// Applies `work` to a file (`None` is standard input) and its content, for every file, and puts the result where
    /// it belongs.
    pub(crate) fn transform(
        &self,
        context: &Context,
        work: impl Fn(Option<&Path>, Input<'_>) -> Result<Product, Failure> + Sync,
    ) -> Result<(), Failure> {
        let output = self
            .output
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty());
        let file = self.first();
        if self.in_place {
            if output.is_some() {
                let message = "cannot operate on both --output and --in-place";
                return Err(Failure::new(Code::Conflict, message));
            }
            if file.is_none() {
                let message = "cannot use --in-place when reading from stdin";
                return Err(Failure::new(Code::Conflict, message));
            }
            return self.transform_in_place(context, work);
        }
        warn_of_more_files(&self.files, context);
        let content = match file {
            Some(file) => files::read(file)?,
            None => files::read_stdin()?,
        };
        if let Some(file) = file
            && content.is_empty()
            && is_standard_output(file)
        {
            return Err(emptied_by_shell(file));
        }
        let product = work(file, Input::Content(content))?;
        context.ui.warn_of_all(&name_of(file), &product.warnings);
        match output {
            Some(output) => files::write(output, product.bytes.expose()),
            None => ui::write_stdout(product.bytes.expose()),
        }
    }

    /// The one file to work on, unless it is standard input.
    pub(crate) fn first(&self) -> Option<&Path> {
        self.files
            .first()
            .map(PathBuf::as_path)
            .filter(|file| !is_stdin(file))
    }

    /// Replaces every file independently of the others.
    fn transform_in_place(
        &self,
        context: &Context,
        work: impl Fn(Option<&Path>, Input<'_>) -> Result<Product, Failure> + Sync,
    ) -> Result<(), Failure> {
        let folders = ChangedFolders::default();
        let one = |file: &PathBuf| {
            if is_stdin(file) {
                let message = "cannot use --in-place when reading from stdin";
                return Err(Failure::new(Code::Conflict, message));
            }
            let mut original = Original::read(file)?;
            let product = work(Some(file), Input::Original(&mut original))?;
            let has_other_names = original.has_other_names();
            original.replace_one_of_many(product.bytes.expose(), &folders)?;
            Ok((product.warnings, has_other_names))
        };
        let mut first_failure = None;
        let mut failed = 0;
        let mut progress = Progress::new(self.files.len(), context.ui);
        parallel::for_each_in_order(
            self.files.iter().collect(),
            Waits::ForTheDisk,
            |file| (file, one(file)),
            |(file, result)| {
                match result {
                    Ok((warnings, has_other_names)) => {
                        let name = name_of(Some(file));
                        if has_other_names || !warnings.is_empty() {
                            progress.clear();
                        }
                        context.ui.warn_of_all(&name, &warnings);
                        if has_other_names {
                            warn_of_other_names(&name, context);
                        }
                    }
                    Err(failure) => {
                        failed += 1;
                        progress.clear();
                        failure.print(context.ui);
                        first_failure.get_or_insert(failure.code);
                    }
                }
                progress.step();
            },
        );
        progress.clear();
        folders.sync();
        let all = self.files.len();
        if all > 1 {
            let done = all - failed;
            context.ui.note(&match failed {
                0 => format!("{done} files written"),
                _ => format!("{done} of {all} files written, {failed} failed"),
            });
        }
        first_failure.map_or(Ok(()), |code| Err(Failure::reported(code)))
    }
}

/// Whether standard output goes to a file.
#[cfg(unix)]
fn is_standard_output(file: &Path) -> bool {
    use std::{
        fs::File,
        os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    };

    let output = std::io::stdout().as_fd().try_clone_to_owned();
    let output = output.and_then(|output| File::from(output).metadata());
    match (output, file.metadata()) {
        (Ok(output), Ok(file)) => {
            file.is_file() && (output.dev(), output.ino()) == (file.dev(), file.ino())
        }
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_standard_output(_file: &Path) -> bool {
    false
}

/// `sops decrypt FILE > FILE`: the shell makes room for the result first.
fn emptied_by_shell(file: &Path) -> Failure {
    let message =
        "the shell emptied the file before it could be read, as the result was to go there";
    Failure::new(Code::Input, message)
        .in_file(&name_of(Some(file)))
        .hint("restore it, from git for example; --in-place replaces a file by the result")
}

/// Warns that a file was replaced under one of its names.
pub(crate) fn warn_of_other_names(name: &str, context: &Context) {
    context.ui.warning(&format!(
        "{name}: the file has other names (hard links); what they name stays as it was"
    ));
    context
        .ui
        .hint("a symbolic link is followed, and would name the new content too");
}

/// Warns that only the first of several files is used, in the words of the reference.
pub(crate) fn warn_of_more_files(files: &[PathBuf], context: &Context) {
    if files.len() > 1 {
        context.ui.warning(
            "More than one positional argument provided. Only the first one will be used!",
        );
    }
}

pub(crate) fn name_of(file: Option<&Path>) -> String {
    file.map_or_else(|| "<stdin>".to_owned(), |file| file.display().to_string())
}

pub(crate) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-") || file == Path::new("/dev/stdin")
}
