//! Every block of the suite against its model.

#[allow(dead_code)] // What other programs use of it.
mod suite;

use verilator_tests::Failed;

macro_rules! blocks {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() -> Result<(), Failed> {
                suite::$name::BLOCK.check()
            }
        )*

        #[test]
        fn every_block_is_checked() {
            let names: Vec<&str> = suite::BLOCKS.iter().map(|block| block.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

blocks!(slice registers flow_hash);
