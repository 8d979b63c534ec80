//! The table: sets of tagged slots, entries in a slab, and the overflow store.
//!
//! The top bits of a flow id name the set, so that a bucket is a contiguous run of sets. Slots (tag and
//! entry number, 8 B) lie apart from the entries: a miss touches one cache line. At most one entry per
//! id lies in the sets; a flow that finds its set full, or its id held by another key, goes to the
//! overflow store. Nothing is ever evicted.
//!
//! Limits: `ways` per set, `overflow_max` beyond; then [`Full`].

use crate::entry::{Entry, PENDING};
use formats::limits::*;
use formats::{FlowId, FlowKey};
use std::collections::BTreeMap;
use std::ops::{Bound, Index, IndexMut};

/// Neither set nor overflow has room.
#[derive(Debug)]
pub(crate) struct Full;

/// Bit of a slot that says it is taken; the tag has at most 30 bits.
const TAKEN: u64 = 1 << 63;
/// Entries of a slab chunk; the slab grows without moving what it holds.
const CHUNK_ENTRIES: usize = 1024;
const _: () = assert!(FLOW_ID_BITS - BUCKET_BITS < 31);

/// A place in a bucket's table order: its sets, then its overflow by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    Slot(u32),
    Overflow(Option<FlowKey>),
}

impl Cursor {
    pub(crate) const START: Self = Self::Slot(0);
}

pub(crate) struct Table {
    set_bits: u32,
    ways: usize,
    overflow_max: usize,
    slots: Vec<u64>,
    chunks: Vec<Box<[Entry]>>,
    free: Vec<u32>,
    overflow: BTreeMap<(u16, FlowKey), u32>,
}

impl Table {
    pub(crate) fn new(set_bits: u32, ways: usize, overflow_max: usize) -> Self {
        Self {
            set_bits,
            ways,
            overflow_max,
            slots: vec![0; ways << set_bits],
            chunks: Vec::new(),
            free: Vec::new(),
            overflow: BTreeMap::new(),
        }
    }

    /// Slots of the flow's set, and what its slot holds above the entry number.
    #[inline]
    fn place(&self, id: FlowId) -> (usize, u64) {
        let low_bits = FLOW_ID_BITS - self.set_bits;
        let set = (id.0 >> low_bits) as usize;
        (set * self.ways, TAKEN | (id.0 & ((1 << low_bits) - 1)) << 32)
    }

    /// The entry in the sets that has this id.
    #[inline]
    pub(crate) fn holder(&self, id: FlowId) -> Option<u32> {
        let (base, tag) = self.place(id);
        let slots = &self.slots[base..base + self.ways];
        slots.iter().find(|slot| **slot & !0xffff_ffff == tag).map(|slot| *slot as u32)
    }

    /// The entry of this key, live or tombstone.
    #[inline]
    pub(crate) fn find(&self, id: FlowId, key: &FlowKey) -> Option<u32> {
        match self.holder(id) {
            Some(at) if self[at].record.key.same_flow(key) => Some(at),
            Some(_) | None if self.overflow.is_empty() => None,
            Some(_) | None => self.overflow.get(&(id.bucket(), key.canonical().0)).copied(),
        }
    }

    /// Every entry of this id: at most one in the sets, others in the overflow.
    pub(crate) fn with_id(&self, id: FlowId) -> impl Iterator<Item = u32> + '_ {
        let overflow = self.overflow_of(id.bucket(), None).map(|(_, at)| at);
        self.holder(id).into_iter().chain(overflow.filter(move |at| self[*at].id == id))
    }

    fn overflow_of(&self, bucket: u16, after: Option<FlowKey>) -> impl Iterator<Item = (FlowKey, u32)> + '_ {
        let from = match after {
            Some(key) => Bound::Excluded((bucket, key)),
            None => Bound::Included((bucket, FlowKey::default())),
        };
        self.overflow
            .range((from, Bound::Unbounded))
            .take_while(move |((of, _), _)| *of == bucket)
            .map(|((_, key), at)| (*key, *at))
    }

    /// Makes an empty entry for a key that has none.
    pub(crate) fn make(&mut self, id: FlowId, key: &FlowKey) -> Result<u32, Full> {
        let (base, tag) = self.place(id);
        let holder = self.holder(id);
        let room = self.slots[base..base + self.ways].iter().position(|slot| *slot == 0);
        let mut entry = Entry::default();
        (entry.id, entry.record.key) = (id, *key);
        match (holder, room) {
            (None, Some(way)) => {
                let shared = self.overflow_of(id.bucket(), None).any(|(_, at)| self[at].id == id);
                let at = self.allocate(entry);
                if shared {
                    self[at].share_id();
                }
                self.slots[base + way] = tag | u64::from(at);
                Ok(at)
            }
            (Some(_), _) | (None, None) => {
                if self.overflow.len() >= self.overflow_max {
                    return Err(Full);
                }
                if let Some(holder) = holder {
                    self[holder].share_id();
                }
                let at = self.allocate(entry);
                self[at].set_in_overflow();
                self.overflow.insert((id.bucket(), key.canonical().0), at);
                Ok(at)
            }
        }
    }

    fn allocate(&mut self, mut entry: Entry) -> u32 {
        entry.sent = [PENDING; 2];
        let at = self.free.pop().unwrap_or_else(|| {
            let first = (self.chunks.len() * CHUNK_ENTRIES) as u32;
            self.chunks.push(vec![Entry::default(); CHUNK_ENTRIES].into_boxed_slice());
            self.free.extend((first..first + CHUNK_ENTRIES as u32).rev());
            self.free.pop().expect("a chunk was added")
        });
        self[at] = entry;
        at
    }

    /// Frees an entry; its number may be given to another flow.
    pub(crate) fn remove(&mut self, at: u32) {
        let entry = std::mem::take(&mut self[at]);
        if entry.in_overflow() {
            let removed = self.overflow.remove(&(entry.id.bucket(), entry.record.key.canonical().0));
            assert!(removed == Some(at), "the overflow names each of its entries");
        } else {
            let (base, tag) = self.place(entry.id);
            let slots = &mut self.slots[base..base + self.ways];
            let slot = slots.iter_mut().find(|slot| **slot == tag | u64::from(at));
            *slot.expect("a set names each of its entries") = 0;
        }
        self[at].sent = [PENDING; 2];
        self.free.push(at);
    }

    /// The next entry of a bucket in table order.
    pub(crate) fn next(&self, bucket: u16, cursor: &mut Cursor) -> Option<u32> {
        let slots_count = (self.ways << (self.set_bits - BUCKET_BITS)) as u32;
        if let Cursor::Slot(from) = *cursor {
            let base = bucket as usize * slots_count as usize;
            for n in from..slots_count {
                let slot = self.slots[base + n as usize];
                if slot != 0 {
                    *cursor = Cursor::Slot(n + 1);
                    return Some(slot as u32);
                }
            }
            *cursor = Cursor::Overflow(None);
        }
        let Cursor::Overflow(after) = *cursor else { return None };
        if self.overflow.is_empty() {
            return None;
        }
        let (key, at) = self.overflow_of(bucket, after).next()?;
        *cursor = Cursor::Overflow(Some(key));
        Some(at)
    }

    /// Entry numbers given out so far: a background pass runs from 0 to here.
    pub(crate) fn entries_count(&self) -> usize {
        self.chunks.len() * CHUNK_ENTRIES
    }

    pub(crate) fn overflow_count(&self) -> usize {
        self.overflow.len()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let entry = std::mem::size_of::<Entry>();
        // An ordered map holds 6 to 11 pairs a node; two thirds full is its mean.
        let pair = std::mem::size_of::<((u16, FlowKey), u32)>() * 3 / 2;
        self.slots.len() * 8
            + self.entries_count() * entry
            + self.free.capacity() * 4
            + self.overflow.len() * pair
    }
}

impl Index<u32> for Table {
    type Output = Entry;
    #[inline]
    fn index(&self, at: u32) -> &Entry {
        &self.chunks[at as usize / CHUNK_ENTRIES][at as usize % CHUNK_ENTRIES]
    }
}

impl IndexMut<u32> for Table {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut Entry {
        &mut self.chunks[at as usize / CHUNK_ENTRIES][at as usize % CHUNK_ENTRIES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u128) -> FlowKey {
        FlowKey { src: n, dst: 1, ..FlowKey::default() }
    }

    /// Ids of one set, apart in their low bits.
    const IDS: [FlowId; 3] = [FlowId(5 << 30), FlowId(5 << 30 | 1), FlowId(5 << 30 | 2)];

    #[test]
    fn a_full_set_overflows_and_a_full_overflow_refuses() {
        let mut table = Table::new(10, 1, 1);
        let first = table.make(IDS[0], &key(2)).unwrap();
        let second = table.make(IDS[1], &key(3)).unwrap();
        assert!(table.make(IDS[2], &key(4)).is_err());
        assert_eq!((table[first].goes_by_id(), table[second].goes_by_id()), (true, false));
        assert_eq!(table.find(IDS[1], &key(3).reversed()), Some(second));
        table.remove(second);
        assert_eq!((table.find(IDS[1], &key(3)), table.overflow_count()), (None, 0));
    }

    #[test]
    fn flows_of_one_id_never_go_by_it_whichever_came_first() {
        let mut table = Table::new(10, 4, 4);
        let first = table.make(IDS[0], &key(2)).unwrap();
        let second = table.make(IDS[0], &key(3)).unwrap();
        assert!(!table[first].goes_by_id() && !table[second].goes_by_id());
        table.remove(first);
        let third = table.make(IDS[0], &key(4)).unwrap();
        assert!(!table[third].in_overflow() && !table[third].goes_by_id());
        assert_eq!(table.with_id(IDS[0]).collect::<Vec<_>>(), [third, second]);
    }

    #[test]
    fn a_bucket_is_walked_in_table_order_and_ends() {
        let mut table = Table::new(12, 2, 100);
        let made: Vec<_> =
            (0..40).map(|n| table.make(FlowId(5 << 30 | n << 25), &key(n.into())).unwrap()).collect();
        let mut cursor = Cursor::START;
        let mut seen: Vec<_> = std::iter::from_fn(|| table.next(5, &mut cursor)).collect();
        assert_eq!(table.next(6, &mut { Cursor::START }), None);
        seen.sort_unstable();
        assert_eq!(seen, made);
    }
}
