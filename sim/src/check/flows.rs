//! Nothing protected is lost or goes back, nothing ended comes back, records come from their owner.
//!
//! A life is *protected at a floor* when the owner's kernel and the kernel of every copy its map names
//! hold it; the floor is what they have in common. From then on any of these holders that becomes owner
//! has to hold at least the floor, for as long as its kernel lives. Acknowledged as installed implies it.

use super::{Check, Note};
use crate::clock::Micros;
use crate::member::{Agent, Member, Settings};
use crate::workload::{life_of, Fate, Happening, Progress, What, Workload};
use formats::limits::MEMBER_NONE;
use formats::register::Counter;
use formats::{FlowKey, FlowRecord, Stamp};
use std::collections::{BTreeMap, BTreeSet};

/// A whole holder that was well for this long should have been the next owner.
const READY_US: Micros = 1_500_000;

#[derive(Clone, Debug)]
struct Floor {
    progress: Progress,
    holders: BTreeSet<usize>,
    since: Micros,
}

/// What the checker knows of flows.
pub(super) struct Flows {
    floors: BTreeMap<usize, Floor>,
    /// Per member: last applied life, progress and stamp of a key.
    applied: Vec<BTreeMap<FlowKey, (usize, Progress, Stamp)>>,
    /// Life each member is about to end, by key.
    ending: Vec<BTreeMap<FlowKey, usize>>,
    /// Members that know the end of a life.
    ends: BTreeMap<usize, BTreeSet<usize>>,
    /// How far an ended life had come where its end was read, and where that was.
    last: BTreeMap<usize, (Progress, BTreeSet<usize>)>,
    /// Where packets of a life ran.
    ran: BTreeMap<usize, BTreeSet<usize>>,
    /// Lives whose packets ran while more than one member forwarded.
    torn: BTreeSet<usize>,
    /// Lives that ended where their packets ran.
    ended: BTreeSet<usize>,
    /// Who proposed a life to an owner.
    pub(super) proposers: BTreeMap<usize, BTreeSet<usize>>,
    /// When a life ended, and when each member's agent started last.
    ended_at: BTreeMap<usize, Micros>,
    pub(super) started_at: Vec<Micros>,
    /// Who served at the last look.
    server: Option<usize>,
    /// Lives that a split touched: marks follow the stamp.
    split: bool,
}

impl Flows {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            floors: BTreeMap::new(),
            applied: vec![BTreeMap::new(); settings.members],
            ending: vec![BTreeMap::new(); settings.members],
            ends: BTreeMap::new(),
            last: BTreeMap::new(),
            ran: BTreeMap::new(),
            torn: BTreeSet::new(),
            proposers: BTreeMap::new(),
            ended_at: BTreeMap::new(),
            started_at: vec![0; settings.members],
            ended: BTreeSet::new(),
            server: None,
            split: false,
        }
    }

    pub(super) fn agent_started(&mut self, member: usize) {
        self.applied[member].clear();
        self.ending[member].clear();
        self.ends.values_mut().for_each(|known| {
            known.remove(&member);
        });
    }

    pub(super) fn kernel_gone(&mut self, member: usize) {
        self.floors.values_mut().for_each(|floor| {
            floor.holders.remove(&member);
        });
        self.floors.retain(|_, floor| !floor.holders.is_empty());
    }
}

impl Check {
    /// A copy changed.
    pub(super) fn applied(
        &mut self,
        at: Micros,
        member: usize,
        peer: u8,
        record: &FlowRecord,
        stamp: Stamp,
        agent: &Agent,
    ) {
        let (life, progress, key) = (life_of(record), Progress::of(record), record.key);
        let owner = agent.nic.roles(self.hasher.flow_id(&key).bucket()).owner as usize;
        if !self.roles.may_tell(member, peer, stamp.term) && owner != member {
            let what =
                format!("{member} applied {stamp:?} of {peer}; it knows {:?}", self.roles.known[member]);
            self.fail_flow(at, "live records apply from the owner only", what, Some(key));
        }
        // An event may wait in the engine while its host becomes owner: it was applied before.
        let since_map = agent.nic.counter(Counter::RecordsApplied) > self.roles.applied_at_map[member];
        if self.roles.known[member].0 as usize == member
            && owner == member
            && since_map
            && !self.roles.may_tell(member, peer, stamp.term)
        {
            let what = format!("{member} owns the bucket and applied {stamp:?} of {peer}");
            self.fail_flow(at, "live records apply from the owner only", what, Some(key));
        }
        if let Some((last_life, last, last_stamp)) = self.flows.applied[member].get(&key).copied() {
            if last_stamp.term == stamp.term && stamp.version < last_stamp.version {
                let what = format!("{member}: {last_stamp:?}, then {stamp:?}");
                self.fail_flow(at, "stamps never go back within a term", what, Some(key));
            }
            if last_stamp.term == stamp.term && last_life == life && !progress.covers(last, false) {
                let what = format!("{member}: {last:?} {last_stamp:?}, then {progress:?} {stamp:?}");
                self.fail_flow(at, "state never goes back within a term", what, Some(key));
            }
        }
        self.flows.applied[member].insert(key, (life, progress, stamp));
        self.came_back(at, member, peer as usize, life, progress, key);
    }

    fn came_back(
        &mut self,
        at: Micros,
        member: usize,
        peer: usize,
        life: usize,
        progress: Progress,
        key: FlowKey,
    ) {
        let Some(known) = self.flows.ends.get(&life) else { return };
        if !known.contains(&member) || self.may_live_on(life, progress) {
            return;
        }
        let serves = self.roles.known[member].0 as usize == member;
        if serves || known.contains(&peer) {
            let what = format!("life {life} is back at {member} by {peer}; its end was known to {known:?}");
            self.fail_flow(at, "nothing ended comes back", what, Some(key));
        }
    }

    /// Live beats ended if the flow saw packets since the split: with two members forwarding, or at a cut-off
    /// owner, whose packets are news to every member that read the end.
    fn may_live_on(&self, life: usize, progress: Progress) -> bool {
        // A session that began after the end was never told of it: over a kernel table that survived, its agent
        // served what it found.
        let ended_at = self.flows.ended_at.get(&life).copied().unwrap_or(Micros::MAX);
        let proposers = self.flows.proposers.get(&life).into_iter().flatten();
        let untold = proposers.into_iter().any(|member| self.flows.started_at[*member] > ended_at);
        if untold || self.flows.torn.contains(&life) {
            return true;
        }
        let Some((last, readers)) = self.flows.last.get(&life) else { return false };
        let elsewhere = self.flows.ran.get(&life).is_some_and(|ran| !ran.is_subset(readers));
        elsewhere && !last.covers(progress, false)
    }

    /// A delete is about to enter an engine.
    pub(super) fn deleting(&mut self, member: usize, key: &FlowKey, agent: &Agent) {
        if let Some((record, ..)) = agent.nic.flow(key) {
            self.flows.ending[member].insert(*key, life_of(&record));
            let (last, readers) = self.flows.last.entry(life_of(&record)).or_default();
            *last = last.both(Progress::of(&record));
            readers.insert(member);
        }
    }

    /// A flow is gone from an engine, if its end was known to be coming.
    pub(super) fn deleted(&mut self, member: usize, key: &FlowKey, agent: &Agent) {
        let life = self.flows.ending[member]
            .remove(key)
            .or_else(|| self.flows.applied[member].get(key).map(|(life, ..)| *life));
        let Some(life) = life else { return };
        let gone = agent.nic.flow(key).is_none_or(|(record, ..)| life_of(&record) != life);
        // Whether it may come back, and as what, is a rule of its own: only the stamp counts on.
        if let (true, Some(last)) = (gone, self.flows.applied[member].get_mut(key)) {
            last.0 = usize::MAX;
        }
        if gone && self.flows.ended.contains(&life) {
            self.flows.ends.entry(life).or_default().insert(member);
        }
    }

    /// A packet did something.
    pub fn happened(
        &mut self,
        at: Micros,
        happening: &Happening,
        load: &Workload,
        members: &[Member],
        forwarding: usize,
    ) {
        let Happening { life, member, what } = *happening;
        let key = load.lives[life].record.key;
        self.remember(at, member, key, Note::Traffic { life, what });
        if forwarding > 1 {
            self.flows.torn.insert(life);
        }
        match what {
            What::Opened | What::Advanced => {
                self.flows.ran.entry(life).or_default().insert(member);
            }
            What::Ended => {
                self.flows.floors.remove(&life);
                self.flows.ended_at.insert(life, at);
                if forwarding == 1 {
                    self.flows.ended.insert(life);
                }
            }
            What::Broken => {
                if let Some(floor) = self.flows.floors.remove(&life) {
                    self.judge_loss(at, member, life, &floor, key, members, "a packet found no entry");
                }
            }
        }
    }

    /// A floor is missed at the member that serves: is that explained?
    #[allow(clippy::too_many_arguments)] // the story of one loss
    fn judge_loss(
        &mut self,
        at: Micros,
        server: usize,
        life: usize,
        floor: &Floor,
        key: FlowKey,
        members: &[Member],
        how: &str,
    ) {
        let held = members[server]
            .kernel
            .entries()
            .get(&key)
            .map(|entry| (life_of(&entry.record), Progress::of(&entry.record)));
        let what = format!(
            "life {life} was protected at {:?} by {:?} since {} us; {server} serves and holds {held:?}: {how}",
            floor.progress, floor.holders, floor.since
        );
        if floor.holders.contains(&server) {
            return self.fail_flow(at, "nothing protected is lost", what, Some(key));
        }
        // A holder that was there all the time should have been the next owner.
        let ready = |m: &usize| {
            let since = at.saturating_sub(READY_US);
            self.roles.unwell_until[*m] < since && self.roles.well_since() < since
        };
        if floor.holders.iter().any(ready) {
            self.fail_flow(at, "a whole copy takes over before others", what, Some(key));
        }
    }

    pub(super) fn watch_flows(&mut self, at: Micros, members: &[Member], load: &Workload) {
        self.flows.split |= self.roles.split_until.is_some();
        let servers: Vec<usize> =
            (0..members.len()).filter(|m| members[*m].serving() && members[*m].kernel.forwards(at)).collect();
        let [server] = servers[..] else { return };
        let mut lost = Vec::new();
        let changed = self.flows.server.replace(server) != Some(server);
        let Some(agent) = &members[server].agent else { return };
        let roles = agent.nic.roles(0);
        let copies = [roles.backup, roles.remote].into_iter().filter(|copy| *copy != MEMBER_NONE);
        let holders: BTreeSet<usize> = copies.map(usize::from).chain([server]).collect();
        let packets_only = self.flows.split;
        for (life, living) in load.living() {
            if living.closing() {
                self.flows.floors.remove(&life);
                continue;
            }
            let key = living.record.key;
            let state = |member: usize| {
                let entry = members[member].kernel.entries().get(&key)?;
                (life_of(&entry.record) == life).then(|| Progress::of(&entry.record))
            };
            if let Some(floor) = self.flows.floors.get(&life) {
                let holds = state(server).is_some_and(|now| now.covers(floor.progress, packets_only));
                if !holds {
                    lost.push((life, key));
                    continue;
                }
            }
            if holders.len() < 2 || changed {
                continue;
            }
            let common = holders.iter().map(|m| state(*m)).reduce(|a, b| Some(a?.common(b?))).flatten();
            if let Some(progress) = common {
                let floor = Floor { progress, holders: holders.clone(), since: at };
                self.flows.floors.insert(life, floor);
            }
        }
        for (life, key) in lost {
            if let Some(floor) = self.flows.floors.remove(&life) {
                self.judge_loss(at, server, life, &floor, key, members, "seen by a look at its kernel");
            }
        }
    }

    /// At the end: every life that goes on and was protected is where it is served.
    pub fn judge_living(&mut self, at: Micros, members: &[Member], load: &Workload) {
        self.watch_flows(at, members, load);
        let Some(server) = (0..members.len()).find(|m| members[*m].serving()) else { return };
        for (life, floor) in self.flows.floors.clone() {
            let living = &load.lives[life];
            let held = members[server].kernel.entries().get(&living.record.key);
            if living.fate == Fate::Living && held.is_none_or(|entry| life_of(&entry.record) != life) {
                self.judge_loss(at, server, life, &floor, living.record.key, members, "missing at the end");
            }
        }
    }
}
