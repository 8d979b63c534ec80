//! A NIC that was brought up: commands in, events out, counters.
//!
//! Enters: a [`Transport`], [`Settings`], [`Command`]s. Leaves: [`Event`]s, [`Counters`]. Bring-up follows
//! the register map: identity, everything off, settings, rings, on, session. Doorbells are batched:
//! commands become visible with [`Nic::ring`], read slots are given back in quarters of the ring and
//! whenever it was read empty. Dropping a NIC stops its rings before their memory is unmapped.
//!
//! Budget: ≤ 250 ns per command or event, codec on both sides counted.

use crate::counters::{Counters, RingCounters};
use crate::error::{EventError, Full, OpenError, TransportError};
use crate::identity::Identity;
use crate::memory::{DmaMemory, SLOT_SIZE};
use crate::ring::{Consumer, Next, Producer, RingSize};
use crate::settings::Settings;
use crate::transport::Transport;
use formats::descriptor::{Command, Event};
use formats::register as reg;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Bit of `RING_ENABLE`.
const RINGS_RUN: u32 = 1 << 0;
/// Bit of `INTERRUPT_ENABLE` and `INTERRUPT_STATUS`: events wait.
pub const INTERRUPT_EVENTS: u32 = 1 << 0;
/// Bit of `INTERRUPT_ENABLE` and `INTERRUPT_STATUS`: the NIC found an error.
pub const INTERRUPT_ERRORS: u32 = 1 << 1;
/// Read slots are given back at the latest after this part of the ring.
const GIVE_BACK_PART: u32 = 4;

/// Sizes of the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingOptions {
    /// Slots of the command ring, a power of two.
    pub command_slots: u32,
    /// Slots of the event ring, a power of two.
    pub event_slots: u32,
    /// Index both rings start at; any is right, tests start near the wrap.
    pub first_index: u32,
}

impl Default for RingOptions {
    /// 2 MiB of commands and 4 MiB of events: whole huge pages.
    fn default() -> Self {
        Self { command_slots: 4_096, event_slots: 8_192, first_index: 0 }
    }
}

/// A NIC behind a transport.
pub struct Nic<T: Transport> {
    identity: Identity,
    commands: Producer,
    /// Commands below this index were announced.
    commands_rung: u32,
    events: Consumer,
    /// Events below this index were given back.
    events_rung: u32,
    event_ring_halted: bool,
    counters: RingCounters,
    /// A doorbell or index that failed where the caller could not be told.
    failure: Option<TransportError>,
    slot: Box<[u8; SLOT_SIZE]>,
    command_memory: DmaMemory,
    event_memory: DmaMemory,
    transport: T,
}

impl<T: Transport> Nic<T> {
    /// Brings a NIC up. Nothing is written before its identity is accepted; a NIC that is not brought
    /// up whole is left with its rings off.
    pub fn open(mut transport: T, settings: &Settings, options: RingOptions) -> Result<Self, OpenError> {
        settings.check()?;
        let size = |slots| RingSize::new(slots).ok_or(OpenError::RingSlots(slots));
        let (command_size, event_size) = (size(options.command_slots)?, size(options.event_slots)?);
        let identity = Identity::read(&mut transport)?;

        transport.write32(reg::RING_ENABLE, 0)?;
        transport.write32(reg::INTERRUPT_ENABLE, 0)?;
        transport.write32(reg::INTERRUPT_STATUS, INTERRUPT_EVENTS | INTERRUPT_ERRORS)?;
        write_settings(&mut transport, settings)?;
        for (offset, value) in settings.secret_registers() {
            transport.write32(offset, value)?;
        }
        let command_memory = transport.dma_memory(command_size.bytes())?;
        let event_memory = transport.dma_memory(event_size.bytes())?;
        let first = options.first_index;
        let mut nic = Self {
            identity,
            commands: Producer::new(command_size, first),
            commands_rung: first,
            events: Consumer::new(event_size, first),
            events_rung: first,
            event_ring_halted: false,
            counters: RingCounters::default(),
            failure: None,
            slot: Box::new([0; SLOT_SIZE]),
            command_memory,
            event_memory,
            transport,
        };
        nic.start(settings, first)?;
        Ok(nic)
    }

    /// Rings on, then the session: from there on the NIC speaks to peers.
    fn start(&mut self, settings: &Settings, first: u32) -> Result<(), OpenError> {
        let (command_bus, event_bus) = (self.command_memory.bus_address(), self.event_memory.bus_address());
        for (offset, value) in [
            (reg::COMMAND_BASE_LOW, command_bus as u32),
            (reg::COMMAND_BASE_HIGH, (command_bus >> 32) as u32),
            (reg::COMMAND_SLOTS, self.commands.size().slots()),
            (reg::COMMAND_PRODUCER, first),
            (reg::EVENT_BASE_LOW, event_bus as u32),
            (reg::EVENT_BASE_HIGH, (event_bus >> 32) as u32),
            (reg::EVENT_SLOTS, self.events.size().slots()),
            (reg::EVENT_CONSUMER, first),
            (reg::INTERRUPT_ENABLE, INTERRUPT_EVENTS | INTERRUPT_ERRORS),
            (reg::RING_ENABLE, RINGS_RUN),
        ] {
            write_checked(&mut self.transport, offset, value)?;
        }
        for (offset, value) in settings.session_registers() {
            self.transport.write32(offset, value)?;
        }
        Ok(())
    }

    /// Changes settings of a running NIC; session and secret stay as they were brought up.
    pub fn configure(&mut self, settings: &Settings) -> Result<(), OpenError> {
        settings.check()?;
        write_settings(&mut self.transport, settings)
    }

    /// Who the NIC is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The transport, for what is its own.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// The transport, for what is its own.
    pub fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Writes a command into the ring; the NIC sees it after [`ring`](Self::ring).
    ///
    /// A full ring refuses and counts. Then ring, and come back when the NIC took some.
    pub fn try_submit(&mut self, command: &Command) -> Result<(), Full> {
        if self.commands.room() == 0 {
            self.refresh_commands();
            if self.commands.room() == 0 {
                self.counters.commands_refused += 1;
                return Err(Full);
            }
        }
        self.slot.fill(0);
        command.encode(&mut self.slot);
        self.commands.write(self.command_memory.memory(), &self.slot);
        self.counters.commands_submitted += 1;
        Ok(())
    }

    /// Commands that can be written before the NIC has to take some.
    pub fn command_room(&mut self) -> u32 {
        self.refresh_commands();
        self.commands.room()
    }

    /// How far the NIC took commands. What fails is told by the next [`ring`](Self::ring).
    fn refresh_commands(&mut self) {
        match self.transport.read32(reg::COMMAND_CONSUMER) {
            // Nobody can have taken what was not announced.
            Ok(consumed) if self.commands_rung.wrapping_sub(consumed) > self.commands.held() => {
                self.counters.indices_refused += 1;
            }
            Ok(consumed) => {
                if self.commands.give_back(consumed).is_err() {
                    self.counters.indices_refused += 1;
                }
            }
            Err(cause) => self.failure = Some(cause),
        }
    }

    /// Announces every command written so far, with one doorbell, and tells what failed since the last
    /// time.
    pub fn ring(&mut self) -> Result<(), TransportError> {
        if let Some(cause) = self.failure.take() {
            return Err(cause);
        }
        let produced = self.commands.produced();
        if produced != self.commands_rung {
            self.transport.write32(reg::COMMAND_PRODUCER, produced)?;
            self.counters.command_doorbells += 1;
            self.commands_rung = produced;
        }
        Ok(())
    }

    /// The next event, `None` when there is none yet.
    ///
    /// A slot that holds no event is skipped. A slot of a pass that cannot be halts the event ring: only
    /// bringing the NIC up again gives it a place to go on from.
    pub fn next_event(&mut self) -> Option<Result<Event, EventError>> {
        if self.event_ring_halted {
            return None;
        }
        let (index, expected) = (self.events.consumed(), self.events.expected());
        match self.events.read(self.event_memory.memory(), &mut self.slot) {
            Next::Slot => {}
            Next::Empty => {
                self.give_back_events();
                return None;
            }
            Next::Foreign { found } => {
                self.event_ring_halted = true;
                self.counters.phases_refused += 1;
                return Some(Err(EventError::Phase { index, expected, found }));
            }
        }
        if self.events.consumed().wrapping_sub(self.events_rung)
            >= self.events.size().slots() / GIVE_BACK_PART
        {
            self.give_back_events();
        }
        match Event::decode(&self.slot) {
            Ok(event) => {
                self.counters.events_read += 1;
                Some(Ok(event))
            }
            Err(_) => {
                self.counters.events_malformed += 1;
                Some(Err(EventError::Descriptor { index }))
            }
        }
    }

    /// Rings the event doorbell; a failure is kept for [`ring`](Self::ring), and the next call tries again.
    fn give_back_events(&mut self) {
        let consumed = self.events.consumed();
        if consumed == self.events_rung {
            return;
        }
        match self.transport.write32(reg::EVENT_CONSUMER, consumed) {
            Ok(()) => {
                self.events_rung = consumed;
                self.counters.event_doorbells += 1;
            }
            Err(cause) => self.failure = Some(cause),
        }
    }

    /// Whether the NIC lost its place in the event ring and has to be brought up again.
    pub fn event_ring_halted(&self) -> bool {
        self.event_ring_halted
    }

    /// What passed the rings, as this side saw it.
    pub fn ring_counters(&self) -> RingCounters {
        self.counters
    }

    /// Every counter of the NIC.
    pub fn counters(&mut self) -> Result<Counters, TransportError> {
        let transport = &mut self.transport;
        Counters::read(|counter| {
            let (low_at, high_at) = (counter.offset(), counter.offset() + 4);
            let before = transport.read32(high_at)?;
            let mut low = transport.read32(low_at)?;
            let high = transport.read32(high_at)?;
            if high != before {
                // The low half wrapped in between; it needs 17 s at a count per cycle to do so again.
                low = transport.read32(low_at)?;
            }
            Ok(u64::from(high) << 32 | u64::from(low))
        })
    }

    /// Readable when events wait; `None` where the caller polls.
    pub fn interrupt_fd(&self) -> Option<BorrowedFd<'_>> {
        self.transport.interrupt_fd()
    }

    /// Waits until the NIC interrupts, and says which of [`INTERRUPT_EVENTS`] and [`INTERRUPT_ERRORS`]
    /// it was; 0 when nothing came in time. Read events until there are none before waiting again.
    pub fn wait(&mut self, timeout: Duration) -> Result<u32, TransportError> {
        if !self.transport.wait(timeout)? {
            return Ok(0);
        }
        let pending = self.transport.read32(reg::INTERRUPT_STATUS)?;
        self.transport.write32(reg::INTERRUPT_STATUS, pending)?;
        Ok(pending)
    }
}

impl<T: Transport> Drop for Nic<T> {
    fn drop(&mut self) {
        // When even this write fails there is no NIC left to stop.
        let _ = self.transport.write32(reg::RING_ENABLE, 0);
    }
}

fn write_settings(transport: &mut impl Transport, settings: &Settings) -> Result<(), OpenError> {
    settings.registers().into_iter().try_for_each(|(offset, value)| write_checked(transport, offset, value))
}

/// Writes a register and refuses a NIC that does not hold the value.
fn write_checked(transport: &mut impl Transport, offset: u32, written: u32) -> Result<(), OpenError> {
    transport.write32(offset, written)?;
    let read = transport.read32(offset)?;
    if read == written {
        return Ok(());
    }
    let named = reg::REGISTERS.iter().find(|register| register.offset == offset);
    let register = named.expect("the driver writes declared registers only").name;
    Err(OpenError::ReadBack { register, written, read })
}

#[cfg(test)]
mod tests;
