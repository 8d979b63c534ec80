//! Every rule the simulator checks, and the history that explains a violation.
//!
//! Enters: what goes in and out of cores, engines and kernels, and looks at the whole cluster. Leaves:
//! the first violation. Checkers see everything and change nothing.
//!
//! - [`roles`]: terms, takeovers, who serves.
//! - [`flows`]: nothing protected is lost, nothing goes back, nothing ended comes back.
//! - [`claims`]: what is said to be equal is equal.
//! - [`converge`]: once everything is healed, every copy is the same and says so.

mod claims;
mod converge;
mod flows;
mod roles;

use crate::clock::Micros;
use crate::member::{Agent, Member, Settings};
use crate::network::Network;
use crate::workload::{life_of, Progress, What, Workload};
use formats::descriptor::{Command, Event};
use formats::{FlowDigester, FlowKey, FlowRecord, Stamp};
use std::collections::BTreeMap;
use trine_core::{Input, KernelOp, Log};

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When.
    pub at: Micros,
    /// The rule.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
    /// The flow it is about.
    pub key: Option<FlowKey>,
}

/// One entry of a flow's history.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // names say it
pub enum Note {
    Traffic { life: usize, what: What },
    Upsert { life: usize, flags: u8, at: Progress },
    Delete { cookie: u32 },
    Applied { peer: u8, life: usize, at: Progress, stamp: Stamp, created: bool },
    Deleted { peer: u8 },
    Merge { peer: u8, life: usize, ours: Option<usize> },
    Kernel { op: &'static str, life: usize, at: Progress },
    Expired { life: usize },
}

/// Notes kept per flow, and lines kept of the cluster's log.
const NOTES_MAX: usize = 4_000;

/// The checkers.
pub struct Check {
    /// The first violation.
    pub violation: Option<Violation>,
    /// What the members logged and what happened to them.
    pub journal: Vec<(Micros, String)>,
    histories: BTreeMap<FlowKey, Vec<(Micros, usize, Note)>>,
    digester: FlowDigester,
    hasher: Box<formats::FlowHasher>,
    settings: Settings,
    roles: roles::Roles,
    flows: flows::Flows,
    claims: claims::Verdicts,
}

impl Check {
    /// Checkers of a new cluster.
    pub fn new(settings: &Settings) -> Self {
        Self {
            violation: None,
            journal: Vec::new(),
            histories: BTreeMap::new(),
            digester: FlowDigester::new(&Settings::secret()),
            hasher: Box::new(formats::FlowHasher::new(&Settings::secret())),
            settings: *settings,
            roles: roles::Roles::new(settings),
            flows: flows::Flows::new(settings),
            claims: claims::Verdicts::new(settings),
        }
    }

    /// Notes a broken rule; the first one counts.
    pub fn fail(&mut self, at: Micros, rule: &'static str, what: String) {
        self.fail_flow(at, rule, what, None);
    }

    fn fail_flow(&mut self, at: Micros, rule: &'static str, what: String, key: Option<FlowKey>) {
        if self.violation.is_none() {
            self.violation = Some(Violation { at, rule, what, key });
        }
    }

    /// Adds a line to the journal.
    pub fn note(&mut self, at: Micros, line: String) {
        self.journal.push((at, line));
    }

    fn remember(&mut self, at: Micros, member: usize, key: FlowKey, note: Note) {
        let notes = self.histories.entry(key).or_default();
        if notes.len() < NOTES_MAX {
            notes.push((at, member, note));
        }
    }

    /// A flow's history.
    pub fn history(&self, key: &FlowKey) -> &[(Micros, usize, Note)] {
        self.histories.get(key).map_or(&[], Vec::as_slice)
    }

    /// An input is about to enter a core.
    pub fn input(&mut self, _at: Micros, _member: usize, _input: &Input, _agent: &Agent) {}

    /// An event of an engine is about to enter its core.
    pub fn nic_event(&mut self, at: Micros, member: usize, event: &Event, agent: &Agent) {
        match event {
            Event::Applied { peer, sequence, created, record, stamp, .. } => {
                let (life, progress) = (life_of(record), Progress::of(record));
                let note =
                    Note::Applied { peer: *peer, life, at: progress, stamp: *stamp, created: *created };
                self.remember(at, member, record.key, note);
                // Sequence 0: a host that was too slow is told again what the table holds.
                if *sequence != 0 {
                    self.applied(at, member, *peer, record, *stamp, agent);
                }
            }
            Event::Deleted { peer, key, .. } => {
                self.remember(at, member, *key, Note::Deleted { peer: *peer });
                self.deleted(member, key, agent);
            }
            Event::Merge { peer, theirs, ours, .. } => {
                let (life, ours) = (life_of(theirs), ours.as_ref().map(life_of));
                self.flows.proposers.entry(life).or_default().insert(*peer as usize);
                self.remember(at, member, theirs.key, Note::Merge { peer: *peer, life, ours });
            }
            Event::Compared { peer, bucket, state, .. } => {
                self.compared(at, member, *peer, *bucket, *state, agent);
            }
            Event::Term { peer, roles, released, .. } => {
                let line = format!(
                    "{member}: TERM from {peer}: {:?} owner {} backup {} remote {} released {released}",
                    (roles.term.counter(), roles.term.member()),
                    roles.owner,
                    roles.backup,
                    roles.remote
                );
                if roles.bucket == 0 {
                    self.note(at, line);
                }
                self.roles.heard(member, roles);
            }
            Event::FrameEnd { .. }
            | Event::Session { .. }
            | Event::Path { .. }
            | Event::NotOwner { .. }
            | Event::Row { .. }
            | Event::ScanEnd { .. }
            | Event::AuditMissing { .. }
            | Event::AuditExtra { .. }
            | Event::AuditEnd
            | Event::Full { .. }
            | Event::Coverage { .. } => {}
        }
    }

    /// A command is about to enter an engine.
    pub fn command(&mut self, at: Micros, member: usize, command: &Command, agent: &Agent) {
        match command {
            Command::Upsert { flags, record, .. } => {
                let life = agent.nic.flow(&record.key).map_or(life_of(record), |(held, ..)| {
                    if record.groups.has(formats::Groups::MARK) {
                        life_of(record)
                    } else {
                        life_of(&held)
                    }
                });
                let note = Note::Upsert { life, flags: *flags, at: Progress::of(record) };
                self.remember(at, member, record.key, note);
            }
            Command::Delete { cookie, key } => {
                self.remember(at, member, *key, Note::Delete { cookie: *cookie });
                self.deleting(member, key, agent);
            }
            Command::Map(roles) => self.mapped(at, member, roles, agent),
            Command::AskRepair { peer, pull: true, .. } => self.roles.pulls(member, *peer),
            // The others name neither a flow nor a term.
            _ => {}
        }
    }

    /// A command has entered an engine.
    pub fn commanded(&mut self, _at: Micros, member: usize, command: &Command, agent: &Agent) {
        if let Command::Delete { key, .. } = command {
            self.deleted(member, key, agent);
        }
    }

    /// A kernel is about to perform an operation.
    pub fn operation(&mut self, at: Micros, member: usize, op: &KernelOp) {
        let (name, record) = match op {
            KernelOp::Create { record, .. } => ("create", *record),
            KernelOp::Update { record, .. } => ("update", *record),
            KernelOp::Recreate { record, .. } => ("recreate", *record),
            KernelOp::Remove { key, .. } => ("remove", FlowRecord { key: *key, ..FlowRecord::default() }),
            KernelOp::Verify { key, .. } => ("verify", FlowRecord { key: *key, ..FlowRecord::default() }),
        };
        let note = Note::Kernel { op: name, life: life_of(&record), at: Progress::of(&record) };
        self.remember(at, member, record.key, note);
    }

    /// A member logged something.
    pub fn log(&mut self, at: Micros, member: usize, log: &Log) {
        self.note(at, format!("{member}: {log:?}"));
        if let Log::Takeover { term, fence, .. } = log {
            self.roles.takeovers.push((member, *term, *fence));
        }
    }

    /// An agent has started.
    pub fn agent_started(&mut self, at: Micros, member: usize) {
        self.note(at, format!("{member}: agent starts"));
        self.roles.started(member);
        self.claims.clear(member);
        self.flows.agent_started(member);
        self.flows.started_at[member] = at;
    }

    /// An agent is gone.
    pub fn agent_gone(&mut self, at: Micros, member: usize, how: &str) {
        self.note(at, format!("{member}: agent {how}"));
        self.flows.agent_started(member);
    }

    /// A kernel table is gone.
    pub fn kernel_gone(&mut self, at: Micros, member: usize) {
        self.note(at, format!("{member}: kernel table gone"));
        self.flows.kernel_gone(member);
    }

    /// A kernel ended an entry by time.
    pub fn expired(&mut self, at: Micros, member: usize, record: &FlowRecord) {
        self.remember(at, member, record.key, Note::Expired { life: life_of(record) });
    }

    /// Something is wrong from now on, or was until now: rules that need a whole cluster start over.
    pub fn disturbed(&mut self, at: Micros, members: &[Member], network: &Network) {
        self.roles.observe(at, members, network);
    }

    /// Looks at the whole cluster.
    pub fn watch(&mut self, at: Micros, members: &[Member], network: &Network, load: &Workload) {
        self.roles.observe(at, members, network);
        self.watch_roles(at, members, network);
        self.watch_flows(at, members, load);
    }
}
