//! The acts: what is done to the gateways, and what must hold afterwards.
//!
//! The same connections run through all acts; only the act without agents opens them anew.

mod equal;
mod faults;
mod kill;
mod planned;
mod without;

use super::report::Act;
use super::stage::Stage;
use crate::error::Result;
use clap::ValueEnum;

/// The acts by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActName {
    /// No agents: the addresses move by hand, every TCP connection dies.
    Without,
    /// gw1's agent is killed and all its links are cut at the same instant.
    Kill,
    /// gw1 comes back with its old kernel table and is given the group again.
    Return,
    /// Stray ACK, RST and FIN reach the standby, then two planned moves.
    Strays,
    /// The sync link is cut and restored.
    Cut,
    /// The owner's agent alone is killed and restarted.
    Agent,
    /// The owner's agent is stopped for half a second.
    Stop,
    /// A planned move.
    Move,
    /// The load stops, both kernels' tables are compared.
    Equal,
}

impl ActName {
    /// All acts in their order.
    pub(crate) const ALL: [ActName; 9] = [
        ActName::Without,
        ActName::Kill,
        ActName::Return,
        ActName::Strays,
        ActName::Cut,
        ActName::Agent,
        ActName::Stop,
        ActName::Move,
        ActName::Equal,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ActName::Without => "without",
            ActName::Kill => "kill",
            ActName::Return => "return",
            ActName::Strays => "strays",
            ActName::Cut => "cut",
            ActName::Agent => "agent",
            ActName::Stop => "stop",
            ActName::Move => "move",
            ActName::Equal => "equal",
        }
    }

    /// What happens, in a sentence.
    pub(crate) fn title(self) -> &'static str {
        match self {
            ActName::Without => "no agents, addresses moved by hand: TCP connections must die",
            ActName::Kill => "gw1 dies: its agent is killed and all its links are cut",
            ActName::Return => "gw1 comes back with its old table and is given the group again",
            ActName::Strays => "stray ACK, RST and FIN reach the standby, then it takes over",
            ActName::Cut => "the sync link is cut and restored",
            ActName::Agent => "the owner's agent alone is killed and restarted",
            ActName::Stop => "the owner's agent is stopped for half a second",
            ActName::Move => "planned move",
            ActName::Equal => "the load stops: both kernels' tables are equal",
        }
    }

    /// The acts to play for this one alone: a return needs a death before it.
    pub(crate) fn with_needed(self) -> Vec<ActName> {
        match self {
            ActName::Return => vec![ActName::Kill, ActName::Return],
            ActName::Without
            | ActName::Kill
            | ActName::Strays
            | ActName::Cut
            | ActName::Agent
            | ActName::Stop
            | ActName::Move
            | ActName::Equal => vec![self],
        }
    }
}

/// What the bars of an act depend on.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    /// Other flows in the table.
    pub(crate) background_flows: u32,
}

/// Plays one act and judges it.
pub(crate) fn play(name: ActName, stage: &mut Stage, conditions: Conditions) -> Result<Act> {
    match name {
        ActName::Without => without::play(stage),
        ActName::Kill => kill::play(stage, conditions),
        ActName::Return => kill::play_return(stage),
        ActName::Strays => planned::play_strays(stage),
        ActName::Cut => faults::play_cut(stage),
        ActName::Agent => faults::play_agent(stage),
        ActName::Stop => faults::play_stop(stage),
        ActName::Move => planned::play(stage),
        ActName::Equal => equal::play(stage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for act in ActName::ALL {
            let value = act.to_possible_value().expect("no act is hidden");
            assert_eq!(value.get_name(), act.name());
        }
        assert_eq!(ActName::Return.with_needed(), [ActName::Kill, ActName::Return]);
    }
}
