//! Terms are unique; takeovers have a reason; one member serves, unless a partition allows two.

use super::Check;
use crate::clock::Micros;
use crate::member::{Agent, Member, Settings};
use crate::network::Network;
use formats::descriptor::Roles as Announced;
use formats::limits::MEMBER_NONE;
use formats::register::Counter;
use formats::Term;
use std::collections::{BTreeMap, BTreeSet};
use trine_core::{Fence, Takeover};

/// Slack of everything that takes a few beats or ticks.
const SLACK_US: Micros = 50_000;
/// When nothing was wrong for this long, one member serves.
const SETTLED_US: Micros = 2_500_000;
/// When members hear each other again, the lower term has stopped within this time.
const MEETING_US: Micros = 600_000;

/// What the checker knows of roles.
pub(super) struct Roles {
    members: usize,
    ports: usize,
    /// Who raised a term, in which start of its agent.
    terms: BTreeMap<Term, (usize, u64)>,
    starts: Vec<u64>,
    /// Owner and term as each member knows them.
    pub(super) known: Vec<(u8, Term)>,
    /// Survivors each new owner asked for newer records.
    pulled: Vec<BTreeSet<u8>>,
    /// Takeovers since the last look.
    pub(super) takeovers: Vec<(usize, Term, Fence)>,
    /// Records each engine had applied when its host last set the map.
    pub(super) applied_at_map: Vec<u64>,
    /// Owner before each member's last MAP.
    before: Vec<u8>,
    /// Until when each member was not well: down, stopped, slow.
    pub(super) unwell_until: Vec<Micros>,
    /// Until when each lane was cut or lost much; `(port, from, to)`.
    bad_until: Vec<Micros>,
    /// Until when each member was unplugged from some data network.
    unplugged_until: Vec<Micros>,
    /// Since when each member hears nobody and is heard by nobody, and hangs on no data network.
    alone_since: Vec<Option<Micros>>,
    /// Two members forwarded at once, last seen.
    pub(super) split_until: Option<Micros>,
    split_since: Option<Micros>,
}

impl Roles {
    pub(super) fn new(settings: &Settings) -> Self {
        let members = settings.members;
        Self {
            members,
            ports: settings.ports(),
            terms: BTreeMap::new(),
            starts: vec![0; members],
            known: vec![(MEMBER_NONE, Term::default()); members],
            pulled: vec![BTreeSet::new(); members],
            takeovers: Vec::new(),
            applied_at_map: vec![0; members],
            before: vec![MEMBER_NONE; members],
            unwell_until: vec![0; members],
            bad_until: vec![0; members * members * settings.ports()],
            unplugged_until: vec![0; members],
            alone_since: vec![None; members],
            split_until: None,
            split_since: None,
        }
    }

    fn lane(&self, port: usize, from: usize, to: usize) -> usize {
        (port * self.members + from) * self.members + to
    }

    pub(super) fn started(&mut self, member: usize) {
        self.starts[member] += 1;
        self.known[member] = (MEMBER_NONE, Term::default());
        self.pulled[member].clear();
    }

    pub(super) fn heard(&mut self, member: usize, roles: &Announced) {
        if roles.term >= self.known[member].1 {
            self.known[member] = (roles.owner, roles.term);
        }
    }

    pub(super) fn pulls(&mut self, member: usize, peer: u8) {
        self.pulled[member].insert(peer);
    }

    /// Whether a record of this peer may change the table of this member.
    pub(super) fn may_tell(&self, member: usize, peer: u8, term: Term) -> bool {
        if self.known[member].0 as usize == member {
            self.pulled[member].contains(&peer)
        } else {
            term.member() == peer
        }
    }

    pub(super) fn observe(&mut self, at: Micros, members: &[Member], network: &Network) {
        for (index, member) in members.iter().enumerate() {
            let slow = member.operation_us > 200;
            if member.agent.is_none() || member.host_paused(at) || slow {
                self.unwell_until[index] = at;
            }
            if (1..self.ports).any(|port| !network.attached(index, port)) {
                self.unplugged_until[index] = at;
            }
        }
        for port in 0..self.ports {
            for from in 0..self.members {
                for to in (0..self.members).filter(|to| *to != from) {
                    let lane = network.lane(port, from, to);
                    if !network.open(port, from, to) || lane.loss > 100 || lane.corrupt > 100 {
                        let index = self.lane(port, from, to);
                        self.bad_until[index] = at;
                    }
                }
            }
        }
        for member in 0..self.members {
            let others = || (0..self.members).filter(move |other| *other != member);
            let cut =
                |port| others().all(|o| !network.open(port, member, o) && !network.open(port, o, member));
            let alone =
                (0..self.ports).all(cut) && (1..self.ports).all(|port| !network.attached(member, port));
            let since = self.alone_since[member];
            self.alone_since[member] = alone.then(|| since.unwrap_or(at));
        }
    }

    /// Whether a lane in this direction was good all the time since `since`.
    fn heard_since(&self, from: usize, to: usize, since: Micros) -> bool {
        (0..self.ports).any(|port| self.bad_until[self.lane(port, from, to)] < since)
    }

    /// Since when everything is well.
    pub(super) fn well_since(&self) -> Micros {
        let all = self.unwell_until.iter().chain(&self.bad_until).chain(&self.unplugged_until);
        all.copied().max().unwrap_or(0)
    }
}

impl Check {
    /// A core sets the map.
    pub(super) fn mapped(&mut self, at: Micros, member: usize, roles: &Announced, agent: &Agent) {
        if roles.owner as usize != member {
            return;
        }
        self.roles.applied_at_map[member] = agent.nic.counter(Counter::RecordsApplied);
        let by = (member, self.roles.starts[member]);
        let first = *self.roles.terms.entry(roles.term).or_insert(by);
        // A member that starts over with nobody to tell it may use a term again: its session differs.
        if first.0 != by.0 {
            let term = (roles.term.counter(), roles.term.member());
            self.fail(
                at,
                "terms are unique",
                format!("{term:?} raised by {first:?}, again by {by:?} (member, start)"),
            );
        }
        self.roles.terms.insert(roles.term, by);
        let (owner, term) = self.roles.known[member];
        if roles.term < term {
            self.fail(at, "a new term is above every term its member knows", format!("{member}: {roles:?}"));
        }
        if roles.term > term {
            self.roles.before[member] = owner;
        }
        self.roles.known[member] = (roles.owner, roles.term);
    }

    pub(super) fn watch_roles(&mut self, at: Micros, members: &[Member], network: &Network) {
        for (member, term, fence) in std::mem::take(&mut self.roles.takeovers) {
            self.took_over(at, member, term, fence);
        }
        self.watch_service(at, members, network);
    }

    fn took_over(&mut self, at: Micros, member: usize, term: Term, fence: Fence) {
        let owner = self.roles.before[member] as usize;
        if fence == Fence::Released || owner >= self.settings.members || owner == member {
            return;
        }
        let since = at.saturating_sub(self.settings.silent_us + SLACK_US);
        let roles = &self.roles;
        let well = |m: usize| roles.unwell_until[m] < since.saturating_sub(self.settings.silent_us);
        if well(owner) && well(member) && roles.heard_since(owner, member, since) {
            let what = format!("{member} took over from {owner} ({fence:?}, {term:?}), which it could hear");
            return self.fail(at, "no takeover while a path is alive", what);
        }
        let unplugged = self.roles.alone_since[member].is_some_and(|alone| alone < since);
        if unplugged && fence == Fence::Assumed {
            let what = format!("{member} took over from {owner} while unplugged");
            self.fail(at, "an isolated member does not take over", what);
        }
    }

    fn watch_service(&mut self, at: Micros, members: &[Member], network: &Network) {
        let forwarding: Vec<usize> =
            (0..members.len()).filter(|member| members[*member].kernel.forwards(at)).collect();
        if forwarding.len() > 1 {
            self.roles.split_until = Some(at);
            let since = *self.roles.split_since.get_or_insert(at);
            let bound = if self.settings.members == 2 { 0 } else { MEETING_US };
            if self.settings.takeover == Takeover::Safe && at >= since + bound {
                let what = format!("{forwarding:?} forward at once");
                return self.fail(at, "safe takeovers never split", what);
            }
            let met = forwarding.iter().any(|a| {
                forwarding.iter().any(|b| {
                    a != b && {
                        let since = at.saturating_sub(MEETING_US);
                        let sync = self.roles.bad_until[self.roles.lane(0, *a, *b)] < since
                            && self.roles.bad_until[self.roles.lane(0, *b, *a)] < since;
                        let well = |m: &usize| self.roles.unwell_until[*m] < since;
                        sync && well(a) && well(b)
                    }
                })
            });
            if met {
                let what = format!("{forwarding:?} forward although they hear each other");
                return self.fail(at, "on contact the higher term stays", what);
            }
        }
        if forwarding.len() < 2 {
            self.roles.split_since = None;
        }
        for member in &forwarding {
            let bound = 300_000 + 2 * self.settings.silent_us + self.settings.lease_us + SLACK_US;
            let well = self.roles.unwell_until[*member] + bound < at;
            if well && self.roles.alone_since[*member].is_some_and(|since| since + bound < at) {
                let what = format!("{member} forwards, unplugged from everything");
                return self.fail(at, "an isolated member does not serve", what);
            }
        }
        let _ = network;
        if at > self.roles.well_since() + SETTLED_US && at > SETTLED_US {
            let serving: Vec<usize> = (0..members.len()).filter(|m| members[*m].serving()).collect();
            if serving.len() != 1 {
                let what = format!("serving: {serving:?}, and nothing is wrong for {SETTLED_US} us");
                self.fail(at, "one member serves when all is well", what);
            }
        }
    }
}
