//! What only the kernel of a former owner knows reaches the new one.

use formats::flow::tcp_state;
use formats::{FlowKey, FlowRecord};
use softnic::Omissions;
use trine_sim::cluster::Cluster;
use trine_sim::kernel::KERNEL_GROUPS;
use trine_sim::member::Settings;
use trine_sim::rng::Rng;

const FLOWS_COUNT: u16 = 400;

fn record(port: u16) -> FlowRecord {
    FlowRecord {
        key: FlowKey { src: 1, dst: 2, src_port: port, dst_port: 80, protocol: 6, ..FlowKey::default() },
        groups: KERNEL_GROUPS,
        tcp_state: tcp_state::ESTABLISHED,
        mark: u32::from(port),
        ..FlowRecord::default()
    }
}

/// Two members whose agents started over full kernels and met only when both served.
fn split(seed: u64) -> Cluster {
    let settings = Settings {
        members: 2,
        networks: 1,
        takeover: trine_core::Takeover::Available,
        ..Settings::draw(&mut Rng::new(seed, 1), 2, Omissions::default())
    };
    let mut cluster = Cluster::new(seed, settings);
    cluster.loading = false;
    for port in 0..settings.ports() {
        cluster.network.cut_between(port, 0, 1, true);
    }
    for port in 0..FLOWS_COUNT {
        cluster.members[0].kernel.open(0, &record(port));
    }
    while !cluster.members.iter().all(|member| member.serving()) {
        cluster.run(cluster.now + 1_000);
    }
    cluster.network.heal();
    cluster
}

#[test]
fn an_owner_that_loses_the_group_before_its_first_audit_proposes_what_its_kernel_holds() {
    for seed in 0..8 {
        let mut cluster = split(seed);
        let in_nic = cluster.members[0].agent.as_ref().expect("it serves").nic.flows().count();
        assert!(in_nic < FLOWS_COUNT.into(), "seed {seed}: the audit was over before the members met");
        cluster.run(cluster.now + 5_000_000);
        assert_eq!(cluster.check.converged(&cluster.members), Ok(()), "seed {seed}");
        assert!(cluster.check.violation.is_none(), "seed {seed}: {:?}", cluster.check.violation);
        assert!(!cluster.members[0].serving(), "seed {seed}: the higher term stays");
        for (index, member) in cluster.members.iter().enumerate() {
            let count = member.kernel.entries().len();
            assert_eq!(count, FLOWS_COUNT.into(), "seed {seed}: flows in the kernel of {index}");
        }
    }
}
