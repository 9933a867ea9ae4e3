//! What clients do: operations on a small key space, every written value unique.
//!
//! Keys and values are numbers on this side and bytes on the side of the system under test, so
//! that checkers compare integers and the protocol moves real bytes.

mod mix;
mod operation;
mod value;

pub use mix::{Mix, generate};
pub use operation::{Freshness, KeyId, KeyRange, OpId, OpKind, Operation, ReadTarget, Write};
pub use value::{DamagedValue, ValueId, decode_value, encode_value};
