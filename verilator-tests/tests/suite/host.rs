//! The host of an engine or a card: its clock, audit, commands and word on buckets, and what becomes of requests.

use super::engine::{Model, Words, MEMBER};
use formats::descriptor::Command;
use formats::limits::MEMBER_NONE;
use formats::FlowRecord;
use hw::layout::{self, Entry};
use hw::map::flag;
use hw::table::commands;
use std::collections::VecDeque;
use verilator_tests::{Agent, Bench, Input, Port, Result};

/// The host's ports, and what was seen of them.
pub(super) struct Host {
    pub(super) ready: Port<bool>,
    pub(super) time: Input<u64>,
    audit: Input<u8>,
    is_auditing: Input<bool>,
    pub(super) command_valid: Input<bool>,
    command_ready: Port<bool>,
    command_kind: Input<u8>,
    command_flags: Input<u8>,
    command_word: Input<Words>,
    pub(super) roles_valid: Input<bool>,
    roles_ready: Port<bool>,
    roles_bucket: Input<u16>,
    roles_word: Input<u64>,
    roles_set: Input<u8>,
    roles_clear: Input<u8>,
    roles_copy_set: Input<u8>,
    roles_copy_clear: Input<u8>,
    out_valid: Port<bool>,
    out_source: Port<u8>,
    out_outcome: Port<u8>,
    out_refusal: Port<u8>,
    out_created: Port<bool>,
    out_id: Port<u64>,
    out_entry: Port<Words>,
    /// The cycle before the last edge, if a command was taken in it.
    pub(super) took_command: Option<u64>,
    pub(super) took_roles: bool,
    pub(super) outcomes: VecDeque<Outcome>,
}

/// What became of a request.
pub(super) struct Outcome {
    pub(super) cycle: u64,
    pub(super) source: u8,
    pub(super) outcome: u8,
    pub(super) refusal: u8,
    pub(super) created: bool,
    pub(super) id: u64,
    pub(super) entry: Words,
}

/// The host's word on a bucket.
pub(super) struct Roles {
    pub(super) bucket: u16,
    pub(super) word: u64,
    pub(super) set: u8,
    pub(super) clear: u8,
    pub(super) copy_set: u8,
    pub(super) copy_clear: u8,
}

impl Roles {
    /// Those of the model, and no flags.
    pub(super) fn of(model: &Model, bucket: u16) -> Roles {
        let roles = model.engine.roles(bucket);
        let members = u32::from_le_bytes([roles.owner, roles.backup, roles.remote, MEMBER_NONE]);
        let word = u64::from(members) | u64::from(roles.term.0) << 32;
        Roles { bucket, word, set: 0, clear: 0, copy_set: 0, copy_clear: 0 }
    }

    /// Those of every bucket with a flow, and whether it is ours, which ends a gap.
    pub(super) fn of_all(model: &Model, copy_clear: u8) -> Vec<Roles> {
        let buckets = model.flows.iter().map(|(id, _)| id.bucket());
        let roles = buckets.map(|bucket| {
            let is_ours = model.engine.roles(bucket).owner == MEMBER;
            let (set, clear) = if is_ours { (flag::OWN, flag::GAPPED) } else { (0, flag::OWN) };
            Roles { set, clear, copy_clear, ..Roles::of(model, bucket) }
        });
        roles.collect()
    }
}

impl Agent for Host {
    fn drive(&mut self) {}

    fn sample(&mut self, cycle: u64) -> Result<()> {
        let took_command = self.command_valid.get() && self.command_ready.get();
        self.took_command = took_command.then_some(cycle);
        self.took_roles = self.roles_valid.get() && self.roles_ready.get();
        if self.out_valid.get() {
            self.outcomes.push_back(Outcome {
                cycle,
                source: self.out_source.get(),
                outcome: self.out_outcome.get(),
                refusal: self.out_refusal.get(),
                created: self.out_created.get(),
                id: self.out_id.get(),
                entry: self.out_entry.get(),
            });
        }
        Ok(())
    }
}

impl Host {
    pub(super) fn new(bench: &Bench) -> Result<Host> {
        Ok(Host {
            ready: bench.port("ready")?,
            time: bench.input("time_us")?,
            audit: bench.input("audit")?,
            is_auditing: bench.input("is_auditing")?,
            command_valid: bench.input("command_valid")?,
            command_ready: bench.port("command_ready")?,
            command_kind: bench.input("command_kind")?,
            command_flags: bench.input("command_flags")?,
            command_word: bench.input("command_word")?,
            roles_valid: bench.input("roles_valid")?,
            roles_ready: bench.port("roles_ready")?,
            roles_bucket: bench.input("roles_bucket")?,
            roles_word: bench.input("roles_word")?,
            roles_set: bench.input("roles_set")?,
            roles_clear: bench.input("roles_clear")?,
            roles_copy_set: bench.input("roles_copy_set")?,
            roles_copy_clear: bench.input("roles_copy_clear")?,
            out_valid: bench.port("out_valid")?,
            out_source: bench.port("out_source")?,
            out_outcome: bench.port("out_outcome")?,
            out_refusal: bench.port("out_refusal")?,
            out_created: bench.port("out_created")?,
            out_id: bench.port("out_id")?,
            out_entry: bench.port("out_entry")?,
            took_command: None,
            took_roles: false,
            outcomes: VecDeque::new(),
        })
    }

    /// Shows clock and audit as the model has them.
    pub(super) fn show_clock(&self, model: &Model) {
        self.time.set(model.clock());
        self.audit.set(model.audit as u8);
        self.is_auditing.set(model.is_auditing);
    }

    /// Shows a command, if there is one.
    pub(super) fn show_command(&self, command: Option<&Command>) {
        self.command_valid.set(command.is_some());
        let (kind, flags, cookie, record) = match command {
            Some(Command::Upsert { flags, cookie, record }) => (commands::UPSERT, *flags, *cookie, *record),
            Some(Command::Delete { cookie, key }) => {
                (commands::DELETE, 0, *cookie, FlowRecord { key: *key, ..FlowRecord::default() })
            }
            Some(_) => unreachable!("no other is drawn"),
            None => return,
        };
        self.command_kind.set(kind);
        self.command_flags.set(flags);
        self.command_word.set(layout::pack(&Entry { record, cookie, ..Entry::default() }));
    }

    /// Shows a word on a bucket; it stays until it is taken.
    pub(super) fn show_roles(&mut self, roles: &Roles) {
        self.roles_bucket.set(roles.bucket);
        self.roles_word.set(roles.word);
        self.roles_set.set(roles.set);
        self.roles_clear.set(roles.clear);
        self.roles_copy_set.set(roles.copy_set);
        self.roles_copy_clear.set(roles.copy_clear);
        self.roles_valid.set(true);
        self.took_roles = false;
    }
}
