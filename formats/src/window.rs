//! WINDOW: the edges that one packet moves, in one unit.
//!
//! A packet moves the end of its own direction and what it allows the other; the remaining two edges stay.
//! Edges replicate as multiples of 2^k with k ≥ [`WINDOW_STEP_BITS`], so that shifting them right by that
//! loses nothing and shifting left again is all that a receiver does: no base enters the sum, and no wrap
//! of sequence numbers can be mistaken. A change that does not fit travels as UPDATE.

use crate::flow::{Direction, Edges};
use crate::unit::{kind, Window};

/// WINDOW carries multiples of 2 to this power.
pub const WINDOW_STEP_BITS: u32 = 8;
/// What an edge may not hold to travel so.
const LOW_BITS: u32 = (1 << WINDOW_STEP_BITS) - 1;

impl Window {
    /// Record kind of what a packet of this direction moved.
    pub const fn kind_of(sender: Direction) -> u8 {
        match sender {
            Direction::Original => kind::WINDOW_ORIGINAL,
            Direction::Reply => kind::WINDOW_REPLY,
        }
    }

    /// The direction whose packet explains the change, and its edges; the rest is the caller's to fill
    /// in. `None` if other edges moved, or one lies between two steps.
    pub fn between(old: &[Edges; 2], new: &[Edges; 2]) -> Option<(Direction, Self)> {
        [Direction::Original, Direction::Reply].into_iter().find_map(|sender| {
            let (own, peer) = (sender as usize, 1 - sender as usize);
            let others_stay = old[own].max_end == new[own].max_end && old[peer].end == new[peer].end;
            let (end, max_end) = (new[own].end, new[peer].max_end);
            (others_stay && (end | max_end) & LOW_BITS == 0).then(|| {
                let [end, max_end] = [end, max_end].map(|edge| edge >> WINDOW_STEP_BITS);
                (sender, Self { end, max_end, ..Self::default() })
            })
        })
    }

    /// The edges after a packet of this direction moved them.
    pub fn moved(&self, sender: Direction, mut edges: [Edges; 2]) -> [Edges; 2] {
        edges[sender as usize].end = self.end << WINDOW_STEP_BITS;
        edges[1 - sender as usize].max_end = self.max_end << WINDOW_STEP_BITS;
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [Edges; 2] =
        [Edges { end: 0x100, max_end: 0x801 }, Edges { end: 0xffff_ff03, max_end: 0x4000 }];

    #[test]
    fn what_one_packet_moves_fits_and_comes_back_across_the_wrap() {
        for (sender, end, max_end) in [(Direction::Original, 0, 0xffff_ff00), (Direction::Reply, 0, 0x900)] {
            let mut new = OLD;
            new[sender as usize].end = end;
            new[1 - sender as usize].max_end = max_end;
            let (from, unit) = Window::between(&OLD, &new).unwrap();
            assert_eq!((from, unit.moved(from, OLD)), (sender, new));
        }
    }

    #[test]
    fn what_no_single_packet_moves_and_what_lies_between_steps_does_not_fit() {
        let with = |change: fn(&mut [Edges; 2])| {
            let mut new = OLD;
            change(&mut new);
            Window::between(&OLD, &new)
        };
        assert!(with(|new| new[0].end = 0x200).is_some());
        assert!(with(|new| (new[0].end, new[0].max_end) = (0x200, 0x900)).is_none());
        assert!(with(|new| (new[0].end, new[1].end) = (0x200, 0x300)).is_none());
        assert!(with(|new| new[0].end = 0x201).is_none());
        assert!(with(|new| (new[0].end, new[1].max_end) = (0x200, 0x4080)).is_none());
    }
}
