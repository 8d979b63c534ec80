//! A word, `N` cycles later. Timing: all outputs are registers. No reset: what it held comes out.

use rust_hdl::prelude::*;

/// `N` registers in a row.
#[derive(LogicBlock)]
pub struct Delay<const W: usize, const N: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// The word.
    pub in_data: Signal<In, Bits<W>>,
    /// The word of `N` cycles ago.
    pub out_data: Signal<Out, Bits<W>>,
    held: [DFF<Bits<W>>; N],
}

impl<const W: usize, const N: usize> Default for Delay<W, N> {
    fn default() -> Self {
        const { assert!(N > 0, "a delay takes a cycle at least") };
        Self {
            clock: Default::default(),
            in_data: Default::default(),
            out_data: Default::default(),
            held: std::array::from_fn(|_| Default::default()),
        }
    }
}

impl<const W: usize, const N: usize> Logic for Delay<W, N> {
    #[hdl_gen]
    fn update(&mut self) {
        for k in 0..N {
            self.held[k].clock.next = self.clock.val();
        }
        self.held[0].d.next = self.in_data.val();
        for k in 1..N {
            self.held[k].d.next = self.held[k - 1].q.val();
        }
        // A loop of one: an index of N - 1 outside of a loop is not understood.
        for k in (N - 1)..N {
            self.out_data.next = self.held[k].q.val();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("delay", &crate::export("delay", &mut Delay::<8, 1>::default()));
        crate::yosys::check("delay", &crate::export("delay", &mut Delay::<40, 5>::default()));
    }
}
