//! A record about whole buckets, taken apart and judged, one a clock.

use crate::layout::{unit_field, Field};
use crate::prim::{constant, Wire, Wires};
use formats::layout::Layout;
use formats::limits::{BUCKETS_COUNT, MEMBERS_MAX, MEMBER_NONE};
use formats::unit::{kind, DigestUnit, SnapshotBegin, SnapshotEnd, TermUnit, PULL, RELEASED};
use rust_hdl::prelude::*;

/// Cycles from units to what they say.
pub const TOLD_LATENCY: usize = 1;

// Flags and numbers in the kernel are plain, and one place serves all kinds that have the field.
const _: () = assert!(BUCKETS_COUNT == 1024 && MEMBERS_MAX == 128 && MEMBER_NONE == 255);
const _: () = assert!(PULL == 1 && RELEASED == 1);
const _: () = {
    let (begin, end) = (SnapshotBegin::LAYOUT, SnapshotEnd::LAYOUT);
    let (digest, term) = (DigestUnit::LAYOUT, TermUnit::LAYOUT);
    assert!(same_place(&begin, "bucket", &end, "bucket") && same_place(&begin, "bucket", &digest, "bucket"));
    assert!(same_place(&begin, "bucket", &term, "bucket") && same_place(&begin, "term", &end, "term"));
    assert!(same_place(&begin, "term", &digest, "term") && same_place(&begin, "flags", &end, "flags"));
    assert!(same_place(&end, "digest", &digest, "sum") && same_place(&end, "floor", &digest, "floor"));
};

const fn same_place(a: &Layout, name: &str, b: &Layout, other: &str) -> bool {
    unit_field(a, name).at == unit_field(b, other).at
}

/// One record a clock; outputs a cycle later, registers.
#[derive(LogicBlock)]
pub struct Told {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// TERM, SNAPSHOT_BEGIN, SNAPSHOT_END or DIGEST.
    pub in_kind: Signal<In, Bits<8>>,
    /// Its first two units.
    pub in_units: Signal<In, Bits<256>>,
    /// This member.
    pub member: Signal<In, Bits<8>>,
    /// Its session.
    pub session: Signal<In, Bits<64>>,
    /// It is a TERM.
    pub is_term: Signal<Out, Bit>,
    /// It is a SNAPSHOT_BEGIN.
    pub is_begin: Signal<Out, Bit>,
    /// It is a SNAPSHOT_END.
    pub is_end: Signal<Out, Bit>,
    /// It is a DIGEST.
    pub is_digest: Signal<Out, Bit>,
    /// It names buckets that are none, or roles that exclude each other.
    pub is_malformed: Signal<Out, Bit>,
    /// A TERM of no bucket.
    pub is_empty: Signal<Out, Bit>,
    /// Of a pulled snapshot.
    pub is_pull: Signal<Out, Bit>,
    /// A TERM whose owner stopped serving.
    pub is_released: Signal<Out, Bit>,
    /// A TERM whose owner is this session of this member.
    pub names_us: Signal<Out, Bit>,
    /// The bucket, of a TERM the first.
    pub bucket: Signal<Out, Bits<10>>,
    /// Buckets of a TERM.
    pub run: Signal<Out, Bits<11>>,
    /// The term.
    pub term: Signal<Out, Bits<32>>,
    /// Roles of a TERM as the map has them.
    pub roles: Signal<Out, Bits<64>>,
    /// Flows, of a DIGEST or SNAPSHOT_END.
    pub count: Signal<Out, Bits<32>>,
    /// Sum of their digests.
    pub sum: Signal<Out, Bits<64>>,
    /// Deletes up to this version are done with; one too large for a version is the largest.
    pub floor: Signal<Out, Bits<48>>,
    unused: Signal<Local, Bit>,
    of_term: Signal<Local, Bit>,
    of_end: Signal<Local, Bit>,
    of_digest: Signal<Local, Bit>,
    bucket_told: Signal<Local, Bits<16>>,
    bucket_high: Signal<Local, Bits<6>>,
    run_told: Signal<Local, Bits<16>>,
    run_end: Signal<Local, Bits<17>>,
    run_high: Signal<Local, Bits<6>>,
    run_low: Signal<Local, Bits<10>>,
    is_beyond: Signal<Local, Bit>,
    floor_told: Signal<Local, Bits<64>>,
    floor_high: Signal<Local, Bits<16>>,
    roles_wires: Wires<256, 64>,
    roles_told: Signal<Local, Bits<32>>,
    members: [Signal<Local, Bits<8>>; 4],
    exists: [Signal<Local, Bit>; 4],
    is_sound: Signal<Local, Bit>,
    term_1: DFF<Bit>,
    begin_1: DFF<Bit>,
    end_1: DFF<Bit>,
    digest_1: DFF<Bit>,
    malformed_1: DFF<Bit>,
    empty_1: DFF<Bit>,
    pull_1: DFF<Bit>,
    released_1: DFF<Bit>,
    names_us_1: DFF<Bit>,
    bucket_1: DFF<Bits<10>>,
    run_1: DFF<Bits<11>>,
    number_1: DFF<Bits<32>>,
    roles_1: DFF<Bits<64>>,
    count_1: DFF<Bits<32>>,
    sum_1: DFF<Bits<64>>,
    floor_1: DFF<Bits<48>>,
    term_kind: Constant<Bits<8>>,
    begin_kind: Constant<Bits<8>>,
    end_kind: Constant<Bits<8>>,
    digest_kind: Constant<Bits<8>>,
    bucket_at: Constant<Bits<16>>,
    run_at: Constant<Bits<16>>,
    term_at: Constant<Bits<16>>,
    terms_term_at: Constant<Bits<16>>,
    end_count_at: Constant<Bits<16>>,
    digest_count_at: Constant<Bits<16>>,
    sum_at: Constant<Bits<16>>,
    floor_at: Constant<Bits<16>>,
    flags_at: Constant<Bits<16>>,
    terms_flags_at: Constant<Bits<16>>,
    session_at: Constant<Bits<16>>,
}

impl Default for Told {
    fn default() -> Self {
        let number = |kind: u8| constant(kind.into());
        let at = |field: Field| constant::<16>(field.at as u128);
        let role = |name, at, bits| Wire::low(unit_field(&TermUnit::LAYOUT, name), Field { name, at, bits });
        block! {
            roles_wires: Wires::new([
                role("owner", 0, 8),
                role("backup", 8, 8),
                role("remote", 16, 8),
                role("successor", 24, 8),
                role("term", 32, 32),
            ]),
            term_kind: number(kind::TERM),
            begin_kind: number(kind::SNAPSHOT_BEGIN),
            end_kind: number(kind::SNAPSHOT_END),
            digest_kind: number(kind::DIGEST),
            bucket_at: at(unit_field(&SnapshotBegin::LAYOUT, "bucket")),
            run_at: at(unit_field(&TermUnit::LAYOUT, "count")),
            term_at: at(unit_field(&SnapshotBegin::LAYOUT, "term")),
            terms_term_at: at(unit_field(&TermUnit::LAYOUT, "term")),
            end_count_at: at(unit_field(&SnapshotEnd::LAYOUT, "count")),
            digest_count_at: at(unit_field(&DigestUnit::LAYOUT, "count")),
            sum_at: at(unit_field(&DigestUnit::LAYOUT, "sum")),
            floor_at: at(unit_field(&DigestUnit::LAYOUT, "floor")),
            flags_at: at(unit_field(&SnapshotBegin::LAYOUT, "flags")),
            terms_flags_at: at(unit_field(&TermUnit::LAYOUT, "flags")),
            session_at: at(unit_field(&TermUnit::LAYOUT, "session")),
            ..clock in_kind in_units member session is_term is_begin is_end is_digest is_malformed is_empty
            is_pull is_released names_us bucket run term roles count sum floor unused of_term of_end of_digest
            bucket_told bucket_high run_told run_end run_high run_low is_beyond floor_told floor_high roles_told members exists is_sound
            term_1 begin_1 end_1 digest_1 malformed_1 empty_1 pull_1 released_1 names_us_1 bucket_1 run_1
            number_1 roles_1 count_1 sum_1 floor_1
        }
    }
}

impl Logic for Told {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, term_1, begin_1, end_1, digest_1, malformed_1, empty_1, pull_1, released_1);
        dff_setup!(self, clock, names_us_1, bucket_1, run_1, number_1, roles_1, count_1, sum_1, floor_1);
        self.unused.next = self.in_units.val().xor();
        self.of_term.next = self.in_kind.val() == self.term_kind.val();
        self.of_end.next = self.in_kind.val() == self.end_kind.val();
        self.of_digest.next = self.in_kind.val() == self.digest_kind.val();
        self.term_1.d.next = self.of_term.val();
        self.begin_1.d.next = self.in_kind.val() == self.begin_kind.val();
        self.end_1.d.next = self.of_end.val();
        self.digest_1.d.next = self.of_digest.val();

        // Buckets and roles.
        self.bucket_told.next = self.in_units.val().get_bits::<16>(self.bucket_at.val().index());
        self.bucket_high.next = self.bucket_told.val().get_bits::<6>(10);
        self.bucket_1.d.next = self.bucket_told.val().get_bits::<10>(0);
        self.run_told.next = self.in_units.val().get_bits::<16>(self.run_at.val().index());
        self.run_1.d.next = self.run_told.val().get_bits::<11>(0);
        self.run_end.next =
            bit_cast::<17, 16>(self.bucket_told.val()) + bit_cast::<17, 16>(self.run_told.val());
        // Beyond 1,024, said bit by bit: a comparison would be a second carry behind the sum's.
        self.run_high.next = self.run_end.val().get_bits::<6>(11);
        self.run_low.next = self.run_end.val().get_bits::<10>(0);
        self.is_beyond.next =
            self.run_high.val().any() | (self.run_end.val().get_bit(10) & self.run_low.val().any());
        self.roles_wires.x.next = self.in_units.val();
        self.roles_told.next = self.roles_wires.y.val().get_bits::<32>(0);
        self.roles_1.d.next = self.roles_wires.y.val();
        self.members[0].next = self.roles_told.val().get_bits::<8>(0);
        self.members[1].next = self.roles_told.val().get_bits::<8>(8);
        self.members[2].next = self.roles_told.val().get_bits::<8>(16);
        self.members[3].next = self.roles_told.val().get_bits::<8>(24);
        self.is_sound.next = ((self.members[0].val() != self.members[1].val()) | self.members[0].val().all())
            & ((self.members[0].val() != self.members[2].val()) | self.members[0].val().all())
            & ((self.members[1].val() != self.members[2].val()) | self.members[1].val().all());
        for k in 0..4 {
            self.exists[k].next = !self.members[k].val().get_bit(7) | self.members[k].val().all();
            self.is_sound.next = self.is_sound.val() & self.exists[k].val();
        }
        self.malformed_1.d.next = self.bucket_high.val().any();
        if self.of_term.val() {
            self.malformed_1.d.next = !self.is_sound.val() | self.is_beyond.val();
        }
        self.empty_1.d.next = self.of_term.val() & !self.run_told.val().any();
        self.names_us_1.d.next = (self.members[0].val() == self.member.val())
            & (self.in_units.val().get_bits::<64>(self.session_at.val().index()) == self.session.val());

        // The rest, at places of its kind.
        self.pull_1.d.next = !self.of_term.val()
            & !self.of_digest.val()
            & self.in_units.val().get_bit(self.flags_at.val().index());
        self.released_1.d.next = self.in_units.val().get_bit(self.terms_flags_at.val().index());
        self.number_1.d.next = self.in_units.val().get_bits::<32>(self.term_at.val().index());
        if self.of_term.val() {
            self.number_1.d.next = self.in_units.val().get_bits::<32>(self.terms_term_at.val().index());
        }
        self.count_1.d.next = self.in_units.val().get_bits::<32>(self.digest_count_at.val().index());
        if self.of_end.val() {
            self.count_1.d.next = self.in_units.val().get_bits::<32>(self.end_count_at.val().index());
        }
        self.sum_1.d.next = self.in_units.val().get_bits::<64>(self.sum_at.val().index());
        self.floor_told.next = self.in_units.val().get_bits::<64>(self.floor_at.val().index());
        self.floor_high.next = self.floor_told.val().get_bits::<16>(48);
        self.floor_1.d.next = self.floor_told.val().get_bits::<48>(0);
        if self.of_digest.val() & self.floor_high.val().any() {
            self.floor_1.d.next = 0xffff_ffff_ffff_u64.into();
        }

        self.is_term.next = self.term_1.q.val();
        self.is_begin.next = self.begin_1.q.val();
        self.is_end.next = self.end_1.q.val();
        self.is_digest.next = self.digest_1.q.val();
        self.is_malformed.next = self.malformed_1.q.val();
        self.is_empty.next = self.empty_1.q.val();
        self.is_pull.next = self.pull_1.q.val();
        self.is_released.next = self.released_1.q.val();
        self.names_us.next = self.names_us_1.q.val();
        self.bucket.next = self.bucket_1.q.val();
        self.run.next = self.run_1.q.val();
        self.term.next = self.number_1.q.val();
        self.roles.next = self.roles_1.q.val();
        self.count.next = self.count_1.q.val();
        self.sum.next = self.sum_1.q.val();
        self.floor.next = self.floor_1.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("told", &crate::export("told", &mut *Box::<Told>::default()));
    }
}
