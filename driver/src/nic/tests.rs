//! Bring-up and rings against a mock device, with a transport in between that can lie and fail.

use super::*;
use crate::in_process::{Device, InProcess};
use crate::{Operation, SettingsError};
use formats::reference::FORMATS_DIGEST;
use formats::register::Counter;
use formats::{ClusterSecret, FlowKey, Groups, Tracking};
use proptest::prelude::*;
use std::collections::{HashMap, VecDeque};

#[derive(Default)]
struct Mock {
    commands: Vec<Command>,
    malformed: usize,
    events: VecDeque<Event>,
    settings: Option<Settings>,
    writes: Vec<u32>,
}

impl Device for Mock {
    fn command(&mut self, command: &Command) {
        self.commands.push(*command);
    }
    fn command_malformed(&mut self) {
        self.malformed += 1;
    }
    fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
    fn counter(&self, counter: Counter) -> u64 {
        (counter as u64) << 32 | 7
    }
    fn flows_max(&self) -> u32 {
        1_000
    }
    fn ports_count(&self) -> u32 {
        3
    }
    fn start(&mut self, settings: &Settings) {
        self.settings = Some(*settings);
    }
    fn register_write(&mut self, offset: u32, _value: u32) {
        self.writes.push(offset);
    }
}

/// Answers some reads itself, fails at some offsets, and notes every write.
struct Tamper {
    inner: InProcess<Mock>,
    answers: HashMap<u32, u32>,
    fails: Option<u32>,
    written: Vec<u32>,
}

impl Tamper {
    fn new() -> Self {
        let inner = InProcess::new(Mock::default());
        Self { inner, answers: HashMap::new(), fails: None, written: Vec::new() }
    }

    fn answering(offset: u32, value: u32) -> Self {
        Self { answers: [(offset, value)].into(), ..Self::new() }
    }

    fn check(&self, offset: u32, operation: Operation) -> Result<(), TransportError> {
        match self.fails == Some(offset) {
            true => Err(TransportError::new(operation, std::io::Error::other("gone"))),
            false => Ok(()),
        }
    }
}

impl Transport for &mut Tamper {
    fn read32(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.check(offset, Operation::Read { offset })?;
        self.answers.get(&offset).map_or_else(|| self.inner.read32(offset), |value| Ok(*value))
    }
    fn write32(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.check(offset, Operation::Write { offset })?;
        self.written.push(offset);
        self.inner.write32(offset, value)
    }
    fn dma_memory(&mut self, size: usize) -> Result<DmaMemory, TransportError> {
        self.inner.dma_memory(size)
    }
    fn interrupt_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    fn wait(&mut self, timeout: Duration) -> Result<bool, TransportError> {
        self.inner.wait(timeout)
    }
}

fn settings() -> Settings {
    Settings {
        member: 3,
        cluster: 42,
        session: 1 << 40 | 5,
        secret: ClusterSecret([0xa5; 32]),
        beat_us: 1_000,
        late_us: 3_000,
        silent_us: 9_000,
        host_alive_us: 50_000,
        replicate_groups: Groups::ALL,
        frame_size: 9_022,
        digest_us: 100_000,
        s_tag: 100,
        c_tag: 10,
        tracking: Tracking { ports: 0xfe, delay_ms: 7, ..Tracking::default() },
    }
}

fn options(slots: u32, first_index: u32) -> RingOptions {
    RingOptions { command_slots: slots, event_slots: slots, first_index }
}

fn open(slots: u32, first_index: u32) -> Nic<InProcess<Mock>> {
    Nic::open(InProcess::new(Mock::default()), &settings(), options(slots, first_index)).unwrap()
}

fn command(number: u32) -> Command {
    let key = FlowKey { src: number.into(), protocol: 6, ..FlowKey::default() };
    Command::Delete { cookie: number, key }
}

fn event(number: u32) -> Event {
    Event::ScanEnd { token: number.into() }
}

/// Both decode to nothing: the bucket is outside the table.
const BAD_COMMAND: Command = Command::Resync { peer: 1, bucket: 1_024, count: 1 };
const BAD_EVENT: Event = Event::NotOwner { peer: 1, bucket: 1_024 };

#[test]
fn bring_up_tells_identity_and_hands_the_settings_over() {
    let mut nic = open(4, 0);
    let identity = *nic.identity();
    assert_eq!((identity.flows_max, identity.ports_count, identity.build), (1_000, 3, 0));
    assert_eq!(identity.formats_digest, FORMATS_DIGEST);
    assert_eq!(nic.device().settings, Some(settings()));
    nic.device_mut().writes.clear();
    nic.configure(&Settings { beat_us: 500, ..settings() }).unwrap();
    assert!(nic.device().writes.contains(&reg::BEAT_US));
    let refused = nic.configure(&Settings { session: 0, ..settings() });
    assert!(matches!(refused, Err(OpenError::Settings(SettingsError::SessionZero))));
}

#[test]
fn a_nic_of_another_identity_is_refused_and_not_written() {
    let open = |tamper: &mut Tamper| {
        let error = Nic::open(&mut *tamper, &settings(), options(4, 0)).err().expect("refused");
        assert_eq!(tamper.written, [0u32; 0]);
        error
    };
    let error = open(&mut Tamper::answering(reg::BLOCK_TYPE, 0xffff_ffff));
    assert!(matches!(error, OpenError::BlockType { found: 0xffff_ffff }));
    let error = open(&mut Tamper::answering(reg::BLOCK_VERSION, 0x0001_0000));
    assert!(matches!(error, OpenError::BlockVersion { nic: 0x0001_0000, driver: reg::BLOCK_VERSION_VALUE }));
    let error = open(&mut Tamper::answering(reg::FORMATS_DIGEST_LOW, !(FORMATS_DIGEST as u32)));
    let other = FORMATS_DIGEST ^ u64::from(u32::MAX);
    assert!(
        matches!(error, OpenError::FormatsDigest { nic, driver } if (nic, driver) == (other, FORMATS_DIGEST))
    );
    assert!(error.to_string().contains(&format!("{other:016x}")));
    assert!(error.to_string().contains(&format!("{FORMATS_DIGEST:016x}")));
}

#[test]
fn a_newer_minor_version_is_taken() {
    let mut tamper = Tamper::answering(reg::BLOCK_VERSION, reg::BLOCK_VERSION_VALUE + 1);
    Nic::open(&mut tamper, &settings(), options(4, 0)).unwrap();
}

#[test]
fn a_register_that_does_not_hold_its_value_is_named_and_the_rings_are_stopped() {
    let mut tamper = Tamper::answering(reg::EVENT_SLOTS, 1);
    let error = Nic::open(&mut tamper, &settings(), options(4, 0)).err().expect("refused");
    assert!(matches!(error, OpenError::ReadBack { register: "EVENT_SLOTS", written: 4, read: 1 }));
    assert_eq!(tamper.written.last(), Some(&reg::RING_ENABLE));
    for slots in [0, 1, 3, RingSize::SLOTS_MAX * 2] {
        let error = Nic::open(&mut Tamper::new(), &settings(), options(slots, 0)).err().expect("refused");
        assert!(matches!(error, OpenError::RingSlots(refused) if refused == slots));
    }
}

#[test]
fn dropping_a_nic_stops_its_rings_before_the_memory_goes() {
    let mut tamper = Tamper::new();
    drop(Nic::open(&mut tamper, &settings(), options(4, 0)).unwrap());
    assert_eq!(tamper.inner.read32(reg::RING_ENABLE).unwrap(), 0);
    tamper.inner.device_mut().events.push_back(event(1));
    assert_eq!(tamper.inner.service().events_count, 0);
    assert_eq!(tamper.inner.device_ring_counters().memory_faults, 0);
    let mut again = Nic::open(&mut tamper, &settings(), options(4, 9)).unwrap();
    again.transport.inner.service();
    assert_eq!(again.next_event(), Some(Ok(event(1))));
}

#[test]
fn a_full_command_ring_refuses_until_the_device_took_some() {
    let mut nic = open(4, u32::MAX - 1);
    for number in 0..4 {
        nic.try_submit(&command(number)).unwrap();
    }
    assert_eq!(nic.try_submit(&command(4)), Err(Full));
    assert!(nic.device().commands.is_empty());
    nic.ring().unwrap();
    nic.try_submit(&command(4)).unwrap();
    nic.ring().unwrap();
    assert_eq!(nic.device().commands, (0..5).map(command).collect::<Vec<_>>());
    let counters = nic.ring_counters();
    assert_eq!((counters.commands_submitted, counters.commands_refused), (5, 1));
    assert_eq!(counters.command_doorbells, 2);
}

#[test]
fn events_stay_in_the_device_while_the_ring_is_full() {
    let mut nic = open(4, 0);
    nic.device_mut().events.extend((0..10).map(event));
    assert_eq!(nic.service().events_count, 4);
    assert_eq!(nic.service().events_count, 0);
    assert_eq!((nic.device().events.len(), nic.transport().device_ring_counters().event_ring_full), (6, 2));
    let mut read = Vec::new();
    while read.len() < 10 {
        while let Some(event) = nic.next_event() {
            read.push(event.unwrap());
        }
        nic.service();
    }
    assert_eq!(read, (0..10).map(event).collect::<Vec<_>>());
    assert_eq!(nic.next_event(), None);
    assert_eq!(nic.ring_counters().events_read, 10);
}

#[test]
fn slots_that_hold_nothing_are_counted_and_stepped_over() {
    let mut nic = open(4, 0);
    for command in [BAD_COMMAND, command(1)] {
        nic.try_submit(&command).unwrap();
    }
    nic.ring().unwrap();
    assert_eq!((nic.device().malformed, nic.device().commands.as_slice()), (1, &[command(1)][..]));
    nic.device_mut().events.extend([BAD_EVENT, event(2)]);
    nic.service();
    assert_eq!(nic.next_event(), Some(Err(EventError::Descriptor { index: 0 })));
    assert_eq!(nic.next_event(), Some(Ok(event(2))));
    assert_eq!((nic.ring_counters().events_malformed, nic.ring_counters().events_read), (1, 1));
}

#[test]
fn a_phase_that_cannot_be_halts_the_event_ring() {
    let mut nic = open(4, 0);
    nic.event_memory.memory().write(0, &[0; SLOT_SIZE], 77);
    assert_eq!(nic.next_event(), Some(Err(EventError::Phase { index: 0, expected: 1, found: 77 })));
    assert_eq!((nic.next_event(), nic.event_ring_halted()), (None, true));
    assert_eq!(nic.ring_counters().phases_refused, 1);
    nic.try_submit(&command(0)).unwrap();
    nic.ring().unwrap();
    assert_eq!(nic.device().commands.len(), 1);
}

#[test]
fn a_consumer_index_that_cannot_be_is_ignored_and_counted() {
    let mut tamper = Tamper::new();
    let mut nic = Nic::open(&mut tamper, &settings(), options(4, 0)).unwrap();
    for number in 0..4 {
        nic.try_submit(&command(number)).unwrap();
    }
    for lie in [1, 4, 5, u32::MAX] {
        nic.transport.answers.insert(reg::COMMAND_CONSUMER, lie);
        assert_eq!(nic.try_submit(&command(4)), Err(Full));
    }
    assert_eq!(nic.ring_counters().indices_refused, 4);
    nic.transport.answers.clear();
    nic.ring().unwrap();
    nic.try_submit(&command(4)).unwrap();
}

#[test]
fn a_doorbell_that_cannot_be_is_refused_by_the_device() {
    let mut nic = open(4, 0);
    nic.transport_mut().write32(reg::COMMAND_PRODUCER, 5).unwrap();
    nic.transport_mut().write32(reg::EVENT_CONSUMER, 1).unwrap();
    assert_eq!(nic.transport().device_ring_counters().doorbells_refused, 2);
    assert_eq!(nic.wait(Duration::ZERO).unwrap(), INTERRUPT_ERRORS);
    // Announced, but never written: no command, and no reading of what is not there.
    nic.transport_mut().write32(reg::COMMAND_PRODUCER, 3).unwrap();
    assert_eq!(nic.device().malformed, 3);
    assert!(nic.device().commands.is_empty());
}

#[test]
fn a_failing_doorbell_is_told_and_tried_again() {
    let mut tamper = Tamper::new();
    let mut nic = Nic::open(&mut tamper, &settings(), options(4, 0)).unwrap();
    nic.transport.inner.device_mut().events.push_back(event(1));
    nic.transport.inner.service();
    nic.transport.fails = Some(reg::EVENT_CONSUMER);
    assert_eq!(nic.next_event(), Some(Ok(event(1))));
    assert_eq!(nic.next_event(), None);
    let error = nic.ring().unwrap_err();
    assert_eq!(error.operation, Operation::Write { offset: reg::EVENT_CONSUMER });
    nic.transport.fails = None;
    assert_eq!((nic.next_event(), nic.ring().is_ok()), (None, true));
    assert_eq!(nic.transport.inner.read32(reg::EVENT_CONSUMER).unwrap(), 1);
}

#[test]
fn counters_and_interrupts_come_through_registers() {
    let mut nic = open(4, 0);
    let counters = nic.counters().unwrap();
    assert!(counters.iter().all(|(counter, value)| value == (counter as u64) << 32 | 7));
    assert_eq!(nic.wait(Duration::ZERO).unwrap(), 0);
    nic.device_mut().events.push_back(event(1));
    assert_eq!(nic.wait(Duration::ZERO).unwrap(), INTERRUPT_EVENTS);
    assert_eq!(nic.wait(Duration::ZERO).unwrap(), 0);
}

#[test]
fn registers_that_are_not_declared_or_writable_are_errors() {
    let mut transport = InProcess::new(Mock::default());
    for offset in [0x01c, 0x002, 0x3fc, reg::COUNTERS + 8 * Counter::COUNT as u32, u32::MAX] {
        assert_eq!(transport.read32(offset).unwrap_err().operation, Operation::Read { offset });
    }
    for offset in [reg::BLOCK_TYPE, reg::COMMAND_CONSUMER, reg::COUNTERS, 0x01c, u32::MAX] {
        assert_eq!(transport.write32(offset, 1).unwrap_err().operation, Operation::Write { offset });
    }
    transport.write32(reg::SECRET + 28, 9).unwrap();
    assert_eq!(transport.read32(reg::SECRET + 28).unwrap(), 0);
    transport.write32(reg::RING_ENABLE, 1).unwrap();
    assert_eq!(
        (transport.read32(reg::RING_ENABLE).unwrap(), transport.device_ring_counters().enables_refused),
        (0, 1)
    );
}

proptest! {
    #[test]
    fn both_rings_keep_order_and_lose_nothing_across_the_wrap(
        bits in 1u32..5,
        before_wrap in 0u32..128,
        steps in prop::collection::vec(0u8..6, 1..600),
    ) {
        let mut nic = open(1 << bits, 0u32.wrapping_sub(before_wrap));
        let (mut submitted, mut made, mut read) = (0, 0, 0);
        for step in steps {
            match step {
                0 | 1 => submitted += u32::from(nic.try_submit(&command(submitted)).is_ok()),
                2 => {
                    nic.device_mut().events.push_back(event(made));
                    made += 1;
                }
                3 => nic.ring().unwrap(),
                4 => _ = nic.service(),
                _ => {
                    if let Some(next) = nic.next_event() {
                        prop_assert_eq!(next, Ok(event(read)));
                        read += 1;
                    }
                }
            }
        }
        nic.ring().unwrap();
        prop_assert_eq!(&nic.device().commands, &(0..submitted).map(command).collect::<Vec<_>>());
        while read < made {
            nic.service();
            while let Some(next) = nic.next_event() {
                prop_assert_eq!(next, Ok(event(read)));
                read += 1;
            }
        }
        let (host, device) = (nic.ring_counters(), nic.transport().device_ring_counters());
        prop_assert_eq!((host.commands_submitted, host.events_read), (device.commands_taken, device.events_written));
        prop_assert_eq!((device.commands_malformed, device.memory_faults, host.indices_refused), (0, 0, 0));
    }
}
