//! What the engine knows of one bucket: term, roles, digest, and how each copy of it stands.

use crate::merge::Proposing;
use formats::descriptor::Roles;
use formats::limits::MEMBER_NONE;
use formats::Term;

/// How a copy of an owned bucket is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyState {
    /// Every change is in the stream.
    Clean,
    /// A snapshot is due; changes wait for it.
    Dirty,
    /// A snapshot is being sent; changes travel whole.
    Sweeping,
    /// The snapshot is sent, its last frame not acknowledged yet.
    Waiting,
}

/// One copy of a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub(crate) state: CopyState,
    /// The copy is new or starts again: what it had installed no longer counts.
    pub(crate) renewed: bool,
}

/// A snapshot being received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiving {
    pub(crate) peer: u8,
    /// The sender's gap epoch when it began.
    pub(crate) gap_epoch: u64,
}

/// One bucket; what every change reads or writes is its first cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Bucket {
    /// Sum of the digests of its live flows.
    pub(crate) sum: u64,
    pub(crate) owner_session: u64,
    pub(crate) term: Term,
    /// Live flows.
    pub(crate) count: u32,
    pub(crate) owner: u8,
    /// Backup and remote.
    pub(crate) members: [u8; 2],
    pub(crate) successor: u8,
    pub(crate) copies: [Copy; 2],
    /// Entries that are tombstones; may name others until the next pass.
    pub(crate) tombstones: Vec<u32>,
    /// Every delete up to here is known to all sessions (as the owner).
    pub(crate) floor: u64,
    /// A record had a base that is not here.
    pub(crate) gapped: bool,
    /// The last comparison differed without a gap.
    pub(crate) suspect: bool,
    /// The last comparison was equal.
    pub(crate) verified: bool,
    /// The owner's gap epoch at the last equal comparison.
    pub(crate) gap_mark: Option<u64>,
    pub(crate) colour: bool,
    pub(crate) receiving: Option<Receiving>,
    pub(crate) proposing: Option<Proposing>,
    /// Who served before us and may still propose flows that ended since, and until when we wait for it.
    pub(crate) former: Option<(u8, u64)>,
    /// A proven copy: what began up to this version has been here, or had ended.
    pub(crate) proven: u64,
    /// The term under which it was.
    pub(crate) proven_term: Term,
    /// Not before this local time: the next REPAIR.
    pub(crate) repair_us: u64,
    /// Not before this local time: the next report of a wrong sender.
    pub(crate) not_owner_us: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            term: Term::default(),
            owner: MEMBER_NONE,
            owner_session: 0,
            members: [MEMBER_NONE; 2],
            successor: MEMBER_NONE,
            count: 0,
            sum: 0,
            tombstones: Vec::new(),
            copies: [Copy { state: CopyState::Dirty, renewed: true }; 2],
            floor: 0,
            gapped: false,
            suspect: false,
            verified: false,
            gap_mark: None,
            colour: false,
            receiving: None,
            proposing: None,
            former: None,
            proven: 0,
            proven_term: Term::default(),
            repair_us: 0,
            not_owner_us: 0,
        }
    }
}

impl Bucket {
    /// Which copy the member holds: 0 backup, 1 remote.
    pub(crate) fn copy_of(&self, member: u8) -> Option<usize> {
        self.members.iter().position(|m| *m == member && member != MEMBER_NONE)
    }

    pub(crate) fn roles(&self, bucket: u16) -> Roles {
        Roles {
            bucket,
            count: 1,
            term: self.term,
            owner: self.owner,
            backup: self.members[0],
            remote: self.members[1],
            successor: self.successor,
        }
    }

    /// Whether these are its roles already.
    pub(crate) fn says(&self, roles: &Roles, session: u64) -> bool {
        (self.term, self.owner, self.owner_session) == (roles.term, roles.owner, session)
            && (self.members, self.successor) == ([roles.backup, roles.remote], roles.successor)
    }

    /// Forgets what was proven about the copy held here.
    pub(crate) fn forget_proof(&mut self) {
        (self.gap_mark, self.suspect, self.verified, self.receiving) = (None, false, false, None);
    }
}
