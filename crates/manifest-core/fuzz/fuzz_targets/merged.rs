//! Any bytes as a merged segment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest_core::fuzzing;
use manifest_core_fuzz::bounded;

fuzz_target!(|data: &[u8]| bounded(fuzzing::merged, data));
