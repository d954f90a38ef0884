//! How far work on many files is, on a terminal, when it takes long.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use crate::ui::Ui;

/// Work that is over sooner is not commented on.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

/// A line that is written again and again.
pub(crate) struct Progress {
    all: usize,
    done: usize,
    is_shown: bool,
    next: Instant,
    is_written: bool,
}

impl Progress {
    pub(crate) fn new(all: usize, ui: Ui) -> Self {
        Self {
            all,
            done: 0,
            is_shown: all > 1 && ui.has_progress() && io::stderr().is_terminal(),
            next: Instant::now() + PATIENCE,
            is_written: false,
        }
    }

    /// Counts one file.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        let now = Instant::now();
        if self.is_shown && now >= self.next {
            self.next = now + PAUSE;
            self.is_written = true;
            let _ = write!(io::stderr(), "\r{}", line(self.done, self.all));
        }
    }

    /// Makes room for a message, or for what comes after.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_written) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: usize, all: usize) -> String {
    const WIDTH: usize = 30;
    let full = done.min(all) * WIDTH / all.max(1);
    let bar = "#".repeat(full) + &".".repeat(WIDTH - full);
    format!("[{bar}] {done} of {all} files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up() {
        assert_eq!(line(0, 4), "[..............................] 0 of 4 files");
        assert_eq!(line(2, 4), "[###############...............] 2 of 4 files");
        assert_eq!(line(4, 4), "[##############################] 4 of 4 files");
        assert_eq!(line(0, 0), "[..............................] 0 of 0 files");
    }
}
