//! Masks what identifies people, wherever it stands in a recording and however it is spelled.

mod begins;
mod config;
mod patterns;
mod rules;
mod scan;
mod split;

use replay_plugin::matching::{Joined, Runs, Split};
use replay_plugin::series::{Reach, Series};
use replay_plugin::{Batch, ErrorCode, Field, Kind, Manifest, MaskChar, Plugin};

pub use config::{Config, Pattern};
pub use rules::Rule;

use patterns::Patterns;
use scan::Scanner;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct MaskPii {
    scanner: Scanner,
    patterns: Option<Patterns>,
    kinds: replay_plugin::Kinds,
    mask: MaskChar,
}

impl Plugin for MaskPii {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self {
            scanner: Scanner::new(&config.kinds),
            patterns: Patterns::new(&config.patterns)?,
            kinds: config.field_kinds,
            mask: config.mask_char,
        })
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("mask-pii", env!("CARGO_PKG_VERSION"))
            .kinds(self.kinds)
            .redacts()
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let joined: Vec<Joined<'_>> = batch.chunks().iter().map(Joined::new).collect();
        let mut series = Series::new(batch);
        for chunk in &joined {
            chunk.search(&self.scanner, &mut |field, range, rule| {
                if is_at_home(rule, field) {
                    field.mask_with(range, self.mask);
                    series.mark(field);
                }
            });
            if let Some(patterns) = &self.patterns {
                chunk.search(patterns, &mut |field, range, ()| {
                    field.mask_with(range, self.mask);
                    series.mark(field);
                });
            }
        }
        self.mask_split(&joined, &mut series);
        if self.scanner.has(Rule::Token) {
            for chunk in batch.chunks() {
                let is_secret = |name: &String| rules::token::is_secret_name(name.as_bytes());
                let secrets: Vec<bool> = chunk.names().iter().map(is_secret).collect();
                let named = chunk.fields().filter(|field| secrets.get(field.name_row()) == Some(&true));
                named.filter(|field| may_be_secret(*field)).for_each(|field| {
                    field.mask_all_with(self.mask);
                    series.mark(field);
                });
            }
        }
        series.mask(&joined, true, self.mask);
        Ok(())
    }
}

impl MaskPii {
    /// Masks what is split over several fields.
    fn mask_split<'b>(&self, joined: &[Joined<'b>], series: &mut Series<'b>) {
        let runs = Runs::of(joined);
        let mut mask = |split: &Split<'b>| {
            for part in &split.parts {
                part.field.mask_with(part.range.clone(), self.mask);
                if part.field.kind() == Kind::Input {
                    // A part is a few characters: elsewhere they are anybody's.
                    series.mark_all(part.field, Reach::Series);
                }
            }
        };
        runs.search(&self.scanner, &mut |split, rule| {
            if split::is_likely(rule, split) {
                mask(split);
            }
        });
        if let Some(patterns) = &self.patterns {
            runs.search(patterns, &mut |split, ()| mask(split));
        }
    }
}

/// Whether a rule says anything in such a field. What looks like a phone or an address in CSS, in a
/// script or in a drawing's path is a number.
fn is_at_home(rule: Rule, field: Field<'_>) -> bool {
    let is_machine_text = matches!(field.kind(), Kind::Style | Kind::Code | Kind::Markup)
        || matches!(field.name(), "d" | "points" | "viewBox" | "viewbox" | "transform" | "path" | "pathData");
    match rule {
        Rule::Email | Rule::Jwt | Rule::Token | Rule::Iban | Rule::Card => true,
        Rule::Phone | Rule::Ipv4 | Rule::Ipv6 | Rule::UsSsn => !is_machine_text,
        Rule::Assigned => !matches!(field.kind(), Kind::Style | Kind::Code | Kind::Markup),
    }
}

/// Whether a field whose name is a secret's holds one: `{"token": "…"}`, `data-token="…"`.
fn may_be_secret(field: Field<'_>) -> bool {
    let kinds = [Kind::Network, Kind::Console, Kind::Custom, Kind::Other, Kind::Attribute, Kind::Input];
    kinds.contains(&field.kind())
        && field.text() != field.name()
        && rules::token::is_secret_value(field.text())
}

replay_plugin::export!(MaskPii);

#[cfg(test)]
mod tests;
