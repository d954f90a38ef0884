//! Plaintexts in named pipes: they are in no file, and gone when they were read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use sops_core::SecretBytes;

/// A named pipe that gives the same text to whoever opens it, again and again, until this is dropped. Dropping removes it.
pub(crate) struct Fifo {
    path: PathBuf,
    is_over: Arc<IsOver>,
    server: Option<JoinHandle<()>>,
}

/// Whether the pipe is served no more. Whoever makes or removes the pipe holds it.
type IsOver = Mutex<bool>;

/// How often the thread is asked to end, and how often something is tried that fails for want of files or memory.
const ATTEMPTS: usize = 100;

/// How long a thread waits that can neither open the pipe nor make the next one.
const PAUSE: Duration = Duration::from_millis(20);

impl Fifo {
    /// Makes the pipe, and serves it from a thread.
    pub(crate) fn serve(path: PathBuf, content: Arc<SecretBytes>) -> io::Result<Self> {
        make(&path)?;
        // Keeps one of the files that the process may open. Without one for each pipe, readers would wait forever.
        let reserved = File::open("/dev/null")?;
        let is_over = Arc::new(IsOver::new(false));
        let server = thread::Builder::new().spawn({
            let (path, is_over) = (path.clone(), is_over.clone());
            move || {
                drop(reserved);
                serve(&path, &content, &is_over);
            }
        })?;
        Ok(Self {
            path,
            is_over,
            server: Some(server),
        })
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let both_ends = end(&self.path, &self.is_over);
        let Some(server) = self.server.take() else {
            return;
        };
        // Whoever found the path before it was removed is about to open it. If somebody else removed it, or a reader
        // does not read, the thread ends with the process.
        for _ in 0..ATTEMPTS {
            thread::sleep(Duration::from_millis(1));
            if server.is_finished() {
                let _ = server.join();
                break;
            }
        }
        drop(both_ends);
    }
}

/// Says that the pipe is served no more, and removes it. What is returned is to be kept for a while.
fn end(path: &Path, is_over: &IsOver) -> Option<File> {
    let mut is_over = lock(is_over);
    *is_over = true;
    // Both ends, so that it wakes the thread, which waits for a reader, and readers, which wait for the thread: a
    // program that outlives the one we waited for may just be opening the pipe, and would do so forever.
    let mut both_ends = open_both_ends(path);
    for _ in 0..ATTEMPTS {
        if !both_ends.as_ref().is_err_and(passes) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
        both_ends = open_both_ends(path);
    }
    let _ = fs::remove_file(path);
    both_ends.ok()
}

/// Opens the pipe without waiting for anybody.
fn open_both_ends(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

/// Gives the text to one reader after the other.
fn serve(path: &Path, content: &SecretBytes, is_over: &IsOver) {
    let next = next_to(path);
    loop {
        // Opening waits for a reader.
        let mut pipe = match OpenOptions::new().write(true).open(path) {
            Ok(pipe) => pipe,
            Err(error) if passes(&error) && !*lock(is_over) => {
                thread::sleep(PAUSE);
                continue;
            }
            // When it is over, there is no such path any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {
                let both_ends = end(path, is_over);
                thread::sleep(PAUSE);
                drop(both_ends);
                return;
            }
        };
        let is_over = lock(is_over);
        if *is_over {
            return;
        }
        // Whoever opens the path from now on gets a pipe of its own: two readers of one pipe would share the text.
        let is_renewed = make(&next).and_then(|()| fs::rename(&next, path)).is_ok();
        drop(is_over);
        // A reader that closes the pipe early has what it wanted.
        let _ = pipe.write_all(content.expose());
        drop(pipe);
        if !is_renewed {
            // The next reader has to do with the same pipe. This one has to see the end of the text before.
            thread::sleep(PAUSE);
        }
    }
}

/// The path of the next pipe, until that has the name of the one before.
fn next_to(path: &Path) -> PathBuf {
    const NAME: &str = ".next";
    let is_taken = path
        .file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME));
    path.with_file_name(if is_taken { ".following" } else { NAME })
}

/// Whether what failed may work a little later.
fn passes(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR];
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| passing.contains(&errno))
}

fn lock(is_over: &IsOver) -> MutexGuard<'_, bool> {
    is_over.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
fn make(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, Mode, mkfifoat};

    Ok(mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?)
}

#[cfg(not(target_os = "linux"))]
fn make(path: &Path) -> io::Result<()> {
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(path)
        .status()?;
    match made.success() {
        true => Ok(()),
        false => Err(io::Error::other("mkfifo failed")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{FileTypeExt, PermissionsExt},
        sync::mpsc,
    };

    use super::*;

    fn fifo(folder: &Path, content: &[u8]) -> Fifo {
        let content = Arc::new(SecretBytes::new(content.to_vec()));
        Fifo::serve(folder.join("pipe"), content).unwrap()
    }

    #[test]
    fn every_reader_gets_the_whole_text() {
        let folder = tempfile::tempdir().unwrap();
        // More than a pipe holds.
        let content = vec![b'x'; 300_000];
        let fifo = fifo(folder.path(), &content);
        for _ in 0..20 {
            assert!(fs::read(&fifo.path).unwrap() == content);
        }
    }

    #[test]
    fn a_reader_that_stops_early_harms_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path(), &vec![b'x'; 300_000]);
        drop(fs::File::open(&fifo.path).unwrap());
        assert_eq!(fs::read(&fifo.path).unwrap().len(), 300_000);
    }

    #[test]
    fn it_ends_without_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        drop(fifo(folder.path(), b"never read"));
    }

    #[test]
    fn it_ends_when_the_pipe_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path(), b"never read");
        fs::remove_file(&fifo.path).unwrap();
    }

    #[test]
    fn a_reader_that_comes_at_the_end_does_not_wait_forever() {
        for _ in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            let fifo = fifo(folder.path(), b"text");
            let (sender, ends) = mpsc::channel();
            let path = fifo.path.clone();
            thread::spawn(move || {
                while fs::read(&path).is_ok() {}
                sender.send(())
            });
            thread::sleep(Duration::from_millis(1));
            drop(fifo);
            ends.recv_timeout(Duration::from_secs(30)).unwrap();
        }
    }

    /// Reads a pipe, and does not wait forever for one that nobody serves.
    #[track_caller]
    fn read(path: &Path) -> Vec<u8> {
        let (sender, text) = mpsc::channel();
        let path = path.to_owned();
        thread::spawn(move || sender.send(fs::read(path)));
        let text = text.recv_timeout(Duration::from_secs(30));
        text.expect("somebody serves it").unwrap()
    }

    #[test]
    fn a_pipe_may_have_any_name() {
        for name in [".next", ".NEXT", ".following", ".2", "..."] {
            let folder = tempfile::tempdir().unwrap();
            let content = Arc::new(SecretBytes::new(b"text".to_vec()));
            let fifo = Fifo::serve(folder.path().join(name), content).unwrap();
            for _ in 0..3 {
                assert_eq!(read(&fifo.path), b"text", "{name}");
            }
        }
    }

    #[test]
    fn without_room_for_another_pipe_readers_use_the_same() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".next")).unwrap();
        // More than a pipe holds.
        let content = vec![b'x'; 300_000];
        let fifo = fifo(folder.path(), &content);
        for _ in 0..5 {
            assert!(read(&fifo.path) == content);
        }
    }

    #[test]
    fn who_gives_up_lets_nobody_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        make(&path).unwrap();
        let (sender, ends) = mpsc::channel();
        thread::spawn({
            let path = path.clone();
            move || sender.send(fs::read(path))
        });
        thread::sleep(Duration::from_millis(50));
        let both_ends = end(&path, &IsOver::new(false));
        thread::sleep(PAUSE);
        drop(both_ends);
        let read = ends.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(read.is_err() || read.is_ok_and(|text| text.is_empty()));
        assert!(!path.exists());
    }

    #[test]
    fn it_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path(), b"x");
        let metadata = fs::metadata(&fifo.path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
