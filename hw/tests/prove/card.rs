//! Ports of a whole card: the parts behind a port as they are, all others cut away.
//!
//! Enters: a top. Leaves: its text without the insides of most modules. What such a module says is anything
//! in any clock, so that what is proven holds beside every part that could stand there. The way from a part
//! to the port is the card's own.

use super::{plain, Subject};

/// Registers of a framer and of its last stage, by what the claims call them.
const REGISTERS: [(&str, &str); 17] = [
    ("busy", "busy_q"),
    ("is_dropped", "is_dropped_q"),
    ("valid_1", "valid_1_q"),
    ("valid_2", "valid_2_q"),
    ("valid_3", "valid_3_q"),
    ("valid_4", "valid_4_q"),
    ("last_1", "last_1_q"),
    ("last_2", "last_2_q"),
    ("last_3", "last_3_q"),
    ("last_4", "last_4_q"),
    ("may", "out.may_q"),
    ("sent", "out.sent_q"),
    ("has_any", "out.has_any_q"),
    ("owed", "out.owed_q"),
    ("level", "out.level_q"),
    ("read_index", "out.read_index_q"),
    ("write_index", "out.write_index_q"),
];
/// What fills its beats.
const FILLING: [&str; 5] = ["header_word", "data_3", "data_4", "sum_4", "out_memory"];

/// Frames that leave, at each width.
pub(super) const FRAMES: [Subject; 3] = [
    frames("card_512_frames", "block.egress.framer.", "-D BLOCK=card_512 -D BYTES=64", || {
        card_frames("card_512")
    }),
    frames("framer_256_frames", "block.", "-D BLOCK=framer_256 -D BYTES=32", || {
        cut("framer_256", &[], &[""], &FILLING)
    }),
    frames("card_128_frames", "block.egress.framer.", "-D BLOCK=card_128 -D BYTES=16", || {
        card_frames("card_128")
    }),
];

/// What a card tells its host and its driver. Widths and parts of it are those of every card.
pub(super) const ANSWERS: [Subject; 2] = [
    plain("card_host", told, include_str!("told.v")),
    plain("card_driver", answers, include_str!("answers.v")),
];

const fn frames(
    name: &'static str,
    at: &'static str,
    defines: &'static str,
    text: fn() -> String,
) -> Subject {
    Subject { defines, at, looks: &REGISTERS, ..plain(name, text, include_str!("frames.v")) }
}

fn card_frames(card: &str) -> String {
    let filling = FILLING.map(|name| format!("egress_framer_{name}"));
    cut(card, &["", "egress"], &["egress_framer"], &filling.each_ref().map(String::as_str))
}

fn told() -> String {
    let on_way = ["", "engine", "engine_receive", "engine_taker"];
    let queues = ["engine_receive_queue", "engine_taker_events"];
    cut("card_512", &on_way, &queues, &["engine_receive_queue_memory", "engine_taker_events_memory"])
}

fn answers() -> String {
    cut("card_512", &[""], &["csr"], &[])
}

/// The text of `top` in which a module has its inside only if it is one of `on_way`, or one of `whole` or a
/// part of it and none of `free`. Names are those of modules without the top's before them.
///
/// # Panics
/// If one of the names is no module's.
fn cut(top: &str, on_way: &[&str], whole: &[&str], free: &[&str]) -> String {
    let text = hw::tops::verilog(top);
    let (mut out, mut found) = (String::new(), Vec::new());
    for module in text.split("\nmodule ").skip(1) {
        let (head, body) = module.split_once(");\n").expect("a list of ports");
        let (body, _) = body.split_once("\nendmodule").expect("an end");
        let name = head.split(' ').next().unwrap_or_default();
        let name = name.strip_prefix(top).expect("a module of the top").trim_start_matches('_');
        let is_of = |whole: &&str| {
            name.strip_prefix(*whole)
                .is_some_and(|rest| whole.is_empty() || rest.is_empty() || rest.starts_with('_'))
        };
        let is_kept = on_way.contains(&name) || whole.iter().any(is_of);
        let body = if is_kept && !free.contains(&name) { body } else { "" };
        out += &format!("module {head});\n{body}\nendmodule\n");
        found.push(name);
    }
    for name in [on_way, whole, free].concat() {
        assert!(found.contains(&name), "`{top}` has no module `{name}`");
    }
    out
}
