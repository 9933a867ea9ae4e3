//! Panics of the system under test: findings, told with their place, and never noise on a terminal.

use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs a panic hook that keeps quiet on threads that run worlds and remembers where the panic
/// was. Panics elsewhere are told as before.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if QUIET.get() {
                let place =
                    info.location().map(|place| format!("{}:{}", place.file(), place.line()));
                PLACE.with_borrow_mut(|slot| {
                    slot.get_or_insert(place.unwrap_or_default());
                });
            } else {
                usual(info);
            }
        }));
    });
}

/// Runs `world` with panics kept quiet on this thread.
pub fn quietly<T>(world: impl FnOnce() -> T) -> T {
    PLACE.take();
    let before = QUIET.replace(true);
    let result = world();
    QUIET.set(before);
    result
}

/// Where the first panic since [`quietly`] began was, as `file:line`.
#[must_use]
pub fn place() -> Option<String> {
    PLACE.with_borrow(Clone::clone)
}
