//! How packets are tracked: what a NIC holds in its `TRACK_` registers.

use crate::flow::Groups;
use crate::limits::{ALIASES_MAX, PORTS_MAX};
use crate::register as reg;
use crate::window::WINDOW_STEP_BITS;

/// Steps of replicated edges, as the power of two: a smaller step would replicate most packets.
pub const EDGE_BITS: core::ops::RangeInclusive<u32> = 8..=16;
const _: () = assert!(*EDGE_BITS.start() >= WINDOW_STEP_BITS, "a step that WINDOW can say");

/// Two zones share a register.
const ZONES: [u32; PORTS_MAX / 2] =
    [reg::TRACK_ZONES_0, reg::TRACK_ZONES_2, reg::TRACK_ZONES_4, reg::TRACK_ZONES_6];
/// Registers of this page.
pub const REGISTERS_COUNT: usize = 7 + ZONES.len();

/// What an engine is told about packets. Off by default: the host states every flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// Bit n: packets of port n are tracked.
    pub ports: u8,
    /// Conntrack zone of the packets of each port.
    pub zones: [u16; PORTS_MAX],
    /// The groups that packets write; the host's values of them only start a flow.
    pub groups: Groups,
    /// Window edges replicate in steps of 2 to this power ([`EDGE_BITS`]), rounded up; 0 leaves them exact.
    /// Equal in the whole cluster.
    pub edge_bits: u32,
    /// Flows made by packets replicate without the host's confirmation.
    pub trust: bool,
    /// How long a flow made by packets lives before it replicates, in ms.
    pub delay_ms: u32,
    /// Flows made by packets that may wait for confirmation or for their age.
    pub waiting_max: u32,
    /// Reply keys of translated flows that are kept.
    pub aliases_max: u32,
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
    pub const fn is_on(&self) -> bool {
        self.ports != 0
    }

    /// The first setting that no engine can hold, by name.
    pub fn impossible(&self) -> Option<&'static str> {
        if self.edge_bits != 0 && !EDGE_BITS.contains(&self.edge_bits) {
            return Some("edge_bits");
        }
        (self.aliases_max > ALIASES_MAX).then_some("aliases_max")
    }

    /// Offset and value of each register.
    pub fn registers(&self) -> [(u32, u32); REGISTERS_COUNT] {
        let zones = |n: usize| u32::from(self.zones[2 * n + 1]) << 16 | u32::from(self.zones[2 * n]);
        [
            (reg::TRACK_PORTS, self.ports.into()),
            (reg::TRACK_GROUPS, self.groups.0.into()),
            (reg::TRACK_EDGE_BITS, self.edge_bits),
            (reg::TRACK_TRUST, self.trust.into()),
            (reg::TRACK_DELAY_MS, self.delay_ms),
            (reg::TRACK_WAITING_MAX, self.waiting_max),
            (reg::TRACK_ALIASES_MAX, self.aliases_max),
            (ZONES[0], zones(0)),
            (ZONES[1], zones(1)),
            (ZONES[2], zones(2)),
            (ZONES[3], zones(3)),
        ]
    }

    /// What a device was told; bits that a setting has no room for are cut.
    pub fn from_registers(value: impl Fn(u32) -> u32) -> Self {
        Self {
            ports: value(reg::TRACK_PORTS) as u8,
            zones: core::array::from_fn(|port| (value(ZONES[port / 2]) >> (16 * (port % 2))) as u16),
            groups: Groups(value(reg::TRACK_GROUPS) as u8),
            edge_bits: value(reg::TRACK_EDGE_BITS),
            trust: value(reg::TRACK_TRUST) & 1 != 0,
            delay_ms: value(reg::TRACK_DELAY_MS),
            waiting_max: value(reg::TRACK_WAITING_MAX),
            aliases_max: value(reg::TRACK_ALIASES_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking() -> Tracking {
        Tracking {
            ports: 0b1000_0110,
            zones: core::array::from_fn(|port| 0x1110 * port as u16 + 0xf),
            groups: Groups::STATUS,
            edge_bits: 12,
            trust: true,
            delay_ms: 300,
            waiting_max: 70_000,
            aliases_max: 5,
        }
    }

    #[test]
    fn a_device_reads_what_was_written() {
        for tracking in [tracking(), Tracking::default()] {
            let written = tracking.registers();
            let value = |offset| written.iter().find(|(at, _)| *at == offset).expect("a setting").1;
            assert_eq!(Tracking::from_registers(value), tracking);
        }
    }

    #[test]
    fn registers_are_declared_writable_and_distinct() {
        let written = tracking().registers();
        for (n, (offset, _)) in written.iter().enumerate() {
            let declared = reg::REGISTERS.iter().find(|register| register.offset == *offset);
            let declared = declared.expect("declared");
            assert!(declared.name.starts_with("TRACK_") && declared.access == reg::Access::ReadWrite);
            assert!(!written[..n].iter().any(|(other, _)| other == offset), "{}", declared.name);
        }
    }

    #[test]
    fn each_impossible_setting_is_named() {
        assert_eq!(Tracking::default().impossible(), None);
        for edge_bits in [0, 8, 16] {
            assert_eq!(Tracking { edge_bits, ..tracking() }.impossible(), None);
        }
        for edge_bits in [1, 7, 17] {
            assert_eq!(Tracking { edge_bits, ..tracking() }.impossible(), Some("edge_bits"));
        }
        let aliases_max = ALIASES_MAX + 1;
        assert_eq!(Tracking { aliases_max, ..tracking() }.impossible(), Some("aliases_max"));
    }
}
