//! The bucket map: who holds each bucket under which term, and how it and its copies stand.
//!
//! Enters: one look-up a clock; marks of a bucket's flags, of its backup's and of its remote's, one of each a
//! clock and each of any bucket; roles from the host, in a clock without a mark. Leaves: roles and flags, [`LATENCY`] cycles after the look-up, as
//! everything that entered in earlier clocks left them: roles and the flags that come with them change at
//! once. Look-ups and marks never wait.
//!
//! After a reset each bucket gets no roles and no flags, and both of its copies are dirty and new; until
//! `ready` nothing may enter.
//!
//! Inputs should come from registers. 4 LUT levels.

use crate::marks::{self, Marks};
use crate::prim::Memory;
use formats::limits::{BUCKET_BITS, MEMBER_NONE};
use rust_hdl::prelude::*;

/// Cycles from a look-up to its roles and flags.
pub const LATENCY: usize = 3;
/// Cycles from one write of roles to the next.
pub const WRITE_INTERVAL: usize = 3;

// Widths, loops and numbers in a kernel are plain.
const _: () = assert!(BUCKET_BITS == 10 && marks::LATENCY == LATENCY);

/// Flags of a bucket.
pub mod flag {
    /// This member serves it.
    pub const OWN: u8 = 1 << 0;
    /// A record had a base that is not here.
    pub const GAPPED: u8 = 1 << 1;
    /// Colour of its last snapshot.
    pub const COLOUR: u8 = 1 << 2;
    /// The last comparison of digests differed without a gap.
    pub const SUSPECT: u8 = 1 << 3;
    /// The last comparison was equal.
    pub const VERIFIED: u8 = 1 << 4;
}

/// Flags of a copy: those of the backup in the low half byte, of the remote in the high one. Neither of the
/// first two is a clean copy.
pub mod copy {
    /// A snapshot is due, changes wait for it.
    pub const DIRTY: u8 = 1 << 0;
    /// The snapshot is sent, its last frame not acknowledged yet.
    pub const WAITING: u8 = 1 << 1;
    /// The copy is new or starts again: what it had installed does not count.
    pub const RENEWED: u8 = 1 << 2;
}

/// Roles of a bucket that nobody has: owner, backup, remote and successor from bit 0, then the term.
const NO_ROLES: u64 = u32::from_le_bytes([MEMBER_NONE; 4]) as u64;
/// A copy nobody has been told anything of.
const NEW_COPY: u64 = (copy::DIRTY | copy::RENEWED) as u64;

/// The host's word on a bucket: roles, and flags that change with them at once.
#[derive(LogicInterface, Clone, Debug, Default)]
pub struct RolesIn {
    /// It is there, and holds until it is taken.
    pub valid: Signal<In, Bit>,
    /// It is taken at this clock.
    pub ready: Signal<Out, Bit>,
    /// The bucket.
    pub bucket: Signal<In, Bits<10>>,
    /// Owner, backup, remote and successor from bit 0, then the term.
    pub word: Signal<In, Bits<64>>,
    /// Bits of [`flag`] to set.
    pub set: Signal<In, Bits<8>>,
    /// Those to clear.
    pub clear: Signal<In, Bits<8>>,
    /// Bits of [`copy`] to set, twice: the backup's low.
    pub copy_set: Signal<In, Bits<8>>,
    /// Those to clear.
    pub copy_clear: Signal<In, Bits<8>>,
}

/// Roles and flags of 1,024 buckets.
#[derive(LogicBlock)]
pub struct Map {
    /// The clock.
    pub clock: Signal<In, Clock>,
    /// Takes all roles and flags away.
    pub reset: Signal<In, Bit>,
    /// Every bucket is as a reset leaves it, or as it was marked and written since.
    pub ready: Signal<Out, Bit>,
    /// A look-up is there.
    pub in_valid: Signal<In, Bit>,
    /// The bucket.
    pub in_bucket: Signal<In, Bits<10>>,
    /// What was looked up leaves.
    pub out_valid: Signal<Out, Bit>,
    /// The bucket.
    pub out_bucket: Signal<Out, Bits<10>>,
    /// Who serves it.
    pub out_owner: Signal<Out, Bits<8>>,
    /// Who holds the copy of this site.
    pub out_backup: Signal<Out, Bits<8>>,
    /// Who holds the copy of the other site.
    pub out_remote: Signal<Out, Bits<8>>,
    /// Who takes over.
    pub out_successor: Signal<Out, Bits<8>>,
    /// The term.
    pub out_term: Signal<Out, Bits<32>>,
    /// Bits of [`flag`].
    pub out_flags: Signal<Out, Bits<8>>,
    /// Bits of [`copy`], twice: the backup's low.
    pub out_copies: Signal<Out, Bits<8>>,
    /// Marks the flags of a bucket.
    pub mark_valid: Signal<In, Bit>,
    /// The bucket.
    pub mark_bucket: Signal<In, Bits<10>>,
    /// Flags to set; they win.
    pub mark_set: Signal<In, Bits<8>>,
    /// Flags to clear.
    pub mark_clear: Signal<In, Bits<8>>,
    /// Marks the flags of a bucket's backup.
    pub backup_valid: Signal<In, Bit>,
    /// The bucket.
    pub backup_bucket: Signal<In, Bits<10>>,
    /// Flags to set; they win.
    pub backup_set: Signal<In, Bits<4>>,
    /// Flags to clear.
    pub backup_clear: Signal<In, Bits<4>>,
    /// Marks the flags of a bucket's remote.
    pub remote_valid: Signal<In, Bit>,
    /// The bucket.
    pub remote_bucket: Signal<In, Bits<10>>,
    /// Flags to set; they win.
    pub remote_set: Signal<In, Bits<4>>,
    /// Flags to clear.
    pub remote_clear: Signal<In, Bits<4>>,
    /// The host's word on a bucket; taken in a clock without a mark.
    pub write: RolesIn,
    roles: Memory<64, 10>,
    flags: Marks<8>,
    backups: Marks<4>,
    remotes: Marks<4>,
    no_roles: Constant<Bits<64>>,
    new_copy: Constant<Bits<4>>,
    /// The bucket to clear; the top bit says that there is none.
    next_clear: DFF<Bits<11>>,
    clears: Signal<Local, Bit>,
    is_ready: DFF<Bit>,
    can_write: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    /// The last write, while the RAM may not show it.
    written: [DFF<Bit>; 2],
    written_bucket: DFF<Bits<10>>,
    written_roles: DFF<Bits<64>>,
    is_valid: [DFF<Bit>; LATENCY],
    at: [DFF<Bits<10>>; LATENCY],
    is_written: DFF<Bit>,
    out_roles: DFF<Bits<64>>,
}

impl Default for Map {
    fn default() -> Self {
        block! {
            no_roles: Constant::new(NO_ROLES.to_bits()),
            new_copy: Constant::new(NEW_COPY.to_bits()),
            ..clock reset ready in_valid in_bucket out_valid out_bucket out_owner out_backup out_remote
            out_successor out_term out_flags out_copies mark_valid mark_bucket mark_set mark_clear backup_valid
            backup_bucket backup_set backup_clear remote_valid remote_bucket remote_set remote_clear write roles
            flags backups remotes next_clear clears is_ready can_write writes written written_bucket
            written_roles is_valid at is_written out_roles
        }
    }
}

impl Logic for Map {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, next_clear, is_ready, written_bucket, written_roles, is_written, out_roles);
        for k in 0..2 {
            self.written[k].clock.next = self.clock.val();
        }
        for k in 0..3 {
            self.is_valid[k].clock.next = self.clock.val();
            self.at[k].clock.next = self.clock.val();
        }
        self.roles.clock.next = self.clock.val();
        self.flags.clock.next = self.clock.val();
        self.flags.reset.next = self.reset.val();
        self.backups.clock.next = self.clock.val();
        self.backups.reset.next = self.reset.val();
        self.remotes.clock.next = self.clock.val();
        self.remotes.reset.next = self.reset.val();

        // The host's word waits for a clock without marks, and for the one before it.
        self.can_write.next = self.is_ready.q.val()
            & !self.mark_valid.val()
            & !self.backup_valid.val()
            & !self.remote_valid.val()
            & !self.written[0].q.val()
            & !self.written[1].q.val();
        self.write.ready.next = self.can_write.val();
        self.writes.next = self.write.valid.val() & self.can_write.val();
        self.written[0].d.next = self.writes.val();
        self.written[1].d.next = self.written[0].q.val();
        if self.writes.val() {
            self.written_bucket.d.next = self.write.bucket.val();
            self.written_roles.d.next = self.write.word.val();
        }
        self.roles.write.next = self.writes.val();
        self.roles.write_address.next = self.write.bucket.val();
        self.roles.write_data.next = self.write.word.val();
        self.flags.mark_valid.next = self.mark_valid.val() | self.writes.val();
        self.flags.mark_bucket.next = self.mark_bucket.val();
        self.flags.mark_set.next = self.mark_set.val();
        self.flags.mark_clear.next = self.mark_clear.val();
        self.backups.mark_valid.next = self.backup_valid.val() | self.writes.val();
        self.backups.mark_bucket.next = self.backup_bucket.val();
        self.backups.mark_set.next = self.backup_set.val();
        self.backups.mark_clear.next = self.backup_clear.val();
        self.remotes.mark_valid.next = self.remote_valid.val() | self.writes.val();
        self.remotes.mark_bucket.next = self.remote_bucket.val();
        self.remotes.mark_set.next = self.remote_set.val();
        self.remotes.mark_clear.next = self.remote_clear.val();
        if self.writes.val() {
            self.flags.mark_bucket.next = self.write.bucket.val();
            self.flags.mark_set.next = self.write.set.val();
            self.flags.mark_clear.next = self.write.clear.val();
            self.backups.mark_bucket.next = self.write.bucket.val();
            self.backups.mark_set.next = self.write.copy_set.val().get_bits::<4>(0);
            self.backups.mark_clear.next = self.write.copy_clear.val().get_bits::<4>(0);
            self.remotes.mark_bucket.next = self.write.bucket.val();
            self.remotes.mark_set.next = self.write.copy_set.val().get_bits::<4>(4);
            self.remotes.mark_clear.next = self.write.copy_clear.val().get_bits::<4>(4);
        }

        // After a reset each bucket is written and marked whole.
        self.clears.next = !self.next_clear.q.val().get_bit(10);
        self.is_ready.d.next = !self.clears.val();
        if self.clears.val() {
            self.next_clear.d.next = self.next_clear.q.val() + 1;
            self.roles.write.next = true;
            self.roles.write_address.next = self.next_clear.q.val().get_bits::<10>(0);
            self.roles.write_data.next = self.no_roles.val();
            self.flags.mark_valid.next = true;
            self.flags.mark_bucket.next = self.next_clear.q.val().get_bits::<10>(0);
            self.flags.mark_set.next = 0.into();
            self.flags.mark_clear.next = 0xff.into();
            self.backups.mark_valid.next = true;
            self.backups.mark_bucket.next = self.next_clear.q.val().get_bits::<10>(0);
            self.backups.mark_set.next = self.new_copy.val();
            self.backups.mark_clear.next = 0xf.into();
            self.remotes.mark_valid.next = true;
            self.remotes.mark_bucket.next = self.next_clear.q.val().get_bits::<10>(0);
            self.remotes.mark_set.next = self.new_copy.val();
            self.remotes.mark_clear.next = 0xf.into();
        }

        // A look-up in the clock behind a write takes the roles from it, later ones from the RAM.
        self.roles.read_address.next = self.in_bucket.val();
        self.flags.in_bucket.next = self.in_bucket.val();
        self.backups.in_bucket.next = self.in_bucket.val();
        self.remotes.in_bucket.next = self.in_bucket.val();
        self.is_valid[0].d.next = self.in_valid.val() & self.is_ready.q.val();
        self.at[0].d.next = self.in_bucket.val();
        for k in 1..3 {
            self.is_valid[k].d.next = self.is_valid[k - 1].q.val();
            self.at[k].d.next = self.at[k - 1].q.val();
        }
        self.is_written.d.next =
            self.written[1].q.val() & (self.at[0].q.val() == self.written_bucket.q.val());
        self.out_roles.d.next = self.roles.read_data.val();
        if self.is_written.q.val() {
            self.out_roles.d.next = self.written_roles.q.val();
        }

        self.ready.next = self.is_ready.q.val();
        self.out_valid.next = self.is_valid[2].q.val();
        self.out_bucket.next = self.at[2].q.val();
        self.out_owner.next = self.out_roles.q.val().get_bits::<8>(0);
        self.out_backup.next = self.out_roles.q.val().get_bits::<8>(8);
        self.out_remote.next = self.out_roles.q.val().get_bits::<8>(16);
        self.out_successor.next = self.out_roles.q.val().get_bits::<8>(24);
        self.out_term.next = self.out_roles.q.val().get_bits::<32>(32);
        self.out_flags.next = self.flags.out_flags.val();
        self.out_copies.next = (bit_cast::<8, 4>(self.remotes.out_flags.val()) << 4)
            | bit_cast::<8, 4>(self.backups.out_flags.val());
        if self.reset.val() {
            self.next_clear.d.next = 0.into();
            self.is_ready.d.next = false;
            for k in 0..3 {
                self.is_valid[k].d.next = false;
            }
            for k in 0..2 {
                self.written[k].d.next = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yosys_accepts_it() {
        crate::yosys::check("map", &crate::export("map", &mut Map::default()));
    }
}
