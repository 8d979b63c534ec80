//! Addresses, announcements, probes and the checks before a start.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use trine_daemon::linux::address::{Address, Addresses, Announcer, Prober};
use trine_daemon::linux::link::{Mode, Port};
use trine_daemon::linux::neighbour;
use trine_daemon::linux::preflight::{self, Requirements};
use trine_daemon::linux::{sys, sysctl};

use super::namespace::{await_readable, stays_silent, veth, Namespace};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn linked() -> (Namespace, Namespace) {
    let (a, b) = (Namespace::new(), Namespace::new());
    veth(&a, "left", &b, "right", 1_500);
    a.shell("ip addr add 10.9.0.1/24 dev left; ip addr add 2001:db8:9::1/64 dev left nodad");
    b.shell("ip addr add 10.9.0.2/24 dev right; ip addr add 2001:db8:9::2/64 dev right nodad");
    (a, b)
}

#[test]
fn addresses_come_and_go_and_doing_it_twice_is_harmless() {
    let (a, _b) = linked();
    a.run(|| {
        let interface_index = sys::interface("left").unwrap().index;
        let group: Vec<Address> = [("10.9.0.100", 32), ("2001:db8:9::100", 128)]
            .map(|(text, prefix_bits)| Address { interface_index, ip: ip(text), prefix_bits })
            .to_vec();
        let mut addresses = Addresses::open().unwrap();
        for _ in 0..2 {
            addresses.add(&group).unwrap();
            let present = addresses.list().unwrap();
            assert!(group.iter().all(|address| present.contains(address)), "{present:?}");
        }
        // Usable at once: an address under duplicate detection can't be bound.
        for address in &group {
            std::net::UdpSocket::bind((address.ip, 0)).unwrap();
        }
        for _ in 0..2 {
            addresses.remove(&group).unwrap();
            let present = addresses.list().unwrap();
            assert!(group.iter().all(|address| !present.contains(address)), "{present:?}");
        }
        let nowhere = Address { interface_index: 9_999, ..group[0] };
        assert_eq!(addresses.add(&[nowhere]).unwrap_err().raw_os_error(), Some(libc::ENODEV));
        measure_changes(&mut addresses, interface_index);
    });
}

fn measure_changes(addresses: &mut Addresses, interface_index: u32) {
    let many: Vec<Address> = (0..200)
        .map(|number| Address { interface_index, ip: IpAddr::from([10, 9, 1, number]), prefix_bits: 32 })
        .collect();
    let begin = Instant::now();
    addresses.add(&many).unwrap();
    let add_us = begin.elapsed().as_micros() as f64 / 200.0;
    let begin = Instant::now();
    addresses.remove(&many).unwrap();
    let remove_us = begin.elapsed().as_micros() as f64 / 200.0;
    println!("address add {add_us:.1} µs, remove {remove_us:.1} µs each in one batch");
}

#[test]
fn an_announcement_reaches_the_neighbours_in_every_form() {
    let (a, b) = linked();
    for (mode, address, forms) in
        [(Mode::Arp, "10.9.0.100", 2), (Mode::NeighbourAdvertisement, "2001:db8:9::100", 1)]
    {
        let mut listener = b.run(|| Port::open("right", mode).unwrap());
        let mut announcer = a.run(|| Announcer::open("left").unwrap());
        assert_eq!(announcer.announce(&[ip(address)]).unwrap(), forms);
        let mut frames = Vec::new();
        await_readable(&mut listener, |port| {
            port.recv_batch(&mut |frame| frames.push(frame.to_vec())).unwrap();
            (frames.len() >= forms).then_some(())
        });
        assert_eq!(neighbour::answered(frames.last().unwrap()), Some(ip(address)));
    }
    // A neighbour that knew the address elsewhere now looks for it here.
    b.shell("ip neigh replace 10.9.0.100 lladdr 02:00:00:00:00:99 dev right nud stale; ip neigh replace 2001:db8:9::100 lladdr 02:00:00:00:00:99 dev right nud stale");
    a.run(|| Announcer::open("left").unwrap()).announce(&[ip("10.9.0.100"), ip("2001:db8:9::100")]).unwrap();
    let begin = Instant::now();
    while b.shell("ip neigh show dev right").contains("02:00:00:00:00:99") {
        assert!(begin.elapsed() < Duration::from_secs(2), "{}", b.shell("ip neigh show dev right"));
    }
}

#[test]
fn a_probe_is_answered_by_a_neighbour_and_by_nobody_else() {
    let (a, _b) = linked();
    for (own, there, nowhere) in
        [("10.9.0.1", "10.9.0.2", "10.9.0.3"), ("2001:db8:9::1", "2001:db8:9::2", "2001:db8:9::3")]
    {
        let open = |target| a.run(|| Prober::open("left", ip(own), ip(target)).unwrap());
        let (mut answered, mut silent) = (open(there), open(nowhere));
        let begin = Instant::now();
        assert!(answered.ask().unwrap() && silent.ask().unwrap());
        await_readable(&mut answered, |prober| prober.answered().unwrap().then_some(()));
        println!("probe of {there} answered after {:?}", begin.elapsed());
        assert!(stays_silent(&mut silent, Duration::from_millis(50), |prober| prober.answered().unwrap()));
    }
    assert!(a.run(|| Prober::open("left", ip("10.9.0.1"), ip("2001:db8:9::2"))).is_err());
}

#[test]
fn preflight_names_what_is_wrong_and_falls_silent_when_it_is_right() {
    let namespace = Namespace::new();
    let names = |requirements: Requirements| {
        namespace.run(|| preflight::run(&requirements)).iter().map(|one| one.name).collect::<Vec<_>>()
    };
    namespace.run(|| {
        sysctl::CONNTRACK_TCP_LOOSE.set(1).unwrap();
        sysctl::IPV4_FORWARD.set(0).unwrap();
    });
    namespace.shell("nft 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; add rule ip nat post masquerade'");
    let wrong = names(Requirements { conntrack_entries: u64::MAX, ipv6: true });
    let settings = ["tcp_loose", "conntrack_max", "ip_forward", "ipv6_forward", "conntrack_buckets"];
    assert_eq!(wrong, [&settings[..], &["masquerade"]].concat());
    namespace.run(|| {
        sysctl::CONNTRACK_TCP_LOOSE.set(0).unwrap();
        sysctl::IPV4_FORWARD.set(1).unwrap();
        sysctl::IPV6_FORWARD.set(1).unwrap();
    });
    namespace.shell("nft flush ruleset");
    assert_eq!(names(Requirements { conntrack_entries: 1_000, ipv6: true }), [""; 0]);
}
