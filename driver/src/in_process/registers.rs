//! The register file of a device in this process.
//!
//! Enters: words by offset. Leaves: words, errors for offsets that are not declared or not writable.

use formats::register::{Access, COUNTERS, REGISTERS, SECRET};
use std::io;

use crate::settings::SECRET_WORDS;

const WORDS_COUNT: usize = COUNTERS as usize / 4;
const SECRET_WORD: usize = SECRET as usize / 4;
const _: () = assert!(SECRET_WORD + SECRET_WORDS <= WORDS_COUNT);

/// Every register below the counters.
#[derive(Debug)]
pub(super) struct Registers {
    values: [u32; WORDS_COUNT],
    access: [Option<Access>; WORDS_COUNT],
}

impl Registers {
    pub(super) fn new() -> Self {
        let mut access = [None; WORDS_COUNT];
        for register in REGISTERS.iter().filter(|register| register.offset < COUNTERS) {
            access[register.offset as usize / 4] = Some(register.access);
        }
        access[SECRET_WORD..SECRET_WORD + SECRET_WORDS].fill(Some(Access::Write));
        Self { values: [0; WORDS_COUNT], access }
    }

    /// What the device itself sees, write-only registers included.
    pub(super) fn get(&self, offset: u32) -> u32 {
        self.values[offset as usize / 4]
    }

    /// What the device itself writes, read-only registers included.
    pub(super) fn set(&mut self, offset: u32, value: u32) {
        self.values[offset as usize / 4] = value;
    }

    /// Two halves of one number.
    pub(super) fn get64(&self, low_offset: u32) -> u64 {
        u64::from(self.get(low_offset + 4)) << 32 | u64::from(self.get(low_offset))
    }

    fn access(&self, offset: u32) -> io::Result<Access> {
        let declared = self.access.get(offset as usize / 4).copied().flatten();
        declared.filter(|_| offset % 4 == 0).ok_or_else(|| io::Error::other("no register is declared here"))
    }

    /// What the driver reads.
    pub(super) fn read(&self, offset: u32) -> io::Result<u32> {
        match self.access(offset)? {
            Access::Read | Access::ReadWrite => Ok(self.get(offset)),
            Access::Write => Ok(0),
        }
    }

    /// Whether the driver may write here.
    pub(super) fn check_write(&self, offset: u32) -> io::Result<()> {
        match self.access(offset)? {
            Access::ReadWrite | Access::Write => Ok(()),
            Access::Read => Err(io::Error::other("the register is read only")),
        }
    }
}
