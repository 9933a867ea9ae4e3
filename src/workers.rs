//! Several things done at once, on threads of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::world::Arena;

/// Does `work` for every item with so many workers (at least one) and returns the results in the
/// order of the items. `over` is told after each how many are done.
///
/// # Panics
/// If a worker dies.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(&Arena, &T) -> R + Sync,
    over: impl Fn(usize) + Sync,
) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1).min(items.len()) {
            scope.spawn(|| {
                let arena = Arena::new();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { return };
                    let result = work(&arena, item);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(result);
                    over(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|result| result.expect("every item is done")).collect()
}

/// Does `work` on so many threads (at least one) and returns what each came to. Until all are done
/// `look_after` is called again and again on this one; it should wait a little.
///
/// # Panics
/// If a worker dies.
pub(crate) fn watched<R: Send>(
    workers: usize,
    work: impl Fn() -> R + Sync,
    look_after: impl Fn(),
) -> Vec<R> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(&work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            look_after();
        }
        let ended = workers.into_iter().map(|worker| worker.join());
        ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
