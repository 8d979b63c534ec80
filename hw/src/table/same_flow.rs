//! Whether two flow keys name one flow, in whichever direction.
//!
//! Enters: two keys, as they lie at the low end of an entry. Leaves: `FlowKey::same_flow`, a cycle later, one
//! pair a clock. Timing: pieces of 16 bit, register, all of them: 3 LUT levels behind it.

use crate::layout::{field, KEY_BITS};
use rust_hdl::prelude::*;

// The kernel takes the key in pieces: addresses, ports, and the rest, which has no direction.
const _: () = assert!(field::SRC.at == 0 && field::DST.at == 128 && field::SRC_PORT.at == 256);
const _: () = assert!(field::DST_PORT.at == 272 && field::ZONE.at == 288 && KEY_BITS == 313);

/// Cycles from keys to answer.
pub const SAME_FLOW_LATENCY: usize = 1;

/// Pieces of addresses and ports.
const PIECES: usize = 18;

/// Compares two keys.
#[derive(LogicBlock)]
pub struct SameFlow {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// One key.
    pub a: Signal<In, Bits<313>>,
    /// The other.
    pub b: Signal<In, Bits<313>>,
    /// Both name one flow.
    pub same: Signal<Out, Bit>,
    at: [Constant<Bits<16>>; PIECES],
    /// The same piece of the other direction.
    crossed_at: [Constant<Bits<16>>; PIECES],
    straight: [DFF<Bit>; PIECES],
    crossed: [DFF<Bit>; PIECES],
    zone: DFF<Bit>,
    protocol: DFF<Bit>,
    all_straight: Signal<Local, Bit>,
    all_crossed: Signal<Local, Bit>,
}

impl Default for SameFlow {
    fn default() -> Self {
        let crossed = |k: usize| match k {
            0..8 => k + 8,
            8..16 => k - 8,
            _ => 33 - k,
        };
        Self {
            clock: Default::default(),
            a: Default::default(),
            b: Default::default(),
            same: Default::default(),
            at: std::array::from_fn(|k| Constant::new((16 * k).to_bits())),
            crossed_at: std::array::from_fn(|k| Constant::new((16 * crossed(k)).to_bits())),
            straight: std::array::from_fn(|_| Default::default()),
            crossed: std::array::from_fn(|_| Default::default()),
            zone: Default::default(),
            protocol: Default::default(),
            all_straight: Default::default(),
            all_crossed: Default::default(),
        }
    }
}

impl Logic for SameFlow {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, zone, protocol);
        for k in 0..18 {
            self.straight[k].clock.next = self.clock.val();
            self.crossed[k].clock.next = self.clock.val();
            self.straight[k].d.next = self.a.val().get_bits::<16>(self.at[k].val().index())
                == self.b.val().get_bits::<16>(self.at[k].val().index());
            self.crossed[k].d.next = self.a.val().get_bits::<16>(self.at[k].val().index())
                == self.b.val().get_bits::<16>(self.crossed_at[k].val().index());
        }
        self.zone.d.next = self.a.val().get_bits::<16>(288) == self.b.val().get_bits::<16>(288);
        // And the family.
        self.protocol.d.next = self.a.val().get_bits::<9>(304) == self.b.val().get_bits::<9>(304);
        self.all_straight.next = self.zone.q.val() & self.protocol.q.val();
        self.all_crossed.next = self.zone.q.val() & self.protocol.q.val();
        for k in 0..18 {
            self.all_straight.next = self.all_straight.val() & self.straight[k].q.val();
            self.all_crossed.next = self.all_crossed.val() & self.crossed[k].q.val();
        }
        self.same.next = self.all_straight.val() | self.all_crossed.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("same_flow", &crate::export("same_flow", &mut SameFlow::default()));
    }
}
