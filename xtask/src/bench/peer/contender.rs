//! What is measured: nobody, Trine's agents, conntrackd.

use super::conntrackd::{Conntrackd, Settings};
use super::field::Field;
use super::shaping;
use crate::demo::agent::Agent;
use crate::demo::plan::MEMBERS;
use crate::demo::stage::SYNC_LIMIT;
use crate::error::{Error, Result};
use std::path::Path;

/// A pair of daemons, one per gateway.
pub(super) trait Contender {
    /// Starts both on a cleared field and returns when gw1's connections would be copied.
    fn start(&mut self, field: &mut Field) -> Result<()>;
    /// Process ids.
    fn pids(&self, field: &Field) -> [u32; 2];
    /// How often the active side lost events since it started.
    fn overruns(&self, field: &Field) -> Result<u64>;
    /// How often the group changed hands although nobody died.
    fn takeovers(&self, _field: &Field) -> u64 {
        0
    }
    /// Ends both.
    fn stop(&mut self, field: &mut Field);
}

/// Trine's agents.
pub(super) struct Trine<'a> {
    /// Rules about events that they installed, once they ran.
    pub(super) shaping: Option<String>,
    binary: &'a Path,
    lines: &'a str,
}

impl<'a> Trine<'a> {
    /// Not running yet; `lines` of configuration follow the section `[timers]`.
    pub(super) fn new(binary: &'a Path, lines: &'a str) -> Trine<'a> {
        Trine { shaping: None, binary, lines }
    }
}

impl Contender for Trine<'_> {
    fn start(&mut self, field: &mut Field) -> Result<()> {
        field.stage.agents.clear();
        field.stage.launch_agents_with(self.binary, self.lines)?;
        field
            .stage
            .wait_in_sync(SYNC_LIMIT)?
            .ok_or_else(|| Error::Unexpected("the agents are not in sync".into()))?;
        field.stage.home()?;
        self.shaping = shaping::read(&field.stage.net)?;
        Ok(())
    }

    fn pids(&self, field: &Field) -> [u32; 2] {
        [0, 1].map(|index: usize| field.stage.agents[index].pid().expect("it was started"))
    }

    fn overruns(&self, field: &Field) -> Result<u64> {
        let events = field.stage.agents[0].events_from(0);
        Ok(events.iter().filter(|event| event.name == "overrun").count() as u64)
    }

    fn takeovers(&self, field: &Field) -> u64 {
        let events = field.stage.agents.iter().flat_map(|agent| agent.events_from(0));
        let fenced = events.filter(|event| event.name == "takeover" && event.text("fence") != "released");
        fenced.count() as u64
    }

    fn stop(&mut self, field: &mut Field) {
        // The values stay for their logs; the next start replaces them.
        field.stage.agents.iter_mut().for_each(Agent::reap);
    }
}

/// conntrackd on both gateways.
pub(super) struct Peers<'a> {
    pub(super) running: Vec<Conntrackd>,
    settings: Settings,
    shaping: Option<&'a str>,
}

impl<'a> Peers<'a> {
    /// Not running yet; `shaping` are rules about events.
    pub(super) fn new(settings: Settings, shaping: Option<&'a str>) -> Peers<'a> {
        Peers { running: Vec::new(), settings, shaping }
    }
}

impl Contender for Peers<'_> {
    fn start(&mut self, field: &mut Field) -> Result<()> {
        field.stage.net.add_moving(MEMBERS[0])?;
        if let Some(table) = self.shaping {
            shaping::install(&field.stage.net, table)?;
        }
        for index in 0..MEMBERS.len() {
            self.running.push(Conntrackd::start(&field.stage.net, index, &self.settings)?);
        }
        for one in &self.running {
            one.wait_ready(&field.stage.net)?;
        }
        Ok(())
    }

    fn pids(&self, _field: &Field) -> [u32; 2] {
        [self.running[0].pid(), self.running[1].pid()]
    }

    fn overruns(&self, field: &Field) -> Result<u64> {
        self.running[0].overruns(&field.stage.net)
    }

    fn stop(&mut self, _field: &mut Field) {
        self.running.clear();
    }
}
