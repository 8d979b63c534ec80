//! What Verilator and Icarus Verilog say about exported text as it comes: no argument makes them lenient.

use std::process::{id, Command};

/// Fails with the words of the reader that objects to the top `name` of `text`.
pub(crate) fn check(name: &str, text: &str) {
    // Named like its top, which Verilator looks for; tests run as threads and as processes.
    let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-");
    let folder = std::env::temp_dir().join(format!("verilog-{}-{thread}-{name}", id()));
    std::fs::create_dir(&folder).expect("a folder of our own");
    let path = folder.join(name).with_extension("v");
    std::fs::write(&path, text).expect("a file of our own");
    let readers: [(&str, &[&str]); 2] = [
        ("verilator", &["--lint-only", "-Wall", "--top-module", name]),
        ("iverilog", &["-g2012", "-t", "null"]),
    ];
    let outputs = readers
        .map(|(program, arguments)| (program, Command::new(program).args(arguments).arg(&path).output()));
    std::fs::remove_dir_all(&folder).expect("it is ours");
    for (program, output) in outputs {
        let output =
            output.unwrap_or_else(|problem| panic!("{program}: {problem}; `apt-get install {program}`"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{program} about `{name}`:\n{said}");
    }
}

#[test]
#[should_panic(expected = "verilator about `m`")]
fn a_width_that_differs_is_found() {
    check("m", "module m (input wire [3:0] a, output wire [2:0] b);\nassign b = a;\nendmodule\n");
}

#[test]
#[should_panic(expected = "iverilog about `m`")]
fn what_verilator_lets_pass_is_found() {
    check("m", "module m (output wire a);\n`ifdef VERILATOR\nassign a = 0;\n`else\nassign a = missing;\n`endif\nendmodule\n");
}
