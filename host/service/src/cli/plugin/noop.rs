//! A plugin that does nothing, made on the spot: `plugin bench` measures others beside it.

use replay_core::rrweb::Kinds;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Int, Resolve, SizeAlign, Type, TypeDefKind};

use crate::cli::CliError;

/// The interface as this program's SDK has it.
const WIT: &str = include_str!("../../../../../plugins/sdk/wit/replay.wit");
const WAT: &str = include_str!("noop.wat");
/// Where its manifest lies.
const MANIFEST_AT: usize = 2048;

/// The component; it asks for fields of these kinds.
pub(super) fn component(kinds: Kinds) -> Result<Vec<u8>, CliError> {
    let failed =
        |what: String| CliError::failed(format!("the plugin to compare with cannot be made: {what}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("replay.wit", WIT).map_err(|error| failed(format!("{error:#}")))?;
    let world =
        resolve.select_world(&[package], Some("plugin")).map_err(|error| failed(format!("{error:#}")))?;
    let wat =
        filled(&resolve, package, kinds).ok_or_else(|| failed("the interface is another one".into()))?;
    let mut module = wat::parse_str(&wat).map_err(|error| failed(error.to_string()))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .and_then(|()| ComponentEncoder::default().validate(true).module(&module)?.encode())
        .map_err(|error| failed(format!("{error:#}")))
}

/// Its text, with the places that the interface gives to what it answers.
fn filled(resolve: &Resolve, package: wit_parser::PackageId, kinds: Kinds) -> Option<String> {
    let name = &resolve.packages.get(package)?.name;
    let interface = *resolve.packages.get(package)?.interfaces.get("chunks")?;
    let chunks = name.interface_id("chunks");
    let of = |name: &str| resolve.interfaces.get(interface)?.types.get(name).copied();
    let (manifest, verdict) = (of("manifest")?, Type::Id(of("verdict")?));
    let TypeDefKind::Record(record) = &resolve.types.get(manifest)?.kind else { return None };
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let payload =
        sizes.payload_offset(Int::U8, [Some(&Type::Id(manifest)), Some(&Type::String)]).size_wasm32();
    let fields = sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
    let place = |name: &str| {
        let at = record.fields.iter().position(|field| field.name == name)?;
        Some((MANIFEST_AT + payload + fields.get(at)?.0.size_wasm32()).to_string())
    };
    let bits: String = kinds.bits().to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let marks = [
        ("{{chunks}}", chunks),
        ("{{manifest_at}}", MANIFEST_AT.to_string()),
        ("{{name_at}}", place("name")?),
        ("{{version_at}}", place("version")?),
        ("{{kinds_at}}", place("kinds")?),
        ("{{kinds}}", bits),
        ("{{verdict_bytes}}", sizes.size(&verdict).size_wasm32().to_string()),
    ];
    Some(marks.iter().fold(WAT.to_owned(), |text, (mark, value)| text.replace(mark, value)))
}

#[cfg(test)]
mod tests {
    use replay_core::rrweb::Kind;
    use replay_sandbox::{Class, Limits, compile_in_process};

    use super::*;

    #[test]
    fn it_passes_what_is_asked_of_a_plugin() {
        let component = component(Kinds::from_iter([Kind::Text, Kind::Url])).unwrap();
        let compiled = compile_in_process(&component, Class::Compiled, "null", &Limits::default()).unwrap();
        assert!(compiled.snapshotted);
        let manifest = compiled.manifest;
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("no-op", "1.0.0"));
        assert_eq!(manifest.kinds, Kinds::from_iter([Kind::Text, Kind::Url]));
        assert!(!manifest.redacts && !manifest.needs_events && manifest.config_schema.is_empty());
    }
}
