//! Files: read with a limit, replaced atomically or not touched.

mod attributes;
mod lock;
mod original;

pub(crate) use original::{ChangedFolders, Original};

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sops_core::SecretBytes;
use tempfile::Builder;

use crate::{
    error::{Code, Failure},
    temporary::TemporaryFile,
};
use lock::Lock;

/// More than any file of secrets has; a device that never ends does not fill the memory.
const LIMIT: u64 = 1 << 30;
#[cfg(feature = "audit")]
const SETTINGS_LIMIT: u64 = 16 << 20;

/// Reads standard input to its end.
pub(crate) fn read_stdin() -> Result<SecretBytes, Failure> {
    read_limited(io::stdin().lock(), 0, LIMIT)
        .map_err(|error| Failure::new(Code::Input, format!("cannot read standard input: {error}")))
}

/// Reads a file, or whatever else the path names.
pub(crate) fn read(path: &Path) -> Result<SecretBytes, Failure> {
    let read = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        read_limited(file, metadata.len(), LIMIT)
    };
    read().map_err(|error| Failure::reading(path, &error))
}

/// Reads a file of settings, which nobody makes large.
#[cfg(feature = "audit")]
pub(crate) fn read_settings(path: &Path) -> io::Result<SecretBytes> {
    read_limited(File::open(path)?, 0, SETTINGS_LIMIT)
}

/// Writes a result to `path`: atomically if there is a regular file or none, through it if it is a pipe or device.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let target = follow_links(path)?;
        match fs::metadata(&target) {
            Ok(metadata) if !metadata.is_file() => OpenOptions::new()
                .write(true)
                .open(&target)?
                .write_all(content),
            Ok(_) => {
                let mut lock = Lock::take(&target)?;
                let new = written_beside(&target, content, Some(lock.file()));
                lock.replace(new, &target, content)?;
                sync_folder(folder(&target));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                written_beside(&target, content, None)?.persist(&target)?;
                sync_folder(folder(&target));
                Ok(())
            }
            Err(error) => Err(error),
        }
    };
    write().map_err(|error| Failure::writing(path, &error))
}

/// Writes a file that must not exist yet.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let create = || {
        let target = follow_links(path)?;
        let new = written_beside(&target, content, None)?;
        new.persist_new(&target)?;
        sync_folder(folder(&target));
        Ok(())
    };
    create().map_err(|error: io::Error| Failure::writing(path, &error))
}

/// Writes a file that must not exist yet, for its owner alone.
#[cfg(feature = "age")]
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let create = || {
        let mut file = open_private(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    create().map_err(|error| Failure::writing(path, &error))
}

/// Makes a file that must not exist yet, for its owner alone.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// How long a name may be on most file systems, and how much longer that of a temporary file is.
const LONGEST_NAME: usize = 255;
const SURROUNDINGS: usize = ".".len() + ".sops-".len() + 6 + ".tmp".len();

/// Writes a temporary file to the folder of `target`, down to the disk. It is removed when dropped.
fn written_beside(target: &Path, content: &[u8], like: Option<&File>) -> io::Result<TemporaryFile> {
    let mut prefix = OsString::from(".");
    let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    if name.len() + SURROUNDINGS <= LONGEST_NAME {
        prefix.push(name);
    }
    prefix.push(".sops-");
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    if like.is_none() {
        use std::os::unix::fs::PermissionsExt;
        // What the umask takes away from it is the mode of any new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut new = TemporaryFile::new(|| builder.tempfile_in(folder(target)))?;
    let file = new.as_file_mut();
    file.write_all(content)?;
    if let Some(like) = like {
        attributes::keep(file, like)?;
    }
    match file.sync_all() {
        // Some file systems of other systems cannot do this.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(new),
    }
}

/// Makes the renaming last. It has happened already, and some file systems cannot do this, so failing is no failure.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// How many links a path may lead over, as for the system.
const MOST_LINKS: usize = 40;

/// Follows symbolic links, also to a file that does not exist yet.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => return result,
    }
    let mut path = path.to_owned();
    // What is there, but has no path, is an open pipe or the like: `/dev/fd/63`.
    if path.exists() {
        return Ok(path);
    }
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(link) => path = folder(&path).join(link),
            Err(_) => break,
        }
    }
    Ok(path)
}

fn read_limited(reader: impl Read, size: u64, limit: u64) -> io::Result<SecretBytes> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let room = usize::try_from(size.min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(room + 1);
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    let bytes = SecretBytes::new(bytes);
    if bytes.len() as u64 > limit {
        let message = format!("more than {} MiB", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
