//! The example of the read-me, as it stands there.

use verilator_tests::{expect_same, Design, Failed, Rules, Sink, Source, Stalls};

#[test]
fn frames_leave_as_they_came() -> Result<(), Failed> {
    let top = Design::new("slice", include_str!("verilog/slice.v"));
    top.run(0..10, |bench| {
        let [sending, taking] = [(); 2].map(|()| Stalls::drawn(bench.fork_random()));
        let mut source = Source::new(bench, "s_axis", sending, Rules::default())?;
        let mut sink = Sink::new(bench, "m_axis", taking, Rules { packed: true, gapless: false })?;
        for _ in 0..100 {
            let mut frame = vec![0; bench.random().usize(1..1500)];
            bench.random().fill(&mut frame);
            source.push(frame.clone());
            bench.run_until(&mut (&mut source, &mut sink), 50_000, |agents| agents.1.frames_count() > 0)?;
            expect_same("the frame", sink.next_frame().map(|frame| frame.bytes), Some(frame))?;
        }
        Ok(())
    })
}
