//! The kernels' connection tables, read and compared.
//!
//! Compared: tuples and with them the translation, SEEN_REPLY and ASSURED, state class, mark,
//! zone. Not compared: time-outs, ids and counters, which each kernel owns, and flows that
//! begin or end at a gateway.

use super::net::Net;
use super::plan::{FORWARDED_PORT, MEMBERS, MOVING, UPLOAD_PORT};
use crate::command::capture;
use crate::error::Result;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// One direction of a flow; ports are zero where the protocol has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Direction {
    /// Sender.
    pub(crate) source: SocketAddr,
    /// Receiver.
    pub(crate) destination: SocketAddr,
}

/// A flow as far as both kernels must agree on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flow {
    /// Protocol name.
    pub(crate) protocol: String,
    /// As the first packet went.
    pub(crate) original: Direction,
    /// As answers come.
    pub(crate) reply: Direction,
    seen_reply: bool,
    assured: bool,
    state: &'static str,
    mark: u32,
    zone: u16,
}

impl Flow {
    /// A flow from a line of `conntrack -L`; `None` if it is none.
    fn parse(line: &str) -> Option<Flow> {
        let mut words = line.split_whitespace();
        let protocol = words.next()?.to_owned();
        let mut addresses = Vec::new();
        let mut ports = Vec::new();
        let (mut mark, mut zone) = (0, 0);
        let mut state = "";
        for word in words {
            match word.split_once('=') {
                Some(("src" | "dst", value)) => addresses.push(value.parse::<IpAddr>().ok()?),
                Some(("sport" | "dport", value)) => ports.push(value.parse::<u16>().ok()?),
                Some(("mark", value)) => mark = value.parse().ok()?,
                Some(("zone", value)) => zone = value.parse().ok()?,
                Some(_) => {}
                None => state = if state.is_empty() { state_class(word) } else { state },
            }
        }
        let &[from, to, reply_from, reply_to] = addresses.as_slice() else { return None };
        let port = |index: usize| ports.get(index).copied().unwrap_or(0);
        let direction = |source: IpAddr, destination: IpAddr, first: usize| Direction {
            source: (source, port(first)).into(),
            destination: (destination, port(first + 1)).into(),
        };
        Some(Flow {
            protocol,
            original: direction(from, to, 0),
            reply: direction(reply_from, reply_to, 2),
            seen_reply: !line.contains("[UNREPLIED]"),
            assured: line.contains("[ASSURED]"),
            state,
            mark,
            zone,
        })
    }

    /// Whether the gateway only passes it on.
    fn is_forwarded(&self) -> bool {
        ![self.original.source.ip(), self.reply.source.ip()].into_iter().any(is_gateway)
    }

    /// Whether it belongs to the demonstration's own connections.
    pub(crate) fn is_live_tcp(&self) -> bool {
        let port = self.original.destination.port();
        self.protocol == "tcp" && (port == FORWARDED_PORT || (7000..=UPLOAD_PORT).contains(&port))
    }
}

/// Life-cycle class of a TCP state word; other protocols have none.
fn state_class(word: &str) -> &'static str {
    match word {
        "SYN_SENT" | "SYN_RECV" | "SYN_SENT2" => "opening",
        "ESTABLISHED" => "established",
        "FIN_WAIT" | "CLOSE_WAIT" | "LAST_ACK" | "TIME_WAIT" => "closing",
        "CLOSE" => "closed",
        _ => "",
    }
}

fn is_gateway(address: IpAddr) -> bool {
    let own = match address {
        IpAddr::V4(address) => matches!(address.octets(), [10, 1 | 2, 0, 1 | 2]),
        IpAddr::V6(address) => {
            let segments = address.segments();
            segments[0] & 0xffc0 == 0xfe80 || (segments[0] == 0xfd00 && matches!(segments[7], 1 | 2))
        }
    };
    own || MOVING.iter().any(|moving| moving.address == address)
}

/// The forwarded flows of a member's kernel.
pub(crate) fn dump(net: &Net, member: &str) -> Result<BTreeSet<Flow>> {
    let mut flows = BTreeSet::new();
    for family in ["ipv4", "ipv6"] {
        let text = capture(&mut net.inside(member, &["conntrack", "-L", "-f", family]))?;
        flows.extend(text.lines().filter_map(Flow::parse).filter(Flow::is_forwarded));
    }
    Ok(flows)
}

/// How many entries a member's kernel holds, its own included.
pub(crate) fn count(net: &Net, member: &str) -> Result<u64> {
    let text = capture(&mut net.inside(member, &["conntrack", "-C"]))?;
    Ok(text.trim().parse().unwrap_or(0))
}

/// Empties a member's table.
pub(crate) fn flush(net: &Net, member: &str) -> Result<()> {
    capture(&mut net.inside(member, &["conntrack", "-F"])).map(drop)
}

/// How many flows only one of the two kernels holds, whatever their state.
pub(crate) fn unmatched_count(net: &Net) -> Result<usize> {
    let [one, other] = [dump(net, MEMBERS[0])?, dump(net, MEMBERS[1])?];
    let keys = |flows: &BTreeSet<Flow>| -> BTreeSet<_> {
        flows.iter().map(|flow| (flow.protocol.clone(), flow.original, flow.reply)).collect()
    };
    Ok(keys(&one).symmetric_difference(&keys(&other)).count())
}

/// What differs between the two kernels; empty when they agree.
pub(crate) fn differences(net: &Net) -> Result<(usize, Vec<String>)> {
    let [one, other] = [dump(net, MEMBERS[0])?, dump(net, MEMBERS[1])?];
    Ok((one.len(), compare(&one, &other)))
}

fn compare(one: &BTreeSet<Flow>, other: &BTreeSet<Flow>) -> Vec<String> {
    let only = |member: &'static str| move |flow: &Flow| format!("only {member}: {}", describe(flow));
    let first = one.difference(other).map(only(MEMBERS[0]));
    first.chain(other.difference(one).map(only(MEMBERS[1]))).collect()
}

fn describe(flow: &Flow) -> String {
    format!(
        "{} {} > {} / {} > {} {}{}{} mark {} zone {}",
        flow.protocol,
        flow.original.source,
        flow.original.destination,
        flow.reply.source,
        flow.reply.destination,
        flow.state,
        if flow.seen_reply { " replied" } else { "" },
        if flow.assured { " assured" } else { "" },
        flow.mark,
        flow.zone,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSLATED: &str =
        "tcp      6 431999 ESTABLISHED src=10.1.0.10 dst=10.2.0.10 sport=40000 dport=7000 \
        src=10.2.0.10 dst=10.2.0.100 sport=7000 dport=40000 [ASSURED] mark=3 zone=2 use=1";

    #[test]
    fn a_line_becomes_a_flow() {
        let flow = Flow::parse(TRANSLATED).expect("a flow");
        assert_eq!(flow.reply.destination, "10.2.0.100:40000".parse().expect("an address"));
        assert_eq!((flow.state, flow.mark, flow.zone), ("established", 3, 2));
        assert!(flow.assured && flow.seen_reply && flow.is_forwarded() && flow.is_live_tcp());
    }

    #[test]
    fn protocols_without_state_or_ports_are_read() {
        let udp = "udp      17 29 src=10.1.0.10 dst=10.2.0.10 sport=5 dport=7001 [UNREPLIED] \
            src=10.2.0.10 dst=10.2.0.100 sport=7001 dport=5 mark=0 use=1";
        let flow = Flow::parse(udp).expect("a flow");
        assert!(!flow.seen_reply && !flow.assured && flow.state.is_empty());
        let icmp = "icmp     1 29 src=10.1.0.1 dst=10.1.0.10 type=8 code=0 id=7 \
            src=10.1.0.10 dst=10.1.0.1 type=0 code=0 id=7 mark=0 use=1";
        assert!(!Flow::parse(icmp).expect("a flow").is_forwarded(), "the gateway's own probe");
        assert!(Flow::parse("conntrack v1.4.7 (conntrack-tools): 3 flow entries").is_none());
    }

    #[test]
    fn flows_that_end_at_the_gateway_are_its_own() {
        let own = "tcp 6 1 CLOSE src=fe80::1 dst=fd00:1::10 sport=1 dport=2 \
            src=fd00:1::10 dst=fe80::1 sport=2 dport=1 mark=0";
        assert!(!Flow::parse(own).expect("a flow").is_forwarded());
        let to_moving = "tcp 6 1 CLOSE src=10.2.0.10 dst=10.2.0.100 sport=1 dport=2 \
            src=10.2.0.100 dst=10.2.0.10 sport=2 dport=1 mark=0";
        assert!(!Flow::parse(to_moving).expect("a flow").is_forwarded());
    }

    #[test]
    fn timeouts_do_not_differ_but_marks_do() {
        let set = |line: &str| BTreeSet::from([Flow::parse(line).expect("a flow")]);
        assert!(compare(&set(TRANSLATED), &set(&TRANSLATED.replace("431999", "12"))).is_empty());
        assert_eq!(compare(&set(TRANSLATED), &set(&TRANSLATED.replace("mark=3", "mark=4"))).len(), 2);
        assert_eq!(compare(&set(TRANSLATED), &BTreeSet::new()).len(), 1);
    }
}
