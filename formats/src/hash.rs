//! Keyed hashes: the flow id that places a flow, and the flow digest that proves it equal.
//!
//! Budget: flow id ≤ 15 ns (IPv4), flow digest ≤ 20 ns on one core.

use crate::flow::{Edges, Family, FlowId, FlowKey, FlowRecord, Groups, Image, Stamp};
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
/// T and T' are tabulation hashes (Zobrist, 1970; Pătraşcu and Thorup, "The Power of Simple Tabulation
/// Hashing", 2012): each half byte chooses one of 16 numbers drawn from the cluster secret, and these
/// are XORed. The sum makes both directions meet; a plain XOR of T(a) and T(b) would collide for every
/// pair of flows that swap an end point's bits. The key keeps a stranger from aiming a flood at one set.
///
/// An XOR matrix would cost the same, but it is linear: 14,336 neighbouring keys left 1,865 of 4,096
/// sets empty under one secret.
///
/// Half bytes, because 16 numbers are what one look-up table of an FPGA holds. Software looks up the two
/// halves of a byte of an end point at once, in tables derived from these. Half byte 0 chooses 0: what is
/// absent costs nothing.
#[derive(Clone)]
pub struct FlowHasher {
    endpoint: [[u64; 16]; 2 * ENDPOINT_BYTES],
    context: [[u64; 16]; 2 * CONTEXT_BYTES],
    /// What both halves of each byte of an end point choose.
    endpoint_bytes: [[u64; 256]; ENDPOINT_BYTES],
}

impl FlowHasher {
    /// Expands the secret; 42 KiB, of which IPv4 reads 13; keep it in a `Box`.
    pub fn new(secret: &ClusterSecret) -> Self {
        fn expand<const TABLES: usize>(secret: &ClusterSecret, domain: u64) -> [[u64; 16]; TABLES] {
            core::array::from_fn(|table| {
                core::array::from_fn(|value| match value {
                    0 => 0,
                    _ => secret.word(domain, (16 * table + value) as u64) & ID_MASK,
                })
            })
        }
        let (endpoint, context) = (expand::<{ 2 * ENDPOINT_BYTES }>(secret, 1), expand(secret, 2));
        let endpoint_bytes = core::array::from_fn(|byte| {
            core::array::from_fn(|value| endpoint[2 * byte][value & 15] ^ endpoint[2 * byte + 1][value >> 4])
        });
        Self { endpoint, context, endpoint_bytes }
    }

    /// The numbers of each half byte of an end point, low half first: address, then port.
    ///
    /// For engines that keep them in memories of their own.
    pub fn endpoint_tables(&self) -> &[[u64; 16]] {
        &self.endpoint
    }

    /// The numbers of each half byte of protocol, zone (2 bytes) and family, in this order, low half first.
    pub fn context_tables(&self) -> &[[u64; 16]] {
        &self.context
    }

    #[inline]
    fn endpoint(&self, family: Family, address: u128, port: u16) -> u64 {
        let of = |byte: usize, value: u8| self.endpoint_bytes[byte][usize::from(value)];
        let of_all = |from: usize, values: &[u8]| {
            values.iter().enumerate().fold(0, |hash, (n, value)| hash ^ of(from + n, *value))
        };
        let address = address.to_le_bytes();
        let hash = of_all(16, &port.to_le_bytes()) ^ of_all(0, &address[..4]);
        match family {
            Family::V4 => hash,
            Family::V6 => hash ^ of_all(4, &address[4..]),
        }
    }

    /// The id of a flow; the same for both directions.
    #[inline]
    pub fn flow_id(&self, key: &FlowKey) -> FlowId {
        let context = [key.protocol, key.zone as u8, (key.zone >> 8) as u8, key.family as u8];
        let mut hash = 0;
        for (tables, byte) in self.context.chunks_exact(2).zip(context) {
            hash ^= tables[0][usize::from(byte & 15)] ^ tables[1][usize::from(byte >> 4)];
        }
        let sum = self
            .endpoint(key.family, key.src, key.src_port)
            .wrapping_add(self.endpoint(key.family, key.dst, key.dst_port))
            .wrapping_add(hash);
        FlowId(sum & ID_MASK)
    }
}

/// 32-bit words of a record that enter its digest.
pub const DIGEST_WORDS: usize = 34;
/// Factors of the mix behind the sum of products.
pub const MIX_FACTORS: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// Keys of the flow digest.
///
/// h(flow) is NH over key and replicated fields (Black et al., UMAC, 1999), then a bijective mix.
///
/// Term, version, lifetime and placement stay out. The products and the mix make h depend on the whole
/// key in a non-linear way: with a linear h two flows that lose the same change would cancel in the
/// bucket's sum. Absent groups count as zero, their absence is in the group bits.
///
/// NH is a sum of products of two words, and each group has products of its own: a change costs those
/// of its groups, because the mix can be undone.
#[derive(Clone)]
pub struct FlowDigester {
    keys: [u32; DIGEST_WORDS],
    /// Sums of the products whose words are all zero.
    no_edges: u64,
    no_attributes: u64,
    no_labels: u64,
    no_nat: u64,
    /// Upper address words of IPv4.
    no_upper: u64,
}

/// The words of an address, low first.
fn wide(value: u128) -> [u32; 4] {
    [value as u32, (value >> 32) as u32, (value >> 64) as u32, (value >> 96) as u32]
}

fn pair(low: u16, high: u16) -> u32 {
    u32::from(low) | u32::from(high) << 16
}

impl FlowDigester {
    /// Expands the secret.
    pub fn new(secret: &ClusterSecret) -> Self {
        let keys = core::array::from_fn(|i| secret.word(3, i as u64) as u32);
        let zero = Self { keys, no_edges: 0, no_attributes: 0, no_labels: 0, no_nat: 0, no_upper: 0 };
        let sum = |pairs: core::ops::Range<usize>| {
            pairs.fold(0u64, |sum, pair| sum.wrapping_add(zero.product(pair, 0, 0)))
        };
        Self {
            keys,
            no_upper: sum(1..4),
            no_edges: sum(7..9),
            no_attributes: sum(9..10),
            no_labels: sum(10..12),
            no_nat: sum(12..17),
        }
    }

    /// The key of each word, in the order of the products: two words each.
    ///
    /// For engines that keep them in registers of their own.
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// The product of one pair of words.
    #[inline]
    fn product(&self, pair: usize, a: u32, b: u32) -> u64 {
        let a = a.wrapping_add(self.keys[2 * pair]);
        let b = b.wrapping_add(self.keys[2 * pair + 1]);
        u64::from(a).wrapping_mul(u64::from(b))
    }

    /// The digest of a flow.
    #[inline]
    pub fn flow_digest<'a>(&self, flow: impl Into<Image<'a>>) -> u64 {
        let flow = flow.into();
        mix(self.key_sum(&flow.record.key).wrapping_add(self.part(flow, Groups::ALL)))
    }

    /// The digest after a change, from the parts that the changed groups had before and have now.
    #[inline]
    pub fn changed(digest: u64, before: u64, now: u64) -> u64 {
        mix(unmix(digest).wrapping_sub(before).wrapping_add(now))
    }

    #[inline]
    fn key_sum(&self, key: &FlowKey) -> u64 {
        let (src, dst) = (wide(key.src), wide(key.dst));
        let upper = match key.family {
            Family::V4 if (key.src | key.dst) >> 32 == 0 => self.no_upper,
            Family::V4 | Family::V6 => {
                (1..4).fold(0u64, |sum, i| sum.wrapping_add(self.product(i, src[i], dst[i])))
            }
        };
        let ports = pair(key.src_port, key.dst_port);
        let context = pair(key.zone, u16::from(key.protocol) | (key.family as u16) << 8);
        upper.wrapping_add(self.product(0, src[0], dst[0])).wrapping_add(self.product(4, ports, context))
    }

    /// The products that these groups have a part in; the presence bits are in one of them.
    #[inline(always)]
    pub fn part<'a>(&self, flow: impl Into<Image<'a>>, groups: Groups) -> u64 {
        let Image { record, groups: present, edges } = flow.into();
        let only = |group: Groups, value: u32| if present.has(group) { value } else { 0 };
        let presence = u32::from(present.0) | only(Groups::LIFETIME, u32::from(record.class) << 8);
        let status = only(Groups::STATUS, pair(record.status, u16::from(record.tcp_state)));
        let mut sum = self.product(5, presence, status);
        if groups.has(Groups::SCALES) {
            let ([s0, s1], [f0, f1]) = (record.scales, record.tcp_flags);
            let scales = only(Groups::SCALES, u32::from_le_bytes([s0, s1, f0, f1]));
            sum = sum.wrapping_add(self.product(6, record.incarnation, scales));
        }
        if groups.has(Groups::EDGES) {
            let part = if present.has(Groups::EDGES) { self.edge_sum(edges) } else { self.no_edges };
            sum = sum.wrapping_add(part);
        }
        if !groups.without(Groups::MOVED).is_empty() {
            sum = sum.wrapping_add(self.fixed_sum(record, present, groups));
        }
        sum
    }

    /// The part of groups that rarely change.
    fn fixed_sum(&self, record: &FlowRecord, present: Groups, groups: Groups) -> u64 {
        let mut sum = 0u64;
        let mut add = |part: u64| sum = sum.wrapping_add(part);
        if groups.has(Groups::MARK) || groups.has(Groups::POLICY) {
            let only = |group: Groups, value: u32| if present.has(group) { value } else { 0 };
            let (mark, policy) = (only(Groups::MARK, record.mark), only(Groups::POLICY, record.policy));
            add(if mark | policy == 0 { self.no_attributes } else { self.product(9, mark, policy) });
        }
        if groups.has(Groups::LABELS) {
            add(if present.has(Groups::LABELS) { self.label_sum(record) } else { self.no_labels });
        }
        if groups.has(Groups::NAT) {
            add(if present.has(Groups::NAT) { self.nat_sum(record) } else { self.no_nat });
        }
        sum
    }

    #[inline]
    fn edge_sum(&self, [original, reply]: [Edges; 2]) -> u64 {
        let original = self.product(7, original.end, original.max_end);
        original.wrapping_add(self.product(8, reply.end, reply.max_end))
    }

    fn label_sum(&self, record: &FlowRecord) -> u64 {
        let labels = wide(record.labels);
        self.product(10, labels[0], labels[1]).wrapping_add(self.product(11, labels[2], labels[3]))
    }

    fn nat_sum(&self, record: &FlowRecord) -> u64 {
        let nat = record.nat;
        let (src, dst) = (wide(nat.reply_src), wide(nat.reply_dst));
        let ports = pair(nat.reply_src_port, nat.reply_dst_port);
        self.product(12, src[0], src[1])
            .wrapping_add(self.product(13, src[2], src[3]))
            .wrapping_add(self.product(14, dst[0], dst[1]))
            .wrapping_add(self.product(15, dst[2], dst[3]))
            .wrapping_add(self.product(16, ports, 0))
    }
}

/// A bijection on 64 bits with full avalanche (the finaliser of SplitMix64, Stafford variant 13).
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(MIX_FACTORS[0]);
    x = (x ^ x >> 27).wrapping_mul(MIX_FACTORS[1]);
    x ^ x >> 31
}

/// Undoes [`mix`]: the factors are the inverses of its own modulo 2^64.
#[inline]
fn unmix(mut x: u64) -> u64 {
    x = (x ^ x >> 31 ^ x >> 62).wrapping_mul(0x3196_42b2_d24d_8ec3);
    x = (x ^ x >> 27 ^ x >> 54).wrapping_mul(0x96de_1b17_3f11_9089);
    x ^ x >> 30 ^ x >> 60
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
    fn regular_keys_fill_sets_as_evenly_as_random_ones_would() {
        for secret in 0..64 {
            let hasher = FlowHasher::new(&ClusterSecret([secret; 32]));
            let mut used = [false; 4096];
            for n in 0..14_336 {
                let key = FlowKey { src_port: 1024 + n, ..key(1) };
                used[(hasher.flow_id(&key).0 >> (FLOW_ID_BITS - 12)) as usize] = true;
            }
            // Random placement leaves 4096 / e^3.5 = 124 empty, give or take 11.
            let empty = used.iter().filter(|used| !**used).count();
            assert!((50..200).contains(&empty), "{empty} sets empty under secret {secret}");
        }
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
    fn the_mix_can_be_undone() {
        for n in 0..1000 {
            let x = SECRET.word(9, n);
            assert_eq!(unmix(mix(x)), x);
        }
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
