//! The card: frames in, frames out, registers, and the connection engine between them.
//!
//! Enters: frames of peers; commands, roles and jobs of the host; accesses of its driver. Leaves: frames to
//! peers; what became of each request, records and events for the host; answers to the driver. Ring, DMA and
//! packets are not here: the host's side is a set of plain ports.
//!
//! From a command to the first beat of its frame, and from the last beat of a frame to the table, only
//! registers of the parts lie; each part says its own cycles.
//!
//! A session begins in this order, or frames of the old one are taken for the new: push nothing for the
//! member (its roles gone, 60 clocks), drop what waits for it, write its path's session, its sequences, its
//! session as a sender.

use crate::amounts::Amounts;
use crate::counters::Counters;
use crate::csr::{self, Csr};
use crate::egress::Egress;
use crate::engine::{Engine, OutcomeOut, COUNTERS};
use crate::expander::Expander;
use crate::framer::{AloneIn, PathsIn};
use crate::ingress::peers::PeersIn;
use crate::ingress::record::RecordOut;
use crate::ingress::Ingress;
use crate::intake::CommandIn;
use crate::map::RolesIn;
use crate::pool::{self, DropIn};
use crate::prim::{constant, FrameIn, FrameOut, LiteIn, StreamOut, Wire, Wires};
use crate::sweeper::JobIn;
use formats::limits::*;
use formats::register::{self as reg, Counter};
use rust_hdl::prelude::*;

/// Bits of the registers that hold what is written, and of those that are said.
const STORED_BITS: usize = 32 * csr::STORED;
const SAID_BITS: usize = 32 * csr::SAID;
/// Clocks between two windows of the sweeper: the time in which packets that waited catch up.
pub const WINDOW_GAP: usize = 256;

// Widths and numbers in a kernel are plain.
const _: () = assert!(COUNTERS == 96 && FRAME_HEADER_SIZE + FRAME_CRC_SIZE == 68 && UNIT_SIZE == 16);

/// The counter of each strobe of the streams, in the order of `heard`.
const HEARD: [Counter; 15] = [
    Counter::FramesReceived,
    Counter::FramesAccepted,
    Counter::FrameShort,
    Counter::FrameLong,
    Counter::FrameForeign,
    Counter::FrameVersion,
    Counter::FrameLength,
    Counter::FrameCrc,
    Counter::FrameCluster,
    Counter::FrameSender,
    Counter::FrameReceiver,
    Counter::FrameSession,
    Counter::FrameSequence,
    Counter::FrameFull,
    Counter::FramesSent,
];

/// Registers that the engine has values of: what they are in `settings`.
const SETTINGS: [(u32, usize); 10] = [
    (reg::MEMBER, 8),
    (reg::CLUSTER, 32),
    (reg::SESSION_LOW, 32),
    (reg::SESSION_HIGH, 32),
    (reg::REPLICATE_GROUPS, 8),
    (reg::FRAME_SIZE, 16),
    (reg::DIGEST_US, 32),
    (reg::TAGS, 32),
    (reg::TRACK_EDGE_BITS, 5),
    (reg::RING_ENABLE, 1),
];
/// Bits of all of them.
const SETTING_BITS: usize = 198;
const _: () = {
    let (mut n, mut bits) = (0, 0);
    while n < SETTINGS.len() {
        bits += SETTINGS[n].1;
        n += 1;
    }
    assert!(bits == SETTING_BITS);
};

fn settings() -> Wires<STORED_BITS, SETTING_BITS> {
    let mut to = 0;
    Wires::new(SETTINGS.map(|(offset, bits)| {
        let wire = Wire { from: csr::stored(offset).at, to, bits };
        to += bits;
        wire
    }))
}

/// What the card says of itself: who it is, and what it holds.
fn said(flows: usize) -> Constant<Bits<SAID_BITS>> {
    let sizes = [(reg::FLOWS_MAX, flows as u32), (reg::PORTS_COUNT, PORTS_MAX as u32)];
    let sizes = sizes.map(|(offset, value)| (csr::said(offset), value));
    Constant::new(csr::identity().into_iter().chain(sizes).fold(0.into(), |sum, (field, value)| {
        let value: Bits<SAID_BITS> = u64::from(value).to_bits();
        sum | value << field.at as u64
    }))
}

/// A card: beats of W bits, K bytes, U units; ingress, egress and engine with their parameters.
#[derive(LogicBlock)]
#[rustfmt::skip]
pub struct Card<const W: usize, const K: usize, const U: usize, const IR: usize, const IM: usize, const IH: usize, const IC: usize, const IA: usize, const ET: usize, const ED: usize, const EP: usize, const EN: usize, const EB: usize, const EF: usize, const EC: usize, const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Begins anew; between frames.
    pub reset: Signal<In, Bit>,
    /// Everything is cleared, and the keys are those of the secret; until then nothing may enter but through
    /// the registers.
    pub ready: Signal<Out, Bit>,
    /// Registers and counters.
    pub s_axil: LiteIn<12>,
    /// A SNAPSHOT_END goes to the pool.
    pub snapshot_sent: Signal<Out, Bit>,
    /// Its bucket, and above it whether it is for the remote.
    pub snapshot_bucket: Signal<Out, Bits<11>>,
    /// Frames out.
    pub m_axis: FrameOut<W, K>,
    /// Cluster time in µs; it does not fall.
    pub time_us: Signal<In, Bits<64>>,
    /// Frames in, always taken.
    pub s_axis: FrameIn<W, K>,
    /// The port a frame came through.
    pub s_axis_tuser: Signal<In, Bits<3>>,
    /// The table of paths: a data path has the number of its member.
    pub path: PathsIn<ET>,
    /// What is known of senders.
    pub peer: PeersIn,
    /// What waits for a member is dropped.
    pub drop: DropIn<ED>,
    /// A record of the host's own leaves first and alone.
    pub alone: AloneIn<ET>,
    /// Commands of the host.
    pub command: CommandIn,
    /// The host's word on a bucket.
    pub roles: RolesIn,
    /// Jobs of the host.
    pub job: JobIn,
    /// Number of the last audit.
    pub audit: Signal<In, Bits<8>>,
    /// An audit runs.
    pub is_auditing: Signal<In, Bit>,
    /// Deletes up to this version are known to all sessions.
    pub floor: Signal<In, Bits<48>>,
    /// Records for the host, as `Receive` gives them.
    pub host: StreamOut<1615>,
    /// Events for the host, as `Taker` gives them.
    pub event: StreamOut<442>,
    /// What became of each request.
    pub out: OutcomeOut,
    /// The frame of a record must not be acknowledged: it is to come again.
    pub refuses: Signal<Out, Bit>,
    /// An enabled interrupt waits.
    pub irq: Signal<Out, Bit>,
    ingress: Ingress<W, K, U, IR, IM, IH, IC, IA>,
    engine: Engine<S, T, V, A, P>,
    egress: Egress<W, K, U, ET, ED, EP, EN, EB, EF, EC>,
    csr: Csr<{ csr::STORED }, STORED_BITS, { csr::SAID }, SAID_BITS>,
    counters: Counters<96>,
    amounts: Amounts,
    expander: Expander,
    settings_wires: Wires<STORED_BITS, SETTING_BITS>,
    heard_wires: Wires<15, 96>,
    settings: Signal<Local, Bits<198>>,
    frame_size: Signal<Local, Bits<16>>,
    frame_left: Signal<Local, Bits<16>>,
    frame_room: DFF<Bits<16>>,
    frame_limit: DFF<Bits<10>>,
    least_units: Constant<Bits<16>>,
    most_units: Constant<Bits<16>>,
    secret_at: Constant<Bits<16>>,
    secret_word: Constant<Bits<16>>,
    said: Constant<Bits<SAID_BITS>>,
    ports: Constant<Bits<4>>,
    window_gap: Constant<Bits<16>>,
    welcome: DFF<Bits<64>>,
    /// A session that began, and whose.
    gap_waits: DFF<Bit>,
    gap_peer: DFF<Bits<7>>,
    up: DFF<Bits<96>>,
    down: DFF<Bits<96>>,
    heard: Signal<Local, Bits<15>>,
    /// What nobody here asks for.
    unused: Signal<Local, Bit>,
}

#[rustfmt::skip] // Its head must be one line.
impl<const W: usize, const K: usize, const U: usize, const IR: usize, const IM: usize, const IH: usize, const IC: usize, const IA: usize, const ET: usize, const ED: usize, const EP: usize, const EN: usize, const EB: usize, const EF: usize, const EC: usize, const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> Default for Card<W, K, U, IR, IM, IH, IC, IA, ET, ED, EP, EN, EB, EF, EC, S, T, V, A, P> {
    fn default() -> Self {
        let heard = |(from, counter): (usize, &Counter)| Wire { from, to: *counter as usize, bits: 1 };
        block! {
            csr: Csr::new(&csr::Words::declared()),
            settings_wires: settings(),
            heard_wires: Wires::new(HEARD.iter().enumerate().map(heard)),
            least_units: constant(pool::RECORD_UNITS as u128),
            most_units: constant(FRAME_UNITS_MAX as u128),
            secret_at: constant(csr::stored(reg::SECRET).at as u128),
            secret_word: constant((csr::stored(reg::SECRET).at / 32 + 7) as u128),
            said: said(1 << A),
            ports: constant(PORTS_MAX as u128),
            window_gap: constant(WINDOW_GAP as u128),
            ..clock reset ready s_axil snapshot_sent snapshot_bucket m_axis time_us s_axis s_axis_tuser path peer drop alone command roles job audit is_auditing floor host event out refuses irq ingress engine egress counters
            amounts expander settings frame_size frame_left frame_room frame_limit welcome gap_waits
            gap_peer up down heard unused
        }
    }
}

#[rustfmt::skip] // Its head must be one line.
impl<const W: usize, const K: usize, const U: usize, const IR: usize, const IM: usize, const IH: usize, const IC: usize, const IA: usize, const ET: usize, const ED: usize, const EP: usize, const EN: usize, const EB: usize, const EF: usize, const EC: usize, const S: usize, const T: usize, const V: usize, const A: usize, const P: usize> Logic for Card<W, K, U, IR, IM, IH, IC, IA, ET, ED, EP, EN, EB, EF, EC, S, T, V, A, P> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, frame_room, frame_limit, welcome, gap_waits, gap_peer, up, down);
        clock!(self, clock, ingress, engine, egress, csr, counters, amounts, expander);
        self.ingress.reset.next = self.reset.val();
        self.engine.reset.next = self.reset.val();
        self.egress.reset.next = self.reset.val();
        self.csr.reset.next = self.reset.val();
        self.counters.reset.next = self.reset.val();
        self.amounts.reset.next = self.reset.val();
        self.expander.reset.next = self.reset.val();
        self.ready.next = self.engine.ready.val() & self.expander.ready.val();

        // Registers.
        LiteIn::<12>::link(&mut self.s_axil, &mut self.csr.s_axil);
        self.csr.clear.next = 0.into();
        self.csr.said.next = self.said.val();
        self.csr.raise.next =
            bit_cast::<32, 1>((self.event.tvalid.val() | self.host.tvalid.val()).into());
        self.irq.next = self.csr.interrupt_waits.val();
        self.settings_wires.x.next = self.csr.values.val();
        self.settings.next = self.settings_wires.y.val();
        self.counters.read_valid.next = self.csr.counter_valid.val();
        self.csr.counter_ready.next = self.counters.read_ready.val();
        self.counters.read_counter.next = self.csr.counter.val();
        self.csr.counter_done.next = self.counters.read_done.val();
        self.csr.counter_value.next = self.counters.read_value.val();
        self.expander.secret.next = self.csr.values.val().get_bits::<256>(self.secret_at.val().index());
        self.expander.start.next = self.csr.written.val().get_bit(self.secret_word.val().index());

        // Frames in.
        FrameIn::<W, K>::link(&mut self.s_axis, &mut self.ingress.s_axis);
        self.ingress.s_axis_tuser.next = self.s_axis_tuser.val();
        self.ingress.member.next = self.settings.val().get_bits::<8>(0);
        self.ingress.cluster.next = self.settings.val().get_bits::<32>(8);
        self.ingress.ports.next = self.ports.val();
        PeersIn::link(&mut self.peer, &mut self.ingress.peer);
        RecordOut::join(&mut self.ingress.record, &mut self.engine.record);

        // Who has a session, and whose frames are missing.
        if self.peer.session_valid.val() & !self.peer.member.val().get_bit(6) {
            self.welcome.d.next = self.welcome.q.val()
                & !(bit_cast::<64, 1>(true.into()) << self.peer.member.val().get_bits::<6>(0));
            if self.peer.known.val() {
                self.welcome.d.next = self.welcome.q.val()
                    | (bit_cast::<64, 1>(true.into()) << self.peer.member.val().get_bits::<6>(0));
            }
        }
        self.engine.gap_valid.next = self.gap_waits.q.val();
        self.engine.gap_peer.next = self.gap_peer.q.val();
        if self.engine.gap_ready.val() {
            self.gap_waits.d.next = false;
        }
        if self.peer.session_valid.val() {
            self.gap_waits.d.next = true;
            self.gap_peer.d.next = self.peer.member.val();
        }

        // The engine.
        self.engine.member.next = self.settings.val().get_bits::<8>(0);
        self.engine.session.next = self.settings.val().get_bits::<64>(40);
        self.engine.replicate.next = self.settings.val().get_bits::<8>(104);
        self.engine.edge_bits.next = self.settings.val().get_bits::<5>(192);
        self.engine.sweeps.next = self.settings.val().get_bit(197);
        // A bucket in 1,024 of the interval, at 256 clocks a µs.
        self.engine.digest_interval.next = bit_cast::<32, 30>(self.settings.val().get_bits::<30>(130));
        self.engine.window_gap.next = self.window_gap.val();
        self.engine.welcome.next = self.welcome.q.val();
        self.engine.time_us.next = self.time_us.val().get_bits::<48>(0);
        self.engine.hash_write.valid.next = self.expander.hash_write.val();
        self.engine.hash_write.table.next = self.expander.hash_write_table.val();
        self.engine.hash_write.index.next = self.expander.hash_write_index.val();
        self.engine.hash_write.number.next = self.expander.hash_write_number.val();
        self.engine.digest_write.valid.next = self.expander.digest_write.val();
        self.engine.digest_write.index.next = self.expander.digest_write_index.val();
        self.engine.digest_write.key.next = self.expander.digest_write_key.val();
        self.engine.clear_emitted.next = self.peer.session_valid.val();
        self.engine.clear_member.next = self.peer.member.val().get_bits::<6>(0);
        CommandIn::link(&mut self.command, &mut self.engine.command);
        RolesIn::link(&mut self.roles, &mut self.engine.roles);
        JobIn::link(&mut self.job, &mut self.engine.job);
        self.engine.audit.next = self.audit.val();
        self.engine.is_auditing.next = self.is_auditing.val();
        self.engine.floor.next = self.floor.val();
        StreamOut::<1615>::link(&mut self.host, &mut self.engine.host);
        StreamOut::<442>::link(&mut self.event, &mut self.engine.event);
        OutcomeOut::link(&mut self.out, &mut self.engine.out);
        self.refuses.next = self.engine.refuses.val();

        self.snapshot_sent.next = self.engine.snapshot_sent.val();
        self.snapshot_bucket.next = self.engine.push_tag.val().get_bits::<11>(0);

        // Frames out.
        self.egress.push.valid.next = self.engine.push_valid.val();
        self.egress.push.destination.next = bit_cast::<ED, 6>(self.engine.push_member.val());
        self.egress.push.units.next = self.engine.push_units.val();
        self.egress.push.data.next = self.engine.push_data.val();
        self.egress.push.tag.next = self.engine.push_tag.val();
        self.engine.refused.next = self.egress.push.refused.val();
        self.engine.refused_member.next = bit_cast::<6, ED>(self.egress.push.refused_destination.val());
        self.engine.refused_tag.next = self.egress.push.refused_tag.val();
        self.frame_size.next = self.settings.val().get_bits::<16>(112);
        self.frame_left.next = self.frame_size.val() - 68;
        self.frame_room.d.next = self.frame_left.val() >> 4;
        self.frame_limit.d.next = self.frame_room.q.val().get_bits::<10>(0);
        if self.frame_room.q.val() > self.most_units.val() {
            self.frame_limit.d.next = self.most_units.val().get_bits::<10>(0);
        }
        if self.frame_room.q.val() < self.least_units.val() {
            self.frame_limit.d.next = self.least_units.val().get_bits::<10>(0);
        }
        self.egress.frame_limit.next = self.frame_limit.q.val();
        DropIn::<ED>::link(&mut self.drop, &mut self.egress.drop);
        AloneIn::<ET>::link(&mut self.alone, &mut self.egress.alone);
        self.egress.head.cluster.next = self.settings.val().get_bits::<32>(8);
        self.egress.head.sender.next = self.settings.val().get_bits::<8>(0);
        self.egress.head.session.next = self.settings.val().get_bits::<64>(40);
        self.egress.head.s_tag.next = self.settings.val().get_bits::<16>(176);
        self.egress.head.c_tag.next = self.settings.val().get_bits::<16>(160);
        self.egress.head.time_us.next = self.time_us.val();
        PathsIn::<ET>::link(&mut self.path, &mut self.egress.path);
        FrameOut::<W, K>::link(&mut self.m_axis, &mut self.egress.m_axis);

        // Counters.
        self.heard.next = bit_cast::<15, 1>(self.ingress.frames_received.val().into())
            | (bit_cast::<15, 1>(self.ingress.frames_accepted.val().into()) << 1)
            | (bit_cast::<15, 1>(self.ingress.frame_short.val().into()) << 2)
            | (bit_cast::<15, 1>(self.ingress.frame_long.val().into()) << 3)
            | (bit_cast::<15, 1>(self.ingress.frame_foreign.val().into()) << 4)
            | (bit_cast::<15, 1>(self.ingress.frame_version.val().into()) << 5)
            | (bit_cast::<15, 1>(self.ingress.frame_length.val().into()) << 6)
            | (bit_cast::<15, 1>(self.ingress.frame_crc.val().into()) << 7)
            | (bit_cast::<15, 1>(self.ingress.frame_cluster.val().into()) << 8)
            | (bit_cast::<15, 1>(self.ingress.frame_sender.val().into()) << 9)
            | (bit_cast::<15, 1>(self.ingress.frame_receiver.val().into()) << 10)
            | (bit_cast::<15, 1>(self.ingress.frame_session.val().into()) << 11)
            | (bit_cast::<15, 1>(self.ingress.frame_sequence.val().into()) << 12)
            | (bit_cast::<15, 1>(self.ingress.frame_full.val().into()) << 13)
            | (bit_cast::<15, 1>(self.egress.sent.val().into()) << 14);
        self.heard_wires.x.next = self.heard.val();
        self.up.d.next = self.engine.up.val() | self.heard_wires.y.val();
        self.down.d.next = self.engine.down.val();
        self.counters.up.next = self.up.q.val();
        self.counters.down.next = self.down.q.val();
        self.amounts.malformed.next = self.engine.malformed.val();
        self.amounts.deferred.next = self.engine.deferred.val();
        self.amounts.queue_full.next = self.engine.queue_full.val();
        self.amounts.missing.next = self.ingress.frames_missing.val();
        self.counters.add_valid.next = self.amounts.add_valid.val();
        self.amounts.add_ready.next = self.counters.add_ready.val();
        self.counters.add_counter.next = self.amounts.add_counter.val();
        self.counters.add_amount.next = self.amounts.add_amount.val();
        self.unused.next = self.ingress.heard_header.val().any()
            | self.settings.val().any()
            | self.csr.values.val().any()
            | self.csr.written.val().any()
            | self.csr.refused.val().any()
            | self.egress.dropped.val();
        if self.reset.val() {
            self.welcome.d.next = 0.into();
            self.gap_waits.d.next = false;
        }
    }
}
