//! Temporary files and folders, which do not outlive the program when a signal ends it: they may hold secrets in the clear.

#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::NamedTempFile;

/// The files and folders that are there.
static PATHS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether signals are watched, or somebody else does something about them.
#[cfg(unix)]
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// A temporary file. It is removed when dropped, and when a signal ends the program.
pub(crate) struct TemporaryFile {
    file: NamedTempFile,
    _registered: Registered,
}

impl TemporaryFile {
    /// Makes the file that `create` makes.
    pub(crate) fn new(create: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<Self> {
        watch()?;
        // Whoever removes the files waits until the new one is among them.
        let mut paths = paths();
        let file = create()?;
        paths.push(file.path().to_owned());
        Ok(Self {
            _registered: Registered(file.path().to_owned()),
            file,
        })
    }

    pub(crate) fn as_file_mut(&mut self) -> &mut std::fs::File {
        self.file.as_file_mut()
    }

    /// Gives the file its name, in the place of any other.
    pub(crate) fn persist(self, path: &Path) -> io::Result<()> {
        self.file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Gives the file its name, if there is no other of this name.
    pub(crate) fn persist_new(self, path: &Path) -> io::Result<()> {
        self.file
            .persist_noclobber(path)
            .map_err(|error| error.error)?;
        Ok(())
    }
}

/// A path that is removed when a signal ends the program, until this is dropped.
pub(crate) struct Registered(PathBuf);

impl Registered {
    pub(crate) fn new(path: &Path) -> Self {
        paths().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        paths().retain(|path| *path != self.0);
    }
}

fn paths() -> MutexGuard<'static, Vec<PathBuf>> {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all that is there, and ends the program as the signal does.
#[cfg(unix)]
pub(crate) fn end_by(signal: i32) {
    // Held to the end: nothing else is made.
    let paths = paths();
    for path in &*paths {
        if std::fs::remove_file(path).is_err() {
            let _ = std::fs::remove_dir_all(path);
        }
    }
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// Leaves signals to the caller, who ends the program in order.
#[cfg(unix)]
pub(crate) fn leave_signals() {
    IS_WATCHED.store(true, Ordering::Relaxed);
}

/// Has the files removed when a signal comes.
#[cfg(unix)]
fn watch() -> io::Result<()> {
    if IS_WATCHED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let mut signals = crate::signals::watch(&[])?;
    std::thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            end_by(signal);
        }
    })?;
    Ok(())
}

#[cfg(not(unix))]
fn watch() -> io::Result<()> {
    Ok(())
}
