//! The component boundary: the interface's resources as [`Source`], a struct as its exports.

use crate::Level;
use crate::model::{
    Batch, Changes, ChunkInfo, Element, FieldsView, Item, Manifest, Replacement, Source, Verdict,
};
use crate::plugin::{Plugin, run};

#[allow(unsafe_code, reason = "what wit-bindgen generates calls the host through raw memory")]
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "replay_plugin::guest::bindings",
    });
}

use bindings::gosight::replay::chunks as wit;

/// A plugin with what it said of itself.
pub struct Configured<P> {
    plugin: P,
    manifest: Manifest,
}

/// Tells the author what a panic says, before it ends the call.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => wit::Level::Debug,
        Level::Info => wit::Level::Info,
        Level::Warn => wit::Level::Warn,
        Level::Error => wit::Level::Error,
    };
    bindings::log(level, message);
}

/// `configure`, but for where the result is kept.
pub fn configure<P: Plugin>(config: &str) -> Result<(Configured<P>, wit::Manifest), String> {
    let plugin = P::configure(crate::parse_config(config)?)?;
    let manifest = plugin.manifest();
    let told = lowered(manifest.clone());
    Ok((Configured { plugin, manifest }, told))
}

/// `process`.
pub fn process<P: Plugin>(
    configured: Option<&Configured<P>>,
    batch: &[wit::Chunk],
) -> Result<Vec<wit::Verdict>, String> {
    let Configured { plugin, manifest } = configured.ok_or("not_configured")?;
    let sources: Vec<Host<'_>> = batch.iter().map(Host).collect();
    let batch = Batch::new(sources.iter().map(|source| source as &dyn Source)).map_err(|_| "bad_view")?;
    Ok(run(plugin, manifest, batch)?.into_iter().map(verdict).collect())
}

struct Host<'a>(&'a wit::Chunk);

impl Source for Host<'_> {
    fn info(&self) -> ChunkInfo {
        let info = self.0.info();
        ChunkInfo {
            project_id: info.project_id,
            session_id: info.session_id,
            chunk_index: info.chunk_index,
            page: info.page,
            timestamp_start_ms: info.timestamp_start,
            timestamp_end_ms: info.timestamp_end,
            event_count: info.event_count,
            has_full_snapshot: info.has_full_snapshot,
            page_url: info.page_url,
        }
    }

    fn fields(&self) -> FieldsView {
        let wit::Fields { text, index, names } = self.0.fields();
        FieldsView { text, index, names }
    }

    fn element(&self, node: u32) -> Option<Element> {
        let wit::Element { node, parent, tag, attributes } = self.0.element(node)?;
        Some(Element { node, parent, tag, attributes })
    }

    fn focus(&self) -> Vec<u8> {
        self.0.focus()
    }

    fn moves(&self) -> Vec<u8> {
        self.0.moves()
    }

    fn nodes(&self) -> Vec<u8> {
        self.0.nodes()
    }

    fn events(&self) -> Vec<u8> {
        self.0.events()
    }
}

fn lowered(manifest: Manifest) -> wit::Manifest {
    wit::Manifest {
        name: manifest.name,
        version: manifest.version,
        kinds: manifest.kinds.bits(),
        redacts: manifest.redacts,
        needs_events: manifest.needs_events,
        needs_elements: manifest.needs_elements,
        drop_reasons: manifest.drop_reasons,
        error_codes: manifest.error_codes,
        config_schema: manifest.config_schema,
    }
}

fn verdict(verdict: Verdict) -> wit::Verdict {
    match verdict {
        Verdict::Keep => wit::Verdict::Keep,
        Verdict::Drop(reason) => wit::Verdict::Drop(reason),
        Verdict::Change(changes) => wit::Verdict::Change(lowered_changes(changes)),
        Verdict::Replace(events) => wit::Verdict::Replace(events),
    }
}

fn lowered_changes(changes: Changes) -> wit::Changes {
    let edits = changes.edits.into_iter().map(|edit| wit::Edit {
        field: edit.field,
        start: edit.start,
        end: edit.end,
        replacement: match edit.replacement {
            Replacement::Mask(mask) => wit::Replacement::Mask(mask),
            Replacement::Text(text) => wit::Replacement::Text(text),
            Replacement::Blank => wit::Replacement::Blank,
        },
    });
    let items = changes.drop_items.into_iter().map(|item| match item {
        Item::Position(event, position) => wit::Item::Position((event, position)),
        Item::Request(field) => wit::Item::Request(field),
        Item::Header(field) => wit::Item::Header(field),
    });
    wit::Changes {
        edits: edits.collect(),
        remove_events: changes.remove_events,
        block_nodes: changes.block_nodes,
        drop_items: items.collect(),
    }
}

/// Makes a [`Plugin`](crate::Plugin) the component's exports; does nothing but on `wasm32`.
#[macro_export]
macro_rules! export_guest {
    ($plugin:ty) => {
        #[allow(unsafe_code, reason = "the exports of a component, as wit-bindgen writes them")]
        const _: () = {
            use ::std::{string::String, vec::Vec};
            use $crate::guest::bindings;

            static PLUGIN: ::std::sync::OnceLock<$crate::guest::Configured<$plugin>> =
                ::std::sync::OnceLock::new();

            struct Component;

            impl bindings::Guest for Component {
                fn configure(config: String) -> Result<bindings::Manifest, String> {
                    $crate::guest::tell_panics();
                    let (configured, manifest) = $crate::guest::configure::<$plugin>(&config)?;
                    PLUGIN.set(configured).map_err(|_| "configured twice")?;
                    Ok(manifest)
                }

                fn process(batch: Vec<bindings::Chunk>) -> Result<Vec<bindings::Verdict>, String> {
                    $crate::guest::process(PLUGIN.get(), &batch)
                }
            }

    bindings::export_component!(Component with_types_in bindings);
        };
    };
}
