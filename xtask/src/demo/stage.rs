//! What an act plays on: network, agents, traffic, and the questions every act asks them.

use super::agent::{Agent, Event, Stat};
use super::net::Net;
use super::plan::MEMBERS;
use super::report::{Act, Bar, Moment, Takeover};
use super::traffic::Traffic;
use crate::clock::mono_us;
use crate::error::{Error, Result};
use crate::interrupt::{pause, wait_for};
use std::path::Path;
use std::time::Duration;

/// How long two agents may take until both say that they are in sync.
pub(crate) const SYNC_LIMIT: Duration = Duration::from_secs(20);
/// How long a survivor may take; far beyond any bar, so that a slow takeover is still measured.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(3);

/// Everything that stands while acts are played. Fields are dropped in this order: agents and
/// traffic end before their namespaces go.
pub(crate) struct Stage {
    /// The agents; none before the act without them is over.
    pub(crate) agents: Vec<Agent>,
    /// Client and server.
    pub(crate) traffic: Traffic,
    /// The topology.
    pub(crate) net: Net,
    /// Shorter waits, for the tests.
    pub(crate) quick: bool,
}

/// An act's beginning, to measure from.
pub(crate) struct Begin {
    /// Monotonic microseconds.
    pub(crate) t0_us: u64,
    events: Vec<usize>,
    moments: Vec<Moment>,
}

impl Begin {
    /// Notes something the act itself did, now.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.note_at(mono_us(), what);
    }

    /// Notes something that happened at a known time.
    pub(crate) fn note_at(&mut self, at_us: u64, what: impl Into<String>) {
        let ms = (at_us as f64 - self.t0_us as f64) / 1e3;
        self.moments.push(Moment { ms, what: what.into() });
    }
}

impl Stage {
    /// Prepares and starts both agents and waits until both are in sync.
    pub(crate) fn start_agents(&mut self, binary: &Path) -> Result<()> {
        self.launch_agents(binary)?;
        self.wait_in_sync(SYNC_LIMIT)?
            .map(drop)
            .ok_or_else(|| Error::Unexpected(format!("the agents are not in sync after {SYNC_LIMIT:?}")))
    }

    /// Prepares and starts both agents.
    pub(crate) fn launch_agents(&mut self, binary: &Path) -> Result<()> {
        self.launch_agents_with(binary, "")
    }

    /// The same with lines of configuration of their own, see [`Agent::prepare`].
    pub(crate) fn launch_agents_with(&mut self, binary: &Path, lines: &str) -> Result<()> {
        assert!(self.agents.is_empty(), "agents are started once");
        for index in 0..MEMBERS.len() {
            self.agents.push(Agent::prepare(&self.net, binary, index, lines)?);
        }
        for agent in &mut self.agents {
            agent.start(&self.net)?;
        }
        Ok(())
    }

    /// Starts an act: gaps and events count from here.
    pub(crate) fn begin(&mut self, name: &str) -> Result<Begin> {
        self.traffic.mark(&format!("before {name}"))?;
        let events = self.agents.iter().map(Agent::events_count).collect();
        Ok(Begin { t0_us: mono_us(), events, moments: Vec::new() })
    }

    /// Events of member `index` since the act began.
    pub(crate) fn events(&self, begin: &Begin, index: usize) -> Vec<Event> {
        self.agents[index].events_from(begin.events[index])
    }

    /// The first event of that name since the act began.
    pub(crate) fn event(&self, begin: &Begin, index: usize, name: &str) -> Option<Event> {
        self.events(begin, index).into_iter().find(|event| event.name == name)
    }

    /// Waits until member `index` has logged one of these events.
    pub(crate) fn wait_event(&self, begin: &Begin, index: usize, names: &[&str]) -> Result<Option<Event>> {
        wait_for(TAKEOVER_LIMIT, || {
            Ok(self.events(begin, index).into_iter().find(|event| names.contains(&event.name.as_str())))
        })
    }

    /// Takeovers since the act began, with the member that took over.
    pub(crate) fn takeovers(&self, begin: &Begin) -> Vec<(usize, Event)> {
        let of = |index| self.events(begin, index).into_iter().map(move |event| (index, event));
        (0..self.agents.len()).flat_map(of).filter(|(_, event)| event.name == "takeover").collect()
    }

    /// Waits until both agents answer, agree on the owner, and say that they are in sync;
    /// returns both answers.
    pub(crate) fn wait_in_sync(&self, limit: Duration) -> Result<Option<[Stat; 2]>> {
        wait_for(limit, || {
            // An agent that is still starting does not answer yet.
            let (Ok(one), Ok(other)) = (self.agents[0].stat(), self.agents[1].stat()) else {
                return Ok(None);
            };
            let (first, second) = (one.group()?, other.group()?);
            let agreed = first.owner == second.owner && first.term == second.term;
            Ok((agreed && first.in_sync && second.in_sync).then_some([one, other]))
        })
    }

    /// The member that owns the group, by its own word; between two owners there may be none
    /// for a moment.
    pub(crate) fn owner(&self) -> Result<usize> {
        let owner = wait_for(TAKEOVER_LIMIT, || {
            for (index, agent) in self.agents.iter().enumerate() {
                if agent.stat()?.group()?.role == "owner" {
                    return Ok(Some(index));
                }
            }
            Ok(None)
        })?;
        owner.ok_or_else(|| Error::Unexpected("no member says that it owns the group".into()))
    }

    /// Makes gw1 the owner, where an act starts from it.
    pub(crate) fn home(&mut self) -> Result<()> {
        if self.owner()? != 0 {
            self.agents[1].move_to(MEMBERS[0])?;
            self.wait_in_sync(SYNC_LIMIT)?;
        }
        Ok(())
    }

    /// Lets traffic run; `--quick` shortens it.
    pub(crate) fn run_for(&self, time: Duration, quick: Duration) -> Result<()> {
        pause(if self.quick { quick } else { time })
    }

    /// Ends an act: takes the mark, turns both logs into the timeline.
    pub(crate) fn end(
        &mut self,
        name: &'static str,
        title: &'static str,
        mut begin: Begin,
    ) -> Result<(Act, Begin)> {
        let takeovers = self.takeovers(&begin);
        // After a release nobody was silent: such a takeover has no last sign of life to count from.
        let unplanned = takeovers.iter().find(|(_, event)| event.text("fence") != "released");
        let takeover = unplanned.and_then(|(index, event)| {
            let serving = self.events(&begin, *index).into_iter();
            let mut serving =
                serving.filter(|later| later.name == "serving" && later.mono_us >= event.mono_us);
            Some(Takeover {
                last_heartbeat_us: event.number("last_heartbeat_us")?,
                at_us: event.mono_us,
                serving_us: serving.next().map_or(event.mono_us, |later| later.mono_us),
            })
        });
        let mark = self.traffic.mark(name)?;
        for (index, agent) in self.agents.iter().enumerate() {
            for event in self.events(&begin, index) {
                note_event(&mut begin, agent.name(), &event);
            }
        }
        if let Some(takeover) = takeover {
            let gaps = mark.connections.iter().filter_map(|report| takeover.gap_of(report));
            if let Some(first_us) = gaps.map(|gap| gap.end_us).min() {
                begin.note_at(first_us, "first answer to a connection");
            }
        }
        let mut act = Act::of(name, title, &mark, takeover);
        act.timeline.append(&mut begin.moments);
        Ok((act, begin))
    }

    /// The bar that the right number of takeovers happened.
    pub(crate) fn takeovers_bar(&self, begin: &Begin, expected: &[usize]) -> Bar {
        let seen: Vec<usize> = self.takeovers(begin).iter().map(|(index, _)| *index).collect();
        let names = |members: &[usize]| match members {
            [] => "none".to_owned(),
            some => some.iter().map(|index| MEMBERS[*index]).collect::<Vec<_>>().join(", "),
        };
        Bar::holds(format!("takeovers: {}", names(expected)), seen == expected, names(&seen))
    }
}

fn note_event(begin: &mut Begin, member: &str, event: &Event) {
    match event.name.as_str() {
        "takeover" => {
            if let Some(heartbeat_us) = event.number("last_heartbeat_us").filter(|us| *us > 0) {
                begin.note_at(heartbeat_us, format!("last heartbeat heard by {member}"));
            }
            let what = format!(
                "takeover by {member}: fence {}, term {}, {} buckets verified, oldest proof {} ms",
                event.text("fence"),
                event.text("term"),
                event.number("verified_buckets").map_or("?".into(), |count| count.to_string()),
                event.number("oldest_proof_ms").map_or("?".into(), |ms| ms.to_string()),
            );
            begin.note_at(event.mono_us, what);
        }
        "serving" => begin.note_at(event.mono_us, format!("addresses moved to {member}")),
        "released" | "demoted" | "started" => {
            begin.note_at(event.mono_us, format!("{member} {}", event.name))
        }
        "state" => begin.note_at(event.mono_us, format!("{member} is {}", event.text("state"))),
        "in_sync" => begin.note_at(event.mono_us, format!("{member} in sync with {}", event.text("peer"))),
        "path" => {
            let up = if event.fields["up"].as_bool() == Some(true) { "up" } else { "silent" };
            let what = format!("{member}: {} over {} is {up}", event.text("peer"), event.text("path"));
            begin.note_at(event.mono_us, what);
        }
        _ => {}
    }
}
