//! What is asked of the flows, and what became of it, by number.

/// Commands, one bit each; with none the entry is only read. The term of a record that travels without
/// one is that of its bucket.
pub mod commands {
    /// Write the groups of the word.
    pub const UPSERT: u8 = 1 << 0;
    /// End the flow.
    pub const DELETE: u8 = 1 << 1;
    /// A record of a peer. FULL: the word is the flow and its stamp.
    pub const FULL: u8 = 1 << 2;
    /// DELETE, by id or by key: the word has the stamp.
    pub const END: u8 = 1 << 3;
    /// UPDATE, by id: the word has groups, fields and stamp, and as ended version the base.
    pub const UPDATE: u8 = 1 << 4;
    /// COMPACT, by id: the word has status, class and the low end of the version.
    pub const COMPACT: u8 = 1 << 5;
    /// WINDOW of a packet of the original direction: the word has all edges, of which two count.
    pub const WINDOW_ORIGINAL: u8 = 1 << 6;
    /// WINDOW of a packet of the reply direction.
    pub const WINDOW_REPLY: u8 = 1 << 7;
}

/// What goes with a command.
pub mod flag {
    use formats::descriptor::upsert;
    /// As in the command.
    pub const NEW: u8 = upsert::NEW;
    /// As in the command.
    pub const AUDIT: u8 = upsert::AUDIT;
    /// As in the command.
    pub const JOIN: u8 = upsert::JOIN;
    /// As in the command.
    pub const REMADE: u8 = upsert::REMADE;
    /// This member owns the bucket.
    pub const OWNED: u8 = 1 << 4;
    /// An audit runs.
    pub const AUDITING: u8 = 1 << 5;
    /// Of a record: the bucket's colour.
    pub const COLOUR: u8 = 1 << 0;
    /// Of a record: the bucket is gapped, and this is no survivor's snapshot.
    pub const GAPPED: u8 = 1 << 1;
    /// Of a record: it belongs to a survivor's snapshot.
    pub const PULLED: u8 = 1 << 2;
}

/// What became of a command.
pub mod outcome {
    /// Nothing was asked.
    pub const NONE: u8 = 0;
    /// `FlowsMade`
    pub const MADE: u8 = 1;
    /// `FlowsChanged`
    pub const CHANGED: u8 = 2;
    /// `FlowsUnchanged`
    pub const UNCHANGED: u8 = 3;
    /// `FlowsFull`
    pub const FULL: u8 = 4;
    /// `FlowsAuditLost`
    pub const AUDIT_LOST: u8 = 5;
    /// `FlowsEnded`
    pub const ENDED: u8 = 6;
    /// `DeletesRefused`
    pub const REFUSED: u8 = 7;
    /// `CommandsNotOwner`
    pub const NOT_OWNER: u8 = 8;
    /// `RecordsApplied`
    pub const APPLIED: u8 = 9;
    /// `RecordsUnchanged`
    pub const EQUAL: u8 = 10;
    /// `RecordsStale`
    pub const STALE: u8 = 11;
    /// `RecordsGapped`
    pub const GAPPED: u8 = 12;
    /// `RecordsFull`
    pub const NO_ROOM: u8 = 13;
    /// `RecordsMalformed`
    pub const MALFORMED: u8 = 14;
}
