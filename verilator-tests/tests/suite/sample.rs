//! Random entries of the flow table and records of flows, with every group and flag often there and often not.

use formats::flow::{status, Edges, Family, FlowKey, FlowRecord, Groups, Nat, Stamp, Term, BEGUN};
use formats::limits::VERSION_BITS;
use hw::layout::{flag, Entry};
use verilator_tests::Bench;

/// A number that is small, sparse or anything.
fn number(bench: &mut Bench) -> u128 {
    match bench.random().u8(..4) {
        0 => bench.random().u128(..3),
        1 => 1 << bench.random().u32(..128),
        _ => bench.random().u128(..),
    }
}

/// Any groups: all, one, none or some.
pub(crate) fn groups(bench: &mut Bench) -> Groups {
    Groups(match bench.random().u8(..8) {
        0 => 0,
        1 => 1 << bench.random().u32(..8),
        2 | 3 => 0xff,
        4 => !(1 << bench.random().u32(..8)),
        _ => bench.random().u8(..),
    })
}

/// Any flow; addresses of IPv4 fill their low 32 bits.
pub(crate) fn record(bench: &mut Bench) -> FlowRecord {
    let family = if bench.random().bool() { Family::V6 } else { Family::V4 };
    let mut address = || match family {
        Family::V4 => number(bench) & 0xffff_ffff,
        Family::V6 => number(bench),
    };
    let [src, dst, reply_src, reply_dst] = std::array::from_fn(|_| address());
    let groups = groups(bench);
    let random = bench.random();
    let mut edges = || Edges { end: random.u32(..), max_end: random.u32(..) };
    FlowRecord {
        edges: [edges(), edges()],
        key: FlowKey {
            src,
            dst,
            src_port: random.u16(..),
            dst_port: random.u16(..),
            zone: random.u16(..),
            protocol: random.u8(..),
            family,
        },
        groups,
        tcp_state: random.u8(..),
        status: random.u16(..) | status::ASSURED,
        scales: random.u16(..).to_le_bytes(),
        tcp_flags: random.u16(..).to_le_bytes(),
        lifetime_s: random.u32(..),
        class: random.u8(..),
        incarnation: random.u32(..) | BEGUN,
        mark: random.u32(..),
        policy: random.u32(..),
        nat: Nat { reply_src, reply_dst, reply_src_port: random.u16(..), reply_dst_port: random.u16(..) },
        labels: random.u128(..),
    }
}

/// Any stamp.
pub(crate) fn stamp(bench: &mut Bench) -> Stamp {
    let version = bench.random().u64(..1 << VERSION_BITS);
    Stamp { term: Term(bench.random().u32(..)), version }
}

/// Any entry: live or ended.
pub(crate) fn entry(bench: &mut Bench) -> Entry {
    let (record, stamp) = (record(bench), stamp(bench));
    let random = bench.random();
    let life = if random.u8(..4) == 0 { flag::TOMBSTONE } else { flag::LIVE };
    Entry {
        record,
        stamp,
        digest: random.u64(..),
        ended_version: random.u64(..1 << VERSION_BITS),
        cookie: random.u32(..),
        audit: random.u8(..),
        flags: life | random.u8(..1 << 7) & !(flag::LIVE | flag::TOMBSTONE),
    }
}
