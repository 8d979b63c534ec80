//! The builder of flow records: what a copy is told of a change, in the shortest form, one a clock.
//!
//! Enters: an entry after its change, what the change moved, and whether a record may count on the version
//! before. Leaves: the units of one record, [`LATENCY`] cycles later, bit for bit what `softnic` sends:
//! DELETE, COMPACT, WINDOW or UPDATE against the version before, else FULL or the keyed DELETE. Units
//! behind the record are zero. Nothing stalls; whether a record is sent is decided elsewhere.
//!
//! Stages: edges rounded to their step (a carry of 32 bits), groups chosen; units of the groups that are
//! there moved together, edges compared, head; head, key and groups joined.

use crate::layout::{field, flag, unit_field, Field, ENTRY_BITS};
use crate::prim::{constant, Wires};
use crate::unit::{self, wires, Pairs, FLOW_UNITS_MAX, ID, UNIT_BITS};
use formats::flow::{Direction, Groups};
use formats::layout::Layout;
use formats::record::{FAMILY_V6, TRACK_GROUPS};
use formats::unit::*;
use formats::window::WINDOW_STEP_BITS;
use rust_hdl::prelude::*;

/// Cycles from change to record.
pub const LATENCY: usize = 3;

/// What the units are made of: the entry, then what takes the place of some of its fields.
const SOURCE_BITS: usize = EDGES_AT + 128;
const TERM_AT: usize = ID.at + ID.bits;
const GROUPS_AT: usize = TERM_AT + field::TERM.bits;
const EDGES_AT: usize = GROUPS_AT + field::GROUPS.bits;

// Widths and shifts in a kernel are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && ID.at == 1296 && TERM_AT == 1336 && GROUPS_AT == 1368);
const _: () = assert!(EDGES_AT == 1376 && SOURCE_BITS == 1504);
const _: () = assert!(UNIT_BITS == 128 && FLOW_UNITS_MAX == 11);
const _: () = assert!(unit_field(&UpdateHead::LAYOUT, "units").at == 8);
const _: () = assert!(unit_field(&FullHead::LAYOUT, "units").at == 8);
const _: () = assert!(field::MAX_END_REPLY.at == field::END_ORIGINAL.at + 96);

const BOTH: [Direction; 2] = [Direction::Original, Direction::Reply];

/// Where in the source the record finds a field of the entry.
fn source(field: Field) -> Field {
    let first_edge = field::END_ORIGINAL.at;
    let at = match field.at {
        at if at == field::TERM.at => TERM_AT,
        at if at == field::GROUPS.at => GROUPS_AT,
        at if (first_edge..first_edge + 128).contains(&at) => EDGES_AT + at - first_edge,
        at => at,
    };
    Field { at, ..field }
}

fn from_source<const O: usize>(layout: &Layout, pairs: &[Pairs]) -> Wires<SOURCE_BITS, O> {
    Wires::new(pairs.iter().flat_map(|pairs| wires(layout, pairs, source)))
}

fn window(sender: Direction) -> Wires<SOURCE_BITS, UNIT_BITS> {
    Wires::new(
        wires(&Window::LAYOUT, unit::WINDOW, source).into_iter().chain(unit::window_edges(sender, source)),
    )
}

/// One record a clock.
#[derive(LogicBlock)]
pub struct RecordBuilder {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the pipeline.
    pub reset: Signal<In, Bit>,
    /// A change is there.
    pub in_valid: Signal<In, Bit>,
    /// The entry after the change.
    pub in_entry: Signal<In, Bits<1296>>,
    /// The flow id.
    pub in_id: Signal<In, Bits<40>>,
    /// Term of the bucket; in a snapshot that was asked for by pull, that of the entry.
    pub in_term: Signal<In, Bits<32>>,
    /// The copy holds the version before, and the flow goes by its id.
    pub in_delta: Signal<In, Bit>,
    /// Groups that the change moved; those that do not replicate do not count.
    pub in_changed: Signal<In, Bits<8>>,
    /// Groups that were present before.
    pub in_was_groups: Signal<In, Bits<8>>,
    /// Edges before, in the order of the entry.
    pub in_was_edges: Signal<In, Bits<128>>,
    /// Groups that replicate.
    pub in_replicate: Signal<In, Bits<8>>,
    /// Edges replicate in steps of 2 to this power; in force a cycle later.
    pub in_edge_bits: Signal<In, Bits<5>>,
    /// A record is there.
    pub out_valid: Signal<Out, Bit>,
    /// Its units, the first at bit 0.
    pub out_units: Signal<Out, Bits<1408>>,
    /// How many they are.
    pub out_count: Signal<Out, Bits<4>>,
    // What is read of an entry.
    groups_at: Constant<Bits<11>>,
    edge_at: [Constant<Bits<11>>; 4],
    tombstone_at: Constant<Bits<11>>,
    v6_at: Constant<Bits<11>>,
    // Numbers.
    ones: Constant<Bits<32>>,
    low_byte: Constant<Bits<32>>,
    number: [Constant<Bits<4>>; 12],
    compact_groups: Constant<Bits<8>>,
    edges_group: Constant<Bits<8>>,
    /// Groups of the track unit, edges, attributes, labels, NAT: the order of their units.
    unit_groups: [Constant<Bits<8>>; 5],
    full_v4: Constant<Bits<8>>,
    full_v6: Constant<Bits<8>>,
    delete_v4: Constant<Bits<8>>,
    delete_v6: Constant<Bits<8>>,
    update_v4: Constant<Bits<8>>,
    update_v6: Constant<Bits<8>>,
    delete: Constant<Bits<8>>,
    compact: Constant<Bits<8>>,
    /// The first bytes of a WINDOW of either direction.
    window_kind: [Constant<Bits<128>>; 2],
    /// An UPDATE's base is the version before.
    base_distance: Constant<Bits<128>>,
    // Stage 1.
    step: DFF<Bits<32>>,
    exact: [Signal<Local, Bits<32>>; 8],
    rounded: [Signal<Local, Bits<32>>; 8],
    edges: Signal<Local, Bits<128>>,
    is_tombstone: Signal<Local, Bit>,
    is_v6: Signal<Local, Bit>,
    groups: Signal<Local, Bits<8>>,
    unknown: Signal<Local, Bits<8>>,
    has: [Signal<Local, Bit>; 5],
    length: Signal<Local, Bits<12>>,
    source: DFF<Bits<1504>>,
    was_edges: DFF<Bits<128>>,
    delta_1: DFF<Bit>,
    tombstone_1: DFF<Bit>,
    v6_1: DFF<Bit>,
    compact_1: DFF<Bit>,
    edges_alone_1: DFF<Bit>,
    group_1: [DFF<Bit>; 5],
    length_1: DFF<Bits<12>>,
    // Stage 2.
    track: Wires<1504, 128>,
    edges_unit: Wires<1504, 128>,
    attributes: Wires<1504, 128>,
    labels: Wires<1504, 128>,
    nat_v4: Wires<1504, 128>,
    nat_v6: Wires<1504, 384>,
    key_v4: Wires<1504, 128>,
    key_v6: Wires<1504, 384>,
    full_head: Wires<1504, 128>,
    update_head: Wires<1504, 128>,
    delete_head: Wires<1504, 128>,
    compact_head: Wires<1504, 128>,
    window_head: [Wires<1504, 128>; 2],
    now: [Signal<Local, Bits<32>>; 4],
    was: [Signal<Local, Bits<32>>; 4],
    chain: Signal<Local, Bits<896>>,
    kind: Signal<Local, Bits<8>>,
    head: Signal<Local, Bits<128>>,
    count: Signal<Local, Bits<4>>,
    chain_2: DFF<Bits<896>>,
    key_2: DFF<Bits<384>>,
    head_2: DFF<Bits<128>>,
    count_2: DFF<Bits<4>>,
    window_2: [DFF<Bits<128>>; 2],
    is_window_2: [DFF<Bit>; 2],
    is_update_2: DFF<Bit>,
    is_v4_2: DFF<Bit>,
    is_v6_2: DFF<Bit>,
    // Stage 3.
    joined: Signal<Local, Bits<1408>>,
    units: DFF<Bits<1408>>,
    units_count: DFF<Bits<4>>,
    valid: [DFF<Bit>; 3],
}

impl Default for RecordBuilder {
    fn default() -> Self {
        let place = |at: usize| constant(at as u128);
        let kind = |kind: u8| constant(kind.into());
        let groups = |groups: Groups| constant(groups.0.into());
        let attributes = Groups::MARK.with(Groups::POLICY);
        block! {
            groups_at: place(field::GROUPS.at),
            edge_at: std::array::from_fn(|k| place(field::END_ORIGINAL.at + 32 * k)),
            tombstone_at: place(field::FLAGS.at + flag::TOMBSTONE.trailing_zeros() as usize),
            v6_at: place(field::IS_V6.at),
            ones: constant(u32::MAX.into()),
            low_byte: constant((1 << WINDOW_STEP_BITS) - 1),
            number: std::array::from_fn(|k| constant(k as u128)),
            compact_groups: groups(Groups::STATUS.with(Groups::LIFETIME)),
            edges_group: groups(Groups::EDGES),
            unit_groups: [TRACK_GROUPS, Groups::EDGES, attributes, Groups::LABELS, Groups::NAT].map(groups),
            full_v4: kind(kind::FULL_V4),
            full_v6: kind(kind::FULL_V6),
            delete_v4: kind(kind::DELETE_V4),
            delete_v6: kind(kind::DELETE_V6),
            update_v4: kind(kind::UPDATE),
            update_v6: kind(kind::UPDATE | FAMILY_V6),
            delete: kind(kind::DELETE),
            compact: kind(kind::COMPACT),
            window_kind: BOTH.map(|sender| constant(0x100 | u128::from(Window::kind_of(sender)))),
            base_distance: constant(1 << unit_field(&UpdateHead::LAYOUT, "base_distance").at),
            track: from_source(&Track::LAYOUT, &unit::TRACK),
            edges_unit: from_source(&EdgesUnit::LAYOUT, &[unit::EDGES]),
            attributes: from_source(&Attributes::LAYOUT, &[unit::MARK, unit::POLICY]),
            labels: from_source(&Labels::LAYOUT, &[unit::LABELS]),
            nat_v4: from_source(&NatV4::LAYOUT, &[unit::NAT]),
            nat_v6: from_source(&NatV6::LAYOUT, &[unit::NAT]),
            key_v4: from_source(&KeyV4::LAYOUT, &[unit::KEY]),
            key_v6: from_source(&KeyV6::LAYOUT, &[unit::KEY]),
            full_head: from_source(&FullHead::LAYOUT, &[unit::FULL, unit::FULL_GROUPS]),
            update_head: from_source(&UpdateHead::LAYOUT, &[unit::UPDATE]),
            delete_head: from_source(&DeleteUnit::LAYOUT, &[unit::DELETE]),
            compact_head: from_source(&Compact::LAYOUT, &[unit::COMPACT]),
            window_head: BOTH.map(window),
            ..clock reset in_valid in_entry in_id in_term in_delta in_changed in_was_groups in_was_edges
            in_replicate in_edge_bits out_valid out_units out_count step exact rounded edges is_tombstone is_v6
            groups unknown has length source was_edges delta_1 tombstone_1 v6_1 compact_1 edges_alone_1 group_1
            length_1 now was chain kind head count chain_2 key_2 head_2 count_2 window_2 is_window_2
            is_update_2 is_v4_2 is_v6_2 joined units units_count valid
        }
    }
}

impl Logic for RecordBuilder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, step, source, was_edges, delta_1, tombstone_1, v6_1, compact_1);
        dff_setup!(self, clock, edges_alone_1, length_1, chain_2, key_2, head_2, count_2, is_update_2);
        dff_setup!(self, clock, is_v4_2, is_v6_2, units, units_count);

        // Edges in steps, rounded up; what they were in the order of the new ones, behind them.
        self.step.d.next = !(self.ones.val() << self.in_edge_bits.val());
        for k in 0..4 {
            self.exact[k].next = self.in_entry.val().get_bits::<32>(self.edge_at[k].val().index());
            self.exact[k + 4].next = self.in_was_edges.val().get_bits::<32>(32 * k);
        }
        for k in 0..8 {
            self.rounded[k].next = (self.exact[k].val() + self.step.q.val()) & !self.step.q.val();
        }
        self.edges.next = (bit_cast::<128, 32>(self.rounded[3].val()) << 96)
            | (bit_cast::<128, 32>(self.rounded[2].val()) << 64)
            | (bit_cast::<128, 32>(self.rounded[1].val()) << 32)
            | bit_cast::<128, 32>(self.rounded[0].val());
        self.was_edges.d.next = (bit_cast::<128, 32>(self.rounded[7].val()) << 96)
            | (bit_cast::<128, 32>(self.rounded[6].val()) << 64)
            | (bit_cast::<128, 32>(self.rounded[5].val()) << 32)
            | bit_cast::<128, 32>(self.rounded[4].val());

        // The groups that the record carries; an end carries none.
        self.is_tombstone.next = self.in_entry.val().get_bit(self.tombstone_at.val().index());
        self.is_v6.next = self.in_entry.val().get_bit(self.v6_at.val().index());
        self.groups.next = self.in_entry.val().get_bits::<8>(self.groups_at.val().index());
        if self.in_delta.val() {
            self.groups.next = self.in_changed.val();
        }
        self.groups.next = self.groups.val() & self.in_replicate.val();
        if self.is_tombstone.val() {
            self.groups.next = 0.into();
        }
        self.source.d.next = bit_cast::<1504, 1296>(self.in_entry.val())
            | (bit_cast::<1504, 40>(self.in_id.val()) << 1296)
            | (bit_cast::<1504, 32>(self.in_term.val()) << 1336)
            | (bit_cast::<1504, 8>(self.groups.val()) << 1368)
            | (bit_cast::<1504, 128>(self.edges.val()) << 1376);

        // The units they fill, and the record's length as one bit of twelve.
        for k in 0..5 {
            self.has[k].next = (self.groups.val() & self.unit_groups[k].val()).any();
        }
        self.length.next = 2.into();
        if !self.in_delta.val() {
            self.length.next = 4.into();
            if self.is_v6.val() {
                self.length.next = 16.into();
            }
            // FULL has the track unit always.
            self.has[0].next = !self.is_tombstone.val();
        }
        for k in 0..5 {
            self.group_1[k].clock.next = self.clock.val();
            self.group_1[k].d.next = self.has[k].val();
            if self.has[k].val() {
                self.length.next = self.length.val() << 1;
            }
        }
        if self.has[4].val() & self.is_v6.val() {
            self.length.next = self.length.val() << 2;
        }
        self.length_1.d.next = self.length.val();

        // Whether one unit may do.
        self.unknown.next = self.groups.val() & !(self.compact_groups.val() & self.in_was_groups.val());
        self.compact_1.d.next = !self.unknown.val().any();
        self.edges_alone_1.d.next = (self.groups.val() == self.edges_group.val())
            & (self.in_was_groups.val() & self.edges_group.val()).any();
        self.delta_1.d.next = self.in_delta.val();
        self.tombstone_1.d.next = self.is_tombstone.val();
        self.v6_1.d.next = self.is_v6.val();

        // Units of the groups, moved together from the last to the first.
        self.track.x.next = self.source.q.val();
        self.edges_unit.x.next = self.source.q.val();
        self.attributes.x.next = self.source.q.val();
        self.labels.x.next = self.source.q.val();
        self.nat_v4.x.next = self.source.q.val();
        self.nat_v6.x.next = self.source.q.val();
        self.key_v4.x.next = self.source.q.val();
        self.key_v6.x.next = self.source.q.val();
        self.full_head.x.next = self.source.q.val();
        self.update_head.x.next = self.source.q.val();
        self.delete_head.x.next = self.source.q.val();
        self.compact_head.x.next = self.source.q.val();
        self.chain.next = 0.into();
        if self.group_1[4].q.val() {
            self.chain.next = bit_cast::<896, 128>(self.nat_v4.y.val());
            if self.v6_1.q.val() {
                self.chain.next = bit_cast::<896, 384>(self.nat_v6.y.val());
            }
        }
        if self.group_1[3].q.val() {
            self.chain.next = (self.chain.val() << 128) | bit_cast::<896, 128>(self.labels.y.val());
        }
        if self.group_1[2].q.val() {
            self.chain.next = (self.chain.val() << 128) | bit_cast::<896, 128>(self.attributes.y.val());
        }
        if self.group_1[1].q.val() {
            self.chain.next = (self.chain.val() << 128) | bit_cast::<896, 128>(self.edges_unit.y.val());
        }
        if self.group_1[0].q.val() {
            self.chain.next = (self.chain.val() << 128) | bit_cast::<896, 128>(self.track.y.val());
        }
        self.chain_2.d.next = self.chain.val();
        self.key_2.d.next = bit_cast::<384, 128>(self.key_v4.y.val());
        if self.v6_1.q.val() {
            self.key_2.d.next = self.key_v6.y.val();
        }

        // The head, if it is no WINDOW.
        self.count.next = 0.into();
        for k in 0..12 {
            if self.length_1.q.val().get_bit(k) {
                self.count.next = self.count.val() | self.number[k].val();
            }
        }
        self.head.next = self.full_head.y.val();
        self.kind.next = self.full_v4.val();
        if self.tombstone_1.q.val() {
            self.kind.next = self.delete_v4.val();
        }
        if self.v6_1.q.val() {
            self.kind.next = self.full_v6.val();
            if self.tombstone_1.q.val() {
                self.kind.next = self.delete_v6.val();
            }
        }
        self.is_v4_2.d.next = !self.v6_1.q.val();
        self.is_v6_2.d.next = self.v6_1.q.val();
        self.is_update_2.d.next = false;
        if self.delta_1.q.val() {
            self.is_v4_2.d.next = false;
            self.is_v6_2.d.next = false;
            if self.tombstone_1.q.val() {
                self.head.next = self.delete_head.y.val();
                self.kind.next = self.delete.val();
            } else if self.compact_1.q.val() {
                self.head.next = self.compact_head.y.val();
                self.kind.next = self.compact.val();
                self.count.next = 1.into();
            } else {
                self.head.next = self.update_head.y.val() | self.base_distance.val();
                self.kind.next = self.update_v4.val();
                if self.v6_1.q.val() {
                    self.kind.next = self.update_v6.val();
                }
                self.is_update_2.d.next = true;
            }
        }
        self.head_2.d.next = self.head.val()
            | (bit_cast::<128, 4>(self.count.val()) << 8)
            | bit_cast::<128, 8>(self.kind.val());
        self.count_2.d.next = self.count.val();

        // Two edges stay, and two are multiples of what WINDOW counts in: a packet of either direction.
        for k in 0..4 {
            self.now[k].next = self.source.q.val().get_bits::<32>(1376 + 32 * k);
            self.was[k].next = self.was_edges.q.val().get_bits::<32>(32 * k);
        }
        for k in 0..2 {
            self.is_window_2[k].clock.next = self.clock.val();
            self.window_2[k].clock.next = self.clock.val();
            self.window_head[k].x.next = self.source.q.val();
            self.window_2[k].d.next = self.window_head[k].y.val() | self.window_kind[k].val();
            // Edges are end and maximum of original, then of reply.
            self.is_window_2[k].d.next = self.delta_1.q.val()
                & self.edges_alone_1.q.val()
                & (self.now[1 + 2 * k].val() == self.was[1 + 2 * k].val())
                & (self.now[2 - 2 * k].val() == self.was[2 - 2 * k].val())
                & !((self.now[2 * k].val() | self.now[3 - 2 * k].val()) & self.low_byte.val()).any();
        }

        // All of it joined.
        self.joined.next = bit_cast::<1408, 128>(self.head_2.q.val());
        if self.is_update_2.q.val() {
            self.joined.next = self.joined.val() | (bit_cast::<1408, 896>(self.chain_2.q.val()) << 128);
        }
        if self.is_v4_2.q.val() {
            self.joined.next = self.joined.val()
                | (bit_cast::<1408, 384>(self.key_2.q.val()) << 128)
                | (bit_cast::<1408, 896>(self.chain_2.q.val()) << 256);
        }
        if self.is_v6_2.q.val() {
            self.joined.next = self.joined.val()
                | (bit_cast::<1408, 384>(self.key_2.q.val()) << 128)
                | (bit_cast::<1408, 896>(self.chain_2.q.val()) << 512);
        }
        self.units_count.d.next = self.count_2.q.val();
        if self.is_window_2[1].q.val() {
            self.joined.next = bit_cast::<1408, 128>(self.window_2[1].q.val());
            self.units_count.d.next = 1.into();
        }
        if self.is_window_2[0].q.val() {
            self.joined.next = bit_cast::<1408, 128>(self.window_2[0].q.val());
            self.units_count.d.next = 1.into();
        }
        self.units.d.next = self.joined.val();
        self.out_units.next = self.units.q.val();
        self.out_count.next = self.units_count.q.val();

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
        let text = crate::export("record", &mut *Box::<RecordBuilder>::default());
        crate::yosys::check("record", &text);
    }
}
