//! One client: think, invoke, execute, respond, again.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use sim::{ProcessId, Site};

use super::blow;
use crate::checkers::{Ending, SessionId};
use crate::meter::{Reads, Writes};
use crate::system::Recorder;
use crate::workload::{Freshness, Operation, generate};
use crate::world::{Opened, World};

/// Does operations of a slot until none is left.
pub(super) async fn run(world: Rc<World>, index: usize, process: ProcessId, opened: Opened) {
    let slot = &world.slots[index];
    while let Some(number) = slot.begin_operation() {
        let habits = sim::draw(process, Site::THINK);
        let think_ms = world.options.think_max.as_millis() as u32;
        if think_ms > 0 {
            sim::sleep(Duration::from_micros(u64::from(
                habits.below(0, think_ms.saturating_mul(1000)),
            )))
            .await;
        }
        blow::strike_at(&world, index, number, process);
        let draw = sim::draw(process, Site::OPERATION);
        let gives_up = habits.chance_ppm(1, world.options.give_up_ppm);
        let patience = gives_up
            .then(|| world.options.tuning.typical_request * habits.between(2, 5, 400) / 100);
        let next = world.judge.lock().next_op();
        let operation = Arc::new(generate(&slot.mix, next, &draw));
        let writes = !operation.writes.is_empty();
        perform(&world, &opened, operation, patience).await;
        if writes && habits.chance_ppm(3, world.options.maintain_ppm) {
            opened.account.begin_maintenance();
            opened.session.maintain().await;
            opened.account.end();
        }
    }
}

/// One operation from invocation to response. A client without patience stops waiting, and then
/// nobody knows the outcome.
pub(super) async fn perform(
    world: &World,
    opened: &Opened,
    operation: Arc<Operation>,
    patience: Option<Duration>,
) -> Ending {
    let session: SessionId = opened.id;
    let writes = if operation.writes.is_empty() { Writes::None } else { Writes::Some };
    let reads = match operation.freshness {
        _ if operation.reads.is_empty() => Reads::Own,
        Freshness::Strong => Reads::Strong,
        Freshness::Session => Reads::Own,
        Freshness::Held => Reads::Held,
    };
    world.count_operation();
    opened.account.begin(writes, reads);
    let id = world.judge.lock().invoke(session, Arc::clone(&operation));
    let account = Arc::clone(&opened.account);
    let recorder = Recorder::new(world.judge.clone(), account, id, world.options.filling);
    let execution = opened.session.execute(&operation, &recorder);
    let ending = match patience {
        None => Some(execution.await),
        Some(patience) => within(patience, execution).await,
    };
    if ending.is_some() {
        opened.account.end();
    } else {
        sim::fault(sim::current_process(), "fault.client_gave_up", 0, u64::from(id.0));
        opened.account.abandon();
    }
    let ending = ending.unwrap_or(Ending::Unknown);
    world.judge.lock().respond(id, ending);
    ending
}

/// The result of `future`, if it comes within `patience`; the future is dropped otherwise.
pub(super) async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(sim::sleep(patience))).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(((), _)) => None,
    }
}
