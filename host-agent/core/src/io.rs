//! What enters the core and what it asks for. The shell performs actions and decides nothing.

use formats::descriptor::{Command, Event};
use formats::{FlowKey, FlowRecord, Term};

/// Why a flow cannot be protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unprotected {
    /// A connection tracking helper works on it.
    Helper,
    /// Its sequence numbers are adjusted.
    SequenceAdjusted,
    /// A SYN proxy stands in it.
    SynProxy,
    /// It is expected by another flow.
    Related,
    /// Its zone covers one direction only.
    DirectionalZone,
    /// Another engine forwards it.
    Offloaded,
    /// It is translated to an address that stays with the member.
    AddressStays,
    /// Neither table nor overflow had room.
    TableFull,
    /// A copy could not install it; the copy names the reason.
    CopyRefused,
    /// On a copy: the kernel's table is at its limit.
    KernelFull,
    /// On a copy: the kernel refuses the entry.
    KernelRefused,
}

impl Unprotected {
    /// Every reason with the name shown in views.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Helper, "helper"),
        (Self::SequenceAdjusted, "sequence adjusted"),
        (Self::SynProxy, "syn proxy"),
        (Self::Related, "related"),
        (Self::DirectionalZone, "directional zone"),
        (Self::Offloaded, "offloaded"),
        (Self::AddressStays, "address stays"),
        (Self::TableFull, "table full"),
        (Self::CopyRefused, "not installed on a copy"),
        (Self::KernelFull, "kernel table full"),
        (Self::KernelRefused, "refused by the kernel"),
    ];

    /// Name shown in views.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(reason, _)| *reason == self).map_or("", |(_, name)| *name)
    }
}

/// Kind of a kernel event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The kernel made the entry.
    New,
    /// It changed.
    Update,
    /// It ended.
    Destroy,
}

/// One event of the kernel's connection table, or one row of a dump.
#[derive(Clone, Copy, Debug)]
pub struct KernelFlow {
    /// The groups the kernel stated.
    pub record: FlowRecord,
    /// The kernel's id of the entry.
    pub ct_id: u32,
    /// Why it cannot be protected, if so.
    pub unprotected: Option<Unprotected>,
}

/// Why the kernel refused an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelError {
    /// An entry with this tuple, or with this translated tuple, exists.
    Exists,
    /// No such entry.
    Missing,
    /// The table is at its limit.
    TableFull,
    /// Anything else: the error number.
    Refused(i32),
}

/// An operation on the kernel's connection table. They are performed in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)]
#[allow(missing_docs)] // fields say what their variant does
pub enum KernelOp {
    /// Make an entry; refused if there is one.
    Create { record: FlowRecord, timeout_s: u32 },
    /// Change an entry; translation is left alone.
    Update { record: FlowRecord, timeout_s: u32 },
    /// Remove what is there and make the entry anew, its windows empty.
    Recreate { record: FlowRecord, timeout_s: u32 },
    /// Remove an entry, if the id matches (0 matches all).
    Remove { key: FlowKey, ct_id: u32 },
    /// Tell by [`Input::Gone`] if there is no such entry.
    Verify { key: FlowKey, ct_id: u32 },
}

/// Whether frames of the configured size pass the sync link to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMtu {
    /// Not known yet.
    Unproven,
    /// They arrive.
    Ok,
    /// Small frames arrive, those of the configured size do not.
    TooSmall {
        /// The size that does not pass, from the MAC addresses to the checksum.
        frame_bytes: u32,
    },
}

/// What enters the core.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
#[allow(missing_docs)] // fields say what their variant does
pub enum Input {
    /// An event of the NIC.
    Nic(Event),
    /// An event of the kernel's table that this process did not cause.
    Kernel(Change, KernelFlow),
    /// The kernel dropped events: the receive buffer overran.
    Overrun,
    /// A row of the dump asked for; every event raised before it was read has come in before.
    AuditRow(KernelFlow),
    /// The dump is complete (`true`) or broke off.
    AuditDone(bool),
    /// Operations performed since the last report, in order; those that failed come back.
    KernelDone { performed: u64, failed: Vec<(KernelOp, KernelError)> },
    /// A verified entry does not exist.
    Gone { key: FlowKey, ct_id: u32 },
    /// The event source was empty after the last [`Action::Drain`].
    Drained,
    /// The gate was gone for a while, and is closed again.
    GateGone,
    /// A probe of this data network was answered.
    Probed { network: u8 },
    /// What was learned of the sync link to a peer; a shell that never says so has links of any size.
    SyncMtu { peer: u8, mtu: SyncMtu },
    /// The operator's power hook ended: the member is off, or not.
    Power { member: u8, off: bool },
    /// The member's own addresses, the moving ones left out.
    LocalAddresses(Vec<(formats::Family, u128)>),
    /// Hand the group to a member.
    Move { to: u8 },
    /// List flows: rows come as [`Action::Row`].
    List,
    /// Time has passed.
    Tick,
    /// The agent ends: hand over and say goodbye.
    Leave,
}

/// How sure the old owner was stopped when a takeover began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fence {
    /// Silence only.
    Assumed,
    /// The operator's hook switched it off.
    Power,
    /// Its forwarding lease has run out.
    Lease,
    /// It said that it stopped.
    Released,
}

impl Fence {
    /// Name in logs and views.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assumed => "assumed",
            Self::Power => "power",
            Self::Lease => "lease",
            Self::Released => "released",
        }
    }
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Started; owns nothing until an owner's digests agree, or nobody else can serve.
    Reloading,
    /// Holds copies, verified.
    Standby,
    /// Serves the group.
    Serving,
    /// Stopped serving for a planned move, waits for the new owner.
    Releasing,
    /// Serves nothing: all paths are silent and the probes fail.
    Isolated,
    /// Its lease ran out under it; does not serve until it knows who does.
    Lapsed,
}

impl State {
    /// Name in logs and views.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reloading => "reloading",
            Self::Standby => "standby",
            Self::Serving => "serving",
            Self::Releasing => "releasing",
            Self::Isolated => "isolated",
            Self::Lapsed => "lapsed",
        }
    }
}

/// What an operator sees in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields say what their variant does
pub enum Log {
    /// The member's state changed.
    State(State),
    /// This member takes the group over.
    Takeover {
        /// The new term.
        term: Term,
        /// How sure the old owner was stopped.
        fence: Fence,
        /// When the old owner was last heard, local µs; 0 if never.
        last_heartbeat_us: u64,
        /// Buckets whose copy was proven equal.
        verified_buckets: u16,
        /// Age of the oldest such proof in µs.
        oldest_proof_us: u64,
    },
    /// Forwarding and addresses were asked for.
    Serving(Term),
    /// This member stopped serving for a planned move.
    Released(Term),
    /// Another member's higher term ended this member's service.
    Demoted(Term, u8),
    /// Every bucket of this copy is proven equal to the owner's.
    InSync(u8),
    /// A path to a peer changed.
    Path { peer: u8, port: u8, up: bool },
    /// The sync link is silent, other paths are not: roles are frozen.
    SyncLost(bool),
    /// Frames of the configured size do not pass the sync link to a peer, or pass again.
    SyncMtu { peer: u8, mtu: SyncMtu },
    /// A planned move ended.
    MoveDone(Result<u8, String>),
    /// Both members served; theirs was the higher term.
    Split(Term),
    /// A flow made on both sides of a split was given up.
    JoinLost(FlowKey),
    /// Kernel events were lost; an audit runs.
    Overrun,
    /// An audit ended: rows, missing here, extra there, and how long it took.
    Audit { rows: u64, missing: u64, extra: u64, took_us: u64 },
    /// A takeover is due but the fence is not; the reason.
    Held(&'static str),
}

/// What the core asks of its shell, to be done in order.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
#[allow(missing_docs)] // fields say what their variant does
pub enum Action {
    /// Give a command to the NIC.
    Nic(Command),
    /// Operate on the kernel's table.
    Kernel(KernelOp),
    /// Renew the forwarding lease.
    RenewLease,
    /// End the forwarding lease now.
    ReleaseLease,
    /// Bring the group's addresses here and announce them.
    TakeAddresses,
    /// Give the group's addresses up.
    DropAddresses,
    /// Probe a data network.
    Probe { network: u8 },
    /// Run the operator's power hook against a member.
    PowerOff { member: u8 },
    /// Hear every event of the kernel's table, or only that entries ended: a copy's table changes by our own
    /// operations alone, and each would raise an event (45 % of what the operation costs, measured).
    Listen(bool),
    /// Read the event source until it is empty, then [`Input::Drained`]; one answers all asked for before.
    Drain,
    /// Dump the kernel's table as [`Input::AuditRow`]s.
    Dump,
    /// Tell the operator.
    Log(Log),
    /// A flow of a listing.
    Row(FlowRecord),
    /// The listing is complete.
    RowsEnd,
    /// The agent may end.
    Exit,
}
