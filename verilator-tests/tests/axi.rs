//! The AXI agents on correct tops, and on tops with one planted fault each: every check can fail.

#[allow(dead_code)] // What other programs use of it.
mod suite;

use suite::copier::{copier, copies_arrive, TEXT as COPIER};
use suite::registers::{registers, registers_hold, requests_queue, TEXT as REGISTERS};
use suite::slice::{frames, pass, pass_with_drawn_stalls, slice, TEXT as SLICE};
use verilator_tests::{capture, Bench, Design, Failed, Result, Rules, Sink, Source, Stalls};

/// `text` with one place changed.
fn planted(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}`");
    text.replace(from, to)
}

/// What a run over this text is refused for.
fn fault(design: &Design, test: fn(&mut Bench) -> Result<()>) -> String {
    let model = design.build().expect("built");
    let run = |seed| Bench::new(design, &model, seed).and_then(|mut bench| test(&mut bench));
    (0..12).find_map(|seed| run(seed).err()).expect("the planted fault was not found").to_string()
}

#[test]
fn a_stream_of_one_byte_passes() -> std::result::Result<(), Failed> {
    slice(SLICE).argument("-GBYTES=1").run(0..4, pass_with_drawn_stalls)
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

#[test]
fn a_master_sees_each_broken_rule() {
    let reason = |from, to, test| fault(&registers(planted(REGISTERS, from, to)), test);
    let strobe = reason("s_axil_wstrb[k] &&", "1'b1 &&", registers_hold as fn(&mut Bench) -> Result<()>);
    assert!(strobe.starts_with("a register is"), "{strobe}");
    let falls = reason("if (s_axil_rready) s_axil_rvalid", "s_axil_rvalid", registers_hold);
    assert!(falls.ends_with("s_axil_r: valid fell before ready"), "{falls}");
    let changes =
        reason("s_axil_arvalid && (!s_axil_rvalid || s_axil_rready)", "s_axil_arvalid", requests_queue);
    assert!(changes.ends_with("s_axil_r: an offer changed before ready"), "{changes}");
    let unasked = reason("if (s_axil_bready) s_axil_bvalid <= 1'b0", "s_axil_bvalid <= 1'b1", registers_hold);
    assert!(unasked.ends_with("s_axil_b: an answer without a request"), "{unasked}");
    let silent = reason("s_axil_arready = reads", "s_axil_arready = 1'b0", registers_hold);
    assert!(silent.contains("not after") || silent.contains("without a request"), "{silent}");
}

#[test]
fn waiting_for_ready_before_offering_is_a_time_out() {
    let waits = planted(COPIER, "m_axi_wvalid  = state", "m_axi_wvalid  = m_axi_wready && state");
    let reason = fault(&copier(waits), copies_arrive);
    assert_eq!(reason, "the awaited end: not after 100000 cycles");
}

#[test]
fn a_memory_sees_each_broken_rule() {
    let reason = |from, to| fault(&copier(planted(COPIER, from, to)), copies_arrive);
    let expect = |from, to, rule: &str| {
        let found = reason(from, to);
        assert!(found.contains(&format!("m_axi: {rule}")), "{from} -> {to}: {found}");
    };
    expect(
        "m_axi_wlast   = beat == 4'd15",
        "m_axi_wlast   = beat == 4'd14",
        "wlast is true with 1 beats to come",
    );
    expect("m_axi_awaddr  = to", "m_axi_awaddr  = to | 32'hfc0", "a burst from");
    expect("m_axi_araddr  = from", "m_axi_araddr  = from - 32'h4000_0000", "a burst from 0x");
    expect("m_axi_arburst = 2'd1", "m_axi_arburst = 2'd0", "a burst of kind 0");
    expect("m_axi_arsize  = 3'd3", "m_axi_arsize  = 3'd4", "beats of 16 bytes on a bus of 8");
    expect("m_axi_awsize  = 3'd3", "m_axi_awsize  = 3'd2", "a strobe for lane 4 of a beat in lanes 0 to 4");
    let unstable = "m_axi_araddr  = m_axi_arready ? from : from + 128";
    expect("m_axi_araddr  = from", unstable, "an offer changed before ready");
    let falls = "m_axi_wvalid  = (m_axi_wready || !m_axi_awready) && state";
    expect("m_axi_wvalid  = state", falls, "valid fell before ready");
    let corrupt = reason("m_axi_wstrb   = 8'hff", "m_axi_wstrb   = 8'h7f");
    assert!(corrupt.starts_with("whether the memory is right is false"), "{corrupt}");
}
