//! What Yosys says about exported text: undeclared names, latches, several drivers, loops.

use std::process::{id, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Fails with the words of Yosys if it finds anything wrong with the top `name` of `text`.
pub(crate) fn check(name: &str, text: &str) {
    // Tests run at once, as threads and as processes.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("yosys-{}-{number}-{name}.v", id()));
    std::fs::write(&path, text).expect("a file of our own");
    let file = path.display();
    let script = format!("read_verilog {file}; hierarchy -check -top {name}; proc; check -assert");
    let output = Command::new("yosys").args(["-p", &script]).output();
    std::fs::remove_file(&path).expect("it is ours");
    let output = output.expect("yosys starts: `apt-get install yosys`");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Yosys refuses `{name}`:\n{said}");
    for trouble in ["Latch inferred", "implicitly declared"] {
        assert!(!said.contains(trouble), "Yosys about `{name}`:\n{said}");
    }
}

#[test]
#[should_panic(expected = "implicitly declared")]
fn an_undeclared_name_is_found() {
    check("m", "module m (output wire a);\nassign a = b;\nendmodule\n");
}

#[test]
#[should_panic(expected = "Latch inferred")]
fn a_latch_is_found() {
    check("m", "module m (input wire a, output reg b);\nalways @(*) if (a) b = 1;\nendmodule\n");
}
