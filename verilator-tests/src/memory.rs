//! AXI4: memory behind the master port of a top, as host memory is behind a card's DMA.
//!
//! Addresses, data and answers are delayed each by their own pattern. Held: offers stay until taken;
//! bursts only count up, stay within 4 KiB and within the memory; `wlast` stands where it belongs;
//! strobes stay within their beat. Answers come in the order of the requests, and what is written is in the
//! memory when its answer is taken, not before: a top that does not wait for it is found out.

use crate::bench::{Agent, Bench};
use crate::error::{Error, Result};
use crate::handshake::Channel;
use crate::port::{Input, Port, Value};
use crate::stalls::Stalls;
use crate::stream::BEAT_BYTES_MAX;
use std::collections::VecDeque;

/// Requests of one direction that are taken and not yet answered.
const OUTSTANDING_MAX: usize = 16;
/// No burst crosses a multiple of this.
const PAGE: u64 = 4096;
/// `awburst` and `arburst` of addresses that count up.
const INCREMENT: u8 = 1;

/// A request as its address channel carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    address: u64,
    id: u64,
    length: u8,
    size: u8,
    burst: u8,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Burst {
    address: u64,
    id: u64,
    beats_left: u32,
    beat_bytes: u64,
}

impl Burst {
    /// On to the next beat, which is aligned even if the first one was not.
    fn step(&mut self) {
        self.address = (self.address & !(self.beat_bytes - 1)) + self.beat_bytes;
        self.beats_left -= 1;
    }
}

/// A write whose data is there: its id, and each byte with its place.
#[derive(Debug, Default)]
struct Write {
    id: u64,
    bytes: Vec<(usize, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Data {
    bytes: [u8; BEAT_BYTES_MAX],
    strobe: u128,
    last: bool,
}

/// The ports of one address channel.
struct AddressPorts {
    valid: Port<bool>,
    ready: Input<bool>,
    address: Port<u64>,
    id: Option<Port<u64>>,
    length: Port<u8>,
    size: Port<u8>,
    burst: Port<u8>,
}

impl AddressPorts {
    fn new(bench: &Bench, name: &str) -> Result<AddressPorts> {
        Ok(AddressPorts {
            valid: bench.port(&format!("{name}valid"))?,
            ready: bench.input(&format!("{name}ready"))?,
            address: bench.port(&format!("{name}addr"))?,
            id: optional(bench, &format!("{name}id"))?,
            length: bench.port(&format!("{name}len"))?,
            size: bench.port(&format!("{name}size"))?,
            burst: bench.port(&format!("{name}burst"))?,
        })
    }

    fn offer(&self) -> Option<Request> {
        self.valid.get().then(|| Request {
            address: self.address.get(),
            id: self.id.as_ref().map_or(0, Port::get),
            length: self.length.get(),
            size: self.size.get(),
            burst: self.burst.get(),
        })
    }
}

fn optional<V: Value>(bench: &Bench, name: &str) -> Result<Option<Port<V>>> {
    bench.top().has(name).then(|| bench.port(name)).transpose()
}

/// The port of answers to writes and of data that is read.
struct AnswerPorts {
    valid: Input<bool>,
    ready: Port<bool>,
    id: Option<Input<u64>>,
}

impl AnswerPorts {
    fn new(bench: &Bench, name: &str) -> Result<AnswerPorts> {
        let id = format!("{name}id");
        Ok(AnswerPorts {
            valid: bench.input(&format!("{name}valid"))?,
            ready: bench.port(&format!("{name}ready"))?,
            id: bench.top().has(&id).then(|| bench.input(&id)).transpose()?,
        })
    }
}

/// Memory that a top reads and writes through its AXI4 master port.
pub struct AxiMemory {
    name: String,
    base: u64,
    bytes: Vec<u8>,
    write_address: AddressPorts,
    read_address: AddressPorts,
    write_ready: Input<bool>,
    write_valid: Port<bool>,
    write_data: Port<[u8; BEAT_BYTES_MAX]>,
    write_strobe: Port<u128>,
    write_last: Port<bool>,
    written: AnswerPorts,
    read: AnswerPorts,
    read_data: Input<[u8; BEAT_BYTES_MAX]>,
    read_last: Input<bool>,
    bus_bytes: u64,
    /// Patterns of the five channels: write address, write data, answer, read address, read data.
    stalls: [Stalls; 5],
    write_requests: Channel<Request>,
    write_beats: Channel<Data>,
    read_requests: Channel<Request>,
    /// Writes that wait for data, data that waits for its request, the bytes of the first write so far,
    /// writes to answer, reads under way.
    writes: VecDeque<Burst>,
    data: VecDeque<Data>,
    collected: Vec<(usize, u8)>,
    done: VecDeque<Write>,
    reads: VecDeque<Burst>,
    shows_done: bool,
    shows_read: bool,
}

impl AxiMemory {
    /// `bytes` at address `base`, behind the port whose names begin with `prefix` and `_`.
    pub fn new(
        bench: &mut Bench,
        prefix: &str,
        base: u64,
        bytes: Vec<u8>,
        mut stalls: impl FnMut(&mut Bench) -> Stalls,
    ) -> Result<AxiMemory> {
        let stalls = [(); 5].map(|()| stalls(bench));
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        let read_data: Input<[u8; BEAT_BYTES_MAX]> = bench.input(&name("rdata"))?;
        Ok(AxiMemory {
            name: prefix.into(),
            base,
            bytes,
            write_address: AddressPorts::new(bench, &name("aw"))?,
            read_address: AddressPorts::new(bench, &name("ar"))?,
            write_ready: bench.input(&name("wready"))?,
            write_valid: bench.port(&name("wvalid"))?,
            write_data: bench.port(&name("wdata"))?,
            write_strobe: bench.port(&name("wstrb"))?,
            write_last: bench.port(&name("wlast"))?,
            written: AnswerPorts::new(bench, &name("b"))?,
            read: AnswerPorts::new(bench, &name("r"))?,
            bus_bytes: u64::from(read_data.width() / 8),
            read_data,
            read_last: bench.input(&name("rlast"))?,
            stalls,
            write_requests: Channel::default(),
            write_beats: Channel::default(),
            read_requests: Channel::default(),
            writes: VecDeque::new(),
            data: VecDeque::new(),
            collected: Vec::new(),
            done: VecDeque::new(),
            reads: VecDeque::new(),
            shows_done: false,
            shows_read: false,
        })
    }

    /// The bytes as they are now.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, for whoever shares the memory with the top.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// A request as a burst, or the rule that it breaks.
    fn burst(&self, request: Request) -> std::result::Result<Burst, String> {
        let (beat_bytes, beats) = (1u64 << request.size, u32::from(request.length) + 1);
        let aligned = request.address & !(beat_bytes - 1);
        let end = aligned.saturating_add(u64::from(beats) * beat_bytes);
        if request.burst != INCREMENT {
            return Err(format!("a burst of kind {}", request.burst));
        }
        if beat_bytes > self.bus_bytes {
            return Err(format!("beats of {beat_bytes} bytes on a bus of {}", self.bus_bytes));
        }
        if request.address / PAGE != (end - 1) / PAGE {
            return Err(format!("a burst from {:#x} to {end:#x} crosses {PAGE} bytes", request.address));
        }
        if request.address < self.base || end - self.base > self.bytes.len() as u64 {
            return Err(format!("a burst from {:#x} to {end:#x}, outside of the memory", request.address));
        }
        Ok(Burst { address: request.address, id: request.id, beats_left: beats, beat_bytes })
    }

    /// Where the bus word of an address begins in the memory. Its end may lie outside.
    fn word_offset(&self, address: u64) -> i64 {
        (address & !(self.bus_bytes - 1)) as i64 - self.base as i64
    }

    /// Collects the beats of writes whose request and data are both there.
    fn collect_writes(&mut self) -> std::result::Result<(), String> {
        while let (Some(mut burst), Some(data)) = (self.writes.front().copied(), self.data.front().copied()) {
            self.data.pop_front();
            let first = burst.address % self.bus_bytes;
            let end = (burst.address & !(burst.beat_bytes - 1)) % self.bus_bytes + burst.beat_bytes;
            let offset = self.word_offset(burst.address);
            for lane in (0..self.bus_bytes).filter(|lane| data.strobe >> lane & 1 == 1) {
                if !(first..end).contains(&lane) {
                    return Err(format!("a strobe for lane {lane} of a beat in lanes {first} to {end}"));
                }
                self.collected.push(((offset + lane as i64) as usize, data.bytes[lane as usize]));
            }
            if data.last != (burst.beats_left == 1) {
                return Err(format!("wlast is {} with {} beats to come", data.last, burst.beats_left - 1));
            }
            burst.step();
            match burst.beats_left {
                0 => {
                    self.writes.pop_front();
                    let bytes = std::mem::take(&mut self.collected);
                    self.done.push_back(Write { id: burst.id, bytes });
                }
                _ => self.writes[0] = burst,
            }
        }
        Ok(())
    }

    fn show_read(&mut self) {
        let Some(burst) = self.reads.front().copied() else { return };
        let offset = self.word_offset(burst.address);
        let mut word = [0; BEAT_BYTES_MAX];
        for (lane, byte) in word[..self.bus_bytes as usize].iter_mut().enumerate() {
            let at = usize::try_from(offset + lane as i64).ok();
            *byte = at.and_then(|at| self.bytes.get(at)).copied().unwrap_or(0);
        }
        self.read_data.set(word);
        self.read_last.set(burst.beats_left == 1);
        if let Some(id) = &self.read.id {
            id.set(burst.id);
        }
        self.shows_read = true;
    }

    fn sample_requests(&mut self) -> std::result::Result<(), String> {
        let address = &self.write_address;
        if let Some(request) = self.write_requests.sample(address.offer(), address.ready.get())? {
            self.writes.push_back(self.burst(request)?);
        }
        let address = &self.read_address;
        if let Some(request) = self.read_requests.sample(address.offer(), address.ready.get())? {
            self.reads.push_back(self.burst(request)?);
        }
        let data = self.write_valid.get().then(|| Data {
            bytes: self.write_data.get(),
            strobe: self.write_strobe.get(),
            last: self.write_last.get(),
        });
        self.data.extend(self.write_beats.sample(data, self.write_ready.get())?);
        self.collect_writes()
    }
}

impl Agent for AxiMemory {
    fn drive(&mut self) {
        let [write_address, write_data, done, read_address, read] = &mut self.stalls;
        let has_room = self.writes.len() + self.done.len() < OUTSTANDING_MAX;
        self.write_address.ready.set(has_room && !write_address.is_stalled(self.write_address.valid.get()));
        self.write_ready
            .set(self.data.len() < OUTSTANDING_MAX && !write_data.is_stalled(self.write_valid.get()));
        self.read_address.ready.set(
            self.reads.len() < OUTSTANDING_MAX && !read_address.is_stalled(self.read_address.valid.get()),
        );
        if let (false, Some(write)) = (self.shows_done, self.done.front()) {
            self.shows_done = !done.is_stalled(true);
            if let Some(port) = &self.written.id {
                port.set(write.id);
            }
        }
        if !self.shows_read && !self.reads.is_empty() && !read.is_stalled(true) {
            self.show_read();
        }
        self.written.valid.set(self.shows_done);
        self.read.valid.set(self.shows_read);
    }

    fn sample(&mut self, cycle: u64) -> Result<()> {
        if self.shows_done && self.written.ready.get() {
            self.shows_done = false;
            for (at, byte) in self.done.pop_front().unwrap_or_default().bytes {
                self.bytes[at] = byte;
            }
        }
        if self.shows_read && self.read.ready.get() {
            self.shows_read = false;
            if let Some(burst) = self.reads.front_mut() {
                burst.step();
                if burst.beats_left == 0 {
                    self.reads.pop_front();
                }
            }
        }
        self.sample_requests().map_err(|rule| Error::Violation { cycle, port: self.name.clone(), rule })
    }
}
