//! Whether units are a record: its kind, its length, the values that may not be.
//!
//! Every error shows in the first two units. Of several the one is named that `Record::decode` meets first.
//!
//! Lengths are one bit of seventeen each, so that a group moves a bit and nothing is added up. Stages: kinds,
//! lengths they must have; lengths compared, the verdict.

use crate::layout::unit_field;
use crate::prim::constant;
use formats::flow::Groups;
use formats::layout::Layout;
use formats::limits::{BUCKETS_COUNT, RECORD_UNITS_MAX, UNIT_SIZE};
use formats::record::{FAMILY_V6, TRACK_GROUPS};
use formats::unit::*;
use rust_hdl::prelude::*;

/// Errors as the decoder names them.
pub mod error {
    /// None.
    pub const NONE: u8 = 0;
    /// `RecordError::Length`
    pub const LENGTH: u8 = 1;
    /// `RecordError::Unknown`
    pub const UNKNOWN: u8 = 2;
    /// `RecordError::Value`
    pub const VALUE: u8 = 3;
}

/// What a record of one length speaks of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Flow,
    Bucket,
    Other,
}

/// Kinds of one length.
const FIXED: [(u8, Layout, Subject); 14] = [
    (kind::COMPACT, Compact::LAYOUT, Subject::Flow),
    (kind::WINDOW_ORIGINAL, Window::LAYOUT, Subject::Flow),
    (kind::WINDOW_REPLY, Window::LAYOUT, Subject::Flow),
    (kind::DELETE, DeleteUnit::LAYOUT, Subject::Flow),
    (kind::DELETE_V4, head_and(&KeyV4::LAYOUT), Subject::Flow),
    (kind::DELETE_V6, head_and(&KeyV6::LAYOUT), Subject::Flow),
    (kind::SNAPSHOT_BEGIN, SnapshotBegin::LAYOUT, Subject::Bucket),
    (kind::SNAPSHOT_END, SnapshotEnd::LAYOUT, Subject::Bucket),
    (kind::TERM, TermUnit::LAYOUT, Subject::Other),
    (kind::ACK, AckUnit::LAYOUT, Subject::Other),
    (kind::DIGEST, DigestUnit::LAYOUT, Subject::Bucket),
    (kind::HEARTBEAT, HeartbeatUnit::LAYOUT, Subject::Other),
    (kind::CAPABILITIES, CapabilitiesUnit::LAYOUT, Subject::Other),
    (kind::REPAIR, RepairUnit::LAYOUT, Subject::Bucket),
];

/// The head of a keyed record with its key.
const fn head_and(key: &Layout) -> Layout {
    Layout { size: FullHead::SIZE + key.size, ..FullHead::LAYOUT }
}

// Widths, shifts and places in a kernel are plain numbers.
const _: () = assert!(RECORD_UNITS_MAX == 16 && BUCKETS_COUNT == 1 << 10 && MergeHead::SIZE == UNIT_SIZE);
const _: () = {
    let mut k = 0;
    while k < FIXED.len() {
        let (_, layout, subject) = &FIXED[k];
        assert!(unit_field(layout, "kind").at == 0 && unit_field(layout, "units").at == 8);
        assert!(!matches!(subject, Subject::Bucket) || unit_field(layout, "bucket").at == 16);
        k += 1;
    }
};
const _: () = assert!(unit_field(&MergeHead::LAYOUT, "bucket").at == 16);
const _: () = assert!(unit_field(&TermUnit::LAYOUT, "bucket").at == 16);
const _: () = assert!(unit_field(&TermUnit::LAYOUT, "count").at == 32);
const _: () = assert!(unit_field(&UpdateHead::LAYOUT, "groups").at == 16);
const _: () = assert!(unit_field(&UpdateHead::LAYOUT, "base_distance").at == 120);
const _: () = assert!(unit_field(&FullHead::LAYOUT, "groups").at == 16);

/// One verdict a clock, two cycles after the units.
#[derive(LogicBlock)]
pub struct Verdict {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// The first six bytes.
    pub in_head: Signal<In, Bits<48>>,
    /// The last byte of the first unit.
    pub in_base_distance: Signal<In, Bits<8>>,
    /// The first three bytes of the second unit.
    pub in_inner: Signal<In, Bits<24>>,
    /// Units that are left of the frame, 16 for more.
    pub in_available: Signal<In, Bits<5>>,
    /// Of [`error`].
    pub out_error: Signal<Out, Bits<2>>,
    /// A flow record without an error.
    pub out_is_flow: Signal<Out, Bit>,
    /// Units of the record, unless its length is the error.
    pub out_count: Signal<Out, Bits<5>>,
    one: Constant<Bits<17>>,
    units_max: Constant<Bits<8>>,
    fixed: [Constant<Bits<8>>; 14],
    fixed_length: [Constant<Bits<17>>; 14],
    fixed_flow: [Constant<Bit>; 14],
    fixed_bucket: [Constant<Bit>; 14],
    update_v4: Constant<Bits<8>>,
    update_v6: Constant<Bits<8>>,
    full_v4: Constant<Bits<8>>,
    full_v6: Constant<Bits<8>>,
    term: Constant<Bits<8>>,
    merge: Constant<Bits<8>>,
    track_groups: Constant<Bits<8>>,
    /// Of the groups behind the track unit, which share one.
    unit_groups: [Constant<Bits<8>>; 4],
    nat_group: Constant<Bits<8>>,
    buckets_count: Constant<Bits<17>>,
    length_error: Constant<Bits<2>>,
    unknown_error: Constant<Bits<2>>,
    value_error: Constant<Bits<2>>,
    // Stage 1: of the record, and of the FULL in a MERGE.
    kinds: [Signal<Local, Bits<8>>; 2],
    claimed: [Signal<Local, Bits<8>>; 2],
    present: [Signal<Local, Bits<8>>; 2],
    is_long_nat: [Signal<Local, Bit>; 2],
    length: [Signal<Local, Bits<17>>; 2],
    has_groups: Signal<Local, Bit>,
    is_update: Signal<Local, Bit>,
    known: Signal<Local, Bit>,
    is_flow: Signal<Local, Bit>,
    has_bucket: Signal<Local, Bit>,
    bucket: Signal<Local, Bits<16>>,
    run: Signal<Local, Bits<16>>,
    length_1: [DFF<Bits<17>>; 2],
    claim_1: [DFF<Bits<17>>; 2],
    count_1: DFF<Bits<8>>,
    is_cut_1: DFF<Bit>,
    known_1: DFF<Bit>,
    flow_1: DFF<Bit>,
    bad_update_1: DFF<Bit>,
    bad_bucket_1: DFF<Bit>,
    run_end_1: DFF<Bits<17>>,
    term_1: DFF<Bit>,
    merge_1: DFF<Bit>,
    // Stage 2.
    merge_length: Signal<Local, Bits<17>>,
    bad_length: Signal<Local, Bit>,
    error: Signal<Local, Bits<2>>,
    error_2: DFF<Bits<2>>,
    flow_2: DFF<Bit>,
    count_2: DFF<Bits<5>>,
}

impl Default for Verdict {
    fn default() -> Self {
        let kind = |kind: u8| constant(kind.into());
        let groups = |groups: Groups| constant(groups.0.into());
        let attributes = Groups::MARK.with(Groups::POLICY);
        block! {
            one: constant(1),
            units_max: constant(RECORD_UNITS_MAX as u128),
            fixed: FIXED.map(|(number, ..)| kind(number)),
            fixed_length: FIXED.map(|(_, layout, _)| constant(1 << (layout.size / UNIT_SIZE))),
            fixed_flow: FIXED.map(|(.., subject)| Constant::new(subject == Subject::Flow)),
            fixed_bucket: FIXED.map(|(.., subject)| Constant::new(subject == Subject::Bucket)),
            update_v4: kind(kind::UPDATE),
            update_v6: kind(kind::UPDATE | FAMILY_V6),
            full_v4: kind(kind::FULL_V4),
            full_v6: kind(kind::FULL_V6),
            term: kind(kind::TERM),
            merge: kind(kind::MERGE),
            track_groups: groups(TRACK_GROUPS),
            unit_groups: [Groups::EDGES, attributes, Groups::LABELS, Groups::NAT].map(groups),
            nat_group: groups(Groups::NAT),
            buckets_count: constant(BUCKETS_COUNT as u128),
            length_error: constant(error::LENGTH.into()),
            unknown_error: constant(error::UNKNOWN.into()),
            value_error: constant(error::VALUE.into()),
            ..clock in_head in_base_distance in_inner in_available out_error out_is_flow out_count kinds
            claimed present is_long_nat length has_groups is_update known is_flow has_bucket bucket run
            length_1 claim_1 count_1 is_cut_1 known_1 flow_1 bad_update_1 bad_bucket_1 run_end_1 term_1
            merge_1 merge_length bad_length error error_2 flow_2 count_2
        }
    }
}

impl Logic for Verdict {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count_1, is_cut_1, known_1, flow_1, bad_update_1, bad_bucket_1, run_end_1);
        dff_setup!(self, clock, term_1, merge_1, error_2, flow_2, count_2);

        // The length of either kind of FULL, then of all others, as one bit each.
        self.kinds[0].next = self.in_head.val().get_bits::<8>(0);
        self.kinds[1].next = self.in_inner.val().get_bits::<8>(0);
        self.claimed[0].next = self.in_head.val().get_bits::<8>(8);
        self.claimed[1].next = self.in_inner.val().get_bits::<8>(8);
        self.present[0].next = self.in_head.val().get_bits::<8>(16);
        self.present[1].next = self.in_inner.val().get_bits::<8>(16);
        for k in 0..2 {
            self.claim_1[k].clock.next = self.clock.val();
            self.claim_1[k].d.next = self.one.val() << self.claimed[k].val();
            self.length[k].next = 0.into();
            self.is_long_nat[k].next = false;
            if self.kinds[k].val() == self.full_v4.val() {
                self.length[k].next = 8.into();
            }
            if self.kinds[k].val() == self.full_v6.val() {
                self.length[k].next = 32.into();
                self.is_long_nat[k].next = (self.present[k].val() & self.nat_group.val()).any();
            }
        }
        self.has_groups.next = self.length[0].val().any();
        self.is_update.next =
            (self.kinds[0].val() == self.update_v4.val()) | (self.kinds[0].val() == self.update_v6.val());
        if self.is_update.val() {
            self.length[0].next = 2.into();
            if (self.present[0].val() & self.track_groups.val()).any() {
                self.length[0].next = 4.into();
            }
        }
        if self.kinds[0].val() == self.update_v6.val() {
            self.is_long_nat[0].next = (self.present[0].val() & self.nat_group.val()).any();
        }
        self.is_flow.next = self.has_groups.val() | self.is_update.val();
        self.known.next = self.is_flow.val() | (self.kinds[0].val() == self.merge.val());
        if !self.is_flow.val() {
            self.present[0].next = 0.into();
        }
        self.has_bucket.next = self.kinds[0].val() == self.merge.val();
        for k in 0..14 {
            if self.kinds[0].val() == self.fixed[k].val() {
                self.known.next = true;
                self.length[0].next = self.fixed_length[k].val();
                self.is_flow.next = self.fixed_flow[k].val();
                self.has_bucket.next = self.fixed_bucket[k].val();
            }
        }
        for k in 0..4 {
            if (self.present[0].val() & self.unit_groups[k].val()).any() {
                self.length[0].next = self.length[0].val() << 1;
            }
            if (self.present[1].val() & self.unit_groups[k].val()).any() {
                self.length[1].next = self.length[1].val() << 1;
            }
        }
        for k in 0..2 {
            if self.is_long_nat[k].val() {
                self.length[k].next = self.length[k].val() << 2;
            }
            self.length_1[k].clock.next = self.clock.val();
            self.length_1[k].d.next = self.length[k].val();
        }
        self.known_1.d.next = self.known.val();
        self.flow_1.d.next = self.is_flow.val();
        self.term_1.d.next = self.kinds[0].val() == self.term.val();
        self.merge_1.d.next = self.kinds[0].val() == self.merge.val();

        // What is wrong whatever the length.
        self.is_cut_1.d.next = (self.claimed[0].val() == 0)
            | (self.claimed[0].val() > self.units_max.val())
            | (self.claimed[0].val() > bit_cast::<8, 5>(self.in_available.val()));
        self.bad_update_1.d.next =
            self.is_update.val() & !(self.in_base_distance.val().any() & self.present[0].val().any());
        self.bucket.next = self.in_head.val().get_bits::<16>(16);
        self.run.next = self.in_head.val().get_bits::<16>(32);
        self.bad_bucket_1.d.next = self.has_bucket.val() & (self.bucket.val() >= 1024);
        self.run_end_1.d.next = bit_cast::<17, 16>(self.bucket.val()) + bit_cast::<17, 16>(self.run.val());
        self.count_1.d.next = self.claimed[0].val();

        // The verdict: what reading meets later is overruled.
        self.merge_length.next = self.length_1[1].q.val() << 1;
        self.bad_length.next = !(self.length_1[0].q.val() & self.claim_1[0].q.val()).any();
        if self.merge_1.q.val() {
            self.bad_length.next = !((self.merge_length.val() & self.claim_1[0].q.val()).any()
                & (self.length_1[1].q.val() & self.claim_1[1].q.val()).any());
        }
        self.error.next = 0.into();
        if self.bad_bucket_1.q.val()
            | (self.term_1.q.val() & (self.run_end_1.q.val() > self.buckets_count.val()))
        {
            self.error.next = self.value_error.val();
        }
        if self.bad_length.val() {
            self.error.next = self.length_error.val();
        }
        if self.bad_update_1.q.val()
            | (self.merge_1.q.val() & (!self.length_1[1].q.val().any() | self.claim_1[0].q.val().get_bit(1)))
        {
            self.error.next = self.value_error.val();
        }
        if !self.known_1.q.val() {
            self.error.next = self.unknown_error.val();
        }
        if self.is_cut_1.q.val() {
            self.error.next = self.length_error.val();
        }
        self.error_2.d.next = self.error.val();
        self.flow_2.d.next = self.flow_1.q.val() & !self.error.val().any();
        self.count_2.d.next = bit_cast::<5, 8>(self.count_1.q.val());
        self.out_error.next = self.error_2.q.val();
        self.out_is_flow.next = self.flow_2.q.val();
        self.out_count.next = self.count_2.q.val();
    }
}
