//! `sops edit`, and `sops FILE`.

use std::path::{Path, PathBuf};

use sops_core::{DecryptOptions, EncryptOptions, Error, Format, Keyring, PlainFile};

use super::transform::{name_of, warn_of_more_files, warn_of_other_names};
use crate::{
    cli::{KeyArgs, SelectorArgs, TypeArgs},
    context::{Context, Event, Target},
    editor::Session,
    error::{Code, Doing, Failure},
    files::{self, Original},
    private::PrivateFile,
};

/// Edit an encrypted file, or make one
///
/// Opens the file in the clear in SOPS_EDITOR, EDITOR, vim, nano or vi, and encrypts it again afterwards. Values that
/// did not change keep their ciphertext. `sops FILE` is the same.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file; if it does not exist, it is made
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    types: TypeArgs,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    selectors: SelectorArgs,

    /// Edit the metadata too: add and remove keys, change what is encrypted
    #[arg(long, short)]
    show_master_keys: bool,

    /// Go on when the MAC does not fit: the file may have been tampered with
    #[arg(long)]
    ignore_mac: bool,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Some(file) = args.files.first() else {
        return Err(Failure::new(Code::NoFile, "no file specified"));
    };
    warn_of_more_files(&args.files, context);
    let target = context.target(Some(file), &args.types)?;
    if target.output != target.format {
        let message = format!(
            "edit writes a file back in the format it has: it cannot turn {} into {}",
            target.format.name(),
            target.output.name()
        );
        return Err(Failure::new(Code::Conflict, message)
            .hint("decrypt it, and encrypt it with --output-type into a new file"));
    }
    if context.rewriting(&target)?.is_some() {
        context
            .ui
            .warning("--indent is ignored: edit keeps the indentation of the file");
    }
    if file.exists() {
        edit_existing(args, context, file, &target)
    } else {
        edit_new(args, context, file, &target)
    }
}

fn edit_existing(
    args: &Args,
    context: &Context,
    file: &Path,
    target: &Target,
) -> Result<(), Failure> {
    context.check_given_config()?;
    let failed = target.failed(Doing::Decrypting);
    let original = Original::read(file)?;
    let encrypted = target.parse(original.content())?.as_what_it_holds();
    let format = encrypted.format();
    let unlocked = context
        .unlock(encrypted, target, &[Event::Decrypt])?
        .with_layout(context.layout()?);
    let options = DecryptOptions::default().danger_ignore_mac(args.ignore_mac);
    let plain = unlocked.decrypt(&options).map_err(failed)?;
    context.ui.warn_of_all(&target.name, plain.warnings());
    if original.has_other_names() {
        warn_of_other_names(&target.name, context);
    }
    let write = |bytes: &[u8]| original.replace(bytes);
    if !args.show_master_keys || is_binary(format, context) {
        let edit = Edit {
            context,
            file,
            target,
            before: plain.bytes(),
            encrypt: &|text| unlocked.update(text),
            write: &write,
        };
        return edit.run();
    }
    let keyring = context.keyring(Doing::Encrypting)?;
    let shown = unlocked.with_metadata(plain.bytes()).map_err(failed)?;
    let edit = Edit {
        context,
        file,
        target,
        before: shown.expose(),
        encrypt: &|text| unlocked.update_with_metadata(text, keyring),
        write: &write,
    };
    edit.run()
}

/// A binary file has no place for metadata in the clear.
fn is_binary(format: Format, context: &Context) -> bool {
    let is_binary = format == Format::Binary;
    if is_binary {
        context
            .ui
            .warning("--show-master-keys is ignored: a binary file has no place for metadata");
    }
    is_binary
}

fn edit_new(args: &Args, context: &Context, file: &Path, target: &Target) -> Result<(), Failure> {
    if args.show_master_keys {
        context
            .ui
            .warning("--show-master-keys is ignored: a new file has no metadata yet");
    }
    let options = context.encrypt_options(target, &args.keys, &args.selectors)?;
    let keyring = context.keyring(Doing::Encrypting)?;
    let example = example(target.format);
    let encrypt = |text: &[u8]| encrypt(text, target.format, &options, keyring);
    // A key that does not work is found before somebody has typed a page.
    encrypt(example.as_bytes()).map_err(target.failed(Doing::Encrypting))?;
    let edit = Edit {
        context,
        file,
        target,
        before: example.as_bytes(),
        encrypt: &encrypt,
        write: &|bytes| files::create(file, bytes),
    };
    edit.run()
}

fn encrypt(
    text: &[u8],
    format: Format,
    options: &EncryptOptions,
    keyring: &Keyring,
) -> Result<sops_core::Encrypted, Error> {
    PlainFile::parse(text, format)?.encrypt(options, keyring)
}

/// One text on its way through the editor.
struct Edit<'e> {
    context: &'e Context,
    file: &'e Path,
    target: &'e Target,
    before: &'e [u8],
    encrypt: &'e dyn Fn(&[u8]) -> Result<sops_core::Encrypted, Error>,
    write: &'e dyn Fn(&[u8]) -> Result<(), Failure>,
}

impl Edit<'_> {
    fn run(&self) -> Result<(), Failure> {
        let session = Session::start()?;
        let private = PrivateFile::create(self.file, self.before)?;
        let encrypted = loop {
            let closed = session.edit(&private);
            if let Err(failure) = closed {
                return Err(self.after_editor_failed(failure, private));
            }
            let text = private.read()?;
            if text.expose() == self.before {
                let message = "File has not changed, exiting.";
                return Err(Failure::new(Code::Unchanged, message));
            }
            match (self.encrypt)(text.expose()) {
                Ok(encrypted) => break encrypted,
                Err(error) => {
                    let name = name_of(Some(self.file));
                    let failure = Failure::from_library(&error, Doing::Encrypting, &name);
                    failure.print(self.context.ui);
                    if !session.ask_to_return()? {
                        let kept = keep(private);
                        return Err(
                            Failure::new(failure.code, "the text cannot be encrypted").hint(kept)
                        );
                    }
                }
            }
        };
        session.check()?;
        if let Err(failure) = self.context.record(Event::Encrypt, self.target) {
            return Err(failure.hint(keep(private)));
        }
        self.context
            .ui
            .warn_of_all(&name_of(Some(self.file)), &encrypted.warnings);
        (self.write)(&encrypted.bytes).map_err(|failure| failure.hint(keep(private)))
    }
}

impl Edit<'_> {
    /// What was saved before the editor broke down is not lost; what was cancelled is.
    fn after_editor_failed(&self, failure: Failure, private: PrivateFile) -> Failure {
        let is_changed = private
            .read()
            .is_ok_and(|text| text.expose() != self.before);
        match failure.code {
            Code::Editor if is_changed => failure.hint(keep(private)),
            _ => failure,
        }
    }
}

/// Leaves what was typed where it is, for its owner alone, and says where.
fn keep(private: PrivateFile) -> String {
    let path = private.keep();
    format!(
        "your text is kept, in the clear, in {}; remove it when you have it",
        path.display()
    )
}

/// What a new file starts as.
fn example(format: Format) -> &'static str {
    match format {
        Format::Binary => "Replace this by your secret. The whole file is encrypted.\n",
        Format::Json => {
            "{\n\t\"example\": \"Replace this by your secrets. Values are encrypted, keys are not.\",\n\t\
             \"database\": {\n\t\t\"user\": \"admin\",\n\t\t\"password\": \"change-me\"\n\t},\n\t\
             \"note_unencrypted\": \"a key that ends with _unencrypted keeps its value in the clear\"\n}\n"
        }
        Format::Dotenv => {
            "# Replace this by your secrets. Values and comments are encrypted, keys are not.\n\
             DATABASE_USER=admin\nDATABASE_PASSWORD=change-me\n\
             NOTE_unencrypted=a key that ends with _unencrypted keeps its value in the clear\n"
        }
        Format::Ini => {
            "; Replace this by your secrets. Values and comments are encrypted, keys are not.\n\
             [database]\nuser = admin\npassword = change-me\n\
             note_unencrypted = a key that ends with _unencrypted keeps its value in the clear\n"
        }
        _ => {
            "# Replace this by your secrets. Values and comments are encrypted, keys are not.\n\
             database:\n  user: admin\n  password: change-me\n\
             note_unencrypted: a key that ends with _unencrypted keeps its value in the clear\n"
        }
    }
}
