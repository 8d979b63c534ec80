//! Memory that host and NIC share, and the only `unsafe` of this crate.
//!
//! Enters: a mapping from a transport, slots of 512 bytes. Leaves: slots whose phase is published.
//! The NIC may write this memory whenever it likes, in another clock domain, process or thread, so no
//! plain reference into it exists: every access is an atomic of one width. A slot's words are copied
//! relaxed; the word that carries the phase is stored last with release and loaded first with acquire.
//! A NIC that breaks the protocol can therefore hand us a torn slot, which the codec refuses or reads
//! as a wrong value, but no undefined behaviour.
//!
//! Rejected: `memcpy` of slots under the phase's guard. It is sound only while both sides obey, and
//! one side is a device.

use formats::descriptor::Head;
use formats::limits::{COMMAND_SIZE, EVENT_SIZE};
use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Bytes of a slot, in either ring.
pub const SLOT_SIZE: usize = COMMAND_SIZE;
const WORD_SIZE: usize = size_of::<u64>();
const SLOT_WORDS: usize = SLOT_SIZE / WORD_SIZE;
/// The word of a slot whose high half is the phase.
const PHASE_WORD: usize = {
    let phase = Head::LAYOUT.fields[Head::LAYOUT.fields.len() - 1];
    assert!(phase.size == 4 && phase.offset % WORD_SIZE == 4);
    phase.offset / WORD_SIZE
};
const _: () = assert!(COMMAND_SIZE == EVENT_SIZE);
const _: () = assert!(SLOT_SIZE % WORD_SIZE == 0);
/// Huge pages of x86-64 and arm64 with 4 KiB granules.
const HUGE_PAGE_BITS: u8 = 21;

/// A mapping read and written by atomics only.
#[derive(Debug)]
pub struct Memory {
    raw: MmapRaw,
}

impl Memory {
    /// Takes over a mapping, such as a shared file of a device process.
    pub fn new(raw: MmapRaw) -> Self {
        Self { raw }
    }

    /// Zeroed memory of at least this size, from huge pages when there are any and it fills them.
    pub fn anonymous(size: usize) -> io::Result<Self> {
        let huge_size = 1usize << HUGE_PAGE_BITS;
        if size % huge_size == 0 && size != 0 {
            let mapped = MmapOptions::new().len(size).huge(Some(HUGE_PAGE_BITS)).populate().map_anon();
            if let Ok(mapped) = mapped {
                return Ok(Self::new(mapped.into()));
            }
        }
        MmapOptions::new().len(size).populate().map_anon().map(|mapped| Self::new(mapped.into()))
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.raw.len()
    }

    /// Address of the first byte in this process, for a transport that maps it into an IOMMU.
    pub fn address(&self) -> usize {
        self.raw.as_mut_ptr() as usize
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is readable and writable, page-aligned, initialised by the kernel, at
        // least `len` bytes long, and lives as long as `self`. No other reference into it is ever
        // made, every access of this process is an atomic of this width, and `AtomicU64` allows the
        // memory to change under a shared reference.
        unsafe { std::slice::from_raw_parts(self.raw.as_mut_ptr().cast(), self.raw.len() / WORD_SIZE) }
    }

    fn slot(&self, slot: usize) -> &[AtomicU64] {
        &self.words()[slot * SLOT_WORDS..(slot + 1) * SLOT_WORDS]
    }

    /// The phase of a slot; what it guards is visible afterwards.
    #[inline]
    pub fn phase(&self, slot: usize) -> u32 {
        (u64::from_le(self.slot(slot)[PHASE_WORD].load(Ordering::Acquire)) >> 32) as u32
    }

    /// Copies a slot out, its phase word included. Ask for the [`phase`](Self::phase) first.
    #[inline]
    pub fn read(&self, slot: usize, out: &mut [u8; SLOT_SIZE]) {
        for (bytes, word) in out.chunks_exact_mut(WORD_SIZE).zip(self.slot(slot)) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
    }

    /// Copies a slot in, its phase word last; the phase in `bytes` is not used.
    #[inline]
    pub fn write(&self, slot: usize, bytes: &[u8; SLOT_SIZE], phase: u32) {
        let words = self.slot(slot);
        let mut phase_word = 0;
        for (at, (bytes, word)) in bytes.chunks_exact(WORD_SIZE).zip(words).enumerate() {
            let value = u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
            if at == PHASE_WORD {
                phase_word = u64::from_le(value) & u64::from(u32::MAX) | u64::from(phase) << 32;
            } else {
                word.store(value, Ordering::Relaxed);
            }
        }
        words[PHASE_WORD].store(phase_word.to_le(), Ordering::Release);
    }
}

/// Memory a NIC can reach. One owner; dropping it takes it away from the NIC, then unmaps it.
pub struct DmaMemory {
    /// Dropped first: takes the mapping out of the IOMMU.
    _unmap: Option<Box<dyn Send>>,
    memory: Arc<Memory>,
    bus_address: u64,
}

impl DmaMemory {
    /// Memory at this bus address (IOVA); dropping `unmap` ends the NIC's access.
    pub fn new(memory: Memory, bus_address: u64, unmap: Option<Box<dyn Send>>) -> Self {
        Self { _unmap: unmap, memory: Arc::new(memory), bus_address }
    }

    /// Where the NIC finds it.
    pub fn bus_address(&self) -> u64 {
        self.bus_address
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.memory.size()
    }

    /// The memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// For a device in this process: sees the memory for as long as its owner keeps it.
    pub(crate) fn device_view(&self) -> std::sync::Weak<Memory> {
        Arc::downgrade(&self.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written_with_its_phase() {
        let memory = Memory::anonymous(4 * SLOT_SIZE).unwrap();
        let mut bytes = [0u8; SLOT_SIZE];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = at as u8;
        }
        memory.write(2, &bytes, 0x0807_0605);
        assert_eq!((memory.phase(1), memory.phase(2), memory.phase(3)), (0, 0x0807_0605, 0));
        let mut read = [0u8; SLOT_SIZE];
        memory.read(2, &mut read);
        bytes[60..64].copy_from_slice(&0x0807_0605u32.to_le_bytes());
        assert_eq!(read, bytes);
        assert_eq!(Head::decode(read[..64].try_into().unwrap()).phase, 0x0807_0605);
    }

    #[test]
    fn two_threads_pass_whole_slots() {
        let memory = Memory::anonymous(SLOT_SIZE).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| memory.write(0, &[7; SLOT_SIZE], 1));
            while memory.phase(0) != 1 {
                std::thread::yield_now();
            }
            let mut read = [0; SLOT_SIZE];
            memory.read(0, &mut read);
            assert!(read[..60].iter().chain(&read[64..]).all(|byte| *byte == 7));
        });
    }

    #[test]
    fn dropping_dma_memory_ends_the_device_s_view() {
        let memory = DmaMemory::new(Memory::anonymous(SLOT_SIZE).unwrap(), 0x1000, None);
        let view = memory.device_view();
        assert!(view.upgrade().is_some());
        drop(memory);
        assert!(view.upgrade().is_none());
    }
}
