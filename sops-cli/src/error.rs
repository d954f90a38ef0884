//! The exit codes, and how each failure becomes a code, a message and a hint: the one table of them.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use sops_core::{
    ChangeError, Error, SyntaxErrorKind,
    config::{ConfigError, ConfigErrorKind},
    keys::{KeyError, words_of},
    printable,
};

use crate::{excerpt, ui::Ui};

/// Success, a failure, or nothing to do: what a process tells its caller. The numbers are those of the reference,
/// which scripts and plugins compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Anything without a number of its own; on decrypting also input that cannot be read, no key, no rule.
    Generic = 1,
    /// The input cannot be read, or, on encrypting, parsed.
    Input = 2,
    /// The output cannot be written.
    Output = 3,
    /// The result cannot be expressed in the output format.
    Dump = 4,
    /// A KMS encryption context is malformed.
    KmsContext = 6,
    /// Options that exclude each other.
    Conflict = 8,
    /// A value or comment cannot be encrypted.
    Encrypt = 23,
    /// A value cannot be decrypted.
    Decrypt = 25,
    /// A tree path or value to set is malformed.
    SetFormat = 7,
    /// Keys of a file that does not exist cannot be changed.
    KeysOfNoFile = 49,
    /// The MAC does not fit the content.
    MacMismatch = 51,
    /// A tree path is malformed.
    TreePath = 91,
    /// There is no document to encrypt.
    NoDocument = 92,
    /// No file was named, or it does not exist.
    NoFile = 100,
    /// A kind of key is listed twice in the decryption order.
    DuplicateOrder = 112,
    /// The data key could not be recovered.
    NoDataKey = 128,
    /// The editor left the file as it was.
    Unchanged = 200,
    /// There is no editor, or it failed.
    Editor = 201,
    /// The file to encrypt is encrypted.
    AlreadyEncrypted = 203,
}

/// What was being done when a library error came up: the same error has different codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    Encrypting,
    Decrypting,
}

/// A failure as the user sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// `FILE`, `FILE:LINE:COLUMN` or nothing.
    place: Option<String>,
    pub(crate) message: String,
    /// The line of a configuration that it is about.
    excerpt: Option<String>,
    hints: Vec<String>,
    /// Whether it was printed already.
    is_reported: bool,
    /// The exit code of a program that was run, which is passed on.
    of_child: Option<u8>,
    /// Whether the message is one that programs compare: nothing stands beside it, unless a person reads it.
    is_verbatim: bool,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            place: None,
            message: message.into(),
            excerpt: None,
            hints: Vec::new(),
            is_reported: false,
            of_child: None,
            is_verbatim: false,
        }
    }

    /// A failure in the words of the reference, and in no others.
    pub(crate) fn verbatim(code: Code, message: &str) -> Self {
        Self {
            is_verbatim: true,
            ..Self::new(code, message)
        }
    }

    /// A program that was run has failed, and said why itself.
    pub(crate) fn of_child(code: u8) -> Self {
        Self {
            of_child: Some(code),
            ..Self::reported(Code::Generic)
        }
    }

    /// What this program exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        self.of_child.unwrap_or(self.code as u8)
    }

    /// A failure of which everything was said, file by file, save for the exit code.
    pub(crate) fn reported(code: Code) -> Self {
        Self {
            is_reported: true,
            ..Self::new(code, "")
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Takes away what was said about what to do.
    pub(crate) fn without_hints(mut self) -> Self {
        self.hints.clear();
        self
    }

    /// Gives it another code.
    pub(crate) fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Says which file it is about.
    pub(crate) fn in_file(mut self, file: &str) -> Self {
        self.place = Some(file.to_owned());
        self
    }

    /// A file that cannot be read.
    pub(crate) fn reading(path: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::new(
                Code::NoFile,
                format!(
                    "cannot operate on non-existent file {:?}",
                    path.display().to_string()
                ),
            );
        }
        Self::new(Code::Input, format!("cannot read the file: {error}"))
            .in_file(&path.display().to_string())
    }

    /// A file that cannot be written.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Code::Output,
            format!("cannot write the file: {error}; nothing was changed"),
        )
        .in_file(&path.display().to_string())
    }

    /// A failure of the library while it worked on `file`.
    pub(crate) fn from_library(error: &Error, doing: Doing, file: &str) -> Self {
        let place = match error.position() {
            Some(position) => format!("{file}:{position}"),
            None => file.to_owned(),
        };
        Self {
            place: Some(place),
            hints: error.hint().map(str::to_owned).into_iter().collect(),
            ..Self::new(code(error, doing), with_causes(error))
        }
    }

    /// Keys that cannot be used.
    pub(crate) fn from_key(error: &KeyError, doing: Doing) -> Self {
        let code = match doing {
            Doing::Encrypting => Code::Generic,
            Doing::Decrypting => Code::NoDataKey,
        };
        let mut failure = Self::new(code, error.message.clone());
        failure.hints.extend(error.hint.clone());
        failure
    }

    /// A configuration that cannot be used.
    pub(crate) fn from_config(error: &ConfigError) -> Self {
        let label = "error loading config";
        let message = match error.to_string() {
            message if message.contains(label) => message,
            message => format!("{label}: {message}"),
        };
        let mut failure = Self::new(Code::Generic, message);
        failure.excerpt = error
            .position
            .filter(|_| error.kind != ConfigErrorKind::NoConfiguration)
            .and_then(|position| excerpt::of_file(&error.path, position));
        failure.hints.extend(error.hint.clone());
        failure
    }

    /// Prints the failure, and remembers that.
    pub(crate) fn printed(mut self, ui: Ui) -> Self {
        self.print(ui);
        self.is_reported = true;
        self
    }

    /// Prints the failure.
    pub(crate) fn print(&self, ui: Ui) {
        if self.is_reported {
            return;
        }
        if self.is_verbatim && !io::stderr().is_terminal() {
            return ui.line_alone(&self.message);
        }
        match &self.place {
            Some(place) => ui.error(&format!("{}: {}", printable::line(place), self.message)),
            None => ui.error(&self.message),
        }
        if let Some(excerpt) = &self.excerpt {
            ui.note(excerpt);
        }
        for hint in &self.hints {
            ui.hint(hint);
        }
    }
}

/// The table: which code a library error has.
fn code(error: &Error, doing: Doing) -> Code {
    match (error, doing) {
        (Error::Syntax(error), Doing::Encrypting) => match error.kind {
            SyntaxErrorKind::Empty => Code::NoDocument,
            SyntaxErrorKind::NonStringKey | SyntaxErrorKind::IntegerOutOfRange => Code::Encrypt,
            _ => Code::Input,
        },
        (Error::Syntax(error), Doing::Decrypting) => match error.kind {
            SyntaxErrorKind::NonStringKey | SyntaxErrorKind::IntegerOutOfRange => Code::Decrypt,
            _ => Code::Generic,
        },
        (Error::AlreadyEncrypted { document: 0, .. }, _) => Code::AlreadyEncrypted,
        (Error::AlreadyEncrypted { .. } | Error::Unfaithful(_) | Error::Emit(_), _) => Code::Dump,
        (Error::Encrypt { .. }, _) => Code::Encrypt,
        (Error::Decrypt { .. }, _) => Code::Decrypt,
        (Error::Mac(_), _) => Code::MacMismatch,
        (Error::Unwrap(_), _) => Code::NoDataKey,
        (Error::Path(_), _) => Code::TreePath,
        (
            Error::Change {
                error:
                    ChangeError::Root
                    | ChangeError::IndexIntoMapping
                    | ChangeError::KeyIntoList
                    | ChangeError::NotJson,
                ..
            },
            _,
        ) => Code::SetFormat,
        (
            Error::Change {
                error: ChangeError::Nested(_) | ChangeError::Null(_) | ChangeError::Key(_),
                ..
            },
            _,
        ) => Code::Dump,
        _ => Code::Generic,
    }
}

/// The message with those of its causes. The place of what is wrong with the text stands before it.
fn with_causes(error: &Error) -> String {
    match error {
        Error::Syntax(error) => error.message.clone(),
        _ => words_of(error),
    }
}
