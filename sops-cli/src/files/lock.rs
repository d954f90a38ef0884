//! Replacing a file that others may be about to replace, too.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::temporary::TemporaryFile;

/// An advisory lock on a file that is about to be replaced: two of us never replace it at once.
pub(super) struct Lock(File);

/// How long another one may hold the lock. Who holds it longer is not replacing the file: `flock FILE sops set FILE`, for
/// one, holds it until we are done.
const PATIENCE: Duration = Duration::from_secs(1);

impl Lock {
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        loop {
            // For writing, so that a file that is read-only is respected.
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            if cfg!(not(unix)) {
                return Ok(Self(file));
            }
            let patience = Instant::now() + PATIENCE;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                        thread::sleep(Duration::from_millis(2));
                    }
                    // Some network file systems know no locks.
                    Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
                        return Ok(Self(file));
                    }
                }
            }
            // Who held the lock before may have put another file here.
            if is_same_file(&file.metadata()?, &fs::metadata(path)?) {
                return Ok(Self(file));
            }
        }
    }

    /// The file that is locked.
    pub(super) fn file(&self) -> &File {
        &self.0
    }

    /// Puts a new file in the place of the locked one, `target`. Where none can be made or renamed, as in a folder that is
    /// not ours or where the file alone is mounted, the content is written into the file that is there.
    pub(super) fn replace(
        &mut self,
        new: io::Result<TemporaryFile>,
        target: &Path,
        content: &[u8],
    ) -> io::Result<()> {
        let replaced = new.and_then(|new| new.persist(target));
        match replaced {
            Err(error) if is_about_the_folder(&error) => overwrite(&mut self.0, content),
            other => other,
        }
    }
}

fn is_about_the_folder(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::CrossesDevices
    )
}

/// Writes into a file. What it is longer by is written first: if there is no room for it, the file stays what it was.
fn overwrite(file: &mut File, content: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let (start, end) = content.split_at(
        content
            .len()
            .min(usize::try_from(before).unwrap_or(usize::MAX)),
    );
    file.seek(SeekFrom::Start(before))?;
    let longer = file.write_all(end).and_then(|()| file.sync_all());
    if let Err(error) = longer {
        let _ = file.set_len(before);
        return Err(error);
    }
    file.rewind()?;
    file.write_all(start)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == other.dev() && one.ino() == other.ino()
}

#[cfg(not(unix))]
fn is_same_file(_one: &Metadata, _other: &Metadata) -> bool {
    true
}
