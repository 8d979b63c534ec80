//! The event queue towards the host.
//!
//! Flow events may take seven eighths of it. One that does not fit is not kept: its bucket is owed to
//! the host, and reported again whole when there is room. FRAME_END says "everything before was
//! reported", so it waits behind what is owed. Control events that do not fit wait in an ordered map,
//! the newest of each kind and subject, and follow when the queue is empty.
//!
//! Limits: `events_max` events, and one control event per subject (peer, port, bucket).

use crate::apply::deleted;
use crate::scan::BUDGET_EVENTS;
use crate::table::Cursor;
use crate::Softnic;
use formats::descriptor::Event;
use formats::limits::BUCKETS_COUNT;
use formats::register::Counter;
use std::collections::{BTreeMap, VecDeque};

/// What is owed to the host, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Bucket(u16),
    FrameEnd { peer: u8, session: u64, sequence: u64 },
}

#[derive(Debug)]
pub(crate) struct Report {
    queue: VecDeque<Event>,
    late: BTreeMap<(u8, u32), Event>,
    events_max: usize,
    owed: VecDeque<Owed>,
    /// Buckets named in `owed`, and the one at hand.
    waits: Vec<bool>,
    at_hand: Option<(u16, Cursor)>,
}

/// Kind and subject of a control event: a newer one of both says all that the older said.
fn subject(event: &Event) -> (u8, u32) {
    let pair = |a: u8, b: u8| u32::from(a) << 16 | u32::from(b);
    let with = |peer: u8, bucket: u16| u32::from(peer) << 16 | u32::from(bucket);
    match event {
        Event::FrameEnd { peer, .. } => (3, u32::from(*peer)),
        Event::Session { peer, .. } => (4, u32::from(*peer)),
        Event::Path { peer, port, .. } => (5, pair(*peer, *port)),
        Event::Term { roles, .. } => (6, u32::from(roles.bucket)),
        Event::Compared { peer, bucket, snapshot, .. } => {
            (7 + 100 * u8::from(*snapshot), with(*peer, *bucket))
        }
        Event::NotOwner { peer, bucket } => (8, with(*peer, *bucket)),
        Event::Full { .. } => (14, 0),
        Event::Coverage { .. } => (15, 0),
        Event::Applied { .. } => (1, 0),
        Event::Deleted { .. } => (2, 0),
        Event::Merge { .. } => (9, 0),
        Event::Row { .. } => (10, 0),
        Event::ScanEnd { .. } => (11, 0),
        Event::AuditMissing { .. } => (12, 0),
        Event::AuditEnd => (13, 0),
        Event::AuditExtra { .. } => (16, 0),
    }
}

impl Report {
    pub(crate) fn new(events_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            late: BTreeMap::new(),
            events_max,
            owed: VecDeque::new(),
            waits: vec![false; BUCKETS_COUNT],
            at_hand: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.late.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front().or_else(|| self.late.pop_first().map(|(_, event)| event))
    }

    /// Room for an event that must not be lost and cannot be coalesced.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < self.events_max
    }

    pub(crate) fn has_flow_room(&self) -> bool {
        self.queue.len() < self.events_max - self.events_max / 8
    }

    /// Whether flow events of the bucket wait behind the queue.
    pub(crate) fn owes(&self, bucket: u16) -> bool {
        self.waits[bucket as usize] || self.at_hand.is_some_and(|(at_hand, _)| at_hand == bucket)
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.owed.is_empty() || self.at_hand.is_some()
    }

    fn control(&mut self, event: Event) {
        let subject = subject(&event);
        if self.has_room() && !self.late.contains_key(&subject) {
            self.queue.push_back(event);
        } else {
            self.late.insert(subject, event);
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }
}

impl Softnic {
    pub(crate) fn report_control(&mut self, event: Event) {
        self.report.control(event);
    }

    pub(crate) fn report_flow(&mut self, bucket: u16, event: Event) {
        let report = &mut self.report;
        if !report.waits[bucket as usize] {
            if report.has_flow_room() {
                return report.queue.push_back(event);
            }
            report.waits[bucket as usize] = true;
            report.owed.push_back(Owed::Bucket(bucket));
        }
        self.count(Counter::EventsDeferred);
    }

    pub(crate) fn report_frame_end(&mut self, peer: u8, session: u64, sequence: u64) {
        let report = &mut self.report;
        if !report.has_pending() {
            return report.control(Event::FrameEnd { peer, session, sequence });
        }
        if matches!(report.owed.back(), Some(Owed::FrameEnd { peer: last, .. }) if *last == peer) {
            report.owed.pop_back();
        }
        report.owed.push_back(Owed::FrameEnd { peer, session, sequence });
    }

    /// Reports what is owed, then what scans and audits find, as far as there is room.
    pub(crate) fn run_reports(&mut self) {
        for _ in 0..BUDGET_EVENTS {
            if !self.report.has_flow_room() || !(self.report_owed() || self.run_job()) {
                return;
            }
        }
    }

    /// Takes one step; returns whether there was one to take.
    fn report_owed(&mut self) -> bool {
        if let Some((bucket, mut cursor)) = self.report.at_hand {
            match self.table.next(bucket, &mut cursor) {
                Some(at) => {
                    self.report.at_hand = Some((bucket, cursor));
                    self.report_again(bucket, at);
                }
                None => self.report.at_hand = None,
            }
            return true;
        }
        match self.report.owed.pop_front() {
            Some(Owed::Bucket(bucket)) => {
                self.report.waits[bucket as usize] = false;
                self.report.at_hand = Some((bucket, Cursor::START));
            }
            Some(Owed::FrameEnd { peer, session, sequence }) => {
                self.report_control(Event::FrameEnd { peer, session, sequence });
            }
            None => return false,
        }
        true
    }

    fn report_again(&mut self, bucket: u16, at: u32) {
        let peer = self.buckets[bucket as usize].owner;
        let entry = &self.table[at];
        if entry.is_waiting() {
            return;
        }
        let event = if entry.is_live() {
            Event::Applied {
                peer,
                sequence: 0,
                cookie: entry.cookie,
                created: true,
                record: entry.record,
                stamp: entry.stamp,
            }
        } else {
            deleted(peer, 0, entry)
        };
        self.report.push(event);
    }
}
