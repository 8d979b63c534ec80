//! What goes wrong, when, and for how long: drawn from the seed and printed with it.

use crate::clock::Micros;
use crate::rng::Rng;
use std::fmt;

/// One thing that goes wrong. Members and ports are indices; port 0 is the sync link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields say what their variant does
pub enum Fault {
    /// The agent dies, the kernel goes on; it starts again when the fault ends.
    AgentCrash { member: usize },
    /// Agent and kernel table are gone; both start again when the fault ends.
    MemberCrash { member: usize, table_survives: bool },
    /// The agent ends in order and starts again when the fault ends.
    Leave { member: usize },
    /// The whole agent is stopped.
    Pause { member: usize },
    /// The agent's host side is stopped, its NIC is not.
    HostPause { member: usize },
    /// A lane, or both directions of it, is cut.
    Cut { port: usize, a: usize, b: usize, one_way: bool },
    /// Every lane of a member is cut, its links to clients are not.
    Partition { member: usize },
    /// The member is unplugged from everything.
    Isolate { member: usize },
    /// The member is unplugged from one data network.
    Unplug { member: usize, port: usize },
    /// Every lane of a port is bad, in permille.
    Bad { port: usize, loss: u32, duplicate: u32, reorder: u32, corrupt: u32 },
    /// One direction of a port loses frames, in permille.
    Lossy { port: usize, from: usize, to: usize, loss: u32 },
    /// The kernel of a member takes this long for each operation.
    SlowWriter { member: usize, operation_us: Micros },
    /// The event socket of a member holds this few events.
    SmallSocket { member: usize, events_max: usize },
    /// Whoever serves is told to hand over.
    Move { to: usize },
}

/// A fault with its time.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// Begin.
    pub at: Micros,
    /// End.
    pub until: Micros,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: Micros| us as f64 / 1000.0;
        write!(f, "{:>9.3}..{:>9.3} ms  {:?}", ms(self.at), ms(self.until), self.fault)
    }
}

/// How faults follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// One at a time, with time to recover.
    Single,
    /// They overlap.
    Storm,
}

fn draw_fault(rng: &mut Rng, members: usize, ports: usize) -> (Fault, Micros) {
    let member = rng.below(members as u64) as usize;
    let other = (member + rng.between(1, members as u64) as usize) % members;
    let short = rng.between(20_000, 400_000);
    let long = rng.between(300_000, 1_200_000);
    let losses = [10, 50, 200, 500];
    match rng.below(30) {
        0..3 => (Fault::AgentCrash { member }, long),
        3..6 => (Fault::MemberCrash { member, table_survives: rng.chance(200) }, long),
        6 => (Fault::Leave { member }, long),
        7..9 => (Fault::Pause { member }, rng.between(30_000, 1_000_000)),
        9 => (Fault::HostPause { member }, rng.between(10_000, 600_000)),
        10..12 => (Fault::Cut { port: 0, a: member, b: other, one_way: rng.chance(300) }, long),
        12 => {
            let port = rng.below(ports as u64) as usize;
            (Fault::Cut { port, a: member, b: other, one_way: rng.chance(300) }, long)
        }
        13..15 => (Fault::Partition { member }, long),
        15 => (Fault::Isolate { member }, long),
        16 => (Fault::Unplug { member, port: rng.between(1, ports as u64) as usize }, long),
        17..20 => {
            let duplicate = rng.pick(&[0, 50, 300]);
            let (reorder, corrupt) = (rng.pick(&[0, 50, 300]), rng.pick(&[0, 0, 20]));
            (Fault::Bad { port: 0, loss: rng.pick(&losses), duplicate, reorder, corrupt }, long)
        }
        20..22 => (Fault::Lossy { port: 0, from: member, to: other, loss: rng.pick(&[200, 500, 900]) }, long),
        22 => (Fault::Bad { port: 1, loss: 200, duplicate: 50, reorder: 100, corrupt: 5 }, long),
        23 => (Fault::SlowWriter { member, operation_us: rng.pick(&[300, 1_500, 6_000]) }, short),
        24 => (Fault::SmallSocket { member, events_max: rng.between(1, 12) as usize }, short),
        _ => (Fault::Move { to: member }, short),
    }
}

/// Draws a schedule between two times. `ports` counts the sync link.
pub fn draw(
    rng: &mut Rng,
    members: usize,
    ports: usize,
    from: Micros,
    to: Micros,
) -> (Weather, Vec<Planned>) {
    let weather = if rng.chance(600) { Weather::Single } else { Weather::Storm };
    let mut planned = Vec::new();
    let mut at = from + rng.below(300_000);
    while at < to {
        let (fault, length) = draw_fault(rng, members, ports);
        let until = (at + length).min(to);
        planned.push(Planned { at, until, fault });
        // A death in the middle of bad traffic is where copies differ: join the two now and then.
        if matches!(fault, Fault::Lossy { .. } | Fault::Bad { port: 0, .. }) && rng.chance(500) {
            let member = match fault {
                Fault::Lossy { from, .. } => from,
                _ => rng.below(members as u64) as usize,
            };
            let crash = match rng.below(3) {
                0 => Fault::AgentCrash { member },
                1 => Fault::MemberCrash { member, table_survives: false },
                _ => Fault::Pause { member },
            };
            let begin = at + rng.below(until - at + 1);
            let end = (begin + rng.between(200_000, 900_000)).min(to);
            planned.push(Planned { at: begin, until: end, fault: crash });
            at = at.max(end);
        }
        at = match weather {
            Weather::Single => at.max(until) + rng.between(600_000, 1_500_000),
            Weather::Storm => at + rng.between(20_000, 500_000),
        };
    }
    (weather, planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_repeats_and_lies_between_its_bounds() {
        let drawn = |seed| draw(&mut Rng::new(seed, 2), 3, 3, 1_000_000, 6_000_000).1;
        let (a, b) = (drawn(4), drawn(4));
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(&b).all(|(x, y)| x.fault == y.fault && x.at == y.at));
        for seed in 0..100 {
            assert!(drawn(seed).iter().all(|p| p.at >= 1_000_000 && p.at <= p.until && p.until <= 6_000_000));
        }
    }
}
