//! The registers of a NIC behind AXI4-Lite: `formats::register`, expanded.
//!
//! Enters: writes and reads of the driver, what the engine says of itself, and the values of counters.
//! Leaves: every register that can be written, with a strobe in the clock in which its new value stands
//! there first; an answer to each access.
//!
//! Offsets that are not declared and writes of what can only be read are refused (SLVERR), counted and
//! change nothing; so do writes of no byte, which are not refused. Bits 1 and 0 of an address are not looked
//! at. What can only be written reads as 0. Under reset nothing is taken.
//!
//! A read of a counter's low word keeps its high word for the read that follows; the high word of any other
//! counter is read when it is asked for.
//!
//! Timing: answers are registers; ready is a register and the reset. A write is answered 3 cycles after its
//! last half, a read 3 cycles after its address, one of a counter when the counters have answered. One
//! write and one read at a time. 4 LUT levels.

use crate::layout::Field;
use crate::prim::LiteIn;
use formats::reference::FORMATS_DIGEST;
use formats::register::{self as reg, Access, Counter, Register, COUNTERS, REGISTERS};
use rust_hdl::prelude::*;

/// Words of the secret: one is declared, seven follow.
const SECRET_WORDS: usize = 8;
/// Bits of an offset.
const OFFSET_BITS: usize = 12;

// Kernels name bits by plain numbers: words are offsets without the low two bits, and a counter's number
// lies in bits 9 to 3 of an offset whose upper two bits are 01.
const _: () = assert!(OFFSET_BITS == 12 && COUNTERS == 0x400 && Counter::COUNT <= 128);

/// What becomes of a register in hardware.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It holds what is written.
    Stored,
    /// The engine says it.
    Said,
    /// It is neither: interrupts, and the counters.
    Other,
}

const fn kind(register: &Register) -> Kind {
    match (register.offset, register.access) {
        (reg::INTERRUPT_STATUS | COUNTERS, _) => Kind::Other,
        (_, Access::Read) => Kind::Said,
        (_, Access::ReadWrite | Access::Write) => Kind::Stored,
    }
}

const fn words_of(register: &Register) -> usize {
    if register.offset == reg::SECRET {
        SECRET_WORDS
    } else {
        1
    }
}

const fn count(of: Kind) -> usize {
    let (mut n, mut count) = (0, 0);
    while n < REGISTERS.len() {
        if kind(&REGISTERS[n]) as u8 == of as u8 {
            count += words_of(&REGISTERS[n]);
        }
        n += 1;
    }
    count
}

/// Words that hold what is written.
pub const STORED: usize = count(Kind::Stored);
/// Words that the engine says.
pub const SAID: usize = count(Kind::Said);

/// Place of a register among those of its kind.
fn place(offset: u32, of: Kind) -> Field {
    let mut at = 0;
    for register in REGISTERS.iter().filter(|register| kind(register) == of) {
        let bits = 32 * words_of(register);
        if register.offset == offset {
            return Field { name: register.name, at, bits };
        }
        at += bits;
    }
    panic!("no register of this kind is at {offset:#x}")
}

/// Where `values` has the register of that offset; `written` and `clear` have a bit for each 32 of them.
///
/// # Panics
/// If what is there does not hold what is written.
pub fn stored(offset: u32) -> Field {
    place(offset, Kind::Stored)
}

/// Where `said` has the register of that offset.
///
/// # Panics
/// If the engine does not say what is there.
pub fn said(offset: u32) -> Field {
    place(offset, Kind::Said)
}

/// What a block of registers is made of.
pub struct Words<const S: usize, const N: usize> {
    /// Offset of each word that holds what is written, and whether it can be read.
    pub stored: [(u32, bool); S],
    /// Offset of each word that the engine says.
    pub said: [u32; N],
    /// Of the enabled interrupts among the stored ones.
    pub enable: usize,
    /// Counters.
    pub counters: usize,
}

impl Words<STORED, SAID> {
    /// Those of `formats`.
    pub fn declared() -> Self {
        let of = |of| {
            let registers = REGISTERS.iter().filter(move |register| kind(register) == of);
            registers.flat_map(|register| {
                let can_read = register.access != Access::Write;
                (0..words_of(register) as u32).map(move |n| (register.offset + 4 * n, can_read))
            })
        };
        let (mut stored, mut said) = (of(Kind::Stored), of(Kind::Said));
        Self {
            stored: std::array::from_fn(|_| stored.next().expect("they were counted")),
            said: std::array::from_fn(|_| said.next().expect("they were counted").0),
            enable: self::stored(reg::INTERRUPT_ENABLE).at / 32,
            counters: Counter::COUNT,
        }
    }
}

/// What `said` carries for the registers whose values are known now; the others are 0.
pub fn identity() -> Vec<(Field, u32)> {
    [
        (reg::BLOCK_TYPE, reg::BLOCK_TYPE_VALUE),
        (reg::BLOCK_VERSION, reg::BLOCK_VERSION_VALUE),
        (reg::FORMATS_DIGEST_LOW, FORMATS_DIGEST as u32),
        (reg::FORMATS_DIGEST_HIGH, (FORMATS_DIGEST >> 32) as u32),
    ]
    .map(|(offset, value)| (said(offset), value))
    .into()
}

/// S words that hold what is written (V bits), N that the engine says (U bits), and counters.
#[derive(LogicBlock)]
pub struct Csr<const S: usize, const V: usize, const N: usize, const U: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Takes every register to 0.
    pub reset: Signal<In, Bit>,
    /// The driver.
    pub s_axil: LiteIn<12>,
    /// Every register that holds what is written, as [`stored`] says.
    pub values: Signal<Out, Bits<V>>,
    /// Registers written one clock before.
    pub written: Signal<Out, Bits<S>>,
    /// Registers that the engine takes to 0; a write of the same clock is lost.
    pub clear: Signal<In, Bits<S>>,
    /// What the engine says, as [`said`] says.
    pub said: Signal<In, Bits<U>>,
    /// Interrupts to set, of those that are enabled.
    pub raise: Signal<In, Bits<32>>,
    /// An interrupt waits.
    pub interrupt_waits: Signal<Out, Bit>,
    /// A counter to read; it holds until it is taken.
    pub counter_valid: Signal<Out, Bit>,
    /// It is taken at this clock.
    pub counter_ready: Signal<In, Bit>,
    /// Its number.
    pub counter: Signal<Out, Bits<7>>,
    /// The answer to what was taken.
    pub counter_done: Signal<In, Bit>,
    /// The value.
    pub counter_value: Signal<In, Bits<64>>,
    /// Accesses refused, modulo 2^32.
    pub refused: Signal<Out, Bits<32>>,
    number: [Constant<Bits<10>>; S],
    at: [Constant<Bits<16>>; S],
    can_read: [Constant<Bit>; S],
    said_number: [Constant<Bits<10>>; N],
    said_at: [Constant<Bits<16>>; N],
    status_number: Constant<Bits<10>>,
    enable_at: Constant<Bits<16>>,
    counters_count: Constant<Bits<8>>,
    // Write: both halves wait for each other, then for the answer before.
    has_address: DFF<Bit>,
    has_data: DFF<Bit>,
    write_word: DFF<Bits<10>>,
    write_data: DFF<Bits<32>>,
    write_bytes: DFF<Bits<4>>,
    is_decoded: DFF<Bit>,
    hits: [DFF<Bit>; S],
    hits_status: DFF<Bit>,
    takes_address: Signal<Local, Bit>,
    takes_data: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    is_known: Signal<Local, Bit>,
    mask: Signal<Local, Bits<32>>,
    answer_valid: DFF<Bit>,
    answer: DFF<Bits<2>>,
    value: [DFF<Bits<32>>; S],
    is_written: [DFF<Bit>; S],
    status: DFF<Bits<32>>,
    raised: Signal<Local, Bits<32>>,
    enabled: Signal<Local, Bits<32>>,
    is_pending: DFF<Bit>,
    word: Signal<Local, Bits<32>>,
    strobe: Signal<Local, Bit>,
    // Read: decode, choose, and for a counter ask and wait.
    reading: DFF<Bit>,
    decodes: DFF<Bit>,
    chooses: DFF<Bit>,
    asks: DFF<Bit>,
    waits: DFF<Bit>,
    takes_read: Signal<Local, Bit>,
    read_word: DFF<Bits<10>>,
    finds: [DFF<Bit>; S],
    finds_said: [DFF<Bit>; N],
    finds_status: DFF<Bit>,
    is_upper: Signal<Local, Bits<2>>,
    counter_number: Signal<Local, Bits<7>>,
    finds_counter: DFF<Bit>,
    finds_kept: DFF<Bit>,
    is_high: Signal<Local, Bit>,
    masked: [Signal<Local, Bits<32>>; S],
    said_masked: [Signal<Local, Bits<32>>; N],
    chosen: Signal<Local, Bits<32>>,
    is_found: Signal<Local, Bit>,
    read_valid: DFF<Bit>,
    read_answer: DFF<Bits<2>>,
    read_data: DFF<Bits<32>>,
    kept: DFF<Bits<32>>,
    kept_counter: DFF<Bits<7>>,
    has_kept: DFF<Bit>,
    refuses_write: DFF<Bit>,
    refuses_read: DFF<Bit>,
    refused_count: DFF<Bits<32>>,
    /// The low two bits of addresses.
    unused: Signal<Local, Bit>,
}

impl<const S: usize, const V: usize, const N: usize, const U: usize> Csr<S, V, N, U> {
    /// A block of these words.
    pub fn new(words: &Words<S, N>) -> Self {
        const { assert!(V == 32 * S && U == 32 * N, "words have 32 bits") };
        block! {
            number: words.stored.map(|(offset, _)| Constant::new((offset / 4).to_bits())),
            at: std::array::from_fn(|k| Constant::new((32 * k).to_bits())),
            can_read: words.stored.map(|(_, can_read)| Constant::new(can_read)),
            said_number: words.said.map(|offset| Constant::new((offset / 4).to_bits())),
            said_at: std::array::from_fn(|k| Constant::new((32 * k).to_bits())),
            status_number: Constant::new((reg::INTERRUPT_STATUS / 4).to_bits()),
            enable_at: Constant::new((32 * words.enable).to_bits()),
            counters_count: Constant::new(words.counters.to_bits()),
            hits: std::array::from_fn(|_| Default::default()),
            value: std::array::from_fn(|_| Default::default()),
            is_written: std::array::from_fn(|_| Default::default()),
            finds: std::array::from_fn(|_| Default::default()),
            finds_said: std::array::from_fn(|_| Default::default()),
            masked: std::array::from_fn(|_| Default::default()),
            said_masked: std::array::from_fn(|_| Default::default()),
            ..clock reset s_axil values written clear said raise interrupt_waits counter_valid counter_ready
              counter counter_done counter_value refused has_address has_data write_word write_data
              write_bytes is_decoded hits_status takes_address takes_data writes is_known mask
              answer_valid answer status raised enabled is_pending word strobe reading decodes chooses
              asks waits takes_read read_word finds_status is_upper counter_number finds_counter
              finds_kept is_high chosen is_found read_valid read_answer read_data kept kept_counter
              has_kept refuses_write refuses_read refused_count unused
        }
    }
}

impl<const S: usize, const V: usize, const N: usize, const U: usize> Logic for Csr<S, V, N, U> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, has_address, has_data, write_word, write_data, write_bytes, is_decoded);
        dff_setup!(self, clock, hits_status, answer_valid, answer, status, is_pending, reading, decodes);
        dff_setup!(self, clock, chooses, asks, waits, read_word, finds_status, finds_counter, finds_kept);
        dff_setup!(self, clock, read_valid, read_answer, read_data, kept, kept_counter, has_kept);
        dff_setup!(self, clock, refuses_write, refuses_read, refused_count);

        self.unused.next = self.s_axil.awaddr.val().xor() ^ self.s_axil.araddr.val().xor();

        // Both halves of a write.
        self.s_axil.awready.next = !self.has_address.q.val() & !self.reset.val();
        self.s_axil.wready.next = !self.has_data.q.val() & !self.reset.val();
        self.takes_address.next = self.s_axil.awvalid.val() & !self.has_address.q.val() & !self.reset.val();
        self.takes_data.next = self.s_axil.wvalid.val() & !self.has_data.q.val() & !self.reset.val();
        self.writes.next = self.is_decoded.q.val() & self.has_data.q.val() & !self.answer_valid.q.val();
        self.is_decoded.d.next = self.has_address.q.val() & !self.writes.val();
        if self.writes.val() {
            self.has_address.d.next = false;
            self.has_data.d.next = false;
        }
        if self.takes_address.val() {
            self.has_address.d.next = true;
            self.write_word.d.next = self.s_axil.awaddr.val().get_bits::<10>(2);
        }
        if self.takes_data.val() {
            self.has_data.d.next = true;
            self.write_data.d.next = self.s_axil.wdata.val();
            self.write_bytes.d.next = self.s_axil.wstrb.val();
        }
        self.mask.next = 0.into();
        if self.write_bytes.q.val().get_bit(0) {
            self.mask.next = self.mask.val() | 0xff;
        }
        if self.write_bytes.q.val().get_bit(1) {
            self.mask.next = self.mask.val() | 0xff00;
        }
        if self.write_bytes.q.val().get_bit(2) {
            self.mask.next = self.mask.val() | 0x00ff_0000;
        }
        if self.write_bytes.q.val().get_bit(3) {
            self.mask.next = self.mask.val() | 0xff00_0000_u64;
        }

        // The registers.
        self.hits_status.d.next = self.write_word.q.val() == self.status_number.val();
        self.is_known.next = self.hits_status.q.val();
        self.values.next = 0.into();
        self.written.next = 0.into();
        for k in 0..S {
            self.hits[k].clock.next = self.clock.val();
            self.value[k].clock.next = self.clock.val();
            self.is_written[k].clock.next = self.clock.val();
            self.hits[k].d.next = self.write_word.q.val() == self.number[k].val();
            self.is_known.next = self.is_known.val() | self.hits[k].q.val();
            self.value[k].d.next = self.value[k].q.val();
            self.is_written[k].d.next = false;
            if self.writes.val() & self.hits[k].q.val() {
                self.value[k].d.next =
                    (self.value[k].q.val() & !self.mask.val()) | (self.write_data.q.val() & self.mask.val());
                self.is_written[k].d.next = self.write_bytes.q.val().any();
            }
            if self.clear.val().get_bit(k) | self.reset.val() {
                self.value[k].d.next = 0.into();
                self.is_written[k].d.next = false;
            }
            self.word.next = self.value[k].q.val();
            self.values.next = self.values.val() | (bit_cast::<V, 32>(self.word.val()) << self.at[k].val());
            self.strobe.next = self.is_written[k].q.val();
            self.written.next = self.written.val().replace_bit(k, self.strobe.val());
        }
        self.enabled.next = self.values.val().get_bits::<32>(self.enable_at.val().index());
        self.raised.next = self.raise.val() & self.enabled.val();
        self.status.d.next = self.status.q.val() | self.raised.val();
        if self.writes.val() & self.hits_status.q.val() {
            self.status.d.next =
                (self.status.q.val() & !(self.write_data.q.val() & self.mask.val())) | self.raised.val();
        }
        self.is_pending.d.next = self.status.q.val().any();
        self.interrupt_waits.next = self.is_pending.q.val();

        // The answer to a write.
        self.refuses_write.d.next = false;
        if self.s_axil.bready.val() {
            self.answer_valid.d.next = false;
        }
        if self.writes.val() {
            self.answer_valid.d.next = true;
            self.answer.d.next = 0.into();
            if !self.is_known.val() {
                self.answer.d.next = 2.into();
                self.refuses_write.d.next = true;
            }
        }
        self.s_axil.bvalid.next = self.answer_valid.q.val();
        self.s_axil.bresp.next = self.answer.q.val();

        // A read: its address, then who is meant.
        self.s_axil.arready.next = !self.reading.q.val() & !self.reset.val();
        self.takes_read.next = self.s_axil.arvalid.val() & !self.reading.q.val() & !self.reset.val();
        self.decodes.d.next = self.takes_read.val();
        if self.takes_read.val() {
            self.reading.d.next = true;
            self.read_word.d.next = self.s_axil.araddr.val().get_bits::<10>(2);
        }
        self.chooses.d.next = self.decodes.q.val();
        self.is_upper.next = self.read_word.q.val().get_bits::<2>(8);
        self.counter_number.next = self.read_word.q.val().get_bits::<7>(1);
        self.is_high.next = self.read_word.q.val().get_bit(0);
        self.finds_counter.d.next = (self.is_upper.val() == 1)
            & (bit_cast::<8, 7>(self.counter_number.val()) < self.counters_count.val());
        self.finds_kept.d.next = self.is_high.val()
            & self.has_kept.q.val()
            & (self.kept_counter.q.val() == self.counter_number.val());
        self.finds_status.d.next = self.read_word.q.val() == self.status_number.val();
        self.is_found.next = self.finds_status.q.val();
        self.chosen.next = 0.into();
        if self.finds_status.q.val() {
            self.chosen.next = self.status.q.val();
        }
        for k in 0..S {
            self.finds[k].clock.next = self.clock.val();
            self.finds[k].d.next = self.read_word.q.val() == self.number[k].val();
            self.is_found.next = self.is_found.val() | self.finds[k].q.val();
            self.masked[k].next = 0.into();
            if self.finds[k].q.val() & self.can_read[k].val() {
                self.masked[k].next = self.value[k].q.val();
            }
            self.chosen.next = self.chosen.val() | self.masked[k].val();
        }
        for k in 0..N {
            self.finds_said[k].clock.next = self.clock.val();
            self.finds_said[k].d.next = self.read_word.q.val() == self.said_number[k].val();
            self.is_found.next = self.is_found.val() | self.finds_said[k].q.val();
            self.said_masked[k].next = 0.into();
            if self.finds_said[k].q.val() {
                self.said_masked[k].next = self.said.val().get_bits::<32>(self.said_at[k].val().index());
            }
            self.chosen.next = self.chosen.val() | self.said_masked[k].val();
        }

        // Its answer.
        self.refuses_read.d.next = false;
        if self.read_valid.q.val() & self.s_axil.rready.val() {
            self.read_valid.d.next = false;
            self.reading.d.next = false;
        }
        if self.chooses.q.val() {
            if self.finds_counter.q.val() & !self.finds_kept.q.val() {
                self.asks.d.next = true;
            } else {
                self.read_valid.d.next = true;
                self.read_data.d.next = self.chosen.val();
                self.read_answer.d.next = 0.into();
                if self.finds_counter.q.val() {
                    self.read_data.d.next = self.kept.q.val();
                } else if !self.is_found.val() {
                    self.read_answer.d.next = 2.into();
                    self.refuses_read.d.next = true;
                }
            }
        }
        self.counter_valid.next = self.asks.q.val();
        self.counter.next = self.counter_number.val();
        if self.asks.q.val() & self.counter_ready.val() {
            self.asks.d.next = false;
            self.waits.d.next = true;
        }
        if self.waits.q.val() & self.counter_done.val() {
            self.waits.d.next = false;
            self.read_valid.d.next = true;
            self.read_answer.d.next = 0.into();
            self.read_data.d.next = self.counter_value.val().get_bits::<32>(32);
            if !self.is_high.val() {
                self.read_data.d.next = self.counter_value.val().get_bits::<32>(0);
                self.kept.d.next = self.counter_value.val().get_bits::<32>(32);
                self.kept_counter.d.next = self.counter_number.val();
                self.has_kept.d.next = true;
            }
        }
        self.s_axil.rvalid.next = self.read_valid.q.val();
        self.s_axil.rdata.next = self.read_data.q.val();
        self.s_axil.rresp.next = self.read_answer.q.val();

        self.refused_count.d.next = self.refused_count.q.val()
            + bit_cast::<32, 1>(self.refuses_write.q.val().into())
            + bit_cast::<32, 1>(self.refuses_read.q.val().into());
        self.refused.next = self.refused_count.q.val();
        if self.reset.val() {
            self.has_address.d.next = false;
            self.has_data.d.next = false;
            self.is_decoded.d.next = false;
            self.answer_valid.d.next = false;
            self.status.d.next = 0.into();
            self.is_pending.d.next = false;
            self.reading.d.next = false;
            self.decodes.d.next = false;
            self.chooses.d.next = false;
            self.asks.d.next = false;
            self.waits.d.next = false;
            self.read_valid.d.next = false;
            self.has_kept.d.next = false;
            self.refuses_write.d.next = false;
            self.refuses_read.d.next = false;
            self.refused_count.d.next = 0.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_register_has_one_place() {
        let words = Words::declared();
        let mut offsets: Vec<u32> =
            words.stored.iter().map(|(offset, _)| *offset).chain(words.said).collect();
        offsets.extend([reg::INTERRUPT_STATUS, COUNTERS]);
        offsets.sort_unstable();
        let declared = REGISTERS
            .iter()
            .flat_map(|register| (0..words_of(register) as u32).map(move |n| register.offset + 4 * n));
        assert_eq!(offsets, declared.collect::<Vec<_>>());
    }
}
