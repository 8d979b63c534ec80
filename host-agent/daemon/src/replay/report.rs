//! What a replay found, for people and for programs.

use super::pair::Pair;
use super::Intake;
use formats::flow::{protocol, status, tcp_state};
use formats::limits::{FRAME_CRC_SIZE, FRAME_HEADER_SIZE};
use formats::register::Counter;
use formats::FlowRecord;
use serde_json::{json, Value};
use softnic::{Softnic, Untracked};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counters that name something lost, refused or late; all zero in a replay that went well.
const TROUBLE: [Counter; 12] = [
    Counter::QueueFull,
    Counter::FramesLost,
    Counter::FramesMissing,
    Counter::RecordsStale,
    Counter::RecordsGapped,
    Counter::RecordsNotOwner,
    Counter::RecordsTerm,
    Counter::RecordsFull,
    Counter::RecordsMalformed,
    Counter::DigestsDifferent,
    Counter::DigestsUnproven,
    Counter::AliasesFull,
];
/// What became of flows that packets made.
const LIVES: [Counter; 6] = [
    Counter::FlowsOpened,
    Counter::FlowsReplicated,
    Counter::FlowsReopened,
    Counter::FlowsDropped,
    Counter::FlowsAged,
    Counter::FlowsWaiting,
];

/// The outcome of one capture.
#[derive(Debug)]
pub struct Report {
    /// What was read.
    pub intake: Intake,
    /// Packets that belong to a flow.
    pub tracked: u64,
    /// Packets that do not, by reason.
    pub untracked: BTreeMap<&'static str, u64>,
    /// Flows at the end, by protocol and state.
    pub flows: BTreeMap<(String, &'static str), u64>,
    /// Flows made, reopened, ended.
    pub lives: Vec<(&'static str, u64)>,
    /// Records and bytes that went to the backup, by kind.
    pub records: BTreeMap<&'static str, (u64, u64)>,
    /// Flow records, frames that carried them, and the records' bytes.
    pub updates: (u64, u64, u64),
    /// What was lost, refused or late, at either engine.
    pub trouble: BTreeMap<String, u64>,
    /// Flows and digest of owner and backup.
    pub digests: [(u64, u64); 2],
    /// Whether each bucket's digest is equal.
    pub equal: bool,
    /// Books of owner and backup.
    pub books: [Result<(), String>; 2],
}

fn protocol_name(number: u8) -> String {
    match number {
        protocol::TCP => "TCP".into(),
        protocol::UDP => "UDP".into(),
        protocol::ICMP => "ICMP".into(),
        protocol::ICMPV6 => "ICMPv6".into(),
        protocol::SCTP => "SCTP".into(),
        protocol::GRE => "GRE".into(),
        protocol::ESP => "ESP".into(),
        other => format!("protocol {other}"),
    }
}

fn state_name(record: &FlowRecord) -> &'static str {
    match record.tcp_state {
        _ if record.key.protocol != protocol::TCP => match record.status {
            bits if bits & status::ASSURED != 0 => "assured",
            bits if bits & status::SEEN_REPLY != 0 => "answered",
            _ => "one way",
        },
        tcp_state::SYN_SENT => "SYN_SENT",
        tcp_state::SYN_RECV => "SYN_RECV",
        tcp_state::ESTABLISHED => "ESTABLISHED",
        tcp_state::FIN_WAIT => "FIN_WAIT",
        tcp_state::CLOSE_WAIT => "CLOSE_WAIT",
        tcp_state::LAST_ACK => "LAST_ACK",
        tcp_state::TIME_WAIT => "TIME_WAIT",
        tcp_state::CLOSE => "CLOSE",
        tcp_state::SYN_SENT2 => "SYN_SENT2",
        _ => "NONE",
    }
}

fn counter_name(counter: Counter) -> &'static str {
    Counter::ALL[counter as usize].1
}

impl Report {
    pub(super) fn new(pair: &Pair, intake: Intake) -> Self {
        let (owner, backup) = (pair.owner(), pair.backup());
        let reason =
            |reason: &Untracked| Some((reason.name(), owner.counter(reason.counter()))).filter(|r| r.1 > 0);
        let mut flows = BTreeMap::new();
        for (record, ..) in owner.flows() {
            *flows.entry((protocol_name(record.key.protocol), state_name(record))).or_insert(0) += 1;
        }
        let mut trouble = BTreeMap::new();
        for (name, engine) in [("owner", owner), ("backup", backup)] {
            for counter in TROUBLE.into_iter().filter(|counter| engine.counter(*counter) > 0) {
                trouble.insert(format!("{name} {}", counter_name(counter)), engine.counter(counter));
            }
        }
        let tally = pair.tally();
        let books = |engine: &Softnic| engine.balance();
        Self {
            tracked: owner.counter(Counter::PacketsTracked),
            untracked: Untracked::ALL.iter().filter_map(reason).collect(),
            flows,
            lives: LIVES.into_iter().map(|counter| (counter_name(counter), owner.counter(counter))).collect(),
            records: tally.records.clone(),
            updates: (tally.updates, tally.frames, tally.bytes),
            trouble,
            digests: [Pair::digest(owner), Pair::digest(backup)],
            equal: pair.agree(),
            books: [books(owner), books(backup)],
            intake,
        }
    }

    /// Whether packets read equal packets that left.
    pub fn packets_balance(&self) -> bool {
        let untracked: u64 = self.untracked.values().sum();
        self.intake.packets == self.intake.foreign + self.tracked + untracked
    }

    /// Whether digests are equal and all books close.
    pub fn proven(&self) -> bool {
        self.equal && self.packets_balance() && self.books.iter().all(Result::is_ok)
    }

    /// Whether it is proven and the capture was read to its end.
    pub fn passed(&self) -> bool {
        self.proven() && self.intake.fault.is_none()
    }

    /// Bytes of a flow record in the mean, alone and with the headers and checksums of its frames.
    pub fn bytes_per_update(&self) -> [f64; 2] {
        let (updates, frames, bytes) = self.updates;
        let overhead = frames * (FRAME_HEADER_SIZE + FRAME_CRC_SIZE) as u64;
        [bytes, bytes + overhead].map(|bytes| bytes as f64 / updates.max(1) as f64)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut flows: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((protocol, state), count) in &self.flows {
            flows.entry(protocol).or_default().insert(state, *count);
        }
        let records: BTreeMap<_, _> = self
            .records
            .iter()
            .map(|(kind, (count, bytes))| (kind, json!({ "count": count, "bytes": bytes })))
            .collect();
        let digest = |(flows, sum): (u64, u64)| json!({ "flows": flows, "sum": format!("{sum:016x}") });
        let books =
            |books: &Result<(), String>| books.as_ref().err().cloned().unwrap_or_else(|| "closed".into());
        json!({
            "packets": self.intake.packets,
            "cut": self.intake.cut,
            "foreign": self.intake.foreign,
            "bytes_read": self.intake.bytes,
            "fault": self.intake.fault.as_ref().map(ToString::to_string),
            "tracked": self.tracked,
            "untracked": self.untracked,
            "flows": flows,
            "lives": self.lives.iter().copied().collect::<BTreeMap<_, _>>(),
            "records": records,
            "updates": self.updates.0,
            "update_frames": self.updates.1,
            "update_bytes": self.updates.2,
            "bytes_per_update": self.bytes_per_update()[0],
            "bytes_per_update_on_wire": self.bytes_per_update()[1],
            "trouble": self.trouble,
            "digests": { "owner": digest(self.digests[0]), "backup": digest(self.digests[1]), "equal": self.equal },
            "books": { "owner": books(&self.books[0]), "backup": books(&self.books[1]), "packets": self.packets_balance() },
            "passed": self.passed(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let Intake { packets, cut, foreign, .. } = self.intake;
        let mut line = |text: String| writeln!(out, "  {text}").expect("a string takes all text");
        line(format!(
            "packets {packets}: tracked {}, {cut} cut by the capture, {foreign} of a foreign link",
            self.tracked
        ));
        for (reason, count) in &self.untracked {
            line(format!("untracked {count}: {reason}"));
        }
        for ((protocol, state), count) in &self.flows {
            line(format!("flows {count}: {protocol} {state}"));
        }
        let lives: Vec<_> = self.lives.iter().map(|(name, count)| format!("{name} {count}")).collect();
        line(lives.join(", "));
        for (kind, (count, bytes)) in &self.records {
            line(format!("records {count}: {kind}, {bytes} B"));
        }
        let (updates, frames, bytes) = self.updates;
        let [alone, on_wire] = self.bytes_per_update();
        line(format!(
            "updates {updates} of {bytes} B in {frames} frames: {alone:.1} B an update, {on_wire:.1} B with its frame"
        ));
        for (name, count) in &self.trouble {
            line(format!("trouble {count}: {name}"));
        }
        let [owner, backup] = self.digests;
        let verdict = if self.equal { "equal" } else { "NOT EQUAL" };
        line(format!(
            "digests {verdict}: {} flows {:016x}, {} flows {:016x}",
            owner.0, owner.1, backup.0, backup.1
        ));
        for (name, books) in ["owner", "backup"].iter().zip(&self.books) {
            if let Err(gap) = books {
                line(format!("books of the {name} DO NOT CLOSE: {gap}"));
            }
        }
        if self.books.iter().all(Result::is_ok) {
            line(if self.packets_balance() {
                "books closed".into()
            } else {
                "packets DO NOT BALANCE".into()
            });
        }
        if let Some(fault) = &self.intake.fault {
            line(format!("FAULT after {packets} packets: {fault}"));
        }
        out
    }
}
