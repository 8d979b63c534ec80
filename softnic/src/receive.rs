//! Records of an accepted frame, told apart; each is counted once.
//!
//! The sync link carries all kinds, data networks only heartbeats. A malformed record ends its frame,
//! an unknown one is skipped by its length.

use crate::Softnic;
use formats::descriptor::Event;
use formats::limits::UNIT_SIZE;
use formats::record::RecordError;
use formats::register::Counter;
use formats::unit::PULL;
use formats::Record;

impl Softnic {
    /// Takes the records of a frame; returns whether the frame asks for an acknowledgement.
    pub(crate) fn take_records(&mut self, peer: u8, port: u8, sequence: u64, mut units: &[u8]) -> bool {
        let (mut worth_ack, mut flows) = (false, false);
        // For the whole frame: one that is taken in part is repeated whole, and would never end.
        self.frame_has_room = self.report.has_room();
        while !units.is_empty() {
            self.count(Counter::RecordsReceived);
            match Record::decode(units) {
                Ok((record, count)) => {
                    units = &units[count * UNIT_SIZE..];
                    if port != 0 && !matches!(record, Record::Heartbeat(_)) {
                        self.count(Counter::RecordsMalformed);
                        break;
                    }
                    worth_ack |=
                        !matches!(record, Record::Ack(_) | Record::Heartbeat(_) | Record::Capabilities(_));
                    flows |= self.take_record(peer, port, sequence, &record);
                }
                Err(RecordError::Unknown(count)) => {
                    units = &units[count * UNIT_SIZE..];
                    worth_ack = true;
                    self.count(Counter::RecordsUnknown);
                }
                Err(RecordError::Length | RecordError::Value) => {
                    self.count(Counter::RecordsMalformed);
                    break;
                }
            }
        }
        // Asked after the last snapshot ended, or before? Its acknowledgement in the same frame tells.
        let mut repairs = std::mem::take(&mut self.repairs);
        repairs.drain(..).for_each(|unit| self.take_repair(peer, &unit));
        self.repairs = repairs;
        if flows {
            let session = self.peers[peer as usize].session;
            self.report_frame_end(peer, session, sequence);
        }
        worth_ack
    }

    /// Takes one record; returns whether it was a flow record.
    fn take_record(&mut self, peer: u8, port: u8, sequence: u64, record: &Record) -> bool {
        match record {
            Record::Compact(_)
            | Record::Window(..)
            | Record::Update(_)
            | Record::Full(..)
            | Record::Delete(_)
            | Record::DeleteKeyed(..) => {
                self.peers[peer as usize].flow_records += 1;
                let outcome = self.apply(peer, sequence, record);
                self.count(outcome);
                return true;
            }
            // Its deletes at the end of a snapshot are flow events too.
            Record::SnapshotEnd(unit) if unit.flags & PULL == 0 => {
                self.take_snapshot_end(peer, sequence, unit);
                return true;
            }
            Record::SnapshotEnd(unit) => self.take_pull_end(peer, unit),
            Record::SnapshotBegin(unit) if unit.flags & PULL == 0 => self.take_snapshot_begin(peer, unit),
            Record::SnapshotBegin(unit) => self.take_pull_begin(peer, unit),
            Record::Term(unit) => self.take_term(peer, unit),
            Record::Ack(unit) => {
                self.count(Counter::RecordsControl);
                self.acknowledged(peer, unit);
            }
            Record::Digest(unit) => self.take_digest(peer, unit),
            Record::Heartbeat(unit) => {
                self.count(Counter::RecordsControl);
                self.take_heartbeat(peer, port, unit);
            }
            Record::Capabilities(_) => self.count(Counter::RecordsControl),
            Record::Merge(bucket, term, theirs, stamp) => {
                self.take_merge(peer, *bucket, *term, theirs, *stamp)
            }
            Record::Repair(unit) => self.note_repair(unit),
        }
        false
    }

    /// A record of a bucket came from a member that does not own it.
    pub(crate) fn tell_not_owner(&mut self, peer: u8, bucket: u16) {
        self.peers[peer as usize].ask_answer(bucket);
        let b = &mut self.buckets[bucket as usize];
        if self.local_us >= b.not_owner_us {
            b.not_owner_us = self.local_us + crate::apply::NOT_OWNER_PAUSE_US;
            self.report_control(Event::NotOwner { peer, bucket });
        }
    }
}
