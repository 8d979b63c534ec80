//! The tracker: what one packet does to the state of one flow.
//!
//! Enters: the flow's [`State`], the packet and its direction. Leaves: the state after it, or the
//! [`Untracked`] reason that leaves the state as it was. A pure function of its arguments, stated
//! bit-exactly in `docs/tracker.md` so that gates can match it; whether and how a change replicates is
//! decided in [`crate::packet`].
//!
//! Budget: ≤ 15 ns a packet.

mod lifetime;
mod table;
mod window;

pub(crate) use lifetime::timeout_s;
pub(crate) use window::round_edges;

use crate::parse::{Packet, Segment, Transport, Untracked};
use formats::flow::{lifetime_class, protocol, status, tcp_state, Direction, Edges};
use formats::{FlowRecord, Groups};
use table::{Next, SegmentKind};

/// Conntrack's TCP flags per direction that a tracker needs.
pub(crate) mod tcp_flags {
    /// The side offered window scaling.
    pub(crate) const WINDOW_SCALE: u8 = 0x01;
    /// The side permits selective acknowledgements.
    pub(crate) const SACK_PERMITTED: u8 = 0x02;
    /// The side closed first.
    pub(crate) const CLOSE_INIT: u8 = 0x04;
    /// The side's window is not enforced.
    pub(crate) const BE_LIBERAL: u8 = 0x08;
}

/// Time of the tracker: local time in steps of 2^16 µs, modulo 2^32.
pub(crate) const TICK_SHIFT: u32 = 16;
/// UDP that still runs this long after its first packet, answered, is assured (2 s).
const ASSURE_TICKS: u32 = 31;

/// The fields of a flow that packets move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) tcp_state: u8,
    pub(crate) status: u16,
    pub(crate) edges: [Edges; 2],
    pub(crate) scales: [u8; 2],
    pub(crate) tcp_flags: [u8; 2],
    pub(crate) class: u8,
}

impl State {
    pub(crate) fn of(record: &FlowRecord) -> Self {
        let FlowRecord { tcp_state, status, edges, scales, tcp_flags, class, .. } = *record;
        Self { tcp_state, status, edges, scales, tcp_flags, class }
    }

    /// Writes these groups.
    #[inline]
    pub(crate) fn store(&self, record: &mut FlowRecord, groups: Groups) {
        if groups.has(Groups::STATUS) {
            (record.tcp_state, record.status) = (self.tcp_state, self.status);
        }
        if groups.has(Groups::EDGES) {
            record.edges = self.edges;
        }
        if groups.has(Groups::SCALES) {
            (record.scales, record.tcp_flags) = (self.scales, self.tcp_flags);
        }
        if groups.has(Groups::LIFETIME) {
            record.class = self.class;
            record.lifetime_s = timeout_s(record.key.protocol, self.tcp_state, self.class);
        }
        record.groups = record.groups.with(groups);
    }

    /// Which of these groups the record lacks or holds another value of, edges in steps of 2^`bits`.
    #[inline]
    pub(crate) fn difference(&self, record: &FlowRecord, groups: Groups, bits: u32) -> Groups {
        let mut changed = groups.without(record.groups);
        let mut note = |group: Groups, differs: bool| {
            if groups.has(group) && differs {
                changed = changed.with(group);
            }
        };
        note(Groups::STATUS, (self.tcp_state, self.status) != (record.tcp_state, record.status));
        note(Groups::EDGES, round_edges(self.edges, bits) != round_edges(record.edges, bits));
        note(Groups::SCALES, (self.scales, self.tcp_flags) != (record.scales, record.tcp_flags));
        note(Groups::LIFETIME, self.class != record.class);
        changed
    }
}

/// Groups that packets of a protocol fill.
pub(crate) fn groups_of(number: u8) -> Groups {
    let every = Groups::STATUS.with(Groups::LIFETIME);
    match number {
        protocol::TCP => every.with(Groups::EDGES).with(Groups::SCALES),
        _ => every,
    }
}

/// What the tracker is told besides state and packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) direction: Direction,
    /// Ticks since the flow's first packet here.
    pub(crate) age_ticks: u32,
    /// The groups in `State` that hold a value.
    pub(crate) present: Groups,
    /// The flow was just taken over: a segment outside the window moves it instead of being refused.
    pub(crate) loose: bool,
}

/// What an accepted packet did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// State after the packet, and the groups that hold a value in it.
    Tracked {
        state: State,
        groups: Groups,
        /// Outside the window, but let through.
        loose: bool,
    },
    /// A SYN opens a closed flow again: a new life begins with it.
    Reopen,
}

/// The state of a flow that this packet makes, if it may.
pub(crate) fn open(packet: &Packet) -> Result<State, Untracked> {
    let mut state = State {
        tcp_state: tcp_state::NONE,
        status: 0,
        edges: [Edges::default(); 2],
        scales: [0; 2],
        tcp_flags: [0; 2],
        class: 0,
    };
    match packet.transport {
        Transport::Tcp(segment) => {
            if SegmentKind::of(&segment) != SegmentKind::Syn {
                return Err(Untracked::MidStream);
            }
            state.tcp_state = tcp_state::SYN_SENT;
            window::start(&mut state, 0, &segment, packet.payload_length);
        }
        Transport::Answer => return Err(Untracked::IcmpUnasked),
        Transport::Question | Transport::Other => {}
    }
    state.class = lifetime_class::of(state.status, state.tcp_state);
    Ok(state)
}

/// What a packet of a known flow does to it.
#[inline]
pub(crate) fn step(state: &State, packet: &Packet, context: Context) -> Result<Outcome, Untracked> {
    let mut next = *state;
    let mut groups = groups_of(packet.key.protocol);
    let (mut loose, mut challenged) = (false, false);
    let answered = state.status & status::SEEN_REPLY != 0;
    if context.direction == Direction::Reply {
        next.status |= status::SEEN_REPLY;
    }
    let assured = match packet.transport {
        Transport::Tcp(segment) => {
            match table::next(state.tcp_state, context.direction, SegmentKind::of(&segment)) {
                Next::Refuse => return Err(Untracked::TcpState),
                Next::Reopen => return Ok(Outcome::Reopen),
                Next::Stay => groups = Groups(groups.0 & context.present.0).with(Groups::STATUS),
                Next::To(to) => {
                    let moved = move_window(state, &mut next, &segment, packet.payload_length, context)?;
                    (groups, loose) = (moved.0, moved.1);
                    challenged = is_challenged(state, &segment, context);
                    next.tcp_state = if challenged { state.tcp_state } else { to };
                }
            }
            if next.tcp_state != state.tcp_state && next.tcp_state == tcp_state::FIN_WAIT {
                next.tcp_flags[context.direction as usize] |= tcp_flags::CLOSE_INIT;
            }
            answered
                && matches!(state.tcp_state, tcp_state::SYN_RECV | tcp_state::ESTABLISHED)
                && next.tcp_state == tcp_state::ESTABLISHED
        }
        Transport::Question | Transport::Answer => false,
        Transport::Other => match packet.key.protocol {
            protocol::UDP => answered && context.age_ticks >= ASSURE_TICKS,
            protocol::GRE | protocol::SCTP => answered,
            _ => false,
        },
    };
    if assured {
        next.status |= status::ASSURED;
    }
    next.class =
        if challenged { lifetime_class::CLOSING } else { lifetime_class::of(next.status, next.tcp_state) };
    Ok(Outcome::Tracked { state: next, groups, loose })
}

/// Whether the receiver of this reset asks back (RFC 5961, 3.2) instead of closing: a stranger may guess
/// a number inside the window, but hardly the very next one.
#[inline]
fn is_challenged(state: &State, segment: &Segment, context: Context) -> bool {
    let established = state.tcp_state == tcp_state::ESTABLISHED && state.status & status::ASSURED != 0;
    let next = state.edges[context.direction as usize].end;
    established && SegmentKind::of(segment) == SegmentKind::Rst && segment.sequence != next
}

/// Checks a segment that the table lets through and moves the edges; returns the groups that hold a
/// value after it, and whether it was let through although outside.
fn move_window(
    old: &State,
    next: &mut State,
    segment: &Segment,
    length: u32,
    context: Context,
) -> Result<(Groups, bool), Untracked> {
    let sender = context.direction as usize;
    let kind = SegmentKind::of(segment);
    let every = groups_of(protocol::TCP);
    if old.tcp_state == tcp_state::SYN_SENT || old.tcp_state == tcp_state::NONE {
        // Nothing is known of the side that answers, and a repeated SYN may be another one.
        match kind {
            SegmentKind::Syn if sender == 0 => window::start(next, sender, segment, length),
            SegmentKind::Syn => window::start_reply(next, sender, segment, length),
            SegmentKind::SynAck if window::acknowledges(old, sender, segment) => {
                window::start_reply(next, sender, segment, length);
                window::advance(next, sender, segment, length);
            }
            SegmentKind::Rst if sender == 0 || window::acknowledges(old, sender, segment) => {}
            SegmentKind::SynAck | SegmentKind::Fin | SegmentKind::Ack | SegmentKind::Rst => {
                return Err(Untracked::Window)
            }
        }
        return Ok((every, false));
    }
    if !context.present.has(Groups::SCALES) {
        next.scales = [window::SCALE_UNKNOWN; 2];
    }
    let mut groups = every.without(Groups(Groups::SCALES.0 & !context.present.0));
    let mut loose = false;
    if !context.present.has(Groups::EDGES) {
        if !window::adopt(next, sender, segment, length) {
            groups = groups.without(Groups::EDGES);
        }
    } else if window::fits(next, sender, segment, length) {
        if kind != SegmentKind::Rst {
            window::advance(next, sender, segment, length);
        }
    } else if context.loose {
        loose = true;
        window::follow(next, sender, segment, length);
    } else {
        return Err(Untracked::Window);
    }
    if !context.present.has(Groups::SCALES) {
        next.scales = old.scales;
    }
    Ok((groups, loose))
}

#[cfg(test)]
mod tests;
