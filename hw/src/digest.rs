//! Digest of a flow: its contribution to its bucket's sum, at one entry a clock.
//!
//! Enters: an entry, and the keys through a write port. Leaves: [`LATENCY`] cycles later what
//! `formats::hash::FlowDigester` says of the entry's image (groups masked by `replicate`, edges rounded up
//! to steps of 2^`edge_bits`), and 0 for an entry that is not live. Nothing stalls; what is on its way while
//! a key or a setting changes digests to anything.
//!
//! Stages: mask and round | add keys | three of the products | 17 products to 8 numbers and to 2, without
//! carries | low half, high half of their sum | twice: three products and the sum of their parts. Inputs
//! should come from registers. At most 5 LUT levels.

use crate::layout::{field, flag, ENTRY_BITS};
use crate::prim::Multiplier;
use formats::hash::{DIGEST_WORDS, MIX_FACTORS};
use formats::Groups;
use rust_hdl::prelude::*;

/// Cycles from entry to contribution.
pub const LATENCY: usize = 19;

/// Products of two words.
const PRODUCTS: usize = DIGEST_WORDS / 2;
/// Of the four edges, the first.
const EDGE_WORD: usize = 14;

// Widths and loops in a kernel are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && DIGEST_WORDS == 34 && LATENCY == 19 && PRODUCTS == 17);
// Fields that make one word lie side by side.
const _: () = assert!(
    field::SRC_PORT.at + 16 == field::DST_PORT.at
        && field::ZONE.at + 16 == field::PROTOCOL.at
        && field::ZONE.at + 24 == field::IS_V6.at
        && field::SCALE_ORIGINAL.at + 8 == field::SCALE_REPLY.at
        && field::SCALE_ORIGINAL.at + 16 == field::FLAGS_ORIGINAL.at
        && field::SCALE_ORIGINAL.at + 24 == field::FLAGS_REPLY.at
        && field::NAT_SRC_PORT.at + 16 == field::NAT_DST_PORT.at
);

/// Where a group's presence bit is, behind those of all groups one that is always set.
const ALWAYS: usize = 8;

const fn presence(group: Groups) -> usize {
    group.0.trailing_zeros() as usize
}

/// Of each word of the digest: its lowest bit in the entry, and the presence bit without which it is 0.
///
/// Three are put together otherwise (9 context, 10 presence, 11 status), and the last one is 0.
const fn words() -> [(usize, usize); DIGEST_WORDS] {
    let mut words = [(0, ALWAYS); DIGEST_WORDS];
    let mut n = 0;
    while n < 4 {
        words[2 * n] = (field::SRC.at + 32 * n, ALWAYS);
        words[2 * n + 1] = (field::DST.at + 32 * n, ALWAYS);
        words[20 + n] = (field::LABELS.at + 32 * n, presence(Groups::LABELS));
        words[24 + n] = (field::NAT_SRC.at + 32 * n, presence(Groups::NAT));
        words[28 + n] = (field::NAT_DST.at + 32 * n, presence(Groups::NAT));
        n += 1;
    }
    words[8] = (field::SRC_PORT.at, ALWAYS);
    words[12] = (field::INCARNATION.at, ALWAYS);
    words[13] = (field::SCALE_ORIGINAL.at, presence(Groups::SCALES));
    words[EDGE_WORD] = (field::END_ORIGINAL.at, presence(Groups::EDGES));
    words[EDGE_WORD + 1] = (field::MAX_END_ORIGINAL.at, presence(Groups::EDGES));
    words[EDGE_WORD + 2] = (field::END_REPLY.at, presence(Groups::EDGES));
    words[EDGE_WORD + 3] = (field::MAX_END_REPLY.at, presence(Groups::EDGES));
    words[18] = (field::MARK.at, presence(Groups::MARK));
    words[19] = (field::POLICY.at, presence(Groups::POLICY));
    words[32] = (field::NAT_SRC_PORT.at, presence(Groups::NAT));
    words
}

/// The keys of the digest: all of them before the first entry.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct KeysIn {
    /// Writes one key this cycle.
    pub valid: Signal<In, Bit>,
    /// Its number, as the digester lists them.
    pub index: Signal<In, Bits<6>>,
    /// The key.
    pub key: Signal<In, Bits<32>>,
}

/// The contribution of one entry a clock.
#[derive(LogicBlock)]
pub struct FlowDigest {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the pipeline; the keys stay.
    pub reset: Signal<In, Bit>,
    /// Groups that replicate.
    pub replicate: Signal<In, Bits<8>>,
    /// Edges replicate in steps of 2 to this power; 0 leaves them as they are.
    pub edge_bits: Signal<In, Bits<5>>,
    /// An entry is there.
    pub in_valid: Signal<In, Bit>,
    /// The entry, as `layout` says.
    pub in_entry: Signal<In, Bits<1296>>,
    /// A contribution is there.
    pub out_valid: Signal<Out, Bit>,
    /// The entry is live.
    pub out_live: Signal<Out, Bit>,
    /// Its contribution, 0 if it is not.
    pub out_digest: Signal<Out, Bits<64>>,
    /// Keys.
    pub write: KeysIn,
    key: [DFF<Bits<32>>; DIGEST_WORDS],
    number: [Constant<Bits<6>>; DIGEST_WORDS],
    at: [Constant<Bits<11>>; DIGEST_WORDS],
    gate: [Constant<Bits<4>>; DIGEST_WORDS],
    zone: Constant<Bits<11>>,
    groups: Constant<Bits<11>>,
    tcp_state: Constant<Bits<11>>,
    status: Constant<Bits<11>>,
    class_at: Constant<Bits<11>>,
    live: Constant<Bits<11>>,
    status_gate: Constant<Bits<4>>,
    lifetime_gate: Constant<Bits<4>>,
    step: [Constant<Bits<5>>; 31],
    /// What rounding adds, and bit by bit takes away again.
    edge_mask: DFF<Bits<32>>,
    edge_mask_next: Signal<Local, Bits<32>>,
    present: Signal<Local, Bits<9>>,
    entry_groups: Signal<Local, Bits<8>>,
    entry_class: Signal<Local, Bits<8>>,
    entry_status: Signal<Local, Bits<16>>,
    entry_tcp_state: Signal<Local, Bits<8>>,
    entry_context: Signal<Local, Bits<25>>,
    edge_number: [Signal<Local, Bits<32>>; 4],
    word: [DFF<Bits<32>>; DIGEST_WORDS],
    product: [Multiplier<32, 32, 64>; PRODUCTS],
    /// 17 numbers to 12, each three to two without a carry, and so on.
    of_12: [Signal<Local, Bits<64>>; 12],
    of_8: [DFF<Bits<64>>; 8],
    of_6: [Signal<Local, Bits<64>>; 6],
    of_4: [Signal<Local, Bits<64>>; 4],
    of_3: [Signal<Local, Bits<64>>; 3],
    of_2: [DFF<Bits<64>>; 2],
    low_part: [Signal<Local, Bits<32>>; 2],
    high_part: [DFF<Bits<32>>; 2],
    /// With its carry.
    low_sum: DFF<Bits<33>>,
    carry: Signal<Local, Bit>,
    /// What enters a round of the mix.
    low: [DFF<Bits<32>>; 2],
    high: [DFF<Bits<32>>; 2],
    sum: [Signal<Local, Bits<64>>; 2],
    folded: [Signal<Local, Bits<64>>; 2],
    factor_low: [Constant<Bits<32>>; 2],
    factor_high: [Constant<Bits<32>>; 2],
    low_by_low: [Multiplier<32, 32, 64>; 2],
    low_by_high: [Multiplier<32, 32, 64>; 2],
    high_by_low: [Multiplier<32, 32, 64>; 2],
    mixed_low: [Signal<Local, Bits<32>>; 2],
    mixed_high: [Signal<Local, Bits<32>>; 2],
    mixed: Signal<Local, Bits<64>>,
    digest: DFF<Bits<64>>,
    is_valid: [DFF<Bit>; LATENCY],
    is_live: [DFF<Bit>; LATENCY],
    /// Fields outside of the image, and halves of products beyond 64 bits.
    unused: Signal<Local, Bit>,
}

impl Default for FlowDigest {
    fn default() -> Self {
        const WORDS: [(usize, usize); DIGEST_WORDS] = words();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            replicate: Default::default(),
            edge_bits: Default::default(),
            in_valid: Default::default(),
            in_entry: Default::default(),
            out_valid: Default::default(),
            out_live: Default::default(),
            out_digest: Default::default(),
            write: Default::default(),
            key: std::array::from_fn(|_| Default::default()),
            number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            at: std::array::from_fn(|k| Constant::new(WORDS[k].0.to_bits())),
            gate: std::array::from_fn(|k| Constant::new(WORDS[k].1.to_bits())),
            zone: Constant::new(field::ZONE.at.to_bits()),
            groups: Constant::new(field::GROUPS.at.to_bits()),
            tcp_state: Constant::new(field::TCP_STATE.at.to_bits()),
            status: Constant::new(field::STATUS.at.to_bits()),
            class_at: Constant::new(field::CLASS.at.to_bits()),
            live: Constant::new((field::FLAGS.at + flag::LIVE.trailing_zeros() as usize).to_bits()),
            status_gate: Constant::new(presence(Groups::STATUS).to_bits()),
            lifetime_gate: Constant::new(presence(Groups::LIFETIME).to_bits()),
            step: std::array::from_fn(|k| Constant::new(k.to_bits())),
            edge_mask: Default::default(),
            edge_mask_next: Default::default(),
            present: Default::default(),
            entry_groups: Default::default(),
            entry_class: Default::default(),
            entry_status: Default::default(),
            entry_tcp_state: Default::default(),
            entry_context: Default::default(),
            edge_number: Default::default(),
            word: std::array::from_fn(|_| Default::default()),
            product: std::array::from_fn(|_| Default::default()),
            of_12: Default::default(),
            of_8: Default::default(),
            of_6: Default::default(),
            of_4: Default::default(),
            of_3: Default::default(),
            of_2: Default::default(),
            low_part: Default::default(),
            high_part: Default::default(),
            low_sum: Default::default(),
            carry: Default::default(),
            low: Default::default(),
            high: Default::default(),
            sum: Default::default(),
            folded: Default::default(),
            factor_low: MIX_FACTORS.map(|factor| Constant::new((factor as u32).to_bits())),
            factor_high: MIX_FACTORS.map(|factor| Constant::new((factor >> 32).to_bits())),
            low_by_low: Default::default(),
            low_by_high: Default::default(),
            high_by_low: Default::default(),
            mixed_low: Default::default(),
            mixed_high: Default::default(),
            mixed: Default::default(),
            digest: Default::default(),
            is_valid: std::array::from_fn(|_| Default::default()),
            is_live: std::array::from_fn(|_| Default::default()),
            unused: Default::default(),
        }
    }
}

impl Logic for FlowDigest {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, edge_mask, low_sum, digest);

        for k in 0..34 {
            self.key[k].clock.next = self.clock.val();
            self.key[k].d.next = self.key[k].q.val();
            if self.write.valid.val() & (self.write.index.val() == self.number[k].val()) {
                self.key[k].d.next = self.write.key.val();
            }
        }
        self.edge_mask_next.next = 0.into();
        for k in 0..31 {
            if self.edge_bits.val() > self.step[k].val() {
                self.edge_mask_next.next = self.edge_mask_next.val().replace_bit(k, true);
            }
        }
        self.edge_mask.d.next = self.edge_mask_next.val();

        // The image: groups that do not replicate count as absent, and what is absent as 0.
        self.entry_groups.next = self.in_entry.val().get_bits::<8>(self.groups.val().index());
        self.present.next = 256 | bit_cast::<9, 8>(self.entry_groups.val() & self.replicate.val());
        for k in 0..34 {
            self.word[k].clock.next = self.clock.val();
            self.word[k].d.next = 0.into();
            if self.present.val().get_bit(self.gate[k].val().index()) {
                self.word[k].d.next = self.in_entry.val().get_bits::<32>(self.at[k].val().index());
            }
        }
        self.entry_context.next = self.in_entry.val().get_bits::<25>(self.zone.val().index());
        self.word[9].d.next = bit_cast::<32, 25>(self.entry_context.val());
        self.entry_class.next = 0.into();
        if self.present.val().get_bit(self.lifetime_gate.val().index()) {
            self.entry_class.next = self.in_entry.val().get_bits::<8>(self.class_at.val().index());
        }
        self.word[10].d.next = (bit_cast::<32, 8>(self.entry_class.val()) << 8)
            | bit_cast::<32, 8>(self.entry_groups.val() & self.replicate.val());
        self.entry_status.next = 0.into();
        self.entry_tcp_state.next = 0.into();
        if self.present.val().get_bit(self.status_gate.val().index()) {
            self.entry_status.next = self.in_entry.val().get_bits::<16>(self.status.val().index());
            self.entry_tcp_state.next = self.in_entry.val().get_bits::<8>(self.tcp_state.val().index());
        }
        self.word[11].d.next = (bit_cast::<32, 8>(self.entry_tcp_state.val()) << 16)
            | bit_cast::<32, 16>(self.entry_status.val());
        for k in 0..4 {
            self.edge_number[k].next = self.in_entry.val().get_bits::<32>(self.at[k + 14].val().index());
            self.word[k + 14].d.next = 0.into();
            if self.present.val().get_bit(self.gate[k + 14].val().index()) {
                self.word[k + 14].d.next =
                    (self.edge_number[k].val() + self.edge_mask.q.val()) & !self.edge_mask.q.val();
            }
        }
        self.word[33].d.next = 0.into();

        for k in 0..17 {
            self.product[k].clock.next = self.clock.val();
            self.product[k].a.next = self.word[2 * k].q.val() + self.key[2 * k].q.val();
            self.product[k].b.next = self.word[2 * k + 1].q.val() + self.key[2 * k + 1].q.val();
        }

        // Three numbers to two: the sum of each bit, and the carries.
        for k in 0..5 {
            self.of_12[2 * k].next = self.product[3 * k].product.val()
                ^ self.product[3 * k + 1].product.val()
                ^ self.product[3 * k + 2].product.val();
            self.of_12[2 * k + 1].next = ((self.product[3 * k].product.val()
                & self.product[3 * k + 1].product.val())
                | (self.product[3 * k].product.val() & self.product[3 * k + 2].product.val())
                | (self.product[3 * k + 1].product.val() & self.product[3 * k + 2].product.val()))
                << 1;
        }
        self.of_12[10].next = self.product[15].product.val();
        self.of_12[11].next = self.product[16].product.val();
        for k in 0..8 {
            self.of_8[k].clock.next = self.clock.val();
        }
        for k in 0..4 {
            self.of_8[2 * k].d.next =
                self.of_12[3 * k].val() ^ self.of_12[3 * k + 1].val() ^ self.of_12[3 * k + 2].val();
            self.of_8[2 * k + 1].d.next = ((self.of_12[3 * k].val() & self.of_12[3 * k + 1].val())
                | (self.of_12[3 * k].val() & self.of_12[3 * k + 2].val())
                | (self.of_12[3 * k + 1].val() & self.of_12[3 * k + 2].val()))
                << 1;
        }
        for k in 0..2 {
            self.of_6[2 * k].next =
                self.of_8[3 * k].q.val() ^ self.of_8[3 * k + 1].q.val() ^ self.of_8[3 * k + 2].q.val();
            self.of_6[2 * k + 1].next = ((self.of_8[3 * k].q.val() & self.of_8[3 * k + 1].q.val())
                | (self.of_8[3 * k].q.val() & self.of_8[3 * k + 2].q.val())
                | (self.of_8[3 * k + 1].q.val() & self.of_8[3 * k + 2].q.val()))
                << 1;
            self.of_6[k + 4].next = self.of_8[k + 6].q.val();
        }
        for k in 0..2 {
            self.of_4[2 * k].next =
                self.of_6[3 * k].val() ^ self.of_6[3 * k + 1].val() ^ self.of_6[3 * k + 2].val();
            self.of_4[2 * k + 1].next = ((self.of_6[3 * k].val() & self.of_6[3 * k + 1].val())
                | (self.of_6[3 * k].val() & self.of_6[3 * k + 2].val())
                | (self.of_6[3 * k + 1].val() & self.of_6[3 * k + 2].val()))
                << 1;
        }
        self.of_3[0].next = self.of_4[0].val() ^ self.of_4[1].val() ^ self.of_4[2].val();
        self.of_3[1].next = ((self.of_4[0].val() & self.of_4[1].val())
            | (self.of_4[0].val() & self.of_4[2].val())
            | (self.of_4[1].val() & self.of_4[2].val()))
            << 1;
        self.of_3[2].next = self.of_4[3].val();
        self.of_2[0].d.next = self.of_3[0].val() ^ self.of_3[1].val() ^ self.of_3[2].val();
        self.of_2[1].d.next = ((self.of_3[0].val() & self.of_3[1].val())
            | (self.of_3[0].val() & self.of_3[2].val())
            | (self.of_3[1].val() & self.of_3[2].val()))
            << 1;

        // The low half, then the high half with its carry.
        for k in 0..2 {
            self.of_2[k].clock.next = self.clock.val();
            self.high_part[k].clock.next = self.clock.val();
            self.low_part[k].next = self.of_2[k].q.val().get_bits::<32>(0);
            self.high_part[k].d.next = self.of_2[k].q.val().get_bits::<32>(32);
            self.low[k].clock.next = self.clock.val();
            self.high[k].clock.next = self.clock.val();
        }
        self.low_sum.d.next =
            bit_cast::<33, 32>(self.low_part[0].val()) + bit_cast::<33, 32>(self.low_part[1].val());
        self.carry.next = self.low_sum.q.val().get_bit(32);
        self.low[0].d.next = self.low_sum.q.val().get_bits::<32>(0);
        self.high[0].d.next = self.high_part[0].q.val()
            + self.high_part[1].q.val()
            + bit_cast::<32, 1>(self.carry.val().into());

        // The mix: fold, then multiply in parts. What lies above bit 63 is not looked at.
        self.sum[0].next =
            (bit_cast::<64, 32>(self.high[0].q.val()) << 32) | bit_cast::<64, 32>(self.low[0].q.val());
        self.sum[1].next =
            (bit_cast::<64, 32>(self.high[1].q.val()) << 32) | bit_cast::<64, 32>(self.low[1].q.val());
        self.folded[0].next = self.sum[0].val() ^ (self.sum[0].val() >> 30);
        self.folded[1].next = self.sum[1].val() ^ (self.sum[1].val() >> 27);
        for k in 0..2 {
            self.low_by_low[k].clock.next = self.clock.val();
            self.low_by_low[k].a.next = self.folded[k].val().get_bits::<32>(0);
            self.low_by_low[k].b.next = self.factor_low[k].val();
            self.low_by_high[k].clock.next = self.clock.val();
            self.low_by_high[k].a.next = self.folded[k].val().get_bits::<32>(0);
            self.low_by_high[k].b.next = self.factor_high[k].val();
            self.high_by_low[k].clock.next = self.clock.val();
            self.high_by_low[k].a.next = self.folded[k].val().get_bits::<32>(32);
            self.high_by_low[k].b.next = self.factor_low[k].val();
            self.mixed_low[k].next = self.low_by_low[k].product.val().get_bits::<32>(0);
            self.mixed_high[k].next = self.low_by_low[k].product.val().get_bits::<32>(32)
                + self.low_by_high[k].product.val().get_bits::<32>(0)
                + self.high_by_low[k].product.val().get_bits::<32>(0);
        }
        self.low[1].d.next = self.mixed_low[0].val();
        self.high[1].d.next = self.mixed_high[0].val();
        self.mixed.next = (bit_cast::<64, 32>(self.mixed_high[1].val()) << 32)
            | bit_cast::<64, 32>(self.mixed_low[1].val());
        self.digest.d.next = 0.into();
        if self.is_live[17].q.val() {
            self.digest.d.next = self.mixed.val() ^ (self.mixed.val() >> 31);
        }
        self.unused.next = self.in_entry.val().xor()
            ^ self.low_by_high[0].product.val().xor()
            ^ self.low_by_high[1].product.val().xor()
            ^ self.high_by_low[0].product.val().xor()
            ^ self.high_by_low[1].product.val().xor();

        for k in 0..19 {
            self.is_valid[k].clock.next = self.clock.val();
            self.is_live[k].clock.next = self.clock.val();
        }
        self.is_valid[0].d.next = self.in_valid.val();
        self.is_live[0].d.next = self.in_entry.val().get_bit(self.live.val().index());
        for k in 1..19 {
            self.is_valid[k].d.next = self.is_valid[k - 1].q.val();
            self.is_live[k].d.next = self.is_live[k - 1].q.val();
        }
        self.out_valid.next = self.is_valid[18].q.val();
        self.out_live.next = self.is_live[18].q.val();
        self.out_digest.next = self.digest.q.val();
        if self.reset.val() {
            for k in 0..19 {
                self.is_valid[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("flow_digest", &mut *Box::<FlowDigest>::default());
        crate::yosys::check("flow_digest", &text);
    }
}
