//! Requests that write the kernel's connection table.
//!
//! Enters: a flow record or key. Leaves: one message appended to a buffer; failures are always answered,
//! successes when [`request_ack`] was called. Invariants: a delete always names a flow (without a tuple
//! it would empty the table); OFFLOAD and DYING are never written; an update never names NAT, which the
//! kernel refuses. Does not send.
//!
//! The reply tuple of a create must be the un-NATed inverse of the original one: with the translated
//! tuple the kernel sees nothing to translate and silently leaves NAT out (measured: 0 of 22 flows
//! survived).

use formats::flow::{protocol, status};
use formats::{Family, FlowKey, FlowRecord, Groups};

use super::{attribute as a, has_identifier, has_ports, status_local};
use super::{MESSAGE_DELETE, MESSAGE_GET, MESSAGE_NEW, TCP_FLAGS_REPLICATED, TCP_FLAG_BE_LIBERAL};
use crate::linux::netlink::Builder;

/// Why a record can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// This ICMP type has no answer, so the kernel can't track it.
    NoAnswerType(u8),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoAnswerType(kind) => write!(f, "ICMP type {kind} has no answer type"),
        }
    }
}

impl std::error::Error for BuildError {}

fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => libc::AF_INET as u8,
        Family::V6 => libc::AF_INET6 as u8,
    }
}

fn begin<'a>(out: &'a mut Vec<u8>, kind: u16, flags: i32, sequence: u32, key: &FlowKey) -> Builder<'a> {
    let mut message = Builder::new(out, kind, flags as u16, sequence, &[family_number(key.family), 0, 0, 0]);
    if key.zone != 0 {
        message.put_be16(a::ZONE, key.zone);
    }
    message
}

/// Appends a create; with `exclusive` an existing flow is `EEXIST` instead of a change to it.
///
/// `timeout_s` is what the kernel counts down from. Edges and policy can't be written.
pub fn create(
    out: &mut Vec<u8>,
    sequence: u32,
    record: &FlowRecord,
    timeout_s: u32,
    exclusive: bool,
) -> Result<(), BuildError> {
    let key = &record.key;
    let inverse = inverse_tuple(key)?;
    let exclusive = if exclusive { libc::NLM_F_EXCL } else { 0 };
    let flags = libc::NLM_F_CREATE | exclusive;
    let mut message = begin(out, MESSAGE_NEW, flags, sequence, key);
    put_tuple(&mut message, a::TUPLE_ORIGINAL, key);
    put_tuple(&mut message, a::TUPLE_REPLY, &inverse);
    put_state(&mut message, record, Some(timeout_s), record.labels != 0);
    put_nat(&mut message, record);
    message.finish();
    Ok(())
}

/// Appends a change of the groups that `record` has, without NAT; `ENOENT` if the flow is gone.
///
/// The kernel refuses (`EBUSY`) to take ASSURED or SEEN_REPLY back and (`EPERM`) to change the timeout
/// of a flow whose timeout is fixed: the caller re-creates.
pub fn update(out: &mut Vec<u8>, sequence: u32, record: &FlowRecord, timeout_s: Option<u32>) {
    let mut message = begin(out, MESSAGE_NEW, 0, sequence, &record.key);
    put_tuple(&mut message, a::TUPLE_ORIGINAL, &record.key);
    put_state(&mut message, record, timeout_s, true);
    message.finish();
}

/// Appends a change by which the kernel no longer enforces windows on a TCP flow.
pub fn make_liberal(out: &mut Vec<u8>, sequence: u32, key: &FlowKey) {
    let mut message = begin(out, MESSAGE_NEW, 0, sequence, key);
    put_tuple(&mut message, a::TUPLE_ORIGINAL, key);
    message.nest(a::PROTOINFO, |info| {
        info.nest(a::PROTOINFO_TCP, |tcp| {
            tcp.put(a::TCP_FLAGS_ORIGINAL, &[TCP_FLAG_BE_LIBERAL; 2]);
            tcp.put(a::TCP_FLAGS_REPLY, &[TCP_FLAG_BE_LIBERAL; 2]);
        });
    });
    message.finish();
}

/// Appends a delete; with `ct_id` only that life of the flow (`ENOENT` for another).
pub fn delete(out: &mut Vec<u8>, sequence: u32, key: &FlowKey, ct_id: Option<u32>) {
    let mut message = begin(out, MESSAGE_DELETE, 0, sequence, key);
    put_tuple(&mut message, a::TUPLE_ORIGINAL, key);
    if let Some(ct_id) = ct_id {
        message.put_be32(a::ID, ct_id);
    }
    message.finish();
}

/// Appends a question for one flow.
pub fn get(out: &mut Vec<u8>, sequence: u32, key: &FlowKey) {
    let mut message = begin(out, MESSAGE_GET, 0, sequence, key);
    put_tuple(&mut message, a::TUPLE_ORIGINAL, key);
    message.finish();
}

/// Appends a question for every flow of every zone and family.
pub fn dump(out: &mut Vec<u8>, sequence: u32) {
    Builder::new(out, MESSAGE_GET, libc::NLM_F_DUMP as u16, sequence, &[libc::AF_UNSPEC as u8, 0, 0, 0])
        .finish();
}

/// Asks for an acknowledgement of the message that starts at `start`.
///
/// # Panics
/// If no message starts there.
pub fn request_ack(out: &mut [u8], start: usize) {
    const FLAGS_OFFSET: usize = 6;
    let flags = &mut out[start + FLAGS_OFFSET..start + FLAGS_OFFSET + 2];
    let present = u16::from_ne_bytes([flags[0], flags[1]]);
    flags.copy_from_slice(&(present | libc::NLM_F_ACK as u16).to_ne_bytes());
}

/// The reply tuple of an untranslated flow.
fn inverse_tuple(key: &FlowKey) -> Result<FlowKey, BuildError> {
    if !has_identifier(key.protocol) {
        return Ok(key.reversed());
    }
    let [kind, code] = key.dst_port.to_be_bytes();
    let answer = answer_type(key.protocol, kind).ok_or(BuildError::NoAnswerType(kind))?;
    let dst_port = u16::from_be_bytes([answer, code]);
    Ok(FlowKey { src: key.dst, dst: key.src, dst_port, ..*key })
}

/// The pairs conntrack knows (`invmap` of its ICMP and ICMPv6 trackers).
fn answer_type(number: u8, kind: u8) -> Option<u8> {
    const V4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
    const V6: [(u8, u8); 2] = [(128, 129), (139, 140)];
    let pairs: &[(u8, u8)] = if number == protocol::ICMP { &V4 } else { &V6 };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        _ if kind == ask => Some(answer),
        _ if kind == answer => Some(ask),
        _ => None,
    })
}

fn put_tuple(message: &mut Builder<'_>, kind: u16, key: &FlowKey) {
    message.nest(kind, |tuple| {
        tuple.nest(a::TUPLE_IP, |ip| match key.family {
            Family::V4 => {
                ip.put_be32(a::IP_V4_SRC, key.src as u32);
                ip.put_be32(a::IP_V4_DST, key.dst as u32);
            }
            Family::V6 => {
                ip.put(a::IP_V6_SRC, &key.src.to_be_bytes());
                ip.put(a::IP_V6_DST, &key.dst.to_be_bytes());
            }
        });
        tuple.nest(a::TUPLE_PROTO, |proto| {
            proto.put(a::PROTO_NUM, &[key.protocol]);
            let [kind, code] = key.dst_port.to_be_bytes();
            if has_ports(key.protocol) {
                proto.put_be16(a::PROTO_SRC_PORT, key.src_port);
                proto.put_be16(a::PROTO_DST_PORT, key.dst_port);
            } else if key.protocol == protocol::ICMP {
                proto.put_be16(a::PROTO_ICMP_ID, key.src_port);
                proto.put(a::PROTO_ICMP_TYPE, &[kind]);
                proto.put(a::PROTO_ICMP_CODE, &[code]);
            } else if key.protocol == protocol::ICMPV6 {
                proto.put_be16(a::PROTO_ICMPV6_ID, key.src_port);
                proto.put(a::PROTO_ICMPV6_TYPE, &[kind]);
                proto.put(a::PROTO_ICMPV6_CODE, &[code]);
            }
        });
    });
}

fn put_state(message: &mut Builder<'_>, record: &FlowRecord, timeout_s: Option<u32>, with_labels: bool) {
    if record.groups.has(Groups::STATUS) {
        // Without CONFIRMED the kernel refuses: it may not be taken back.
        let bits = u32::from(record.status & status::REPLICATED) | status_local::CONFIRMED;
        message.put_be32(a::STATUS, bits);
    }
    if let Some(timeout_s) = timeout_s {
        message.put_be32(a::TIMEOUT, timeout_s);
    }
    if record.groups.has(Groups::MARK) {
        message.put_be32(a::MARK, record.mark);
    }
    if record.groups.has(Groups::LABELS) && with_labels {
        message.put(a::LABELS, &record.labels.to_le_bytes());
        message.put(a::LABELS_MASK, &[0xff; 16]);
    }
    let (has_state, has_scales) = (record.groups.has(Groups::STATUS), record.groups.has(Groups::SCALES));
    if record.key.protocol == protocol::TCP && (has_state || has_scales) {
        message.nest(a::PROTOINFO, |info| {
            info.nest(a::PROTOINFO_TCP, |tcp| {
                if has_state {
                    tcp.put(a::TCP_STATE, &[record.tcp_state]);
                }
                if has_scales {
                    put_scales(tcp, record);
                }
            });
        });
    }
}

fn put_scales(tcp: &mut Builder<'_>, record: &FlowRecord) {
    let flags = record.tcp_flags.map(|flags| [flags & TCP_FLAGS_REPLICATED, TCP_FLAGS_REPLICATED]);
    tcp.put(a::TCP_WSCALE_ORIGINAL, &[record.scales[0]]);
    tcp.put(a::TCP_WSCALE_REPLY, &[record.scales[1]]);
    tcp.put(a::TCP_FLAGS_ORIGINAL, &flags[0]);
    tcp.put(a::TCP_FLAGS_REPLY, &flags[1]);
}

/// Exact address and port of each translated side, so that the kernel has no choice left.
fn put_nat(message: &mut Builder<'_>, record: &FlowRecord) {
    if !record.groups.has(Groups::NAT) {
        return;
    }
    let (key, nat) = (&record.key, &record.nat);
    let (source_port, destination_port) = if has_identifier(key.protocol) {
        // The identifier belongs to the source side; type and code are never translated.
        (Some((key.src_port, nat.reply_src_port)), None)
    } else if has_ports(key.protocol) {
        (Some((key.src_port, nat.reply_dst_port)), Some((key.dst_port, nat.reply_src_port)))
    } else {
        (None, None)
    };
    put_nat_side(message, a::NAT_DST, key.family, (key.dst, nat.reply_src), destination_port);
    put_nat_side(message, a::NAT_SRC, key.family, (key.src, nat.reply_dst), source_port);
}

fn put_nat_side(
    message: &mut Builder<'_>,
    kind: u16,
    family: Family,
    (address, translated): (u128, u128),
    ports: Option<(u16, u16)>,
) {
    if address == translated && ports.is_none_or(|(port, translated)| port == translated) {
        return;
    }
    message.nest(kind, |side| {
        match family {
            Family::V4 => {
                side.put_be32(a::NAT_V4_MIN, translated as u32);
                side.put_be32(a::NAT_V4_MAX, translated as u32);
            }
            Family::V6 => {
                side.put(a::NAT_V6_MIN, &translated.to_be_bytes());
                side.put(a::NAT_V6_MAX, &translated.to_be_bytes());
            }
        }
        if let Some((_, port)) = ports {
            side.nest(a::NAT_PROTO, |proto| {
                proto.put_be16(a::NAT_PORT_MIN, port);
                proto.put_be16(a::NAT_PORT_MAX, port);
            });
        }
    });
}
