//! The flow table: which place a flow has, and what is kept there.
//!
//! Tags are compared first, four short ones; then one wide word is read. What a stage behind the table
//! makes of the word is written back in the cycle in which it comes out, and the next access sees it.

mod command;
mod difference;
mod entries;
mod flows;
mod same_flow;
mod tags;

pub use command::{commands, flag, outcome};
pub use difference::Difference;
pub use entries::{Table, LATE, LATENCY};
pub use flows::{Flows, LATENCY as FLOWS_LATENCY};
pub use same_flow::{SameFlow, SAME_FLOW_LATENCY};
pub use tags::{Tags, TAGS_LATE, TAGS_LATENCY};
