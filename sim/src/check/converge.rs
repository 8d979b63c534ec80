//! Once everything is healed and the load has stopped, one member serves, every copy equals it, every
//! kernel equals its engine, and all say so.

use super::Check;
use crate::member::{Agent, Member};
use crate::workload::life_of;
use formats::{FlowKey, FlowRecord, Groups};
use std::collections::BTreeMap;
use trine_core::State;

/// What both sides of a kernel and its engine know of a flow.
fn shared(record: &FlowRecord) -> (u8, u16, u32, u128, [u8; 2], Option<formats::Nat>) {
    let nat = record.groups.has(Groups::NAT).then_some(record.nat);
    (record.tcp_state, record.status, record.mark, record.labels, record.scales, nat)
}

/// A record without what is no part of the replicated state.
fn image(record: &FlowRecord) -> FlowRecord {
    FlowRecord { lifetime_s: 0, ..*record }
}

fn table(agent: &Agent) -> BTreeMap<FlowKey, (FlowRecord, u64)> {
    agent.nic.flows().map(|(record, stamp, _)| (record.key, (image(record), stamp.version))).collect()
}

/// How two tables differ, for the first flow that differs.
fn difference<V: PartialEq + std::fmt::Debug>(
    a: &BTreeMap<FlowKey, V>,
    b: &BTreeMap<FlowKey, V>,
) -> Option<(FlowKey, String)> {
    let key = a.keys().chain(b.keys()).find(|key| a.get(key) != b.get(key))?;
    Some((*key, format!("{:?} and {:?}", a.get(key), b.get(key))))
}

/// Why a cluster is not whole, and the flow that shows it.
pub(super) type Unequal = (String, Option<FlowKey>);

impl Check {
    /// Whether the cluster has converged.
    pub fn converged(&self, members: &[Member]) -> Result<(), Unequal> {
        let plain = |what: String| (what, None);
        let mut agents = Vec::new();
        for (index, member) in members.iter().enumerate() {
            agents.push(member.agent.as_ref().ok_or_else(|| plain(format!("{index} has no agent")))?);
        }
        let serving: Vec<usize> = (0..members.len()).filter(|m| members[*m].serving()).collect();
        let [owner] = serving[..] else { return Err(plain(format!("serving: {serving:?}"))) };
        let truth = agents[owner].core.status();
        for (index, agent) in agents.iter().enumerate() {
            let status = agent.core.status();
            if status.owner != Some(owner as u8) || status.term != truth.term {
                return Err(plain(format!(
                    "{index} knows {:?} {:?}, {owner} serves",
                    status.owner, status.term
                )));
            }
            if index != owner && status.state != State::Standby {
                let (state, verified) = (status.state.name(), status.verified_buckets);
                return Err(plain(format!("{index} is {state}, {verified} buckets verified")));
            }
            if !status.in_sync {
                let why = format!(
                    "{} verified, {:?}, peers {:?}",
                    status.verified_buckets, status.coverage, status.peers
                );
                return Err(plain(format!("{index} is not in sync: {why}")));
            }
            if members[index].kernel.has_events() || !agent.writer.is_empty() || agent.dump.is_some() {
                let (events, operations) = (members[index].kernel.has_events(), agent.writer.len());
                let what = format!("events {events}, operations {operations}, dump {:?}", agent.dump);
                return Err(plain(format!("{index} is still at work: {what}")));
            }
        }
        for (index, agent) in agents.iter().enumerate() {
            let engine: BTreeMap<_, _> = agent.nic.flows().map(|(r, ..)| (r.key, shared(r))).collect();
            let kernel: BTreeMap<_, _> =
                members[index].kernel.entries().iter().map(|(key, e)| (*key, shared(&e.record))).collect();
            if let Some((key, what)) = difference(&engine, &kernel) {
                let life = agent.nic.flow(&key).map(|(record, ..)| life_of(&record));
                return Err((format!("engine and kernel of {index}, life {life:?}: {what}"), Some(key)));
            }
        }
        let roles = agents[owner].nic.roles(0);
        for (index, agent) in agents.iter().enumerate() {
            if index != owner && roles.backup as usize != index && roles.remote as usize != index {
                return Err(plain(format!("{index} holds no copy")));
            }
            for bucket in 0..formats::limits::BUCKETS_COUNT as u16 {
                if agent.nic.bucket_digest(bucket) != agents[owner].nic.bucket_digest(bucket) {
                    let tables = difference(&table(agents[owner]), &table(agent));
                    let (key, what) = tables.map_or((None, "no flow differs".into()), |(k, w)| (Some(k), w));
                    return Err((
                        format!("bucket {bucket}: digests of {owner} and {index} differ: {what}"),
                        key,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether what says that it is equal is equal.
    pub fn equal(&self, members: &[Member]) -> Result<(), Unequal> {
        let Some(owner) = members.iter().position(Member::serving) else {
            return Err(("none serves".into(), None));
        };
        let agents: Vec<&Agent> = members.iter().filter_map(|member| member.agent.as_ref()).collect();
        let truth = table(agents[owner]);
        for (index, agent) in agents.iter().enumerate() {
            if let Some((key, what)) = difference(&truth, &table(agent)) {
                return Err((format!("tables of {owner} and {index}: {what}"), Some(key)));
            }
        }
        Ok(())
    }

    /// Whether every engine's books close.
    pub fn books(&self, members: &[Member]) -> Result<(), String> {
        for (index, member) in members.iter().enumerate() {
            if let Some(agent) = &member.agent {
                agent.nic.balance().map_err(|why| format!("{index}: {why}"))?;
            }
        }
        Ok(())
    }
}
