//! Each idiom whose Verilog differs from the Rust is found, and its safe form is not.

use super::findings;
use rust_hdl::prelude::*;

/// Findings of a block with a few signals and the `update` given, which brings its own attribute: what the
/// attribute makes must see the same `self`.
macro_rules! findings_of {
    ($($update:tt)*) => {{
        #[derive(LogicBlock, Default)]
        struct Sample {
            a: Signal<In, Bits<8>>,
            b: Signal<In, Bits<8>>,
            f: Signal<In, Bit>,
            bit: Signal<Out, Bit>,
            byte: Signal<Out, Bits<8>>,
            wide: Signal<Out, Bits<16>>,
            held: DFF<Bits<8>>,
        }
        impl Logic for Sample {
            $($update)*
        }
        let mut sample = Sample::default();
        sample.connect_all();
        findings("sample", &sample)
    }};
}

macro_rules! found {
    ($($name:ident: $reason:literal, { $($update:tt)+ })+) => { $(
        #[test]
        fn $name() {
            let found = findings_of!($($update)+);
            assert!(found.len() == 1 && found[0].contains($reason), "{found:#?}");
        }
    )+ };
}

/// A plain number, as no kernel may name it.
const LIMIT: u64 = 9;

found! {
    bitwise_beside_equal: "parentheses", { #[hdl_gen] fn update(&mut self) { self.bit.next = self.a.val() & self.b.val() == self.a.val(); } }
    sum_compared: "compare", { #[hdl_gen] fn update(&mut self) { self.bit.next = self.a.val() + 1 == self.b.val(); } }
    difference_compared: "compare", { #[hdl_gen] fn update(&mut self) { self.bit.next = self.a.val() - self.b.val() < 10; } }
    shifted_compared: "compare", { #[hdl_gen] fn update(&mut self) { self.bit.next = (self.a.val() << 1) > 100; } }
    inverse_compared: "compare", { #[hdl_gen] fn update(&mut self) { self.bit.next = !self.a.val() == 0; } }
    sum_widened: "widen", { #[hdl_gen] fn update(&mut self) { self.wide.next = bit_cast::<16, 8>(self.a.val() + self.b.val()); } }
    inverse_widened: "widen", { #[hdl_gen] fn update(&mut self) { self.wide.next = bit_cast::<16, 8>(!self.a.val()); } }
    shifted_widened: "widen", { #[hdl_gen] fn update(&mut self) { self.wide.next = bit_cast::<16, 8>(self.a.val() << 4); } }
    inverse_flag_widened: "widen", { #[hdl_gen] fn update(&mut self) { self.byte.next = bit_cast::<8, 1>((!self.f.val()).into()); } }
    inverse_flag_placed: "Local", { #[hdl_gen] fn update(&mut self) { self.byte.next = self.a.val().replace_bit(2, !self.f.val()); } }
    sum_reduced: "reduce", { #[hdl_gen] fn update(&mut self) { self.bit.next = (self.a.val() + 1).any(); } }
    sum_shifted_down: "shift", { #[hdl_gen] fn update(&mut self) { self.byte.next = (self.a.val() + 1) >> 1; } }
    slice_of_expression: "slice", { #[hdl_gen] fn update(&mut self) { self.bit.next = (self.a.val() ^ self.b.val()).get_bit(3); } }
    child_input_read: "reads back", { #[hdl_gen] fn update(&mut self) { self.byte.next = self.held.d.val(); } }
    plain_constant: "no signal", { #[hdl_gen] fn update(&mut self) { self.byte.next = self.a.val() + LIMIT; } }
}

#[test]
fn safe_forms_are_not_found() {
    let found = findings_of! { #[hdl_gen] fn update(&mut self) {
        self.bit.next = (self.a.val() & self.b.val()) == self.a.val();
        self.bit.next = bit_cast::<8, 8>(self.a.val() + 1) == self.b.val();
        self.bit.next = bit_cast::<8, 8>(self.a.val() + 1).any();
        self.wide.next = bit_cast::<16, 8>(bit_cast::<8, 8>(self.a.val() + self.b.val()));
        self.wide.next = bit_cast::<16, 8>(self.a.val()) + bit_cast::<16, 8>(self.b.val());
        self.byte.next = self.a.val().replace_bit(2, self.f.val());
        self.byte.next = bit_cast::<8, 8>(self.a.val() + 1) >> 1;
        self.held.d.next = self.a.val() + self.held.q.val();
    } };
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn arrays_states_and_loops_are_names() {
    #[derive(Copy, Clone, Debug, PartialEq, LogicState)]
    enum Phase {
        Idle,
        Busy,
    }
    #[derive(LogicBlock, Default)]
    struct Chain {
        clock: Signal<In, Clock>,
        enters: Signal<In, Bit>,
        leaves: Signal<Out, Bit>,
        steps: [DFF<Bit>; 3],
        phase: DFF<Phase>,
    }
    impl Logic for Chain {
        #[hdl_gen]
        fn update(&mut self) {
            dff_setup!(self, clock, phase);
            for i in 0..3 {
                self.steps[i].clock.next = self.clock.val();
                self.steps[i].d.next = self.enters.val();
            }
            for i in 1..3 {
                self.steps[i].d.next = self.steps[i - 1].q.val();
            }
            self.leaves.next = self.steps[2].q.val() & (self.phase.q.val() == Phase::Busy);
            match self.phase.q.val() {
                Phase::Idle => self.phase.d.next = Phase::Busy,
                Phase::Busy => self.phase.d.next = Phase::Idle,
            }
        }
    }
    let mut chain = Chain::default();
    chain.connect_all();
    assert_eq!(findings("chain", &chain), Vec::<String>::new());
}
