//! A record about whole buckets against the decoder of `formats`.

use super::super::{top, Block, Test};
use super::side::{roles_word, units, MEMBER, SESSION};
use formats::descriptor::Roles;
use formats::flow::Term;
use formats::limits::*;
use formats::unit::*;
use formats::Record;
use hw::taker::TOLD_LATENCY;
use verilator_tests::{expect_same, Bench, Result};

const RECORDS: u64 = 20_000;

pub(crate) const TOLD: Block = Block {
    name: "told",
    design: || top("told").without_reset(),
    latency_cycles: Some(TOLD_LATENCY as u64),
    tests: &[Test { name: "records of each kind", seeds: 0..4, body: records_are_told }],
};

/// A member: one of few, so that some are the same, or one that is none.
fn member(random: &mut fastrand::Rng) -> u8 {
    match random.u8(..10) {
        0 => random.u8(..),
        1 | 2 => MEMBER_NONE,
        3 => MEMBER,
        4 => MEMBERS_MAX as u8 - 1,
        5 => MEMBERS_MAX as u8 >> random.u8(..2),
        _ => random.u8(..6),
    }
}

/// A number with few bits, or any.
fn number(random: &mut fastrand::Rng, bits: u32) -> u64 {
    if random.bool() {
        random.u64(..1 << bits)
    } else {
        1 << random.u32(..bits)
    }
}

fn record(random: &mut fastrand::Rng) -> Record {
    let bucket =
        if random.u8(..) < 30 { number(random, 16) as u16 } else { random.u16(..BUCKETS_COUNT as u16) };
    let (term, count, flags) = (random.u32(..), random.u32(..), random.u8(..));
    let sum = random.u64(..);
    match random.u8(..6) {
        0 => Record::SnapshotBegin(SnapshotBegin {
            kind: kind::SNAPSHOT_BEGIN,
            units: 1,
            bucket,
            term,
            flags,
            ..Default::default()
        }),
        1 => {
            let floor = number(random, 48);
            let (kind, units, digest) = (kind::SNAPSHOT_END, 2, sum);
            Record::SnapshotEnd(SnapshotEnd {
                kind,
                units,
                bucket,
                term,
                flags,
                count,
                digest,
                floor,
                ..Default::default()
            })
        }
        2 => {
            let floor = if random.bool() { number(random, 63) } else { number(random, 48) };
            let (kind, units) = (kind::DIGEST, 3);
            Record::Digest(DigestUnit { kind, units, bucket, term, count, sum, floor, ..Default::default() })
        }
        _ => {
            let end = BUCKETS_COUNT as u16 - bucket.min(BUCKETS_COUNT as u16);
            let count = match random.u8(..4) {
                0 => end.wrapping_add(random.u16(..3)).wrapping_sub(1),
                1 => number(random, 16) as u16,
                2 => 0,
                _ => random.u16(..=end),
            };
            let [owner, backup, remote, successor] = [(); 4].map(|()| member(random));
            let session = if random.u8(..) < 200 { SESSION } else { SESSION ^ 1 << random.u32(..64) };
            Record::Term(TermUnit {
                kind: kind::TERM,
                units: 2,
                bucket,
                count,
                owner,
                backup,
                remote,
                term,
                successor,
                flags,
                session,
                ..Default::default()
            })
        }
    }
}

fn is_sound(unit: &TermUnit) -> bool {
    let members = [unit.owner, unit.backup, unit.remote, unit.successor];
    let exist = members.iter().all(|member| usize::from(*member) < MEMBERS_MAX || *member == MEMBER_NONE);
    let with_role: Vec<u8> = members[..3].iter().copied().filter(|member| *member != MEMBER_NONE).collect();
    let apart = with_role.iter().enumerate().all(|(n, member)| !with_role[..n].contains(member));
    exist && apart && usize::from(unit.bucket) + usize::from(unit.count) <= BUCKETS_COUNT
}

fn records_are_told(bench: &mut Bench) -> Result<()> {
    bench.input::<u8>("member")?.set(MEMBER);
    bench.input::<u64>("session")?.set(SESSION);
    let (in_kind, in_units) = (bench.input::<u8>("in_kind")?, bench.input::<[u8; 32]>("in_units")?);
    let kinds = ["is_term", "is_begin", "is_end", "is_digest"].map(|name| bench.port::<bool>(name));
    let flag = |name: &str| bench.port::<bool>(name);
    let (malformed, empty, pull) = (flag("is_malformed")?, flag("is_empty")?, flag("is_pull")?);
    let (released, names_us) = (flag("is_released")?, flag("names_us")?);
    let (bucket, run, term) =
        (bench.port::<u16>("bucket")?, bench.port::<u16>("run")?, bench.port::<u32>("term")?);
    let (roles, count) = (bench.port::<u64>("roles")?, bench.port::<u32>("count")?);
    let (sum, floor) = (bench.port::<u64>("sum")?, bench.port::<u64>("floor")?);
    let [is_term, is_begin, is_end, is_digest] = kinds;
    let (is_term, is_begin, is_end, is_digest) = (is_term?, is_begin?, is_end?, is_digest?);
    let mut seen = 0;
    for _ in 0..RECORDS {
        let record = record(bench.random());
        let units = units(bench.random(), &record);
        in_kind.set(units[0]);
        in_units.set(units);
        bench.cycle(&mut ())?;
        let kinds = (is_term.get(), is_begin.get(), is_end.get(), is_digest.get());
        let is = |number: u8| units[0] == number;
        let due = (is(kind::TERM), is(kind::SNAPSHOT_BEGIN), is(kind::SNAPSHOT_END), is(kind::DIGEST));
        expect_same("the kind", kinds, due)?;
        let outside = |bucket: u16| usize::from(bucket) >= BUCKETS_COUNT;
        let told = (bucket.get(), term.get());
        match &record {
            Record::Term(unit) => {
                let is_ours = unit.owner == MEMBER && unit.session == SESSION;
                seen |= u8::from(is_ours) | u8::from(unit.owner == MEMBER && !is_ours) << 1;
                expect_same("well formed", (!malformed.get(), unit), (is_sound(unit), unit))?;
                expect_same("of no bucket", empty.get(), unit.count == 0)?;
                expect_same("of a pull", pull.get(), false)?;
                expect_same("released", released.get(), unit.flags & RELEASED != 0)?;
                expect_same("names us", names_us.get(), is_ours)?;
                let word = Roles {
                    bucket: 0,
                    count: 1,
                    term: Term(unit.term),
                    owner: unit.owner,
                    backup: unit.backup,
                    remote: unit.remote,
                    successor: unit.successor,
                };
                expect_same("roles", roles.get(), roles_word(&word))?;
                if is_sound(unit) && unit.count > 0 {
                    expect_same(
                        "buckets and term",
                        (told, run.get()),
                        ((unit.bucket, unit.term), unit.count),
                    )?;
                }
                continue;
            }
            Record::SnapshotBegin(unit) => {
                expect_same("of a pull", pull.get(), unit.flags & PULL != 0)?;
                expect_same(
                    "bucket and term",
                    (told, malformed.get()),
                    ((unit.bucket % 1024, unit.term), outside(unit.bucket)),
                )?;
            }
            Record::SnapshotEnd(unit) => {
                expect_same("of a pull", pull.get(), unit.flags & PULL != 0)?;
                expect_same(
                    "bucket and term",
                    (told, malformed.get()),
                    ((unit.bucket % 1024, unit.term), outside(unit.bucket)),
                )?;
                let state = (count.get(), sum.get(), floor.get());
                expect_same("count, sum and floor", state, (unit.count, unit.digest, unit.floor))?;
            }
            Record::Digest(unit) => {
                expect_same("of a pull", pull.get(), false)?;
                expect_same(
                    "bucket and term",
                    (told, malformed.get()),
                    ((unit.bucket % 1024, unit.term), outside(unit.bucket)),
                )?;
                let state = (count.get(), sum.get(), floor.get());
                expect_same(
                    "count, sum and floor",
                    state,
                    (unit.count, unit.sum, unit.floor.min((1 << 48) - 1)),
                )?;
            }
            _ => unreachable!("no other is drawn"),
        }
        expect_same("empty", empty.get(), false)?;
    }
    expect_same("records that name us, and those of another session", seen, 3)
}
