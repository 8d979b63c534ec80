//! Narrow copies of the flow table's parts.

use super::{plain, Subject};
use hw::table::Tags;

/// What the memories of two sets of tags hold and say, by what the claims call it; and what is made of it.
const TAGS_LOOKS: [(&str, &str); 20] = [
    ("first_0", r"\block.memory_0.held[0]"),
    ("second_0", r"\block.memory_0.held[1]"),
    ("first_1", r"\block.memory_1.held[0]"),
    ("second_1", r"\block.memory_1.held[1]"),
    ("first_2", r"\block.memory_2.held[0]"),
    ("second_2", r"\block.memory_2.held[1]"),
    ("first_3", r"\block.memory_3.held[0]"),
    ("second_3", r"\block.memory_3.held[1]"),
    ("read_0", "block.memory_0.read_word"),
    ("data_0", "block.memory_0_read_data"),
    ("read_1", "block.memory_1.read_word"),
    ("data_1", "block.memory_1_read_data"),
    ("read_2", "block.memory_2.read_word"),
    ("data_2", "block.memory_2_read_data"),
    ("read_3", "block.memory_3.read_word"),
    ("data_3", "block.memory_3_read_data"),
    ("taken_2", "block.taken2"),
    ("taken_3", "block.taken"),
    ("equal_2", "block.equal2"),
    ("equal_3", "block.equal"),
];

/// Tags of two bits in two sets.
pub(super) const TAGS: Subject =
    Subject { looks: &TAGS_LOOKS, ..plain("tags", tags, include_str!("tags.v")) };

fn tags() -> String {
    beside_anything(&hw::export("tags", &mut *Box::<Tags<1, 2, 3>>::default()))
}

/// The text with block RAMs of which a read beside a write of the same word gives anything, and whose words
/// are registers with names.
///
/// # Panics
/// If there is no block RAM of words of 3 bits.
fn beside_anything(text: &str) -> String {
    let changes = [
        ("(* no_rw_check *) reg", "(* mem2reg *) reg"),
        ("reg [2:0] read_word;", "reg [2:0] read_word;\nwire [2:0] anything;"),
        (
            "read_word <= held[read_address];",
            "read_word <= write_held && write_address_held == read_address ? anything : held[read_address];",
        ),
    ];
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}`");
        text.replace(from, to)
    })
}
