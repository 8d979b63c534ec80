//! How packets are tracked: what a card holds in registers.

use formats::limits::PORTS_MAX;
use formats::window::WINDOW_STEP_BITS;
use formats::Groups;

/// Steps of replicated edges, as the power of two: a smaller step would replicate most packets.
const EDGE_BITS: std::ops::RangeInclusive<u32> = 8..=16;
const _: () = assert!(*EDGE_BITS.start() >= WINDOW_STEP_BITS, "a step that WINDOW can say");

/// What the engine is told about packets. Off by default: the host states every flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// Bit n: packets of port n are tracked.
    pub ports: u8,
    /// Conntrack zone of the packets of each port.
    pub zones: [u16; PORTS_MAX],
    /// The groups that packets write; the host's values of them only start a flow.
    pub groups: Groups,
    /// Window edges replicate in steps of 2 to this power, rounded up; 0 leaves them exact. Equal in the
    /// whole cluster.
    pub edge_bits: u32,
    /// Flows made by packets replicate without the host's confirmation.
    pub trust: bool,
    /// How long a flow made by packets lives before it replicates, in ms.
    pub delay_ms: u32,
    /// Flows made by packets that may wait for confirmation or for their age.
    pub waiting_max: usize,
    /// Reply keys of translated flows that are kept.
    pub aliases_max: usize,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            ports: 0,
            zones: [0; PORTS_MAX],
            groups: Groups::STATUS.with(Groups::EDGES).with(Groups::SCALES).with(Groups::LIFETIME),
            edge_bits: 0,
            trust: false,
            delay_ms: 0,
            waiting_max: 1 << 16,
            aliases_max: 1 << 16,
        }
    }
}

impl Tracking {
    /// Whether any packet is tracked.
    pub(crate) fn is_on(&self) -> bool {
        self.ports != 0
    }

    /// Asserts what the engine relies on: these values come from our own agent, not from outside.
    pub(crate) fn checked(self) -> Self {
        assert!(self.edge_bits == 0 || EDGE_BITS.contains(&self.edge_bits), "step of edges");
        assert!(self.aliases_max <= 1 << 30, "aliases");
        self
    }
}
