//! Pins.

use std::time::Duration;

use super::*;
use crate::format::pin::{self, Pin};

fn example() -> Pin {
    Pin {
        incarnation: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
        process: 0xaa,
        version: 2,
        counter: 9,
        ttl: Duration::from_secs(60),
        #[cfg(feature = "planted-bugs")]
        wall_ms: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_pin_comes_back(
        incarnation: u128, process: u128, version: u64, counter: u64, ttl_ms: u64,
    ) {
        let ttl = Duration::from_millis(ttl_ms);
        let mut pin = example();
        (pin.incarnation, pin.process, pin.version) = (incarnation, process, version);
        (pin.counter, pin.ttl) = (counter, ttl);
        let bytes = pin.encode();
        prop_assert_eq!(bytes.len(), pin::LEN);
        prop_assert_eq!(Pin::decode(&bytes), Ok(pin));
    }

    #[test]
    fn a_pin_that_was_edited_and_sealed_again_gives_an_error_or_another_pin(edits in edits()) {
        fuzzing::pin(&edited(&example().encode(), &edits));
    }

    #[test]
    fn noise_is_no_pin(noise in vec(any::<u8>(), 0..120)) {
        prop_assert!(Pin::decode(&noise).is_err());
    }
}

#[test]
fn no_small_damage_of_a_pin_is_accepted() {
    let bytes = example().encode();
    for (what, damaged) in every_small_damage(&bytes) {
        assert!(Pin::decode(&damaged).is_err(), "{what}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(expected(Pin::decode(&longer)), "a whole pin");
}

#[test]
fn a_time_to_live_is_rounded_up_to_whole_milliseconds() {
    let ttl = |ttl| Pin::decode(&Pin { ttl, ..example() }.encode()).map(|pin| pin.ttl);
    assert_eq!(ttl(Duration::from_micros(1_001)), Ok(Duration::from_millis(2)));
    assert_eq!(ttl(Duration::MAX), Ok(Duration::from_millis(u64::MAX)), "the longest there is");
}

#[test]
fn another_format_is_newer_and_not_corrupt() {
    let mut bytes = example().encode().to_vec();
    bytes[4] = 2;
    assert_eq!(Pin::decode(&bytes), Err(Damage::Newer { feature: "another pin format" }));
}

#[test]
fn a_pin_is_the_documented_one() {
    assert_documented("pin", &example().encode());
}
