//! What all fuzz targets share: the measure of what a decoder allocates.
//!
//! A few hostile bytes must not make a decoder reserve gigabytes. Each input is decoded with a
//! counting allocator, and all that was allocated on the way, freed or not, must stay below a fixed
//! multiple of the input.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that may be allocated for each byte of input. The targets copy the input, decode it twice
/// and encode what was read again, and a decoded entry is larger in memory than its smallest form.
const PER_BYTE: usize = 64;
/// Bytes that may be allocated for any input: hash states and error messages.
const FIXED: usize = 16 << 10;

/// Calls a decoder and measures what it allocates.
///
/// # Panics
///
/// If the decoder panics, or allocates more than its input warrants.
pub fn bounded(decoder: fn(&[u8]), data: &[u8]) {
    let before = ALLOCATOR.total_allocated();
    decoder(data);
    let used = ALLOCATOR.total_allocated() - before;
    let allowed = FIXED + PER_BYTE * data.len();
    assert!(used <= allowed, "{used} bytes allocated for {} bytes of input", data.len());
}
