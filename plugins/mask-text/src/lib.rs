//! Masks all text of the pages: blocks of the same length stand where it was.

mod config;
mod keep;

use replay_plugin::selectors::Closest;
use replay_plugin::{Batch, ErrorCode, Kinds, Manifest, MaskChar, Plugin};

pub use config::{Attributes, Config};
use keep::Keep;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct MaskText {
    kinds: Kinds,
    keep: Keep,
    mask: MaskChar,
}

impl Plugin for MaskText {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { keep: Keep::new(&config)?, kinds: config.field_kinds, mask: config.mask_char })
    }

    fn manifest(&self) -> Manifest {
        let manifest = Manifest::new("mask-text", env!("CARGO_PKG_VERSION"))
            .kinds(self.kinds)
            .redacts()
            .config_schema(include_str!("../config.schema.json"));
        if self.keep.selectors.is_empty() { manifest } else { manifest.needs_elements() }
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        for chunk in batch.chunks() {
            let names = self.keep.of_names(chunk.names());
            let mut closest = Closest::new([&self.keep.selectors], chunk);
            for field in chunk.fields() {
                if !self.keep.keeps(field, &names, &mut closest) {
                    field.mask_all_with(self.mask);
                }
            }
        }
        Ok(())
    }
}

replay_plugin::export!(MaskText);

#[cfg(test)]
mod tests;
