//! Sleeping in virtual time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::engine::{self, Target};
use crate::schedule::Footprint;

/// A place for one timer. Slots are reused; the generation tells a cancelled timer from a new one.
#[derive(Debug, Default)]
pub(crate) struct TimerSlot {
    pub(crate) generation: u32,
    pub(crate) waker: Option<Waker>,
    pub(crate) fired: bool,
}

/// Completes when the clock of the current process has advanced by the given time.
///
/// It starts at its first poll, and dropping it cancels it.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    duration: Duration,
    timer: Option<(u32, u32)>,
}

/// Sleeps for `duration` on the monotonic clock of the current process.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, timer: None }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (timer, duration) = (self.timer, self.duration);
        engine::with(|engine| match timer {
            None => {
                let slot = engine.free_timers.pop().unwrap_or_else(|| {
                    engine.timers.push(TimerSlot::default());
                    (engine.timers.len() - 1) as u32
                });
                let generation = engine.timers[slot as usize].generation;
                engine.timers[slot as usize].waker = Some(cx.waker().clone());
                engine.timers[slot as usize].fired = false;
                let clock = engine.processes[usize::from(engine.current.0)].clock;
                let at_ns = engine.now_ns.saturating_add(clock.virtual_ns(duration));
                let footprint = Footprint::local(engine.current);
                engine.schedule(at_ns, Target::Timer { slot, generation }, || footprint);
                self.timer = Some((slot, generation));
                Poll::Pending
            }
            Some((slot, _)) => {
                let timer = &mut engine.timers[slot as usize];
                if timer.fired {
                    return Poll::Ready(());
                }
                if !timer.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    timer.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let Some((slot, generation)) = self.timer else {
            return;
        };
        let _waker = engine::with(|engine| {
            // After the end of a world its timers are gone.
            let timer = engine.timers.get_mut(slot as usize)?;
            if timer.generation != generation {
                return None;
            }
            timer.generation = timer.generation.wrapping_add(1);
            let (fired, waker) = (timer.fired, timer.waker.take());
            engine.free_timers.push(slot);
            if !fired {
                engine.timer_cancelled(slot, generation);
            }
            waker
        });
    }
}
