//! What a NIC is told before it runs, and its place in the register map.
//!
//! Both directions are here: the driver writes [`Settings::registers`], a device in Rust reads them
//! back with [`Settings::from_registers`].

use crate::error::SettingsError;
use formats::limits::*;
use formats::register as reg;
use formats::{tracking, ClusterSecret, Groups, Tracking};

/// 32-bit words of the cluster secret.
pub const SECRET_WORDS: usize = 8;
const OWN_COUNT: usize = 10;
const SETTINGS_COUNT: usize = OWN_COUNT + tracking::REGISTERS_COUNT;
/// Smallest frame: the largest record, authenticated.
const FRAME_SIZE_MIN: usize =
    FRAME_HEADER_SIZE + (RECORD_UNITS_MAX + AUTHENTICATION_UNITS) * UNIT_SIZE + FRAME_CRC_SIZE;
const _: () = assert!(FRAME_SIZE_MIN <= FRAME_SIZE_MAX);

/// Settings of a NIC; each field is a register of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Own member number.
    pub member: u8,
    /// Cluster number.
    pub cluster: u32,
    /// Own session: cluster time of this start in µs.
    pub session: u64,
    /// Keys of flow ids and digests.
    pub secret: ClusterSecret,
    /// Interval of heartbeats.
    pub beat_us: u32,
    /// Silence after which a path is late.
    pub late_us: u32,
    /// Silence after which a path is silent.
    pub silent_us: u32,
    /// Time after which a host that does not renew its liveness counts as dead.
    pub host_alive_us: u32,
    /// Field groups that replicate.
    pub replicate_groups: Groups,
    /// Largest frame to send, in bytes from the MAC addresses to the checksum.
    pub frame_size: u32,
    /// Interval in which each bucket's digest is sent.
    pub digest_us: u32,
    /// Service tag of sync frames.
    pub s_tag: u16,
    /// Customer tag of sync frames.
    pub c_tag: u16,
    /// How packets are tracked.
    pub tracking: Tracking,
}

impl Settings {
    /// Refuses what no NIC can hold.
    pub fn check(&self) -> Result<(), SettingsError> {
        if usize::from(self.member) >= MEMBERS_MAX {
            return Err(SettingsError::Member(self.member));
        }
        if self.session == 0 {
            return Err(SettingsError::SessionZero);
        }
        let Self { beat_us, late_us, silent_us, .. } = *self;
        if beat_us == 0 || beat_us > late_us || late_us > silent_us {
            return Err(SettingsError::Timers { beat_us, late_us, silent_us });
        }
        if self.host_alive_us == 0 {
            return Err(SettingsError::Interval("host_alive_us"));
        }
        if self.digest_us == 0 {
            return Err(SettingsError::Interval("digest_us"));
        }
        if !(FRAME_SIZE_MIN..=FRAME_SIZE_MAX).contains(&(self.frame_size as usize)) {
            return Err(SettingsError::FrameSize(self.frame_size));
        }
        match self.tracking.impossible() {
            Some(name) => Err(SettingsError::Tracking(name)),
            None => Ok(()),
        }
    }

    /// Offset and value of each readable setting, session and secret apart.
    pub fn registers(&self) -> [(u32, u32); SETTINGS_COUNT] {
        let own: [(u32, u32); OWN_COUNT] = [
            (reg::MEMBER, self.member.into()),
            (reg::CLUSTER, self.cluster),
            (reg::BEAT_US, self.beat_us),
            (reg::LATE_US, self.late_us),
            (reg::SILENT_US, self.silent_us),
            (reg::HOST_ALIVE_US, self.host_alive_us),
            (reg::REPLICATE_GROUPS, self.replicate_groups.0.into()),
            (reg::FRAME_SIZE, self.frame_size),
            (reg::DIGEST_US, self.digest_us),
            (reg::TAGS, u32::from(self.s_tag) << 16 | u32::from(self.c_tag)),
        ];
        let tracking = self.tracking.registers();
        std::array::from_fn(|n| if n < OWN_COUNT { own[n] } else { tracking[n - OWN_COUNT] })
    }

    /// Offset and value of each word of the secret; they read as zero.
    pub fn secret_registers(&self) -> [(u32, u32); SECRET_WORDS] {
        std::array::from_fn(|word| {
            let bytes = self.secret.0[4 * word..4 * word + 4].try_into().expect("4 bytes");
            (reg::SECRET + 4 * word as u32, u32::from_le_bytes(bytes))
        })
    }

    /// The session in the order of its two writes; the last one starts it.
    pub fn session_registers(&self) -> [(u32, u32); 2] {
        [(reg::SESSION_LOW, self.session as u32), (reg::SESSION_HIGH, (self.session >> 32) as u32)]
    }

    /// What a device was told; bits that a setting has no room for are cut.
    pub fn from_registers(value: impl Fn(u32) -> u32) -> Self {
        let mut secret = [0; 4 * SECRET_WORDS];
        for word in 0..SECRET_WORDS {
            let bytes = value(reg::SECRET + 4 * word as u32).to_le_bytes();
            secret[4 * word..4 * word + 4].copy_from_slice(&bytes);
        }
        Self {
            member: value(reg::MEMBER) as u8,
            cluster: value(reg::CLUSTER),
            session: u64::from(value(reg::SESSION_HIGH)) << 32 | u64::from(value(reg::SESSION_LOW)),
            secret: ClusterSecret(secret),
            beat_us: value(reg::BEAT_US),
            late_us: value(reg::LATE_US),
            silent_us: value(reg::SILENT_US),
            host_alive_us: value(reg::HOST_ALIVE_US),
            replicate_groups: Groups(value(reg::REPLICATE_GROUPS) as u8),
            frame_size: value(reg::FRAME_SIZE),
            digest_us: value(reg::DIGEST_US),
            s_tag: (value(reg::TAGS) >> 16) as u16,
            c_tag: value(reg::TAGS) as u16,
            tracking: Tracking::from_registers(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            member: 3,
            cluster: 0xdead_beef,
            session: 0x1122_3344_5566_7788,
            secret: ClusterSecret(std::array::from_fn(|i| i as u8)),
            beat_us: 1_000,
            late_us: 3_000,
            silent_us: 9_000,
            host_alive_us: 50_000,
            replicate_groups: Groups::ALL,
            frame_size: 1_522,
            digest_us: 100_000,
            s_tag: 100,
            c_tag: 10,
            tracking: Tracking { ports: 2, edge_bits: 12, ..Tracking::default() },
        }
    }

    #[test]
    fn a_device_reads_what_the_driver_writes() {
        let settings = settings();
        let written: Vec<_> = settings
            .registers()
            .into_iter()
            .chain(settings.secret_registers())
            .chain(settings.session_registers())
            .collect();
        let value = |offset| written.iter().find(|(at, _)| *at == offset).expect("a setting").1;
        assert_eq!(Settings::from_registers(value), settings);
    }

    #[test]
    fn each_impossible_setting_is_named() {
        let good = settings();
        assert_eq!(good.check(), Ok(()));
        let refused = [
            (Settings { member: 128, ..good }, SettingsError::Member(128)),
            (Settings { session: 0, ..good }, SettingsError::SessionZero),
            (
                Settings { late_us: 999, ..good },
                SettingsError::Timers { beat_us: 1_000, late_us: 999, silent_us: 9_000 },
            ),
            (Settings { host_alive_us: 0, ..good }, SettingsError::Interval("host_alive_us")),
            (Settings { digest_us: 0, ..good }, SettingsError::Interval("digest_us")),
            (Settings { frame_size: 9_023, ..good }, SettingsError::FrameSize(9_023)),
            (Settings { frame_size: 64, ..good }, SettingsError::FrameSize(64)),
            (
                Settings { tracking: Tracking { edge_bits: 7, ..good.tracking }, ..good },
                SettingsError::Tracking("edge_bits"),
            ),
        ];
        for (settings, error) in refused {
            assert_eq!(settings.check(), Err(error));
        }
    }
}
