//! Races: an owner's operations on its kernel against the packets of the same flows.
//!
//! What a join, a pulled record, a mend, or a standby just before its takeover asked for is performed behind
//! packets that came after it was decided, and takes the kernel's state back: the kernel cannot compare and
//! swap. So a flow's race is open from the operation until it is performed and every event raised before is
//! read. If an event of the flow came in between, the NIC holds the newer state, and it is written again.
//! Until then no audit begins, whose rows would take the NIC back instead.
//!
//! Enters: operations issued and performed, what the kernel refused, events of flows served here. Leaves:
//! requests to drain the event source, and keys to be mended.
//!
//! Limit: one entry per operation under way or not drained; walks pause at
//! [`crate::sink::OUTSTANDING_MAX`] of the former.

use crate::io::{Action, Change, KernelOp};
use crate::mend::Cause;
use crate::Core;
use formats::FlowKey;
use std::collections::{BTreeMap, VecDeque};

/// What an operation may do to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// Nothing that packets state.
    Harmless,
    /// Its state changes.
    Changes,
    /// The entry there is another, or none, afterwards.
    Replaces,
}

fn effect(op: &KernelOp) -> (FlowKey, Effect) {
    match op {
        KernelOp::Update { record, .. } if record.groups.is_empty() => (record.key, Effect::Harmless),
        KernelOp::Update { record, .. } => (record.key, Effect::Changes),
        KernelOp::Create { record, .. } | KernelOp::Recreate { record, .. } => (record.key, Effect::Replaces),
        KernelOp::Remove { key, .. } => (*key, Effect::Replaces),
        KernelOp::Verify { key, .. } => (*key, Effect::Harmless),
    }
}

/// A flow with operations that are not settled.
#[derive(Debug, Default)]
struct Race {
    /// Operations under way, or performed and not drained.
    operations_count: u32,
    replaces: bool,
    /// Why the entry is to be written again.
    cause: Option<Cause>,
    /// The last event told of an end.
    ended: bool,
}

/// The races of this member.
#[derive(Debug, Default)]
pub(crate) struct Races {
    serving: bool,
    /// Operations under way, in the order of their performance; on a copy, too: it may be owner before they
    /// are performed.
    under_way: VecDeque<(FlowKey, Effect)>,
    performed: u64,
    /// Performed, with their numbers; events raised before may not be read yet.
    undrained: VecDeque<(u64, FlowKey)>,
    open: BTreeMap<FlowKey, Race>,
    /// The source is drained for the operations up to this one.
    draining: Option<u64>,
}

impl Races {
    fn enter(&mut self, key: FlowKey, effect: Effect) {
        if effect != Effect::Harmless {
            let race = self.open.entry(key).or_default();
            race.operations_count += 1;
            race.replaces |= effect == Effect::Replaces;
        }
    }

    pub(crate) fn issued(&mut self, op: &KernelOp) {
        let (key, effect) = effect(op);
        self.under_way.push_back((key, effect));
        if self.serving {
            self.enter(key, effect);
        }
    }

    /// This member begins to serve: what it asked for as a copy races from now on.
    pub(crate) fn begin(&mut self) {
        self.end();
        self.serving = true;
        for (key, effect) in std::mem::take(&mut self.under_way) {
            self.enter(key, effect);
            self.under_way.push_back((key, effect));
        }
    }

    /// This member does not serve: its kernel follows the NIC whatever packets do.
    pub(crate) fn end(&mut self) {
        self.serving = false;
        self.open.clear();
        self.undrained.clear();
    }

    /// An event of a flow served here. Returns whether it names the life: while the entry may be replaced
    /// its id says nothing.
    pub(crate) fn event(&mut self, key: &FlowKey, change: Change) -> bool {
        let Some(race) = self.open.get_mut(key) else { return true };
        race.ended = change == Change::Destroy;
        race.cause = if race.ended { None } else { race.cause.max(Some(Cause::Overtaken)) };
        !race.replaces
    }

    /// The kernel refused an operation; returns whether the flow's race takes care of it.
    pub(crate) fn refused(&mut self, key: &FlowKey) -> bool {
        let race = self.open.get_mut(key);
        race.map(|race| race.cause = Some(Cause::Refused)).is_some()
    }

    pub(crate) fn are_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Operations were performed.
    pub(crate) fn performed(&mut self, count: u64, out: &mut Vec<Action>) {
        for (key, effect) in self.under_way.drain(..count as usize) {
            self.performed += 1;
            if self.serving && effect != Effect::Harmless {
                self.undrained.push_back((self.performed, key));
            }
        }
        self.drain_if_due(out);
    }

    fn drain_if_due(&mut self, out: &mut Vec<Action>) {
        if !self.undrained.is_empty() && self.draining.is_none() {
            self.draining = Some(self.performed);
            out.push(Action::Drain);
        }
    }

    /// The next race without operations among those up to `performed`.
    fn close_next(&mut self, performed: u64) -> Option<(FlowKey, Race)> {
        while self.undrained.front().is_some_and(|(number, _)| *number <= performed) {
            let (_, key) = self.undrained.pop_front().expect("there is a front");
            let race = self.open.get_mut(&key).expect("an operation keeps its race open");
            race.operations_count -= 1;
            if race.operations_count == 0 {
                return self.open.remove_entry(&key);
            }
        }
        None
    }
}

impl Core {
    /// The event source was drained: every event raised before these operations were performed is in the NIC.
    pub(crate) fn settle_races(&mut self, out: &mut Vec<Action>) {
        let Some(performed) = self.races.draining.take() else { return };
        while let Some((key, race)) = self.races.close_next(performed) {
            if race.ended && race.replaces {
                // The flow ended, and the operation may have brought it back.
                self.issue(KernelOp::Remove { key, ct_id: 0 }, out);
            } else if let Some(cause) = race.cause {
                self.mend(key, cause);
            }
        }
        self.races.drain_if_due(out);
    }
}
