//! Drops the chunks of pages that must not be recorded.

mod config;

use replay_plugin::matching::{Glob, path_of};
use replay_plugin::{Batch, Chunk, ErrorCode, Kind, Manifest, Plugin};

pub use config::{Config, OnUnknown};

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct BlockUrl {
    block: Vec<Glob>,
    allow: Vec<Glob>,
    drop_unknown: bool,
}

/// Why a chunk is dropped: a row of [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Blocked = 0,
    NotAllowed = 1,
    Unknown = 2,
}

/// The manifest's drop reasons.
const REASONS: [&str; 3] = ["blocked_url", "not_allowed_url", "unknown_url"];

impl Plugin for BlockUrl {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let globs = |option: &str, patterns: &[String]| -> Result<Vec<Glob>, String> {
            patterns
                .iter()
                .map(|pattern| Glob::new(pattern).map_err(|e| format!("`{option}`: {e}")))
                .collect()
        };
        let (block, allow) =
            (globs("blockUrls", &config.block_urls)?, globs("allowUrls", &config.allow_urls)?);
        if block.is_empty() && allow.is_empty() {
            return Err("`blockUrls` and `allowUrls` are both empty: nothing would be dropped".into());
        }
        // What is not known may be a page that is blocked.
        let drop_unknown = config.on_unknown != Some(OnUnknown::Keep);
        Ok(Self { block, allow, drop_unknown })
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("block-url", env!("CARGO_PKG_VERSION"))
            .kinds([Kind::Url])
            .redacts()
            .drop_reasons(&REASONS)
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        for chunk in batch.chunks() {
            if let Some(reason) = self.judge(chunk) {
                chunk.drop_chunk(reason as u32);
            }
        }
        Ok(())
    }
}

impl BlockUrl {
    /// Any page that was open in the chunk decides: the one at its start, and those that it tells of.
    fn judge(&self, chunk: &Chunk<'_>) -> Option<Reason> {
        let told = chunk.fields().filter(|field| field.node() == 0 && field.name() == "href");
        let pages = chunk.info().page_url.as_deref().into_iter().chain(told.map(|field| field.text()));
        let mut any = false;
        let worst = pages.filter_map(|page| {
            any = true;
            self.reason(page)
        });
        let worst = worst.min_by_key(|reason| *reason as u32);
        worst.or((!any && self.drop_unknown).then_some(Reason::Unknown))
    }

    fn reason(&self, url: &str) -> Option<Reason> {
        let Some(path) = path_of(url) else { return self.drop_unknown.then_some(Reason::Unknown) };
        if self.block.iter().any(|glob| glob.blocks(url, path)) {
            return Some(Reason::Blocked);
        }
        let allowed = self.allow.is_empty() || self.allow.iter().any(|glob| glob.allows(url, path));
        (!allowed).then_some(Reason::NotAllowed)
    }
}

replay_plugin::export!(BlockUrl);

#[cfg(test)]
mod tests;
