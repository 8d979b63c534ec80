//! The table: sets of tagged slots, entries in a slab, and the overflow store.
//!
//! The top bits of a flow id name the set, so that a bucket is a contiguous run of sets. Slots (tag and
//! entry number, 8 B) lie apart from the entries: a miss touches one cache line, a hit three or four. At most one entry per
//! id lies in the sets; a flow that finds its set full, or its id held by another key, goes to the
//! overflow store. Nothing is ever evicted.
//!
//! Limits: `ways` per set, `overflow_max` beyond; then [`Full`].

use crate::entry::Entry;
use crate::prefetch::{prefetch, prefetch_line};
use formats::limits::*;
use formats::{FlowId, FlowKey};
use std::collections::BTreeMap;
use std::ops::{Bound, Index, IndexMut};

/// Neither set nor overflow has room.
#[derive(Debug)]
pub(crate) struct Full;

/// Bit of a tag that says its slot is taken; the rest has at most 30 bits.
const TAKEN: u32 = 1 << 31;
/// Entries of a slab chunk; the slab grows without moving what it holds.
const CHUNK_ENTRIES: usize = 1024;
/// Slots of a cache line.
const LINE_SLOTS: usize = 8;
/// How far ahead of a walk its entries are asked for.
const AHEAD_SLOTS: usize = 16;
/// Bytes of an entry that most changes touch: all but what is fixed, translated or labelled. The incarnation
/// is the last of them: its product has the scales in it.
const HOT_BYTES: usize = 132;
const _: () = assert!(FLOW_ID_BITS - BUCKET_BITS < 31);

fn slot(tag: u32, at: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(at)
}

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
    /// Slots from `first` on, so that a set of eight is one cache line: tag above, entry number below.
    slots: Vec<u64>,
    first: usize,
    chunks: Vec<Box<[Entry; CHUNK_ENTRIES]>>,
    free: Vec<u32>,
    overflow: BTreeMap<(u16, FlowKey), u32>,
    /// One bit a set: whether the overflow holds a flow of it. Few sets are; the others need no search.
    crowded: Vec<u64>,
}

impl Table {
    pub(crate) fn new(set_bits: u32, ways: usize, overflow_max: usize) -> Self {
        let slots = vec![0u64; (ways << set_bits) + LINE_SLOTS];
        Self {
            set_bits,
            ways,
            overflow_max,
            // It never grows, so it never moves.
            first: slots.as_ptr().align_offset(LINE_SLOTS * size_of::<u64>()).min(LINE_SLOTS),
            slots,
            chunks: Vec::new(),
            free: Vec::new(),
            overflow: BTreeMap::new(),
            crowded: vec![0; (1 << set_bits) / 64],
        }
    }

    /// First slot of the flow's set, and the tag of its slot.
    #[inline]
    fn place(&self, id: FlowId) -> (usize, u32) {
        let low_bits = FLOW_ID_BITS - self.set_bits;
        (self.first + self.set_of(id) * self.ways, TAKEN | (id.0 & ((1 << low_bits) - 1)) as u32)
    }

    /// The entry in the sets that has this id.
    ///
    /// Every way is looked at: which one it is cannot be predicted, and a wrong guess costs more than the
    /// comparisons. One slot of a set at most has the tag.
    #[inline]
    pub(crate) fn holder(&self, id: FlowId) -> Option<u32> {
        let (base, tag) = self.place(id);
        let slot_of = |set: &[u64]| {
            set.iter().fold(0, |found, slot| found | if (slot >> 32) as u32 == tag { *slot } else { 0 })
        };
        let set = &self.slots[base..base + self.ways];
        let slot = match <&[u64; LINE_SLOTS]>::try_from(set) {
            // A length known here lets the compiler compare several at once.
            Ok(line) => slot_of(line),
            Err(_) => slot_of(set),
        };
        (slot != 0).then_some(slot as u32)
    }

    /// The first way of the set with exactly this slot, as branch-free.
    #[inline]
    fn way(&self, base: usize, slot: u64) -> Option<usize> {
        let ways = self.slots[base..base + self.ways].iter().enumerate().rev();
        ways.fold(None, |found, (way, held)| if *held == slot { Some(way) } else { found })
    }

    /// Asks for the set of an id.
    #[inline]
    pub(crate) fn prefetch_set(&self, id: FlowId) {
        let (base, _) = self.place(id);
        prefetch_line(&self.slots[base]);
    }

    /// Asks for what a change of the entry touches.
    #[inline]
    pub(crate) fn prefetch_entry(&self, at: u32) {
        prefetch(&self[at], HOT_BYTES);
    }

    /// Asks for the entry that is given out after `count` others.
    #[inline]
    pub(crate) fn prefetch_free(&self, count: usize) {
        if let Some(n) = self.free.len().checked_sub(count + 1) {
            prefetch(&self[self.free[n]], size_of::<Entry>());
        }
    }

    #[inline]
    fn set_of(&self, id: FlowId) -> usize {
        (id.0 >> (FLOW_ID_BITS - self.set_bits)) as usize
    }

    /// Whether the overflow holds a flow of the id's set.
    #[inline]
    fn is_crowded(&self, id: FlowId) -> bool {
        let set = self.set_of(id);
        self.crowded[set / 64] >> (set % 64) & 1 == 1
    }

    /// The entry of this key, live or tombstone.
    #[inline]
    pub(crate) fn find(&self, id: FlowId, key: &FlowKey) -> Option<u32> {
        match self.holder(id) {
            Some(at) if self[at].record.key.same_flow(key) => Some(at),
            Some(_) | None if self.is_crowded(id) => self.find_overflow(id, key),
            Some(_) | None => None,
        }
    }

    /// As [`Table::find`], without a search if the flow lives where a look-up of the id led before.
    #[inline]
    pub(crate) fn find_at(&self, guess: Option<u32>, id: FlowId, key: &FlowKey) -> Option<u32> {
        let lives = |at: &u32| self[*at].is_live() && self[*at].record.key == *key;
        guess.filter(lives).or_else(|| self.find(id, key))
    }

    #[cold]
    fn find_overflow(&self, id: FlowId, key: &FlowKey) -> Option<u32> {
        self.overflow.get(&(id.bucket(), key.canonical().0)).copied()
    }

    /// Every entry of this id: at most one in the sets, others in the overflow.
    #[inline]
    pub(crate) fn with_id(&self, id: FlowId) -> impl Iterator<Item = u32> + '_ {
        let searched = self.is_crowded(id).then(|| self.overflow_of(id.bucket(), None));
        let overflow = searched.into_iter().flatten().map(|(_, at)| at);
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
        let room = self.way(base, 0);
        match (holder, room) {
            (None, Some(way)) => {
                let shared = self.is_crowded(id)
                    && self.overflow_of(id.bucket(), None).any(|(_, at)| self[at].id == id);
                let at = self.allocate(id, key);
                if shared {
                    self[at].share_id();
                }
                self.slots[base + way] = slot(tag, at);
                Ok(at)
            }
            (Some(_), _) | (None, None) => {
                if self.overflow.len() >= self.overflow_max {
                    return Err(Full);
                }
                if let Some(holder) = holder {
                    self[holder].share_id();
                }
                let at = self.allocate(id, key);
                self[at].set_in_overflow();
                self.overflow.insert((id.bucket(), key.canonical().0), at);
                let set = self.set_of(id);
                self.crowded[set / 64] |= 1 << (set % 64);
                Ok(at)
            }
        }
    }

    fn allocate(&mut self, id: FlowId, key: &FlowKey) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            let first = (self.chunks.len() * CHUNK_ENTRIES) as u32;
            let chunk = vec![Entry::default(); CHUNK_ENTRIES].into_boxed_slice();
            self.chunks.push(chunk.try_into().expect("made with its length"));
            self.free.extend((first..first + CHUNK_ENTRIES as u32).rev());
            self.free.pop().expect("a chunk was added")
        });
        self[at].begin(id, key);
        at
    }

    /// Frees an entry; its number may be given to another flow.
    pub(crate) fn remove(&mut self, at: u32) {
        let entry = &mut self[at];
        let (id, in_overflow) = (entry.id, entry.in_overflow());
        entry.end();
        if in_overflow {
            let key = entry.record.key.canonical().0;
            let removed = self.overflow.remove(&(id.bucket(), key));
            assert!(removed == Some(at), "the overflow names each of its entries");
            let set = self.set_of(id);
            if !self.overflow_of(id.bucket(), None).any(|(_, at)| self.set_of(self[at].id) == set) {
                self.crowded[set / 64] &= !(1 << (set % 64));
            }
        } else {
            let (base, tag) = self.place(id);
            let way = self.way(base, slot(tag, at));
            self.slots[base + way.expect("a set names each of its entries")] = 0;
        }
        self.free.push(at);
    }

    /// The next entry of a bucket in table order.
    pub(crate) fn next(&self, bucket: u16, cursor: &mut Cursor) -> Option<u32> {
        let slots_count = (self.ways << (self.set_bits - BUCKET_BITS)) as u32;
        if let Cursor::Slot(from) = *cursor {
            let base = self.first + bucket as usize * slots_count as usize;
            for n in from..slots_count {
                let slot = self.slots[base + n as usize];
                if slot != 0 {
                    *cursor = Cursor::Slot(n + 1);
                    match self.slots.get(base + n as usize + AHEAD_SLOTS) {
                        Some(0) | None => {}
                        Some(ahead) => prefetch(&self[*ahead as u32], size_of::<Entry>()),
                    }
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
            + self.crowded.len() * 8
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
