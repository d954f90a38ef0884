//! A pinentry that answers as the test says.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Keeps a log of what it is told.
pub(crate) struct Pinentry {
    path: PathBuf,
    log: PathBuf,
}

impl Pinentry {
    /// Writes one that answers with what a script prints.
    pub(crate) fn new(folder: &Path, answer: &str) -> Self {
        Self::write(folder, "echo OK", answer)
    }

    /// Writes one that knows no options, which an agent of GnuPG does not put up with.
    pub(crate) fn without_options(folder: &Path, answer: &str) -> Self {
        Self::write(folder, "echo ERR 174 unknown", answer)
    }

    fn write(folder: &Path, options: &str, answer: &str) -> Self {
        let path = folder.join("pinentry");
        let log = folder.join("pinentry.log");
        let text = format!(
            "#!/bin/sh
echo OK ready
while read -r line; do
  echo \"$line\" >> '{}'
  case \"$line\" in
    GETPIN) {answer};;
    OPTION*) {options};;
    BYE) echo OK; exit;;
    *) echo OK;;
  esac
done
",
            log.display()
        );
        fs::write(&path, text).expect("a file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a mode is set");
        fs::remove_file(&log).ok();
        Self { path, log }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("a path of ASCII")
    }

    /// Returns what it was told, one line each.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns how often it was to ask.
    pub(crate) fn asked(&self) -> usize {
        self.log().lines().filter(|line| *line == "GETPIN").count()
    }
}
