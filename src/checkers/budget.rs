//! The request budget: what an operation may cost, counted request by request.
//!
//! Each process keeps an account of credits for each kind of request. Beginning an operation
//! grants what the operation costs when all goes well; a request that failed, or whose answer
//! never came, grants what finding out and trying again costs. Sending a request takes one credit,
//! and a request without a credit breaks the rule at the very event at which it is sent.
//! What an answer names may be read besides, once for each such answer: that is an allowance of its
//! own, renewed and never added up, so that it neither grows with every answer nor takes the place
//! of what a failure has granted.
//! When no operation of the process is running its account is closed: nothing is saved up.
//!
//! The account is generic. What an operation costs is the system's claim
//! ([`SystemUnderTest`](crate::system::SystemUnderTest)); a system that claims nothing has none.

/// Kinds of requests that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RequestKind {
    /// A PUT of the root.
    RootPut,
    /// A GET of the root.
    RootGet,
    /// A PUT of any other object.
    OtherPut,
    /// A GET of any other object.
    OtherGet,
}

impl RequestKind {
    /// Number of kinds.
    pub const COUNT: usize = 4;

    /// The name that people see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RequestKind::RootPut => "put root",
            RequestKind::RootGet => "get root",
            RequestKind::OtherPut => "put object",
            RequestKind::OtherGet => "get object",
        }
    }
}

/// The account of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    credits: [u32; RequestKind::COUNT],
    /// What the last answer that names others lets be read.
    named: [u32; RequestKind::COUNT],
    /// What operations that were given up have left to a later one: it does not expire.
    owed: [u32; RequestKind::COUNT],
    running: u32,
    /// Requests that were compared with the account.
    pub checked: u64,
}

impl Budget {
    /// An operation begins, with these grants.
    pub fn begin(&mut self, grants: &[(RequestKind, u32)]) {
        self.running += 1;
        self.grant(grants);
    }

    /// Something happened that justifies further requests.
    pub fn grant(&mut self, grants: &[(RequestKind, u32)]) {
        for &(kind, credits) in grants {
            self.credits[kind as usize] += credits;
        }
    }

    /// No request is too many from now on.
    pub fn unlimited(&mut self) {
        self.owed = [u32::MAX; RequestKind::COUNT];
    }

    /// An answer names so many objects of a kind.
    pub fn allow(&mut self, kind: RequestKind, objects: u32) {
        let named = &mut self.named[kind as usize];
        *named = (*named).max(objects);
    }

    /// A request is sent. False if no credit is left for it.
    #[must_use]
    pub fn spend(&mut self, kind: RequestKind) -> bool {
        self.checked += 1;
        for account in [&mut self.named, &mut self.credits, &mut self.owed] {
            if let Some(left) = account[kind as usize].checked_sub(1) {
                account[kind as usize] = left;
                return true;
            }
        }
        false
    }

    /// An operation ended.
    pub fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
        if self.running == 0 {
            self.credits = [0; RequestKind::COUNT];
            self.named = [0; RequestKind::COUNT];
        }
    }

    /// An operation was given up. What it costs to find out about its last request is owed to
    /// whichever operation does it.
    pub fn abandon(&mut self, finding_out: &[(RequestKind, u32)]) {
        self.running = self.running.saturating_sub(1);
        for &(kind, credits) in finding_out {
            self.owed[kind as usize] += credits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: [(RequestKind, u32); 1] = [(RequestKind::RootPut, 1)];

    #[test]
    fn a_warm_commit_is_one_put_and_no_get() {
        let mut budget = Budget::default();
        budget.begin(&COMMIT);
        assert!(budget.spend(RequestKind::RootPut));
        assert!(!budget.spend(RequestKind::RootGet));
        assert!(!budget.spend(RequestKind::RootPut));
    }

    #[test]
    fn a_failure_pays_for_finding_out() {
        let mut budget = Budget::default();
        budget.begin(&COMMIT);
        assert!(budget.spend(RequestKind::RootPut));
        budget.grant(&[(RequestKind::RootGet, 1), (RequestKind::RootPut, 1)]);
        assert!(budget.spend(RequestKind::RootGet) && budget.spend(RequestKind::RootPut));
        assert!(!budget.spend(RequestKind::RootGet));
    }

    #[test]
    fn what_an_operation_leaves_behind_is_owed_until_it_is_done() {
        let mut budget = Budget::default();
        budget.begin(&COMMIT);
        assert!(budget.spend(RequestKind::RootPut));
        budget.abandon(&[(RequestKind::RootGet, 1)]);
        budget.begin(&[]);
        budget.end();
        assert!(budget.spend(RequestKind::RootGet));
        assert!(!budget.spend(RequestKind::RootGet));
    }

    #[test]
    fn what_an_answer_names_takes_nothing_from_what_a_failure_grants() {
        let mut budget = Budget::default();
        budget.begin(&[]);
        budget.begin(&[]);
        // One of two clients reads the root and what it names; one of those requests fails.
        budget.allow(RequestKind::OtherGet, 2);
        assert!(budget.spend(RequestKind::OtherGet) && budget.spend(RequestKind::OtherGet));
        budget.grant(&[(RequestKind::OtherGet, 1)]);
        // Before it is tried again the other one has read the root, and reads the same.
        budget.allow(RequestKind::OtherGet, 2);
        assert!(budget.spend(RequestKind::OtherGet) && budget.spend(RequestKind::OtherGet));
        assert!(budget.spend(RequestKind::OtherGet));
        assert!(!budget.spend(RequestKind::OtherGet));
    }

    #[test]
    fn answers_that_name_the_same_do_not_add_up() {
        let mut budget = Budget::default();
        budget.begin(&[]);
        budget.allow(RequestKind::OtherGet, 1);
        budget.allow(RequestKind::OtherGet, 1);
        assert!(budget.spend(RequestKind::OtherGet));
        assert!(!budget.spend(RequestKind::OtherGet));
        budget.allow(RequestKind::OtherGet, 1);
        budget.end();
        assert!(!budget.spend(RequestKind::OtherGet));
    }

    #[test]
    fn credits_are_not_saved_for_later_operations() {
        let mut budget = Budget::default();
        budget.begin(&COMMIT);
        budget.begin(&COMMIT);
        assert!(budget.spend(RequestKind::RootPut));
        budget.end();
        budget.end();
        assert!(!budget.spend(RequestKind::RootPut));
    }
}
