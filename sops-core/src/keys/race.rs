//! Several ways to the same, of which some suffice.

use std::{sync::mpsc, thread, time::Duration};

/// Runs jobs, of which `wanted` have to succeed, and returns what came of those that ended, by their numbers. As many as
/// are wanted are started at once; one more whenever one fails, or none has ended for as long as `head_start`. Those that
/// are still running when enough have succeeded are left alone.
pub(super) fn race<T, J>(
    jobs: Vec<J>,
    wanted: usize,
    head_start: Duration,
    is_success: impl Fn(&T) -> bool,
) -> Vec<(usize, T)>
where
    T: Send + 'static,
    J: FnOnce() -> T + Send + 'static,
{
    let mut ended = Vec::with_capacity(jobs.len());
    if jobs.len() <= 1 {
        // Nothing to be ahead of.
        ended.extend(jobs.into_iter().take(wanted).map(|job| (0, job())));
        return ended;
    }
    let (sender, receiver) = mpsc::channel();
    // Given up with the last job, so that a job that panics is not waited for.
    let mut sender = Some(sender);
    let mut waiting = jobs.into_iter().enumerate();
    let mut running = 0;
    let mut missing = wanted;
    // How many are to be started now.
    let mut due = wanted;
    while missing > 0 {
        for (number, job) in waiting.by_ref().take(due) {
            let sender = sender.clone();
            // Nobody listens any more when enough have succeeded.
            thread::spawn(move || sender.map(|sender| sender.send((number, job())).ok()));
            running += 1;
        }
        if waiting.len() == 0 {
            sender = None;
        }
        if running == 0 {
            break;
        }
        let outcome = match waiting.len() {
            0 => receiver
                .recv()
                .map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            _ => receiver.recv_timeout(head_start),
        };
        due = 0;
        match outcome {
            Ok((number, outcome)) => {
                running -= 1;
                match is_success(&outcome) {
                    true => missing -= 1,
                    false => due = 1,
                }
                ended.push((number, outcome));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => due = 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    type Job = Box<dyn FnOnce() -> Result<u8, u8> + Send>;

    fn job(milliseconds: u64, outcome: Result<u8, u8>) -> Job {
        Box::new(move || {
            thread::sleep(Duration::from_millis(milliseconds));
            outcome
        })
    }

    fn run(jobs: Vec<Job>, wanted: usize, head_start: u64) -> Vec<(usize, Result<u8, u8>)> {
        race(
            jobs,
            wanted,
            Duration::from_millis(head_start),
            Result::is_ok,
        )
    }

    #[test]
    fn the_first_success_ends_it() {
        let jobs = vec![job(0, Err(1)), job(0, Ok(2)), job(0, Ok(3))];
        assert_eq!(run(jobs, 1, 10_000), [(0, Err(1)), (1, Ok(2))]);
        assert_eq!(run(vec![job(0, Ok(1))], 1, 0), [(0, Ok(1))]);
        assert_eq!(run(Vec::new(), 1, 0), []);
    }

    #[test]
    fn a_slow_one_is_overtaken() {
        let start = Instant::now();
        let jobs = vec![job(30_000, Ok(1)), job(0, Ok(2))];
        assert_eq!(run(jobs, 1, 10), [(1, Ok(2))]);
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn all_fail() {
        let mut ended = run(vec![job(20, Err(1)), job(0, Err(2))], 1, 1);
        ended.sort_unstable();
        assert_eq!(ended, [(0, Err(1)), (1, Err(2))]);
    }

    #[test]
    fn several_are_wanted() {
        let start = Instant::now();
        let jobs = (0..4).map(|number| job(300, Ok(number))).collect();
        assert_eq!(run(jobs, 4, 10_000).len(), 4);
        assert!(start.elapsed() < Duration::from_millis(1100));
    }

    #[test]
    fn one_that_panics_is_no_success() {
        let jobs: Vec<Job> = vec![Box::new(|| panic!("on purpose")), job(50, Ok(1))];
        assert_eq!(run(jobs, 1, 5), [(1, Ok(1))]);
    }
}
