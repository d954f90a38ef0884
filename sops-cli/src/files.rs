//! Files: read with a limit, replaced atomically or not touched.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};
use sops_core::SecretBytes;
use tempfile::{Builder, NamedTempFile};

use crate::error::{Code, Failure};

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
        let lock = Lock::take(&self.target).map_err(failed)?;
        let metadata = lock.0.metadata().map_err(failed)?;
        let new = written_beside(&self.target, content, Some(&metadata)).map_err(failed)?;
        // As late as can be: what happens between here and the renaming goes unnoticed.
        if !self.is_unchanged()? {
            let message = "changed while sops worked on it; nothing was written";
            return Err(Failure::new(Code::Generic, message)
                .in_file(&self.name.display().to_string())
                .hint("look at the change, then run the command again"));
        }
        new.persist(&self.target)
            .map_err(|error| failed(error.error))?;
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

/// Writes a result to `path`: atomically if there is a regular file or none, through it if it is a pipe or device.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        let target = follow_links(path)?;
        match fs::metadata(&target) {
            Ok(metadata) if !metadata.is_file() => OpenOptions::new()
                .write(true)
                .open(&target)?
                .write_all(content),
            Ok(metadata) => {
                let _lock = Lock::take(&target)?;
                put_in_place(written_beside(&target, content, Some(&metadata))?, &target)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                put_in_place(written_beside(&target, content, None)?, &target)
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
        new.persist_noclobber(&target)
            .map_err(|error| error.error)?;
        sync_folder(folder(&target));
        Ok(())
    };
    create().map_err(|error: io::Error| Failure::writing(path, &error))
}

/// An advisory lock on a file that is about to be replaced: two of us never replace it at once.
struct Lock(File);

impl Lock {
    fn take(path: &Path) -> io::Result<Self> {
        loop {
            // For writing, so that a file that is read-only is respected.
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            if cfg!(not(unix)) {
                return Ok(Self(file));
            }
            match file.lock() {
                Ok(()) => {}
                // Some network file systems know no locks.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Self(file)),
                Err(error) => return Err(error),
            }
            // Who held the lock before may have put another file here.
            if is_same_file(&file.metadata()?, &fs::metadata(path)?) {
                return Ok(Self(file));
            }
        }
    }
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

/// Writes a temporary file to the folder of `target`, down to the disk. It is removed when dropped.
fn written_beside(
    target: &Path,
    content: &[u8],
    like: Option<&Metadata>,
) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    prefix.push(".sops-");
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    #[cfg(unix)]
    if like.is_none() {
        use std::os::unix::fs::PermissionsExt;
        // What the umask takes away from it is the mode of any new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder(target))?;
    file.write_all(content)?;
    if let Some(like) = like {
        keep_owner_and_mode(file.as_file(), like)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives `file` the owner, group and mode of the file it will replace.
#[cfg(unix)]
fn keep_owner_and_mode(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let own = file.metadata()?;
    let mut mode = like.mode() & 0o777;
    // Only root can give files away. Who may write to another's file becomes its owner by replacing it, as with git.
    if own.uid() != like.uid() {
        let _ = fchown(file, Some(like.uid()), None);
    }
    if own.gid() != like.gid() && fchown(file, None, Some(like.gid())).is_err() {
        // What one group may read is not for another.
        mode &= 0o707;
    }
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_owner_and_mode(file: &File, like: &Metadata) -> io::Result<()> {
    file.set_permissions(like.permissions())
}

fn put_in_place(new: NamedTempFile, target: &Path) -> io::Result<()> {
    new.persist(target).map_err(|error| error.error)?;
    sync_folder(folder(target));
    Ok(())
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

/// Follows symbolic links, also to a file that does not exist yet.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => Ok(folder(path).join(link)),
            Err(_) => Ok(path.to_owned()),
        },
        result => result,
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
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_content_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "old").unwrap();
        Original::read(&path).unwrap().replace(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[test]
    fn refuses_to_replace_what_changed_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "old").unwrap();
        let original = Original::read(&path).unwrap();
        fs::write(&path, "other").unwrap();
        let failure = original.replace(b"new").unwrap_err();
        assert_eq!(failure.code, Code::Generic);
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[test]
    fn of_many_that_replace_at_once_one_wins_and_the_others_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "old").unwrap();
        let originals: Vec<_> = (0..8).map(|_| Original::read(&path).unwrap()).collect();
        let won = std::thread::scope(|scope| {
            let threads: Vec<_> = originals
                .iter()
                .enumerate()
                .map(|(number, original)| {
                    scope.spawn(move || original.replace(format!("new {number}").as_bytes()))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().is_ok())
                .collect::<Vec<_>>()
        });
        let winner = won.iter().position(|&won| won).expect("one of them wins");
        assert_eq!(won.iter().filter(|&&won| won).count(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("new {winner}"));
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[test]
    fn says_what_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().code, Code::Input);
        let missing = folder.path().join("missing");
        assert_eq!(read(&missing).unwrap_err().code, Code::NoFile);
    }

    #[test]
    fn says_what_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("a.yaml");
        assert_eq!(write(&path, b"new").unwrap_err().code, Code::Output);
        assert_eq!(write(folder.path(), b"new").unwrap_err().code, Code::Output);
    }

    #[test]
    fn does_not_create_over_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().code, Code::Output);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn keeps_the_mode_and_the_link() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.yaml");
            let link = folder.path().join("link.yaml");
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            symlink("a.yaml", &link).unwrap();
            Original::read(&link).unwrap().replace(b"new").unwrap();
            assert_eq!(mode(&path), 0o640);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&path).unwrap(), b"new");
            write(&link, b"newer").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(&path).unwrap(), b"newer");
            assert_eq!(mode(&path), 0o640);
        }

        #[test]
        fn writes_through_a_link_to_nothing() {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join("link.yaml");
            symlink("a.yaml", &link).unwrap();
            write(&link, b"new").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read(folder.path().join("a.yaml")).unwrap(), b"new");
        }

        #[test]
        fn writes_to_a_device() {
            write(Path::new("/dev/null"), b"new").unwrap();
            assert!(!fs::metadata("/dev/null").unwrap().is_file());
        }
    }
}
