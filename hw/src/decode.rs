//! The decoder of records: the units of one record as a request to the flow table, one a clock.
//!
//! Enters: units as they came in a frame, and how many are left of it. Leaves: what `Record::decode` of
//! `formats` makes of them, [`LATENCY`] cycles later: the record of a flow in the layout of an entry, or the
//! kind of another record and its units, or the error. Any bits may enter. Nothing stalls.
//!
//! A MERGE, which may be longer than what enters, is judged whole; the flow in it is decoded by showing the
//! units from its second on.
//!
//! Stages: kind and groups, the units behind head and key; units of the groups told apart, fields put in
//! their places. [`Verdict`] judges meanwhile.

mod verdict;

pub use verdict::{error, Verdict};

use crate::layout::{field, unit_field, Field, ENTRY_BITS};
use crate::prim::{constant, Wire, Wires};
use crate::unit::{self, window_edges, wires, Pairs, FLOW_UNITS_MAX, ID, UNIT_BITS};
use formats::flow::{Direction, Groups};
use formats::layout::Layout;
use formats::record::{FAMILY_V6, TRACK_GROUPS};
use formats::unit::*;
use rust_hdl::prelude::*;

/// Cycles from units to request.
pub const LATENCY: usize = 2;

/// The request: an entry, the flow id, versions back to the base.
const REQUEST_BITS: usize = BASE_DISTANCE.at + BASE_DISTANCE.bits;
const BASE_DISTANCE: Field = Field { name: "BASE_DISTANCE", at: ID.at + ID.bits, bits: 8 };

// Widths, shifts and places in a kernel are plain numbers.
const _: () = assert!(ENTRY_BITS == 1296 && ID.at == 1296 && BASE_DISTANCE.at == 1336);
const _: () = assert!(REQUEST_BITS == 1344 && UNIT_BITS == 128 && FLOW_UNITS_MAX == 11);
// Two bits of the kind say where the groups begin, before it is known to be one that has any.
const _: () = assert!(kind::UPDATE & 0b101 == 0 && FAMILY_V6 & 0b101 == 0);
const _: () = assert!(kind::FULL_V4 & 0b101 == 0b001 && kind::FULL_V6 & 0b100 != 0);

fn into_request<const I: usize>(layout: &Layout, pairs: &[Pairs]) -> Wires<I, REQUEST_BITS> {
    Wires::new(pairs.iter().flat_map(|pairs| wires(layout, pairs, |field| field)).map(Wire::reversed))
}

fn window(sender: Direction) -> Wires<UNIT_BITS, REQUEST_BITS> {
    let edges = window_edges(sender, |field| field);
    let rest = wires(&Window::LAYOUT, unit::WINDOW, |field| field);
    Wires::new(edges.into_iter().chain(rest).map(Wire::reversed))
}

fn update() -> Wires<UNIT_BITS, REQUEST_BITS> {
    let distance = Wire::low(unit_field(&UpdateHead::LAYOUT, "base_distance"), BASE_DISTANCE);
    let rest = wires(&UpdateHead::LAYOUT, unit::UPDATE, |field| field);
    Wires::new(rest.into_iter().map(Wire::reversed).chain([distance]))
}

/// One record a clock.
#[derive(LogicBlock)]
pub struct RecordDecoder {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Empties the pipeline.
    pub reset: Signal<In, Bit>,
    /// A record is there.
    pub in_valid: Signal<In, Bit>,
    /// Its units and what follows, the first at bit 0.
    pub in_units: Signal<In, Bits<1408>>,
    /// Units that are left of the frame, 16 for more.
    pub in_available: Signal<In, Bits<5>>,
    /// A verdict is there.
    pub out_valid: Signal<Out, Bit>,
    /// Of [`error`]; with one, only kind and length mean something.
    pub out_error: Signal<Out, Bits<2>>,
    /// Units of the record, unless its length is the error.
    pub out_count: Signal<Out, Bits<5>>,
    /// Record kind, without the family of an UPDATE.
    pub out_kind: Signal<Out, Bits<8>>,
    /// A flow record without an error, to be applied.
    pub out_is_flow: Signal<Out, Bit>,
    /// It names its flow by key and carries the whole stamp; else by id, with the low bits.
    pub out_is_keyed: Signal<Out, Bit>,
    /// The flow id, unless keyed.
    pub out_id: Signal<Out, Bits<40>>,
    /// Versions back to the base; 0 if the record needs none.
    pub out_base_distance: Signal<Out, Bits<8>>,
    /// Key, groups and their values, term and version; zero where the record says nothing.
    pub out_entry: Signal<Out, Bits<1296>>,
    /// The first three units as they came: all of a record without a flow, MERGE apart.
    pub out_units: Signal<Out, Bits<384>>,
    verdict: Verdict,
    // Numbers.
    compact: Constant<Bits<8>>,
    windows: [Constant<Bits<8>>; 2],
    update_v4: Constant<Bits<8>>,
    update_v6: Constant<Bits<8>>,
    full_v4: Constant<Bits<8>>,
    full_v6: Constant<Bits<8>>,
    delete: Constant<Bits<8>>,
    delete_v4: Constant<Bits<8>>,
    delete_v6: Constant<Bits<8>>,
    /// Groups of the track unit, edges, attributes, labels: the order of their units, NAT behind them.
    unit_groups: [Constant<Bits<8>>; 4],
    compact_says: Constant<Bits<1344>>,
    window_says: Constant<Bits<1344>>,
    v6_says: Constant<Bits<1344>>,
    status_group: Constant<Bits<8>>,
    edges_group: Constant<Bits<8>>,
    scales_group: Constant<Bits<8>>,
    lifetime_group: Constant<Bits<8>>,
    mark_group: Constant<Bits<8>>,
    labels_group: Constant<Bits<8>>,
    nat_group: Constant<Bits<8>>,
    policy_group: Constant<Bits<8>>,
    // Stage 1.
    kind: Signal<Local, Bits<8>>,
    is_update: Signal<Local, Bit>,
    is_full: Signal<Local, Bit>,
    is_v4: Signal<Local, Bit>,
    is_v6: Signal<Local, Bit>,
    groups: Signal<Local, Bits<8>>,
    has: [Signal<Local, Bit>; 4],
    first_units_1: DFF<Bits<512>>,
    group_units_1: DFF<Bits<896>>,
    kind_1: DFF<Bits<8>>,
    compact_1: DFF<Bit>,
    windows_1: [DFF<Bit>; 2],
    update_1: DFF<Bit>,
    full_1: DFF<Bit>,
    delete_1: DFF<Bit>,
    v4_1: DFF<Bit>,
    v6_1: DFF<Bit>,
    family_v6_1: DFF<Bit>,
    groups_1: DFF<Bits<8>>,
    has_1: [DFF<Bit>; 4],
    // Stage 2.
    compact_wires: Wires<128, 1344>,
    window_wires: [Wires<128, 1344>; 2],
    update_wires: Wires<128, 1344>,
    full_wires: Wires<128, 1344>,
    full_groups_wires: Wires<128, 1344>,
    delete_wires: Wires<128, 1344>,
    key_v4_wires: Wires<128, 1344>,
    key_v6_wires: Wires<384, 1344>,
    status_wires: Wires<128, 1344>,
    scales_wires: Wires<128, 1344>,
    lifetime_wires: Wires<128, 1344>,
    incarnation_wires: Wires<128, 1344>,
    edges_wires: Wires<128, 1344>,
    mark_wires: Wires<128, 1344>,
    policy_wires: Wires<128, 1344>,
    labels_wires: Wires<128, 1344>,
    nat_v4_wires: Wires<128, 1344>,
    nat_v6_wires: Wires<384, 1344>,
    head: Signal<Local, Bits<128>>,
    key_unit: Signal<Local, Bits<128>>,
    key_units: Signal<Local, Bits<384>>,
    rest: Signal<Local, Bits<896>>,
    group_unit: [Signal<Local, Bits<128>>; 5],
    nat_units: Signal<Local, Bits<384>>,
    request: Signal<Local, Bits<1344>>,
    units_bits: Signal<Local, Bits<512>>,
    request_2: DFF<Bits<1344>>,
    first_units_2: DFF<Bits<384>>,
    kind_2: DFF<Bits<8>>,
    is_keyed_2: DFF<Bit>,
    valid: [DFF<Bit>; LATENCY],
}

impl Default for RecordDecoder {
    fn default() -> Self {
        let kind = |kind: u8| constant(kind.into());
        let groups = |groups: Groups| constant(groups.0.into());
        let attributes = Groups::MARK.with(Groups::POLICY);
        block! {
            compact: kind(kind::COMPACT),
            windows: [kind::WINDOW_ORIGINAL, kind::WINDOW_REPLY].map(kind),
            update_v4: kind(kind::UPDATE),
            update_v6: kind(kind::UPDATE | FAMILY_V6),
            full_v4: kind(kind::FULL_V4),
            full_v6: kind(kind::FULL_V6),
            delete: kind(kind::DELETE),
            delete_v4: kind(kind::DELETE_V4),
            delete_v6: kind(kind::DELETE_V6),
            unit_groups: [TRACK_GROUPS, Groups::EDGES, attributes, Groups::LABELS].map(groups),
            compact_says: says(Groups::STATUS.with(Groups::LIFETIME), 1),
            window_says: says(Groups::EDGES, 1),
            v6_says: Constant::new(at(1, field::IS_V6)),
            status_group: groups(Groups::STATUS),
            edges_group: groups(Groups::EDGES),
            scales_group: groups(Groups::SCALES),
            lifetime_group: groups(Groups::LIFETIME),
            mark_group: groups(Groups::MARK),
            labels_group: groups(Groups::LABELS),
            nat_group: groups(Groups::NAT),
            policy_group: groups(Groups::POLICY),
            compact_wires: into_request(&Compact::LAYOUT, &[unit::COMPACT]),
            window_wires: [Direction::Original, Direction::Reply].map(window),
            update_wires: update(),
            full_wires: into_request(&FullHead::LAYOUT, &[unit::FULL]),
            full_groups_wires: into_request(&FullHead::LAYOUT, &[unit::FULL_GROUPS]),
            delete_wires: into_request(&DeleteUnit::LAYOUT, &[unit::DELETE]),
            key_v4_wires: into_request(&KeyV4::LAYOUT, &[unit::KEY]),
            key_v6_wires: into_request(&KeyV6::LAYOUT, &[unit::KEY]),
            status_wires: into_request(&Track::LAYOUT, &[unit::TRACK_STATUS]),
            scales_wires: into_request(&Track::LAYOUT, &[unit::TRACK_SCALES]),
            lifetime_wires: into_request(&Track::LAYOUT, &[unit::TRACK_LIFETIME]),
            incarnation_wires: into_request(&Track::LAYOUT, &[unit::TRACK_REST]),
            edges_wires: into_request(&EdgesUnit::LAYOUT, &[unit::EDGES]),
            mark_wires: into_request(&Attributes::LAYOUT, &[unit::MARK]),
            policy_wires: into_request(&Attributes::LAYOUT, &[unit::POLICY]),
            labels_wires: into_request(&Labels::LAYOUT, &[unit::LABELS]),
            nat_v4_wires: into_request(&NatV4::LAYOUT, &[unit::NAT]),
            nat_v6_wires: into_request(&NatV6::LAYOUT, &[unit::NAT]),
            ..clock reset in_valid in_units in_available out_valid out_error out_count out_kind out_is_flow
            out_is_keyed out_id out_base_distance out_entry out_units kind is_update is_full is_v4 is_v6
            groups has first_units_1 group_units_1 kind_1 compact_1 windows_1 update_1 full_1 delete_1 v4_1
            v6_1 family_v6_1 groups_1 has_1 head key_unit key_units rest group_unit nat_units request
            units_bits request_2 first_units_2 kind_2 is_keyed_2 valid verdict
        }
    }
}

/// A number in a field of the request.
fn at(number: u128, field: Field) -> Bits<REQUEST_BITS> {
    constant::<REQUEST_BITS>(number).val() << field.at as u64
}

/// What a record of one unit means beside its fields.
fn says(groups: Groups, base_distance: u128) -> Constant<Bits<REQUEST_BITS>> {
    Constant::new(at(groups.0.into(), field::GROUPS) | at(base_distance, BASE_DISTANCE))
}

impl Logic for RecordDecoder {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, first_units_1, group_units_1, kind_1, compact_1, update_1, full_1, delete_1);
        dff_setup!(self, clock, v4_1, v6_1, family_v6_1, groups_1, request_2, first_units_2, kind_2);
        dff_setup!(self, clock, is_keyed_2);

        self.verdict.clock.next = self.clock.val();
        self.verdict.in_head.next = self.in_units.val().get_bits::<48>(0);
        self.verdict.in_base_distance.next = self.in_units.val().get_bits::<8>(120);
        self.verdict.in_inner.next = self.in_units.val().get_bits::<24>(128);
        self.verdict.in_available.next = self.in_available.val();

        // What the record says it is.
        self.kind.next = self.in_units.val().get_bits::<8>(0);
        self.is_update.next =
            (self.kind.val() == self.update_v4.val()) | (self.kind.val() == self.update_v6.val());
        self.is_full.next = (self.kind.val() == self.full_v4.val()) | (self.kind.val() == self.full_v6.val());
        self.is_v4.next = (self.kind.val() == self.full_v4.val()) | (self.kind.val() == self.delete_v4.val());
        self.is_v6.next = (self.kind.val() == self.full_v6.val()) | (self.kind.val() == self.delete_v6.val());
        self.compact_1.d.next = self.kind.val() == self.compact.val();
        self.delete_1.d.next = self.kind.val() == self.delete.val();
        self.update_1.d.next = self.is_update.val();
        self.full_1.d.next = self.is_full.val();
        self.v4_1.d.next = self.is_v4.val();
        self.v6_1.d.next = self.is_v6.val();
        self.family_v6_1.d.next = self.is_v6.val() | (self.kind.val() == self.update_v6.val());

        for k in 0..2 {
            self.windows_1[k].clock.next = self.clock.val();
            self.windows_1[k].d.next = self.kind.val() == self.windows[k].val();
        }

        // Its groups, and where their units begin.
        self.groups.next = 0.into();
        if self.is_update.val() | self.is_full.val() {
            self.groups.next = self.in_units.val().get_bits::<8>(16);
        }
        self.groups_1.d.next = self.groups.val();
        for k in 0..4 {
            self.has[k].next = (self.groups.val() & self.unit_groups[k].val()).any();
        }
        if self.is_full.val() {
            self.has[0].next = true;
        }
        for k in 0..4 {
            self.has_1[k].clock.next = self.clock.val();
            self.has_1[k].d.next = self.has[k].val();
        }
        self.kind_1.d.next = self.kind.val();
        self.first_units_1.d.next = self.in_units.val().get_bits::<512>(0);
        self.group_units_1.d.next = self.in_units.val().get_bits::<896>(128);
        if self.kind.val().get_bit(0) {
            self.group_units_1.d.next = self.in_units.val().get_bits::<896>(256);
        }
        if self.kind.val().get_bit(2) {
            self.group_units_1.d.next = self.in_units.val().get_bits::<896>(512);
        }

        // Groups told apart: each unit that is there moves the rest.
        self.units_bits.next = self.first_units_1.q.val();
        self.head.next = self.units_bits.val().get_bits::<128>(0);
        self.key_unit.next = self.units_bits.val().get_bits::<128>(128);
        self.key_units.next = self.units_bits.val().get_bits::<384>(128);
        self.rest.next = self.group_units_1.q.val();
        for k in 0..4 {
            self.group_unit[k].next = self.rest.val().get_bits::<128>(0);
            if self.has_1[k].q.val() {
                self.rest.next = self.rest.val() >> 128;
            }
        }
        self.group_unit[4].next = self.rest.val().get_bits::<128>(0);
        self.nat_units.next = self.rest.val().get_bits::<384>(0);
        self.compact_wires.x.next = self.head.val();
        self.update_wires.x.next = self.head.val();
        self.full_wires.x.next = self.head.val();
        self.full_groups_wires.x.next = self.head.val();
        self.delete_wires.x.next = self.head.val();
        self.key_v4_wires.x.next = self.key_unit.val();
        self.key_v6_wires.x.next = self.key_units.val();
        self.status_wires.x.next = self.group_unit[0].val();
        self.scales_wires.x.next = self.group_unit[0].val();
        self.lifetime_wires.x.next = self.group_unit[0].val();
        self.incarnation_wires.x.next = self.group_unit[0].val();
        self.edges_wires.x.next = self.group_unit[1].val();
        self.mark_wires.x.next = self.group_unit[2].val();
        self.policy_wires.x.next = self.group_unit[2].val();
        self.labels_wires.x.next = self.group_unit[3].val();
        self.nat_v4_wires.x.next = self.group_unit[4].val();
        self.nat_v6_wires.x.next = self.nat_units.val();

        // The request: what each part says, put together.
        self.request.next = 0.into();
        if self.compact_1.q.val() {
            self.request.next = self.compact_wires.y.val() | self.compact_says.val();
        }
        for k in 0..2 {
            self.window_wires[k].x.next = self.head.val();
            if self.windows_1[k].q.val() {
                self.request.next = self.window_wires[k].y.val() | self.window_says.val();
            }
        }
        if self.update_1.q.val() {
            self.request.next = self.update_wires.y.val();
        }
        if self.delete_1.q.val() {
            self.request.next = self.delete_wires.y.val();
        }
        if self.v4_1.q.val() {
            self.request.next = self.full_wires.y.val() | self.key_v4_wires.y.val();
        }
        if self.v6_1.q.val() {
            self.request.next = self.full_wires.y.val() | self.key_v6_wires.y.val();
        }
        if self.full_1.q.val() {
            self.request.next = self.request.val() | self.full_groups_wires.y.val();
        }
        if self.family_v6_1.q.val() {
            self.request.next = self.request.val() | self.v6_says.val();
        }
        if self.has_1[0].q.val() {
            self.request.next = self.request.val() | self.incarnation_wires.y.val();
        }
        if (self.groups_1.q.val() & self.status_group.val()).any() {
            self.request.next = self.request.val() | self.status_wires.y.val();
        }
        if (self.groups_1.q.val() & self.scales_group.val()).any() {
            self.request.next = self.request.val() | self.scales_wires.y.val();
        }
        if (self.groups_1.q.val() & self.lifetime_group.val()).any() {
            self.request.next = self.request.val() | self.lifetime_wires.y.val();
        }
        if (self.groups_1.q.val() & self.edges_group.val()).any() {
            self.request.next = self.request.val() | self.edges_wires.y.val();
        }
        if (self.groups_1.q.val() & self.mark_group.val()).any() {
            self.request.next = self.request.val() | self.mark_wires.y.val();
        }
        if (self.groups_1.q.val() & self.policy_group.val()).any() {
            self.request.next = self.request.val() | self.policy_wires.y.val();
        }
        if (self.groups_1.q.val() & self.labels_group.val()).any() {
            self.request.next = self.request.val() | self.labels_wires.y.val();
        }
        if (self.groups_1.q.val() & self.nat_group.val()).any() {
            if self.family_v6_1.q.val() {
                self.request.next = self.request.val() | self.nat_v6_wires.y.val();
            } else {
                self.request.next = self.request.val() | self.nat_v4_wires.y.val();
            }
        }
        self.request_2.d.next = self.request.val();
        self.first_units_2.d.next = self.units_bits.val().get_bits::<384>(0);

        self.is_keyed_2.d.next = self.v4_1.q.val() | self.v6_1.q.val();
        self.kind_2.d.next = self.kind_1.q.val();
        if self.update_1.q.val() {
            self.kind_2.d.next = self.update_v4.val();
        }

        self.out_error.next = self.verdict.out_error.val();
        self.out_count.next = self.verdict.out_count.val();
        self.out_kind.next = self.kind_2.q.val();
        self.out_is_flow.next = self.verdict.out_is_flow.val();
        self.out_is_keyed.next = self.is_keyed_2.q.val();
        self.out_entry.next = self.request_2.q.val().get_bits::<1296>(0);
        self.out_id.next = self.request_2.q.val().get_bits::<40>(1296);
        self.out_base_distance.next = self.request_2.q.val().get_bits::<8>(1336);
        self.out_units.next = self.first_units_2.q.val();

        for k in 0..2 {
            self.valid[k].clock.next = self.clock.val();
        }
        self.valid[0].d.next = self.in_valid.val();
        for k in 1..2 {
            self.valid[k].d.next = self.valid[k - 1].q.val();
        }
        self.out_valid.next = self.valid[1].q.val();
        if self.reset.val() {
            for k in 0..2 {
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
        let text = crate::export("decode", &mut *Box::<RecordDecoder>::default());
        crate::yosys::check("decode", &text);
    }
}
