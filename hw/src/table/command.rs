//! What is asked of the flows, and what became of it, by number.

/// Commands, one bit each; with none the entry is only read.
pub mod commands {
    /// Write the groups of the word.
    pub const UPSERT: u8 = 1 << 0;
    /// End the flow.
    pub const DELETE: u8 = 1 << 1;
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
}
