//! Files: read with a limit, replaced atomically or not touched.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use sops_core::SecretBytes;
use tempfile::Builder;

use crate::{
    error::{Code, Failure},
    temporary::TemporaryFile,
};

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
        let mut lock = Lock::take(&self.target).map_err(failed)?;
        let new = written_beside(&self.target, content, Some(&lock.0));
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
                let new = written_beside(&target, content, Some(&lock.0));
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

/// An advisory lock on a file that is about to be replaced: two of us never replace it at once.
struct Lock(File);

/// How long another one may hold the lock. Who holds it longer is not replacing the file: `flock FILE sops set FILE`, for
/// one, holds it until we are done.
const PATIENCE: Duration = Duration::from_secs(1);

impl Lock {
    fn take(path: &Path) -> io::Result<Self> {
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
}

impl Lock {
    /// Puts a new file in the place of the locked one, `target`. Where none can be made or renamed, as in a folder that is
    /// not ours or where the file alone is mounted, the content is written into the file that is there.
    fn replace(
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
        keep_owner_and_mode(file, like)?;
    }
    match file.sync_all() {
        // Some file systems of other systems cannot do this.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => Ok(new),
    }
}

/// Gives `file` the owner, group, mode and attributes of the file it will replace.
#[cfg(unix)]
fn keep_owner_and_mode(file: &File, like: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let own = file.metadata()?;
    let of_like = like.metadata()?;
    let mut mode = of_like.mode() & 0o777;
    // Only root can give files away. Who may write to another's file becomes its owner by replacing it, as with git.
    if own.uid() != of_like.uid() {
        let _ = fchown(file, Some(of_like.uid()), None);
    }
    if own.gid() != of_like.gid() && fchown(file, None, Some(of_like.gid())).is_err() {
        // What one group may read is not for another.
        mode &= 0o707;
    }
    #[cfg(target_os = "linux")]
    if !keep_attributes(file, like) {
        // With an access control list, the mode of the group is that of whoever the list names.
        mode &= 0o707;
    }
    // Asked again: a list of access control changes the mode, too.
    if file.metadata()?.mode() & 0o777 == mode {
        return Ok(());
    }
    match file.set_permissions(fs::Permissions::from_mode(mode)) {
        // Some file systems of other systems have one mode for all files.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// Gives `file` the extended attributes of another, as far as that is allowed. False if it lacks the access control list.
#[cfg(target_os = "linux")]
fn keep_attributes(file: &File, like: &File) -> bool {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};

    const ACCESS_CONTROL: &[u8] = b"system.posix_acl_access";
    /// The most that the system has for the names, and for a value.
    const MOST: usize = 64 << 10;
    let mut names = vec![0; MOST];
    let Ok(length) = flistxattr(like, names.as_mut_slice()) else {
        return true;
    };
    let names = names[..length].split(|&byte| byte == 0);
    let mut is_complete = true;
    // The one that the folder gives to new files.
    let _ = fremovexattr(file, ACCESS_CONTROL);
    for name in names.filter(|name| !name.is_empty()) {
        let mut value = vec![0; MOST];
        let kept = fgetxattr(like, name, value.as_mut_slice())
            .and_then(|length| fsetxattr(file, name, &value[..length], XattrFlags::empty()));
        is_complete &= kept.is_ok() || name != ACCESS_CONTROL;
    }
    is_complete
}

#[cfg(not(unix))]
fn keep_owner_and_mode(file: &File, like: &File) -> io::Result<()> {
    file.set_permissions(like.metadata()?.permissions())
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
