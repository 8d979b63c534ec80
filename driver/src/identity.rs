//! Who a NIC is: the registers that are read before anything is written.

use crate::error::OpenError;
use crate::transport::Transport;
use formats::reference::FORMATS_DIGEST;
use formats::register as reg;

/// What the identity registers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of the register map, major << 16 | minor.
    pub version: u32,
    /// Build number, 0 for the software engine.
    pub build: u32,
    /// Digest of the formats the NIC was built from; equal to this driver's.
    pub formats_digest: u64,
    /// Flows the NIC can hold.
    pub flows_max: u32,
    /// Ports that carry frames.
    pub ports_count: u32,
}

impl Identity {
    /// Reads the registers and refuses what this driver cannot speak with; writes nothing.
    ///
    /// A newer minor version only adds registers, so it is taken.
    pub fn read(transport: &mut impl Transport) -> Result<Self, OpenError> {
        let found = transport.read32(reg::BLOCK_TYPE)?;
        if found != reg::BLOCK_TYPE_VALUE {
            return Err(OpenError::BlockType { found });
        }
        let (version, driver) = (transport.read32(reg::BLOCK_VERSION)?, reg::BLOCK_VERSION_VALUE);
        if version >> 16 != driver >> 16 || version < driver {
            return Err(OpenError::BlockVersion { nic: version, driver });
        }
        let low = transport.read32(reg::FORMATS_DIGEST_LOW)?;
        let high = transport.read32(reg::FORMATS_DIGEST_HIGH)?;
        let formats_digest = u64::from(high) << 32 | u64::from(low);
        if formats_digest != FORMATS_DIGEST {
            return Err(OpenError::FormatsDigest { nic: formats_digest, driver: FORMATS_DIGEST });
        }
        Ok(Self {
            version,
            build: transport.read32(reg::BLOCK_BUILD)?,
            formats_digest,
            flows_max: transport.read32(reg::FLOWS_MAX)?,
            ports_count: transport.read32(reg::PORTS_COUNT)?,
        })
    }
}
