//! Clients and servers: flows opened, advanced through TCP states, marked, closed, reborn.
//!
//! Enters: time and the members that forward. Leaves: packets into their kernels, and what came of them.
//! A life of a flow has a number that the kernels carry in the mark (life << 8 | revision), so that any
//! record tells which life it is and how far it had come.
//!
//! The books close: opened = ended + broken + living.

use crate::clock::Micros;
use crate::kernel::{Kernel, Outcome, KERNEL_GROUPS};
use crate::rng::Rng;
use formats::flow::{status, tcp_state};
use formats::{Family, FlowHasher, FlowKey, FlowRecord, Groups, Nat};

/// How far a life has come: TCP rank, status bits, revision of mark and of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rank of the TCP state.
    pub rank: u8,
    /// Status bits.
    pub status: u16,
    /// Revision of the mark.
    pub mark: u8,
    /// Revision of the labels.
    pub labels: u8,
}

impl Progress {
    /// Of a record.
    pub fn of(record: &FlowRecord) -> Self {
        Self {
            rank: tcp_state::rank(record.tcp_state),
            status: record.status,
            mark: record.mark as u8,
            labels: record.labels as u8,
        }
    }
    /// What both have reached.
    pub fn common(self, other: Self) -> Self {
        Self {
            rank: self.rank.min(other.rank),
            status: self.status & other.status,
            mark: self.mark.min(other.mark),
            labels: self.labels.min(other.labels),
        }
    }
    /// What either has reached.
    pub fn both(self, other: Self) -> Self {
        Self {
            rank: self.rank.max(other.rank),
            status: self.status | other.status,
            mark: self.mark.max(other.mark),
            labels: self.labels.max(other.labels),
        }
    }
    /// Whether nothing of `floor` is missing. Marks follow the stamp in a join: `packets_only` skips them.
    pub fn covers(self, floor: Self, packets_only: bool) -> bool {
        let common = self.common(floor);
        (common.rank, common.status) == (floor.rank, floor.status)
            && (packets_only || (common.mark, common.labels) == (floor.mark, floor.labels))
    }
}

/// The life a record belongs to.
pub fn life_of(record: &FlowRecord) -> usize {
    (record.mark >> 8) as usize
}

/// How a life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Living,
    /// Its entry ended where its packets ran.
    Ended,
    /// A packet of it found no entry.
    Broken,
}

/// One life of a flow, as its end points know it.
#[derive(Clone, Debug)]
pub struct Life {
    /// State that packets have brought about.
    pub record: FlowRecord,
    /// How it stands.
    pub fate: Fate,
    /// Which side of a split its packets take.
    side: u64,
    /// Index of the slot.
    slot: usize,
}

impl Life {
    /// On its way out: its entry may end at any time.
    pub fn closing(&self) -> bool {
        matches!(self.record.tcp_state, tcp_state::TIME_WAIT | tcp_state::CLOSE)
    }
}

/// A place for one flow at a time: a key, perhaps translated.
#[derive(Clone, Debug)]
struct Slot {
    template: FlowRecord,
    life: Option<usize>,
}

/// What came of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The life began.
    Opened,
    /// A packet changed it.
    Advanced,
    /// It ended.
    Ended,
    /// No entry was found, although this member alone forwards.
    Broken,
}

/// A packet's story, for the checkers.
#[derive(Clone, Copy, Debug)]
pub struct Happening {
    /// The life.
    pub life: usize,
    /// The member that had the packet.
    pub member: usize,
    /// What came of it.
    pub what: What,
}

/// Virtual address of the group: sources are translated to it.
pub const VIRTUAL: u128 = 0xc0a8_0001;

/// The load.
pub struct Workload {
    slots: Vec<Slot>,
    /// Every life so far; index is the life's number. Number 0 is nobody's.
    pub lives: Vec<Life>,
    /// Mean time between steps.
    interval_us: Micros,
    twins: bool,
    living_max: usize,
    living: usize,
    opened: u64,
    ended: u64,
    broken: u64,
}

impl Workload {
    /// Draws slots: some share a few buckets, some are spread.
    pub fn new(rng: &mut Rng, hasher: &FlowHasher) -> Self {
        let hot: Vec<u16> = (0..rng.between(1, 5)).map(|_| rng.below(1024) as u16).collect();
        let slots_count = rng.pick(&[24, 60, 120, 240]);
        // Packets of two clients with one tuple would be one flow's.
        let mut taken = std::collections::BTreeSet::new();
        let slots = (0..slots_count)
            .map(|n| {
                let mut template = draw_template(rng, n);
                let crowded = n % 2 == 0 || n % 8 == 1;
                let fits = |key: &FlowKey| !crowded || hot.contains(&hasher.flow_id(key).bucket());
                while !fits(&template.key) || !taken.insert(template.key) {
                    template.key.src_port = rng.between(1024, 65_536) as u16;
                    template.key.src = template.key.src & !0xffff | u128::from(rng.below(65_536));
                }
                Slot { template, life: None }
            })
            .collect();
        let nobody = Life { record: FlowRecord::default(), fate: Fate::Ended, side: 0, slot: usize::MAX };
        Self {
            slots,
            lives: vec![nobody],
            interval_us: rng.pick(&[300, 700, 2_000, 6_000]),
            twins: rng.chance(700),
            living_max: slots_count as usize * rng.between(60, 101) as usize / 100,
            living: 0,
            opened: 0,
            ended: 0,
            broken: 0,
        }
    }

    /// Time to the next step; now and then the load rests.
    pub fn pause(&self, rng: &mut Rng) -> Micros {
        if rng.chance(4) {
            rng.between(100_000, 500_000)
        } else {
            1 + rng.below(2 * self.interval_us)
        }
    }

    /// Does something with one flow, or with two of one bucket at once.
    pub fn step(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        kernels: &mut [&mut Kernel],
        forwarding: &[usize],
        out: &mut Vec<Happening>,
    ) {
        let slot = rng.below(self.slots.len() as u64) as usize;
        let action = rng.below(100);
        let burst = if rng.chance(10) { rng.between(5, 40) as usize } else { 1 };
        for step in 0..burst {
            let at = (slot + step) % self.slots.len();
            self.act(rng, now, at, action, kernels, forwarding, out);
            if self.twins && at % 2 == 0 && rng.chance(600) {
                let twin = (at + 2) % self.slots.len();
                self.act(rng, now, twin, action, kernels, forwarding, out);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one step of one slot
    fn act(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        slot: usize,
        action: u64,
        kernels: &mut [&mut Kernel],
        forwarding: &[usize],
        out: &mut Vec<Happening>,
    ) {
        let Some(life) = self.slots[slot].life else {
            if self.living < self.living_max {
                self.open(rng, now, slot, kernels, forwarding, out);
            }
            return;
        };
        let Some(member) = self.way(rng, life, forwarding) else { return };
        if self.lives[life].closing() && action < 30 {
            return self.reopen(rng, now, slot, kernels, forwarding, out);
        }
        if action >= 93 {
            if kernels[member].end(&self.lives[life].record.key, |record| life_of(record) == life) {
                self.finish(life, Fate::Ended);
                out.push(Happening { life, member, what: What::Ended });
            }
            return;
        }
        let mut goal = self.lives[life].record;
        advance(&mut goal, action);
        let outcome = kernels[member].packet(
            now,
            &goal.key,
            |record| life_of(record) == life,
            |record| raise(record, &goal),
        );
        match outcome {
            Outcome::Passed => {
                self.lives[life].record = goal;
                out.push(Happening { life, member, what: What::Advanced });
            }
            // Which way a packet takes in a split is the net's choice: the other side may know the flow.
            Outcome::Invalid | Outcome::Refused if forwarding.len() > 1 => {}
            Outcome::Invalid | Outcome::Refused => {
                self.finish(life, Fate::Broken);
                out.push(Happening { life, member, what: What::Broken });
            }
        }
    }

    /// The member that gets the next packet of a life.
    fn way(&self, rng: &mut Rng, life: usize, forwarding: &[usize]) -> Option<usize> {
        if forwarding.is_empty() {
            return None;
        }
        let side = if rng.chance(50) { rng.draw() } else { self.lives[life].side };
        Some(forwarding[side as usize % forwarding.len()])
    }

    fn reopen(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        slot: usize,
        kernels: &mut [&mut Kernel],
        forwarding: &[usize],
        out: &mut Vec<Happening>,
    ) {
        let life = self.slots[slot].life.expect("a slot with a closing life");
        self.finish(life, Fate::Ended);
        out.push(Happening { life, member: forwarding[0], what: What::Ended });
        self.open(rng, now, slot, kernels, forwarding, out);
    }

    fn open(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        slot: usize,
        kernels: &mut [&mut Kernel],
        forwarding: &[usize],
        out: &mut Vec<Happening>,
    ) {
        if forwarding.is_empty() {
            return;
        }
        let (life, side) = (self.lives.len(), rng.draw());
        let member = forwarding[side as usize % forwarding.len()];
        let mut record = self.slots[slot].template;
        record.mark = (life as u32) << 8;
        if kernels[member].open(now, &record) == Outcome::Passed {
            self.lives.push(Life { record, fate: Fate::Living, side, slot });
            self.slots[slot].life = Some(life);
            self.living += 1;
            self.opened += 1;
            out.push(Happening { life, member, what: What::Opened });
        }
    }

    /// A kernel ended an entry by time. Only a life on its way out ends so.
    pub fn expired(&mut self, record: &FlowRecord, member: usize, out: &mut Vec<Happening>) {
        let life = life_of(record);
        if self.lives.get(life).is_some_and(|l| l.fate == Fate::Living && l.closing()) {
            self.finish(life, Fate::Ended);
            out.push(Happening { life, member, what: What::Ended });
        }
    }

    fn finish(&mut self, life: usize, fate: Fate) {
        assert_eq!(self.lives[life].fate, Fate::Living, "a life ends once");
        self.lives[life].fate = fate;
        self.slots[self.lives[life].slot].life = None;
        self.living -= 1;
        match fate {
            Fate::Ended => self.ended += 1,
            Fate::Broken => self.broken += 1,
            Fate::Living => unreachable!("nothing finishes as living"),
        }
    }

    /// Living lives and their numbers.
    pub fn living(&self) -> impl Iterator<Item = (usize, &Life)> {
        self.lives.iter().enumerate().filter(|(_, life)| life.fate == Fate::Living)
    }

    /// Whether every life is accounted for.
    pub fn balance(&self) -> Result<(), String> {
        let living = self.living().count() as u64;
        if self.opened == self.ended + self.broken + living && living == self.living as u64 {
            Ok(())
        } else {
            Err(format!(
                "workload: {} opened, {} ended, {} broken, {living} living",
                self.opened, self.ended, self.broken
            ))
        }
    }

    /// Lives opened, ended and broken.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.opened, self.ended, self.broken)
    }
}

fn draw_template(rng: &mut Rng, n: u64) -> FlowRecord {
    let v6 = rng.chance(120);
    let udp = rng.chance(200);
    let base: u128 = if v6 { 0x2001_0db8 << 96 } else { 0x0a01_0000 };
    let key = FlowKey {
        src: base + u128::from(rng.below(65_536)),
        dst: if v6 { base + 0x1_0000_0000 } else { 0x0a02_000a },
        src_port: rng.between(1024, 65_536) as u16,
        dst_port: rng.pick(&[80, 443, 5201]),
        zone: 0,
        protocol: if udp { formats::flow::protocol::UDP } else { formats::flow::protocol::TCP },
        family: if v6 { Family::V6 } else { Family::V4 },
    };
    let mut record = FlowRecord { key, groups: KERNEL_GROUPS, ..FlowRecord::default() };
    if !udp {
        record.tcp_state = tcp_state::SYN_SENT;
    }
    if !v6 && rng.chance(500) {
        record.groups = record.groups.with(Groups::NAT);
        record.nat = Nat {
            reply_src: key.dst,
            reply_dst: VIRTUAL,
            reply_src_port: key.dst_port,
            reply_dst_port: 10_000 + n as u16,
        };
    }
    record
}

/// The next state of a flow's end points; `action` chooses among what may come next.
fn advance(record: &mut FlowRecord, action: u64) {
    match action {
        0..10 => record.mark = record.mark & !0xff | (record.mark + 1).min(record.mark | 0xff) & 0xff,
        10..22 => record.labels = (record.labels + 1).min(0xff),
        22..30 => {}
        _ if record.key.protocol == formats::flow::protocol::UDP => {
            record.status |= if record.status == 0 { status::SEEN_REPLY } else { status::ASSURED };
        }
        _ => {
            let (state, bits) = match record.tcp_state {
                tcp_state::SYN_SENT => (tcp_state::SYN_RECV, status::SEEN_REPLY),
                tcp_state::SYN_RECV => (tcp_state::ESTABLISHED, status::ASSURED),
                // Connections stay established for a while.
                tcp_state::ESTABLISHED if action < 80 => (tcp_state::ESTABLISHED, 0),
                tcp_state::ESTABLISHED => (tcp_state::FIN_WAIT, 0),
                tcp_state::FIN_WAIT => (tcp_state::CLOSE_WAIT, 0),
                tcp_state::CLOSE_WAIT => (tcp_state::LAST_ACK, 0),
                _ => (tcp_state::TIME_WAIT, 0),
            };
            record.tcp_state = state;
            record.status |= bits;
            if state == tcp_state::SYN_RECV {
                (record.scales, record.tcp_flags) = ([7, 8], [3, 3]);
            }
        }
    }
}

/// What a packet of the flow's present state does to an entry: never back.
fn raise(entry: &mut FlowRecord, goal: &FlowRecord) {
    if tcp_state::rank(goal.tcp_state) > tcp_state::rank(entry.tcp_state) {
        entry.tcp_state = goal.tcp_state;
    }
    entry.status |= goal.status;
    (entry.scales, entry.tcp_flags) = (goal.scales, goal.tcp_flags);
    entry.mark = entry.mark.max(goal.mark);
    entry.labels = entry.labels.max(goal.labels);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_open_advance_and_end_and_the_books_close() {
        let mut rng = Rng::new(5, 1);
        let hasher = FlowHasher::new(&formats::ClusterSecret([7; 32]));
        let mut load = Workload::new(&mut rng, &hasher);
        let mut kernel = Kernel::new(1, 64);
        let mut out = Vec::new();
        for step in 0..20_000 {
            load.step(&mut rng, step * 500, &mut [&mut kernel], &[0], &mut out);
            for record in kernel.expire(step * 500) {
                load.expired(&record, 0, &mut out);
            }
        }
        load.balance().unwrap();
        let count = |what| out.iter().filter(|happening| happening.what == what).count();
        assert!(count(What::Opened) > 100 && count(What::Ended) > 100 && count(What::Advanced) > 1000);
        assert_eq!(count(What::Broken), 0);
        for (life, living) in load.living() {
            let entry = &kernel.entries()[&living.record.key].record;
            assert_eq!((life_of(entry), Progress::of(entry)), (life, Progress::of(&living.record)));
        }
    }
}
