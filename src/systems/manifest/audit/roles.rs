//! Who may do what: a role's epoch grows by one with each owner, and what is done under a role is
//! done by the process that owns it in the root that says so.

use std::collections::BTreeMap;

use sim::ProcessId;

use super::Broken;
use crate::checkers::Rule;
use crate::systems::manifest::decode::Directory;
use crate::systems::manifest::session::LEADER;

const COMPACTOR: &str = "compactor";

/// Which process took a role in which epoch.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<(String, u64), ProcessId>);

fn split(what: String) -> Broken {
    Broken(Rule::RoleOwned, what)
}

impl Owners {
    /// Roles change hands one epoch at a time, and only to the process that writes the root.
    pub(super) fn check(
        &mut self,
        before: &Directory,
        after: &Directory,
        version: u64,
        process: ProcessId,
    ) -> Result<(), Broken> {
        for held in &before.roles {
            if !after.roles.iter().any(|role| role.name == held.name) {
                return Err(split(format!("root {version} forgets the role {}", held.name)));
            }
        }
        for role in &after.roles {
            let held = before.roles.iter().find(|held| held.name == role.name);
            let (epoch, owner) = held.map_or((0, 0), |held| (held.epoch, held.owner));
            if role.epoch == epoch && role.owner == owner {
                continue;
            }
            if role.epoch != epoch + 1 {
                return Err(split(format!(
                    "root {version} gives the role {} epoch {} after epoch {epoch}",
                    role.name, role.epoch
                )));
            }
            self.0.insert((role.name.clone(), role.epoch), process);
        }
        Ok(())
    }

    fn owner(&self, directory: &Directory, name: &str) -> Option<(u64, ProcessId)> {
        let role = directory.roles.iter().find(|role| role.name == name)?;
        let process = self.0.get(&(role.name.clone(), role.epoch))?;
        Some((role.epoch, *process))
    }

    /// Only the compactor publishes checkpoints and merged segments.
    pub(super) fn check_compactor(
        &self,
        directory: &Directory,
        version: u64,
        process: ProcessId,
    ) -> Result<(), Broken> {
        match self.owner(directory, COMPACTOR) {
            Some((_, owner)) if owner == process => Ok(()),
            owner => Err(split(format!(
                "root {version} compacts, and its writer is not the compactor ({owner:?})"
            ))),
        }
    }

    /// A commit under the leader's role is the present leader's.
    pub(super) fn check_leader(
        &self,
        directory: &Directory,
        epoch: u64,
        seq: u64,
        process: ProcessId,
    ) -> Result<(), Broken> {
        let owner = self.owner(directory, LEADER);
        if owner == Some((epoch, process)) {
            return Ok(());
        }
        let now = owner.map_or(0, |(epoch, _)| epoch);
        Err(split(format!("commit {seq} was made in epoch {epoch} of the leader, and {now} is on")))
    }
}
