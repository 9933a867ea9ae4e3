//! Roles: who may do what, decided by the head and by no clock.
//!
//! A role has an epoch and an owner, both in the head. Taking it is a compare-and-set of the epoch;
//! whatever is done under it is checked against the very head that it replaces. So a process that
//! lost its role without noticing cannot do any harm: its next commit is refused with
//! [`Error::Fenced`], however long it slept. Nobody waits for a dead owner: taking over needs no
//! timeout, only the decision to do it.

use std::sync::Arc;

use crate::commit;
use crate::edit::{Claim, Edit};
use crate::env::random_u128;
use crate::error::{Error, Limit};
use crate::inner::{Inner, lock};
use crate::planted::PlantedBug;
use crate::steps::*;

/// Longest name of a role, in bytes.
pub(crate) const ROLE_NAME_LIMIT: usize = 64;

/// A role that this process has taken. It may have been taken over since: the next edit under it
/// tells.
#[derive(Debug, Clone)]
pub struct Role {
    pub(crate) claim: Claim,
}

impl Role {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.claim.role
    }

    /// Which time it was taken, from 1.
    pub fn epoch(&self) -> u64 {
        self.claim.epoch
    }

    /// A number that stands for this taking of the role.
    pub fn owner(&self) -> u128 {
        self.claim.owner
    }
}

/// Takes a role, over from whoever has it.
pub(crate) async fn acquire(inner: &Arc<Inner>, name: &str) -> Result<Role, Error> {
    if name.len() > ROLE_NAME_LIMIT {
        let (size, max) = (name.len(), ROLE_NAME_LIMIT);
        return Err(Error::TooLarge { limit: Limit::RoleName, size, max });
    }
    let epoch = {
        let state = lock(&inner.state);
        let roles = &state.head.directory.roles;
        match roles.iter().find(|entry| entry.name == name) {
            Some(held) if inner.bugs.is(PlantedBug::EpochNotRaised) => held.epoch,
            held => held.map_or(0, |entry| entry.epoch) + 1,
        }
    };
    let claim = Claim { role: name.into(), epoch, owner: random_u128(&*inner.requests.env) };
    step!(ROLE_ACQUIRE);
    match commit::publish(inner, Edit::Acquire(claim.clone())).await? {
        Ok(_) => Ok(Role { claim }),
        Err(refusal) => {
            step!(ROLE_LOST);
            Err(refusal.error())
        }
    }
}
