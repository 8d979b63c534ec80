//! The standby's table as its own event stream shows it: when did a connection arrive there?

use super::frames::PORT_FIRST;
use super::{Latencies, PROBE_PORT};
use crate::clock::mono_us;
use crate::error::{Error, Result};
use trine_daemon::linux::conntrack::{EventConfig, EventSource};
use trine_daemon::linux::ctnetlink::CtKind;
use trine_daemon::linux::netlink::Received;

/// After this long a connection counts as not copied.
pub(super) const LIMIT_US: u64 = 1_000_000;

/// What is waited for and what was seen.
pub(super) struct Standby {
    source: EventSource,
    sent_us: Vec<Option<u64>>,
    waiting: usize,
    seen_us: Vec<u64>,
}

impl Standby {
    /// Watches the table of the namespace this thread is in; nothing is expected yet.
    pub(super) fn watch(probes_max: usize) -> Result<Standby> {
        let source = EventSource::open(&EventConfig::default())
            .map_err(Error::system("listening to the standby's table"))?;
        Ok(Standby { source, sent_us: vec![None; probes_max], waiting: 0, seen_us: Vec::new() })
    }

    /// A connection was begun at that time.
    pub(super) fn expect(&mut self, probe: usize, sent_us: u64) {
        self.sent_us[probe] = Some(sent_us);
        self.waiting += 1;
    }

    pub(super) fn is_seen(&self, probe: usize) -> bool {
        self.sent_us[probe].is_none()
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.waiting
    }

    /// Takes what the kernel has to tell, without waiting.
    pub(super) fn read(&mut self) -> Result<()> {
        let (sent_us, waiting, seen_us) = (&mut self.sent_us, &mut self.waiting, &mut self.seen_us);
        let received = self.source.receive(|message| {
            let key = &message.record.key;
            if message.kind != CtKind::New || key.dst_port != PROBE_PORT {
                return;
            }
            let probe = usize::from(key.src_port - PORT_FIRST);
            if let Some(began_us) = sent_us.get_mut(probe).and_then(Option::take) {
                seen_us.push(mono_us() - began_us);
                *waiting -= 1;
            }
        });
        match received.map_err(Error::system("reading the standby's events"))? {
            Received::Datagrams(_) | Received::Empty => Ok(()),
            Received::Overrun => Err(Error::Unexpected("lives: the standby's events ran over".into())),
        }
    }

    /// What was seen; what was not counts as seen after the limit, or a loss would look fast.
    pub(super) fn finish(mut self, lives_per_second: f64) -> Result<Latencies> {
        self.seen_us.extend(std::iter::repeat_n(LIMIT_US, self.waiting));
        self.seen_us.sort_unstable();
        Ok(Latencies { sorted_us: self.seen_us, unseen: self.waiting as u64, lives_per_second })
    }
}
