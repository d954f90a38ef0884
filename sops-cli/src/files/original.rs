//! A file that is about to be changed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};
use sops_core::SecretBytes;

use super::{folder, lock::Lock, read, sync_folder, written_beside};
use crate::error::{Code, Failure};

/// A file as it was read, to be replaced by its next version.
pub(crate) struct Original {
    /// As the user wrote it.
    name: PathBuf,
    /// With symbolic links followed, so that a link stays a link.
    target: PathBuf,
    content: SecretBytes,
    /// The hash of the content, if it was taken.
    taken: Option<[u8; 32]>,
}

impl Original {
    /// Reads a regular file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let content = read(path)?;
        let target = fs::canonicalize(path).map_err(|error| Failure::reading(path, &error))?;
        if !target.is_file() {
            let message = "is no regular file, so it cannot be changed in place";
            return Err(Failure::new(Code::Conflict, message).in_file(&path.display().to_string()));
        }
        Ok(Self {
            name: path.to_owned(),
            target,
            content,
            taken: None,
        })
    }

    pub(crate) fn content(&self) -> &[u8] {
        self.content.expose()
    }

    /// Gives the content away, and remembers its hash: a large file need not be in memory twice.
    pub(crate) fn take_content(&mut self) -> SecretBytes {
        self.taken = Some(Sha256::digest(self.content()).into());
        std::mem::replace(&mut self.content, SecretBytes::new(Vec::new()))
    }

    /// Whether the file has other names (hard links). It is replaced under its own name alone: they keep what it was.
    pub(crate) fn has_other_names(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            fs::metadata(&self.target).is_ok_and(|metadata| metadata.nlink() > 1)
        }
        #[cfg(not(unix))]
        false
    }

    /// Whether the file still is what was read.
    fn is_unchanged(&self) -> Result<bool, Failure> {
        match self.taken {
            None => Ok(read(&self.target)?.expose() == self.content()),
            Some(hash) => hash_of(&self.target)
                .map(|current| current == hash)
                .map_err(|error| Failure::reading(&self.target, &error)),
        }
    }

    /// Replaces the file by `content`, provided that it still is what was read. After a failure it is untouched.
    pub(crate) fn replace(&self, content: &[u8]) -> Result<(), Failure> {
        let folders = ChangedFolders::default();
        let replaced = self.replace_one_of_many(content, &folders);
        folders.sync();
        replaced
    }

    /// As [`Original::replace`], but leaves it to the caller to sync the folder: once, for all files in it.
    pub(crate) fn replace_one_of_many(
        &self,
        content: &[u8],
        folders: &ChangedFolders,
    ) -> Result<(), Failure> {
        if self.taken.is_none() && content == self.content() {
            return Ok(());
        }
        let failed = |error: io::Error| Failure::writing(&self.name, &error);
        let mut lock = Lock::take(&self.target).map_err(failed)?;
        let new = written_beside(&self.target, content, Some(lock.file()));
        // As late as can be: what happens between here and the renaming goes unnoticed.
        if !self.is_unchanged()? {
            let message = "changed while sops worked on it; nothing was written";
            return Err(Failure::new(Code::Generic, message)
                .in_file(&self.name.display().to_string())
                .hint("look at the change, then run the command again"));
        }
        lock.replace(new, &self.target, content).map_err(failed)?;
        folders.add(&self.target);
        Ok(())
    }
}

/// Folders in which files were renamed. Until a folder is synced, a crash of the machine may bring the old file back:
/// still a whole one.
#[derive(Default)]
pub(crate) struct ChangedFolders(Mutex<BTreeSet<PathBuf>>);

impl ChangedFolders {
    fn add(&self, target: &Path) {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        folders.insert(folder(target).to_owned());
    }

    /// Makes the renamings last.
    pub(crate) fn sync(self) {
        for folder in self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            sync_folder(&folder);
        }
    }
}

fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = zeroize::Zeroizing::new(vec![0; 64 << 10]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
