//! Expander: from the secret of the cluster to the numbers of the flow hash and the keys of the digest.
//!
//! Enters: the secret, and a strobe. Leaves: every number of `FlowHasher`'s half-byte tables and every key of
//! `FlowDigester`, one at a time through ports that are those of [`FlowHash`](crate::hash::FlowHash) and
//! [`FlowDigest`](crate::digest::FlowDigest); the whole takes [`RUN_CYCLES`]. A strobe begins it anew
//! whenever it comes. After a reset nothing is expanded.
//!
//! Number n of domain d is SipHash-2-4 of SipHash-2-4 of n, under two halves of the secret, d in each. The
//! domains are the tables of end points, those of protocol, zone and family, and the keys. Half byte 0
//! chooses 0, but its number is written like others: no memory is cleared by a reset.
//!
//! A round of SipHash is twice the same half round: after one a word and its turned partner have changed
//! places, and the turns differ. A half round takes two clocks, for the low and the high halves of its two
//! sums. The secret should come from registers and stay while it runs. 6 LUT levels.

use formats::hash::DIGEST_WORDS;
use rust_hdl::prelude::*;

/// Tables of end points, and of protocol, zone and family.
const TABLES: [usize; 2] = [36, 8];
/// Steps of one hash that take two clocks: half rounds.
const HALF_ROUNDS: usize = 2 * 8;
/// Steps that take one: begin, the message's second half, its end, the result.
const OTHER_STEPS: usize = 4;
/// Cycles from `start` to `ready`.
pub const RUN_CYCLES: usize =
    2 * (2 * HALF_ROUNDS + OTHER_STEPS) * (16 * (TABLES[0] + TABLES[1]) + DIGEST_WORDS) + 2;

// Numbers in a kernel are plain.
const _: () = assert!(TABLES[0] == 36 && TABLES[1] == 8 && DIGEST_WORDS == 34);

/// "somepseudorandomlygeneratedbytes", as SipHash begins.
const BEGIN: [u64; 4] =
    [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
/// The second word of a message of 8 bytes: its length on top.
const LENGTH: u64 = 8 << 56;

/// Numbers and keys of one secret.
#[derive(LogicBlock)]
pub struct Expander {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Stops it; nothing is expanded.
    pub reset: Signal<In, Bit>,
    /// The secret, byte 0 at bit 0.
    pub secret: Signal<In, Bits<256>>,
    /// Begins with the secret that is there.
    pub start: Signal<In, Bit>,
    /// All was written since the last strobe, and is in force.
    pub ready: Signal<Out, Bit>,
    /// Writes one number of the flow hash.
    pub hash_write: Signal<Out, Bit>,
    /// Its table.
    pub hash_write_table: Signal<Out, Bits<6>>,
    /// The half byte that chooses it.
    pub hash_write_index: Signal<Out, Bits<4>>,
    /// The number.
    pub hash_write_number: Signal<Out, Bits<40>>,
    /// Writes one key of the digest.
    pub digest_write: Signal<Out, Bit>,
    /// Its number.
    pub digest_write_index: Signal<Out, Bits<6>>,
    /// The key.
    pub digest_write_key: Signal<Out, Bits<32>>,
    begin_a: Constant<Bits<64>>,
    begin_b: Constant<Bits<64>>,
    begin_c: Constant<Bits<64>>,
    begin_d: Constant<Bits<64>>,
    length: Constant<Bits<64>>,
    runs: DFF<Bit>,
    /// 1 end points, 2 protocol, zone and family, 3 keys.
    domain: DFF<Bits<2>>,
    domain_word: Signal<Local, Bits<64>>,
    index: DFF<Bits<10>>,
    next_index: Signal<Local, Bits<10>>,
    /// Of the number under way, which takes more than a clock.
    is_last: DFF<Bit>,
    /// The second hash of the two.
    is_outer: DFF<Bit>,
    /// 0 begin, 5 and 10 the message, 19 result; between them half rounds.
    step: DFF<Bits<5>>,
    /// Of a half round: the low halves are added.
    is_added: DFF<Bit>,
    /// Which half of a round.
    is_second: DFF<Bit>,
    key: [Signal<Local, Bits<64>>; 2],
    message: DFF<Bits<64>>,
    word_a: DFF<Bits<64>>,
    word_b: DFF<Bits<64>>,
    word_c: DFF<Bits<64>>,
    word_d: DFF<Bits<64>>,
    a_low: Signal<Local, Bits<32>>,
    b_low: Signal<Local, Bits<32>>,
    c_low: Signal<Local, Bits<32>>,
    d_low: Signal<Local, Bits<32>>,
    a_high: Signal<Local, Bits<32>>,
    b_high: Signal<Local, Bits<32>>,
    c_high: Signal<Local, Bits<32>>,
    d_high: Signal<Local, Bits<32>>,
    /// With their carries.
    ab_low: DFF<Bits<33>>,
    cd_low: DFF<Bits<33>>,
    ab_kept: Signal<Local, Bits<32>>,
    cd_kept: Signal<Local, Bits<32>>,
    ab_carry: Signal<Local, Bit>,
    cd_carry: Signal<Local, Bit>,
    ab_high: Signal<Local, Bits<32>>,
    cd_high: Signal<Local, Bits<32>>,
    ab: Signal<Local, Bits<64>>,
    cd: Signal<Local, Bits<64>>,
    b_turned: Signal<Local, Bits<64>>,
    d_turned: Signal<Local, Bits<64>>,
    result: Signal<Local, Bits<64>>,
    writes_hash: DFF<Bit>,
    writes_digest: DFF<Bit>,
    /// Table and half byte, or the number of a key.
    place: DFF<Bits<10>>,
    number: DFF<Bits<40>>,
    ends: DFF<Bit>,
    is_ready: DFF<Bit>,
}

impl Default for Expander {
    fn default() -> Self {
        block! {
            begin_a: Constant::new(BEGIN[0].to_bits()),
            begin_b: Constant::new(BEGIN[1].to_bits()),
            begin_c: Constant::new(BEGIN[2].to_bits()),
            begin_d: Constant::new(BEGIN[3].to_bits()),
            length: Constant::new(LENGTH.to_bits()),
            ..clock reset secret start ready hash_write hash_write_table hash_write_index hash_write_number
            digest_write digest_write_index digest_write_key runs domain domain_word index next_index is_last
            is_outer step is_added is_second key message word_a word_b word_c word_d a_low b_low c_low d_low
            a_high b_high c_high d_high ab_low cd_low ab_kept cd_kept ab_carry cd_carry ab_high cd_high ab cd
            b_turned d_turned result writes_hash writes_digest place number ends is_ready
        }
    }
}

impl Logic for Expander {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, runs, domain, index, is_outer, step, is_added, is_second, message);
        dff_setup!(self, clock, word_a, word_b, word_c, word_d, ab_low, cd_low);
        dff_setup!(self, clock, is_last, writes_hash, writes_digest, place, number, ends, is_ready);

        // The keys of the inner hash, or of the outer one.
        self.domain_word.next = bit_cast::<64, 2>(self.domain.q.val());
        self.key[0].next = self.secret.val().get_bits::<64>(128);
        self.key[1].next = self.secret.val().get_bits::<64>(192) ^ self.domain_word.val();
        if self.is_outer.q.val() {
            self.key[0].next = self.secret.val().get_bits::<64>(0) ^ self.domain_word.val();
            self.key[1].next = self.secret.val().get_bits::<64>(64);
        }

        // A half round: two sums, low halves first, and the other two words turned.
        self.a_low.next = self.word_a.q.val().get_bits::<32>(0);
        self.b_low.next = self.word_b.q.val().get_bits::<32>(0);
        self.c_low.next = self.word_c.q.val().get_bits::<32>(0);
        self.d_low.next = self.word_d.q.val().get_bits::<32>(0);
        self.a_high.next = self.word_a.q.val().get_bits::<32>(32);
        self.b_high.next = self.word_b.q.val().get_bits::<32>(32);
        self.c_high.next = self.word_c.q.val().get_bits::<32>(32);
        self.d_high.next = self.word_d.q.val().get_bits::<32>(32);
        self.ab_low.d.next = bit_cast::<33, 32>(self.a_low.val()) + bit_cast::<33, 32>(self.b_low.val());
        self.cd_low.d.next = bit_cast::<33, 32>(self.c_low.val()) + bit_cast::<33, 32>(self.d_low.val());
        self.ab_kept.next = self.ab_low.q.val().get_bits::<32>(0);
        self.cd_kept.next = self.cd_low.q.val().get_bits::<32>(0);
        self.ab_carry.next = self.ab_low.q.val().get_bit(32);
        self.cd_carry.next = self.cd_low.q.val().get_bit(32);
        self.ab_high.next =
            self.a_high.val() + self.b_high.val() + bit_cast::<32, 1>(self.ab_carry.val().into());
        self.cd_high.next =
            self.c_high.val() + self.d_high.val() + bit_cast::<32, 1>(self.cd_carry.val().into());
        self.ab.next =
            (bit_cast::<64, 32>(self.ab_high.val()) << 32) | bit_cast::<64, 32>(self.ab_kept.val());
        self.cd.next =
            (bit_cast::<64, 32>(self.cd_high.val()) << 32) | bit_cast::<64, 32>(self.cd_kept.val());
        self.b_turned.next = (self.word_b.q.val() << 13) | (self.word_b.q.val() >> 51);
        self.d_turned.next = (self.word_d.q.val() << 16) | (self.word_d.q.val() >> 48);
        if self.is_second.q.val() {
            self.b_turned.next = (self.word_b.q.val() << 17) | (self.word_b.q.val() >> 47);
            self.d_turned.next = (self.word_d.q.val() << 21) | (self.word_d.q.val() >> 43);
        }
        self.result.next =
            self.word_a.q.val() ^ self.word_b.q.val() ^ self.word_c.q.val() ^ self.word_d.q.val();

        // The number that comes next.
        self.is_last.d.next = ((self.domain.q.val() == 1) & (self.index.q.val() == 575))
            | ((self.domain.q.val() == 2) & (self.index.q.val() == 127))
            | ((self.domain.q.val() == 3) & (self.index.q.val() == 33));
        self.next_index.next = self.index.q.val() + 1;
        if self.is_last.q.val() {
            self.next_index.next = 0.into();
        }

        self.writes_hash.d.next = false;
        self.writes_digest.d.next = false;
        self.ends.d.next = false;
        if self.runs.q.val() {
            self.step.d.next = self.step.q.val() + 1;
            if self.step.q.val() == 0 {
                self.word_a.d.next = self.key[0].val() ^ self.begin_a.val();
                self.word_b.d.next = self.key[1].val() ^ self.begin_b.val();
                self.word_c.d.next = self.key[0].val() ^ self.begin_c.val();
                self.word_d.d.next = self.key[1].val() ^ self.begin_d.val() ^ self.message.q.val();
            } else if self.step.q.val() == 5 {
                self.word_a.d.next = self.word_a.q.val() ^ self.message.q.val();
                self.word_d.d.next = self.word_d.q.val() ^ self.length.val();
            } else if self.step.q.val() == 10 {
                self.word_a.d.next = self.word_a.q.val() ^ self.length.val();
                self.word_c.d.next = self.word_c.q.val() ^ 255;
            } else if self.step.q.val() == 19 {
                self.step.d.next = 0.into();
                self.is_outer.d.next = !self.is_outer.q.val();
                self.message.d.next = self.result.val();
                if self.is_outer.q.val() {
                    self.message.d.next = bit_cast::<64, 10>(self.next_index.val());
                    self.index.d.next = self.next_index.val();
                    self.writes_hash.d.next = self.domain.q.val() != 3;
                    self.writes_digest.d.next = self.domain.q.val() == 3;
                    if self.is_last.q.val() {
                        self.domain.d.next = self.domain.q.val() + 1;
                        if self.domain.q.val() == 3 {
                            self.runs.d.next = false;
                            self.ends.d.next = true;
                        }
                    }
                }
            } else if !self.is_added.q.val() {
                self.step.d.next = self.step.q.val();
                self.is_added.d.next = true;
            } else {
                self.is_added.d.next = false;
                self.is_second.d.next = !self.is_second.q.val();
                self.word_a.d.next = self.cd.val();
                self.word_b.d.next = self.b_turned.val() ^ self.ab.val();
                self.word_c.d.next = (self.ab.val() << 32) | (self.ab.val() >> 32);
                self.word_d.d.next = self.d_turned.val() ^ self.cd.val();
            }
        }

        // What leaves; half byte 0 chooses 0.
        self.place.d.next = self.index.q.val();
        if self.domain.q.val() == 2 {
            self.place.d.next = self.index.q.val() + 576;
        }
        self.number.d.next = self.result.val().get_bits::<40>(0);
        if (self.domain.q.val() != 3) & (self.index.q.val().get_bits::<4>(0) == 0) {
            self.number.d.next = 0.into();
        }
        self.hash_write.next = self.writes_hash.q.val();
        self.hash_write_table.next = self.place.q.val().get_bits::<6>(4);
        self.hash_write_index.next = self.place.q.val().get_bits::<4>(0);
        self.hash_write_number.next = self.number.q.val();
        self.digest_write.next = self.writes_digest.q.val();
        self.digest_write_index.next = self.place.q.val().get_bits::<6>(0);
        self.digest_write_key.next = self.number.q.val().get_bits::<32>(0);
        if self.ends.q.val() {
            self.is_ready.d.next = true;
        }
        self.ready.next = self.is_ready.q.val();

        if self.start.val() {
            self.runs.d.next = true;
            self.domain.d.next = 1.into();
            self.index.d.next = 0.into();
            self.message.d.next = 0.into();
            self.is_outer.d.next = false;
            self.step.d.next = 0.into();
            self.is_added.d.next = false;
            self.is_second.d.next = false;
            self.writes_hash.d.next = false;
            self.writes_digest.d.next = false;
            self.ends.d.next = false;
            self.is_ready.d.next = false;
        }
        if self.reset.val() {
            self.runs.d.next = false;
            self.writes_hash.d.next = false;
            self.writes_digest.d.next = false;
            self.ends.d.next = false;
            self.is_ready.d.next = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("expander", &crate::export("expander", &mut Expander::default()));
    }
}
