//! The text form of a report.

use super::report::{Act, RunReport, Spread};

/// Moments printed of an act; a gateway that flaps must not hide its verdict.
const MOMENTS_MAX: usize = 40;

/// Prints one act to standard output.
pub(crate) fn act(act: &Act) {
    println!("\n== {}: {}", act.name, act.title);
    if !act.timeline.is_empty() {
        println!("   ms from the act's start");
    }
    for moment in act.timeline.iter().take(MOMENTS_MAX) {
        println!("   {:>10.1}  {}", moment.ms, moment.what);
    }
    if act.timeline.len() > MOMENTS_MAX {
        println!("               and {} more, all in the agents' logs", act.timeline.len() - MOMENTS_MAX);
    }
    if !act.kinds.is_empty() {
        let heading = if act.from_heartbeat.is_some() { "from last heartbeat" } else { "" };
        let text =
            format!("   {:<24}{:>10}   {:<26}{heading}", "connections", "alive", "gap ms min/median/max");
        println!("{}", text.trim_end());
    }
    for result in &act.kinds {
        let mut text = format!(
            "   {:<24}{:>10}   {:<26}{:<26}{}",
            result.kind.name(),
            format!("{} of {}", result.alive_count, result.count),
            spread(result.gap),
            if result.from_heartbeat.is_some() { spread(result.from_heartbeat) } else { String::new() },
            result.errors.join(", "),
        );
        text.truncate(text.trim_end().len());
        println!("{text}");
    }
    for bar in &act.bars {
        let verdict = if act.pass && !bar.pass { "slow" } else { verdict(bar.pass) };
        println!("   {verdict} {}: {}", bar.what, bar.seen);
    }
    println!("   {} {}", verdict(act.pass), act.name);
}

/// Prints the result of all runs.
pub(crate) fn summary(reports: &[RunReport]) {
    println!("\n   act         passed  survivors   median ms  max ms   (largest gaps of request-response connections)");
    let mut names: Vec<&str> = Vec::new();
    for act in reports.iter().flat_map(|report| &report.acts) {
        if !names.contains(&act.name) {
            names.push(act.name);
        }
    }
    for name in names {
        let acts: Vec<&Act> =
            reports.iter().flat_map(|report| &report.acts).filter(|act| act.name == name).collect();
        let passed = acts.iter().filter(|act| act.pass).count();
        let (alive, all) =
            acts.iter().map(|act| act.survivors()).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        let gaps: Vec<Spread> = acts.iter().filter_map(|act| act.from_heartbeat.or(act.gap)).collect();
        let mut medians: Vec<f64> = gaps.iter().map(|gap| gap.median_ms).collect();
        medians.sort_by(f64::total_cmp);
        let median = medians.get(medians.len() / 2).map_or("-".into(), |ms| format!("{ms:.1}"));
        let max =
            gaps.iter().map(|gap| gap.max_ms).reduce(f64::max).map_or("-".into(), |ms| format!("{ms:.1}"));
        println!(
            "   {name:<10}{:>8}{:>11}{median:>12}{max:>8}",
            format!("{passed}/{}", acts.len()),
            format!("{alive}/{all}")
        );
    }
    let passed = reports.iter().filter(|report| report.pass).count();
    println!("\n{} demo: {passed} of {} runs passed", verdict(passed == reports.len()), reports.len());
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("-".into(), |spread| {
        format!("{:.1} / {:.1} / {:.1}", spread.min_ms, spread.median_ms, spread.max_ms)
    })
}

fn verdict(pass: bool) -> &'static str {
    if pass {
        "pass"
    } else {
        "FAIL"
    }
}
