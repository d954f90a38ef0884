//! Who may read a file with secret keys.

use std::{fs::File, path::Path};

use crate::warning::Warning;

/// Returns a warning if others than its owner can read the file with secret keys at `path`, which was opened as `file`. On
/// Windows there never is one.
#[cfg(unix)]
#[must_use]
pub fn warn_of_readers(path: &Path, file: &File) -> Option<Warning> {
    use std::os::unix::fs::PermissionsExt;

    let metadata = file.metadata().ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_file() || mode & 0o044 == 0 {
        return None;
    }
    let path = path.display();
    let warning = Warning::new(format!(
        "{path} holds secret keys, and others than its owner can read it (mode {mode:03o})"
    ));
    Some(warning.hint(format!("chmod 600 {path}")))
}

/// Returns a warning if others than its owner can read the file with secret keys at `path`, which was opened as `file`. On
/// Windows there never is one.
#[cfg(not(unix))]
#[must_use]
pub fn warn_of_readers(_path: &Path, _file: &File) -> Option<Warning> {
    None
}
