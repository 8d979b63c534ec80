//! AXI4-Lite: a master that reads and writes registers, with delays, and checks the answers.
//!
//! Five channels, each with stalls of its own: address may come before, with or behind data. Answers must
//! hold until taken, and none may come without a request.

use crate::bench::{Agent, Bench};
use crate::error::{Error, Result};
use crate::handshake::Channel;
use crate::port::{Input, Port};
use crate::stalls::Stalls;
use std::collections::VecDeque;

/// Cycles within which a register must answer.
const ANSWER_CYCLES_MAX: u64 = 10_000;

/// The code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Done.
    Okay,
    /// Exclusive access done; no answer of AXI4-Lite.
    ExclusiveOkay,
    /// Refused by the one asked.
    SlaveError,
    /// Nobody is at that address.
    DecodeError,
}

impl Response {
    fn of(code: u8) -> Response {
        match code & 3 {
            0 => Response::Okay,
            1 => Response::ExclusiveOkay,
            2 => Response::SlaveError,
            _ => Response::DecodeError,
        }
    }
}

/// One channel on which the master is the source; `show` puts an item on its ports.
struct Requests<T> {
    valid: Input<bool>,
    ready: Port<bool>,
    stalls: Stalls,
    waiting: VecDeque<T>,
    is_valid: bool,
}

impl<T> Requests<T> {
    fn new(bench: &mut Bench, name: &str, stalls: Stalls) -> Result<Requests<T>> {
        let valid = bench.input(&format!("{name}valid"))?;
        let ready = bench.port(&format!("{name}ready"))?;
        Ok(Requests { valid, ready, stalls, waiting: VecDeque::new(), is_valid: false })
    }

    fn drive(&mut self, show: impl FnOnce(&T)) {
        if self.is_valid {
            return;
        }
        if let Some(item) = self.waiting.front() {
            if !self.stalls.is_stalled(true) {
                show(item);
                self.is_valid = true;
            }
        }
        self.valid.set(self.is_valid);
    }

    /// Whether an item was taken in this cycle.
    fn sample(&mut self) -> bool {
        let is_taken = self.is_valid && self.ready.get();
        if is_taken {
            self.waiting.pop_front();
            self.is_valid = false;
        }
        is_taken
    }
}

/// One channel on which the top is the source.
struct Answers {
    name: String,
    valid: Port<bool>,
    ready: Input<bool>,
    data: Option<Port<u64>>,
    response: Port<u8>,
    stalls: Stalls,
    channel: Channel<(u64, Response)>,
}

impl Answers {
    fn new(bench: &Bench, name: &str, has_data: bool, stalls: Stalls) -> Result<Answers> {
        let data = has_data.then(|| bench.port(&format!("{name}data"))).transpose()?;
        Ok(Answers {
            valid: bench.port(&format!("{name}valid"))?,
            ready: bench.input(&format!("{name}ready"))?,
            response: bench.port(&format!("{name}resp"))?,
            name: name.into(),
            data,
            stalls,
            channel: Channel::default(),
        })
    }

    fn drive(&mut self) {
        self.ready.set(!self.stalls.is_stalled(self.valid.get()));
    }

    /// The answer of this cycle, of `open` requests that wait for one.
    fn sample(&mut self, cycle: u64, open: u32) -> Result<Option<(u64, Response)>> {
        let violation = |rule: &str| Error::Violation { cycle, port: self.name.clone(), rule: rule.into() };
        let data = || self.data.as_ref().map_or(0, Port::get);
        let answer = self.valid.get().then(|| (data(), Response::of(self.response.get())));
        if answer.is_some() && open == 0 {
            return Err(violation("an answer without a request"));
        }
        self.channel.sample(answer, self.ready.get()).map_err(violation)
    }
}

/// Drives one AXI4-Lite port of a top.
pub struct LiteMaster {
    write_address: Requests<u64>,
    write_data: Requests<(u64, u8)>,
    write_answers: Answers,
    read_address: Requests<u64>,
    read_answers: Answers,
    ports: LitePorts,
    /// Taken and not answered.
    addresses_open: u32,
    data_open: u32,
    reads_open: u32,
    written: VecDeque<Response>,
    read: VecDeque<(u64, Response)>,
}

struct LitePorts {
    awaddr: Input<u64>,
    wdata: Input<u64>,
    wstrb: Input<u8>,
    araddr: Input<u64>,
}

impl LiteMaster {
    /// The port whose names begin with `prefix` and `_`. `stalls` gives each channel its pattern.
    pub fn new(
        bench: &mut Bench,
        prefix: &str,
        mut stalls: impl FnMut(&mut Bench) -> Stalls,
    ) -> Result<LiteMaster> {
        let name = |channel: &str| format!("{prefix}_{channel}");
        let mut drawn = || stalls(bench);
        let patterns = [drawn(), drawn(), drawn(), drawn(), drawn()];
        let [aw, w, b, ar, r] = patterns;
        Ok(LiteMaster {
            write_address: Requests::new(bench, &name("aw"), aw)?,
            write_data: Requests::new(bench, &name("w"), w)?,
            write_answers: Answers::new(bench, &name("b"), false, b)?,
            read_address: Requests::new(bench, &name("ar"), ar)?,
            read_answers: Answers::new(bench, &name("r"), true, r)?,
            ports: LitePorts {
                awaddr: bench.input(&name("awaddr"))?,
                wdata: bench.input(&name("wdata"))?,
                wstrb: bench.input(&name("wstrb"))?,
                araddr: bench.input(&name("araddr"))?,
            },
            addresses_open: 0,
            data_open: 0,
            reads_open: 0,
            written: VecDeque::new(),
            read: VecDeque::new(),
        })
    }

    /// Queues a write of the bytes that `strobe` names.
    pub fn push_write(&mut self, address: u64, data: u64, strobe: u8) {
        self.write_address.waiting.push_back(address);
        self.write_data.waiting.push_back((data, strobe));
    }

    /// Queues a read.
    pub fn push_read(&mut self, address: u64) {
        self.read_address.waiting.push_back(address);
    }

    /// The oldest answer to a write not yet asked for.
    pub fn next_written(&mut self) -> Option<Response> {
        self.written.pop_front()
    }

    /// The oldest answer to a read not yet asked for.
    pub fn next_read(&mut self) -> Option<(u64, Response)> {
        self.read.pop_front()
    }

    /// Writes the whole register and waits for the answer, while `others` go on.
    pub fn write(
        &mut self,
        bench: &mut Bench,
        others: &mut impl Agent,
        address: u64,
        data: u64,
    ) -> Result<Response> {
        let bytes = self.ports.wdata.width() / 8;
        self.push_write(address, data, (u16::MAX >> (16 - bytes)) as u8);
        bench.run_until(&mut (&mut *self, others), ANSWER_CYCLES_MAX, |(own, _)| !own.written.is_empty())?;
        Ok(self.next_written().expect("it was awaited"))
    }

    /// Reads a register and waits for the answer, while `others` go on.
    pub fn read(
        &mut self,
        bench: &mut Bench,
        others: &mut impl Agent,
        address: u64,
    ) -> Result<(u64, Response)> {
        self.push_read(address);
        bench.run_until(&mut (&mut *self, others), ANSWER_CYCLES_MAX, |(own, _)| !own.read.is_empty())?;
        Ok(self.next_read().expect("it was awaited"))
    }
}

impl Agent for LiteMaster {
    fn drive(&mut self) {
        let ports = &self.ports;
        self.write_address.drive(|address| ports.awaddr.set(*address));
        self.write_data.drive(|(data, strobe)| {
            ports.wdata.set(*data);
            ports.wstrb.set(*strobe);
        });
        self.read_address.drive(|address| ports.araddr.set(*address));
        self.write_answers.drive();
        self.read_answers.drive();
    }

    fn sample(&mut self, cycle: u64) -> Result<()> {
        // An answer follows its request by a cycle at least: those taken now do not count yet.
        let writes_open = self.addresses_open.min(self.data_open);
        if let Some((_, response)) = self.write_answers.sample(cycle, writes_open)? {
            self.addresses_open -= 1;
            self.data_open -= 1;
            self.written.push_back(response);
        }
        if let Some(answer) = self.read_answers.sample(cycle, self.reads_open)? {
            self.reads_open -= 1;
            self.read.push_back(answer);
        }
        self.addresses_open += u32::from(self.write_address.sample());
        self.data_open += u32::from(self.write_data.sample());
        self.reads_open += u32::from(self.read_address.sample());
        Ok(())
    }
}
