//! The transport to an engine in this process, on the same rings in memory as any other NIC.
//!
//! Enters: register accesses of the driver, command slots in DMA memory, events of a [`Device`]. Leaves:
//! commands to the device, event slots. Commands are taken when their doorbell is written; events are
//! moved by [`InProcess::service`] and stay in the device while the ring is full. Everything happens on
//! the caller's thread; there is no interrupt to wait for.
//!
//! The device side trusts the driver no further than a card would: bases, sizes and doorbells are
//! checked and refused with a counter, and memory that the driver dropped is a counted fault.

mod registers;

use crate::error::{Operation, TransportError};
use crate::memory::{DmaMemory, Memory, SLOT_SIZE};
use crate::nic::{Nic, INTERRUPT_ERRORS, INTERRUPT_EVENTS};
use crate::ring::{Consumer, Next, Producer, RingSize};
use crate::settings::Settings;
use crate::transport::Transport;
use formats::descriptor::{Command, Event};
use formats::reference::FORMATS_DIGEST;
use formats::register::{self as reg, Counter};
use registers::Registers;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Weak;
use std::time::Duration;

/// First bus address given out; 0 stays invalid.
const BUS_ADDRESS_FIRST: u64 = 1 << 32;
/// Mappings a device keeps at once: two rings, and two more while they are replaced.
const MAPPINGS_MAX: usize = 4;
/// Commands that a device is given at once.
const BATCH_COMMANDS: usize = 64;

/// An engine behind registers and rings.
pub trait Device {
    /// A command was taken from the ring.
    fn command(&mut self, command: &Command);
    /// Commands were taken from the ring, in this order.
    fn commands(&mut self, commands: &[Command]) {
        commands.iter().for_each(|command| self.command(command));
    }
    /// A slot of the command ring held no command.
    fn command_malformed(&mut self);
    /// The next event for the host.
    fn next_event(&mut self) -> Option<Event>;
    /// A counter or gauge.
    fn counter(&self, counter: Counter) -> u64;
    /// Flows the engine can hold.
    fn flows_max(&self) -> u32;
    /// Ports that carry frames.
    fn ports_count(&self) -> u32;
    /// The driver wrote the high half of the session: run with these settings.
    fn start(&mut self, settings: &Settings);
    /// The driver wrote a setting. Before the first [`start`](Self::start) it can be ignored; the secret
    /// comes with `start` only.
    fn register_write(&mut self, offset: u32, value: u32) {
        let _ = (offset, value);
    }
    /// Answers a read instead of the register file.
    fn register_read(&self, offset: u32) -> Option<u32> {
        let _ = offset;
        None
    }
}

/// What passed the rings on the device's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceRingCounters {
    /// Commands taken.
    pub commands_taken: u64,
    /// Command slots that held no command, or were announced unwritten.
    pub commands_malformed: u64,
    /// Events written.
    pub events_written: u64,
    /// Times service ended with a full event ring; further events stay in the device.
    pub event_ring_full: u64,
    /// Doorbells with an index that cannot be.
    pub doorbells_refused: u64,
    /// Rings that were not enabled: bad size, or no memory at their base.
    pub enables_refused: u64,
    /// Accesses to ring memory that its owner dropped.
    pub memory_faults: u64,
}

/// What one call of [`InProcess::service`] moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Commands taken by the device.
    pub commands_count: usize,
    /// Events written to the ring.
    pub events_count: usize,
}

struct Rings {
    commands: Consumer,
    command_memory: Weak<Memory>,
    events: Producer,
    event_memory: Weak<Memory>,
}

/// A transport to a [`Device`] in this process.
pub struct InProcess<D: Device> {
    device: D,
    registers: Registers,
    mappings: Vec<(u64, Weak<Memory>)>,
    bus_address_next: u64,
    rings: Option<Rings>,
    counters: DeviceRingCounters,
    slot: Box<[u8; SLOT_SIZE]>,
    /// Commands on their way to the device; empty between calls.
    batch: Vec<Command>,
}

impl<D: Device> InProcess<D> {
    /// A device whose rings are off.
    pub fn new(device: D) -> Self {
        let mut registers = Registers::new();
        for (offset, value) in [
            (reg::BLOCK_TYPE, reg::BLOCK_TYPE_VALUE),
            (reg::BLOCK_VERSION, reg::BLOCK_VERSION_VALUE),
            (reg::FORMATS_DIGEST_LOW, FORMATS_DIGEST as u32),
            (reg::FORMATS_DIGEST_HIGH, (FORMATS_DIGEST >> 32) as u32),
            (reg::FLOWS_MAX, device.flows_max()),
            (reg::PORTS_COUNT, device.ports_count()),
        ] {
            registers.set(offset, value);
        }
        Self {
            device,
            registers,
            mappings: Vec::new(),
            bus_address_next: BUS_ADDRESS_FIRST,
            rings: None,
            counters: DeviceRingCounters::default(),
            slot: Box::new([0; SLOT_SIZE]),
            batch: Vec::with_capacity(BATCH_COMMANDS),
        }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device: its wire side is the caller's.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// What passed the rings, as the device's side saw it.
    pub fn device_ring_counters(&self) -> DeviceRingCounters {
        self.counters
    }

    /// Takes announced commands, then moves events into the ring until either ends.
    pub fn service(&mut self) -> Moved {
        let commands_count = self.take_commands();
        Moved { commands_count, events_count: self.put_events() }
    }

    fn take_commands(&mut self) -> usize {
        let Some(rings) = &mut self.rings else { return 0 };
        let announced = self.registers.get(reg::COMMAND_PRODUCER);
        if announced == rings.commands.consumed() {
            return 0;
        }
        let Some(memory) = rings.command_memory.upgrade() else {
            self.fault();
            return 0;
        };
        let mut count = 0;
        let mut batch = std::mem::take(&mut self.batch);
        while rings.commands.consumed() != announced {
            let command = match rings.commands.read(&memory, &mut self.slot) {
                Next::Slot => Command::decode(&self.slot).ok(),
                Next::Empty | Next::Foreign { .. } => {
                    rings.commands.skip();
                    None
                }
            };
            match command {
                Some(command) => {
                    self.counters.commands_taken += 1;
                    batch.push(command);
                    if batch.len() == BATCH_COMMANDS {
                        self.device.commands(&batch);
                        batch.clear();
                    }
                }
                None => {
                    self.counters.commands_malformed += 1;
                    self.device.command_malformed();
                }
            }
            count += 1;
        }
        if !batch.is_empty() {
            self.device.commands(&batch);
            batch.clear();
        }
        self.batch = batch;
        self.registers.set(reg::COMMAND_CONSUMER, announced);
        count
    }

    fn put_events(&mut self) -> usize {
        let Some(rings) = &mut self.rings else { return 0 };
        let Some(memory) = rings.event_memory.upgrade() else {
            self.fault();
            return 0;
        };
        let mut count = 0;
        loop {
            if rings.events.room() == 0 {
                self.counters.event_ring_full += 1;
                break;
            }
            let Some(event) = self.device.next_event() else { break };
            self.slot.fill(0);
            event.encode(&mut self.slot);
            rings.events.write(&memory, &self.slot);
            count += 1;
        }
        if count > 0 {
            self.counters.events_written += count as u64;
            self.registers.set(reg::EVENT_PRODUCER, rings.events.produced());
            self.raise(INTERRUPT_EVENTS);
        }
        count
    }

    fn raise(&mut self, bit: u32) {
        let pending = self.registers.get(reg::INTERRUPT_STATUS);
        self.registers.set(reg::INTERRUPT_STATUS, pending | bit & self.registers.get(reg::INTERRUPT_ENABLE));
    }

    fn fault(&mut self) {
        self.counters.memory_faults += 1;
        self.stop();
        self.raise(INTERRUPT_ERRORS);
    }

    fn stop(&mut self) {
        self.rings = None;
        self.registers.set(reg::RING_ENABLE, 0);
    }

    /// Both rings, if the registers describe memory that is there.
    fn rings(&self) -> Option<Rings> {
        let ring = |base: u32, slots: u32| {
            let size = RingSize::new(self.registers.get(slots))?;
            let bus = self.registers.get64(base);
            let (_, memory) = self.mappings.iter().find(|(at, _)| *at == bus)?;
            (memory.upgrade()?.size() >= size.bytes()).then(|| (size, memory.clone()))
        };
        let (command_size, command_memory) = ring(reg::COMMAND_BASE_LOW, reg::COMMAND_SLOTS)?;
        let (event_size, event_memory) = ring(reg::EVENT_BASE_LOW, reg::EVENT_SLOTS)?;
        Some(Rings {
            commands: Consumer::new(command_size, self.registers.get(reg::COMMAND_PRODUCER)),
            command_memory,
            events: Producer::new(event_size, self.registers.get(reg::EVENT_CONSUMER)),
            event_memory,
        })
    }

    fn enable(&mut self, run: bool) {
        self.stop();
        if !run {
            return;
        }
        match self.rings() {
            Some(rings) => {
                self.registers.set(reg::COMMAND_CONSUMER, rings.commands.consumed());
                self.registers.set(reg::EVENT_PRODUCER, rings.events.produced());
                self.registers.set(reg::RING_ENABLE, 1);
                self.rings = Some(rings);
            }
            None => self.counters.enables_refused += 1,
        }
    }

    fn refuse_doorbell(&mut self) {
        self.counters.doorbells_refused += 1;
        self.raise(INTERRUPT_ERRORS);
    }

    fn command_doorbell(&mut self, produced: u32) {
        if let Some(rings) = &self.rings {
            let waiting = produced.wrapping_sub(rings.commands.consumed());
            if waiting > rings.commands.size().slots() {
                return self.refuse_doorbell();
            }
        }
        self.registers.set(reg::COMMAND_PRODUCER, produced);
        self.take_commands();
    }

    fn event_doorbell(&mut self, consumed: u32) {
        if let Some(rings) = &mut self.rings {
            if rings.events.give_back(consumed).is_err() {
                return self.refuse_doorbell();
            }
        }
        self.registers.set(reg::EVENT_CONSUMER, consumed);
    }

    fn read(&self, offset: u32) -> io::Result<u32> {
        if let Some(value) = self.device.register_read(offset) {
            return Ok(value);
        }
        if offset < reg::COUNTERS {
            return self.registers.read(offset);
        }
        let at = (offset - reg::COUNTERS) as usize;
        let counter = Counter::ALL.get(at / 8).filter(|_| at % 4 == 0);
        let (counter, _, _) = counter.ok_or_else(|| io::Error::other("no counter is declared here"))?;
        let value = self.device.counter(*counter);
        Ok(if at % 8 == 0 { value as u32 } else { (value >> 32) as u32 })
    }
}

impl<D: Device> Transport for InProcess<D> {
    fn read32(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.read(offset).map_err(|cause| TransportError::new(Operation::Read { offset }, cause))
    }

    fn write32(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.registers
            .check_write(offset)
            .map_err(|cause| TransportError::new(Operation::Write { offset }, cause))?;
        match offset {
            reg::COMMAND_PRODUCER => self.command_doorbell(value),
            reg::EVENT_CONSUMER => self.event_doorbell(value),
            reg::RING_ENABLE => self.enable(value & 1 != 0),
            reg::INTERRUPT_STATUS => {
                let pending = self.registers.get(reg::INTERRUPT_STATUS);
                self.registers.set(reg::INTERRUPT_STATUS, pending & !value);
            }
            reg::SESSION_HIGH => {
                self.registers.set(offset, value);
                self.device.start(&Settings::from_registers(|at| self.registers.get(at)));
            }
            reg::MEMBER..reg::COMMAND_BASE_LOW => {
                self.registers.set(offset, value);
                self.device.register_write(offset, value);
            }
            _ => self.registers.set(offset, value),
        }
        Ok(())
    }

    fn dma_memory(&mut self, size: usize) -> Result<DmaMemory, TransportError> {
        let failed = |cause| TransportError::new(Operation::Map { size }, cause);
        self.mappings.retain(|(_, memory)| memory.strong_count() > 0);
        if self.mappings.len() == MAPPINGS_MAX {
            return Err(failed(io::ErrorKind::OutOfMemory.into()));
        }
        let dma = DmaMemory::new(Memory::anonymous(size).map_err(failed)?, self.bus_address_next, None);
        self.mappings.push((dma.bus_address(), dma.device_view()));
        self.bus_address_next += dma.size().next_power_of_two() as u64;
        Ok(dma)
    }

    fn interrupt_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn wait(&mut self, _timeout: Duration) -> Result<bool, TransportError> {
        self.service();
        Ok(self.registers.get(reg::INTERRUPT_STATUS) != 0)
    }
}

impl<D: Device> Nic<InProcess<D>> {
    /// The engine behind the rings: its wire side is the caller's.
    pub fn device_mut(&mut self) -> &mut D {
        self.transport_mut().device_mut()
    }

    /// The engine behind the rings.
    pub fn device(&self) -> &D {
        self.transport().device()
    }

    /// Moves commands in and events out; see [`InProcess::service`].
    pub fn service(&mut self) -> Moved {
        self.transport_mut().service()
    }
}
