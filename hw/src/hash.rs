//! Flow id: the keyed hash that places a flow, at one key a clock.
//!
//! Enters: a flow key, and the numbers of the half-byte tables through a write port. Leaves: the id
//! T(a) + T(b) + T'(protocol, zone, family) mod 2^40, [`LATENCY`] cycles later, the same for both
//! directions of a flow. `formats::hash::FlowHasher` is the model and gives the numbers.
//!
//! Each half byte has a memory of 16 numbers of 40 bits in look-up tables (80 of them: the two end points
//! are looked up at once). The upper address bytes of IPv4 count for nothing, whatever they hold. Nothing
//! stalls; what is on its way while tables are written hashes to anything.
//!
//! Timing: inputs go straight into the memories, so they should come from registers. Stages: read and XOR
//! of six; XOR of six; sum of three. At most 2 LUT levels beside the carry chain.

use crate::prim::LutMemory;
use formats::limits::FLOW_ID_BITS;
use rust_hdl::prelude::*;

// Widths in a kernel are plain numbers.
const _: () = assert!(FLOW_ID_BITS == 40);

/// Cycles from key to id.
pub const LATENCY: usize = 3;

/// Half bytes of an end point: address, then port.
const ENDPOINT: usize = 36;
/// Half bytes of protocol and zone.
const CONTEXT: usize = 6;
/// Memories whose numbers meet in one register.
const GROUP: usize = 6;

/// The half bytes of an end point in groups of six: those that IPv4 has come first.
fn endpoint_order() -> impl Iterator<Item = usize> {
    (0..8).chain(32..36).chain(8..32)
}

/// The numbers of the half-byte tables, in force two cycles later: all of them before the first key.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct NumbersIn {
    /// Writes one number this cycle.
    pub valid: Signal<In, Bit>,
    /// Tables 0 to 35 of the end points, from 36 on those of the context, as the hasher lists them.
    pub table: Signal<In, Bits<6>>,
    /// The half byte that chooses the number.
    pub index: Signal<In, Bits<4>>,
    /// The number.
    pub number: Signal<In, Bits<40>>,
}

/// The flow id of one key a clock.
#[derive(LogicBlock)]
pub struct FlowHash {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the pipeline; the tables stay.
    pub reset: Signal<In, Bit>,
    /// A key is there.
    pub in_valid: Signal<In, Bit>,
    /// Address of one end point; upper bytes of IPv4 are not looked at.
    pub in_src: Signal<In, Bits<128>>,
    /// Address of the other end point.
    pub in_dst: Signal<In, Bits<128>>,
    /// Port of the one end point.
    pub in_src_port: Signal<In, Bits<16>>,
    /// Port of the other end point.
    pub in_dst_port: Signal<In, Bits<16>>,
    /// IP protocol number.
    pub in_protocol: Signal<In, Bits<8>>,
    /// Conntrack zone.
    pub in_zone: Signal<In, Bits<16>>,
    /// The family is IPv6.
    pub in_is_v6: Signal<In, Bit>,
    /// An id is there.
    pub out_valid: Signal<Out, Bit>,
    /// The flow id.
    pub out_id: Signal<Out, Bits<40>>,
    /// Numbers of the tables.
    pub write: NumbersIn,
    src: Signal<Local, Bits<144>>,
    dst: Signal<Local, Bits<144>>,
    protocol_zone: Signal<Local, Bits<24>>,
    src_memory: [LutMemory<40, 4>; ENDPOINT],
    dst_memory: [LutMemory<40, 4>; ENDPOINT],
    context_memory: [LutMemory<40, 4>; CONTEXT],
    /// The one entry of the family's table that counts: IPv4 is 0, and half byte 0 chooses 0.
    v6_number: DFF<Bits<40>>,
    offset: [Constant<Bits<8>>; ENDPOINT],
    number: [Constant<Bits<6>>; ENDPOINT],
    context_offset: [Constant<Bits<8>>; CONTEXT],
    context_number: [Constant<Bits<6>>; CONTEXT],
    v6_table: Constant<Bits<6>>,
    chosen: [DFF<Bit>; ENDPOINT],
    context_chosen: [DFF<Bit>; CONTEXT],
    v6_chosen: DFF<Bit>,
    write_index_held: DFF<Bits<4>>,
    write_number_held: DFF<Bits<40>>,
    src_part: [DFF<Bits<40>>; GROUP],
    dst_part: [DFF<Bits<40>>; GROUP],
    context_part: DFF<Bits<40>>,
    v6_part: DFF<Bits<40>>,
    src_hash: DFF<Bits<40>>,
    dst_hash: DFF<Bits<40>>,
    context_hash: DFF<Bits<40>>,
    sum: DFF<Bits<40>>,
    valid: [DFF<Bit>; LATENCY],
}

impl Default for FlowHash {
    fn default() -> Self {
        let order: Vec<usize> = endpoint_order().collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_src: Default::default(),
            in_dst: Default::default(),
            in_src_port: Default::default(),
            in_dst_port: Default::default(),
            in_protocol: Default::default(),
            in_zone: Default::default(),
            in_is_v6: Default::default(),
            out_valid: Default::default(),
            out_id: Default::default(),
            write: Default::default(),
            src: Default::default(),
            dst: Default::default(),
            protocol_zone: Default::default(),
            src_memory: std::array::from_fn(|_| Default::default()),
            dst_memory: std::array::from_fn(|_| Default::default()),
            context_memory: std::array::from_fn(|_| Default::default()),
            v6_number: Default::default(),
            offset: std::array::from_fn(|k| Constant::new((4 * order[k]).to_bits())),
            number: std::array::from_fn(|k| Constant::new(order[k].to_bits())),
            context_offset: std::array::from_fn(|k| Constant::new((4 * k).to_bits())),
            context_number: std::array::from_fn(|k| Constant::new((ENDPOINT + k).to_bits())),
            v6_table: Constant::new((ENDPOINT + CONTEXT).to_bits()),
            chosen: std::array::from_fn(|_| Default::default()),
            context_chosen: std::array::from_fn(|_| Default::default()),
            v6_chosen: Default::default(),
            write_index_held: Default::default(),
            write_number_held: Default::default(),
            src_part: std::array::from_fn(|_| Default::default()),
            dst_part: std::array::from_fn(|_| Default::default()),
            context_part: Default::default(),
            v6_part: Default::default(),
            src_hash: Default::default(),
            dst_hash: Default::default(),
            context_hash: Default::default(),
            sum: Default::default(),
            valid: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl Logic for FlowHash {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, v6_number, v6_chosen, write_index_held, write_number_held);
        dff_setup!(self, clock, context_part, v6_part, src_hash, dst_hash, context_hash, sum);

        // The numbers: each memory has its write enable in a register.
        self.write_index_held.d.next = self.write.index.val();
        self.write_number_held.d.next = self.write.number.val();
        for k in 0..36 {
            self.chosen[k].clock.next = self.clock.val();
            self.chosen[k].d.next = self.write.valid.val() & (self.write.table.val() == self.number[k].val());
            self.src_memory[k].clock.next = self.clock.val();
            self.src_memory[k].write.next = self.chosen[k].q.val();
            self.src_memory[k].write_address.next = self.write_index_held.q.val();
            self.src_memory[k].write_data.next = self.write_number_held.q.val();
            self.dst_memory[k].clock.next = self.clock.val();
            self.dst_memory[k].write.next = self.chosen[k].q.val();
            self.dst_memory[k].write_address.next = self.write_index_held.q.val();
            self.dst_memory[k].write_data.next = self.write_number_held.q.val();
        }
        for k in 0..6 {
            self.context_chosen[k].clock.next = self.clock.val();
            self.context_chosen[k].d.next =
                self.write.valid.val() & (self.write.table.val() == self.context_number[k].val());
            self.context_memory[k].clock.next = self.clock.val();
            self.context_memory[k].write.next = self.context_chosen[k].q.val();
            self.context_memory[k].write_address.next = self.write_index_held.q.val();
            self.context_memory[k].write_data.next = self.write_number_held.q.val();
        }
        self.v6_chosen.d.next = self.write.valid.val()
            & (self.write.table.val() == self.v6_table.val())
            & (self.write.index.val() == 1);
        if self.v6_chosen.q.val() {
            self.v6_number.d.next = self.write_number_held.q.val();
        }

        // Look up.
        self.src.next =
            (bit_cast::<144, 16>(self.in_src_port.val()) << 128) | bit_cast::<144, 128>(self.in_src.val());
        self.dst.next =
            (bit_cast::<144, 16>(self.in_dst_port.val()) << 128) | bit_cast::<144, 128>(self.in_dst.val());
        self.protocol_zone.next =
            (bit_cast::<24, 16>(self.in_zone.val()) << 8) | bit_cast::<24, 8>(self.in_protocol.val());
        for k in 0..36 {
            self.src_memory[k].address.next = self.src.val().get_bits::<4>(self.offset[k].val().index());
            self.dst_memory[k].address.next = self.dst.val().get_bits::<4>(self.offset[k].val().index());
        }
        for k in 0..6 {
            self.context_memory[k].address.next =
                self.protocol_zone.val().get_bits::<4>(self.context_offset[k].val().index());
        }

        // Six to one; the groups that IPv4 does not have are cleared.
        for g in 0..6 {
            self.src_part[g].clock.next = self.clock.val();
            self.dst_part[g].clock.next = self.clock.val();
            self.src_part[g].d.next = self.src_memory[6 * g].data.val()
                ^ self.src_memory[6 * g + 1].data.val()
                ^ self.src_memory[6 * g + 2].data.val()
                ^ self.src_memory[6 * g + 3].data.val()
                ^ self.src_memory[6 * g + 4].data.val()
                ^ self.src_memory[6 * g + 5].data.val();
            self.dst_part[g].d.next = self.dst_memory[6 * g].data.val()
                ^ self.dst_memory[6 * g + 1].data.val()
                ^ self.dst_memory[6 * g + 2].data.val()
                ^ self.dst_memory[6 * g + 3].data.val()
                ^ self.dst_memory[6 * g + 4].data.val()
                ^ self.dst_memory[6 * g + 5].data.val();
        }
        self.v6_part.d.next = self.v6_number.q.val();
        if !self.in_is_v6.val() {
            for g in 2..6 {
                self.src_part[g].d.next = 0.into();
                self.dst_part[g].d.next = 0.into();
            }
            self.v6_part.d.next = 0.into();
        }
        self.context_part.d.next = self.context_memory[0].data.val()
            ^ self.context_memory[1].data.val()
            ^ self.context_memory[2].data.val()
            ^ self.context_memory[3].data.val()
            ^ self.context_memory[4].data.val()
            ^ self.context_memory[5].data.val();

        // And again, then the sum, in which both directions meet.
        self.src_hash.d.next = self.src_part[0].q.val()
            ^ self.src_part[1].q.val()
            ^ self.src_part[2].q.val()
            ^ self.src_part[3].q.val()
            ^ self.src_part[4].q.val()
            ^ self.src_part[5].q.val();
        self.dst_hash.d.next = self.dst_part[0].q.val()
            ^ self.dst_part[1].q.val()
            ^ self.dst_part[2].q.val()
            ^ self.dst_part[3].q.val()
            ^ self.dst_part[4].q.val()
            ^ self.dst_part[5].q.val();
        self.context_hash.d.next = self.context_part.q.val() ^ self.v6_part.q.val();
        self.sum.d.next = self.src_hash.q.val() + self.dst_hash.q.val() + self.context_hash.q.val();
        self.out_id.next = self.sum.q.val();

        for k in 0..3 {
            self.valid[k].clock.next = self.clock.val();
        }
        self.valid[0].d.next = self.in_valid.val();
        for k in 1..3 {
            self.valid[k].d.next = self.valid[k - 1].q.val();
        }
        self.out_valid.next = self.valid[2].q.val();
        if self.reset.val() {
            for k in 0..3 {
                self.valid[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("flow_hash", &mut *Box::<FlowHash>::default());
        crate::yosys::check("flow_hash", &text);
    }

    #[test]
    fn each_half_byte_has_its_memory() {
        let mut order: Vec<usize> = endpoint_order().collect();
        order.sort_unstable();
        assert_eq!(order, (0..ENDPOINT).collect::<Vec<_>>());
    }
}
