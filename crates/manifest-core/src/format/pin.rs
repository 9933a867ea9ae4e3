//! A pin: a process's word that it still reads from old snapshots.
//!
//! A collector deletes nothing that the pinned version may need while the pin is alive, and it takes
//! a pin to be alive while its counter keeps changing within its time to live, measured on the
//! collector's own clock. So the one number that must differ between two writes of a pin is the
//! counter; no clock's reading is in it.

use std::time::Duration;

use bytes::Bytes;

use super::{Cursor, DIGEST_LEN, Damage, FORMAT, expect, expect_hash, xxh3};

const MAGIC: [u8; 4] = *b"MCPN";
/// Bytes of a pin.
pub(crate) const LEN: usize = 72 + DIGEST_LEN;

/// What a process keeps from being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) incarnation: u128,
    /// Who reads, as in the object's name.
    pub(crate) process: u128,
    /// The oldest head version whose snapshot is in use.
    pub(crate) version: u64,
    /// Grows with every PUT of this pin.
    pub(crate) counter: u64,
    /// How long the pin lives without a change, in whole milliseconds.
    pub(crate) ttl: Duration,
    /// What `lease-skew` compares, in four bytes that are zero otherwise: milliseconds of the
    /// writer's wall clock, modulo 2^32.
    #[cfg(feature = "planted-bugs")]
    pub(crate) wall_ms: u32,
}

impl Pin {
    /// The bytes of the pin. What the time to live has below a millisecond is cut off.
    pub(crate) fn encode(&self) -> Bytes {
        // Rounded up: a collector that reads a shorter life than the reader counts on would be early.
        let ttl_ms = u64::try_from(self.ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&(LEN as u32).to_le_bytes());
        #[cfg(not(feature = "planted-bugs"))]
        out.extend_from_slice(&[0; 4]);
        #[cfg(feature = "planted-bugs")]
        out.extend_from_slice(&self.wall_ms.to_le_bytes());
        out.extend_from_slice(&self.incarnation.to_le_bytes());
        out.extend_from_slice(&self.process.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.counter.to_le_bytes());
        out.extend_from_slice(&ttl_ms.to_le_bytes());
        let digest = xxh3(&out);
        out.extend_from_slice(&digest.to_le_bytes());
        Bytes::from(out)
    }

    /// How old the pin looks to somebody with this wall clock (`lease-skew`).
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn wall_age(&self, env: &dyn crate::env::Env) -> Duration {
        let age = (env.wall_ms() as u32).wrapping_sub(self.wall_ms) as i32;
        Duration::from_millis(u64::from(age.max(0).unsigned_abs()))
    }

    /// Verifies the bytes of a pin. That it belongs to this manifest, and to the process in the
    /// object's name, is for the caller to compare.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes);
        expect(cursor.take(4)? == MAGIC, "a pin", "another magic")?;
        if cursor.u16()? != FORMAT {
            return Err(Damage::Newer { feature: "another pin format" });
        }
        expect(cursor.u16()? == 0, "zero", "another number")?;
        expect(cursor.u32()? as usize == LEN && bytes.len() == LEN, "a whole pin", bytes.len())?;
        #[cfg(not(feature = "planted-bugs"))]
        expect(cursor.u32()? == 0, "zero", "another number")?;
        let pin = Self {
            #[cfg(feature = "planted-bugs")]
            wall_ms: cursor.u32()?,
            incarnation: cursor.u128()?,
            process: cursor.u128()?,
            version: cursor.u64()?,
            counter: cursor.u64()?,
            ttl: Duration::from_millis(cursor.u64()?),
        };
        let computed = xxh3(&bytes[..LEN - DIGEST_LEN]);
        expect_hash(cursor.u128()?, computed, "a pin that matches its digest")?;
        Ok(pin)
    }
}
