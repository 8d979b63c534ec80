//! The media between members: the sync link and each data network, a lane per direction.
//!
//! Enters: a frame that a member sends. Leaves: when and in which form it arrives, zero, one or two
//! times. Members also hang on each data network by a link of their own, which probes and clients use:
//! a partition between members need not cut it.
//!
//! The books close: sent + duplicated = lost + cut + carried.

use crate::clock::Micros;
use crate::rng::Rng;

/// One direction between two members on one medium.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    /// Nothing passes.
    pub cut: bool,
    /// Frames lost, of a thousand.
    pub loss: u32,
    /// Frames doubled, of a thousand.
    pub duplicate: u32,
    /// Frames with one byte changed, of a thousand.
    pub corrupt: u32,
    /// Frames that are held back behind later ones, of a thousand.
    pub reorder: u32,
    /// Shortest way.
    pub delay_us: Micros,
    /// Added at random.
    pub jitter_us: Micros,
    /// When the last frame in order arrives.
    last_us: Micros,
}

/// What happened to frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Frames given to the network.
    pub sent: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Lost at random.
    pub lost: u64,
    /// Met a cut lane.
    pub cut: u64,
    /// Handed over for delivery.
    pub carried: u64,
}

/// Every medium.
#[derive(Clone, Debug)]
pub struct Network {
    members: usize,
    ports: usize,
    lanes: Vec<Lane>,
    attached: Vec<bool>,
    /// The books.
    pub books: Books,
}

/// How far a frame that is held back may fall behind.
const REORDER_US: Micros = 4_000;

impl Network {
    /// Whole and quick media for `members` with `ports` ports each.
    pub fn new(members: usize, ports: usize, rng: &mut Rng) -> Self {
        let lanes = (0..members * members * ports)
            .map(|_| Lane {
                cut: false,
                loss: 0,
                duplicate: 0,
                corrupt: 0,
                reorder: 0,
                delay_us: rng.between(20, 300),
                jitter_us: rng.between(1, 60),
                last_us: 0,
            })
            .collect();
        Self { members, ports, lanes, attached: vec![true; members * ports], books: Books::default() }
    }

    fn index(&self, port: usize, from: usize, to: usize) -> usize {
        (port * self.members + from) * self.members + to
    }

    /// A lane.
    pub fn lane(&self, port: usize, from: usize, to: usize) -> &Lane {
        &self.lanes[self.index(port, from, to)]
    }

    /// A lane, to change it.
    pub fn lane_mut(&mut self, port: usize, from: usize, to: usize) -> &mut Lane {
        let index = self.index(port, from, to);
        &mut self.lanes[index]
    }

    /// Both directions between two members on a port.
    pub fn cut_between(&mut self, port: usize, a: usize, b: usize, cut: bool) {
        self.lane_mut(port, a, b).cut = cut;
        self.lane_mut(port, b, a).cut = cut;
    }

    /// Whether a member hangs on a data network (its port).
    pub fn attached(&self, member: usize, port: usize) -> bool {
        self.attached[member * self.ports + port]
    }

    /// Plugs a member in or out; its lanes on that port follow by [`Network::open`].
    pub fn attach(&mut self, member: usize, port: usize, on: bool) {
        self.attached[member * self.ports + port] = on;
    }

    /// Whether frames pass: the lane is not cut and both ends are plugged in.
    pub fn open(&self, port: usize, from: usize, to: usize) -> bool {
        !self.lane(port, from, to).cut && self.attached(from, port) && self.attached(to, port)
    }

    /// Restores every lane and link; delays stay.
    pub fn heal(&mut self) {
        for lane in &mut self.lanes {
            (lane.cut, lane.loss, lane.duplicate, lane.corrupt, lane.reorder) = (false, 0, 0, 0, 0);
        }
        self.attached.fill(true);
    }

    /// Number of ports.
    pub fn ports(&self) -> usize {
        self.ports
    }

    /// Carries a frame; each arrival goes to `deliver` with its time.
    pub fn carry(
        &mut self,
        rng: &mut Rng,
        now: Micros,
        (port, from, to): (usize, usize, usize),
        frame: &[u8],
        mut deliver: impl FnMut(Micros, Vec<u8>),
    ) {
        self.books.sent += 1;
        if !self.open(port, from, to) {
            self.books.cut += 1;
            return;
        }
        let index = self.index(port, from, to);
        let lane = &mut self.lanes[index];
        if rng.chance(lane.loss) {
            self.books.lost += 1;
            return;
        }
        let copies = 1 + u64::from(rng.chance(lane.duplicate));
        self.books.duplicated += copies - 1;
        for copy in 0..copies {
            let mut at = now + lane.delay_us + rng.below(lane.jitter_us);
            if copy > 0 || rng.chance(lane.reorder) {
                at += rng.below(REORDER_US);
            } else {
                at = at.max(lane.last_us + 1);
                lane.last_us = at;
            }
            let mut bytes = frame.to_vec();
            if rng.chance(lane.corrupt) {
                let place = rng.below(bytes.len() as u64) as usize;
                bytes[place] ^= 1 << rng.below(8);
            }
            self.books.carried += 1;
            deliver(at, bytes);
        }
    }

    /// Whether every frame is accounted for.
    pub fn balance(&self) -> Result<(), String> {
        let Books { sent, duplicated, lost, cut, carried } = self.books;
        if sent + duplicated == lost + cut + carried {
            Ok(())
        } else {
            Err(format!("network: {:?}", self.books))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(change: impl Fn(&mut Lane), frames: u64) -> (Network, Vec<(Micros, Vec<u8>)>) {
        let mut rng = Rng::new(3, 3);
        let mut network = Network::new(2, 2, &mut rng);
        change(network.lane_mut(0, 0, 1));
        let mut out = Vec::new();
        for n in 0..frames {
            network.carry(&mut rng, n * 100, (0, 0, 1), &[n as u8; 64], |at, bytes| out.push((at, bytes)));
        }
        network.balance().unwrap();
        (network, out)
    }

    #[test]
    fn a_whole_lane_keeps_order_and_bytes() {
        let (_, out) = arrivals(|_| {}, 50);
        assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(out.iter().enumerate().all(|(n, (_, bytes))| bytes == &vec![n as u8; 64]));
    }

    #[test]
    fn each_fault_shows_in_the_arrivals_and_in_the_books() {
        assert!(arrivals(|lane| lane.cut = true, 9).1.is_empty());
        let (network, out) = arrivals(|lane| lane.loss = 500, 1000);
        assert!((300..700).contains(&out.len()) && network.books.lost == 1000 - out.len() as u64);
        assert!(arrivals(|lane| lane.duplicate = 500, 100).1.len() > 120);
        let (_, out) = arrivals(|lane| lane.reorder = 500, 100);
        assert!(out.windows(2).any(|pair| pair[0].0 > pair[1].0));
        let (_, out) = arrivals(|lane| lane.corrupt = 1000, 10);
        assert!(out.iter().enumerate().all(|(n, (_, bytes))| bytes != &vec![n as u8; 64]));
    }

    #[test]
    fn a_member_that_is_unplugged_is_reached_by_nobody() {
        let mut network = Network::new(3, 2, &mut Rng::new(1, 1));
        network.attach(1, 1, false);
        assert!(!network.open(1, 0, 1) && !network.open(1, 1, 2) && network.open(1, 0, 2));
        assert!(network.open(0, 0, 1));
        network.heal();
        assert!(network.open(1, 0, 1));
    }
}
