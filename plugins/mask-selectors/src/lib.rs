//! Masks or blocks elements of the page, by selectors. What is within nobody knows what is masked.

mod config;

use replay_plugin::selectors::{Closest, Selectors, Within};
use replay_plugin::{Batch, Chunk, ErrorCode, Kind, Manifest, MaskChar, Plugin};

pub use config::Config;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct MaskSelectors {
    masked: Selectors,
    blocked: Selectors,
    mask: MaskChar,
}

impl Plugin for MaskSelectors {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let (masked, blocked) = config.selectors()?;
        Ok(Self { masked, blocked, mask: config.mask_char })
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("mask-selectors", env!("CARGO_PKG_VERSION"))
            .kinds([Kind::Text, Kind::Input, Kind::Attribute, Kind::Html, Kind::Canvas, Kind::Pixels])
            .redacts()
            .needs_elements()
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        batch.chunks().iter().for_each(|chunk| self.treat(chunk));
        Ok(())
    }
}

impl MaskSelectors {
    fn treat(&self, chunk: &Chunk<'_>) {
        let mut closest = Closest::new([&self.blocked, &self.masked], chunk);
        // Nodes whose element is known by a field, ascending.
        let mut told = Vec::new();
        for field in chunk.fields() {
            told.push(field.node());
            let [blocked, masked] = closest.of(field.element_id());
            match (blocked, masked) {
                (Within::Matching(element), _) if chunk.block_node(element) => {}
                (Within::Matching(_) | Within::Unknown, _) => field.clear(),
                (Within::None, _) if field.kind() == Kind::Pixels => {}
                (Within::None, Within::Matching(_) | Within::Unknown) => field.mask_all_with(self.mask),
                (Within::None, Within::None) => {}
            }
        }
        if self.blocked.is_empty() {
            return;
        }
        told.sort_unstable();
        // A click has a node and no field.
        for node in chunk.nodes().iter().filter(|node| told.binary_search(node).is_err()) {
            if let [Within::Matching(element), _] = closest.of(*node) {
                // Just seen, so it is known.
                let _ = chunk.block_node(element);
            }
        }
    }
}

replay_plugin::export!(MaskSelectors);

#[cfg(test)]
mod tests;
