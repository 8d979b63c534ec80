//! Receive: records of accepted frames told apart, and each sent to who takes it.
//!
//! Enters: records as [`Ingress`](crate::ingress::Ingress) gives them. Leaves, [`LATENCY`] cycles later, one a
//! clock: flow records as requests to the table; records about whole buckets (TERM, SNAPSHOT_BEGIN,
//! SNAPSHOT_END, DIGEST), one at a time; all others as they came, for the host; a cycle behind the first
//! record after a gap on the sync link, whose frames are missing. Each record is counted once,
//! as `softnic/src/receive.rs` does: what is malformed ends its frame, what is unknown is skipped, ports
//! other than the sync link carry heartbeats only.
//!
//! A flow record waits nowhere: `may_enter` promises that the slot two clocks later is its own. Nothing
//! enters behind a record about a bucket until that is taken, because it changes how the next ones are to be
//! judged. Where the host's queue is full, its record is lost, and said to be: such records repeat.
//!
//! Timing: decoded records are registers; what they are is 3 LUT levels behind them.

use crate::decode::{error, RecordDecoder, LATENCY as DECODE_LATENCY};
use crate::ingress::record::RecordIn;
use crate::layout::{field, ENTRY_BITS};
use crate::prim::{constant, Delay, Fifo, StreamOut};
use crate::table::commands;
use formats::unit::kind;
use rust_hdl::prelude::*;

/// Cycles from a record to the request.
pub const LATENCY: usize = DECODE_LATENCY;
/// Units of the longest record: MERGE.
pub const UNITS_MAX: usize = 12;
/// Bits of a word of the host's queue: units, how many, peer, port, sequence.
pub const HOST_BITS: usize = 128 * UNITS_MAX + 5 + 7 + 3 + 64;

// Widths, numbers and kinds in a kernel are plain.
const _: () = assert!(LATENCY == 2 && ENTRY_BITS == 1296 && HOST_BITS == 1615);
const _: () = assert!(error::LENGTH == 1 && error::UNKNOWN == 2 && error::VALUE == 3);
const _: () = assert!(field::VERSION.bits == 48 && field::ENDED_VERSION.bits == 48);
/// Each kind of a flow record and the command that it is.
const COMMANDS: [(u8, u8); 9] = [
    (kind::COMPACT, commands::COMPACT),
    (kind::UPDATE, commands::UPDATE),
    (kind::FULL_V4, commands::FULL),
    (kind::FULL_V6, commands::FULL),
    (kind::DELETE, commands::END),
    (kind::DELETE_V4, commands::END),
    (kind::DELETE_V6, commands::END),
    (kind::WINDOW_ORIGINAL, commands::WINDOW_ORIGINAL),
    (kind::WINDOW_REPLY, commands::WINDOW_REPLY),
];
/// Kinds about whole buckets.
const BUCKET_KINDS: [u8; 4] = [kind::TERM, kind::SNAPSHOT_BEGIN, kind::SNAPSHOT_END, kind::DIGEST];

/// Records to requests.
#[derive(LogicBlock)]
pub struct Receive {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is on its way.
    pub reset: Signal<In, Bit>,
    /// Records.
    pub record: RecordIn,
    /// The slot two clocks from now belongs to the record that is taken now.
    pub may_enter: Signal<In, Bit>,
    /// A flow record is there.
    pub flow_valid: Signal<Out, Bit>,
    /// Of `table::commands`.
    pub flow_command: Signal<Out, Bits<8>>,
    /// It names its flow by key, and carries the whole term.
    pub flow_keyed: Signal<Out, Bit>,
    /// The flow id, unless keyed.
    pub flow_id: Signal<Out, Bits<40>>,
    /// The record as an entry; of a term that is not whole the low byte.
    pub flow_word: Signal<Out, Bits<1296>>,
    /// Versions back to its base.
    pub flow_distance: Signal<Out, Bits<8>>,
    /// Sender and sequence of what leaves, flow record or not.
    pub out_peer: Signal<Out, Bits<7>>,
    /// See there.
    pub out_sequence: Signal<Out, Bits<64>>,
    /// A record about a bucket is there; it holds until it is taken.
    pub bucket_valid: Signal<Out, Bit>,
    /// It is done with.
    pub bucket_ready: Signal<In, Bit>,
    /// Its kind.
    pub bucket_kind: Signal<Out, Bits<8>>,
    /// Its first two units.
    pub bucket_units: Signal<Out, Bits<256>>,
    /// Its sender.
    pub bucket_peer: Signal<Out, Bits<7>>,
    /// Sequence of its frame.
    pub bucket_sequence: Signal<Out, Bits<64>>,
    /// Records for the host: twelve units from bit 0, their number (5), sender (7), port (3), sequence (64).
    pub host: StreamOut<1615>,
    /// The record taken a clock ago is the first behind a gap.
    pub gap_valid: Signal<Out, Bit>,
    /// Whose frames are missing.
    pub gap_peer: Signal<Out, Bits<7>>,
    /// Counters: a record came.
    pub received: Signal<Out, Bit>,
    /// It is malformed, and ends its frame.
    pub malformed: Signal<Out, Bit>,
    /// Its kind is unknown.
    pub unknown: Signal<Out, Bit>,
    /// It is for the host.
    pub control: Signal<Out, Bit>,
    /// It is for the host, but is lost.
    pub lost: Signal<Out, Bit>,
    decoder: RecordDecoder,
    whole: Delay<1536, 2>,
    /// Count, sender, port, sequence, last, malformed, about a bucket.
    about: Delay<82, 2>,
    queue: Fifo<1615, 4, 5>,
    has_gap: DFF<Bit>,
    gap_sender: DFF<Bits<7>>,
    /// The length is the record's own word, nobody needs the third unit nor those behind the twelfth, and the
    /// queue says when it is full.
    unused: Signal<Local, Bit>,
    enters: Signal<Local, Bit>,
    kind_now: Signal<Local, Bits<8>>,
    is_about_bucket: Signal<Local, Bit>,
    /// They differ while a record about a bucket is on its way or waits: nothing enters behind it. One turns
    /// when it enters, the other when it is done with.
    begun: DFF<Bit>,
    done: DFF<Bit>,
    blocked: Signal<Local, Bit>,
    is_taken: Signal<Local, Bit>,
    waits: DFF<Bit>,
    held_kind: DFF<Bits<8>>,
    held_units: DFF<Bits<256>>,
    held_peer: DFF<Bits<7>>,
    held_sequence: DFF<Bits<64>>,
    /// The rest of the frame is dropped.
    is_dead: DFF<Bit>,
    now: Signal<Local, Bits<82>>,
    kind: Signal<Local, Bits<8>>,
    counts: Signal<Local, Bit>,
    on_sync_link: Signal<Local, Bit>,
    is_last: Signal<Local, Bit>,
    was_about_bucket: Signal<Local, Bit>,
    is_bad: Signal<Local, Bit>,
    is_unknown: Signal<Local, Bit>,
    is_good: Signal<Local, Bit>,
    for_bucket: Signal<Local, Bit>,
    for_host: Signal<Local, Bit>,
    command: Signal<Local, Bits<8>>,
    heartbeat: Constant<Bits<8>>,
    length: Constant<Bits<2>>,
    unknown_kind: Constant<Bits<2>>,
    bad_value: Constant<Bits<2>>,
    bucket_number: [Constant<Bits<8>>; 4],
    flow_number: [Constant<Bits<8>>; 9],
    flow_bit: [Constant<Bits<8>>; 9],
}

impl Default for Receive {
    fn default() -> Self {
        block! {
            heartbeat: constant(kind::HEARTBEAT.into()),
            length: constant(error::LENGTH.into()),
            unknown_kind: constant(error::UNKNOWN.into()),
            bad_value: constant(error::VALUE.into()),
            bucket_number: BUCKET_KINDS.map(|kind| constant(kind.into())),
            flow_number: COMMANDS.map(|(kind, _)| constant(kind.into())),
            flow_bit: COMMANDS.map(|(_, command)| constant(command.into())),
            ..clock reset record may_enter flow_valid flow_command flow_keyed
            flow_id flow_word flow_distance out_peer out_sequence bucket_valid bucket_ready bucket_kind
            bucket_units bucket_peer bucket_sequence host gap_valid gap_peer received malformed
            unknown control lost decoder whole about queue has_gap gap_sender unused enters kind_now is_about_bucket begun done
            blocked is_taken waits held_kind held_units held_peer held_sequence is_dead now kind counts
            on_sync_link is_last was_about_bucket is_bad is_unknown is_good for_bucket for_host command
        }
    }
}

impl Logic for Receive {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            begun,
            done,
            waits,
            held_kind,
            held_units,
            held_peer,
            held_sequence,
            is_dead,
            has_gap,
            gap_sender
        );
        clock!(self, clock, decoder, whole, about, queue);
        self.decoder.reset.next = self.reset.val();
        self.queue.reset.next = self.reset.val();

        self.unused.next = self.decoder.out_count.val().any()
            | self.decoder.out_units.val().any()
            | self.record.units.val().any()
            | self.queue.count.val().any();

        // In, unless a record about a bucket is before it.
        self.kind_now.next = self.record.units.val().get_bits::<8>(0);
        self.is_about_bucket.next = false;
        for k in 0..4 {
            if self.kind_now.val() == self.bucket_number[k].val() {
                self.is_about_bucket.next = true;
            }
        }
        self.blocked.next = self.begun.q.val() != self.done.q.val();
        self.record.ready.next = self.may_enter.val() & !self.blocked.val();
        self.enters.next = self.record.valid.val() & self.may_enter.val() & !self.blocked.val();
        if self.enters.val() & self.is_about_bucket.val() {
            self.begun.d.next = !self.begun.q.val();
        }
        self.has_gap.d.next = self.enters.val()
            & self.record.first.val()
            & self.record.gap.val()
            & !self.record.port.val().any();
        self.gap_sender.d.next = self.record.sender.val();
        self.gap_valid.next = self.has_gap.q.val();
        self.gap_peer.next = self.gap_sender.q.val();
        self.decoder.in_valid.next = self.enters.val();
        self.decoder.in_units.next = self.record.units.val().get_bits::<1408>(0);
        self.decoder.in_available.next = self.record.count.val();
        self.whole.in_data.next = self.record.units.val().get_bits::<1536>(0);
        self.about.in_data.next = bit_cast::<82, 5>(self.record.count.val())
            | (bit_cast::<82, 7>(self.record.sender.val()) << 5)
            | (bit_cast::<82, 3>(self.record.port.val()) << 12)
            | (bit_cast::<82, 64>(self.record.sequence.val()) << 15)
            | (bit_cast::<82, 1>(self.record.last.val().into()) << 79)
            | (bit_cast::<82, 1>(self.record.malformed.val().into()) << 80)
            | (bit_cast::<82, 1>(self.is_about_bucket.val().into()) << 81);

        // What it is.
        self.now.next = self.about.out_data.val();
        self.kind.next = self.decoder.out_kind.val();
        self.counts.next = self.decoder.out_valid.val() & !self.is_dead.q.val();
        self.on_sync_link.next = !self.now.val().get_bits::<3>(12).any();
        self.is_last.next = self.now.val().get_bit(79);
        self.was_about_bucket.next = self.decoder.out_valid.val() & self.now.val().get_bit(81);
        self.is_bad.next = self.now.val().get_bit(80)
            | (self.decoder.out_error.val() == self.length.val())
            | (self.decoder.out_error.val() == self.bad_value.val())
            | (!self.decoder.out_error.val().any()
                & !self.on_sync_link.val()
                & (self.kind.val() != self.heartbeat.val()));
        self.is_unknown.next =
            !self.now.val().get_bit(80) & (self.decoder.out_error.val() == self.unknown_kind.val());
        self.is_good.next = self.counts.val() & !self.is_bad.val() & !self.is_unknown.val();
        if self.decoder.out_valid.val() {
            self.is_dead.d.next = !self.is_last.val() & (self.is_dead.q.val() | self.is_bad.val());
        }
        self.received.next = self.counts.val();
        self.malformed.next = self.counts.val() & self.is_bad.val();
        self.unknown.next = self.counts.val() & self.is_unknown.val();

        // A flow.
        self.command.next = 0.into();
        for k in 0..9 {
            if self.kind.val() == self.flow_number[k].val() {
                self.command.next = self.flow_bit[k].val();
            }
        }
        self.flow_valid.next = self.is_good.val() & self.decoder.out_is_flow.val();
        self.flow_command.next = self.command.val();
        self.flow_keyed.next = self.decoder.out_is_keyed.val();
        self.flow_id.next = self.decoder.out_id.val();
        self.flow_word.next = self.decoder.out_entry.val();
        self.flow_distance.next = self.decoder.out_base_distance.val();
        self.out_peer.next = self.now.val().get_bits::<7>(5);
        self.out_sequence.next = self.now.val().get_bits::<64>(15);

        // A bucket.
        self.for_bucket.next = self.is_good.val() & self.now.val().get_bit(81);
        self.is_taken.next = self.waits.q.val() & self.bucket_ready.val();
        if (self.was_about_bucket.val() & !self.for_bucket.val()) | self.is_taken.val() {
            self.done.d.next = !self.done.q.val();
        }
        if self.is_taken.val() {
            self.waits.d.next = false;
        }
        if self.for_bucket.val() {
            self.waits.d.next = true;
            self.held_kind.d.next = self.kind.val();
            self.held_units.d.next = self.decoder.out_units.val().get_bits::<256>(0);
            self.held_peer.d.next = self.now.val().get_bits::<7>(5);
            self.held_sequence.d.next = self.now.val().get_bits::<64>(15);
        }
        self.bucket_valid.next = self.waits.q.val();
        self.bucket_kind.next = self.held_kind.q.val();
        self.bucket_units.next = self.held_units.q.val();
        self.bucket_peer.next = self.held_peer.q.val();
        self.bucket_sequence.next = self.held_sequence.q.val();

        // Anything else.
        self.for_host.next =
            self.is_good.val() & !self.decoder.out_is_flow.val() & !self.now.val().get_bit(81);
        self.queue.s_axis.tvalid.next = self.for_host.val();
        self.queue.s_axis.tdata.next = bit_cast::<1615, 1536>(self.whole.out_data.val())
            | (bit_cast::<1615, 79>(self.now.val().get_bits::<79>(0)) << 1536);
        self.control.next = self.for_host.val();
        self.lost.next = self.for_host.val() & !self.queue.s_axis.tready.val();
        StreamOut::<1615>::link(&mut self.host, &mut self.queue.m_axis);
        if self.reset.val() {
            self.begun.d.next = false;
            self.done.d.next = false;
            self.waits.d.next = false;
            self.is_dead.d.next = false;
            self.has_gap.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("receive", &mut *Box::<Receive>::default());
        crate::yosys::check("receive", &text);
    }
}
