use super::*;
use proptest::prelude::*;

const W: u32 = 1 << 16;

fn state() -> State {
    State {
        tcp_state: formats::flow::tcp_state::ESTABLISHED,
        status: 0,
        edges: [Edges { end: 1000, max_end: 9000 }, Edges { end: 500_000, max_end: 600_000 }],
        scales: [0; 2],
        tcp_flags: [0; 2],
        class: 0,
    }
}

fn segment(sequence: u32, acknowledgement: u32) -> Segment {
    Segment { sequence, acknowledgement, window: 100, flags: tcp_flag::ACK, ..Segment::default() }
}

#[test]
fn each_bound_holds_to_the_byte() {
    let fits = |sequence, length, number| fits(&state(), 0, &segment(sequence, number), length);
    assert!(fits(9000, 1, 500_000) && !fits(9001, 1, 500_000), "start within what the peer allowed");
    let oldest = 1000u32.wrapping_sub(W);
    assert!(fits(oldest, 0, 0) && !fits(oldest.wrapping_sub(1), 0, 0), "end within a window of the last");
    assert!(fits(oldest.wrapping_sub(1), 1, 0));
    assert!(fits(1000, 0, 500_000) && !fits(1000, 0, 500_001), "acknowledges what was sent");
    assert!(self::fits(&State { scales: [0, 3], ..state() }, 0, &segment(1000u32.wrapping_sub(8 * W), 0), 0));
    let liberal = State { tcp_flags: [tcp_flags::BE_LIBERAL, 0], ..state() };
    assert!(self::fits(&liberal, 0, &segment(9_999, 900_000), 0));
    assert!(!self::fits(&liberal, 1, &segment(900_000, 0), 0));
}

#[test]
fn an_accepted_segment_moves_its_end_and_what_the_peer_may_send() {
    let mut moved = State { scales: [4, 0], ..state() };
    advance(&mut moved, 0, &segment(1000, 500_000), 200);
    assert_eq!(moved.edges, [Edges { end: 1200, max_end: 9000 }, state().edges[1]]);
    advance(&mut moved, 0, &Segment { window: 60_000, ..segment(1200, 500_000) }, 0);
    assert_eq!(moved.edges[1], Edges { end: 500_000, max_end: 500_000 + (60_000 << 4) });
    let before = moved;
    advance(&mut moved, 0, &Segment { flags: 0, ..segment(0, 4_000_000) }, 0);
    assert_eq!(moved, before, "neither an old end nor a number without its flag moves anything");
}

#[test]
fn scaling_needs_both_sides() {
    let syn = |scale| Segment { flags: tcp_flag::SYN, scale, ..segment(7, 0) };
    for (offer, answer, scales) in [
        (Some(7), Some(3), [7, 3]),
        (Some(7), None, [0, 0]),
        (None, Some(3), [0, 0]),
        (Some(0), Some(9), [0, 9]),
    ] {
        let mut state = state();
        start(&mut state, 0, &syn(offer), 0);
        start_reply(&mut state, 1, &syn(answer), 0);
        assert_eq!(state.scales, scales);
        assert_eq!(state.edges[1], Edges { end: 8, max_end: 8 });
    }
}

proptest! {
    #[test]
    fn rounding_goes_up_by_less_than_a_step_and_settles(number in any::<u32>(), bits in 8u32..=16) {
        let edges = [Edges { end: number, max_end: !number }; 2];
        let rounded = round_edges(edges, bits);
        prop_assert_eq!(round_edges(rounded, bits), rounded);
        prop_assert_eq!(rounded[0].end % (1 << bits), 0);
        prop_assert!(rounded[0].end.wrapping_sub(number) < 1 << bits);
        prop_assert_eq!(round_edges(edges, 0), edges);
    }

    #[test]
    fn rounded_edges_accept_what_the_exact_ones_accept(
        sequence in 0u32..20_000, number in 480_000u32..520_000, bits in 8u32..=16, length in 0u32..1500,
    ) {
        // But for segments a whole window old, where rounding costs less than a step.
        let exact = state();
        let rounded = State { edges: round_edges(exact.edges, bits), ..exact };
        if fits(&exact, 0, &segment(sequence, number), length) {
            prop_assert!(fits(&rounded, 0, &segment(sequence, number), length));
        }
    }

    #[test]
    fn edges_only_move_forward(sequence in any::<u32>(), number in any::<u32>(), length in 0u32..1500, shift in any::<u32>()) {
        // Serial numbers have no origin: shifting every number shifts the outcome.
        let moved_by = |state: State, by: u32| State {
            edges: state.edges.map(|e| Edges { end: e.end.wrapping_add(by), max_end: e.max_end.wrapping_add(by) }),
            ..state
        };
        let segment_at = |by: u32| segment(sequence.wrapping_add(by), number.wrapping_add(by));
        let (mut here, mut there) = (state(), moved_by(state(), shift));
        prop_assert_eq!(fits(&here, 0, &segment_at(0), length), fits(&there, 0, &segment_at(shift), length));
        advance(&mut here, 0, &segment_at(0), length);
        advance(&mut there, 0, &segment_at(shift), length);
        prop_assert_eq!(moved_by(here, shift), there);
        prop_assert!(!after(state().edges[0].end, here.edges[0].end));
        prop_assert!(!after(state().edges[1].max_end, here.edges[1].max_end));
    }
}
