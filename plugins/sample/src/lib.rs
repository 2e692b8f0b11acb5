//! Keeps a share of the sessions. A session's id decides, so that all its chunks fare alike, whenever
//! they come and whichever replica sees them.

mod config;

use replay_plugin::{Batch, ErrorCode, Manifest, Plugin};

pub use config::Config;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct Sample {
    /// Ids whose hash is below are kept; one past the largest hash keeps all.
    below: u128,
    salt: String,
}

/// The manifest's drop reasons.
const REASONS: [&str; 1] = ["not_in_sample"];
const NOT_IN_SAMPLE: u32 = 0;

impl Plugin for Sample {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        // Powers of two are exact.
        let below = (config.share * 2f64.powi(64)) as u128;
        Ok(Self { below, salt: config.salt })
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("sample", env!("CARGO_PKG_VERSION"))
            .drop_reasons(&REASONS)
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        for chunk in batch.chunks() {
            if u128::from(hash(&self.salt, &chunk.info().session_id)) >= self.below {
                chunk.drop_chunk(NOT_IN_SAMPLE);
            }
        }
        Ok(())
    }
}

/// The choice (contract: it must not change between versions, or sessions would be cut in two): FNV-1a of
/// 64 bits over the salt, a byte 0 and the session id in lower case; then the finalizer of MurmurHash3
/// (Austin Appleby, `fmix64`), because FNV-1a alone spreads its last bytes badly.
fn hash(salt: &str, session_id: &str) -> u64 {
    let id = session_id.bytes().map(|byte| byte.to_ascii_lowercase());
    let bytes = salt.bytes().chain(std::iter::once(0)).chain(id);
    let mut hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    hash = (hash ^ hash >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash = (hash ^ hash >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ hash >> 33
}

replay_plugin::export!(Sample);

#[cfg(test)]
mod tests;
