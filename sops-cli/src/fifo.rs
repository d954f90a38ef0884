//! Plaintexts in named pipes: they are in no file, and gone when they were read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use sops_core::SecretBytes;

/// A named pipe that gives the same text to whoever opens it, again and again, until this is dropped.
pub(crate) struct Fifo {
    path: PathBuf,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

/// How often the thread is asked to end.
const ATTEMPTS: usize = 100;

impl Fifo {
    /// Makes the pipe, and serves it from a thread.
    pub(crate) fn serve(path: PathBuf, content: Arc<SecretBytes>) -> io::Result<Self> {
        make(&path)?;
        let is_over = Arc::new(AtomicBool::new(false));
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
        use std::os::unix::fs::OpenOptionsExt;

        self.is_over.store(true, Ordering::Release);
        let Some(server) = self.server.take() else {
            return;
        };
        // The thread waits for a reader: be one. If the pipe was removed meanwhile, nobody can be, and the thread ends
        // with the process.
        for _ in 0..ATTEMPTS {
            if server.is_finished() {
                let _ = server.join();
                return;
            }
            let mut options = OpenOptions::new();
            let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            drop(options.read(true).custom_flags(flags).open(&self.path));
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn serve(path: &Path, content: &SecretBytes, is_over: &AtomicBool) {
    let next = path.with_file_name(".next");
    while !is_over.load(Ordering::Acquire) {
        // Waits for a reader.
        let Ok(mut pipe) = OpenOptions::new().write(true).open(path) else {
            return;
        };
        if is_over.load(Ordering::Acquire) {
            return;
        }
        // Whoever opens the path from now on gets a pipe of its own: two readers of one pipe would share the text.
        if make(&next).and_then(|()| fs::rename(&next, path)).is_err() {
            return;
        }
        // A reader that closes the pipe early has what it wanted.
        let _ = pipe.write_all(content.expose());
    }
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
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

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
    fn it_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = fifo(folder.path(), b"x");
        let metadata = fs::metadata(&fifo.path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
