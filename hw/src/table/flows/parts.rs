//! What the flows are made of, and where the fields lie that their loop looks at.

use super::super::difference::{compared, mask, BITS};
use super::{Flows, PARTS};
use crate::layout::{self, field};
use rust_hdl::prelude::*;

const _: () = assert!(PARTS == BITS + 1);

/// Fields that the loop computes; the others come from the entry or the command.
fn computed() -> [layout::Field; 5] {
    [field::FLAGS, field::GROUPS, field::INCARNATION, field::VERSION, field::ENDED_VERSION]
}

/// What a command writes for each bit of a difference, and behind them the remaining lifetime.
fn part(bit: usize) -> &'static [layout::Field] {
    if bit < BITS {
        compared(bit)
    } else {
        &[field::LIFETIME]
    }
}

impl<const S: usize, const T: usize, const V: usize, const A: usize> Default for Flows<S, T, V, A> {
    fn default() -> Self {
        fn many<M: Default, const N: usize>() -> [M; N] {
            std::array::from_fn(|_| M::default())
        }
        let at = |field: layout::Field| Constant::new(field.at.to_bits());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            replicate: Default::default(),
            in_ready: Default::default(),
            in_valid: Default::default(),
            in_id: Default::default(),
            in_word: Default::default(),
            in_keyed: Default::default(),
            in_named: Default::default(),
            in_way: Default::default(),
            in_watches: Default::default(),
            in_frees: Default::default(),
            late_command: Default::default(),
            late_flags: Default::default(),
            late_term: Default::default(),
            out_valid: Default::default(),
            out_outcome: Default::default(),
            out_created: Default::default(),
            out_found: Default::default(),
            out_freed: Default::default(),
            out_place: Default::default(),
            out_id: Default::default(),
            out_changed: Default::default(),
            out_first: Default::default(),
            out_before: Default::default(),
            out_after: Default::default(),
            held_flows: Default::default(),
            word: many(),
            keyed: many(),
            asked: many(),
            makes: Default::default(),
            has_term: Default::default(),
            dated: Default::default(),
            with_entry: Default::default(),
            with_last: Default::default(),
            with_second: Default::default(),
            wrote: many(),
            wrote_last: Default::default(),
            wrote_second: Default::default(),
            differs: Default::default(),
            now: Default::default(),
            flags: Default::default(),
            groups: Default::default(),
            has_cookie: Default::default(),
            old: Default::default(),
            old_flags: Default::default(),
            old_groups: Default::default(),
            old_low: Default::default(),
            old_high: Default::default(),
            is_found: Default::default(),
            is_made: Default::default(),
            is_live: Default::default(),
            upserts: Default::default(),
            deletes: Default::default(),
            is_row: Default::default(),
            is_remade: Default::default(),
            writes_flow: Default::default(),
            same_key: Default::default(),
            absent: Default::default(),
            renews: Default::default(),
            changes: Default::default(),
            adds: Default::default(),
            loses: Default::default(),
            renames: Default::default(),
            ends: Default::default(),
            allowed: Default::default(),
            sent: Default::default(),
            advances: Default::default(),
            stamps: Default::default(),
            clock_low: Default::default(),
            clock_high: Default::default(),
            is_behind: Default::default(),
            next_high: Default::default(),
            low: Default::default(),
            high: Default::default(),
            version: Default::default(),
            term_count: Default::default(),
            incarnation: Default::default(),
            new_flags: Default::default(),
            new_groups: Default::default(),
            ended_version: Default::default(),
            is_full: Default::default(),
            is_end: Default::default(),
            is_update: Default::default(),
            is_window: Default::default(),
            is_partial: Default::default(),
            is_record: Default::default(),
            group_differs: Default::default(),
            now_term: Default::default(),
            old_term: Default::default(),
            is_same_version: Default::default(),
            is_older: Default::default(),
            is_tie: Default::default(),
            next_low: Default::default(),
            base: Default::default(),
            old_version: Default::default(),
            has_base: Default::default(),
            is_malformed: Default::default(),
            is_equal: Default::default(),
            creates: Default::default(),
            replaces: Default::default(),
            equals: Default::default(),
            amends: Default::default(),
            buries: Default::default(),
            restates: Default::default(),
            is_stale: Default::default(),
            paints: Default::default(),
            partial: Default::default(),
            counts: Default::default(),
            takes: Default::default(),
            take: Default::default(),
            keep: Default::default(),
            after: Default::default(),
            verdict: Default::default(),
            part: std::array::from_fn(|bit| Constant::new(mask(part(bit)))),
            held: Constant::new(mask(&computed())),
            digest: Constant::new(mask(&[field::DIGEST])),
            term: Constant::new(mask(&[field::TERM])),
            all_ones: Constant::new(0xff_ffffu32.to_bits()),
            flags_at: at(field::FLAGS),
            groups_at: at(field::GROUPS),
            incarnation_at: at(field::INCARNATION),
            // Behind the member.
            term_count_at: Constant::new((field::TERM.at + 8).to_bits()),
            version_at: at(field::VERSION),
            version_high_at: Constant::new((field::VERSION.at + 24).to_bits()),
            ended_at: at(field::ENDED_VERSION),
            family_at: at(field::IS_V6),
            term_at: at(field::TERM),
            cookie_at: at(field::COOKIE),
            valid9: Default::default(),
            outcome9: Default::default(),
            found9: Default::default(),
            freed9: Default::default(),
            place9: Default::default(),
            id9: Default::default(),
            changed9: Default::default(),
            first9: Default::default(),
            created9: Default::default(),
            before9: Default::default(),
            after9: Default::default(),
        }
    }
}
