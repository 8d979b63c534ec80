//! In what two words of a flow differ, group by group.
//!
//! Enters: two words as an entry lies in a card. Leaves, a cycle later: one bit for each field group, by its
//! number (the edges have two, as packets of either direction move them), and one each for what decides
//! about a life: key, cookie, term, audit. The remaining lifetime is
//! no difference, and presence is not looked at: both are the caller's.
//!
//! Timing: 4 LUT levels, register.

use crate::layout::{field, Field, ENTRY_BITS};
use formats::Groups;
use rust_hdl::prelude::*;

// Widths in a kernel are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && field::COOKIE.bits == 32);

/// Bit of a difference: the keys read differently, if only in their direction.
const KEY: usize = 8;
/// Both cookies are set, and are not equal.
const LIFE: usize = 9;
/// The terms are not equal.
const UNDER: usize = 10;
/// The audits are not equal.
const PASS: usize = 11;
/// The edges that a packet of the reply direction moves; the group's own bit has those of the original
/// direction.
const REPLY_EDGES: usize = 12;
/// Bits of a difference.
pub(super) const BITS: usize = 13;

/// What is compared for each bit.
pub(super) fn compared(bit: usize) -> &'static [Field] {
    use field::*;
    if bit < Groups::NAMES.len() {
        return match Groups::NAMES[bit].1 {
            Groups::STATUS => &[TCP_STATE, STATUS],
            Groups::EDGES => &[END_ORIGINAL, MAX_END_REPLY],
            Groups::SCALES => &[SCALE_ORIGINAL, SCALE_REPLY, FLAGS_ORIGINAL, FLAGS_REPLY],
            Groups::LIFETIME => &[CLASS],
            Groups::MARK => &[MARK],
            Groups::LABELS => &[LABELS],
            Groups::NAT => &[NAT_SRC, NAT_DST, NAT_SRC_PORT, NAT_DST_PORT],
            Groups::POLICY => &[POLICY],
            _ => unreachable!("one group"),
        };
    }
    match bit {
        KEY => &[SRC, DST, SRC_PORT, DST_PORT, ZONE, PROTOCOL, IS_V6],
        LIFE => &[COOKIE],
        UNDER => &[TERM],
        PASS => &[AUDIT],
        REPLY_EDGES => &[END_REPLY, MAX_END_ORIGINAL],
        _ => unreachable!("a difference has no more bits"),
    }
}

/// Ones where these fields lie.
pub(super) fn mask(fields: &[Field]) -> Bits<1296> {
    let ones = |field: &Field| {
        (0..field.bits).fold(Bits::<1296>::default(), |sum, bit| sum.replace_bit(field.at + bit, true))
    };
    fields.iter().fold(Bits::<1296>::default(), |sum, field| sum | ones(field))
}

/// Compares two words.
#[derive(LogicBlock)]
pub struct Difference {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// One word.
    pub a: Signal<In, Bits<1296>>,
    /// The other.
    pub b: Signal<In, Bits<1296>>,
    /// What differs.
    pub differs: Signal<Out, Bits<13>>,
    mask: [Constant<Bits<1296>>; BITS],
    cookie_at: Constant<Bits<16>>,
    unequal: Signal<Local, Bits<1296>>,
    is_part: Signal<Local, Bit>,
    parts: Signal<Local, Bits<13>>,
    found: DFF<Bits<13>>,
}

impl Default for Difference {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            a: Default::default(),
            b: Default::default(),
            differs: Default::default(),
            mask: std::array::from_fn(|bit| Constant::new(mask(compared(bit)))),
            cookie_at: Constant::new(field::COOKIE.at.to_bits()),
            unequal: Default::default(),
            is_part: Default::default(),
            parts: Default::default(),
            found: Default::default(),
        }
    }
}

impl Logic for Difference {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, found);
        self.unequal.next = self.a.val() ^ self.b.val();
        self.parts.next = 0.into();
        for k in 0..13 {
            self.is_part.next = (self.unequal.val() & self.mask[k].val()).any();
            self.parts.next = self.parts.val().replace_bit(k, self.is_part.val());
        }
        // A cookie of 0 names no life.
        if (self.a.val().get_bits::<32>(self.cookie_at.val().index()) == 0)
            | (self.b.val().get_bits::<32>(self.cookie_at.val().index()) == 0)
        {
            self.parts.next = self.parts.val().replace_bit(9, false);
        }
        self.found.d.next = self.parts.val();
        self.differs.next = self.found.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let mut block = Box::<Difference>::default();
        crate::yosys::check("difference", &crate::export("difference", &mut *block));
    }

    #[test]
    fn a_group_is_its_number() {
        for (bit, (_, group)) in Groups::NAMES.iter().enumerate() {
            assert_eq!(group.0, 1 << bit);
        }
    }
}
