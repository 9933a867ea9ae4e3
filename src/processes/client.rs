//! One client: think, invoke, execute, respond, again.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use sim::ProcessId;
use sim_storage::fault::Moment;

use super::blow;
use crate::checkers::{Ending, SessionId};
use crate::meter::{Reads, Writes};
use crate::system::Recorder;
use crate::workload::{Freshness, Operation};
use crate::world::{Opened, Upkeep, World};

/// Does operations of a slot until none is left.
pub(super) async fn run(world: Rc<World>, index: usize, process: ProcessId, opened: Opened) {
    let slot = &world.slots[index];
    while let Some(task) = slot.begin_operation(&world.options, process) {
        if !task.think.is_zero() {
            sim::sleep(task.think).await;
        }
        world.store.reach(process, Moment::Operation(task.number));
        blow::strike_at(&world, index, task.number, process);
        let mut operation = task.operation;
        operation.id = world.judge.lock().next_op();
        perform(&world, &opened, Arc::new(operation), task.patience).await;
        if task.upkeep == Upkeep::Done {
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
        Freshness::Session | Freshness::Kept => Reads::Own,
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
