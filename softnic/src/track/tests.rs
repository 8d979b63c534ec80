//! Scenarios of the tracker: connections as real stacks run them, and each refusal.

use super::*;
use crate::parse::{tcp_flag::*, Packet};
use formats::flow::lifetime_class;
use formats::FlowKey;
use proptest::prelude::*;
use Direction::{Original, Reply};

fn tcp(flags: u8, sequence: u32, acknowledgement: u32, payload_length: u32) -> Packet {
    let key = FlowKey { src: 1, dst: 2, src_port: 1000, dst_port: 80, protocol: 6, ..FlowKey::default() };
    let segment = Segment { sequence, acknowledgement, window: 1000, flags, ..Segment::default() };
    Packet { key, transport: Transport::Tcp(segment), payload_length }
}

fn other(number: u8) -> Packet {
    let key = FlowKey { protocol: number, ..tcp(0, 0, 0, 0).key };
    Packet { key, transport: Transport::Other, payload_length: 0 }
}

fn context(direction: Direction) -> Context {
    Context { direction, age_ticks: 0, present: Groups::ALL, loose: false }
}

fn pass(state: &State, direction: Direction, packet: &Packet) -> State {
    match step(state, packet, context(direction)) {
        Ok(Outcome::Tracked { state, loose: false, .. }) => state,
        other => panic!("{other:?} for {packet:?} in {state:?}"),
    }
}

fn refused(state: &State, direction: Direction, packet: &Packet) -> Untracked {
    step(state, packet, context(direction)).expect_err("refused")
}

fn established() -> State {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    let state = pass(&state, Reply, &tcp(SYN | ACK, 499, 100, 0));
    pass(&state, Original, &tcp(ACK, 100, 500, 0))
}

#[test]
fn a_handshake_and_an_answer_assure() {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    assert_eq!((state.tcp_state, state.status, state.class), (tcp_state::SYN_SENT, 0, lifetime_class::NEW));
    assert_eq!(state.edges[0], Edges { end: 100, max_end: 100 });
    let state = pass(&state, Reply, &tcp(SYN | ACK, 499, 100, 0));
    assert_eq!((state.tcp_state, state.status), (tcp_state::SYN_RECV, status::SEEN_REPLY));
    assert_eq!(state.class, lifetime_class::REPLIED);
    assert_eq!(state.edges, [Edges { end: 100, max_end: 1100 }, Edges { end: 500, max_end: 500 }]);
    let state = pass(&state, Original, &tcp(ACK, 100, 500, 0));
    assert_eq!(state.tcp_state, tcp_state::ESTABLISHED);
    assert_eq!(state.status, status::SEEN_REPLY | status::ASSURED);
    assert_eq!(state.class, lifetime_class::ASSURED);
    assert_eq!(state.edges[1], Edges { end: 500, max_end: 1500 });
}

#[test]
fn a_connection_closes_from_both_sides() {
    let state = pass(&established(), Reply, &tcp(FIN | ACK, 500, 100, 10));
    assert_eq!((state.tcp_state, state.class), (tcp_state::FIN_WAIT, lifetime_class::CLOSING));
    assert_eq!(state.tcp_flags, [0, tcp_flags::CLOSE_INIT]);
    assert_eq!(state.edges[1].end, 511);
    let state = pass(&state, Original, &tcp(ACK, 100, 511, 0));
    assert_eq!(state.tcp_state, tcp_state::CLOSE_WAIT);
    let state = pass(&state, Original, &tcp(FIN | ACK, 100, 511, 0));
    assert_eq!(state.tcp_state, tcp_state::LAST_ACK);
    let state = pass(&state, Reply, &tcp(ACK, 511, 101, 0));
    assert_eq!(state.tcp_state, tcp_state::TIME_WAIT);
    for direction in [Original, Reply] {
        assert_eq!(step(&state, &tcp(SYN, 9, 0, 0), context(direction)), Ok(Outcome::Reopen));
    }
}

#[test]
fn a_simultaneous_open_meets() {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    let state = pass(&state, Reply, &tcp(SYN, 499, 0, 0));
    assert_eq!(state.tcp_state, tcp_state::SYN_SENT2);
    let state = pass(&state, Original, &tcp(SYN | ACK, 99, 500, 0));
    assert_eq!(state.tcp_state, tcp_state::SYN_RECV);
    let state = pass(&state, Original, &tcp(ACK, 100, 500, 0));
    assert_eq!(state.tcp_state, tcp_state::ESTABLISHED);
}

#[test]
fn a_repeated_syn_may_be_another_one() {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    assert_eq!(pass(&state, Original, &tcp(SYN, 99, 0, 0)), state);
    let state = pass(&state, Original, &tcp(SYN, 7, 0, 0));
    assert_eq!(state.edges[0], Edges { end: 8, max_end: 8 });
}

#[test]
fn a_reset_of_the_silent_side_must_answer_the_syn() {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    for (flags, number) in [(RST | ACK, 100), (RST | ACK, 0), (RST, 12345)] {
        let closed = pass(&state, Reply, &tcp(flags, 0, number, 0));
        assert_eq!((closed.tcp_state, closed.edges), (tcp_state::CLOSE, state.edges));
    }
    assert_eq!(refused(&state, Reply, &tcp(RST | ACK, 0, 101, 0)), Untracked::Window);
    assert_eq!(refused(&state, Reply, &tcp(SYN | ACK, 0, 101, 0)), Untracked::Window);
    assert_eq!(pass(&state, Original, &tcp(RST | ACK, 100, 77, 0)).tcp_state, tcp_state::CLOSE);
}

#[test]
fn a_guessed_reset_does_not_close() {
    let state = established();
    assert_eq!(pass(&state, Original, &tcp(RST, 100, 0, 0)).tcp_state, tcp_state::CLOSE);
    let guessed = pass(&state, Original, &tcp(RST, 101, 0, 0));
    assert_eq!(guessed, State { class: lifetime_class::CLOSING, ..state });
    assert_eq!(timeout_s(6, guessed.tcp_state, guessed.class), 10);
    assert_eq!(pass(&guessed, Reply, &tcp(ACK, 500, 100, 0)), state, "a packet shows that it lives");
    let closing = pass(&state, Reply, &tcp(FIN | ACK, 500, 100, 0));
    assert_eq!(pass(&closing, Original, &tcp(RST, 101, 0, 0)).tcp_state, tcp_state::CLOSE);
}

#[test]
fn a_challenge_changes_nothing_but_that_an_answer_was_seen() {
    let state = open(&tcp(SYN, 99, 0, 0)).unwrap();
    let after = pass(&state, Reply, &tcp(ACK, 777, 3, 0));
    let class = lifetime_class::REPLIED;
    assert_eq!(after, State { status: status::SEEN_REPLY, class, ..state });
    let state = established();
    assert_eq!(pass(&state, Original, &tcp(SYN, 77_777, 0, 0)), state);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    for packet in [tcp(ACK, 1, 1, 0), tcp(SYN | ACK, 1, 1, 0), tcp(FIN | ACK, 1, 1, 0), tcp(RST, 1, 0, 0)] {
        assert_eq!(open(&packet), Err(Untracked::MidStream));
    }
    let answer = Packet { transport: Transport::Answer, ..other(1) };
    assert_eq!(open(&answer), Err(Untracked::IcmpUnasked));
    let state = established();
    assert_eq!(refused(&state, Original, &tcp(SYN | ACK, 100, 500, 0)), Untracked::TcpState);
    assert_eq!(refused(&state, Reply, &tcp(SYN, 100, 500, 0)), Untracked::TcpState);
    assert_eq!(refused(&state, Original, &tcp(ACK, 9_999, 500, 0)), Untracked::Window);
    assert_eq!(refused(&state, Original, &tcp(RST, 9_999, 0, 0)), Untracked::Window);
    assert_eq!(refused(&state, Original, &tcp(ACK, 100, 501, 0)), Untracked::Window);
}

#[test]
fn a_flow_just_taken_over_follows_its_packets() {
    let late = tcp(ACK, 50_000, 90_000, 100);
    let outcome = step(&established(), &late, Context { loose: true, ..context(Original) });
    let Ok(Outcome::Tracked { state, loose: true, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(state.edges[0], Edges { end: 50_100, max_end: 50_000 });
    assert_eq!(state.edges[1], Edges { end: 90_000, max_end: 91_000 });
    assert_eq!(refused(&established(), Original, &late), Untracked::Window);
}

#[test]
fn a_flow_without_edges_or_scales_adopts_them() {
    let state = State { edges: [Edges::default(); 2], ..established() };
    let bare = |present| Context { present, ..context(Reply) };
    let groups_after = |packet: &Packet, present| match step(&state, packet, bare(present)) {
        Ok(Outcome::Tracked { state, groups, .. }) => (state, groups),
        other => panic!("{other:?}"),
    };
    let (adopted, groups) = groups_after(&tcp(ACK, 7_000, 3_000, 10), Groups::STATUS);
    assert_eq!(adopted.edges[1], Edges { end: 7_010, max_end: 7_010 });
    assert_eq!(adopted.edges[0], Edges { end: 3_000, max_end: 3_000 + (1000 << 14) });
    assert_eq!(groups, groups_of(6).without(Groups::SCALES));
    assert_eq!(adopted.scales, state.scales);
    let (closed, groups) = groups_after(&tcp(RST, 7_000, 0, 0), Groups::STATUS.with(Groups::SCALES));
    assert_eq!((closed.edges, groups), (state.edges, groups_of(6).without(Groups::EDGES)));
}

#[test]
fn other_protocols_are_assured_by_their_own_rules() {
    for (number, age_ticks, assured) in
        [(17, 30, false), (17, 31, true), (47, 0, true), (132, 0, true), (50, 99, false)]
    {
        let packet = other(number);
        let state = open(&packet).unwrap();
        let at = |direction| Context { age_ticks, present: groups_of(number), ..context(direction) };
        let step = |state: &State, direction| match step(state, &packet, at(direction)) {
            Ok(Outcome::Tracked { state, groups, .. }) => {
                assert_eq!(groups, groups_of(number));
                state
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(step(&state, Original), state);
        let answered = step(&state, Reply);
        assert_eq!(answered.status, status::SEEN_REPLY, "the first answer only counts as seen");
        assert_eq!(step(&answered, Original).status & status::ASSURED != 0, assured, "{number}");
    }
}

proptest! {
    #[test]
    fn any_segments_keep_the_state_in_bounds(
        segments in prop::collection::vec(
            (any::<bool>(), 0usize..6, any::<u32>(), any::<u32>(), 0u32..2000, any::<bool>()), 0..60),
    ) {
        let kinds = [SYN, SYN | ACK, FIN | ACK, ACK, RST, RST | ACK];
        let mut state = established();
        for (reply, kind, sequence, number, length, near) in segments {
            let direction = if reply { Reply } else { Original };
            let own = state.edges[direction as usize];
            let peer = state.edges[1 - direction as usize];
            let (sequence, number) = if near { (own.end, peer.end) } else { (sequence, number) };
            match step(&state, &tcp(kinds[kind], sequence, number, length), context(direction)) {
                Ok(Outcome::Tracked { state: next, loose, .. }) => {
                    prop_assert!(!loose && next.tcp_state <= tcp_state::SYN_SENT2);
                    prop_assert_eq!(next.status & state.status, state.status, "status never falls");
                    let challenged = kind >= 4 && next.tcp_state == tcp_state::ESTABLISHED;
                    let class = lifetime_class::of(next.status, next.tcp_state);
                    prop_assert_eq!(next.class, if challenged { lifetime_class::CLOSING } else { class });
                    state = next;
                }
                Ok(Outcome::Reopen) => state = established(),
                Err(reason) => {
                    prop_assert!(matches!(reason, Untracked::TcpState | Untracked::Window));
                }
            }
        }
    }
}
