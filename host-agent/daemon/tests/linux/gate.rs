//! The forwarding lease on a gateway between a client and a server.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use trine_daemon::linux::address::Prober;
use trine_daemon::linux::lease::{EventMask, Lease, LeaseConfig, LeaseError, Watch};
use trine_daemon::linux::sysctl;

use super::namespace::{await_readable, stays_silent, veth, Namespace};

const LEASE_MS: u32 = 50;
const GROUP_V4: &str = "10.1.0.100";
const GROUP_V6: &str = "2001:db8:1::100";
const SERVER: &str = "10.2.0.2:7000";

struct Site {
    client: Namespace,
    gateway: Namespace,
    server: Namespace,
}

impl Site {
    fn new() -> Self {
        let site = Self { client: Namespace::new(), gateway: Namespace::new(), server: Namespace::new() };
        veth(&site.gateway, "lan", &site.client, "up", 1_500);
        veth(&site.gateway, "wan", &site.server, "up", 1_500);
        site.client.shell(
            "ip addr add 10.1.0.2/24 dev up; ip addr add 2001:db8:1::2/64 dev up nodad; ip route add default via 10.1.0.1",
        );
        site.server.shell("ip addr add 10.2.0.2/24 dev up; ip route add default via 10.2.0.1");
        site.gateway.shell(
            "ip addr add 10.1.0.1/24 dev lan; ip addr add 10.2.0.1/24 dev wan; \
             ip addr add 2001:db8:1::1/64 dev lan nodad; \
             ip addr add 10.1.0.100/32 dev lan; ip addr add 2001:db8:1::100/128 dev lan nodad; \
             sysctl -qw net.ipv4.ip_forward=1; \
             nft 'add table ip operator; add chain ip operator forward { type filter hook forward priority 0; }; \
                  add rule ip operator forward ct state new accept'",
        );
        site
    }

    fn install(&self) -> Lease {
        self.gateway.run(|| Lease::install(&config()).unwrap())
    }

    fn entries(&self) -> u64 {
        self.gateway.run(|| sysctl::CONNTRACK_COUNT.read().unwrap())
    }

    fn client_socket(&self) -> UdpSocket {
        self.client.run(|| UdpSocket::bind("10.1.0.2:0").unwrap())
    }

    fn server_socket(&self) -> UdpSocket {
        let socket = self.server.run(|| UdpSocket::bind(SERVER).unwrap());
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn is_answered(&self, own: &str, target: &str) -> bool {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut prober = self.client.run(|| Prober::open("up", ip(own), ip(target)).unwrap());
        prober.ask().unwrap();
        !stays_silent(&mut prober, Duration::from_millis(30), |prober| prober.answered().unwrap())
    }

    /// Teaches every neighbour, so that no later packet waits for ARP.
    fn warm_up(&self, lease: &mut Lease) {
        lease.renew().unwrap();
        let (client, mut server) = (self.client_socket(), self.server_socket());
        await_readable(&mut server, |server| {
            lease.renew().unwrap();
            client.send_to(b"warm", SERVER).unwrap();
            received(server).last().map(|_| ())
        });
        lease.release().unwrap();
    }
}

fn config() -> LeaseConfig {
    LeaseConfig {
        interfaces: vec!["lan".into(), "wan".into()],
        addresses_v4: vec![GROUP_V4.parse().unwrap()],
        addresses_v6: vec![GROUP_V6.parse().unwrap()],
        lease_ms: LEASE_MS,
        events: EventMask::Assured,
    }
}

fn received(socket: &UdpSocket) -> Vec<u32> {
    let (mut numbers, mut bytes) = (Vec::new(), [0; 4]);
    while socket.recv(&mut bytes).is_ok() {
        numbers.push(u32::from_be_bytes(bytes));
    }
    numbers
}

#[test]
fn a_dead_lease_drops_before_conntrack_and_a_live_one_passes_everything() {
    let site = Site::new();
    let mut lease = site.install();
    let (client, mut server) = (site.client_socket(), site.server_socket());
    assert!(!lease.is_alive().unwrap());
    for _ in 0..10 {
        client.send_to(b"dead", SERVER).unwrap();
        client.send_to(b"dead", (GROUP_V4, 9)).unwrap_or(0);
    }
    assert!(stays_silent(&mut server, Duration::from_millis(50), |server| !received(server).is_empty()));
    assert_eq!(site.entries(), 0);
    let drops = lease.drops().unwrap();
    assert!(drops.traffic >= 10 && drops.requests >= 1, "{drops:?}");
    await_readable(&mut server, |server| {
        lease.renew().unwrap();
        assert!(lease.is_alive().unwrap());
        client.send_to(b"live", SERVER).unwrap();
        (!received(server).is_empty()).then_some(())
    });
    assert_eq!(site.entries(), 1);
}

#[test]
fn the_members_own_traffic_passes_a_dead_lease_and_group_addresses_do_not_answer() {
    let site = Site::new();
    let mut lease = site.install();
    let mut own = site.gateway.run(|| UdpSocket::bind("10.1.0.1:9").unwrap());
    own.set_nonblocking(true).unwrap();
    site.client_socket().send_to(b"own!", "10.1.0.1:9").unwrap();
    await_readable(&mut own, |own| (!received(own).is_empty()).then_some(()));
    for (from, own, group) in
        [("10.1.0.2", "10.1.0.1", GROUP_V4), ("2001:db8:1::2", "2001:db8:1::1", GROUP_V6)]
    {
        assert!(site.is_answered(from, own), "{own}");
        assert!(!site.is_answered(from, group), "{group} with a dead lease");
        lease.renew().unwrap();
        assert!(site.is_answered(from, group), "{group} with a live lease");
        lease.release().unwrap();
        assert!(!site.is_answered(from, group), "{group} after the release");
    }
    let drops = lease.drops().unwrap();
    assert!(drops.solicitations >= 2 && drops.requests >= 2, "{drops:?}");
}

#[test]
fn an_unrenewed_lease_dies_within_its_time_and_three_ticks() {
    let site = Site::new();
    let mut lease = site.install();
    site.warm_up(&mut lease);
    let (client, server) = (site.client_socket(), site.server_socket());
    let (mut sent_ms, mut last) = (Vec::new(), None);
    lease.renew().unwrap();
    let renewed = Instant::now();
    while renewed.elapsed() < Duration::from_millis(u64::from(LEASE_MS) * 3) {
        sent_ms.push(renewed.elapsed().as_secs_f64() * 1e3);
        client.send_to(&(sent_ms.len() as u32 - 1).to_be_bytes(), SERVER).unwrap();
        last = received(&server).last().copied().or(last);
    }
    let last = received(&server).last().copied().or(last).expect("packets passed at first");
    let died_ms = sent_ms[last as usize];
    println!("lease of {LEASE_MS} ms passed its last packet after {died_ms:.1} ms");
    assert!(died_ms <= f64::from(LEASE_MS) + 12.0);
    assert!(died_ms >= f64::from(LEASE_MS) * 0.7);
    assert!(!lease.is_alive().unwrap());
}

#[test]
fn a_watch_tells_of_a_removed_gate_and_not_of_renewals() {
    let site = Site::new();
    let mut watch = site.gateway.run(|| Watch::open().unwrap());
    let mut lease = site.install();
    assert!(watch.changed().unwrap() && !watch.changed().unwrap());
    lease.renew().unwrap();
    lease.release().unwrap();
    assert!(!watch.changed().unwrap(), "a renewal is no change of rules");
    site.gateway.shell("nft flush ruleset");
    assert!(watch.changed().unwrap());
    assert!(matches!(lease.release(), Err(LeaseError::Gone)));
}

#[test]
fn renewals_leave_no_gap() {
    let site = Site::new();
    let mut lease = site.install();
    site.warm_up(&mut lease);
    let (client, mut server) = (site.client_socket(), site.server_socket());
    const PACKETS: u32 = 5_000;
    let mut longest = Duration::ZERO;
    let (mut numbers, mut spent, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
    lease.renew().unwrap();
    for number in 0..PACKETS {
        client.send_to(&number.to_be_bytes(), SERVER).unwrap();
        longest = longest.max(last.elapsed());
        last = Instant::now();
        lease.renew().unwrap();
        spent += last.elapsed();
        numbers.extend(received(&server));
    }
    println!("renewal {:.1} µs each over {PACKETS}", spent.as_secs_f64() * 1e6 / f64::from(PACKETS));
    assert!(longest < Duration::from_millis(u64::from(LEASE_MS)), "this machine stood still for {longest:?}");
    await_readable(&mut server, |server| {
        numbers.extend(received(server));
        (numbers.last() == Some(&(PACKETS - 1))).then_some(())
    });
    assert_eq!(numbers.len(), PACKETS as usize);
}

#[test]
fn installing_twice_replaces_and_removal_opens_the_gate() {
    let site = Site::new();
    let mut first = site.install();
    first.renew().unwrap();
    let mut second = site.install();
    assert!(!second.is_alive().unwrap());
    site.gateway.run(|| second.remove().unwrap());
    assert!(!site.gateway.shell("nft list tables").contains("trine"));
    assert!(matches!(first.renew(), Err(LeaseError::Gone)));
    let (client, mut server) = (site.client_socket(), site.server_socket());
    await_readable(&mut server, |server| {
        client.send_to(b"free", SERVER).unwrap();
        (!received(server).is_empty()).then_some(())
    });
}
