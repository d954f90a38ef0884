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

/// How often the thread is asked to end.
const ATTEMPTS: usize = 100;

impl Fifo {
    /// Makes the pipe, and serves it from a thread.
    pub(crate) fn serve(path: PathBuf, content: Arc<SecretBytes>) -> io::Result<Self> {
        make(&path)?;
        let is_over = Arc::new(IsOver::new(false));
        let server = thread::Builder::new().spawn({
            let (path, is_over) = (path.clone(), is_over.clone());
            move || serve(&path, &content, &is_over)
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
        let mut is_over = lock(&self.is_over);
        *is_over = true;
        // Both ends, so that it wakes the thread, which waits for a reader, and readers, which wait for the thread: a
        // program that outlives the one we waited for may just be opening the pipe, and would do so forever.
        let both_ends = open_both_ends(&self.path);
        let _ = fs::remove_file(&self.path);
        drop(is_over);
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
    let next = path.with_file_name(".next");
    // Opening waits for a reader. When it is over, there is no such path any more.
    while let Ok(mut pipe) = OpenOptions::new().write(true).open(path) {
        let is_over = lock(is_over);
        if *is_over {
            return;
        }
        // Whoever opens the path from now on gets a pipe of its own: two readers of one pipe would share the text.
        if make(&next).and_then(|()| fs::rename(&next, path)).is_err() {
            return;
        }
        drop(is_over);
        // A reader that closes the pipe early has what it wanted.
        let _ = pipe.write_all(content.expose());
    }
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

    #[test]
    fn it_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path(), b"x");
        let metadata = fs::metadata(&fifo.path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
