//! Every block at one size under one name: what leaves the crate as a file.
//!
//! Enters: a name. Leaves: Verilog that stands alone, with a head that says what made it. A block that is
//! missing here fails a test, and so does a text that one of three readers objects to.

use crate::{
    amounts, card, counters, crc, csr, decode, digest, dirty, egress, emitted, engine, expander, framer,
    hash, ingress, intake, map, marks, outbound, pool, prim, receive, record, sums, sweeper, table, taker,
    tally,
};
use formats::register::Counter;

/// Bytes of a beat on the wide buses.
const BEAT_BYTES: usize = 64;

/// Of the thread that makes a block.
const STACK_BYTES: usize = 256 << 20;

/// One block at one size.
pub struct Top {
    /// Of the module and its file.
    pub name: &'static str,
    /// The block in this crate.
    pub block: &'static str,
    /// What it was made with.
    pub parameters: &'static [(&'static str, usize)],
    text: fn(&str) -> String,
}

impl Top {
    /// The whole file.
    pub fn verilog(&self) -> String {
        let parameters: String =
            self.parameters.iter().map(|(name, value)| format!(", {name} = {value}")).collect();
        let (package, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let (text, name) = (self.text, self.name);
        // A block is made on the stack, and a card is larger than that of a test.
        let maker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || text(name));
        let text = match maker.expect("a thread").join() {
            Ok(text) => text,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        format!("// {package} {version}, block {}{parameters}.\n{text}", self.block)
    }
}

/// The text of the top of that name.
///
/// # Panics
/// If there is none.
pub fn verilog(name: &str) -> String {
    let top = TOPS.iter().find(|top| top.name == name);
    top.unwrap_or_else(|| panic!("no top `{name}`")).verilog()
}

macro_rules! tops {
    ($($name:ident: $($block:ident)::+ {$($parameter:ident = $value:expr),*} $(= $make:expr)?;)*) => {
        /// Every top. A constant would have each crate that reads it compile every block again.
        pub static TOPS: &[Top] = &[$(Top {
            name: stringify!($name),
            block: concat!("hw", $("::", stringify!($block)),+),
            parameters: &[$((stringify!($parameter), $value)),*],
            text: |name| {
                // Some are too big for the stack of a test.
                let mut block: Box<$($block)::+<$({ $value }),*>> = tops!(@make $($make)?);
                crate::export(name, &mut *block)
            },
        }),*];
    };
    (@make) => { Default::default() };
    (@make $make:expr) => { Box::new($make) };
}

tops! {
    skid: prim::SkidBuffer { W = 576 };
    fifo: prim::Fifo { W = 64, A = 4, P = 5 };
    delay: prim::Delay { W = 40, N = 5 };
    lut_memory: prim::LutMemory { W = 64, A = 4 };
    twin_memory: prim::TwinMemory { W = 64, A = 4 };
    memory: prim::Memory { W = 64, A = 4 };
    loop_memory: prim::LoopMemory { W = 64, A = 3, E = 48 };
    paced_memory: prim::PacedMemory { W = 64, A = 4 };
    multiplier: prim::Multiplier { A = 32, B = 32, P = 64 };
    arbiter: prim::Arbiter {};
    crc32: prim::XorMatrix { I = crc::CRC_BITS + 8 * BEAT_BYTES, O = crc::CRC_BITS }
        = prim::XorMatrix::new(crc::step_rows(BEAT_BYTES));
    wires: prim::Wires { I = 40, O = 64 } = prim::Wires::new(prim::Wire::SAMPLE);
    flow_hash: hash::FlowHash {};
    expander: expander::Expander {};
    same_flow: table::SameFlow {};
    tags: table::Tags { S = 10, T = 30, V = 31 };
    flow_table: table::Table { S = 10, T = 30, V = 31, A = 12 };
    difference: table::Difference {};
    flows: table::Flows { S = 10, T = 30, V = 31, A = 12 };
    record: record::RecordBuilder {};
    out_buffer: framer::OutBuffer { W = 512, K = 64, U = 4 };
    framer_512: framer::Framer { W = 512, K = 64, U = 4, T = 7 };
    framer_256: framer::Framer { W = 256, K = 32, U = 2, T = 4 };
    framer_128: framer::Framer { W = 128, K = 16, U = 1, T = 4 };
    flow_digest: digest::FlowDigest {};
    bucket_sums: sums::BucketSums { A = 10, P = 11 };
    tally: tally::Tally { A = 12 };
    marks: marks::Marks { W = 8 };
    map: map::Map {};
    told: taker::Told {};
    taker: taker::Taker { S = 10, P = 2 };
    taker_9: taker::Taker { S = 9, P = 2 };
    taker_14: taker::Taker { S = 14, P = 6 };
    counters: counters::Counters { C = Counter::COUNT };
    csr: csr::Csr { S = csr::STORED, V = 32 * csr::STORED, N = csr::SAID, U = 32 * csr::SAID }
        = csr::Csr::new(&csr::Words::declared());
    outbound: outbound::Outbound { T = 6, Q = 1528 };
    receive: receive::Receive {};
    intake: intake::Intake {};
    dirty: dirty::Dirty {};
    emitted: emitted::Emitted {};
    engine: engine::Engine { S = 10, T = 30, V = 31, A = 12, P = 2 };
    verdict: decode::Verdict {};
    decode: decode::RecordDecoder {};
    frame_crc: ingress::crc::FrameCrc { W = 512, K = 64, U = 4 };
    frame_crc_128: ingress::crc::FrameCrc { W = 128, K = 16, U = 1 };
    header_check: ingress::header::HeaderCheck { W = 128, K = 16, U = 1, H = 4 };
    peer_table: ingress::peers::PeerTable {};
    frame_store: ingress::store::FrameStore { W = 32, M = 33, A = 4 };
    aligner: ingress::align::Aligner { W = 512, D = 896, U = 4, C = 4 };
    ingress: ingress::Ingress { W = 512, K = 64, U = 4, D = 896, M = 513, H = 1, C = 4, A = 9 };
    ingress_256: ingress::Ingress { W = 256, K = 32, U = 2, D = 384, M = 257, H = 2, C = 8, A = 10 };
    ingress_128: ingress::Ingress { W = 128, K = 16, U = 1, D = 128, M = 129, H = 4, C = 16, A = 11 };
    sweeper: sweeper::Sweeper { S = 10 };
    sweeper_9: sweeper::Sweeper { S = 9 };
    sweeper_12: sweeper::Sweeper { S = 12 };
    pages: pool::Pages { P = 4, N = 5 };
    pool_512: pool::Pool { W = 512, U = 4, D = 6, P = 10, N = 11, B = 12, F = 9, C = 4 };
    pool_128: pool::Pool { W = 128, U = 1, D = 3, P = 7, N = 8, B = 9, F = 6, C = 4 };
    egress_512: egress::Egress
        { W = 512, K = 64, U = 4, T = 7, D = 6, P = 10, N = 11, B = 12, F = 9, C = 4 };
    egress_128: egress::Egress
        { W = 128, K = 16, U = 1, T = 4, D = 3, P = 7, N = 8, B = 9, F = 6, C = 4 };
    amounts: amounts::Amounts {};
    card_512: card::Card
        { W = 512, K = 64, U = 4, IR = 896, IM = 513, IH = 1, IC = 4, IA = 9, ET = 7, ED = 6, EP = 10, EN = 11, EB = 12,
          EF = 9, EC = 4, S = 10, T = 30, V = 31, A = 12, P = 2 };
    card_128: card::Card
        { W = 128, K = 16, U = 1, IR = 128, IM = 129, IH = 4, IC = 16, IA = 10, ET = 4, ED = 3, EP = 7, EN = 8, EB = 9,
          EF = 6, EC = 4, S = 9, T = 31, V = 32, A = 11, P = 2 };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn three_readers_accept_every_top() {
        for top in TOPS {
            let text = top.verilog();
            crate::readers::check(top.name, &text);
            crate::yosys::check(top.name, &text);
        }
    }

    #[test]
    fn three_readers_accept_the_card_in_another_design() {
        let text = format!("{}{}", include_str!("../examples/mirror.v"), verilog("card_128"));
        // Several modules in one file, as a design has several files.
        let text = format!("/* verilator lint_off DECLFILENAME */\n{text}");
        crate::readers::check("mirror", &text);
        crate::yosys::check("mirror", &text);
    }

    #[test]
    fn no_file_overwrites_another() {
        let names: BTreeSet<&str> = TOPS.iter().map(|top| top.name).collect();
        assert_eq!(names.len(), TOPS.len());
    }

    /// `Name<A, B>` of each block in the sources below `folder`, tests left out.
    fn blocks(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("our sources") {
            let path = entry.expect("our sources").path();
            if path.is_dir() {
                blocks(&path, found);
                continue;
            }
            if path.ends_with("tests.rs") {
                continue;
            }
            let source = fs::read_to_string(&path).expect("our sources");
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            // A long list of parameters ends on a line of its own.
            let blocks = source.lines().filter_map(|line| {
                let (head, block) = line.split_once("Logic for ")?;
                (head.starts_with("impl") || head.trim() == ">").then_some(block)
            });
            found.extend(blocks.map(|block| block.trim_end_matches(" {").to_owned()));
        }
    }

    #[test]
    fn every_block_is_a_top_with_its_parameters_by_name() {
        let mut sources = BTreeSet::new();
        blocks(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
        let tops = TOPS.iter().map(|top| {
            let names: Vec<&str> = top.parameters.iter().map(|(name, _)| *name).collect();
            let parameters = if names.is_empty() { String::new() } else { format!("<{}>", names.join(", ")) };
            format!("{}{parameters}", top.block.rsplit("::").next().unwrap_or_default())
        });
        let tops: BTreeSet<String> = tops.collect();
        assert_eq!(tops, sources, "`tops!` lists every block");
    }

    #[test]
    fn the_page_of_synthesis_names_tops_that_are_there() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/synthesis.md");
        let page = fs::read_to_string(page).expect("our page");
        let rows = |table: &str| -> Vec<String> {
            let lines = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
            lines.map(|(name, _)| name.to_owned()).collect()
        };
        let tables: Vec<Vec<String>> = page.split("\n## ").skip(1).map(rows).collect();
        assert_eq!(tables.len(), 3, "one table for each family and one of paths");
        assert!(!tables[0].is_empty(), "`cargo xtask synth` writes the page");
        // A new top may wait for its row: `cargo xtask synth --check`, in the long gate, asks for it.
        let tops = TOPS.iter().map(|top| top.name.to_owned());
        let listed: Vec<String> = tops.filter(|name| tables[0].contains(name)).collect();
        for names in tables {
            assert_eq!(names, listed, "`cargo xtask synth` rewrites the page");
        }
    }

    #[test]
    fn the_head_says_what_made_it() {
        let text = verilog("fifo");
        let head = text.lines().next().unwrap_or_default();
        assert!(head.starts_with("// trine-hw "), "{head}");
        assert!(head.ends_with(", block hw::prim::Fifo, W = 64, A = 4, P = 5."), "{head}");
        assert!(text.contains("\nmodule fifo ("), "{text}");
    }
}
