//! The same work on many files, on all cores.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// What the work on one item mostly waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It computes: one thread a core.
    ForNothing,
    /// It waits until files are down on the disk: while one waits, others go on.
    ForTheDisk,
}

/// How many threads a core are kept waiting for the disk.
const WAITING: usize = 8;

/// Applies `work` to every item on all cores, and gives each result to `done` on the calling thread: in the order of
/// the items, as soon as the results before it are there.
pub(crate) fn for_each_in_order<T, R>(
    items: Vec<T>,
    waits: Waits,
    work: impl Fn(T) -> R + Sync,
    mut done: impl FnMut(R),
) where
    T: Send,
    R: Send,
{
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = match waits {
        Waits::ForNothing => cores,
        Waits::ForTheDisk => cores * WAITING,
    }
    .min(items.len());
    if threads <= 1 {
        items.into_iter().map(work).for_each(done);
        return;
    }

    let items: Vec<_> = items
        .into_iter()
        .map(|item| Mutex::new(Some(item)))
        .collect();
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (items, next, work, sender) = (&items, &next, &work, sender.clone());
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = items.get(index) else { break };
                    let item = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                    let Some(item) = item else { break };
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);

        let mut waiting: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let mut turn = 0;
        for (index, result) in results {
            waiting[index] = Some(result);
            while let Some(result) = waiting.get_mut(turn).and_then(Option::take) {
                done(result);
                turn += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn doubled(items: Vec<u64>) -> Vec<u64> {
        let mut results = Vec::new();
        for_each_in_order(
            items,
            Waits::ForNothing,
            |item| item * 2,
            |result| results.push(result),
        );
        results
    }

    #[test]
    fn keeps_the_order() {
        let items: Vec<u64> = (0..1000).collect();
        let expected: Vec<u64> = items.iter().map(|item| item * 2).collect();
        assert_eq!(doubled(items), expected);
    }

    #[test]
    fn keeps_the_order_when_the_first_item_is_the_slowest() {
        let mut results = Vec::new();
        for_each_in_order(
            vec![30, 0, 0, 0, 10, 0],
            Waits::ForTheDisk,
            |milliseconds| {
                thread::sleep(Duration::from_millis(milliseconds));
                milliseconds
            },
            |result| results.push(result),
        );
        assert_eq!(results, [30, 0, 0, 0, 10, 0]);
    }

    #[test]
    fn takes_no_item_and_one_item() {
        assert_eq!(doubled(Vec::new()), Vec::<u64>::new());
        assert_eq!(doubled(vec![7]), [14]);
    }
}
