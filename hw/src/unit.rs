//! Which field of a record's units is which field of an entry.
//!
//! The builder of records reads it one way, the decoder the other. Places come from the layouts of `formats`
//! and from [`crate::layout`].

use crate::layout::{field, unit_field, Field, ENTRY_BITS};
use crate::prim::Wire;
use formats::flow::Direction;
use formats::layout::Layout;
use formats::limits::UNIT_SIZE;
use formats::unit::Window;
use formats::window::WINDOW_STEP_BITS;

/// Bits of a unit.
pub const UNIT_BITS: usize = 8 * UNIT_SIZE;
/// Units of the largest record of one flow: FULL with every group, IPv6 and NAT.
pub const FLOW_UNITS_MAX: usize = 11;

/// The flow id, which lies beside an entry.
pub const ID: Field = Field { name: "ID", at: ENTRY_BITS, bits: 40 };

/// Fields of one layout by name, and those of an entry.
pub type Pairs = &'static [(&'static str, Field)];

/// Wires from the entry's fields to those of units; `find` may name another place of the former.
pub fn wires(layout: &Layout, pairs: Pairs, find: impl Fn(Field) -> Field) -> Vec<Wire> {
    pairs.iter().map(|(name, field)| Wire::low(find(*field), unit_field(layout, name))).collect()
}

/// Wires from the entry's edges to those of a WINDOW of this direction.
pub fn window_edges(sender: Direction, find: impl Fn(Field) -> Field) -> [Wire; 2] {
    let moved = match sender {
        Direction::Original => [field::END_ORIGINAL, field::MAX_END_REPLY],
        Direction::Reply => [field::END_REPLY, field::MAX_END_ORIGINAL],
    };
    std::array::from_fn(|k| {
        let edge = find(moved[k]);
        let upper = Field { at: edge.at + WINDOW_STEP_BITS as usize, ..edge };
        Wire::low(upper, unit_field(&Window::LAYOUT, ["end", "max_end"][k]))
    })
}

/// COMPACT behind its kind.
pub const COMPACT: Pairs = &[
    ("term_low", field::TERM),
    ("flow_id", ID),
    ("version_low", field::VERSION),
    ("class", field::CLASS),
    ("tcp_state", field::TCP_STATE),
    ("status", field::STATUS),
];
/// WINDOW behind its kind, without the edges.
pub const WINDOW: Pairs = &[("term_low", field::TERM), ("flow_id", ID), ("version_low", field::VERSION)];
/// Head of UPDATE behind its kind, without the distance of the base.
pub const UPDATE: Pairs =
    &[("groups", field::GROUPS), ("term_low", field::TERM), ("flow_id", ID), ("version", field::VERSION)];
/// DELETE behind its kind.
pub const DELETE: Pairs = &[("term_low", field::TERM), ("flow_id", ID), ("version", field::VERSION)];
/// Head of FULL and the keyed DELETE behind its kind, without groups.
pub const FULL: Pairs = &[
    ("protocol", field::PROTOCOL),
    ("zone", field::ZONE),
    ("term", field::TERM),
    ("version", field::VERSION),
];
/// Groups of FULL, in its head.
pub const FULL_GROUPS: Pairs = &[("groups", field::GROUPS)];
/// Key units of both families.
pub const KEY: Pairs =
    &[("src", field::SRC), ("dst", field::DST), ("src_port", field::SRC_PORT), ("dst_port", field::DST_PORT)];
/// Of the track unit: group STATUS.
pub const TRACK_STATUS: Pairs = &[("tcp_state", field::TCP_STATE), ("status", field::STATUS)];
/// Of the track unit: group SCALES.
pub const TRACK_SCALES: Pairs = &[
    ("scale_original", field::SCALE_ORIGINAL),
    ("scale_reply", field::SCALE_REPLY),
    ("flags_original", field::FLAGS_ORIGINAL),
    ("flags_reply", field::FLAGS_REPLY),
];
/// Of the track unit: group LIFETIME.
pub const TRACK_LIFETIME: Pairs = &[("class", field::CLASS), ("lifetime_s", field::LIFETIME)];
/// Of the track unit: what belongs to no group.
pub const TRACK_REST: Pairs = &[("incarnation", field::INCARNATION)];
/// The track unit.
pub const TRACK: [Pairs; 4] = [TRACK_STATUS, TRACK_SCALES, TRACK_LIFETIME, TRACK_REST];
/// The unit of group EDGES.
pub const EDGES: Pairs = &[
    ("end_original", field::END_ORIGINAL),
    ("max_end_original", field::MAX_END_ORIGINAL),
    ("end_reply", field::END_REPLY),
    ("max_end_reply", field::MAX_END_REPLY),
];
/// Of the attributes: group MARK.
pub const MARK: Pairs = &[("mark", field::MARK)];
/// Of the attributes: group POLICY.
pub const POLICY: Pairs = &[("policy", field::POLICY)];
/// The unit of group LABELS.
pub const LABELS: Pairs = &[("labels", field::LABELS)];
/// Units of group NAT of both families.
pub const NAT: Pairs = &[
    ("reply_src", field::NAT_SRC),
    ("reply_dst", field::NAT_DST),
    ("reply_src_port", field::NAT_SRC_PORT),
    ("reply_dst_port", field::NAT_DST_PORT),
];
