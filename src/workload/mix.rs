//! Which operation comes next: drawn from the mix of the world.

use sim::Draw;

use super::{Freshness, KeyId, KeyRange, OpId, OpKind, Operation, ReadTarget, Write};

/// How a world's operations are distributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Relative frequency of each kind, in the order of [`OpKind::ALL`].
    pub weights: [u32; OpKind::ALL.len()],
    /// Number of keys, at least 1.
    pub keys: u16,
    /// Of a hundred key choices so many fall on key 0.
    pub hot_percent: u32,
    /// Of a hundred operations so many read what the process holds instead of asking the store.
    pub session_percent: u32,
    /// Of a hundred reads so many are from a snapshot that the client holds on to.
    pub held_percent: u32,
    /// At most so many reads and so many writes in a transaction or batch.
    pub width: u32,
}

impl Mix {
    /// The same mix without operations that write.
    #[must_use]
    pub fn read_only(&self) -> Mix {
        let mut weights = self.weights;
        for (kind, weight) in OpKind::ALL.iter().zip(&mut weights) {
            if !kind.is_read_only() {
                *weight = 0;
            }
        }
        if weights.iter().all(|&weight| weight == 0) {
            weights[OpKind::Get as usize] = 1;
        }
        Mix { weights, ..self.clone() }
    }

    fn kind(&self, draw: &Draw) -> OpKind {
        let total: u32 = self.weights.iter().sum();
        let mut left = draw.below(0, total.max(1));
        for (kind, &weight) in OpKind::ALL.iter().zip(&self.weights) {
            if left < weight {
                return *kind;
            }
            left -= weight;
        }
        OpKind::Get
    }

    fn key(&self, word: u32) -> KeyId {
        let hot = sim::scale(word, 100) < self.hot_percent;
        // The low bits are independent of the decision that the high bits made.
        let spread = word.wrapping_mul(0x9e37_79b1);
        KeyId(if hot { 0 } else { sim::scale(spread, u32::from(self.keys)) as u16 })
    }

    fn range(&self, word: u32) -> KeyRange {
        let start = self.key(word);
        let spread = word.rotate_left(16).wrapping_mul(0x85eb_ca6b);
        if spread & 7 == 0 {
            return KeyRange { start, end: None };
        }
        let len = 1 + sim::scale(spread, u32::from(self.keys).div_ceil(2)) as u16;
        KeyRange { start, end: Some(KeyId(start.0 + len)) }
    }
}

/// The operation with number `id` that `draw` chooses from `mix`.
#[must_use]
pub fn generate(mix: &Mix, id: OpId, draw: &Draw) -> Operation {
    let kind = mix.kind(draw);
    let held = mix.session_percent + mix.held_percent;
    let kept = held + mix.held_percent / 3;
    let freshness = match draw.below(1, 100) {
        share if share < mix.session_percent => Freshness::Session,
        share if kind.is_read_only() && share < held => Freshness::Held,
        share if (held..kept).contains(&share) => Freshness::Kept,
        _ => Freshness::Strong,
    };
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let word = |index: usize| draw.word(2 + index % 6);
    match kind {
        OpKind::Put => writes.push(Write::Put(mix.key(word(0)))),
        OpKind::Delete => writes.push(Write::Delete(mix.key(word(0)))),
        OpKind::DeleteRange => writes.push(Write::DeleteRange(mix.range(word(0)))),
        OpKind::Get => reads.push(ReadTarget::Key(mix.key(word(0)))),
        OpKind::Scan => reads.push(ReadTarget::Range(mix.range(word(0)))),
        OpKind::ReadModifyWrite => {
            reads.push(ReadTarget::Key(mix.key(word(0))));
            writes.push(Write::Put(mix.key(word(0))));
        }
        OpKind::Batch => add_writes(mix, &word, &mut writes, 2),
        OpKind::Transaction => {
            let wanted = 1 + sim::scale(word(5), mix.width);
            for index in 0..wanted as usize {
                let word = word(index).rotate_left(index as u32);
                reads.push(if word & 3 == 0 {
                    ReadTarget::Range(mix.range(word))
                } else {
                    ReadTarget::Key(mix.key(word))
                });
            }
            add_writes(mix, &word, &mut writes, 1);
        }
    }
    // The high bits of this word decided about freshness; the low ones are independent of them.
    let variant = draw.word(1) as u16;
    Operation { id, kind, freshness, reads, writes, variant }
}

fn add_writes(mix: &Mix, word: &impl Fn(usize) -> u32, writes: &mut Vec<Write>, least: u32) {
    let wanted = least + sim::scale(word(4), mix.width);
    for index in 0..wanted {
        let word = word(index as usize).wrapping_mul(0x2c1b_3c6d).rotate_left(index);
        writes.push(match word & 15 {
            0 | 1 => Write::Delete(mix.key(word)),
            2 => Write::DeleteRange(mix.range(word)),
            _ => Write::Put(mix.key(word)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::{ProcessId, Site, Source};

    fn mix() -> Mix {
        Mix {
            weights: [1; 8],
            keys: 6,
            hot_percent: 20,
            session_percent: 30,
            held_percent: 20,
            width: 3,
        }
    }

    #[test]
    fn every_kind_comes_and_keeps_to_its_shape() {
        let mut source = Source::new(3);
        let mut seen = [0; OpKind::ALL.len()];
        for number in 0..2000 {
            let draw = source.draw(ProcessId(1), Site::OPERATION, 0);
            let operation = generate(&mix(), OpId(number), &draw);
            seen[operation.kind as usize] += 1;
            assert_eq!(operation.writes.is_empty(), operation.kind.is_read_only(), "{operation}");
            if operation.kind == OpKind::ReadModifyWrite {
                let (ReadTarget::Key(read), Write::Put(written)) =
                    (operation.reads[0], operation.writes[0])
                else {
                    panic!("{operation}");
                };
                assert_eq!(read, written);
            }
        }
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
    }

    #[test]
    fn readers_write_nothing() {
        let mut source = Source::new(3);
        let readers = mix().read_only();
        for number in 0..500 {
            let draw = source.draw(ProcessId(1), Site::OPERATION, 0);
            assert!(generate(&readers, OpId(number), &draw).kind.is_read_only());
        }
    }

    #[test]
    fn all_keys_are_used_and_the_hot_one_most() {
        let mut source = Source::new(3);
        let mut counts = [0; 6];
        for _ in 0..3000 {
            let draw = source.draw(ProcessId(1), Site::OPERATION, 0);
            counts[usize::from(mix().key(draw.word(2)).0)] += 1;
        }
        assert!(counts.iter().all(|&count| count > 200), "{counts:?}");
        assert!(counts[0] > 2 * counts[1]);
    }
}
