//! Takes out of recorded requests what lets somebody in and what they carry: headers, bodies, queries.

mod address;
mod config;
mod request;

use std::collections::BTreeSet;

use replay_plugin::matching::Glob;
use replay_plugin::{Batch, Chunk, ErrorCode, Field, Kind, Manifest, MaskChar, Plugin};

pub use config::{Addresses, Bodies, Config};

use address::Parameters;
use request::{Part, Parts};

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct ScrubNetwork {
    dropped: Vec<Glob>,
    /// Lower case, as the next.
    denied: BTreeSet<String>,
    allowed: Option<BTreeSet<String>>,
    bodies: Bodies,
    parameters: Parameters,
    query_in: Vec<Addresses>,
    mask: MaskChar,
}

impl Plugin for ScrubNetwork {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        let globs = config.drop_requests.iter().map(|pattern| Glob::new(pattern));
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self {
            dropped: globs.collect::<Result<_, _>>().map_err(|error| format!("`drop_requests`: {error}"))?,
            denied: lower(&config.drop_headers),
            allowed: config.allow_headers.as_deref().map(lower),
            bodies: config.bodies,
            parameters: Parameters::new(config.query_parameters.as_deref(), &config.keep_parameters),
            query_in: config.query_in,
            mask: config.mask_char,
        })
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("scrub-network", env!("CARGO_PKG_VERSION"))
            .kinds([Kind::Network, Kind::Url])
            .redacts()
            .config_schema(include_str!("../config.schema.json"))
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        batch.chunks().iter().for_each(|chunk| self.treat(chunk));
        Ok(())
    }
}

impl ScrubNetwork {
    fn treat(&self, chunk: &Chunk<'_>) {
        let mut parts = Parts::default();
        for field in chunk.fields() {
            if field.kind() == Kind::Url {
                let is_page = field.node() == 0 && field.name() == "href";
                self.scrub(field, if is_page { Addresses::Pages } else { Addresses::Links });
                continue;
            }
            match parts.of(field) {
                Part::Address => self.address(field),
                Part::Word => {}
                Part::Header(name) if self.stays(name) => {}
                Part::Header(_) => field.drop_header(),
                Part::Body if self.denied.contains(&field.name().to_ascii_lowercase()) => field.drop_header(),
                Part::Body => match self.bodies {
                    Bodies::Clear => field.clear(),
                    Bodies::Mask => field.mask_all_with(self.mask),
                    Bodies::Keep => {}
                },
            }
        }
    }

    fn address(&self, field: Field<'_>) {
        let url = field.text();
        let path = request::path(url);
        if self.dropped.iter().any(|glob| glob.blocks(url, path)) {
            field.drop_request();
        } else {
            self.scrub(field, Addresses::Requests);
        }
    }

    fn scrub(&self, field: Field<'_>, addresses: Addresses) {
        if self.query_in.contains(&addresses) {
            self.parameters.ranges(field.text(), |range| field.mask_with(range, self.mask));
        }
    }

    fn stays(&self, header: &str) -> bool {
        let name = header.trim().to_ascii_lowercase();
        let is_allowed = self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&name));
        is_allowed && !self.denied.contains(&name)
    }
}

replay_plugin::export!(ScrubNetwork);

#[cfg(test)]
mod tests;
