//! Framer: records become frames on the wire.
//!
//! Enters: a frame's place in the table of paths, its units and records; the units themselves as it asks
//! for them; and, before all others, frames of one record alone. Leaves: an AXI-Stream of frames, byte for
//! byte those of `formats::frame` with their checksum, one path's with sequences 1, 2, 3, … after a reset.
//!
//! The beats of a frame set out one a clock in its order: header, units, checksum. All take the same way,
//! on which the header is filled in, units arrive, the checksum is summed and put behind the last unit. A
//! frame whose session is over (`frame_dropped`) asks for its units, which frees them, and uses its sequence.
//! Nothing else is judged here: a path without a session sends frames that say so.
//!
//! Limits: paths 2^T; a frame has at least one unit, one alone at most four. After a reset 2^T cycles pass
//! before the first frame, in which all sequences begin anew; paths and sessions must be written before use.
//!
//! Timing: stream outputs are registers, `frame_ready`, `alone.ready` and `fetch` come from registers
//! through a LUT level or two and should be looked at only. First beat [`LATENCY`] cycles after the frame was
//! taken; a frame takes as many clocks as it has beats, and the next follows at once.

mod buffer;
mod header;

pub use buffer::{OutBuffer, FLIGHT};

use crate::crc;
use crate::prim::{FrameOut, LutMemory, XorMatrix};
use formats::limits::*;
use header::{byte_mask, fixed_header, place};
use rust_hdl::prelude::*;

/// Cycles from a frame that is taken to its first beat, when nothing waits.
pub const LATENCY: usize = FLIGHT + 1;
/// Cycles from `fetch` to the units asked for.
pub const FETCH_LATENCY: usize = 2;
/// Units of the largest frame of one record alone.
pub const ALONE_UNITS_MAX: usize = 4;

// Widths in a kernel are plain numbers.
const _: () = assert!(FRAME_HEADER_SIZE == 64 && UNIT_SIZE == 16 && FRAME_UNITS_MAX < 1 << 10);

/// Frames of one record alone, before all others.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct AloneIn<const T: usize> {
    /// A record is there; it holds until it is taken.
    pub valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub ready: Signal<Out, Bit>,
    /// Its path.
    pub path: Signal<In, Bits<T>>,
    /// Its units, at most [`ALONE_UNITS_MAX`].
    pub units: Signal<In, Bits<3>>,
    /// They.
    pub data: Signal<In, Bits<512>>,
}

/// What the headers of all frames share.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct HeadIn {
    /// Cluster number.
    pub cluster: Signal<In, Bits<32>>,
    /// Our member number.
    pub sender: Signal<In, Bits<8>>,
    /// Our session.
    pub session: Signal<In, Bits<64>>,
    /// Service tag.
    pub s_tag: Signal<In, Bits<16>>,
    /// Customer tag.
    pub c_tag: Signal<In, Bits<16>>,
    /// Cluster time; a frame has that of the cycle after it was taken.
    pub time_us: Signal<In, Bits<64>>,
}

/// What is written of a path; in force at the next frame.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct PathsIn<const T: usize> {
    /// The path.
    pub index: Signal<In, Bits<T>>,
    /// Writes addresses, port and receiver at this clock.
    pub entry_valid: Signal<In, Bit>,
    /// Destination MAC, source MAC, port, receiver.
    pub entry: Signal<In, Bits<112>>,
    /// Writes the receiver's session at this clock.
    pub session_valid: Signal<In, Bit>,
    /// Its low half; 0 for none.
    pub session: Signal<In, Bits<32>>,
}

/// A stream of W bits, K bytes and U units a beat, for 2^T paths.
#[derive(LogicBlock)]
pub struct Framer<const W: usize, const K: usize, const U: usize, const T: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Drops what is under way and begins all sequences anew.
    pub reset: Signal<In, Bit>,
    /// A frame is there.
    pub frame_valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub frame_ready: Signal<Out, Bit>,
    /// Whom it is for.
    pub frame_path: Signal<In, Bits<T>>,
    /// Units in it.
    pub frame_units: Signal<In, Bits<10>>,
    /// Records in them.
    pub frame_records: Signal<In, Bits<10>>,
    /// Its session is over: it is not sent.
    pub frame_dropped: Signal<In, Bit>,
    /// The next units of the frame are wanted, [`FETCH_LATENCY`] cycles later.
    pub fetch: Signal<Out, Bit>,
    /// They are the frame's last.
    pub fetch_last: Signal<Out, Bit>,
    /// The units; behind the end of a frame anything.
    pub payload: Signal<In, Bits<W>>,
    /// Records that leave alone.
    pub alone: AloneIn<T>,
    /// What all headers share.
    pub head: HeadIn,
    /// The table of paths.
    pub path: PathsIn<T>,
    /// The frames.
    pub m_axis: FrameOut<W, K>,
    /// A frame was begun.
    pub sent: Signal<Out, Bit>,
    /// A frame was dropped.
    pub dropped: Signal<Out, Bit>,

    // The beat that sets out.
    clears: DFF<Bit>,
    clear_index: DFF<Bits<T>>,
    busy: DFF<Bit>,
    in_header: DFF<Bit>,
    header_beat: DFF<Bits<2>>,
    full_beats_left: DFF<Bits<10>>,
    is_last: DFF<Bit>,
    is_last_full: DFF<Bit>,
    rest: DFF<Bits<3>>,
    is_dropped: DFF<Bit>,
    is_alone: DFF<Bit>,
    alone_busy: DFF<Bit>,
    may: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    wants_alone: Signal<Local, Bit>,
    starts_alone: Signal<Local, Bit>,
    starts: Signal<Local, Bit>,
    drops: Signal<Local, Bit>,
    sets_out: Signal<Local, Bit>,
    sends: Signal<Local, Bit>,
    has_rest: Signal<Local, Bit>,
    fetches: Signal<Local, Bit>,
    units: Signal<Local, Bits<10>>,
    beats: Signal<Local, Bits<10>>,
    // One cycle later: the path is looked up.
    start_1: DFF<Bit>,
    path_1: DFF<Bits<T>>,
    units_1: DFF<Bits<10>>,
    records_1: DFF<Bits<10>>,
    valid_1: DFF<Bit>,
    header_1: DFF<Bit>,
    begins_1: DFF<Bit>,
    alone_1: DFF<Bit>,
    last_1: DFF<Bit>,
    count_1: DFF<Bits<3>>,
    path_memory: LutMemory<112, T>,
    session_memory: LutMemory<32, T>,
    sequence_memory: LutMemory<64, T>,
    entry: Signal<Local, Bits<112>>,
    filled: Signal<Local, Bits<512>>,
    s_tag_bytes: Signal<Local, Bits<16>>,
    c_tag_bytes: Signal<Local, Bits<16>>,
    // Two: header or units.
    start_2: DFF<Bit>,
    path_2: DFF<Bits<T>>,
    sequence_2: DFF<Bits<64>>,
    header_word: DFF<Bits<512>>,
    alone_word: DFF<Bits<512>>,
    valid_2: DFF<Bit>,
    header_2: DFF<Bit>,
    begins_2: DFF<Bit>,
    alone_2: DFF<Bit>,
    last_2: DFF<Bit>,
    count_2: DFF<Bits<3>>,
    /// Units of the beat that count.
    counts_2: [DFF<Bit>; U],
    chosen: Signal<Local, Bits<W>>,
    mask: Signal<Local, Bits<W>>,
    masked: Signal<Local, Bits<W>>,
    // Three: their sum.
    valid_3: DFF<Bit>,
    begins_3: DFF<Bit>,
    last_3: DFF<Bit>,
    count_3: DFF<Bits<3>>,
    data_3: DFF<Bits<W>>,
    /// The same without what the checksum leaves out.
    summed_3: DFF<Bits<W>>,
    sum: XorMatrix<W, 32>,
    // Four: the checksum behind each number of units, put in the place that is its own.
    valid_4: DFF<Bit>,
    begins_4: DFF<Bit>,
    last_4: DFF<Bit>,
    count_4: DFF<Bits<3>>,
    /// The unit behind the last one.
    ends_4: [DFF<Bit>; U],
    data_4: DFF<Bits<W>>,
    sum_4: DFF<Bits<32>>,
    state: DFF<Bits<32>>,
    folded: Signal<Local, Bits<64>>,
    fold: [XorMatrix<64, 32>; U],
    checksum: [Signal<Local, Bits<32>>; U],
    ending: Signal<Local, Bits<32>>,
    word: Signal<Local, Bits<W>>,
    out: OutBuffer<W, K, U>,

    fixed: Constant<Bits<512>>,
    all_units: Constant<Bits<3>>,
    rest_mask: Constant<Bits<10>>,
    unit_bits: Constant<Bits<4>>,
    has_more_header: Constant<Bits<1>>,
    last_header_beat: Constant<Bits<2>>,
    first_sum_beat: Constant<Bits<2>>,
    beat_width: Constant<Bits<16>>,
    unit_masks: [Constant<Bits<W>>; U],
    sum_mask: Constant<Bits<W>>,
    number: [Constant<Bits<3>>; U],
    checksum_place: [Constant<Bits<16>>; U],
    begin_state: Constant<Bits<32>>,
    session_place: Constant<Bits<16>>,
    sender_place: Constant<Bits<16>>,
    cluster_place: Constant<Bits<16>>,
    receiver_place: Constant<Bits<16>>,
    port_place: Constant<Bits<16>>,
    sequence_place: Constant<Bits<16>>,
    time_place: Constant<Bits<16>>,
    peer_session_place: Constant<Bits<16>>,
    units_place: Constant<Bits<16>>,
    records_place: Constant<Bits<16>>,
}

impl<const W: usize, const K: usize, const U: usize, const T: usize> Default for Framer<W, K, U, T> {
    fn default() -> Self {
        const { assert!(W == 8 * K && K == UNIT_SIZE * U && FRAME_HEADER_SIZE % K == 0, "beats of whole units") };
        let header_beats = FRAME_HEADER_SIZE / K;
        // Bytes before the checksum's first in the beat that has it.
        let unsummed = FRAME_CRC_FROM % K;
        block! {
            sum: XorMatrix::new(crc::data_rows(K)),
            fold: std::array::from_fn(|k| XorMatrix::new(crc::fold_rows((k + 1) * UNIT_SIZE, K))),
            checksum: std::array::from_fn(|_| Default::default()),
            fixed: Constant::new(fixed_header()),
            all_units: Constant::new(U.to_bits()),
            rest_mask: Constant::new((U - 1).to_bits()),
            unit_bits: Constant::new((U.ilog2() as usize).to_bits()),
            has_more_header: Constant::new(usize::from(header_beats > 1).to_bits()),
            last_header_beat: Constant::new((header_beats - 1).to_bits()),
            first_sum_beat: Constant::new((FRAME_CRC_FROM / K).to_bits()),
            beat_width: Constant::new(W.to_bits()),
            unit_masks: std::array::from_fn(|k| {
                Constant::new(byte_mask::<W>((k + 1) * UNIT_SIZE) ^ byte_mask(k * UNIT_SIZE))
            }),
            sum_mask: Constant::new(Bits::<W>::mask() ^ byte_mask(unsummed)),
            number: std::array::from_fn(|k| Constant::new(k.to_bits())),
            checksum_place: std::array::from_fn(|k| Constant::new((8 * k * UNIT_SIZE).to_bits())),
            begin_state: Constant::new(u64::from(crc::state_after_zeros(K - unsummed)).to_bits()),
            session_place: place("session"),
            sender_place: place("sender"),
            cluster_place: place("cluster"),
            receiver_place: place("receiver"),
            port_place: place("port"),
            sequence_place: place("sequence"),
            time_place: place("time_us"),
            peer_session_place: place("peer_session"),
            units_place: place("units"),
            records_place: place("records"),
            counts_2: std::array::from_fn(|_| Default::default()),
            ends_4: std::array::from_fn(|_| Default::default()),
            ..clock reset frame_valid frame_ready frame_path frame_units frame_records frame_dropped fetch
            fetch_last payload alone head path m_axis sent dropped clears clear_index busy in_header header_beat full_beats_left is_last
            is_last_full rest is_dropped is_alone alone_busy may takes wants_alone starts_alone starts drops
            sets_out sends has_rest fetches units beats start_1 path_1 units_1 records_1 valid_1 header_1
            begins_1 alone_1 last_1 count_1 path_memory session_memory sequence_memory entry filled
            s_tag_bytes c_tag_bytes start_2 path_2 sequence_2 header_word alone_word valid_2 header_2 begins_2
            alone_2 last_2 count_2 chosen mask masked valid_3 begins_3 last_3 count_3 data_3 summed_3
            valid_4 begins_4 last_4 count_4 data_4 sum_4 state folded ending word out
        }
    }
}

impl<const W: usize, const K: usize, const U: usize, const T: usize> Logic for Framer<W, K, U, T> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, clears, clear_index, busy, in_header, header_beat, full_beats_left);
        dff_setup!(self, clock, is_last, is_last_full, rest, is_dropped, is_alone, alone_busy);
        dff_setup!(self, clock, start_1, path_1, units_1, records_1, valid_1, header_1, begins_1);
        dff_setup!(
            self,
            clock,
            alone_1,
            last_1,
            count_1,
            start_2,
            path_2,
            sequence_2,
            header_word,
            alone_word
        );
        dff_setup!(self, clock, valid_2, header_2, begins_2, alone_2, last_2, count_2);
        dff_setup!(self, clock, valid_3, begins_3, last_3, count_3, data_3, summed_3);
        dff_setup!(self, clock, valid_4, begins_4, last_4, count_4, data_4, sum_4, state);
        clock!(self, clock, path_memory, session_memory, sequence_memory, out);

        // What sets out: the first beat of a frame, or the next of it.
        self.may.next = self.out.may_send.val();
        self.takes.next = self.may.val() & !self.busy.q.val();
        self.wants_alone.next = self.alone.valid.val() & !self.alone_busy.q.val();
        self.starts_alone.next = self.takes.val() & self.wants_alone.val();
        self.starts.next = self.takes.val() & (self.wants_alone.val() | self.frame_valid.val());
        self.drops.next = self.frame_dropped.val() & !self.wants_alone.val();
        self.alone.ready.next = self.takes.val() & !self.alone_busy.q.val();
        self.frame_ready.next = self.takes.val() & !self.wants_alone.val();
        // A dropped frame takes no place behind.
        self.sets_out.next = self.busy.q.val() & (self.may.val() | self.is_dropped.q.val());
        self.sends.next = (self.starts.val() & !self.drops.val())
            | (self.busy.q.val() & self.may.val() & !self.is_dropped.q.val());
        self.out.send.next = self.sends.val();
        self.has_rest.next = self.rest.q.val() != 0;
        self.fetches.next = self.sets_out.val()
            & !self.in_header.q.val()
            & !self.is_alone.q.val()
            & (!self.is_last.q.val() | self.has_rest.val());
        self.fetch.next = self.fetches.val();
        self.fetch_last.next =
            self.fetches.val() & (self.is_last.q.val() | (self.is_last_full.q.val() & !self.has_rest.val()));

        self.units.next = self.frame_units.val();
        if self.wants_alone.val() {
            self.units.next = bit_cast::<10, 3>(self.alone.units.val());
        }
        self.beats.next = self.units.val() >> self.unit_bits.val();
        self.valid_1.d.next = self.sends.val();
        self.header_1.d.next = true;
        self.begins_1.d.next = self.first_sum_beat.val() == 0;
        self.alone_1.d.next = self.is_alone.q.val();
        self.last_1.d.next = false;
        self.count_1.d.next = self.all_units.val();
        if self.starts.val() {
            self.busy.d.next = true;
            self.in_header.d.next = self.has_more_header.val() == 1;
            self.header_beat.d.next = 1.into();
            self.full_beats_left.d.next = self.beats.val();
            self.is_last.d.next = self.beats.val() == 0;
            self.is_last_full.d.next = self.beats.val() == 1;
            self.rest.d.next = bit_cast::<3, 10>(self.units.val() & self.rest_mask.val());
            self.is_dropped.d.next = self.drops.val();
            self.is_alone.d.next = self.wants_alone.val();
        } else if self.sets_out.val() {
            if self.in_header.q.val() {
                self.begins_1.d.next = self.header_beat.q.val() == self.first_sum_beat.val();
                self.header_beat.d.next = self.header_beat.q.val() + 1;
                self.in_header.d.next = self.header_beat.q.val() != self.last_header_beat.val();
            } else {
                self.header_1.d.next = false;
                self.begins_1.d.next = false;
                if self.is_last.q.val() {
                    self.last_1.d.next = true;
                    self.count_1.d.next = self.rest.q.val();
                    self.busy.d.next = false;
                } else {
                    self.full_beats_left.d.next = self.full_beats_left.q.val() - 1;
                    self.is_last.d.next = self.is_last_full.q.val();
                    self.is_last_full.d.next = self.full_beats_left.q.val() == 2;
                }
            }
        }
        self.start_1.d.next = self.starts.val();
        self.path_1.d.next = self.frame_path.val();
        self.records_1.d.next = self.frame_records.val();
        self.units_1.d.next = self.units.val();
        if self.wants_alone.val() {
            self.path_1.d.next = self.alone.path.val();
            self.records_1.d.next = 1.into();
        }
        self.sent.next = self.start_1.q.val() & self.valid_1.q.val();
        self.dropped.next = self.start_1.q.val() & !self.valid_1.q.val();

        // The header is filled in. The next sequence of a path is ready in its table.
        self.path_memory.write.next = self.path.entry_valid.val();
        self.path_memory.write_address.next = self.path.index.val();
        self.path_memory.write_data.next = self.path.entry.val();
        self.path_memory.address.next = self.path_1.q.val();
        self.session_memory.write.next = self.path.session_valid.val();
        self.session_memory.write_address.next = self.path.index.val();
        self.session_memory.write_data.next = self.path.session.val();
        self.session_memory.address.next = self.path_1.q.val();
        self.sequence_memory.address.next = self.path_1.q.val();
        self.start_2.d.next = self.start_1.q.val();
        self.path_2.d.next = self.path_1.q.val();
        self.sequence_2.d.next = self.sequence_memory.data.val();
        self.sequence_memory.write.next = self.start_2.q.val() | self.clears.q.val();
        self.sequence_memory.write_address.next = self.path_2.q.val();
        self.sequence_memory.write_data.next = self.sequence_2.q.val() + 1;
        if self.clears.q.val() {
            self.sequence_memory.write_address.next = self.clear_index.q.val();
            self.sequence_memory.write_data.next = 1.into();
            self.clear_index.d.next = self.clear_index.q.val() + 1;
            if self.clear_index.q.val().all() {
                self.clears.d.next = false;
            }
        }
        self.s_tag_bytes.next = (self.head.s_tag.val() << 8) | (self.head.s_tag.val() >> 8);
        self.c_tag_bytes.next = (self.head.c_tag.val() << 8) | (self.head.c_tag.val() >> 8);
        self.entry.next = self.path_memory.data.val();
        self.filled.next = self.fixed.val()
            | (bit_cast::<512, 16>(self.s_tag_bytes.val()) << 112)
            | (bit_cast::<512, 16>(self.c_tag_bytes.val()) << 144)
            | bit_cast::<512, 96>(bit_cast::<96, 112>(self.entry.val()))
            | (bit_cast::<512, 8>(self.entry.val().get_bits::<8>(96)) << self.port_place.val())
            | (bit_cast::<512, 8>(self.entry.val().get_bits::<8>(104)) << self.receiver_place.val())
            | (bit_cast::<512, 32>(self.head.cluster.val()) << self.cluster_place.val())
            | (bit_cast::<512, 8>(self.head.sender.val()) << self.sender_place.val())
            | (bit_cast::<512, 64>(self.sequence_memory.data.val()) << self.sequence_place.val())
            | (bit_cast::<512, 64>(self.head.session.val()) << self.session_place.val())
            | (bit_cast::<512, 64>(self.head.time_us.val()) << self.time_place.val())
            | (bit_cast::<512, 32>(self.session_memory.data.val()) << self.peer_session_place.val())
            | (bit_cast::<512, 10>(self.units_1.q.val()) << self.units_place.val())
            | (bit_cast::<512, 10>(self.records_1.q.val()) << self.records_place.val());
        self.valid_2.d.next = self.valid_1.q.val();
        self.header_2.d.next = self.header_1.q.val();
        self.begins_2.d.next = self.begins_1.q.val();
        self.alone_2.d.next = self.alone_1.q.val();
        self.last_2.d.next = self.last_1.q.val();
        self.count_2.d.next = self.count_1.q.val();
        for k in 0..U {
            self.counts_2[k].clock.next = self.clock.val();
            self.counts_2[k].d.next = self.count_1.q.val() > self.number[k].val();
        }

        // Header and units meet; what does not count becomes zero.
        if self.valid_2.q.val() & self.header_2.q.val() {
            self.header_word.d.next = self.header_word.q.val() >> self.beat_width.val();
        }
        if self.start_1.q.val() {
            self.header_word.d.next = self.filled.val();
        }
        if self.valid_2.q.val() & self.alone_2.q.val() & !self.header_2.q.val() {
            self.alone_word.d.next = self.alone_word.q.val() >> self.beat_width.val();
            if self.last_2.q.val() {
                self.alone_busy.d.next = false;
            }
        }
        if self.starts_alone.val() {
            self.alone_word.d.next = self.alone.data.val();
            self.alone_busy.d.next = true;
        }
        self.chosen.next = self.payload.val();
        if self.header_2.q.val() {
            self.chosen.next = bit_cast::<W, 512>(self.header_word.q.val());
        } else if self.alone_2.q.val() {
            self.chosen.next = bit_cast::<W, 512>(self.alone_word.q.val());
        }
        self.mask.next = 0.into();
        for k in 0..U {
            if self.counts_2[k].q.val() {
                self.mask.next = self.mask.val() | self.unit_masks[k].val();
            }
        }
        self.masked.next = self.chosen.val() & self.mask.val();
        self.data_3.d.next = self.masked.val();
        self.summed_3.d.next = self.masked.val();
        if self.begins_2.q.val() {
            self.summed_3.d.next = self.masked.val() & self.sum_mask.val();
        }
        self.valid_3.d.next = self.valid_2.q.val();
        self.begins_3.d.next = self.begins_2.q.val();
        self.last_3.d.next = self.last_2.q.val();
        self.count_3.d.next = self.count_2.q.val();

        self.sum.x.next = self.summed_3.q.val();
        self.sum_4.d.next = self.sum.y.val();
        self.data_4.d.next = self.data_3.q.val();
        self.valid_4.d.next = self.valid_3.q.val();
        self.begins_4.d.next = self.begins_3.q.val();
        self.last_4.d.next = self.last_3.q.val();
        self.count_4.d.next = self.count_3.q.val();
        for k in 0..U {
            self.ends_4[k].clock.next = self.clock.val();
            self.ends_4[k].d.next = self.last_3.q.val() & (self.count_3.q.val() == self.number[k].val());
        }

        // The checksum behind a whole beat is the next state; that behind a part of one ends a frame. Each
        // number of units has its own place for it, so that none waits for a choice between them.
        self.folded.next =
            (bit_cast::<64, 32>(self.sum_4.q.val()) << 32) | bit_cast::<64, 32>(self.state.q.val());
        self.checksum[0].next = !self.state.q.val();
        for k in 0..U {
            self.fold[k].x.next = self.folded.val();
        }
        for k in 1..U {
            self.checksum[k].next = !self.fold[k - 1].y.val();
        }
        if self.valid_4.q.val() {
            for k in (U - 1)..U {
                self.state.d.next = self.fold[k].y.val();
            }
            if self.begins_4.q.val() {
                self.state.d.next = self.sum_4.q.val() ^ self.begin_state.val();
            }
        }
        self.word.next = self.data_4.q.val();
        self.ending.next = 0.into();
        for k in 0..U {
            if self.ends_4[k].q.val() {
                self.ending.next = self.checksum[k].val();
                self.word.next =
                    self.word.val() | (bit_cast::<W, 32>(self.ending.val()) << self.checksum_place[k].val());
            }
        }
        // Nothing sets out while sequences begin anew.
        self.out.reset.next = self.reset.val() | self.clears.q.val();
        self.out.in_valid.next = self.valid_4.q.val();
        self.out.in_data.next = self.word.val();
        self.out.in_last.next = self.last_4.q.val();
        self.out.in_units.next = self.count_4.q.val();
        FrameOut::<W, K>::link(&mut self.m_axis, &mut self.out.m_axis);

        if self.reset.val() {
            self.clears.d.next = true;
            self.clear_index.d.next = 0.into();
            self.busy.d.next = false;
            self.is_dropped.d.next = false;
            self.alone_busy.d.next = false;
            self.start_1.d.next = false;
            self.start_2.d.next = false;
            self.valid_1.d.next = false;
            self.valid_2.d.next = false;
            self.valid_3.d.next = false;
            self.valid_4.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests;
