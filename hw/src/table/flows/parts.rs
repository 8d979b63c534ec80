//! What the flows are made of, and where the fields lie that their loop looks at.

use super::super::difference::{compared, mask, BITS};
use super::{Flows, PARTS};
use crate::layout::{self, field};
use crate::prim::constant;
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
        let at = |field: layout::Field| Constant::new(field.at.to_bits());
        block! {
            part: std::array::from_fn(|bit| Constant::new(mask(part(bit)))),
            held: Constant::new(mask(&computed())),
            digest: Constant::new(mask(&[field::DIGEST])),
            term: Constant::new(mask(&[field::TERM])),
            all_ones: constant((1 << field::VERSION.bits) - 1),
            flags_at: at(field::FLAGS),
            groups_at: at(field::GROUPS),
            incarnation_at: at(field::INCARNATION),
            // Behind the member.
            term_count_at: Constant::new((field::TERM.at + 8).to_bits()),
            version_at: at(field::VERSION),
            ended_at: at(field::ENDED_VERSION),
            family_at: at(field::IS_V6),
            term_at: at(field::TERM),
            cookie_at: at(field::COOKIE),
            ..clock reset replicate in_ready in_valid in_id in_word in_keyed in_named in_way in_watches
            in_frees late_command late_flags late_term out_valid out_outcome out_created out_found out_freed
            out_place out_id out_changed out_first out_before out_after held_flows word keyed asked makes
            has_term dated coming wish coming_groups coming_cookie coming_term coming_upserts coming_whole
            whole moves has_cookie sends upserts deletes may_be_row may_rename may_write begins is_window
            is_partial is_record asks ends_named with_entry with_last own late last less less7 base base7
            base_less7 near_base follow is_later is_equal fits is_under took counted stated differs now flags
            groups clock_now old old_flags old_groups old_version is_found is_made is_live unlike other_term
            other_life absent group_differs next is_behind is_same_version is_on_base is_under_term is_row
            is_open renews changes completes adds renames ends is_written news fills sent advances stamps
            is_full is_end is_update is_older is_tie has_base is_malformed amends other_start unequal_groups
            is_unequal is_newer brings unused replaces states creates buries restates is_stale paints counts
            lacks amended takes_version version begun term_count incarnation new_flags new_groups
            ended_version takes take keep after verdict own_start start_less last_count last_start
            is_next_start starts began_next began_stated is_stated valid9 outcome9 found9 freed9 place9 id9
            changed9 first9 created9 before9 after9
        }
    }
}
