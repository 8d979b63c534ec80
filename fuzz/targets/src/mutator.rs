//! A seeded mutator: small edits of corpus inputs, the same ones for the same seed.
//!
//! No coverage guides it; it is the short run of the gate. libFuzzer does the long ones.

/// Inputs do not grow beyond this: the largest frame and a little.
const INPUT_SIZE_MAX: usize = 9_216;
const EDITS_MAX: u64 = 6;
/// Values at which lengths and counts go wrong.
const EDGE_VALUES: [u64; 12] = [0, 1, 2, 3, 4, 15, 16, 17, 0x7f, 0x80, 0xff, u64::MAX];

/// Pseudo-random numbers (`xorshift64*`, Vigna 2014).
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// The mutator of a seed; any seed will do.
    pub fn new(seed: u64) -> Self {
        // 0 is the one state that stays where it is.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; `end` is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }

    /// An input of the corpus with a few edits, perhaps crossed with another one.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.next() % EDITS_MAX {
            self.edit(&mut bytes, corpus);
        }
        bytes.truncate(INPUT_SIZE_MAX);
        bytes
    }

    fn edit(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        if bytes.is_empty() {
            bytes.push(self.next() as u8);
        }
        let at = self.below(bytes.len());
        match self.below(8) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.next() as u8,
            2 | 3 => self.write_edge(&mut bytes[at..]),
            4 => bytes.truncate(at),
            5 => {
                let fill = vec![self.next() as u8; self.below(40)];
                bytes.splice(at..at, fill);
            }
            6 => {
                let end = at + self.below(bytes.len() - at + 1);
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }

    /// Overwrites one, two or four bytes with an edge value, in either byte order.
    fn write_edge(&mut self, bytes: &mut [u8]) {
        let value = EDGE_VALUES[self.below(EDGE_VALUES.len())];
        let size = (1 << self.below(3)).min(bytes.len());
        let big_endian = self.below(2) == 1;
        for (k, byte) in bytes[..size].iter_mut().enumerate() {
            let shift = if big_endian { size - 1 - k } else { k };
            *byte = (value >> (8 * shift)) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_inputs() {
        let corpus = [vec![1, 2, 3, 4], vec![9; 40], Vec::new()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..1_000).map(|_| mutator.input(&corpus)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
        assert!(inputs(0).iter().all(|input| input.len() <= INPUT_SIZE_MAX));
    }
}
