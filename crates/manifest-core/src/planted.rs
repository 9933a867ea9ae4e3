//! Bugs that can be planted, for a tester to find.
//!
//! Each is a small change of the kind that really happened in systems that commit on object
//! stores. They exist only with the feature `planted-bugs`; without it [`Bugs::is`] is a constant
//! `false` and the optimiser removes every trace. Each decision that a bug changes asks
//! `bugs.is(..)` in the place where the correct code decides, so both ways can be read together.

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "planted-bugs"), allow(dead_code, unreachable_pub))]
pub enum PlantedBug {
    /// The head PUT goes out without its condition.
    BlindHeadPut,
    /// After an unknown outcome: reload, rebase, commit again, never look for the own commit id.
    AmbiguousRetryRecommit,
    /// Strong reads are served from a cached head up to 3 s old.
    HeadCacheStale,
}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// All of them.
    pub const ALL: &'static [PlantedBug] =
        &[Self::BlindHeadPut, Self::AmbiguousRetryRecommit, Self::HeadCacheStale];

    /// The id, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlindHeadPut => "blind-head-put",
            Self::AmbiguousRetryRecommit => "ambiguous-retry-recommit",
            Self::HeadCacheStale => "head-cache-stale",
        }
    }

    /// What is changed.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BlindHeadPut => "The head PUT goes out without its condition.",
            Self::AmbiguousRetryRecommit => {
                "After an unknown outcome the commit is rebased and sent again without looking for its own id."
            }
            Self::HeadCacheStale => "Strong reads are served from a cached head up to 3 s old.",
        }
    }

    /// Where it was seen: `project#thread`.
    pub const fn origin(self) -> &'static str {
        match self {
            Self::BlindHeadPut => "delta#1830; delta#1410; paimon#5762; object_store#713",
            Self::AmbiguousRetryRecommit => {
                "materialize#38333; lance-ray#5282; iceberg#2808; iceberg#10765; delta-rs#268"
            }
            Self::HeadCacheStale => "quickwit#1399; duckdb-iceberg#1126; greptimedb#2013",
        }
    }
}

#[cfg(feature = "planted-bugs")]
impl std::fmt::Display for PlantedBug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no planted bug has.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no planted bug is called {name:?}")]
pub struct UnknownBug {
    /// The name.
    pub name: String,
}

#[cfg(feature = "planted-bugs")]
impl std::str::FromStr for PlantedBug {
    type Err = UnknownBug;

    fn from_str(s: &str) -> Result<Self, UnknownBug> {
        let found = Self::ALL.iter().copied().find(|bug| bug.name() == s);
        found.ok_or_else(|| UnknownBug { name: s.to_owned() })
    }
}

/// Which bug acts in this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bugs {
    #[cfg(feature = "planted-bugs")]
    planted: Option<PlantedBug>,
    #[cfg(feature = "planted-bugs")]
    cache_age: std::time::Duration,
}

impl Bugs {
    /// The bug that the options plant.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn of(options: &crate::Options) -> Self {
        Self { planted: options.planted, cache_age: options.planted_cache_age }
    }

    /// None.
    #[cfg(not(feature = "planted-bugs"))]
    pub(crate) fn of(_: &crate::Options) -> Self {
        Self {}
    }

    /// Whether this bug acts here.
    #[cfg(feature = "planted-bugs")]
    #[inline]
    pub(crate) fn is(self, bug: PlantedBug) -> bool {
        self.planted == Some(bug)
    }

    /// Never.
    #[cfg(not(feature = "planted-bugs"))]
    #[inline(always)]
    pub(crate) const fn is(self, _: PlantedBug) -> bool {
        false
    }

    /// How old a head [`PlantedBug::HeadCacheStale`] serves.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn cache_age(self) -> std::time::Duration {
        self.cache_age
    }

    /// None at all.
    #[cfg(not(feature = "planted-bugs"))]
    pub(crate) const fn cache_age(self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}
