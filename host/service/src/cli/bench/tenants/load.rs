//! The records of many tenants: who is busy follows Zipf's law, the same in every run.

use bytes::Bytes;
use replay_core::identity::ProjectId;

use crate::cli::bench::samples::Sample;

/// The tenant whose plugin spins.
pub(super) const HOSTILE_TENANT: &str = "hostile";

/// What sets its plugin off.
const HOSTILE_RECORD: &str = r#"{"project_id":"hostile","session_id":"SESSION","chunk_index":0,"timestamp_start":1700000000000,"timestamp_end":1700000000000,"events":[{"type":5,"timestamp":1700000000000,"data":{"tag":"word","payload":"spin"}}]}"#;

/// What the samples' records call their tenant and visit.
const PROJECT: &str = r#""project_id":"bench""#;
const SESSION: &str = "0191f0c4-7e1a-7c3b-9d55-0123456789ab";

pub(super) struct Load<'a> {
    samples: &'a [Sample],
    /// Sums of the tenants' shares, up to 1.
    shares: Vec<f64>,
    /// Whether the hostile tenant always has something that waits.
    pub(super) hostile: bool,
    random: u64,
    visits: u128,
}

/// Tenant by rank.
pub(super) fn tenant(rank: usize) -> Option<ProjectId> {
    ProjectId::new(&format!("t{rank}"))
}

impl<'a> Load<'a> {
    pub(super) fn new(samples: &'a [Sample], tenants: usize, hostile: bool) -> Self {
        let weights = (1..=tenants).map(|rank| 1.0 / rank as f64);
        let total: f64 = weights.clone().sum();
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        });
        Self { samples, shares: sums.collect(), hostile, random: 0x9e37_79b9_7f4a_7c15, visits: 0 }
    }

    /// The next record of a tenant that behaves, and the bytes of its events.
    pub(super) fn next(&mut self) -> Option<(Bytes, usize)> {
        let chance = self.chance();
        let tenant = self.shares.partition_point(|sum| *sum < chance).min(self.shares.len() - 1);
        let sample = self.samples.get(usize::try_from(self.step() % self.samples.len() as u64).ok()?)?;
        let text = std::str::from_utf8(&sample.record).ok()?;
        let own = text.replacen(PROJECT, &format!(r#""project_id":"t{tenant}""#), 1);
        Some((Bytes::from(own.replacen(SESSION, &self.visit(), 1)), sample.raw.len()))
    }

    /// The next one of the tenant that does not.
    pub(super) fn next_hostile(&mut self) -> Bytes {
        Bytes::from(HOSTILE_RECORD.replacen("SESSION", &self.visit(), 1))
    }

    fn visit(&mut self) -> String {
        self.visits += 1;
        uuid::Uuid::from_u128(0x5e55_0000_0000_4000_8000_0000_0000_0000 | self.visits).to_string()
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        (self.step() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Xorshift: the same numbers in every run.
    fn step(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
