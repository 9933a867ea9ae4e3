//! The parent: starts the processes, kills one of them now and then, starts it again, and at the end
//! hands everything to the judge.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::cli::{Role, RunArgs};
use crate::clock;
use crate::random::Random;

/// How long the children may take to end what they have begun.
const LAST_CALL: Duration = Duration::from_secs(60);

/// What came of the run itself, before anything is judged.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) kills: u64,
    /// Processes that ended by themselves, or did not end.
    pub(crate) problems: Vec<String>,
}

/// One of the processes, through all its lives.
struct Slot {
    role: Role,
    number: u32,
    life: u32,
    child: Child,
}

/// Runs the processes until the time is over.
///
/// # Errors
/// If they cannot be started.
pub(crate) fn run(args: &RunArgs) -> Result<Ran, String> {
    let work = &args.judge.common.work;
    for folder in ["journals", "saved"] {
        std::fs::create_dir_all(work.join(folder)).map_err(|error| error.to_string())?;
    }
    if is_used(&work.join("journals")) {
        return Err(format!("{} holds the journals of another run", work.display()));
    }
    let until = clock::now() + args.duration.as_nanos() as u64;
    let mut slots = Vec::new();
    for (role, count) in [
        (Role::Writer, args.writers),
        (Role::Reader, args.readers),
        (Role::Compactor, args.compactors),
        (Role::Collector, args.collectors),
    ] {
        for number in 0..count {
            let child = start(args, role, number, 0, until)?;
            slots.push(Slot { role, number, life: 0, child });
        }
    }
    let mut ran = Ran::default();
    let mut random = Random::new(&[args.seed, 4 << 32]);
    while clock::now() < until {
        std::thread::sleep(args.kill_every.min(clock::until(until)));
        if clock::now() >= until {
            break;
        }
        for slot in &mut slots {
            if let Ok(Some(status)) = slot.child.try_wait() {
                ran.problems.push(slot.ended(status));
                slot.restart(args, until)?;
            }
        }
        let place = random.below(slots.len() as u64) as usize;
        let slot = &mut slots[place];
        // SIGKILL: the process gets no chance to do anything about it.
        slot.child.kill().map_err(|error| error.to_string())?;
        slot.child.wait().map_err(|error| error.to_string())?;
        ran.kills += 1;
        slot.restart(args, until)?;
    }
    let last_call = until + LAST_CALL.as_nanos() as u64;
    for slot in &mut slots {
        slot.finish(last_call, &mut ran);
    }
    Ok(ran)
}

fn is_used(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn start(args: &RunArgs, role: Role, number: u32, life: u32, until: u64) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("child").args(args.judge.common.to_arguments());
    command.args(["--role", role.name()]);
    for (name, value) in [
        ("--number", u64::from(number)),
        ("--life", u64::from(life)),
        ("--until", until),
        ("--seed", args.seed),
    ] {
        command.arg(name).arg(value.to_string());
    }
    command.spawn().map_err(|error| format!("cannot start a child: {error}"))
}

impl Slot {
    fn restart(&mut self, args: &RunArgs, until: u64) -> Result<(), String> {
        self.life += 1;
        self.child = start(args, self.role, self.number, self.life, until)?;
        Ok(())
    }

    fn ended(&self, status: ExitStatus) -> String {
        let Self { role, number, life, .. } = self;
        format!("{} {number} ended by itself in life {life}: {status}", role.name())
    }

    /// Waits for the end, and makes it if it does not come.
    fn finish(&mut self, last_call: u64, ran: &mut Ran) {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return,
                Ok(Some(status)) => return ran.problems.push(self.ended(status)),
                _ if clock::now() > last_call => {
                    let Self { role, number, .. } = self;
                    ran.problems.push(format!("{} {number} did not end", role.name()));
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return;
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}
