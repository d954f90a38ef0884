//! The one thread on which the asynchronous backends of SOPS wait for the network.
//!
//! Everything else in SOPS is synchronous. [`run`] gives a future to that thread and waits for what comes of it. The thread
//! is started by the first call, and serves all further ones, so connections outlive the call that opened them.
//!
//! It may be called from anywhere, also from inside another runtime of tokio: it blocks the calling thread, but never
//! builds a runtime there, which would panic.

use std::{
    cell::Cell,
    fmt,
    future::{Future, pending},
    io,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Handle};

/// Why nothing came of a future.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The thread could not be started.
    Start(io::ErrorKind),
    /// The future did not end in time.
    TimedOut(Duration),
    /// The future panicked.
    Ended,
    /// The call came from the thread itself, which would wait for itself forever.
    FromItself,
}

impl std::error::Error for RuntimeError {}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(kind) => write!(f, "the thread for the network cannot be started: {kind}"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Self::Ended => f.write_str("the call was given up because of an internal error"),
            Self::FromItself => f.write_str("the thread for the network would wait for itself"),
        }
    }
}

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Runs a future on the thread for the network, and waits for what comes of it, but no longer than `limit`. A future that
/// takes longer is dropped.
///
/// # Errors
///
/// Fails if the thread cannot be started, the time is over, the future panics, or the call comes from the thread itself.
pub fn run_within<T: Send + 'static>(
    limit: Duration,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, RuntimeError> {
    run(async move { tokio::time::timeout(limit, future).await })?
        .map_err(|_| RuntimeError::TimedOut(limit))
}

/// Runs a future on the thread for the network, and waits for what comes of it, however long that takes.
///
/// # Errors
///
/// Fails if the thread cannot be started, the future panics, or the call comes from the thread itself.
pub fn run<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, RuntimeError> {
    if IS_OURS.get() {
        return Err(RuntimeError::FromItself);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // Nobody waits any more when it was given up, which is as well.
        sender.send(future.await).ok();
    });
    receiver.recv().map_err(|_| RuntimeError::Ended)
}

fn handle() -> Result<&'static Handle, RuntimeError> {
    static HANDLE: OnceLock<Result<Handle, io::ErrorKind>> = OnceLock::new();
    HANDLE
        .get_or_init(|| start().map_err(|error| error.kind()))
        .as_ref()
        .map_err(|kind| RuntimeError::Start(*kind))
}

/// Starts the thread. It ends with the process.
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("sops-network".to_owned())
        .spawn(move || {
            IS_OURS.set(true);
            runtime.block_on(pending::<()>());
        })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn returns_what_comes_of_it() {
        assert_eq!(run(async { 1 + 1 }).expect("it ends"), 2);
        let name = run(async { thread::current().name().map(str::to_owned) }).expect("it ends");
        assert_eq!(name.as_deref(), Some("sops-network"));
    }

    #[test]
    fn may_be_called_from_another_runtime() {
        let other = Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(
            other.block_on(async { run(async { 5 }).expect("it ends") }),
            5
        );
    }

    #[test]
    fn calls_from_itself_fail() {
        let inner = run(async { run(async { 5 }).err().map(|error| error.to_string()) });
        assert!(
            inner
                .expect("it ends")
                .expect("an error")
                .contains("itself")
        );
    }

    #[test]
    fn panics_and_endless_waits_end() {
        let limit = Duration::from_millis(20);
        let start = Instant::now();
        let result = run_within(limit, pending::<()>());
        assert!(matches!(result, Err(RuntimeError::TimedOut(_))));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(matches!(
            run(async { panic!("on purpose") }),
            Err::<(), _>(RuntimeError::Ended)
        ));
        assert_eq!(run(async { 1 }).expect("still there"), 1);
    }
}
