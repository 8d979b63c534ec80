//! Building, ports and instances, on tops of a few lines.

use verilator_tests::{Bench, Design, Direction, Error, Failed, Initial, Result};

fn adder() -> Design {
    Design::new("adder", include_str!("verilog/adder.v")).clock("clk").without_reset()
}

/// A top with one statement.
fn tiny(ports: &str, body: &str) -> Design {
    Design::new("tiny", format!("module tiny(input wire clock, {ports});\n{body}\nendmodule\n"))
        .without_reset()
}

/// The sum of two little-endian numbers, one bit longer.
fn sum(a: &[u8; 64], b: &[u8; 64]) -> [u8; 65] {
    let mut sum = [0; 65];
    let mut carry = 0;
    for (k, (a, b)) in a.iter().zip(b).enumerate() {
        let byte = u16::from(*a) + u16::from(*b) + carry;
        sum[k] = byte as u8;
        carry = byte >> 8;
    }
    sum[64] = carry as u8;
    sum
}

#[test]
fn wide_ports_carry_whole_values() -> std::result::Result<(), Failed> {
    adder().run(0..3, |bench| {
        let (a, b) = (bench.input::<[u8; 64]>("a")?, bench.input::<[u8; 64]>("b")?);
        let (id, id_out) = (bench.input::<u64>("id")?, bench.port::<u64>("id_out")?);
        let total = bench.port::<[u8; 65]>("sum")?;
        let words = bench.port::<[u32; 17]>("sum")?;
        for _ in 0..1_000 {
            let (mut left, mut right) = ([0; 64], [0; 64]);
            bench.random().fill(&mut left);
            bench.random().fill(&mut right);
            let number = bench.random().u64(..1 << 40);
            a.set(left);
            b.set(right);
            id.set(number);
            bench.cycle(&mut ())?;
            let expected = sum(&left, &right);
            assert_eq!(total.get(), expected);
            assert_eq!(words.get()[16], u32::from(expected[64]));
            assert_eq!(id_out.get(), number);
        }
        Ok(())
    })
}

#[test]
fn ports_have_names_directions_and_widths() -> Result<()> {
    let model = adder().build()?;
    let mut found: Vec<_> =
        model.ports().iter().map(|port| (port.name.as_str(), port.direction, port.width)).collect();
    found.sort_by_key(|port| port.0);
    use Direction::{Input, Output};
    let expected = [("a", Input, 512), ("b", Input, 512), ("clk", Input, 1), ("id", Input, 40)];
    assert_eq!(found[..4], expected);
    assert_eq!(found[4..], [("id_out", Output, 40), ("sum", Output, 513)]);

    let top = model.instance(1);
    assert!(matches!(top.port::<u32>("id"), Err(Error::Width { width: 40, value: 32, .. })));
    assert!(matches!(top.port::<bool>("sum"), Err(Error::Width { .. })));
    assert!(matches!(top.input::<u64>("id_out"), Err(Error::Direction { .. })));
    let missing = top.port::<u64>("ids").err().map(|problem| problem.to_string());
    assert!(missing.is_some_and(|text| text.contains("no port `ids`") && text.contains("id_out")));
    Ok(())
}

#[test]
#[should_panic(expected = "does not fit the 40 bits of `id`")]
fn a_value_too_large_for_its_port_is_refused() {
    let top = adder().build().expect("built").instance(1);
    top.input::<u64>("id").expect("there").set(1 << 40);
}

#[test]
fn instances_share_nothing() -> Result<()> {
    let counter =
        tiny("output reg [7:0] count", "initial count = 0; always @(posedge clock) count <= count + 1;");
    let model = counter.build()?;
    let mut benches = [Bench::new(&counter, &model, 1)?, Bench::new(&counter, &model, 2)?];
    for _ in 0..5 {
        benches[0].cycle(&mut ())?;
    }
    benches[1].cycle(&mut ())?;
    assert_eq!(benches[0].port::<u8>("count")?.get(), 5);
    assert_eq!(benches[1].port::<u8>("count")?.get(), 1);
    Ok(())
}

#[test]
fn text_that_verilator_refuses_comes_with_its_reason() {
    let reason = |ports: &str, body: &str| match tiny(ports, body).build() {
        Err(Error::Refused { messages, .. }) => messages,
        other => panic!("{:?}", other.err()),
    };
    assert!(reason("output wire a", "assign a = ;").contains("tiny.v:2"));
    assert!(reason("output wire [3:0] a", "assign a = 4'd1; assign b = 1'b1;").contains("IMPLICIT"));
    let latch = "always @(*) if (clock) a = 1'b1;";
    assert!(reason("output reg a", latch).contains("LATCH"));
}

#[test]
fn a_model_that_stops_itself_is_an_error_and_stays_one() -> Result<()> {
    let finish = tiny("input wire stop", "always @(posedge clock) if (stop) $finish;");
    let mut bench = Bench::new(&finish, &finish.build()?, 1)?;
    bench.cycle(&mut ())?;
    bench.input("stop")?.set(true);
    for _ in 0..2 {
        let problem = bench.cycle(&mut ()).expect_err("stopped");
        assert!(problem.to_string().contains("$finish at tiny.v:2"), "{problem}");
    }
    Ok(())
}

#[test]
fn a_loop_that_does_not_settle_is_an_error() -> Result<()> {
    let ring = tiny("input wire run, output wire a", "wire b; assign b = run & ~a; assign a = b;");
    let ring = ring.argument("-Wno-UNOPTFLAT");
    let bench = Bench::new(&ring, &ring.build()?, 1)?;
    bench.input("run")?.set(true);
    assert!(matches!(bench.top().eval(), Err(Error::Stopped { .. })));
    Ok(())
}

#[test]
fn registers_without_reset_can_start_anywhere() -> Result<()> {
    let text = "reg [31:0] state; assign out = state; always @(posedge clock) if (load) state <= 0;";
    let unreset = tiny("input wire load, output wire [31:0] out", text);
    let value = |design: &Design, seed| -> Result<u32> {
        let bench = Bench::new(design, &design.build()?, seed)?;
        bench.top().eval()?;
        Ok(bench.port::<u32>("out")?.get())
    };
    assert_eq!(value(&unreset, 1)?, 0);
    let unreset = unreset.initial(Initial::Random);
    let values = [value(&unreset, 1)?, value(&unreset, 2)?, value(&unreset, 1)?];
    assert_ne!(values[0], values[1]);
    assert_eq!(values[0], values[2]);
    Ok(())
}

#[test]
fn a_failure_leaves_seed_command_and_waveform() {
    let failed = adder().run(3..9, |bench| {
        let sum = bench.port::<[u8; 65]>("sum")?;
        bench.input::<[u8; 64]>("a")?.set([1; 64]);
        for cycle in 0..5_000 {
            bench.cycle(&mut ())?;
            assert!(cycle < 4_000, "byte 0 is {}", sum.get()[0]);
        }
        Ok(())
    });
    let Err(Failed::Run(failure)) = failed else { panic!("it has to fail") };
    assert_eq!((failure.seed, failure.reason.as_str()), (3, "byte 0 is 1"));
    let name = "a_failure_leaves_seed_command_and_waveform";
    assert_eq!(failure.command, format!("TRINE_SEED=3 cargo test -p trine-verilator-tests {name}"));
    let waveform = std::fs::read_to_string(failure.waveform.expect("written")).expect("read");
    assert!(waveform.contains("$var wire 513"), "{}", &waveform[..500]);
    // The end only, up to the edge before the failure.
    assert!(!waveform.contains("#3990\n") && waveform.contains("#4002\n") && waveform.contains("#8001\n"));
}
