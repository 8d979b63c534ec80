//! The alias index: a translated flow's reply key finds its main entry.
//!
//! Enters: flow ids of reply keys, and entry numbers. Leaves: entry numbers. Open addressing by 32 bits of
//! the keyed id, at most half full, so that a probe is short; deleting closes the gap. Two aliases may
//! share these bits: the caller compares keys.
//!
//! Limit: `aliases_max` of [`crate::Tracking`]; beyond, a flow is not found by its reply key, and counted.

use crate::parse::{ICMP_V4, ICMP_V6};
use crate::Softnic;
use formats::flow::{protocol, Direction};
use formats::limits::FLOW_ID_BITS;
use formats::register::Counter;
use formats::{FlowId, FlowKey, FlowRecord, Groups};

/// A slot that holds nothing; no entry has this number.
const EMPTY: (u32, u32) = (0, u32::MAX);

/// What a slot keeps of an id: its upper bits, which also say where the slot is looked for.
fn tag(id: FlowId) -> u32 {
    (id.0 >> (FLOW_ID_BITS - u32::BITS)) as u32
}

/// Ids of reply keys, and the entries they lead to.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    slots: Vec<(u32, u32)>,
    count: usize,
    count_max: usize,
}

impl Aliases {
    pub(crate) fn new(count_max: usize) -> Self {
        let slots_count = if count_max == 0 { 0 } else { (2 * count_max).next_power_of_two() };
        Self { slots: vec![EMPTY; slots_count], count: 0, count_max }
    }

    /// Aliases held.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.len() * std::mem::size_of::<(u32, u32)>()
    }

    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    /// Adds an alias; `false` when there is no room.
    fn insert(&mut self, id: FlowId, entry: u32) -> bool {
        if self.count == self.count_max {
            return false;
        }
        let mut at = self.home(tag(id));
        while self.slots[at] != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = (tag(id), entry);
        self.count += 1;
        true
    }

    /// Removes an alias, and moves those behind it up to where their probes still find them.
    fn remove(&mut self, id: FlowId, entry: u32) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(tag(id));
        while self.slots[at] != (tag(id), entry) {
            assert!(self.slots[at] != EMPTY, "an aliased entry has its alias");
            at = (at + 1) & mask;
        }
        let mut next = at;
        loop {
            next = (next + 1) & mask;
            let slot = self.slots[next];
            if slot == EMPTY {
                break;
            }
            let home = self.home(slot.0);
            // Stays if its home lies behind the gap, on the way round.
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(at) & mask {
                self.slots[at] = slot;
                at = next;
            }
        }
        self.slots[at] = EMPTY;
        self.count -= 1;
    }

    /// Entries that may have an alias of this id.
    fn with_id(&self, id: FlowId) -> impl Iterator<Item = u32> + '_ {
        let home = if self.slots.is_empty() { 0 } else { self.home(tag(id)) };
        let probe = (0..self.slots.len()).map(move |n| self.slots[(home + n) & (self.slots.len() - 1)]);
        probe.take_while(|slot| *slot != EMPTY).filter(move |slot| slot.0 == tag(id)).map(|slot| slot.1)
    }
}

/// The reply key of a translated flow, as the parser reads it.
fn alias_of(record: &FlowRecord) -> Option<FlowKey> {
    let mut key = record.alias()?;
    let pairs: &[(u8, u8)] = match key.protocol {
        protocol::ICMP => &ICMP_V4,
        protocol::ICMPV6 => &ICMP_V6,
        _ => &[],
    };
    let [kind, code] = key.dst_port.to_be_bytes();
    if let Some((question, _)) = pairs.iter().find(|pair| pair.1 == kind) {
        (key.src_port, key.dst_port) = (u16::from_be_bytes([*question, code]), key.src_port);
    }
    (!key.same_flow(&record.key)).then_some(key)
}

impl Softnic {
    /// The translated flow this key is an alias of, and which way the packet runs.
    pub(crate) fn find_alias(&self, id: FlowId, key: &FlowKey) -> Option<(u32, Direction)> {
        if self.aliases.count == 0 {
            return None;
        }
        self.aliases.with_id(id).find_map(|at| {
            let alias = alias_of(&self.table[at].record)?;
            if alias == *key {
                Some((at, Direction::Reply))
            } else {
                (alias.reversed() == *key).then_some((at, Direction::Original))
            }
        })
    }

    /// Whether this record gives the entry another alias than it has.
    #[inline]
    pub(crate) fn translates_anew(&self, at: u32, record: &FlowRecord) -> bool {
        let entry = &self.table[at];
        let translated = record.groups.has(Groups::NAT);
        if !self.tracking.is_on() || !(translated || entry.is_aliased()) {
            return false;
        }
        !(translated && entry.is_aliased())
            || (entry.record.key, entry.record.nat) != (record.key, record.nat)
    }

    /// Enters the entry's alias, if it has one.
    pub(crate) fn link_alias(&mut self, at: u32) {
        if !self.tracking.is_on() {
            return;
        }
        let Some(alias) = alias_of(&self.table[at].record) else { return };
        if self.aliases.insert(self.hasher.flow_id(&alias), at) {
            self.table[at].set_aliased(true);
            self.gauge(Counter::AliasesHeld, 1);
        } else {
            self.count(Counter::AliasesFull);
        }
    }

    /// Takes the entry's alias out, before its record changes or goes.
    pub(crate) fn unlink_alias(&mut self, at: u32) {
        if !self.table[at].is_aliased() {
            return;
        }
        let alias = alias_of(&self.table[at].record).expect("an aliased entry is translated");
        self.aliases.remove(self.hasher.flow_id(&alias), at);
        self.table[at].set_aliased(false);
        self.gauge(Counter::AliasesHeld, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Now, Tracking};
    use formats::descriptor::{upsert, Command, Roles};
    use formats::limits::*;
    use formats::{ClusterSecret, Nat, Term};
    use proptest::prelude::*;

    const NOW: Now = Now { local_us: 0, cluster_us: 1_000_000 };

    /// An engine that owns every bucket, without copies, and tracks packets.
    fn owner() -> Softnic {
        let config = Config {
            member: 0,
            cluster: 1,
            secret: ClusterSecret([1; 32]),
            session: 1,
            peers: Vec::new(),
            ports: 1,
            macs: [[0; 6]; PORTS_MAX],
            s_tag: 0,
            c_tag: 0,
            frame_size: 1500,
            set_bits: 10,
            ways: 2,
            overflow_max: 0,
            beat_us: 1000,
            late_us: 3000,
            silent_us: 9000,
            host_alive_us: 9000,
            digest_us: 1_000_000,
            replicate: Groups::ALL,
            events_max: 64,
            queue_frames_max: 4,
            omissions: Default::default(),
        };
        let mut engine = Softnic::new(config, NOW);
        engine.track(Tracking { ports: 1, trust: true, ..Tracking::default() });
        let (count, term) = (BUCKETS_COUNT as u16, Term::new(1, 0).expect("small"));
        let (backup, remote, successor) = (MEMBER_NONE, MEMBER_NONE, MEMBER_NONE);
        engine.command(
            NOW,
            &Command::Map(Roles { bucket: 0, count, term, owner: 0, backup, remote, successor }),
        );
        engine
    }

    /// A UDP flow whose source is translated.
    fn translated(n: u16) -> FlowRecord {
        let key = FlowKey { src: 1, dst: 2, src_port: n, dst_port: 53, protocol: 17, ..FlowKey::default() };
        let nat = Nat { reply_src: 2, reply_dst: 9, reply_src_port: 53, reply_dst_port: 40_000 + n };
        FlowRecord { key, nat, groups: Groups::STATUS.with(Groups::NAT), ..FlowRecord::default() }
    }

    fn plain(n: u16) -> FlowRecord {
        FlowRecord { groups: Groups::STATUS, ..translated(n) }
    }

    fn make(engine: &mut Softnic, record: FlowRecord) -> u32 {
        engine.command(NOW, &Command::Upsert { flags: upsert::NEW, cookie: 1, record });
        engine.table.find(engine.hasher.flow_id(&record.key), &record.key).expect("made")
    }

    #[test]
    fn the_alias_of_an_ended_flow_does_not_lead_to_the_next_one_in_its_entry() {
        for next in [translated(2), plain(2)] {
            let mut engine = owner();
            let first = translated(1);
            let alias = alias_of(&first).expect("translated");
            let id = engine.hasher.flow_id(&alias);
            let at = make(&mut engine, first);
            assert_eq!(engine.find_alias(id, &alias), Some((at, Direction::Reply)));
            assert_eq!(engine.find_alias(id, &alias.reversed()), Some((at, Direction::Original)));
            engine.command(NOW, &Command::Delete { cookie: 1, key: first.key });
            assert_eq!(engine.find_alias(id, &alias), None);
            assert_eq!(engine.aliases.count(), 0);
            engine.free_tombstones(engine.hasher.flow_id(&first.key).bucket(), |_, _| true);
            assert_eq!(make(&mut engine, next), at, "the entry is used again");
            assert_eq!(engine.find_alias(id, &alias), None);
            // Two ids may share the bits that a slot keeps: what decides is the key.
            assert!(engine.aliases.insert(id, at));
            assert_eq!(engine.find_alias(id, &alias), None);
            if let Some(own) = alias_of(&next) {
                let found = engine.find_alias(engine.hasher.flow_id(&own), &own);
                assert_eq!(found, Some((at, Direction::Reply)));
            }
        }
    }

    #[test]
    fn a_flow_that_is_translated_anew_is_found_by_its_new_alias_alone() {
        let mut engine = owner();
        let (old, new) = (translated(1), FlowRecord { nat: translated(7).nat, ..translated(1) });
        let at = make(&mut engine, old);
        engine.command(NOW, &Command::Upsert { flags: 0, cookie: 1, record: new });
        let [old, new] = [old, new].map(|record| alias_of(&record).expect("translated"));
        assert_eq!(engine.find_alias(engine.hasher.flow_id(&old), &old), None);
        let found = engine.find_alias(engine.hasher.flow_id(&new), &new);
        assert_eq!(found, Some((at, Direction::Reply)));
        engine.command(NOW, &Command::Upsert { flags: upsert::NEW, cookie: 2, record: plain(1) });
        assert_eq!(
            engine.find_alias(engine.hasher.flow_id(&new), &new),
            None,
            "the next life is not translated"
        );
        assert_eq!(engine.balance(), Ok(()));
    }

    proptest! {
        #[test]
        fn an_alias_is_found_until_it_is_removed(
            steps in prop::collection::vec((any::<bool>(), 0u64..40, 0u32..3), 0..200),
        ) {
            let mut aliases = Aliases::new(16);
            let mut model: Vec<(u64, u32)> = Vec::new();
            for (insert, id, entry) in steps {
                // Ids that share homes, so that probes run into each other.
                let id = id << 11;
                let known = model.iter().position(|held| *held == (id, entry));
                match (insert, known) {
                    (true, None) => {
                        let fits = model.len() < 16;
                        prop_assert_eq!(aliases.insert(FlowId(id), entry), fits);
                        if fits {
                            model.push((id, entry));
                        }
                    }
                    (false, Some(at)) => {
                        aliases.remove(FlowId(id), entry);
                        model.swap_remove(at);
                    }
                    (true, Some(_)) | (false, None) => {}
                }
                prop_assert_eq!(aliases.count(), model.len());
                for id in (0..40).map(|id| id << 11) {
                    let mut found: Vec<_> = aliases.with_id(FlowId(id)).collect();
                    let mut held: Vec<_> =
                        model.iter().filter(|held| held.0 == id).map(|held| held.1).collect();
                    found.sort_unstable();
                    held.sort_unstable();
                    prop_assert_eq!(found, held);
                }
            }
        }
    }
}
