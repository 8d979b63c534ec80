//! Every proof, and for each property a fault of one line that refutes it.

mod prove;

use prove::{Verdict, SUBJECTS};
use std::collections::btree_map::{BTreeMap, Entry};

/// Faults: block, line, faulty line, and the property that must fall.
const FAULTS: [(&str, &str, &str, &str); 68] = [
    ("fifo", "write_index_d = write_index_q + 32'h1;", "write_index_d = write_index_q + 32'h2;", "order"),
    ("fifo", "has_any_d = level_q != 32'h1;", "has_any_d = 1'b1;", "nothing_from_nothing"),
    ("fifo", "s_axis_tready = ~level_q[top_bit] & ~reset;", "s_axis_tready = ~reset;", "no_more_than_places"),
    (
        "fifo",
        "s_axis_tready = ~level_q[top_bit] & ~reset;",
        "s_axis_tready = ~level_q[top_bit];",
        "nothing_taken_in_reset",
    ),
    (
        "fifo",
        "leaves = has_any_q & (m_axis_tready | ~out_valid_q);",
        "leaves = has_any_q;",
        "held_until_taken",
    ),
    (
        "fifo",
        "leaves = has_any_q & (m_axis_tready | ~out_valid_q);",
        "leaves = has_any_q & m_axis_tready;",
        "comes_out_in_two",
    ),
    (
        "fifo",
        "s_axis_tready = ~level_q[top_bit] & ~reset;",
        "s_axis_tready = ~level_q[top_bit] & ~reset & ~out_valid_q;",
        "takes_while_there_is_room",
    ),
    ("fifo", "count = level_q;", "count = write_index_q;", "count_is_right"),
    ("skid", "out_d = held_q;", "out_d = s_axis_tdata;", "order"),
    ("skid", "out_valid_d = s_axis_tvalid;", "out_valid_d = 1'b1;", "nothing_from_nothing"),
    ("skid", "if (ready_q & s_axis_tvalid) begin", "if (1'b0) begin", "no_more_than_places"),
    ("skid", "if (reset) begin", "if (1'b0) begin", "not_ready_after_reset"),
    ("skid", "moves = m_axis_tready | ~out_valid_q;", "moves = 1'b1;", "held_until_taken"),
    ("skid", "out_valid_d = s_axis_tvalid;", "out_valid_d = s_axis_tvalid & out_valid_q;", "comes_out_next"),
    ("skid", "ready_d = 1'b1;", "ready_d = ~ready_q;", "takes_while_it_moves"),
    ("arbiter", "grant = chosen;", "grant = chosen | 32'h1;", "one_grant_at_most"),
    ("arbiter", "grant = 32'h2;", "grant = 32'h8;", "only_who_asks"),
    ("arbiter", "grant = 32'h8;", "grant = 32'h0;", "no_slot_is_lost"),
    (
        "arbiter",
        "is_eighth = slot_q == 32'h7;",
        "is_eighth = slot_q >= 32'h6;",
        "number_0_waits_one_slot_in_eight",
    ),
    ("arbiter", "if (chosen == 32'h8) begin", "if (1'b0) begin", "number_1_waits_less_than_24"),
    ("arbiter", "if (chosen == 32'h2) begin", "if (1'b0) begin", "number_2_waits_less_than_24"),
    ("arbiter", "if (chosen == 32'h4) begin", "if (1'b0) begin", "number_3_waits_less_than_24"),
    ("arbiter", "slot_d = slot_q + 32'h1;", "slot_d = slot_q;", "alone_beside_0_waits_less_than_8"),
    (
        "matrix",
        "words[256 + {24'b0, padded[15:8]}]",
        "words[0 + {24'b0, padded[15:8]}]",
        "both_bodies_are_equal",
    ),
    (
        "csr",
        "writes = is_decoded_q & has_data_q & ~answer_valid_q;",
        "writes = is_decoded_q & ~answer_valid_q;",
        "write_answers_only_what_came",
    ),
    ("csr", "answer_valid_d = 1'b1;", "answer_valid_d = is_known;", "write_is_answered"),
    ("csr", "if (s_axil_bready) begin", "if (1'b1) begin", "write_answer_is_held"),
    ("csr", "decodes_d = takes_read;", "decodes_d = s_axil_arvalid;", "read_answers_only_what_came"),
    ("csr", "chooses_d = decodes_q;", "chooses_d = decodes_q & ~asks_q & ~is_high;", "read_is_answered"),
    ("csr", "if (read_valid_q & s_axil_rready) begin", "if (read_valid_q) begin", "read_answer_is_held"),
    ("csr", "s_axil_awready = ~has_address_q & ~reset;", "s_axil_awready = ~reset;", "no_second_address"),
    ("csr", "s_axil_arready = ~reading_q & ~reset;", "s_axil_arready = ~reset;", "no_second_read"),
    (
        "csr",
        "s_axil_wready = ~has_data_q & ~reset;",
        "s_axil_wready = ~has_data_q;",
        "nothing_taken_in_reset",
    ),
    ("csr", "if (clear[0] | reset) begin", "if (clear[0]) begin", "nothing_written_in_reset"),
    ("csr", "is_written_0_d = |write_bytes_q;", "is_written_0_d = 1'b0;", "changes_only_when_written"),
    ("csr", "is_known = is_known | hits_1_q;", "", "refused_changes_nothing"),
    ("csr", "answer_d = 32'h2;", "answer_d = 32'h0;", "reserved_is_refused"),
    ("csr", "if (asks_q & counter_ready) begin", "if (asks_q) begin", "counter_is_asked_until_taken"),
    ("csr", "asks_d = 1'b1;", "asks_d = 1'b1; read_valid_d = 1'b1;", "counter_is_asked_for_a_read"),
    ("out_buffer", "moves = m_axis_tready | ~valid_q;", "moves = 1'b1;", "held_until_taken"),
    ("out_buffer", "may_d = 1'b0;", "may_d = may_q;", "silent_after_reset"),
    ("pages", "spare_valid_d = ~none_fresh | has_any_q;", "spare_valid_d = 1'b1;", "never_twice"),
    ("pages", "read_index_d = read_index_q + 32'h1;", "read_index_d = read_index_q;", "comes_in_turn"),
    ("pages", "if (free ^ leaves) begin", "if (leaves) begin", "none_is_lost"),
    ("pages", "moves = take | ~spare_valid_q;", "moves = 1'b1;", "held_until_taken"),
    ("tags", "out_valid = valid_3_q;", "out_valid = valid_2_q;", "answered_in_order"),
    ("tags", "last = wrote_0_q;", "last = 32'h0;", "found_in_its_way_if_held"),
    (
        "tags",
        "made = valid_2_q & late_makes & ~is_hit & |free;",
        "made = valid_2_q & late_makes & ~is_hit & |free[2:0];",
        "made_if_there_is_room",
    ),
    (
        "tags",
        "free = ((taken + 32'h1) & 4'hf) & ~taken;",
        "free = ((taken3_q + 32'h1) & 4'hf) & ~taken3_q;",
        "never_over_another",
    ),
    ("tags", "hit = taken & way_2_q;", "hit = taken3_q & way_2_q;", "named_is_found_if_taken"),
    ("tags", "named_tag = memory_1_read_data", "named_tag = memory_0_read_data", "named_has_its_tag"),
    ("card_512_frames", "moves = m_axis_tready | ~valid_q;", "moves = 1'b1;", "held_until_taken"),
    (
        "card_512_frames",
        "many = owed_q[32'h4] | &owed_q[(32'h0)+:(4)];",
        "many = owed_q[32'h2];",
        "no_gap_in_a_frame",
    ),
    ("card_512_frames", "may_d = 1'b0;\n            valid_d = 1'b0;", "may_d = 1'b0;", "silent_after_reset"),
    ("framer_256_frames", "moves = m_axis_tready | ~valid_q;", "moves = 1'b1;", "held_until_taken"),
    (
        "framer_256_frames",
        "many = owed_q[32'h4] | &owed_q[(32'h0)+:(4)];",
        "many = owed_q[32'h2];",
        "no_gap_in_a_frame",
    ),
    (
        "framer_256_frames",
        "may_d = 1'b0;\n            valid_d = 1'b0;",
        "may_d = 1'b0;",
        "silent_after_reset",
    ),
    ("card_128_frames", "moves = m_axis_tready | ~valid_q;", "moves = 1'b1;", "held_until_taken"),
    (
        "card_128_frames",
        "many = owed_q[32'h4] | &owed_q[(32'h0)+:(4)];",
        "many = owed_q[32'h2];",
        "no_gap_in_a_frame",
    ),
    ("card_128_frames", "may_d = 1'b0;\n            valid_d = 1'b0;", "may_d = 1'b0;", "silent_after_reset"),
    (
        "card_host",
        "if (m_axis_tready) begin\n            out_valid_d = 1'b0;",
        "if (1'b1) begin\n            out_valid_d = 1'b0;",
        "record_waits",
    ),
    (
        "card_host",
        "leaves = has_any_q & (m_axis_tready | ~out_valid_q);",
        "leaves = has_any_q;",
        "first_quarter_waits",
    ),
    (
        "card_host",
        "leaves = has_any_q & (m_axis_tready | ~out_valid_q);",
        "leaves = has_any_q;",
        "second_quarter_waits",
    ),
    ("card_host", ".m_axis_tready(host_tready),", ".m_axis_tready(event_tready),", "third_quarter_waits"),
    ("card_host", ".m_axis_tready(host_tready),", ".m_axis_tready(event_tready),", "last_quarter_waits"),
    ("card_host", ".event_tready(event_tready),", ".event_tready(host_tready),", "event_waits"),
    ("card_driver", "if (s_axil_bready) begin", "if (1'b1) begin", "write_answer_is_held"),
    ("card_driver", ".s_axil_rready(s_axil_rready),", ".s_axil_rready(1'b1),", "read_answer_is_held"),
];

/// Every property of the block holds, and each has a fault that refutes it.
fn holds_and_can_fail(name: &str) -> Result<(), String> {
    let subject = SUBJECTS.iter().find(|subject| subject.name == name).ok_or("no such block")?;
    let text = (subject.text)();
    let circuit = subject.circuit(&text)?;
    assert!(!circuit.properties.is_empty(), "`{name}` claims nothing");
    let without = |fault: &&(&str, &str, &str, &str)| {
        fault.0 == name && !circuit.properties.iter().any(|property| property == fault.3)
    };
    assert_eq!(FAULTS.iter().find(without), None, "{name}: a fault of no property");
    let mut faulty = BTreeMap::new();
    for (number, property) in circuit.properties.iter().enumerate() {
        let (verdict, _) = circuit.decide(number)?;
        assert_eq!(verdict, Verdict::Proven, "{name}: {property}");
        let refutes = |fault: &&(&str, &str, &str, &str)| fault.0 == name && fault.3 == property;
        let (_, right, wrong, _) =
            FAULTS.iter().find(refutes).unwrap_or_else(|| panic!("{name}: no fault for {property}"));
        assert!(text.contains(right), "{name}: no line `{right}`");
        // Making gates of a card takes longer than most proofs.
        let circuit = match faulty.entry((right, wrong)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(none) => none.insert(subject.circuit(&text.replacen(right, wrong, 1))?),
        };
        let (verdict, _) = circuit.decide(number)?;
        assert_eq!(verdict, Verdict::Refuted, "{name}: {property} with `{wrong}`");
    }
    Ok(())
}

macro_rules! proofs {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() -> Result<(), String> {
                holds_and_can_fail(stringify!($name))
            }
        )*

        #[test]
        fn every_block_is_proven() {
            assert_eq!(SUBJECTS.map(|subject| subject.name), [$(stringify!($name)),*]);
        }
    };
}

proofs!(fifo skid arbiter matrix csr out_buffer pages tags card_512_frames framer_256_frames card_128_frames card_host card_driver);
