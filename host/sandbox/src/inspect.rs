//! A first look at a file, without running any of it: is it a component, and does it ask for what a
//! plugin may have and nothing else.

use sha2::{Digest, Sha256};
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Encoding, KnownCustom, Parser, Payload, ProducersSectionReader,
    TypeBounds, Validator, WasmFeatures,
};

use crate::failure::{LoadError, Stage};
use crate::limits::Class;
use crate::wit;

/// Names of languages and tools by which an interpreter's component is known: componentize-js writes the first
/// two, componentize-py the others.
const INTERPRETERS: [&str; 4] = ["JavaScript", "ComponentizeJS", "Python", "component-init-transform"];

/// What a component is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Names of what it asks for.
    pub imports: Vec<String>,
    /// Names of what it offers.
    pub exports: Vec<String>,
    /// Version of the interface.
    pub interface: String,
    /// Whether it holds an interpreter with a script: JavaScript or Python.
    pub is_script: bool,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// Of the file.
    pub bytes: usize,
}

impl Inspection {
    /// What it is to be loaded as.
    pub fn class(&self) -> Class {
        if self.is_script { Class::Script } else { Class::Compiled }
    }

    /// Refuses a script that is not loaded as one: the bounds of a compiled plugin are not for it.
    pub(crate) fn check_class(&self, class: Class) -> Result<(), LoadError> {
        if self.is_script && class != Class::Script {
            return Err(Stage::Interface.refuse(
                "it is JavaScript or Python, which takes more memory and time than compiled code; say \
                 `class: script` beside its name if it may",
            ));
        }
        Ok(())
    }
}

/// Looks at a component; refuses what [`crate::Sandbox::load`] would refuse without running it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's list of sections is open")]
pub fn inspect(component: &[u8]) -> Result<Inspection, LoadError> {
    if component.get(..4) != Some(b"\0asm") {
        return Err(Stage::Interface.refuse("the file is not WebAssembly; give the plugin's .wasm component"));
    }
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let (mut depth, mut is_script) = (0_usize, false);
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
            Payload::CustomSection(section) if depth == 0 => {
                if let KnownCustom::Producers(producers) = section.as_known() {
                    is_script |= names_an_interpreter(producers);
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
        is_script,
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

/// Whether the tools that made a component are those that wrap an interpreter.
fn names_an_interpreter(producers: ProducersSectionReader<'_>) -> bool {
    let values = producers.into_iter().flatten().flat_map(|field| field.values.into_iter().flatten());
    values.into_iter().any(|value| INTERPRETERS.contains(&value.name))
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
    let version = name.strip_prefix(wit::CHUNKS_UNVERSIONED).and_then(|rest| rest.strip_prefix('@'));
    let message = match (name, what) {
        (_, ComponentTypeRef::Instance(_)) if version.is_some_and(is_spoken) => return Ok(()),
        ("log", ComponentTypeRef::Func(_)) => return Ok(()),
        (name, _) if name.starts_with("wasi:") => format!(
            "it imports {}, and plugins get no WASI; build Rust for wasm32-unknown-unknown, JavaScript with \
             all features disabled, Python with stubbed WASI",
            quotable(name)
        ),
        (name, _) if version.is_some_and(|version| version.starts_with("0.")) => format!(
            "it imports {}: it was built for the interface before that was final; build it again against {}",
            quotable(name),
            wit::VERSION
        ),
        (name, _) if version.is_some() => format!(
            "it imports {}, and this service speaks version {}; build it against that version of the \
             interface, or update the service",
            quotable(name),
            wit::VERSION
        ),
        (name, _) => format!("it imports {}; a plugin gets {} and `log` only", quotable(name), wit::CHUNKS),
    };
    Err(Stage::Interface.refuse(message))
}

/// Whether what was built for `version` of the interface runs here: the one spoken, or one before it with
/// the same first number, since later ones only add to it.
fn is_spoken(version: &str) -> bool {
    let numbers = |version: &str| -> Option<[u32; 3]> {
        // Digits alone: the standard parser also takes a sign.
        let is_plain = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
        numbers.filter(|_| is_plain)?.try_into().ok()
    };
    match (numbers(version), numbers(wit::VERSION)) {
        (Some(asked), Some(spoken)) => asked[0] == spoken[0] && asked <= spoken,
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_spoken_with_all_before_it_that_begin_alike() {
        assert!(is_spoken(wit::VERSION));
        for other in ["0.1.0", "0.9.9", "1.0.1", "1.1.0", "2.0.0", "1.0", "1.0.0.0", "1.0.0-rc", "", "+1.0.0"]
        {
            assert!(!is_spoken(other), "{other}");
        }
    }
}
