//! Kernel events become commands: only flows that this member serves, and that can move.

use crate::io::{Action, Change, KernelFlow, Unprotected};
use crate::mend::Cause;
use crate::Core;
use formats::descriptor::{upsert, Command};
use formats::{Family, FlowKey, FlowRecord};
use std::collections::BTreeMap;

/// Flows whose reason is remembered one by one; beyond that they are only counted.
const UNPROTECTED_MAX: usize = 65_536;

/// What the source side remembers.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The member's own addresses, the moving ones left out.
    pub(crate) local: Vec<(Family, u128)>,
    unprotected: BTreeMap<FlowKey, Unprotected>,
    /// Times something else than this agent changed the kernel entry of a copy.
    pub(crate) strays_count: u64,
    pub(crate) local_count: u64,
    pub(crate) forgotten_count: u64,
}

impl Source {
    pub(crate) fn unprotected(&mut self, key: FlowKey, reason: Unprotected) {
        if self.unprotected.len() < UNPROTECTED_MAX || self.unprotected.contains_key(&key) {
            self.unprotected.insert(key, reason);
        } else {
            self.forgotten_count += 1;
        }
    }

    /// Unprotected flows by reason.
    pub(crate) fn unprotected_counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.unprotected.values() {
            *counts.entry(reason.name()).or_insert(0) += 1;
        }
        counts
    }
}

impl Core {
    /// Whether the gateway itself is an end point: its sockets cannot move.
    fn is_local(&self, record: &FlowRecord) -> bool {
        let family = record.key.family;
        let serves = record.alias().map_or(record.key.dst, |alias| alias.src);
        let own = |address: u128| self.source.local.contains(&(family, address));
        let moving = |address: u128| self.config.moving.contains(&(family, address));
        own(record.key.src) || own(serves) || moving(record.key.src) || moving(serves)
    }

    /// Translated to a source that does not move with the group.
    fn address_stays(&self, record: &FlowRecord) -> bool {
        record.alias().is_some_and(|alias| {
            alias.dst != record.key.src && !self.config.moving.contains(&(record.key.family, alias.dst))
        })
    }

    /// Why a flow of the kernel is none of ours to replicate; `Ok` if it is.
    fn admit(&mut self, flow: &KernelFlow) -> bool {
        if self.is_local(&flow.record) {
            self.source.local_count += 1;
            return false;
        }
        let stays = self.address_stays(&flow.record).then_some(Unprotected::AddressStays);
        match flow.unprotected.or(stays) {
            Some(reason) => {
                self.source.unprotected(flow.record.key, reason);
                false
            }
            None => true,
        }
    }

    pub(crate) fn kernel_event(&mut self, change: Change, flow: &KernelFlow, out: &mut Vec<Action>) {
        let key = flow.record.key;
        if change == Change::Destroy {
            self.source.unprotected.remove(&key);
        }
        if self.group.owner != self.config.member {
            if !self.is_local(&flow.record) && change != Change::New {
                self.source.strays_count += 1;
                self.mend(key, Cause::Touched);
            }
            return;
        }
        let cookie = if self.races.event(&key, change) { flow.ct_id } else { 0 };
        match change {
            Change::Destroy => out.push(Action::Nic(Command::Delete { cookie: flow.ct_id, key })),
            Change::New | Change::Update => {
                if self.admit(flow) {
                    let flags = if change == Change::New && !self.is_late() { upsert::NEW } else { 0 };
                    out.push(Action::Nic(Command::Upsert { flags, cookie, record: flow.record }));
                }
            }
        }
    }

    pub(crate) fn audit_row(&mut self, flow: &KernelFlow, out: &mut Vec<Action>) {
        if self.audit.running() && self.admit(flow) {
            self.audit.rows += 1;
            let flags = if self.audit.whole { upsert::AUDIT } else { upsert::AUDIT | upsert::PROPOSE };
            out.push(Action::Nic(Command::Upsert { flags, cookie: flow.ct_id, record: flow.record }));
        }
    }
}
