//! A ring of slots: who may write which slot, and how the other side knows.
//!
//! Indices count slots since the ring was made, modulo 2^32, and start anywhere. Index `i` lies in slot
//! `i mod slots` with phase `i / slots + 1`: at least two passes fit into 2^32, so the phase always
//! differs from the one before in the same slot, and is never the 0 of fresh memory. The producer owns
//! `slots - (produced - consumed)` slots, the consumer the rest. Both sides of both rings are here, so
//! that a device in Rust runs the same code as its driver.

use crate::memory::{Memory, SLOT_SIZE};

/// Slots of a ring: a power of two between [`RingSize::SLOTS_MIN`] and [`RingSize::SLOTS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSize {
    bits: u32,
}

impl RingSize {
    /// With one slot the phase would come out as 0 once in 2^32 slots.
    pub const SLOTS_MIN: u32 = 2;
    /// 32 MiB of slots.
    pub const SLOTS_MAX: u32 = 1 << 16;

    /// A ring of this many slots, if there can be one.
    pub const fn new(slots: u32) -> Option<Self> {
        if slots.is_power_of_two() && Self::SLOTS_MIN <= slots && slots <= Self::SLOTS_MAX {
            Some(Self { bits: slots.trailing_zeros() })
        } else {
            None
        }
    }

    /// Number of slots.
    pub const fn slots(self) -> u32 {
        1 << self.bits
    }

    /// Bytes of all slots.
    pub const fn bytes(self) -> usize {
        SLOT_SIZE << self.bits
    }

    /// The slot an index lies in.
    pub const fn slot(self, index: u32) -> usize {
        (index & (self.slots() - 1)) as usize
    }

    /// The phase an index is published with.
    pub const fn phase(self, index: u32) -> u32 {
        (index >> self.bits) + 1
    }
}

/// An index that cannot be: more slots given back than were written, or more written than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadIndex;

/// The writing side of a ring.
#[derive(Debug)]
pub struct Producer {
    size: RingSize,
    produced: u32,
    consumed: u32,
}

impl Producer {
    /// A ring without written slots.
    pub fn new(size: RingSize, first_index: u32) -> Self {
        Self { size, produced: first_index, consumed: first_index }
    }

    /// Slots of the ring.
    pub fn size(&self) -> RingSize {
        self.size
    }

    /// Index of the next slot to write.
    pub fn produced(&self) -> u32 {
        self.produced
    }

    /// Free slots, as far as the consumer told.
    pub fn room(&self) -> u32 {
        self.size.slots() - self.held()
    }

    /// Written slots the consumer has not given back.
    pub fn held(&self) -> u32 {
        self.produced.wrapping_sub(self.consumed)
    }

    /// The consumer has read everything below this index.
    pub fn give_back(&mut self, consumed: u32) -> Result<(), BadIndex> {
        if consumed.wrapping_sub(self.consumed) > self.held() {
            return Err(BadIndex);
        }
        self.consumed = consumed;
        Ok(())
    }

    /// Writes and publishes the next slot.
    ///
    /// # Panics
    /// Without [`room`](Self::room): the caller has to ask first.
    pub fn write(&mut self, memory: &Memory, bytes: &[u8; SLOT_SIZE]) {
        assert!(self.room() > 0, "no free slot in the ring");
        memory.write(self.size.slot(self.produced), bytes, self.size.phase(self.produced));
        self.produced = self.produced.wrapping_add(1);
        assert!(self.held() <= self.size.slots());
    }
}

/// What the next slot to read holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A slot was copied out.
    Slot,
    /// Nothing yet.
    Empty,
    /// The phase of neither this pass nor the one before.
    Foreign {
        /// The phase in memory.
        found: u32,
    },
}

/// The reading side of a ring.
#[derive(Debug)]
pub struct Consumer {
    size: RingSize,
    consumed: u32,
    /// Slots read, up to one pass: until then slots hold the phase of fresh memory.
    first_pass: u32,
}

impl Consumer {
    /// A ring without written slots, in zeroed memory.
    pub fn new(size: RingSize, first_index: u32) -> Self {
        Self { size, consumed: first_index, first_pass: 0 }
    }

    /// Slots of the ring.
    pub fn size(&self) -> RingSize {
        self.size
    }

    /// Index of the next slot to read.
    pub fn consumed(&self) -> u32 {
        self.consumed
    }

    /// Phase of the next slot to read.
    pub fn expected(&self) -> u32 {
        self.size.phase(self.consumed)
    }

    /// Copies the next slot out and steps over it, if it is there.
    #[inline]
    pub fn read(&mut self, memory: &Memory, out: &mut [u8; SLOT_SIZE]) -> Next {
        let slot = self.size.slot(self.consumed);
        let found = memory.phase(slot);
        if found == self.expected() {
            memory.read(slot, out);
            self.skip();
            return Next::Slot;
        }
        let before = if self.first_pass < self.size.slots() {
            0
        } else {
            self.size.phase(self.consumed.wrapping_sub(self.size.slots()))
        };
        if found == before {
            Next::Empty
        } else {
            Next::Foreign { found }
        }
    }

    /// Steps over the next slot unread.
    pub fn skip(&mut self) {
        self.consumed = self.consumed.wrapping_add(1);
        self.first_pass = (self.first_pass + 1).min(self.size.slots());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn sizes_are_powers_of_two_within_limits() {
        for slots in [0, 1, 3, 6, RingSize::SLOTS_MAX + 1, 2 * RingSize::SLOTS_MAX, u32::MAX] {
            assert_eq!(RingSize::new(slots), None);
        }
        assert_eq!(RingSize::new(4).unwrap().bytes(), 4 * SLOT_SIZE);
    }

    #[test]
    fn a_phase_never_repeats_from_pass_to_pass_nor_is_zero() {
        for slots in [2, 4, RingSize::SLOTS_MAX] {
            let size = RingSize::new(slots).unwrap();
            for index in [0, 1, slots, u32::MAX - slots, u32::MAX, 0x8000_0000] {
                assert_ne!(size.phase(index), 0);
                assert_ne!(size.phase(index), size.phase(index.wrapping_add(slots)));
                assert_eq!(size.slot(index), size.slot(index.wrapping_add(slots)));
            }
        }
    }

    #[test]
    fn indices_that_cannot_be_are_refused_and_change_nothing() {
        let memory = Memory::anonymous(4 * SLOT_SIZE).unwrap();
        let mut producer = Producer::new(RingSize::new(4).unwrap(), u32::MAX);
        producer.write(&memory, &[0; SLOT_SIZE]);
        producer.write(&memory, &[0; SLOT_SIZE]);
        assert_eq!(producer.give_back(2), Err(BadIndex));
        assert_eq!(producer.give_back(u32::MAX - 1), Err(BadIndex));
        assert_eq!(producer.room(), 2);
        assert_eq!(producer.give_back(0), Ok(()));
        assert_eq!(producer.room(), 3);
        assert_eq!(producer.give_back(u32::MAX), Err(BadIndex));
    }

    #[test]
    fn a_foreign_phase_is_named_and_not_stepped_over() {
        let memory = Memory::anonymous(2 * SLOT_SIZE).unwrap();
        let mut consumer = Consumer::new(RingSize::new(2).unwrap(), 0);
        memory.write(0, &[0; SLOT_SIZE], 9);
        assert_eq!(consumer.read(&memory, &mut [0; SLOT_SIZE]), Next::Foreign { found: 9 });
        assert_eq!(consumer.consumed(), 0);
    }

    proptest! {
        #[test]
        fn every_slot_arrives_once_and_in_order(
            bits in 1u32..5,
            before_wrap in 0u32..64,
            steps in prop::collection::vec(0u8..3, 1..400),
        ) {
            let size = RingSize::new(1 << bits).unwrap();
            let memory = Memory::anonymous(size.bytes()).unwrap();
            let first = 0u32.wrapping_sub(before_wrap);
            let (mut producer, mut consumer) = (Producer::new(size, first), Consumer::new(size, first));
            let mut model = VecDeque::new();
            let mut number = 0u32;
            let mut out = [0; SLOT_SIZE];
            for step in steps {
                match step {
                    0 if producer.room() > 0 => {
                        let mut bytes = [number as u8; SLOT_SIZE];
                        bytes[..4].copy_from_slice(&number.to_le_bytes());
                        producer.write(&memory, &bytes);
                        model.push_back(number);
                        number += 1;
                    }
                    0 => prop_assert_eq!(producer.held(), size.slots()),
                    1 => {
                        let next = consumer.read(&memory, &mut out);
                        prop_assert_eq!(next == Next::Slot, !model.is_empty());
                        if let Some(expected) = model.pop_front() {
                            prop_assert_eq!(u32::from_le_bytes(out[..4].try_into().unwrap()), expected);
                            prop_assert_eq!(out[SLOT_SIZE - 1], expected as u8);
                        } else {
                            prop_assert_eq!(next, Next::Empty);
                        }
                    }
                    _ => producer.give_back(consumer.consumed()).unwrap(),
                }
                prop_assert!(producer.room() <= size.slots());
            }
        }
    }
}
