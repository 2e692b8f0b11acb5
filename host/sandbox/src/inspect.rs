//! A first look at a file, without running any of it: is it a component, and does it ask for what a
//! plugin may have and nothing else.

use sha2::{Digest, Sha256};
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds, Validator, WasmFeatures,
};

use crate::failure::{LoadError, Stage};
use crate::wit;

/// What a component is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Names of what it asks for.
    pub imports: Vec<String>,
    /// Names of what it offers.
    pub exports: Vec<String>,
    /// Version of the interface.
    pub interface: String,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// Of the file.
    pub bytes: usize,
}

/// Looks at a component; refuses what [`crate::Sandbox::load`] would refuse without running it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's list of sections is open")]
pub fn inspect(component: &[u8]) -> Result<Inspection, LoadError> {
    if component.get(..4) != Some(b"\0asm") {
        return Err(Stage::Interface.refuse("the file is not WebAssembly; give the plugin's .wasm component"));
    }
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| broken(&error))? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(core_module()),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| broken(&error))?;
                    // A name for a type of the interface's: it brings nothing in.
                    if matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        continue;
                    }
                    check_import(import.name.name, &import.ty)?;
                    imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| broken(&error))?;
                    exports.push((export.name.name.to_owned(), export.kind));
                }
            }
            _ => {}
        }
    }
    check_exports(&exports)?;
    Validator::new_with_features(features()).validate_all(component).map_err(|error| broken(&error))?;
    Ok(Inspection {
        imports,
        exports: exports.into_iter().map(|(name, _)| name).collect(),
        interface: wit::VERSION.to_owned(),
        sha256: sha256_hex(component),
        bytes: component.len(),
    })
}

/// Lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::COMPONENT_MODEL
}

fn check_import(name: &str, what: &ComponentTypeRef) -> Result<(), LoadError> {
    let message = match (name, what) {
        (wit::CHUNKS, ComponentTypeRef::Instance(_)) | ("log", ComponentTypeRef::Func(_)) => return Ok(()),
        (name, _) if name.starts_with("wasi:") => format!(
            "it imports {}, and plugins get no WASI; build Rust for wasm32-unknown-unknown, JavaScript with \
             all features disabled, Python with stubbed WASI",
            quotable(name)
        ),
        (name, _) if name.split('@').next() == Some(wit::CHUNKS_UNVERSIONED) => format!(
            "it imports {}, and this service speaks version {}; build it with that version of the interface",
            quotable(name),
            wit::VERSION
        ),
        (name, _) => format!("it imports {}; a plugin gets {} and `log` only", quotable(name), wit::CHUNKS),
    };
    Err(Stage::Interface.refuse(message))
}

fn check_exports(exports: &[(String, ComponentExternalKind)]) -> Result<(), LoadError> {
    for wanted in ["configure", "process"] {
        if !exports.iter().any(|(name, kind)| name == wanted && *kind == ComponentExternalKind::Func) {
            return Err(Stage::Interface.refuse(format!(
                "it exports no function `{wanted}`; implement the world `plugin` of gosight:replay@{}",
                wit::VERSION
            )));
        }
    }
    Ok(())
}

/// A name out of a file: bounded, and nothing that a terminal would act on.
fn quotable(name: &str) -> String {
    let plain = name.chars().take(100).map(|c| if c.is_ascii_graphic() { c } else { '?' });
    format!("`{}`", plain.collect::<String>())
}

fn core_module() -> LoadError {
    Stage::Interface.refuse(
        "it is a core module, not a component; wrap it with `wasm-tools component new`, or build it with the \
         plugin SDK",
    )
}

/// The parser's words may quote names of the file.
fn broken(error: &wasmparser::BinaryReaderError) -> LoadError {
    Stage::Interface.refuse(format!(
        "the file is damaged or uses WebAssembly that is not supported, at byte {}; build it again",
        error.offset()
    ))
}
