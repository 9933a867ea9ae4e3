//! The steps of the protocol, by name.
//!
//! Every step and every branch emits one `tracing` event, at level TRACE, target
//! [`TARGET`], without fields, whose metadata name is the step's name. It is emitted immediately
//! before the request or action that it names. A log shows what a process was about to do; a
//! simulator can stall a process there, and can tell which branches a run has reached.

/// The target of all step events.
pub const TARGET: &str = "manifest_core";

/// A named step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The name: `operation.step`.
    pub name: &'static str,
    /// What it means that this was reached.
    pub sentence: &'static str,
}

macro_rules! steps {
    ($($id:ident $name:literal $sentence:literal)+) => {
        $(pub(crate) const $id: Step = Step { name: $name, sentence: $sentence };)+

        /// All steps.
        pub const STEPS: &[Step] = &[$($id),+];

        /// The steps by the names of their constants, for the test that each is emitted.
        #[cfg(test)]
        pub(crate) const IDS: &[&str] = &[$(stringify!($id)),+];
    };
}

steps! {
    CREATE_PROBE "create.probe"
        "The store is about to be asked whether it honours conditions."
    CREATE_PROBE_AGAIN "create.probe_again"
        "A probe request had no clear answer; the probe starts again under a new name."
    CREATE_PUT_HEAD "create.put_head"
        "The first head is about to be written if no head exists."
    CREATE_RESOLVE "create.resolve"
        "The first head's PUT had no clear answer; the head is about to be read."
    OPEN_GET_HEAD "open.get_head"
        "A process without state is about to read the head."
    OPEN_GET_CHECKPOINT "open.get_checkpoint"
        "A checkpoint is about to be read: by an opening process, by one that fell behind, by a fold."
    OPEN_GET_SEGMENT "open.get_segment"
        "A segment is about to be read: by an opening process, by one that fell behind, by a fold."
    COMMIT_QUEUED "commit.queued"
        "A transaction is about to wait for its turn."
    COMMIT_WINDOW "commit.window"
        "The leader is about to wait for the batch window."
    COMMIT_TAKEN_OVER "commit.taken_over"
        "A leader was cancelled with a PUT in flight; the next one is about to find out its outcome."
    COMMIT_VALIDATE "commit.validate"
        "A batch is about to be validated against the state that it will be built on."
    COMMIT_CONFLICT "commit.conflict"
        "A transaction had read what was changed since; it is about to be refused."
    COMMIT_FENCED "commit.fenced"
        "A transaction was made under a role that has another owner now; it is about to be refused."
    COMMIT_DEFERRED "commit.deferred"
        "A transaction read what an earlier one of its batch changes; it waits for what becomes of that."
    COMMIT_BATCHED "commit.batched"
        "More than one transaction goes into the next PUT."
    COMMIT_BATCH_SPLIT "commit.batch_split"
        "Not all waiting transactions fit into the head; some wait for the next PUT."
    COMMIT_HEAD_FULL "commit.head_full"
        "A transaction does not fit into the head even alone; it is about to be refused."
    COMMIT_OUTSIDE "commit.outside"
        "The records do not fit inline: the whole tail goes into a segment with them."
    COMMIT_PUT_SEGMENT "commit.put_segment"
        "A segment that the next head names is about to be written before it."
    COMMIT_PUT_HEAD "commit.put_head"
        "The next head is about to be sent."
    COMMIT_ACKNOWLEDGE "commit.acknowledge"
        "The PUT succeeded; the batch is about to be acknowledged."
    COMMIT_RESOLVE "commit.resolve"
        "A PUT had no clear answer; the head is about to be read."
    COMMIT_LANDED "commit.landed"
        "Case (a): the own commit id is in the history."
    COMMIT_STILL_OPEN "commit.still_open"
        "Case (b): the head is still the base; the PUT may land later."
    COMMIT_LOST_RACE "commit.lost_race"
        "Case (c): the head moved on without the own commit."
    COMMIT_HISTORY_GONE "commit.history_gone"
        "Case (d): the history since the base cannot be seen."
    COMMIT_UNREACHABLE "commit.unreachable"
        "The outcome could not be read this time."
    COMMIT_BACK_OFF "commit.back_off"
        "The leader is about to wait before it tries again."
    COMMIT_DEADLINE "commit.deadline"
        "The deadline passed and the batch is not committed for sure; it is about to be refused."
    COMMIT_UNKNOWN "commit.unknown"
        "The deadline passed with the outcome open; it is about to be reported as unknown."
    COMMIT_BURN "commit.burn"
        "The deadline passed with the outcome open; the base is about to be burnt."
    COMMIT_BURNT "commit.burnt"
        "The burning head is in the chain: the commit can never land."
    READ_GET_HEAD "read.get_head"
        "A strong read is about to ask for a newer head."
    READ_NOT_MODIFIED "read.not_modified"
        "A strong read found that the state held is the newest."
    READ_CACHED "read.cached"
        "A strong read is answered from memory (only a planted bug does this)."
    READ_BACK_OFF "read.back_off"
        "A reader is about to wait before it tries again."
    REFRESH_NEWER "refresh.newer"
        "A head newer than the state held is about to be installed."
    REFRESH_OLDER "refresh.older"
        "A head older than the state held arrived late; it is about to be ignored."
    REFRESH_BEHIND_SEAL "refresh.behind_seal"
        "What is missing is not inline any more; its segments or checkpoint are about to be read."
    REFRESH_SKIP "refresh.skip"
        "History was folded meanwhile: the state skips to the checkpoint."
    STATUS_GET_HEAD "status.get_head"
        "The history is about to be brought up to date to look for a commit id."
    SEAL_PUT_SEGMENT "seal.put_segment"
        "The head's inline records are about to be written into a segment."
    SEAL_RENAMED "seal.renamed"
        "The PUT of a segment or checkpoint had no clear answer; it is sent again under a new name."
    SEAL_FULL "seal.full"
        "The tail should be sealed but the head has no room for another segment."
    SEAL_PUBLISH "seal.publish"
        "The next head replaces the sealed records by the segment's reference."
    SEAL_OUTDATED "seal.outdated"
        "A sealed segment no longer matches the tail; it is about to be dropped unpublished."
    EDIT_PUBLISH "edit.publish"
        "The next head takes along what a writer folded to make room."
    EDIT_OUTDATED "edit.outdated"
        "What a writer folded to make room has no place any more; it is about to be dropped."
    FOLD_FOR_ROOM "fold.for_room"
        "A writer found the head full of segments; it is about to fold them itself."
    FOLD_LIST "fold.list"
        "A new compactor is about to look for what an earlier one saved."
    FOLD_GET_SAVED "fold.get_saved"
        "An unpublished checkpoint is about to be read."
    FOLD_RESUME "fold.resume"
        "A fold goes on where an earlier compactor stopped."
    FOLD_READ "fold.read"
        "A fold is about to read its next segments."
    FOLD_SAVE "fold.save"
        "A fold is about to write down how far it has come."
    FOLD_NOT_SAVED "fold.not_saved"
        "How far a fold has come could not be written down; it goes on."
    FOLD_OUTDATED "fold.outdated"
        "What a fold wanted to read is gone: somebody else compacted."
    CHECKPOINT_PUT "checkpoint.put"
        "A checkpoint, published later or never, is about to be written."
    MERGE_READ "merge.read"
        "Neighbouring segments are about to be read, to be merged."
    COMPACT_GET_HEAD "compact.get_head"
        "A compactor is about to ask for a newer head."
    COMPACT_PUBLISH "compact.publish"
        "What a compactor wrote waits for the next head."
    COMPACT_OUTDATED "compact.outdated"
        "What a compactor wrote has no place in the newest head."
    ROLE_ACQUIRE "role.acquire"
        "A role is about to be taken over."
    ROLE_LOST "role.lost"
        "Somebody else took the role at the same moment."
    COLLECT_GATE "collect.gate"
        "A collector is about to set gate and floor."
    COLLECT_LIST_PINS "collect.list_pins"
        "A collector, its gate in the chain, is about to look for pins."
    COLLECT_LIST_SEGMENTS "collect.list_segments"
        "A collector is about to look for segments."
    COLLECT_LIST_CHECKPOINTS "collect.list_checkpoints"
        "A collector is about to look for checkpoints."
    COLLECT_GET_PIN "collect.get_pin"
        "A pin is new or has changed; it is about to be read."
    COLLECT_DEAD_PIN "collect.dead_pin"
        "A pin did not change for longer than it lives; it is about to be removed."
    COLLECT_DELETE "collect.delete"
        "A collector is about to delete what nobody needs."
    PIN_PUT "pin.put"
        "A process is about to write its pin."
    PIN_RESOLVE "pin.resolve"
        "A pin's PUT had no clear answer; the pin is about to be read."
    PIN_GET_HEAD "pin.get_head"
        "The pin is written; the head is about to be read for the floor."
    PIN_AGAIN "pin.again"
        "The floor moved past the pin before it was seen; a newer version is about to be pinned."
    PIN_COVERED "pin.covered"
        "The pin that the process has covers another session."
    PIN_RELEASE "pin.release"
        "No session is open any more; the pin is about to be removed."
    PIN_LAPSED "pin.lapsed"
        "The pin was not renewed in time: its sessions are over."
    SESSION_OPEN "session.open"
        "A session is open, its pin confirmed."
    SESSION_TOO_LATE "session.too_late"
        "An earlier snapshot cannot be pinned any more."
    SESSION_GET_SEGMENT "session.get_segment"
        "A session is about to read a segment of its snapshot."
    SESSION_GET_FRONT "session.get_front"
        "A session is about to read the front of its checkpoint."
    SESSION_GET_BLOCK "session.get_block"
        "A session is about to read a block of its checkpoint."
    SESSION_MISSING "session.missing"
        "An object of a session's snapshot is not there."
    SESSION_FENCED "session.fenced"
        "A session's pin may be dead: it ends itself."
}

/// Emits the event of a step: `step!(COMMIT_PUT_HEAD)`.
macro_rules! step {
    ($id:ident) => {
        tracing::event!(
            name: $crate::steps::$id.name,
            target: $crate::steps::TARGET,
            tracing::Level::TRACE,
            {}
        )
    };
}
pub(crate) use step;

#[cfg(test)]
mod tests {
    use super::*;

    /// All source files of the crate.
    fn sources() -> String {
        let mut dirs = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut text = String::new();
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else if !path.ends_with("steps.rs") {
                    text += &std::fs::read_to_string(path).unwrap();
                }
            }
        }
        text
    }

    /// The other direction, that every step emitted is in `STEPS`, is the macro's doing: it takes
    /// only constants that the table defines.
    #[test]
    fn every_step_is_emitted_somewhere() {
        let sources = sources();
        for id in IDS {
            assert!(sources.contains(&format!("step!({id})")), "{id} is never emitted");
        }
        let emitted = sources.matches("step!(").count();
        assert!(emitted >= IDS.len(), "{emitted} places for {} steps", IDS.len());
    }

    #[test]
    fn names_are_unique_and_sentences_are_sentences() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
        for step in STEPS {
            assert!(step.name.contains('.') && step.sentence.ends_with('.'), "{step:?}");
        }
    }
}
