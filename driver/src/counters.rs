//! Counters of the engine, as registers give them, and of the rings, as the driver sees them.

use formats::register::Counter;

/// Every counter of an engine at about one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters([u64; Counter::COUNT]);

impl Counters {
    pub(crate) fn read<E>(mut value: impl FnMut(Counter) -> Result<u64, E>) -> Result<Self, E> {
        let mut values = [0; Counter::COUNT];
        for (counter, _, _) in Counter::ALL {
            values[*counter as usize] = value(*counter)?;
        }
        Ok(Self(values))
    }

    /// One counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Counter and value, in register order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.iter().map(|(counter, _, _)| (*counter, self.get(*counter)))
    }
}

/// What passed the rings on the host's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Commands written into the ring.
    pub commands_submitted: u64,
    /// Commands refused because the ring was full.
    pub commands_refused: u64,
    /// Writes of the command doorbell.
    pub command_doorbells: u64,
    /// Events read.
    pub events_read: u64,
    /// Slots that held no event.
    pub events_malformed: u64,
    /// Writes of the event doorbell.
    pub event_doorbells: u64,
    /// Consumer indices of the NIC that cannot be; ignored.
    pub indices_refused: u64,
    /// Event slots of a pass that cannot be; the event ring is halted.
    pub phases_refused: u64,
}
