//! What other programs print: tokens, mostly.

use std::{
    ffi::OsStr,
    io,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use sops_core::SecretBytes;

/// What a program prints ends here.
const MAX_OUTPUT: usize = 1 << 20;

/// Runs a program, with nothing on its standard input and its complaints thrown away, and returns what it prints if it
/// succeeds within `limit`.
///
/// # Errors
///
/// Fails if it cannot be run ([`io::ErrorKind::NotFound`]: it is not there), fails, prints too much, or takes too long,
/// after which it is ended.
pub fn output_of<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
) -> io::Result<SecretBytes> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            sender
                .send(SecretBytes::read_limited(stdout, MAX_OUTPUT))
                .ok()
        });
    }
    let output = receiver.recv_timeout(limit);
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if output.is_err() || Instant::now() >= deadline => break None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    let Some(status) = status else {
        // It may just have ended, which is as well.
        child.kill().ok();
        child.wait()?;
        return Err(io::ErrorKind::TimedOut.into());
    };
    let output = output.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    match output {
        // First, because a program that nobody listens to fails.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(io::Error::new(error.kind(), "it prints too much"))
        }
        _ if !status.success() => Err(io::Error::other(format!("it failed ({status})"))),
        output => output,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let run =
            |script: &str, limit| output_of("sh", ["-c", script], Duration::from_millis(limit));
        assert_eq!(run("echo a", 10_000).expect("it runs").expose(), b"a\n");
        let error = run("echo a; exit 1", 10_000).expect_err("it fails");
        assert!(error.to_string().contains("it failed"), "{error}");
        let error = run("exec yes", 20_000).expect_err("it does not end");
        assert_eq!(error.to_string(), "it prints too much");
        let start = Instant::now();
        let error = run("exec sleep 60", 50).expect_err("it takes too long");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(20));
        let missing = output_of("no-such-program-here", [""; 0], Duration::from_secs(1));
        assert_eq!(
            missing.expect_err("not there").kind(),
            io::ErrorKind::NotFound
        );
    }
}
