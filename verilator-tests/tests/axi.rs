//! The AXI agents on correct tops, and on tops with one planted fault each: every check can fail.

use verilator_tests::{
    capture, expect_same, Bench, Error, Failed, Histogram, LiteMaster, Monitor, Response, Result, Rules,
    Sink, Source, Stalls, Verilog,
};

const SLICE: &str = include_str!("verilog/slice.v");
const REGISTERS: &str = include_str!("verilog/registers.v");

/// `text` with one place changed.
fn planted(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}`");
    text.replace(from, to)
}

fn slice(text: impl Into<String>) -> Verilog {
    Verilog::new("slice", text)
}

fn frames(bench: &mut Bench, count: usize) -> Vec<Vec<u8>> {
    let mut frame = || {
        let mut bytes = vec![0; bench.random().usize(1..400)];
        bench.random().fill(&mut bytes);
        bytes
    };
    (0..count).map(|_| frame()).collect()
}

/// Frames through the slice; what comes out must be what went in.
fn pass(bench: &mut Bench, inward: Rules, outward: Rules, patterns: [Stalls; 2]) -> Result<Histogram> {
    let sent = frames(bench, 300);
    let [sending, taking] = patterns;
    let mut source = Source::new(bench, "s_axis", sending, inward)?;
    let mut watch = Monitor::new(bench, "s_axis", Rules { packed: true, ..inward })?;
    let mut sink = Sink::new(bench, "m_axis", taking, outward)?;
    sent.iter().for_each(|frame| source.push(frame.as_slice()));
    let mut latencies = Histogram::new();
    for frame in sent {
        let agents = &mut (&mut source, &mut watch, &mut sink);
        bench.run_until(agents, 20_000, |agents| agents.2.frames_count() > 0)?;
        let (Some(entered), Some(left)) = (source.next_sent(), sink.next_frame()) else {
            return Err(Error::Found("a frame came out before it went in".into()));
        };
        expect_same("a frame", left.bytes, frame)?;
        latencies.add(left.first_cycle - entered.first_cycle);
    }
    expect_same("beats", sink.monitor().beats_count(), watch.beats_count())?;
    Ok(latencies)
}

fn pass_with_drawn_stalls(bench: &mut Bench) -> Result<()> {
    let stalls = [Stalls::drawn(bench.fork_random()), Stalls::drawn(bench.fork_random())];
    pass(bench, Rules::default(), Rules { packed: true, ..Rules::default() }, stalls).map(drop)
}

#[test]
fn frames_leave_a_slice_as_they_came() -> std::result::Result<(), Failed> {
    slice(SLICE).run(0..12, pass_with_drawn_stalls)?;
    slice(SLICE).argument("-GBYTES=1").run(0..4, pass_with_drawn_stalls)
}

#[test]
fn without_stalls_a_slice_takes_one_cycle_and_leaves_no_gap() -> std::result::Result<(), Failed> {
    slice(SLICE).run(0..2, |bench| {
        let gapless = Rules { gapless: true, packed: true };
        let never = [Stalls::never(), Stalls::never()];
        let latencies = pass(bench, gapless, gapless, never)?;
        assert_eq!((latencies.min(), latencies.max()), (Some(1), Some(1)), "{latencies}");
        Ok(())
    })
}

/// What a run over this text is refused for.
fn fault(verilog: &Verilog, test: fn(&mut Bench) -> Result<()>) -> String {
    let model = verilog.build().expect("built");
    let run = |seed| Bench::new(verilog, &model, seed).and_then(|mut bench| test(&mut bench));
    (0..12).find_map(|seed| run(seed).err()).expect("the planted fault was not found").to_string()
}

#[test]
fn a_monitor_sees_each_broken_rule() {
    let reason = |from, to| fault(&slice(planted(SLICE, from, to)), pass_with_drawn_stalls);
    let falls = reason("end else if (s_axis_tvalid && !held) begin", "end else begin m_axis_tvalid <= 1'b0;");
    assert!(falls.ends_with("m_axis: tvalid fell before tready"), "{falls}");
    let changes =
        reason("!m_axis_tvalid || m_axis_tready;", "!m_axis_tvalid || m_axis_tready || s_axis_tvalid;");
    assert!(changes.ends_with("m_axis: a waiting beat changed before tready"), "{changes}");
    let gap = reason("held_keep : s_axis_tkeep;", "held_keep : s_axis_tkeep & ~64'd2;");
    assert!(gap.ends_with("m_axis: tkeep is empty or has a gap"), "{gap}");
    let thin = reason("held_keep : s_axis_tkeep;", "held_keep : s_axis_tkeep >> !s_axis_tlast;");
    assert!(thin.ends_with("m_axis: a beat before the last is not full"), "{thin}");
    let corrupt = reason("held_data <= s_axis_tdata;", "held_data <= s_axis_tdata ^ 1;");
    assert!(corrupt.starts_with("a frame is ["), "{corrupt}");
}

#[test]
fn a_frame_that_does_not_end_is_a_time_out() {
    let endless = planted(SLICE, "held_last : s_axis_tlast;", "1'b0 : 1'b0;");
    let reason = fault(&slice(endless), |bench| {
        pass(bench, Rules::default(), Rules::default(), [Stalls::never(), Stalls::never()]).map(drop)
    });
    assert_eq!(reason, "the awaited end: not after 20000 cycles");
}

#[test]
fn a_monitor_sees_a_gap_where_none_may_be() {
    let reason = fault(&slice(SLICE), |bench| {
        let stalls = [Stalls::percent(bench.fork_random(), 20), Stalls::never()];
        pass(bench, Rules::default(), Rules { gapless: true, packed: true }, stalls).map(drop)
    });
    assert!(reason.ends_with("m_axis: tvalid fell inside a frame"), "{reason}");
}

#[test]
fn captures_go_in_and_come_out() -> std::result::Result<(), Failed> {
    slice(SLICE).run(0..1, |bench| {
        let folder = std::env::temp_dir();
        let path = |name: &str| folder.join(format!("{name}-{}.pcap", std::process::id()));
        let sent = frames(bench, 20);
        capture::write(path("in"), sent.iter().map(|frame| (0, frame.as_slice())))?;
        let mut source = Source::new(bench, "s_axis", Stalls::never(), Rules::default())?;
        let mut sink = Sink::new(bench, "m_axis", Stalls::never(), Rules::default())?;
        capture::read(path("in"))?.into_iter().for_each(|frame| source.push(frame));
        bench.run_until(&mut (&mut source, &mut sink), 1_000, |agents| agents.1.frames_count() == 20)?;
        let left: Vec<_> = std::iter::from_fn(|| sink.next_frame()).collect();
        capture::write(path("out"), left.iter().map(|frame| (frame.first_cycle, frame.bytes.as_slice())))?;
        assert_eq!(capture::read(path("out"))?, sent);
        for name in ["in", "out"] {
            std::fs::remove_file(path(name)).expect("removed");
        }
        Ok(())
    })
}

fn registers(text: impl Into<String>) -> Verilog {
    Verilog::new("registers", text).reset("resetn", false)
}

fn lite(bench: &mut Bench) -> Result<LiteMaster> {
    LiteMaster::new(bench, "s_axil", |bench| Stalls::drawn(bench.fork_random()))
}

/// Random writes of some bytes and reads, one after the other, against four numbers.
fn registers_hold(bench: &mut Bench) -> Result<()> {
    let mut master = lite(bench)?;
    let mut model = [0u32; 4];
    for _ in 0..300 {
        let (address, data) = (4 * bench.random().u64(0..5), bench.random().u32(..));
        let expected = if address < 16 { Response::Okay } else { Response::DecodeError };
        if bench.random().bool() {
            let strobe = bench.random().u8(..16);
            master.push_write(address, data.into(), strobe);
            let mut written = None;
            bench.run_until(&mut &mut master, 1_000, |master| {
                written = written.or_else(|| master.next_written());
                written.is_some()
            })?;
            expect_same("the answer to a write", written, Some(expected))?;
            if let Some(register) = model.get_mut(address as usize / 4) {
                let mask = (0..4).filter(|k| strobe >> k & 1 == 1).fold(0, |mask, k| mask | 0xff << (8 * k));
                *register = *register & !mask | data & mask;
            }
        } else {
            let (value, response) = master.read(bench, &mut (), address)?;
            expect_same("the answer to a read", response, expected)?;
            if let Some(register) = model.get(address as usize / 4) {
                expect_same("a register", value, (*register).into())?;
            }
        }
    }
    Ok(())
}

/// Many requests at once; every one is answered.
fn requests_queue(bench: &mut Bench) -> Result<()> {
    let mut master = lite(bench)?;
    for n in 0..100 {
        master.push_write(4 * (n % 4), n, 15);
        master.push_read(4 * (n % 5));
    }
    let (mut written, mut read) = (0, 0);
    bench.run_until(&mut &mut master, 50_000, |master| {
        written += u32::from(master.next_written().is_some());
        read += u32::from(master.next_read().is_some());
        (written, read) == (100, 100)
    })?;
    assert_eq!(master.read(bench, &mut (), 8)?, (98, Response::Okay));
    assert_eq!(master.write(bench, &mut (), 8, 0xffff_ffff)?, Response::Okay);
    assert_eq!(master.read(bench, &mut (), 8)?, (0xffff_ffff, Response::Okay));
    Ok(())
}

#[test]
fn registers_keep_what_is_written() -> std::result::Result<(), Failed> {
    registers(REGISTERS).run(0..8, registers_hold)?;
    registers(REGISTERS).run(0..8, requests_queue)
}

#[test]
fn a_master_sees_each_broken_rule() {
    let reason = |from, to, test| fault(&registers(planted(REGISTERS, from, to)), test);
    let strobe = reason("s_axil_wstrb[k] &&", "1'b1 &&", registers_hold as fn(&mut Bench) -> Result<()>);
    assert!(strobe.starts_with("a register is"), "{strobe}");
    let falls = reason("if (s_axil_rready) s_axil_rvalid", "s_axil_rvalid", registers_hold);
    assert!(falls.ends_with("s_axil_r: valid fell before ready"), "{falls}");
    let changes =
        reason("s_axil_arvalid && (!s_axil_rvalid || s_axil_rready)", "s_axil_arvalid", requests_queue);
    assert!(changes.ends_with("s_axil_r: a waiting answer changed before ready"), "{changes}");
    let unasked = reason("if (s_axil_bready) s_axil_bvalid <= 1'b0", "s_axil_bvalid <= 1'b1", registers_hold);
    assert!(unasked.ends_with("s_axil_b: an answer without a request"), "{unasked}");
    let silent = reason("s_axil_arready = reads", "s_axil_arready = 1'b0", registers_hold);
    assert!(silent.contains("not after") || silent.contains("without a request"), "{silent}");
}
