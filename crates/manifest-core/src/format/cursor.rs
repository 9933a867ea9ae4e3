//! Reads integers and slices from the front of a byte slice, checking every length.

use super::Damage;

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Damage> {
        match self.rest.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Damage::new(
                "more bytes",
                format_args!("{} where {n} are needed", self.rest.len()),
            )),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Damage> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u128(&mut self) -> Result<u128, Damage> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// A slice behind its `u16` length.
    #[inline]
    pub(crate) fn short(&mut self) -> Result<&'a [u8], Damage> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }

    /// A slice behind its `u32` length.
    #[inline]
    pub(crate) fn long(&mut self) -> Result<&'a [u8], Damage> {
        let n = self.u32()?;
        self.take(n as usize)
    }

    /// How many bytes are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// `Ok` if nothing is left.
    pub(crate) fn finish(self) -> Result<(), Damage> {
        super::expect(
            self.rest.is_empty(),
            "the end",
            format_args!("{} more bytes", self.rest.len()),
        )
    }
}
