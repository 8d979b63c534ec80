//! Intake: who may change flows, one after the other, and each with the flow's id.
//!
//! Enters: flow records of peers, commands of the host, requests of who has the window. Leaves, [`LATENCY`]
//! cycles later, one a clock: requests as `table::Flows` takes them, and beside each who made it.
//!
//! Records go first, but for every eighth slot, if a command waits. A record takes the slot that
//! `may_enter` promised it two clocks before; a command takes any slot that is left. While `holds`, only
//! the window's requests enter, one a clock, behind the records that are on their way.
//!
//! Timing: inputs through the choice of one in three into a register; the id is 1 LUT level behind one. The
//! base of an UPDATE is computed beside the hash, half a number a clock.

use crate::hash::{FlowHash, NumbersIn, LATENCY as HASH_LATENCY};
use crate::layout::{field, Field, ENTRY_BITS};
use crate::prim::{constant, Delay};
use crate::receive::LATENCY as RECEIVE_LATENCY;
use crate::table::commands;
use rust_hdl::prelude::*;

/// Cycles from record, command or request to the request with its id.
pub const LATENCY: usize = 1 + HASH_LATENCY;

/// Who made a request.
pub mod source {
    /// A peer, by a record.
    pub const RECORD: u8 = 1;
    /// The host.
    pub const COMMAND: u8 = 2;
    /// Who has the window.
    pub const WINDOW: u8 = 3;
}

/// Bits of what goes beside a request: source, what the window tells, peer, sequence.
pub const ASIDE_BITS: usize = 2 + 2 + 7 + 64;

// Widths and numbers in a kernel are plain.
const _: () = assert!(ENTRY_BITS == 1296 && LATENCY == 4 && ASIDE_BITS == 75 && RECEIVE_LATENCY == 2);
const _: () = assert!(commands::UPDATE == 1 << 4);
const _: () = assert!(source::RECORD == 1 && source::COMMAND == 2 && source::WINDOW == 3);

/// Commands of the host.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct CommandIn {
    /// A command is there; it holds until it is taken.
    pub valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub ready: Signal<Out, Bit>,
    /// UPSERT or DELETE, of `table::commands`.
    pub kind: Signal<In, Bits<2>>,
    /// Of `table::flag` those of the host.
    pub flags: Signal<In, Bits<4>>,
    /// Key, groups, fields and cookie as an entry; the rest of it is not looked at.
    pub word: Signal<In, Bits<1296>>,
}

/// Requests with their ids.
#[derive(LogicBlock)]
pub struct Intake {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Forgets what is on its way; the tables of the hash stay.
    pub reset: Signal<In, Bit>,
    /// Neither records nor commands are to enter.
    pub holds: Signal<In, Bit>,
    /// Cluster time: the clock from which versions are drawn.
    pub time_us: Signal<In, Bits<48>>,
    /// Number of the last audit.
    pub audit: Signal<In, Bits<8>>,
    /// It runs: what records and deletes touch is painted with it, too.
    pub is_auditing: Signal<In, Bit>,
    /// A record that is taken now gets the slot in two clocks.
    pub may_enter: Signal<Out, Bit>,
    /// A record is there, in the slot it was promised.
    pub record_valid: Signal<In, Bit>,
    /// As `Receive` gives it.
    pub record_command: Signal<In, Bits<8>>,
    /// See there.
    pub record_keyed: Signal<In, Bit>,
    /// See there.
    pub record_id: Signal<In, Bits<40>>,
    /// See there.
    pub record_word: Signal<In, Bits<1296>>,
    /// See there.
    pub record_distance: Signal<In, Bits<8>>,
    /// See there.
    pub record_peer: Signal<In, Bits<7>>,
    /// See there.
    pub record_sequence: Signal<In, Bits<64>>,
    /// Commands of the host.
    pub command: CommandIn,
    /// A request of the window is there, as `WindowOut` has it.
    pub request_valid: Signal<In, Bit>,
    /// See there.
    pub request_named: Signal<In, Bit>,
    /// See there.
    pub request_way: Signal<In, Bits<2>>,
    /// See there.
    pub request_id: Signal<In, Bits<40>>,
    /// See there.
    pub request_keyed: Signal<In, Bit>,
    /// See there.
    pub request_command: Signal<In, Bits<8>>,
    /// See there.
    pub request_word: Signal<In, Bits<1296>>,
    /// See there.
    pub request_watches: Signal<In, Bit>,
    /// See there.
    pub request_frees: Signal<In, Bit>,
    /// See there.
    pub request_tells: Signal<In, Bits<2>>,
    /// A command was taken at the last clock.
    pub took_command: Signal<Out, Bit>,
    /// A request is on its way.
    pub is_busy: Signal<Out, Bit>,
    /// A request is there.
    pub out_valid: Signal<Out, Bit>,
    /// As `table::Flows` takes it.
    pub out_command: Signal<Out, Bits<8>>,
    /// The host's flags, or none.
    pub out_flags: Signal<Out, Bits<4>>,
    /// The flow id.
    pub out_id: Signal<Out, Bits<40>>,
    /// The id was computed from the key.
    pub out_keyed: Signal<Out, Bit>,
    /// The word.
    pub out_word: Signal<Out, Bits<1296>>,
    /// It names a place.
    pub out_named: Signal<Out, Bit>,
    /// Its way.
    pub out_way: Signal<Out, Bits<2>>,
    /// It watches that.
    pub out_watches: Signal<Out, Bit>,
    /// It frees that.
    pub out_frees: Signal<Out, Bit>,
    /// [`source`], what the window tells, peer and sequence.
    pub out_aside: Signal<Out, Bits<75>>,
    /// Numbers of the flow hash.
    pub write: NumbersIn,
    hash: FlowHash,
    /// Requests come with their own.
    unused: Signal<Local, Bit>,
    slot: DFF<Bits<3>>,
    took: DFF<Bit>,
    command_part: Signal<Local, Bits<1296>>,
    /// What records and deletes paint.
    mark: DFF<Bits<8>>,
    paint: Signal<Local, Bits<8>>,
    /// Of a command's word, what it does not say.
    ours: Constant<Bits<1296>>,
    version_at: Constant<Bits<16>>,
    version_high_at: Constant<Bits<16>>,
    ended_at: Constant<Bits<16>>,
    audit_at: Constant<Bits<16>>,
    src_at: Constant<Bits<16>>,
    dst_at: Constant<Bits<16>>,
    src_port_at: Constant<Bits<16>>,
    dst_port_at: Constant<Bits<16>>,
    protocol_at: Constant<Bits<16>>,
    zone_at: Constant<Bits<16>>,
    family_at: Constant<Bits<16>>,
    /// What was chosen: command 8, flags 4, keyed, named, way 2, watches, frees, aside 75.
    chosen_now: Signal<Local, Bits<93>>,
    word_now: Signal<Local, Bits<1296>>,
    id_now: Signal<Local, Bits<40>>,
    valid: [DFF<Bit>; LATENCY],
    chosen: DFF<Bits<93>>,
    rest: Delay<93, 3>,
    rest_out: Signal<Local, Bits<93>>,
    id: [DFF<Bits<40>>; LATENCY],
    word: [DFF<Bits<1296>>; LATENCY],
    distance: DFF<Bits<8>>,
    /// The base: its low half with the borrow, then both.
    base_low: DFF<Bits<25>>,
    base_low_held: DFF<Bits<24>>,
    base_high: DFF<Bits<25>>,
    version_low: Signal<Local, Bits<24>>,
    version_high: Signal<Local, Bits<24>>,
    is_update: [DFF<Bit>; 3],
    base: Signal<Local, Bits<48>>,
    no_base: Constant<Bits<48>>,
}

/// The fields that the word of a command has from us: the stamp, and what no host writes.
fn ours() -> Bits<1296> {
    let fields =
        [field::FLAGS, field::TERM, field::VERSION, field::DIGEST, field::ENDED_VERSION, field::AUDIT];
    let bits = fields.iter().flat_map(|field| field.at..field.at + field.bits);
    bits.fold(Bits::<1296>::default(), |sum, bit| sum.replace_bit(bit, true))
}

impl Default for Intake {
    fn default() -> Self {
        let at = |field: Field| constant(field.at as u128);
        block! {
            ours: Constant::new(ours()),
            no_base: constant((1 << 48) - 1),
            version_at: at(field::VERSION),
            version_high_at: constant(field::VERSION.at as u128 + 24),
            ended_at: at(field::ENDED_VERSION),
            audit_at: at(field::AUDIT),
            src_at: at(field::SRC),
            dst_at: at(field::DST),
            src_port_at: at(field::SRC_PORT),
            dst_port_at: at(field::DST_PORT),
            protocol_at: at(field::PROTOCOL),
            zone_at: at(field::ZONE),
            family_at: at(field::IS_V6),
            ..clock reset holds time_us audit is_auditing may_enter record_valid record_command record_keyed
            record_id record_word record_distance record_peer record_sequence command request_valid request_named request_way request_id
            request_keyed request_command request_word request_watches request_frees request_tells
            took_command is_busy out_valid out_command out_flags out_id out_keyed out_word out_named out_way
            out_watches out_frees out_aside write hash unused slot took
            command_part mark paint chosen_now word_now id_now valid chosen rest rest_out id word distance
            base_low base_low_held base_high version_low version_high is_update base
        }
    }
}

impl Logic for Intake {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, took, mark, slot, chosen, distance, base_low, base_low_held, base_high);
        clock!(self, clock, hash, rest);
        for k in 0..4 {
            self.valid[k].clock.next = self.clock.val();
            self.id[k].clock.next = self.clock.val();
            self.word[k].clock.next = self.clock.val();
        }
        self.hash.reset.next = self.reset.val();
        NumbersIn::link(&mut self.write, &mut self.hash.write);

        self.unused.next = self.hash.out_valid.val();

        // Who is next. A record that is promised slot 7 would enter in slot 5.
        self.slot.d.next = self.slot.q.val() + 1;
        self.may_enter.next = !self.holds.val() & !(self.command.valid.val() & (self.slot.q.val() == 5));
        self.command.ready.next =
            !self.holds.val() & !self.record_valid.val() & !self.request_valid.val() & !self.reset.val();
        self.took.d.next = self.command.valid.val()
            & !self.holds.val()
            & !self.record_valid.val()
            & !self.request_valid.val()
            & !self.reset.val();
        self.took_command.next = self.took.q.val();

        // What it asks for.
        self.mark.d.next = self.audit.val();
        if !self.is_auditing.val() {
            self.mark.d.next = self.audit.val() - 1;
        }
        self.paint.next = self.audit.val();
        if self.command.kind.val().get_bit(1) {
            self.paint.next = self.mark.q.val();
        }
        self.command_part.next = (self.command.word.val() & !self.ours.val())
            | (bit_cast::<1296, 48>(self.time_us.val()) << self.version_at.val())
            | (bit_cast::<1296, 8>(self.paint.val()) << self.audit_at.val());
        self.word_now.next = self.command_part.val();
        self.id_now.next = self.record_id.val();
        self.chosen_now.next = bit_cast::<93, 2>(self.command.kind.val())
            | (bit_cast::<93, 4>(self.command.flags.val()) << 8)
            | (bit_cast::<93, 1>(true.into()) << 12)
            | (bit_cast::<93, 2>(2.into()) << 18);
        if self.record_valid.val() {
            self.word_now.next =
                self.record_word.val() | (bit_cast::<1296, 8>(self.mark.q.val()) << self.audit_at.val());
            self.chosen_now.next = bit_cast::<93, 8>(self.record_command.val())
                | (bit_cast::<93, 1>(self.record_keyed.val().into()) << 12)
                | (bit_cast::<93, 2>(1.into()) << 18)
                | (bit_cast::<93, 7>(self.record_peer.val()) << 22)
                | (bit_cast::<93, 64>(self.record_sequence.val()) << 29);
        }
        if self.request_valid.val() {
            self.word_now.next = self.request_word.val();
            self.id_now.next = self.request_id.val();
            self.chosen_now.next = bit_cast::<93, 8>(self.request_command.val())
                | (bit_cast::<93, 1>(self.request_keyed.val().into()) << 12)
                | (bit_cast::<93, 1>(self.request_named.val().into()) << 13)
                | (bit_cast::<93, 2>(self.request_way.val()) << 14)
                | (bit_cast::<93, 1>(self.request_watches.val().into()) << 16)
                | (bit_cast::<93, 1>(self.request_frees.val().into()) << 17)
                | (bit_cast::<93, 2>(3.into()) << 18)
                | (bit_cast::<93, 2>(self.request_tells.val()) << 20);
        }
        self.valid[0].d.next = self.record_valid.val()
            | self.request_valid.val()
            | (self.command.valid.val() & !self.holds.val());
        self.chosen.d.next = self.chosen_now.val();
        self.id[0].d.next = self.id_now.val();
        self.word[0].d.next = self.word_now.val();
        self.distance.d.next = self.record_distance.val();
        self.is_update[0].d.next = self.record_valid.val() & self.record_command.val().get_bit(4);
        if self.reset.val() {
            self.valid[0].d.next = false;
        }

        // Its id.
        self.hash.in_valid.next = self.valid[0].q.val();
        self.hash.in_src.next = self.word[0].q.val().get_bits::<128>(self.src_at.val().index());
        self.hash.in_dst.next = self.word[0].q.val().get_bits::<128>(self.dst_at.val().index());
        self.hash.in_src_port.next = self.word[0].q.val().get_bits::<16>(self.src_port_at.val().index());
        self.hash.in_dst_port.next = self.word[0].q.val().get_bits::<16>(self.dst_port_at.val().index());
        self.hash.in_protocol.next = self.word[0].q.val().get_bits::<8>(self.protocol_at.val().index());
        self.hash.in_zone.next = self.word[0].q.val().get_bits::<16>(self.zone_at.val().index());
        self.hash.in_is_v6.next = self.word[0].q.val().get_bit(self.family_at.val().index());
        self.rest.in_data.next = self.chosen.q.val();
        self.rest_out.next = self.rest.out_data.val();
        for k in 1..4 {
            self.valid[k].d.next = self.valid[k - 1].q.val() & !self.reset.val();
            self.id[k].d.next = self.id[k - 1].q.val();
            self.word[k].d.next = self.word[k - 1].q.val();
        }

        // Its base, which travels as a distance.
        self.version_low.next = self.word[0].q.val().get_bits::<24>(self.version_at.val().index());
        self.version_high.next = self.word[1].q.val().get_bits::<24>(self.version_high_at.val().index());
        for k in 0..3 {
            self.is_update[k].clock.next = self.clock.val();
        }
        for k in 1..3 {
            self.is_update[k].d.next = self.is_update[k - 1].q.val();
        }
        self.base_low.d.next =
            bit_cast::<25, 24>(self.version_low.val()) - bit_cast::<25, 8>(self.distance.q.val());
        self.base_low_held.d.next = self.base_low.q.val().get_bits::<24>(0);
        self.base_high.d.next = bit_cast::<25, 24>(self.version_high.val())
            - bit_cast::<25, 1>(self.base_low.q.val().get_bit(24).into());
        self.base.next = (bit_cast::<48, 24>(self.base_high.q.val().get_bits::<24>(0)) << 24)
            | bit_cast::<48, 24>(self.base_low_held.q.val());
        if self.base_high.q.val().get_bit(24) {
            // Before all versions: that of no flow.
            self.base.next = self.no_base.val();
        }
        if self.is_update[2].q.val() {
            self.word[3].d.next =
                self.word[2].q.val() | (bit_cast::<1296, 48>(self.base.val()) << self.ended_at.val());
        }

        self.is_busy.next =
            self.valid[0].q.val() | self.valid[1].q.val() | self.valid[2].q.val() | self.valid[3].q.val();
        self.out_valid.next = self.valid[3].q.val();
        self.out_command.next = self.rest_out.val().get_bits::<8>(0);
        self.out_flags.next = self.rest_out.val().get_bits::<4>(8);
        self.out_keyed.next = self.rest_out.val().get_bit(12);
        self.out_named.next = self.rest_out.val().get_bit(13);
        self.out_way.next = self.rest_out.val().get_bits::<2>(14);
        self.out_watches.next = self.rest_out.val().get_bit(16);
        self.out_frees.next = self.rest_out.val().get_bit(17);
        self.out_aside.next = self.rest_out.val().get_bits::<75>(18);
        self.out_id.next = self.id[3].q.val();
        if self.rest_out.val().get_bit(12) {
            self.out_id.next = self.hash.out_id.val();
        }
        self.out_word.next = self.word[3].q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        let text = crate::export("intake", &mut *Box::<Intake>::default());
        crate::yosys::check("intake", &text);
    }
}
