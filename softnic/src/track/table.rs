//! The TCP state table: state, direction and kind of segment give the next state.
//!
//! Modelled on what Linux conntrack documents and does, numbers as in [`formats::flow::tcp_state`].
//! Two rows a state, five columns; every cell is tested.

use crate::parse::{tcp_flag, Segment};
use formats::flow::{tcp_state, Direction};

/// A segment as the table sees it; a reset counts as one whatever else it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentKind {
    Syn = 0,
    SynAck = 1,
    Fin = 2,
    Ack = 3,
    Rst = 4,
}

impl SegmentKind {
    /// The parser lets only segments through that have one of RST, SYN, FIN and ACK.
    #[inline]
    pub(super) const fn of(segment: &Segment) -> Self {
        if segment.has(tcp_flag::RST) {
            Self::Rst
        } else if segment.has(tcp_flag::SYN | tcp_flag::ACK) {
            Self::SynAck
        } else if segment.has(tcp_flag::SYN) {
            Self::Syn
        } else if segment.has(tcp_flag::FIN) {
            Self::Fin
        } else {
            Self::Ack
        }
    }
}

/// What a segment means in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The flow is in this state after it.
    To(u8),
    /// It belongs to the flow, but proves nothing: state and window stay.
    Stay,
    /// A closed flow is opened again.
    Reopen,
    /// No TCP sends this here.
    Refuse,
}

const STATES_COUNT: usize = 10;
const KINDS_COUNT: usize = 5;
type Rows = [[Next; KINDS_COUNT]; 2];

const TABLE: [Rows; STATES_COUNT] = {
    use Next::{Refuse, Reopen, Stay, To};
    const SS: Next = To(tcp_state::SYN_SENT);
    const SR: Next = To(tcp_state::SYN_RECV);
    const ES: Next = To(tcp_state::ESTABLISHED);
    const FW: Next = To(tcp_state::FIN_WAIT);
    const CW: Next = To(tcp_state::CLOSE_WAIT);
    const LA: Next = To(tcp_state::LAST_ACK);
    const TW: Next = To(tcp_state::TIME_WAIT);
    const CL: Next = To(tcp_state::CLOSE);
    const S2: Next = To(tcp_state::SYN_SENT2);
    // Columns: SYN, SYN-ACK, FIN, ACK, RST. Rows: original, reply direction.
    [
        // NONE: only `open` makes a flow; an entry of a host may have no state yet.
        [[SS, Refuse, Refuse, Refuse, Refuse], [Refuse, Refuse, Refuse, Refuse, Refuse]],
        // SYN_SENT: the reply's SYN is a simultaneous open; its bare ACK challenges a stale SYN.
        [[SS, Refuse, Refuse, Refuse, CL], [S2, SR, Refuse, Stay, CL]],
        // SYN_RECV: the handshake's third segment establishes; it may be lost, and a FIN come first.
        [[Stay, SR, FW, ES, CL], [Refuse, Stay, FW, SR, CL]],
        // ESTABLISHED: a SYN may be late or stale; the receiver's answer to it decides.
        [[Stay, Refuse, FW, ES, CL], [Refuse, Stay, FW, ES, CL]],
        // FIN_WAIT: any ACK counts as the FIN's.
        [[Stay, Refuse, LA, CW, CL], [Refuse, Stay, LA, CW, CL]],
        // CLOSE_WAIT
        [[Stay, Refuse, LA, CW, CL], [Refuse, Stay, LA, CW, CL]],
        // LAST_ACK
        [[Stay, Refuse, LA, TW, CL], [Refuse, Stay, LA, TW, CL]],
        // TIME_WAIT: either side may open anew.
        [[Reopen, Refuse, TW, TW, CL], [Reopen, Stay, TW, TW, CL]],
        // CLOSE: the side that opened may open anew.
        [[Reopen, Refuse, CL, CL, CL], [Refuse, Stay, CL, CL, CL]],
        // SYN_SENT2
        [[S2, SR, Refuse, Refuse, CL], [S2, SR, Refuse, Stay, CL]],
    ]
};

/// What a segment means; states of a host that no table has refuse everything.
#[inline]
pub(super) fn next(state: u8, direction: Direction, kind: SegmentKind) -> Next {
    match TABLE.get(usize::from(state)) {
        Some(rows) => rows[direction as usize][kind as usize],
        None => Next::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Original, Reply};

    /// One line a state: name, then each cell of the original and of the reply direction.
    const EXPECTED: &str = "
        NONE         SS -- -- -- --   -- -- -- -- --
        SYN_SENT     SS -- -- -- CL   S2 SR -- ok CL
        SYN_RECV     ok SR FW ES CL   -- ok FW SR CL
        ESTABLISHED  ok -- FW ES CL   -- ok FW ES CL
        FIN_WAIT     ok -- LA CW CL   -- ok LA CW CL
        CLOSE_WAIT   ok -- LA CW CL   -- ok LA CW CL
        LAST_ACK     ok -- LA TW CL   -- ok LA TW CL
        TIME_WAIT    re -- TW TW CL   re ok TW TW CL
        CLOSE        re -- CL CL CL   -- ok CL CL CL
        SYN_SENT2    S2 SR -- -- CL   S2 SR -- ok CL";

    fn cell(next: Next) -> &'static str {
        const NAMES: [&str; STATES_COUNT] = ["NO", "SS", "SR", "ES", "FW", "CW", "LA", "TW", "CL", "S2"];
        match next {
            Next::To(state) => NAMES[state as usize],
            Next::Stay => "ok",
            Next::Reopen => "re",
            Next::Refuse => "--",
        }
    }

    #[test]
    fn every_cell_is_as_the_page_says() {
        use SegmentKind::{Ack, Fin, Rst, Syn, SynAck};
        for (state, line) in EXPECTED.trim().lines().enumerate() {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            for direction in [Original, Reply] {
                for kind in [Syn, SynAck, Fin, Ack, Rst] {
                    let found = cell(next(state as u8, direction, kind));
                    assert_eq!(Some(found), words.next(), "{name} {direction:?} {kind:?}");
                }
            }
            assert_eq!(words.next(), None);
        }
        assert_eq!(EXPECTED.trim().lines().count(), STATES_COUNT);
        for state in STATES_COUNT as u8..=u8::MAX {
            assert_eq!(next(state, Original, Ack), Next::Refuse);
        }
    }

    #[test]
    fn the_page_holds_the_same_table() {
        let page = include_str!("../../../docs/tracker.md");
        for line in EXPECTED.trim().lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let row = format!("| {} |", words.join(" | "));
            assert!(page.contains(&row), "docs/tracker.md lacks\n{row}");
        }
    }
}
