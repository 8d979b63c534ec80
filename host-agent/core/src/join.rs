//! The join of two records of one flow after a split: commutative, associative, idempotent.
//!
//! Both sides served the flow. Same incarnation: nothing that packets did is undone. Different
//! incarnation: the younger life wins, because its packets came last; the loser is listed by the caller.

use formats::flow::{tcp_state, Edges};
use formats::{FlowRecord, Groups};

/// A record and the term under which its side changed it; attributes follow the higher term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The flow.
    pub record: FlowRecord,
    /// Term under which it last changed.
    pub term: formats::Term,
}

/// The later of two sequence numbers (RFC 1982 serial arithmetic; windows are far below 2^31).
fn serial_max(a: u32, b: u32) -> u32 {
    if (a.wrapping_sub(b) as i32) >= 0 {
        a
    } else {
        b
    }
}

/// What decides between two sides: the younger life, then the higher term, then the values themselves,
/// so that the choice never depends on who asks.
fn order(side: &Side) -> impl Ord {
    let r = &side.record;
    let present = |group: Groups| r.groups.has(group);
    (
        (r.incarnation, side.term, r.key),
        present(Groups::MARK).then_some(r.mark),
        present(Groups::LABELS).then_some(r.labels),
        present(Groups::POLICY).then_some(r.policy),
        present(Groups::NAT).then_some(r.nat),
    )
}

/// Joins two sides of one flow.
pub fn join(a: Side, b: Side) -> Side {
    let (newer, older) = if order(&a) >= order(&b) { (a, b) } else { (b, a) };
    if newer.record.incarnation != older.record.incarnation || newer.record.key != older.record.key {
        return newer;
    }
    let (x, y) = (&newer.record, &older.record);
    // Attributes are the newer side's as a whole, their absence included.
    let mut record = *x;
    record.groups = x.groups.with(Groups(y.groups.0 & PACKET_GROUPS.0));
    let both = |group: Groups| x.groups.has(group) && y.groups.has(group);
    let only_older = |group: Groups| !x.groups.has(group) && y.groups.has(group);
    if both(Groups::STATUS) {
        let later = |r: &FlowRecord| (tcp_state::rank(r.tcp_state), r.tcp_state);
        record.tcp_state = if later(x) >= later(y) { x.tcp_state } else { y.tcp_state };
        record.status = x.status | y.status;
    } else if only_older(Groups::STATUS) {
        (record.tcp_state, record.status) = (y.tcp_state, y.status);
    }
    if both(Groups::EDGES) {
        for (edges, (p, q)) in record.edges.iter_mut().zip(x.edges.iter().zip(&y.edges)) {
            *edges = Edges { end: serial_max(p.end, q.end), max_end: serial_max(p.max_end, q.max_end) };
        }
    } else if only_older(Groups::EDGES) {
        record.edges = y.edges;
    }
    if both(Groups::SCALES) {
        for direction in 0..2 {
            record.scales[direction] = x.scales[direction].max(y.scales[direction]);
            record.tcp_flags[direction] = x.tcp_flags[direction] | y.tcp_flags[direction];
        }
    } else if only_older(Groups::SCALES) {
        (record.scales, record.tcp_flags) = (y.scales, y.tcp_flags);
    }
    if both(Groups::LIFETIME) {
        record.class = x.class.max(y.class);
        record.lifetime_s = x.lifetime_s.max(y.lifetime_s);
    } else if only_older(Groups::LIFETIME) {
        (record.class, record.lifetime_s) = (y.class, y.lifetime_s);
    }
    Side { record, term: newer.term }
}

/// Groups that packets move; the others follow the stamp.
const PACKET_GROUPS: Groups = Groups::STATUS.with(Groups::EDGES).with(Groups::SCALES).with(Groups::LIFETIME);

#[cfg(test)]
mod tests {
    use super::*;
    use formats::{Nat, Term};
    use proptest::prelude::*;

    prop_compose! {
        fn side()(
            incarnation in 0u32..2, term in 0u32..3, groups: u8, tcp_state in 0u8..12, status in 0u16..8,
            ends in proptest::array::uniform4(0u32..1 << 30), scales: [u8; 2], flags: [u8; 2],
            class in 0u8..5, lifetime_s in 0u32..4, mark in 0u32..3, port in 0u16..2, policy in 0u32..2,
        ) -> Side {
            let mut record = FlowRecord { incarnation, ..FlowRecord::default() };
            // The wrap of the sequence space lies inside the range of the test.
            let end = |n: usize| ends[n].wrapping_sub(1 << 29);
            record.merge_groups(&FlowRecord {
                groups: Groups(groups), tcp_state, status, scales, tcp_flags: flags, class, lifetime_s,
                edges: [Edges { end: end(0), max_end: end(1) }, Edges { end: end(2), max_end: end(3) }],
                mark, policy, labels: mark.into(), nat: Nat { reply_dst_port: port, ..Nat::default() },
                ..FlowRecord::default()
            });
            Side { record, term: Term(term) }
        }
    }

    proptest! {
        #[test]
        fn join_is_commutative(a in side(), b in side()) {
            prop_assert_eq!(join(a, b), join(b, a));
        }
        #[test]
        fn join_is_associative(a in side(), b in side(), c in side()) {
            prop_assert_eq!(join(join(a, b), c), join(a, join(b, c)));
        }
        #[test]
        fn join_is_idempotent(a in side(), b in side()) {
            let joined = join(a, b);
            prop_assert_eq!(join(a, a), a);
            prop_assert_eq!(join(joined, b), joined);
        }
    }

    #[test]
    fn a_join_never_shrinks_what_packets_did() {
        let record = |tcp_state, end| FlowRecord {
            groups: PACKET_GROUPS,
            tcp_state,
            edges: [Edges { end, max_end: end }; 2],
            ..FlowRecord::default()
        };
        let joined = join(
            Side { record: record(tcp_state::FIN_WAIT, u32::MAX), term: Term(1) },
            Side { record: record(tcp_state::ESTABLISHED, 5), term: Term(9) },
        );
        assert_eq!((joined.record.tcp_state, joined.record.edges[0].end), (tcp_state::FIN_WAIT, 5));
    }
}
