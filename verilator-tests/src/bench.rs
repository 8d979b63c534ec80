//! One instance under a clock, with whatever drives and watches its ports.
//!
//! A cycle: every agent drives its inputs; the model settles with the clock low; every agent samples,
//! so that it sees what the rising edge will see; the clock rises. Agents answer in the next cycle.

use crate::design::Design;
use crate::error::{Error, Result};
use crate::header::Direction;
use crate::model::{Model, Top};
use crate::port::{Input, Port, Value};
use fastrand::Rng;
use std::path::PathBuf;

/// Bytes of the widest input.
const INPUT_BYTES_MAX: usize = 1024;
/// Cycles for which [`Bench::reset`] holds the reset at most. One must do.
const RESET_CYCLES_MAX: u32 = 4;

/// What drives or watches ports.
pub trait Agent {
    /// Drives inputs for the coming cycle.
    fn drive(&mut self);
    /// Looks at the settled ports, as the rising edge will; `cycle` counts from the first.
    fn sample(&mut self, cycle: u64) -> Result<()>;
}

impl<A: Agent + ?Sized> Agent for &mut A {
    #[inline]
    fn drive(&mut self) {
        (**self).drive();
    }
    #[inline]
    fn sample(&mut self, cycle: u64) -> Result<()> {
        (**self).sample(cycle)
    }
}

impl<A: Agent> Agent for [A] {
    fn drive(&mut self) {
        self.iter_mut().for_each(Agent::drive);
    }
    fn sample(&mut self, cycle: u64) -> Result<()> {
        self.iter_mut().try_for_each(|agent| agent.sample(cycle))
    }
}

macro_rules! agents {
    ($($name:ident)*) => {
        impl<$($name: Agent),*> Agent for ($($name,)*) {
            #[inline]
            fn drive(&mut self) {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                $($name.drive();)*
            }
            #[inline]
            fn sample(&mut self, _cycle: u64) -> Result<()> {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                $($name.sample(_cycle)?;)*
                Ok(())
            }
        }
    };
}
agents!();
agents!(A);
agents!(A B);
agents!(A B C);
agents!(A B C D);
agents!(A B C D E);
agents!(A B C D E F);

/// A waveform and the first cycle in it.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub(crate) path: PathBuf,
    pub(crate) first_cycle: u64,
}

/// One instance of a top with its clock, reset, count of cycles and source of randomness.
pub struct Bench {
    top: Top,
    clock: Option<Input<bool>>,
    reset: Option<(Input<bool>, bool)>,
    cycle: u64,
    /// Where a beginning ends.
    end: u64,
    random: Rng,
    wave: Option<Wave>,
}

impl Bench {
    /// A new instance of `model`, which was built from `design`, after its reset; every input is zero.
    pub fn new(design: &Design, model: &Model, seed: u64) -> Result<Bench> {
        Bench::with_wave(design, model, seed, None)
    }

    pub(crate) fn with_wave(design: &Design, model: &Model, seed: u64, wave: Option<Wave>) -> Result<Bench> {
        let top = model.instance(seed);
        for port in top.ports().iter().filter(|port| port.direction == Direction::Input) {
            top.input(&port.name)?.set([0u8; INPUT_BYTES_MAX]);
        }
        let clock = match design.clock.as_str() {
            "" => None,
            name => Some(top.input(name)?),
        };
        let reset = match &design.reset {
            None => None,
            Some(reset) => Some((top.input(&reset.port)?, reset.level)),
        };
        if let Some(wave) = &wave {
            top.trace_to(&wave.path)?;
        }
        let mut bench =
            Bench { top, clock, reset, cycle: 0, end: u64::MAX, random: Rng::with_seed(seed), wave };
        bench.reset()?;
        Ok(bench)
    }

    /// Drives every input at random for so many cycles, and on under a reset of one cycle or a few: what
    /// comes after, with all of them at zero, must not depend on what was before.
    pub fn upset(&mut self, cycles: u64) -> Result<()> {
        let own =
            |name: &str, port: &Option<Input<bool>>| port.as_ref().is_some_and(|port| port.name() == name);
        let reset = self.reset.as_ref().map(|(port, _)| port.clone());
        let mut inputs = Vec::new();
        for port in self.top.ports().iter().filter(|port| port.direction == Direction::Input) {
            if !own(&port.name, &self.clock) && !own(&port.name, &reset) {
                inputs.push(self.top.input(&port.name)?);
            }
        }
        let mut noise = Noise::new(inputs, self.random.fork());
        for _ in 0..cycles {
            self.cycle(&mut noise)?;
        }
        self.reset_with(&mut noise)?;
        noise.inputs.iter().for_each(|(input, _)| input.set([0; INPUT_BYTES_MAX]));
        Ok(())
    }

    /// Holds the reset for one cycle or a few. Inputs stay as they are driven.
    pub fn reset(&mut self) -> Result<()> {
        self.reset_with(&mut ())
    }

    fn reset_with(&mut self, agents: &mut impl Agent) -> Result<()> {
        let Some((port, level)) = self.reset.clone() else { return Ok(()) };
        port.set(level);
        for _ in 0..self.random.u32(1..=RESET_CYCLES_MAX) {
            self.cycle(agents)?;
        }
        port.set(!level);
        Ok(())
    }

    /// Plays a test for so many cycles at most; what it finds by then counts. Leaves the top busy.
    pub fn begin(&mut self, cycles: u64, test: impl FnOnce(&mut Bench) -> Result<()>) -> Result<()> {
        self.end = self.cycle + cycles;
        let outcome = test(self);
        self.end = u64::MAX;
        match outcome {
            Err(Error::Over) => Ok(()),
            other => other,
        }
    }

    /// One cycle with these agents: one, or several as a tuple of references.
    #[inline]
    pub fn cycle(&mut self, agents: &mut impl Agent) -> Result<()> {
        if self.cycle == self.end {
            return Err(Error::Over);
        }
        agents.drive();
        if let Some(clock) = &self.clock {
            clock.set(false);
        }
        self.top.eval()?;
        if self.wave.is_some() {
            self.dump(2 * self.cycle);
        }
        agents.sample(self.cycle)?;
        if let Some(clock) = &self.clock {
            clock.set(true);
            self.top.eval()?;
            if self.wave.is_some() {
                self.dump(2 * self.cycle + 1);
            }
        }
        self.cycle += 1;
        Ok(())
    }

    #[cold]
    fn dump(&self, time: u64) {
        if self.wave.as_ref().is_some_and(|wave| self.cycle >= wave.first_cycle) {
            self.top.dump(time);
        }
    }

    /// Cycles until `done` holds; it is asked before each of them.
    pub fn run_until<A: Agent>(
        &mut self,
        agents: &mut A,
        cycles_max: u64,
        mut done: impl FnMut(&mut A) -> bool,
    ) -> Result<()> {
        for _ in 0..cycles_max {
            if done(agents) {
                return Ok(());
            }
            self.cycle(agents)?;
        }
        match done(agents) {
            true => Ok(()),
            false => Err(Error::Timeout { what: "the awaited end".into(), cycles: cycles_max }),
        }
    }

    /// The instance.
    pub fn top(&self) -> &Top {
        &self.top
    }

    /// A port to be read.
    pub fn port<V: Value>(&self, name: &str) -> Result<Port<V>> {
        self.top.port(name)
    }

    /// A port to be driven.
    pub fn input<V: Value>(&self, name: &str) -> Result<Input<V>> {
        self.top.input(name)
    }

    /// Cycles so far, those of the reset included.
    pub fn cycles(&self) -> u64 {
        self.cycle
    }

    /// The randomness of this run; it follows from the seed alone.
    pub fn random(&mut self) -> &mut Rng {
        &mut self.random
    }

    /// Randomness of its own for an agent.
    pub fn fork_random(&mut self) -> Rng {
        self.random.fork()
    }
}

/// How often, of 256 cycles, an input of one bit may be high under noise: rarely, so that something else goes
/// on for long, evenly, or nearly always.
const SHARES: [u8; 3] = [16, 128, 240];

/// Any value on each input in each cycle; of a bit, with a share of its own.
struct Noise {
    inputs: Vec<(Input<[u8; INPUT_BYTES_MAX]>, u8)>,
    random: Rng,
}

impl Noise {
    fn new(inputs: Vec<Input<[u8; INPUT_BYTES_MAX]>>, mut random: Rng) -> Noise {
        let inputs = inputs.into_iter().map(|input| (input, SHARES[random.usize(..SHARES.len())])).collect();
        Noise { inputs, random }
    }
}

impl Agent for Noise {
    fn drive(&mut self) {
        for (input, share) in &self.inputs {
            let mut value = noise(&mut self.random, input.width());
            if input.width() == 1 {
                value[0] = u8::from(self.random.u8(..) < *share);
            }
            input.set(value);
        }
    }
    fn sample(&mut self, _cycle: u64) -> Result<()> {
        Ok(())
    }
}

/// Any value of so many bits.
fn noise(random: &mut Rng, width: u32) -> [u8; INPUT_BYTES_MAX] {
    let mut value = [0; INPUT_BYTES_MAX];
    let bytes = &mut value[..width.div_ceil(8) as usize];
    random.fill(bytes);
    if let (Some(last), 1..) = (bytes.last_mut(), width % 8) {
        *last &= 0xff >> (8 - width % 8);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_keeps_within_its_width() {
        let mut random = Rng::with_seed(1);
        for width in [1, 8, 9, 40, 512] {
            let mut seen = [0; INPUT_BYTES_MAX];
            for _ in 0..100 {
                seen.iter_mut().zip(noise(&mut random, width)).for_each(|(seen, byte)| *seen |= byte);
            }
            let bits: u32 = seen.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(bits, width);
            assert!(seen[width.div_ceil(8) as usize..].iter().all(|byte| *byte == 0));
        }
    }
}
