//! What every way to a NIC offers: registers, DMA memory, interrupts.
//!
//! A transport moves words and decides nothing. VFIO maps a BAR and an IOMMU, vfio-user sends messages
//! to a device process, [`InProcess`](crate::InProcess) calls an engine in this process.

use crate::error::TransportError;
use crate::memory::DmaMemory;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A way to one NIC. Offsets are those of [`formats::register`].
pub trait Transport {
    /// Reads a register.
    fn read32(&mut self, offset: u32) -> Result<u32, TransportError>;

    /// Writes a register. Everything written to DMA memory before is visible to the NIC when it sees
    /// this write.
    fn write32(&mut self, offset: u32, value: u32) -> Result<(), TransportError>;

    /// Zeroed memory of at least this size that the NIC can reach.
    fn dma_memory(&mut self, size: usize) -> Result<DmaMemory, TransportError>;

    /// Readable when an interrupt came; `None` where nothing interrupts and the caller polls.
    fn interrupt_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Waits for an interrupt and takes it; `false` when none came in time. A transport without
    /// interrupts answers at once.
    fn wait(&mut self, timeout: Duration) -> Result<bool, TransportError>;
}
