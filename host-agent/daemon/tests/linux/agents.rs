//! Two whole agents, each in a network namespace of its own, joined by a sync link and one data network.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use formats::flow::{lifetime_class, protocol, status, tcp_state};
use formats::{FlowKey, FlowRecord, Groups};
use serde_json::Value;
use trine_daemon::config::AgentConfig;
use trine_daemon::linux::conntrack::{Completion, EventConfig, EventSource, Op, Outcome, Reader, Writer};
use trine_daemon::linux::lease::Watch;
use trine_daemon::linux::link::{Mode, Port};
use trine_daemon::linux::sysctl;
use trine_daemon::start;

use super::namespace::{await_readable_or_none, await_readable_within, veth, Namespace};

/// Longest wait for what an agent does on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Frames of a peer are looked for, not read: what is longer is cut off.
const FRAME_BYTES_MAX: usize = 1_500;

/// One gateway.
pub(crate) struct Gateway {
    pub(crate) namespace: &'static Namespace,
    control: PathBuf,
}

impl Gateway {
    /// What `trine stat` shows; nothing before the agent answers.
    fn stat(&self) -> Option<Value> {
        let mut stream = UnixStream::connect(&self.control).ok()?;
        stream.write_all(b"{\"command\": \"stat\"}\n").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Waits until what the agent shows is as `wanted` says, looking after each frame of its peer; returns it.
    pub(crate) fn await_stat(&self, what: &str, wanted: impl Fn(&Value) -> bool + Sync) -> Value {
        let mode = Mode::Sync { frame_bytes_max: FRAME_BYTES_MAX };
        let mut last = None;
        let found = self.namespace.run(|| {
            let mut frames = Port::open("sync", mode).unwrap();
            await_readable_or_none(DEADLINE, &mut frames, |frames| {
                frames.recv_batch(&mut |_| {}).unwrap();
                last = self.stat();
                last.take_if(|stat| wanted(stat))
            })
        });
        found.unwrap_or_else(|| panic!("not seen within {DEADLINE:?}: {what}; last {last:?}"))
    }

    /// Performs operations on the kernel's table, as somebody else than the agent.
    pub(crate) fn write<'a>(&self, ops: impl Iterator<Item = Op<'a>> + Send) -> Vec<Outcome> {
        self.namespace.run(|| {
            let mut writer = Writer::open().unwrap();
            let mut outcomes = Vec::new();
            for op in ops {
                if writer.is_full() {
                    writer.flush(|Completion { outcome, .. }| outcomes.push(outcome)).unwrap();
                }
                writer.push(0, op);
            }
            writer.flush(|Completion { outcome, .. }| outcomes.push(outcome)).unwrap();
            outcomes
        })
    }

    /// Makes entries; each must be made.
    pub(crate) fn make(&self, records: &[FlowRecord]) {
        let outcomes = self.write(records.iter().map(|record| Op::Create { record, timeout_s: 3_600 }));
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Ok), "{outcomes:?}");
    }

    /// The kernel's entry of a flow.
    pub(crate) fn entry(&self, key: &FlowKey) -> Option<FlowRecord> {
        self.namespace.run(|| Reader::open().unwrap().get(key).unwrap()).map(|row| row.record)
    }

    /// Waits until the kernel's entry of a flow is as `wanted` says, looking after each event of the kernel.
    pub(crate) fn await_entry(&self, key: &FlowKey, wanted: impl Fn(Option<FlowRecord>) -> bool + Sync) {
        self.namespace.run(|| {
            let mut source = EventSource::open(&EventConfig::default()).unwrap();
            let mut reader = Reader::open().unwrap();
            await_readable_within(DEADLINE, &mut source, |source| {
                // What an overrun lost is seen by looking.
                source.receive(|_| {}).unwrap();
                wanted(reader.get(key).unwrap().map(|row| row.record)).then_some(())
            });
        });
    }
}

/// An owner and its standby.
pub(crate) struct Pair {
    pub(crate) owner: Gateway,
    pub(crate) standby: Gateway,
}

fn config(index: usize, control: &std::path::Path) -> AgentConfig {
    let other = 1 - index;
    // Timers that a busy machine keeps, too.
    AgentConfig::parse(&format!(
        "[cluster]\nid = 7\nsecret = \"{secret}\"\n\
         [member]\nid = {index}\nname = \"gw{index}\"\ncontrol = \"{control}\"\n\
         [[peer]]\nid = {other}\nname = \"gw{other}\"\n\
         [sync]\ninterface = \"sync\"\n\
         [[network]]\nname = \"lan\"\ninterface = \"lan\"\n\
         [group]\nname = \"gateway\"\norder = [\"gw0\", \"gw1\"]\n\
         [[group.address]]\nnetwork = \"lan\"\naddress = \"10.1.0.100/24\"\n\
         [timers]\nbeat_ms = 10\nsilent_ms = 2000\nlease_ms = 3000\nboot_ms = 4000\naudit_s = 86400\n\
         [nic]\nflows_max = 8192\nrealtime = false\n",
        secret = "01".repeat(32),
        control = control.display(),
    ))
    .unwrap()
}

impl Pair {
    /// Two agents that run until the process ends. `prepare` is done to the second gateway before its agent
    /// starts.
    pub(crate) fn start(name: &str, prepare: impl FnOnce(&Gateway)) -> Self {
        let gateways = [0, 1].map(|index| {
            // The agents outlive the test that started them.
            let namespace: &'static Namespace = Box::leak(Box::new(Namespace::new()));
            let control = format!("trine-{}-{name}-{index}.sock", std::process::id());
            Gateway { namespace, control: std::env::temp_dir().join(control) }
        });
        let [first, second] = [0, 1].map(|index| gateways[index].namespace);
        veth(first, "sync", second, "sync", 9_008);
        veth(first, "lan", second, "lan", 1_500);
        for (index, gateway) in gateways.iter().enumerate() {
            gateway.namespace.shell(&format!(
                "ip addr add 10.1.0.{}/24 dev lan; \
                 sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_tcp_loose=0",
                index + 1
            ));
        }
        prepare(&gateways[1]);
        for (index, gateway) in gateways.iter().enumerate() {
            let (namespace, config) = (gateway.namespace, config(index, &gateway.control));
            std::thread::spawn(move || {
                let ended = namespace.run(|| start::run(config).map_err(|error| error.to_string()));
                panic!("agent {index} ended: {ended:?}");
            });
        }
        let [owner, standby] = gateways;
        owner.await_stat("it serves", |stat| stat["serving"] == true);
        standby.await_stat("it is in sync", |stat| stat["groups"][0]["in_sync"] == true);
        owner.await_stat("its copy is in sync", |stat| stat["groups"][0]["in_sync"] == true);
        Self { owner, standby }
    }
}

/// An established TCP flow of a zone, marked.
pub(crate) fn flow(zone: u16, number: u32) -> FlowRecord {
    FlowRecord {
        key: FlowKey {
            src: u128::from(0x0a03_0000 + (number >> 14)),
            dst: 0x0a02_000a,
            src_port: 1_024 + (number & 0x3fff) as u16,
            dst_port: 443,
            zone,
            protocol: protocol::TCP,
            ..FlowKey::default()
        },
        groups: Groups::STATUS.with(Groups::SCALES).with(Groups::LIFETIME).with(Groups::MARK),
        tcp_state: tcp_state::ESTABLISHED,
        status: status::SEEN_REPLY | status::ASSURED,
        scales: [7, 7],
        tcp_flags: [3, 3],
        class: lifetime_class::ASSURED,
        lifetime_s: 3_600,
        mark: 7,
        ..FlowRecord::default()
    }
}

#[test]
fn a_gate_that_somebody_removed_is_closed_again_and_what_passed_it_made_anew() {
    let pair = Pair::start("gate", |_| {});
    let record = flow(0, 1);
    pair.owner.make(&[record]);
    pair.standby.await_entry(&record.key, |entry| entry.is_some());
    // Packets that pass an open gate change a copy's entry, and no event tells of it.
    let touched = FlowRecord { groups: Groups::MARK, mark: 9, ..record };
    let outcomes = pair.standby.write([Op::Update { record: &touched, timeout_s: None }].into_iter());
    assert_eq!(outcomes, [Outcome::Ok]);
    assert_eq!(pair.standby.entry(&record.key).map(|entry| entry.mark), Some(9));
    pair.standby.namespace.shell("nft flush ruleset");
    pair.standby.await_entry(&record.key, |entry| entry.is_some_and(|entry| entry.mark == 7));
    assert!(pair.standby.namespace.shell("nft list tables").contains("trine"));
    pair.standby.await_stat("it is in sync again", |stat| stat["groups"][0]["in_sync"] == true);

    // A member that serves finds out with its next renewal, and goes on.
    let term = |stat: &Value| stat["groups"][0]["term"].clone();
    let before = pair.owner.await_stat("it serves", |stat| stat["serving"] == true);
    pair.owner.namespace.run(|| {
        let mut rules = Watch::open().unwrap();
        pair.owner.namespace.shell("nft flush ruleset");
        await_readable_within(DEADLINE, &mut rules, |rules| {
            rules.changed().unwrap();
            pair.owner.namespace.shell("nft list tables").contains("trine").then_some(())
        });
    });
    let after = pair.owner.await_stat("it serves", |stat| stat["serving"] == true);
    assert_eq!(term(&before), term(&after));
    assert_eq!(pair.owner.entry(&record.key).map(|entry| entry.mark), Some(7));
}

/// Flows that find room on the standby, and flows that do not.
const HELD: u32 = 2_000;
const REFUSED: u32 = 500;
/// Zones of what is there beside them.
const FILLER: u16 = 9;
const SENTINEL: u16 = 8;

#[test]
fn a_standby_whose_table_is_full_names_what_it_lacks_and_installs_it_once_there_is_room() {
    let sentinel = flow(SENTINEL, 0);
    let pair = Pair::start("full", |standby| standby.make(&[sentinel]));
    // The first audit removes what the owner does not have; no other comes within this test.
    pair.standby.await_entry(&sentinel.key, |entry| entry.is_none());
    let held: Vec<FlowRecord> = (0..HELD).map(|n| flow(0, n)).collect();
    pair.owner.make(&held);
    let protected =
        |stat: &Value, count: u32| (stat["flows"]["total"] == count) && (stat["flows"]["protected"] == count);
    pair.owner.await_stat("all are protected", |stat| protected(stat, HELD));

    // No event tells of these, as they come and as they go.
    pair.standby.namespace.run(|| sysctl::CONNTRACK_EVENTS.set(0).unwrap());
    let room = pair
        .standby
        .namespace
        .run(|| (sysctl::CONNTRACK_MAX.read().unwrap() - sysctl::CONNTRACK_COUNT.read().unwrap()) as u32);
    let fillers: Vec<FlowRecord> = (0..room).map(|n| flow(FILLER, n)).collect();
    pair.standby.make(&fillers);
    pair.standby.namespace.run(|| sysctl::CONNTRACK_EVENTS.set(1).unwrap());

    let refused: Vec<FlowRecord> = (HELD..HELD + REFUSED).map(|n| flow(0, n)).collect();
    pair.owner.make(&refused);
    let unprotected = |stat: &Value, reason: &str, count: u32| stat["flows"]["unprotected"][reason] == count;
    let stat =
        pair.standby.await_stat("each is named", |stat| unprotected(stat, "kernel table full", REFUSED));
    assert_eq!(stat["counters"]["install_refused"], REFUSED);
    pair.owner.await_stat("the owner knows", |stat| {
        unprotected(stat, "not installed on a copy", REFUSED)
            && stat["flows"]["total"] == HELD + REFUSED
            && stat["flows"]["protected"] == HELD
    });
    // Load goes on: what needs no room is installed, and an end makes some.
    let marked = FlowRecord { groups: Groups::MARK, mark: 8, ..held[0] };
    let key = &held[1].key;
    let ops = [Op::Update { record: &marked, timeout_s: None }, Op::Delete { key, ct_id: None }];
    assert_eq!(pair.owner.write(ops.into_iter()), [Outcome::Ok; 2]);
    pair.standby.await_entry(&marked.key, |entry| entry.is_some_and(|entry| entry.mark == 8));
    pair.standby.await_stat("one finds room", |stat| unprotected(stat, "kernel table full", REFUSED - 1));

    let outcomes =
        pair.standby.write(fillers.iter().map(|record| Op::Delete { key: &record.key, ct_id: None }));
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Ok));
    pair.standby.await_stat("none is refused", |stat| {
        stat["flows"]["unprotected"] == serde_json::json!({}) && stat["counters"]["install_refused"] == 0
    });
    for record in &refused {
        assert_eq!(pair.standby.entry(&record.key).map(|entry| entry.mark), Some(7));
    }
    pair.owner.await_stat("all are protected again", |stat| {
        protected(stat, HELD + REFUSED - 1) && stat["flows"]["unprotected"] == serde_json::json!({})
    });
    let stat = pair.standby.await_stat("it is in sync", |stat| stat["groups"][0]["in_sync"] == true);
    assert_eq!(stat["state"], "standby");
}
