//! Lifetime classes, and how long a flow of each protocol and state may be idle.

use formats::flow::{lifetime_class, protocol, tcp_state};

/// Seconds an idle flow lives; the values are the defaults of Linux conntrack.
pub(crate) fn timeout_s(number: u8, state: u8, class: u8) -> u32 {
    let answered = class >= lifetime_class::REPLIED;
    let assured = class >= lifetime_class::ASSURED;
    match number {
        protocol::TCP => match state {
            // A reset was seen that may be a stranger's: the next packet says that the connection lives.
            tcp_state::ESTABLISHED if class == lifetime_class::CLOSING => 10,
            tcp_state::ESTABLISHED => 432_000,
            tcp_state::SYN_RECV | tcp_state::CLOSE_WAIT => 60,
            tcp_state::LAST_ACK => 30,
            tcp_state::CLOSE => 10,
            _ => 120,
        },
        protocol::UDP => 30 + if assured { 90 } else { 0 },
        protocol::ICMP | protocol::ICMPV6 => 30,
        protocol::GRE => 30 + if answered { 150 } else { 0 },
        protocol::SCTP => 30 + if answered { 180 } else { 0 },
        _ => 600,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::flow::status;

    #[test]
    fn classes_follow_status_and_state() {
        let assured = status::SEEN_REPLY | status::ASSURED;
        for (bits, state, class) in [
            (0, 0, lifetime_class::NEW),
            (0, tcp_state::SYN_SENT, lifetime_class::NEW),
            (status::SEEN_REPLY, tcp_state::SYN_RECV, lifetime_class::REPLIED),
            (assured, tcp_state::ESTABLISHED, lifetime_class::ASSURED),
            (assured, tcp_state::FIN_WAIT, lifetime_class::CLOSING),
            (assured, tcp_state::CLOSE, lifetime_class::CLOSING),
            (assured, tcp_state::SYN_SENT2, lifetime_class::ASSURED),
        ] {
            assert_eq!(lifetime_class::of(bits, state), class, "{bits} {state}");
        }
    }

    #[test]
    fn an_answer_makes_a_flow_live_longer() {
        for number in [protocol::UDP, protocol::GRE, protocol::SCTP] {
            let of = |class| timeout_s(number, 0, class);
            assert!(of(lifetime_class::NEW) <= of(lifetime_class::REPLIED));
            assert!(of(lifetime_class::NEW) < of(lifetime_class::ASSURED));
        }
    }
}
