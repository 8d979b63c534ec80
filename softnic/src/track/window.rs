//! TCP window edges: which segments fit a flow, and how an accepted one moves the edges.
//!
//! All numbers are modulo 2^32; "after" is the serial order of RFC 1982. `sender` and `peer` index the
//! directions: 0 original, 1 reply.

use super::{tcp_flags, State};
use crate::parse::{tcp_flag, Segment};
use formats::flow::Edges;

/// Scale assumed when nobody knows it: the widest window.
pub(super) const SCALE_UNKNOWN: u8 = 14;

/// Whether `a` lies after `b`.
#[inline]
const fn after(a: u32, b: u32) -> bool {
    (b.wrapping_sub(a) as i32) < 0
}

/// The later of two numbers.
#[inline]
const fn later(a: u32, b: u32) -> u32 {
    if after(a, b) {
        a
    } else {
        b
    }
}

/// The number behind the segment's last: SYN and FIN take one each.
#[inline]
const fn end_of(segment: &Segment, payload_length: u32) -> u32 {
    let syn = segment.has(tcp_flag::SYN) as u32;
    let fin = segment.has(tcp_flag::FIN) as u32;
    segment.sequence.wrapping_add(payload_length).wrapping_add(syn + fin)
}

/// Edges in steps of 2^`bits`, rounded up: what replicates. With 0 bits they stay as they are.
#[inline]
pub(crate) fn round_edges(edges: [Edges; 2], bits: u32) -> [Edges; 2] {
    let mask = (1u32 << bits) - 1;
    let up = |number: u32| number.wrapping_add(mask) & !mask;
    edges.map(|edges| Edges { end: up(edges.end), max_end: up(edges.max_end) })
}

/// A SYN of a side nothing is known of: its edges start here.
pub(super) fn start(state: &mut State, sender: usize, segment: &Segment, payload_length: u32) {
    let end = end_of(segment, payload_length);
    state.edges[sender] = Edges { end, max_end: end };
    state.scales[sender] = segment.scale.unwrap_or(0);
    let scale = if segment.scale.is_some() { tcp_flags::WINDOW_SCALE } else { 0 };
    let sack = if segment.sack_permitted { tcp_flags::SACK_PERMITTED } else { 0 };
    state.tcp_flags[sender] = scale | sack;
}

/// The SYN of the side that answers: scaling holds only if both sides offered it.
pub(super) fn start_reply(state: &mut State, sender: usize, segment: &Segment, payload_length: u32) {
    start(state, sender, segment, payload_length);
    if state.tcp_flags[0] & state.tcp_flags[1] & tcp_flags::WINDOW_SCALE == 0 {
        state.scales = [0; 2];
    }
}

/// The acknowledgement that counts, if one does. Some stacks abort with an acknowledgement of zero.
#[inline]
fn acknowledgement(segment: &Segment) -> Option<u32> {
    let zero = segment.has(tcp_flag::RST) && segment.acknowledgement == 0;
    (segment.has(tcp_flag::ACK) && !zero).then_some(segment.acknowledgement)
}

/// Whether the segment acknowledges nothing that the peer did not send.
#[inline]
pub(super) fn acknowledges(state: &State, sender: usize, segment: &Segment) -> bool {
    acknowledgement(segment).is_none_or(|number| !after(number, state.edges[1 - sender].end))
}

/// Whether the numbers fit: start not beyond what the peer allowed, end not a whole window before what
/// was sent, nothing acknowledged that the peer did not send.
#[inline]
pub(super) fn fits(state: &State, sender: usize, segment: &Segment, payload_length: u32) -> bool {
    let own = state.edges[sender];
    let window = 1u32 << (16 + u32::from(state.scales[1 - sender].min(SCALE_UNKNOWN)));
    let end = end_of(segment, payload_length);
    let inside = !after(segment.sequence, own.max_end)
        && !after(own.end, end.wrapping_add(window))
        && acknowledges(state, sender, segment);
    inside || state.tcp_flags[sender] & tcp_flags::BE_LIBERAL != 0
}

/// Moves the edges by an accepted segment; they only move forward.
#[inline]
pub(super) fn advance(state: &mut State, sender: usize, segment: &Segment, payload_length: u32) {
    let end = end_of(segment, payload_length);
    // The window of a SYN is never scaled.
    let scale = if segment.has(tcp_flag::SYN) { 0 } else { state.scales[sender].min(SCALE_UNKNOWN) };
    let [own, peer] = pair(&mut state.edges, sender);
    own.end = later(end, own.end);
    if let Some(number) = acknowledgement(segment) {
        let allowed = number.wrapping_add(u32::from(segment.window) << scale);
        peer.max_end = later(allowed, peer.max_end);
    }
}

/// Edges of the sender, then of its peer.
fn pair(edges: &mut [Edges; 2], sender: usize) -> [&mut Edges; 2] {
    let [original, reply] = edges;
    match sender {
        0 => [original, reply],
        _ => [reply, original],
    }
}

/// Takes a segment outside the window of a flow just taken over for the truth.
pub(super) fn follow(state: &mut State, sender: usize, segment: &Segment, payload_length: u32) {
    advance(state, sender, segment, payload_length);
    let [own, peer] = pair(&mut state.edges, sender);
    own.max_end = later(segment.sequence, own.max_end);
    if let Some(number) = acknowledgement(segment) {
        peer.end = later(number, peer.end);
    }
}

/// Edges of a flow that has none, from its first segment here; without an acknowledgement there are
/// none yet.
pub(super) fn adopt(state: &mut State, sender: usize, segment: &Segment, payload_length: u32) -> bool {
    let Some(number) = acknowledgement(segment) else { return false };
    let end = end_of(segment, payload_length);
    let [own, peer] = pair(&mut state.edges, sender);
    *own = Edges { end, max_end: end };
    *peer = Edges { end: number, max_end: number };
    advance(state, sender, segment, payload_length);
    true
}

#[cfg(test)]
mod tests;
