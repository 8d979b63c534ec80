//! Which life of a flow is meant: names, ages, and ends that somebody may not know.

mod net;

use formats::descriptor::{upsert, Command, Event, PathState};
use formats::flow::BEGUN;
use formats::limits::*;
use formats::register::Counter;
use formats::unit::heartbeat::HIGHER_TERM;
use formats::{FlowRecord, Groups};
use net::*;

fn members(count: u8) -> Net {
    let mut net = Net::new(count, 1, |_| {});
    net.start();
    net.run(300_000, 1_000);
    net
}

fn state(flags: u8, cookie: u32, record: FlowRecord) -> Command {
    Command::Upsert { flags, cookie, record }
}

fn held(net: &Net, member: u8) -> FlowRecord {
    net.engine(member).flow(&key(1)).expect("the flow is held").0
}

#[test]
fn an_event_of_another_entry_begins_another_life() {
    let mut net = members(2);
    net.command(0, state(upsert::NEW, 5, FlowRecord { groups: Groups::ALL, mark: 7, ..record(1, 8) }));
    net.run(5_000, 1_000);
    let old = held(&net, 0);
    // The end and the next begin were lost.
    net.command(0, state(0, 6, record(1, 3)));
    net.run(5_000, 1_000);
    let (new, copy) = (held(&net, 0), held(&net, 1));
    assert_ne!(new.incarnation, old.incarnation);
    assert_eq!((new.tcp_state, new.groups, new.mark), (3, record(1, 3).groups, 0), "nothing is inherited");
    assert_eq!((copy.incarnation, copy.groups), (new.incarnation, new.groups));
    let anew = |event: &&Event| matches!(event, Event::Applied { created: true, .. });
    assert_eq!(net.members[1].events.iter().filter(anew).count(), 2, "the copy makes its entry anew");
    // An end that names the old entry comes too late; one that names the new one counts.
    net.command(0, Command::Delete { cookie: 5, key: key(1) });
    assert_eq!(held(&net, 0), new);
    net.command(0, Command::Delete { cookie: 6, key: key(1) });
    assert!(net.engine(0).flow(&key(1)).is_none());
}

#[test]
fn an_entry_that_the_host_made_anew_is_the_same_life() {
    let mut net = members(2);
    net.command(0, state(upsert::NEW, 5, record(1, 3)));
    let old = held(&net, 0);
    net.command(0, state(upsert::REMADE, 0, FlowRecord { groups: Groups::NONE, ..record(1, 3) }));
    net.command(0, state(0, 6, record(1, 4)));
    assert_eq!(held(&net, 0), FlowRecord { tcp_state: 4, ..old });
    assert_eq!(net.engine(0).flow(&key(1)).unwrap().2, 6);
    net.command(0, state(upsert::REMADE, 0, record(2, 3)));
    assert!(net.engine(0).flow(&key(2)).is_none(), "no flow is made by it");
    net.engine(0).balance().unwrap();
}

#[test]
fn a_name_from_an_earlier_term_tells_nothing() {
    let mut net = members(2);
    net.command(0, state(upsert::NEW, 5, record(1, 3)));
    let old = held(&net, 0);
    // It served nothing in between, and its host made the entries anew.
    net.command(0, Command::Map(roles(term(2, 0), 0, 1, MEMBER_NONE)));
    net.command(0, state(0, 6, record(1, 4)));
    assert_eq!(held(&net, 0).incarnation, old.incarnation);
    net.command(0, state(0, 7, record(1, 4)));
    assert_ne!(held(&net, 0).incarnation, old.incarnation, "named under this term");
}

#[test]
fn a_life_whose_begin_was_seen_is_younger_than_one_that_was_found() {
    let mut net = members(2);
    net.command(0, Command::AuditBegin);
    net.command(0, state(upsert::AUDIT, 5, record(1, 3)));
    let found = held(&net, 0).incarnation;
    net.command(0, state(upsert::NEW, 6, record(1, 1)));
    let begun = held(&net, 0).incarnation;
    net.run(1_000, 1_000);
    net.command(0, state(upsert::NEW, 7, record(1, 1)));
    let next = held(&net, 0).incarnation;
    assert_eq!((found & BEGUN, begun & BEGUN, next & BEGUN), (0, BEGUN, BEGUN));
    assert!(found < begun && begun < next);
    net.run(5_000, 1_000);
    assert_eq!(held(&net, 1).incarnation, next, "records carry it");
}

#[test]
fn heartbeats_tell_of_a_term_that_is_not_known_here() {
    // No digests: each would be answered with the term.
    let mut net = Net::new(2, 1, |config| config.digest_us = 100_000_000);
    net.start();
    net.run(300_000, 1_000);
    let flags = |net: &Net| {
        let flags = |event: &Event| match event {
            Event::Path { port: 1, state: PathState::Up, beat_flags, .. } => Some(*beat_flags),
            _ => None,
        };
        net.members[0].events.iter().rev().find_map(flags).expect("the path is up")
    };
    assert_eq!(flags(&net) & HIGHER_TERM, 0);
    // A term that no TERM carries over: its owner names no copy.
    net.command(1, Command::Map(roles(term(2, 1), 1, MEMBER_NONE, MEMBER_NONE)));
    net.run(20_000, 1_000);
    assert_ne!(flags(&net) & HIGHER_TERM, 0);
    net.command(1, Command::Announce { peer: 0, bucket: 0, count: BUCKETS_COUNT as u16, released: false });
    net.run(20_000, 1_000);
    assert_eq!(flags(&net) & HIGHER_TERM, 0);
}

#[test]
fn an_end_is_remembered_until_the_former_owner_has_proposed() {
    let mut net = members(3);
    net.command(0, upsert_new(record(1, 3)));
    net.run(5_000, 1_000);
    // The owner is cut off: it will propose what its successor, as far as it knows, never got.
    net.cut = vec![(0, 1), (1, 0), (0, 2), (2, 0)];
    net.command(1, Command::Map(roles(term(2, 1), 1, 2, MEMBER_NONE)));
    net.run(20_000, 1_000);
    net.command(1, Command::Delete { cookie: 0, key: key(1) });
    net.run(100_000, 1_000);
    assert_eq!(net.counter(1, Counter::TombstonesHeld), 1, "its copy knows, the former owner does not");
    net.cut.clear();
    net.command(1, Command::Map(roles(term(2, 1), 1, 2, 0)));
    net.run(200_000, 1_000);
    let merges = net.members[1].events.iter().filter(|event| matches!(event, Event::Merge { .. })).count();
    assert_eq!(merges, 0, "packets moved it nowhere since");
    assert!((0..3).all(|member| net.engine(member).flow(&key(1)).is_none()));
    assert_eq!(net.counter(1, Counter::TombstonesHeld), 0);
}

#[test]
fn an_end_is_known_by_proof_when_its_tombstone_is_gone() {
    // Of three members two serve after a split; the third, their owner before, is gone.
    let proposed = |moved: bool| {
        let mut net = members(3);
        net.command(0, upsert_new(record(1, 3)));
        net.run(300_000, 1_000);
        net.cut = vec![(1, 2), (2, 1), (0, 1), (1, 0), (0, 2), (2, 0)];
        net.command(2, Command::Map(roles(term(2, 2), 2, MEMBER_NONE, MEMBER_NONE)));
        net.command(1, Command::Map(roles(term(3, 1), 1, MEMBER_NONE, MEMBER_NONE)));
        net.run(20_000, 1_000);
        if moved {
            net.command(2, upsert(record(1, 4)));
        }
        net.command(1, Command::Delete { cookie: 0, key: key(1) });
        // The owner before comes back without its flows, and nobody else is waited for.
        net.restart(0);
        net.cut = vec![(1, 2), (2, 1), (0, 2), (2, 0)];
        net.run(100_000, 1_000);
        assert_eq!(net.counter(1, Counter::TombstonesHeld), 0);
        net.cut.clear();
        net.command(1, Command::Map(roles(term(3, 1), 1, 2, MEMBER_NONE)));
        net.run(200_000, 1_000);
        net.assert_equal(1, 2);
        net.engine(1).flow(&key(1)).is_some()
    };
    assert_eq!((proposed(false), proposed(true)), (false, true), "only packets since the split beat an end");
}
