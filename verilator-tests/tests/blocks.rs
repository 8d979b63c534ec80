//! Every block of the suite against its model.

#[allow(dead_code)] // What other programs use of it.
mod suite;

use suite::BLOCKS;
use verilator_tests::Failed;

macro_rules! blocks {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() -> Result<(), Failed> {
                let block = BLOCKS.iter().find(|block| block.name == stringify!($name));
                block.expect("a block of that name").check()
            }
        )*

        #[test]
        fn every_block_is_checked() {
            let names: Vec<&str> = BLOCKS.iter().map(|block| block.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

blocks!(slice registers copier skid fifo delay lut_memory twin_memory memory loop_memory paced_memory multiplier arbiter wires xor_tables xor_sums crc_tables crc_sums flow_hash expander same_flow tags flow_table difference flows record outbound receive intake dirty emitted engine out_buffer framer_512 framer_256 framer_128 flow_digest bucket_sums tally marks map told taker taker_9 taker_14 counters csr verdict decode frame_crc frame_crc_128 header_check peer_table frame_store aligner ingress ingress_256 ingress_128 sweeper sweeper_9 sweeper_12 pages pool_512 pool_128 egress_512 egress_128 amounts card_512 card_128);

#[test]
fn every_top_of_the_crate_is_checked() {
    let checked: Vec<String> = BLOCKS.iter().map(|block| block.design().top().to_owned()).collect();
    let missing: Vec<&str> = hw::tops::TOPS
        .iter()
        .map(|top| top.name)
        .filter(|top| !checked.iter().any(|name| name == top))
        .collect();
    assert!(missing.is_empty(), "no test of {missing:?}");
}
