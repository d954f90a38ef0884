//! Plaintexts for other programs: in a folder that nobody else can enter, in memory where the system has such a folder.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use sops_core::SecretBytes;
use tempfile::TempDir;

use crate::{
    error::{Code, Failure},
    files,
    temporary::Registered,
};

/// A new folder that is for its owner alone. Removed, with all that is in it, when this is dropped.
pub(crate) struct PrivateFolder {
    folder: TempDir,
    _registered: Registered,
}

impl PrivateFolder {
    pub(crate) fn create() -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".sops-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let folder = builder.tempdir_in(private_folder())?;
        Ok(Self {
            _registered: Registered::new(folder.path()),
            folder,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a file that only its owner can read. `name` may have folders in it, which are made, too.
    pub(crate) fn write(&self, name: &Path, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        self.make_folders(&path)?;
        files::open_private(&path)?.write_all(content)?;
        Ok(path)
    }

    /// Makes the folders on the way to a path inside of this one.
    pub(crate) fn make_folders(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), fs::create_dir_all)
    }
}

/// A plaintext to edit, in a folder of its own.
///
/// Folder and file are removed when this is dropped, with whatever the editor left beside it.
pub(crate) struct PrivateFile {
    folder: PrivateFolder,
    path: PathBuf,
}

impl PrivateFile {
    /// Writes `content` under the base name of `original`, which tells the editor the language.
    pub(crate) fn create(original: &Path, content: &[u8]) -> Result<Self, Failure> {
        let create = || {
            let folder = PrivateFolder::create()?;
            let name = original.file_name().unwrap_or(OsStr::new("secrets"));
            let path = folder.write(Path::new(name), content)?;
            Ok(Self { folder, path })
        };
        create().map_err(|error: io::Error| {
            let message = format!("cannot make a temporary file to edit: {error}");
            Failure::new(Code::Output, message)
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what the editor left.
    pub(crate) fn read(&self) -> Result<SecretBytes, Failure> {
        let is_file = fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            let message = "the editor left no file where it was given one; nothing was written";
            return Err(Failure::new(Code::Input, message));
        }
        files::read(&self.path)
    }

    /// Leaves the file where it is, and returns its path.
    pub(crate) fn keep(self) -> PathBuf {
        let _ = self.folder.folder.keep();
        self.path
    }
}

/// The first folder that exists in memory only, else the one for temporary files.
fn private_folder() -> PathBuf {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    [runtime, Some(PathBuf::from("/dev/shm"))]
        .into_iter()
        .flatten()
        .find(|folder| is_in_memory(folder) && is_writable(folder))
        .unwrap_or_else(env::temp_dir)
}

#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    rustix::fs::statfs(folder)
        .is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| kind == TMPFS_MAGIC))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_folder: &Path) -> bool {
    false
}

#[cfg(unix)]
fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(
        folder,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .is_ok()
}

#[cfg(not(unix))]
fn is_writable(_folder: &Path) -> bool {
    false
}
