//! Masks what people type into inputs, and what repeats it: previews, addresses, requests, logs.

mod config;
mod control;

use std::collections::BTreeMap;

use replay_plugin::matching::Joined;
use replay_plugin::series::{Reach, Series};
use replay_plugin::{Batch, Chunk, ErrorCode, Field, Kind, Kinds, Manifest, Plugin};

pub use config::Config;
use control::{Rules, Treatment};

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct MaskInputs {
    rules: Rules,
    mask: replay_plugin::MaskChar,
}

impl Plugin for MaskInputs {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(Self { mask: config.mask_char, rules: Rules::new(config) })
    }

    fn manifest(&self) -> Manifest {
        // Markup shows whether a snapshot has editable elements.
        Manifest::new("mask-inputs", env!("CARGO_PKG_VERSION"))
            .kinds(Kinds::ALL.without([Kind::Pixels, Kind::Style, Kind::Code].into()))
            .redacts()
            .needs_elements()
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let joined: Vec<Joined<'_>> = batch.chunks().iter().map(Joined::new).collect();
        let mut series = Series::new(batch);
        for chunk in batch.chunks() {
            let looks_for_editable = has_editable(chunk);
            let mut known = BTreeMap::new();
            for field in chunk.fields() {
                let treatment = match field.kind() {
                    Kind::Input => self.rules.input(field),
                    Kind::Text if looks_for_editable => {
                        *known.entry(field.element_id()).or_insert_with(|| self.rules.text(field))
                    }
                    Kind::Text
                    | Kind::Attribute
                    | Kind::Markup
                    | Kind::Url
                    | Kind::Style
                    | Kind::Code
                    | Kind::Html
                    | Kind::Console
                    | Kind::Network
                    | Kind::Custom
                    | Kind::Canvas
                    | Kind::Pixels
                    | Kind::Other => Treatment::Keep,
                };
                self.treat(field, treatment, &mut series);
            }
        }
        series.mask(&joined, false, self.mask);
        Ok(())
    }
}

impl MaskInputs {
    fn treat<'b>(&self, field: Field<'b>, treatment: Treatment, series: &mut Series<'b>) {
        let reach = match treatment {
            Treatment::Keep => return,
            Treatment::MaskChoice => Reach::Series,
            Treatment::Mask => Reach::Everywhere,
        };
        // A field of no node has no series.
        field.mask_all_with(self.mask);
        series.mark_all(field, reach);
    }
}

/// Whether a chunk may hold text of editable elements: it changes a page without showing it whole, or
/// it shows an element that says so.
fn has_editable(chunk: &Chunk<'_>) -> bool {
    !chunk.info().has_full_snapshot || chunk.names().iter().any(|name| name == "contenteditable")
}

replay_plugin::export!(MaskInputs);

#[cfg(test)]
mod tests;
