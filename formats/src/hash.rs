//! Keyed hashes: the flow id that places a flow, and the flow digest that proves it equal.
//!
//! Budget: flow id ≤ 15 ns (IPv4), flow digest ≤ 20 ns on one core.

use crate::flow::{Family, FlowId, FlowKey, FlowRecord, Groups, Stamp};
use crate::limits::FLOW_ID_BITS;

/// Bytes of an end point (address and port) that enter the flow id.
const ENDPOINT_BYTES: usize = 18;
/// Bytes of protocol, zone and family.
const CONTEXT_BYTES: usize = 4;
const ID_MASK: u64 = (1 << FLOW_ID_BITS) - 1;

/// SipHash-2-4 of one number (Aumasson and Bernstein, 2012): expands the cluster secret.
fn sip(k0: u64, k1: u64, message: u64) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    };
    for word in [message, 8 << 56] {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// 256 bits shared by the members of a cluster; keys the flow id and the digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClusterSecret(pub [u8; 32]);

impl ClusterSecret {
    /// Number `index` of the pseudo-random sequence `domain`.
    fn word(&self, domain: u64, index: u64) -> u64 {
        let key = |i: usize| u64::from_le_bytes(self.0[8 * i..8 * i + 8].try_into().expect("8 bytes"));
        sip(key(0) ^ domain, key(1), sip(key(2), key(3) ^ domain, index))
    }
}

impl core::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

/// Flow id = T(a) + T(b) + T'(protocol, zone, family) mod 2^40 over the two end points a and b.
///
/// T and T' are XOR matrices drawn from the cluster secret, held as byte tables (45 KiB): cheap in
/// gates and in software. The sum makes both directions meet; a plain XOR of T(a) and T(b) would
/// collide for every pair of flows that swap an end point's bits. The key keeps a stranger from
/// aiming a flood at one set.
#[derive(Clone)]
pub struct FlowHasher {
    endpoint: [[u64; 256]; ENDPOINT_BYTES],
    context: [[u64; 256]; CONTEXT_BYTES],
}

impl FlowHasher {
    /// Expands the secret; 45 KiB, keep it in a `Box`.
    pub fn new(secret: &ClusterSecret) -> Self {
        fn expand<const N: usize>(secret: &ClusterSecret, domain: u64) -> [[u64; 256]; N] {
            let mut tables = [[0; 256]; N];
            for (i, table) in tables.iter_mut().enumerate() {
                for bit in 0..8 {
                    let column = secret.word(domain, (8 * i + bit) as u64) & ID_MASK;
                    for (byte, entry) in table.iter_mut().enumerate() {
                        if byte >> bit & 1 == 1 {
                            *entry ^= column;
                        }
                    }
                }
            }
            tables
        }
        Self { endpoint: expand(secret, 1), context: expand(secret, 2) }
    }

    fn endpoint(&self, family: Family, address: u128, port: u16) -> u64 {
        let bytes = address.to_le_bytes();
        let address_bytes = match family {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        let mut hash = self.endpoint[16][port as u8 as usize] ^ self.endpoint[17][(port >> 8) as usize];
        for (table, byte) in self.endpoint.iter().zip(&bytes[..address_bytes]) {
            hash ^= table[*byte as usize];
        }
        hash
    }

    /// The id of a flow; the same for both directions.
    pub fn flow_id(&self, key: &FlowKey) -> FlowId {
        let context = [key.protocol, key.zone as u8, (key.zone >> 8) as u8, key.family as u8];
        let mut hash = 0;
        for (table, byte) in self.context.iter().zip(context) {
            hash ^= table[byte as usize];
        }
        let sum = self
            .endpoint(key.family, key.src, key.src_port)
            .wrapping_add(self.endpoint(key.family, key.dst, key.dst_port))
            .wrapping_add(hash);
        FlowId(sum & ID_MASK)
    }
}

/// 32-bit words of a record that enter its digest.
const DIGEST_WORDS: usize = 34;

/// Keys of the flow digest.
#[derive(Clone)]
pub struct FlowDigester {
    keys: [u32; DIGEST_WORDS],
}

impl FlowDigester {
    /// Expands the secret.
    pub fn new(secret: &ClusterSecret) -> Self {
        Self { keys: core::array::from_fn(|i| secret.word(3, i as u64) as u32) }
    }

    /// h(flow): NH over key and replicated fields (Black et al., UMAC, 1999), then a bijective mix.
    ///
    /// Term, version, lifetime and placement stay out. The products and the mix make h depend on
    /// the whole key in a non-linear way: with a linear h two flows that lose the same change would
    /// cancel in the bucket's sum. Absent groups count as zero, their absence is in the group bits.
    pub fn flow_digest(&self, record: &FlowRecord) -> u64 {
        let words = words_of(record);
        let mut sum = 0u64;
        for i in 0..DIGEST_WORDS / 2 {
            let a = words[2 * i].wrapping_add(self.keys[2 * i]);
            let b = words[2 * i + 1].wrapping_add(self.keys[2 * i + 1]);
            sum = sum.wrapping_add(u64::from(a) * u64::from(b));
        }
        mix(sum)
    }
}

/// A bijection on 64 bits with full avalanche (the finaliser of SplitMix64, Stafford variant 13).
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn words_of(record: &FlowRecord) -> [u32; DIGEST_WORDS] {
    let mut words = [0; DIGEST_WORDS];
    let mut at = 0;
    let mut push = |value: u32| {
        words[at] = value;
        at += 1;
    };
    let wide = |value: u128| [value as u32, (value >> 32) as u32, (value >> 64) as u32, (value >> 96) as u32];
    let pair = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
    let only = |group: Groups, value: u32| if record.groups.has(group) { value } else { 0 };
    let key = &record.key;
    let (src, dst) = (wide(key.src), wide(key.dst));
    // Words that change together with the state are paired with words of the key.
    for i in 0..4 {
        push(src[i]);
        push(dst[i]);
    }
    push(pair(key.src_port, key.dst_port));
    push(pair(key.zone, u16::from(key.protocol) | (key.family as u16) << 8));
    push(u32::from(record.groups.0) | only(Groups::LIFETIME, u32::from(record.class) << 8));
    push(only(Groups::STATUS, pair(record.status, u16::from(record.tcp_state))));
    push(record.incarnation);
    push(only(
        Groups::SCALES,
        u32::from_le_bytes([record.scales[0], record.scales[1], record.tcp_flags[0], record.tcp_flags[1]]),
    ));
    for edges in record.edges {
        push(only(Groups::EDGES, edges.end));
        push(only(Groups::EDGES, edges.max_end));
    }
    push(only(Groups::MARK, record.mark));
    push(only(Groups::POLICY, record.policy));
    for word in wide(record.labels) {
        push(only(Groups::LABELS, word));
    }
    for word in wide(record.nat.reply_src).into_iter().chain(wide(record.nat.reply_dst)) {
        push(only(Groups::NAT, word));
    }
    push(only(Groups::NAT, pair(record.nat.reply_src_port, record.nat.reply_dst_port)));
    words
}

/// The stamp under which a newly made flow starts: cluster time in µs, but newer than `previous`.
pub fn first_version(cluster_time_us: u64, previous: Option<Stamp>) -> u64 {
    match previous {
        Some(stamp) => cluster_time_us.max(stamp.version + 1),
        None => cluster_time_us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: ClusterSecret = ClusterSecret([7; 32]);

    fn key(n: u128) -> FlowKey {
        FlowKey {
            src: 0x0a01_0000 + n,
            dst: 0x0a02_000a,
            src_port: 1000,
            dst_port: 443,
            protocol: 6,
            ..Default::default()
        }
    }

    #[test]
    fn siphash_matches_the_reference_vector() {
        // Vector for the 8-byte input 00..07 of the reference implementation.
        assert_eq!(
            sip(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x0706_0504_0302_0100),
            0x93f5_f579_9a93_2462
        );
    }

    #[test]
    fn both_directions_share_a_flow_id_and_the_secret_moves_it() {
        let hasher = FlowHasher::new(&SECRET);
        let other = FlowHasher::new(&ClusterSecret([8; 32]));
        assert_eq!(hasher.flow_id(&key(1)), hasher.flow_id(&key(1).reversed()));
        assert_ne!(hasher.flow_id(&key(1)), other.flow_id(&key(1)));
    }

    #[test]
    fn neighbouring_flows_spread_over_the_buckets() {
        let hasher = FlowHasher::new(&SECRET);
        let mut counts = [0u32; 1024];
        for n in 0..65_536 {
            counts[hasher.flow_id(&key(n)).bucket() as usize] += 1;
        }
        // 64 expected in each; a Poisson count leaves this range with a chance below 1e-9.
        assert!(counts.iter().all(|count| (16..140).contains(count)), "{counts:?}");
    }

    #[test]
    fn two_flows_that_lose_the_same_change_do_not_cancel() {
        let digester = FlowDigester::new(&SECRET);
        let record = |n, tcp_state| FlowRecord {
            key: key(n),
            groups: Groups::STATUS,
            tcp_state,
            ..Default::default()
        };
        let change = |n, from, to| {
            digester.flow_digest(&record(n, to)).wrapping_sub(digester.flow_digest(&record(n, from)))
        };
        assert_ne!(change(1, 3, 4), change(2, 3, 4));
        assert_ne!(change(1, 3, 4).wrapping_add(change(2, 4, 3)), 0);
    }

    #[test]
    fn the_digest_ignores_lifetime_and_absent_groups_only() {
        let digester = FlowDigester::new(&SECRET);
        let record =
            FlowRecord { key: key(1), groups: Groups::STATUS.with(Groups::LIFETIME), ..Default::default() };
        let digest = digester.flow_digest(&record);
        assert_eq!(digest, digester.flow_digest(&FlowRecord { lifetime_s: 9, mark: 5, ..record }));
        assert_ne!(digest, digester.flow_digest(&FlowRecord { class: 1, ..record }));
        assert_ne!(digest, digester.flow_digest(&FlowRecord { groups: Groups::STATUS, ..record }));
        assert_ne!(digest, digester.flow_digest(&FlowRecord { incarnation: 1, ..record }));
    }
}
