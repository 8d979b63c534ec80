//! What is said to be equal is equal: a copy may report a bucket as equal only for a digest of its owner
//! that it compared, and only if both tables were the same at that place of the stream.
//!
//! The simulator adds its own strong digest to every claim on the wire, taken from the sender's table.
//! A table that has moved on since decides nothing.

use super::Check;
use crate::clock::Micros;
use crate::cluster::Claims;
use crate::member::{Agent, Settings};
use formats::descriptor::BucketState;
use formats::limits::UNIT_SIZE;
use formats::unit::kind;
use formats::{Groups, Record};
use softnic::Softnic;
use std::collections::BTreeMap;

/// What the simulator thinks of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Equal,
    /// Sums on both sides agree, the tables do not.
    Different,
    /// One of the tables has moved on.
    Moved,
}

/// Claims that arrived and were not reported yet.
pub(super) struct Verdicts(Vec<BTreeMap<u16, Vec<Verdict>>>);

impl Verdicts {
    pub(super) fn new(settings: &Settings) -> Self {
        Self(vec![BTreeMap::new(); settings.members])
    }

    pub(super) fn clear(&mut self, member: usize) {
        self.0[member].clear();
    }
}

impl Check {
    /// The true digest of every bucket asked for. Most are empty, and need no walk over the table.
    fn true_sums(&self, nic: &Softnic, buckets: impl Iterator<Item = u16>) -> BTreeMap<u16, u64> {
        let mut sums: BTreeMap<u16, u64> = buckets.map(|bucket| (bucket, 0)).collect();
        if sums.keys().all(|bucket| nic.bucket_digest(*bucket).0 == 0) {
            return sums;
        }
        for (record, ..) in nic.flows() {
            if let Some(sum) = sums.get_mut(&self.hasher.flow_id(&record.key).bucket()) {
                let image = formats::FlowRecord { groups: Groups(record.groups.0), ..*record };
                *sum = sum.wrapping_add(self.digester.flow_digest(&image));
            }
        }
        sums
    }

    /// The claims of a frame that leaves: digests that still describe the sender's table.
    pub fn claims(&self, mut units: &[u8], nic: &Softnic) -> Claims {
        let mut claimed = Vec::new();
        while let [first, length, ..] = *units {
            if matches!(first, kind::DIGEST | kind::SNAPSHOT_END) {
                match Record::decode(units) {
                    Ok((Record::Digest(unit), _)) => claimed.push((unit.bucket, unit.sum)),
                    Ok((Record::SnapshotEnd(unit), _)) => claimed.push((unit.bucket, unit.digest)),
                    Ok(_) | Err(_) => {}
                }
            }
            units = &units[(length as usize * UNIT_SIZE).clamp(UNIT_SIZE, units.len())..];
        }
        if claimed.is_empty() {
            return Claims::new();
        }
        let sums = self.true_sums(nic, claimed.iter().map(|(bucket, _)| *bucket));
        // A bucket that moved on since its digest was written is marked by a sum that fits nothing.
        let current = |bucket: u16, sum: u64| nic.bucket_digest(bucket).1 == sum;
        claimed
            .iter()
            .map(|(bucket, sum)| (*bucket, if current(*bucket, *sum) { *sum } else { !*sum }, sums[bucket]))
            .collect()
    }

    /// Claims have arrived and their frame was taken.
    pub fn judge_claims(&mut self, member: usize, nic: &Softnic, claims: &Claims) {
        let sums = self.true_sums(nic, claims.iter().map(|(bucket, ..)| *bucket));
        for (bucket, wire, truth) in claims {
            let verdict = if nic.bucket_digest(*bucket).1 != *wire {
                Verdict::Moved
            } else if sums[bucket] == *truth {
                Verdict::Equal
            } else {
                Verdict::Different
            };
            self.claims.0[member].entry(*bucket).or_default().push(verdict);
        }
    }

    /// What arrived before is reported.
    pub fn forget_claims(&mut self, member: usize) {
        self.claims.0[member].clear();
    }

    /// An engine reports how a copy compares.
    pub(super) fn compared(
        &mut self,
        at: Micros,
        member: usize,
        peer: u8,
        bucket: u16,
        state: BucketState,
        agent: &Agent,
    ) {
        if state != BucketState::Equal {
            return;
        }
        let verdicts = self.claims.0[member].get(&bucket).cloned().unwrap_or_default();
        let fine = |verdict: &Verdict| matches!(verdict, Verdict::Equal | Verdict::Moved);
        if verdicts.iter().any(fine) {
            return;
        }
        let count = agent.nic.bucket_digest(bucket).0;
        let what = format!(
            "{member} says bucket {bucket} ({count} flows) equals that of {peer}; verdicts {verdicts:?}"
        );
        let key = agent
            .nic
            .flows()
            .map(|(record, ..)| record.key)
            .find(|k| self.hasher.flow_id(k).bucket() == bucket);
        self.fail_flow(at, "what is said to be equal is equal", what, key);
    }
}
