//! Files that are no plugins, and plugins that do not do: refused at load, with what and what to do.

use replay_sandbox::{LoadError, Stage, inspect};

use crate::guests::{Guest, component, component_of};
use crate::support::Room;

#[track_caller]
fn refused(result: Result<impl Sized, LoadError>, stage: Stage, words: &str) {
    match result.err() {
        Some(LoadError::Refused { stage: found, message }) if found == stage && message.contains(words) => {}
        other => panic!("{other:?} is not a refusal at {stage:?} with {words:?}"),
    }
}

const MODULE: &str = "(module)";

#[test]
fn a_good_one_is_described() {
    let bytes = Guest::default().build();
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.imports, ["gosight:replay/chunks@1.0.0", "log"]);
    assert!(
        inspection.exports.contains(&"process".into()) && inspection.exports.contains(&"configure".into())
    );
    assert_eq!((inspection.interface.as_str(), inspection.bytes), ("1.0.0", bytes.len()));
}

#[test]
fn imports_beyond_the_interface_are_named() {
    let exports = "(memory (export \"memory\") 1)
        (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export \"configure\")) (func (export \"process\"))";
    let import = |package: &str, interface: &str| {
        let wit = format!(
            "package {package}; interface {interface} {{ now: func() -> u64; }}
             world w {{ import {interface}; export configure: func(); export process: func(); }}"
        );
        let (name, version) = package.split_once('@').unwrap();
        let wat = format!(
            "(module (import \"{name}/{interface}@{version}\" \"now\" (func (result i64))) {exports})"
        );
        component_of("w", &[("w.wit", &wit)], &wat)
    };
    refused(
        inspect(&import("wasi:clocks@0.2.3", "monotonic-clock")),
        Stage::Interface,
        "wasi:clocks/monotonic-clock@0.2.3",
    );
    refused(inspect(&import("evil:host@1.0.0", "files")), Stage::Interface, "evil:host/files@1.0.0");
    refused(
        inspect(&import("gosight:replay@0.1.0", "chunks")),
        Stage::Interface,
        "built for the interface before that was final; build it again against 1.0.0",
    );
    refused(
        inspect(&import("gosight:replay@1.7.0", "chunks")),
        Stage::Interface,
        "this service speaks version 1.0.0; build it against that version of the interface, or update the service",
    );
    let room = Room::new();
    refused(
        room.load(&import("wasi:clocks@0.2.3", "monotonic-clock"), "null").map(|_| ()),
        Stage::Interface,
        "wasi:clocks",
    );
}

#[test]
fn files_that_are_no_components_are_told_apart() {
    let good = Guest::default().build();
    refused(inspect(b""), Stage::Interface, "not WebAssembly");
    refused(inspect(b"#!/bin/sh\n"), Stage::Interface, "not WebAssembly");
    refused(inspect(&wat::parse_str(MODULE).unwrap()), Stage::Interface, "core module");
    refused(inspect(&wat::parse_str("(component)").unwrap()), Stage::Interface, "`configure`");
    let wrapped = wat::parse_str("(component (core module) (component))").unwrap();
    refused(inspect(&wrapped), Stage::Interface, "`configure`");
    for length in [5, 8, 100, good.len() / 2, good.len() - 1] {
        refused(inspect(&good[..length]), Stage::Interface, "");
    }
    let mut longer = good.clone();
    longer.extend_from_slice(b"more");
    refused(inspect(&longer), Stage::Interface, "damaged");
}

#[test]
fn another_type_of_function_is_refused() {
    let wit = "package a:b@1.0.0; world w { export configure: func(); export process: func(); }";
    let bytes = component_of(
        "w",
        &[("w.wit", wit)],
        "(module (func (export \"configure\")) (func (export \"process\")))",
    );
    refused(Room::new().load(&bytes, "null").map(|_| ()), Stage::Interface, "another type");
}

#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let good = Guest::default().build();
    let (mut refusals, mut at) = (0, 0);
    while at < good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        refusals += usize::from(inspect(&bytes).is_err());
        at += 7;
    }
    assert!(refusals > good.len() / 7 / 4, "{refusals}");
    let room = Room::new();
    let (path, sha256) = room.write(&good);
    let mut bytes = good;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(room.sandbox.load(&path, &sha256, "null"), Err(LoadError::Digest { .. })));
}

#[test]
fn a_huge_file_is_not_read() {
    let room = Room::new();
    let (path, sha256) = room.write(b"x");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    let error = room.sandbox.load(&path, &sha256, "null").err().unwrap();
    assert!(matches!(error, LoadError::TooLarge { bytes, .. } if bytes == 100 << 20), "{error}");
    let missing = room.sandbox.load(&path.with_extension("gone"), &sha256, "null").err().unwrap();
    assert!(matches!(missing, LoadError::Unreadable { .. }));
}

#[test]
fn what_configure_does_wrong_ends_the_load() {
    let room = Room::with(|settings| settings.limits.configure_time = std::time::Duration::from_millis(100));
    let endless = "(loop $on (br $on))";
    let cases = [
        (Guest { configure: endless.into(), ..Guest::default() }, Stage::Configure, "longer than"),
        (Guest { realloc: endless.into(), ..Guest::default() }, Stage::Configure, "longer than"),
        (
            Guest { fields: format!("(func $spin {endless}) (start $spin)"), ..Guest::default() },
            Stage::Configure,
            "longer than",
        ),
        (Guest { configure: "unreachable".into(), ..Guest::default() }, Stage::Configure, "panicked"),
        (Guest { memory: Some("2000".into()), ..Guest::default() }, Stage::Configure, "64 MiB of memory"),
        (
            Guest { name: Some("anna@example.com".into()), ..Guest::default() },
            Stage::Manifest,
            "name must match",
        ),
        (Guest { process: "unreachable".into(), ..Guest::default() }, Stage::Conformance, "panicked"),
        (Guest { process: endless.into(), ..Guest::default() }, Stage::Conformance, "longer than"),
    ];
    for (guest, stage, words) in cases {
        refused(room.load(&guest.build(), "null").map(|_| ()), stage, words);
    }
}

#[test]
fn what_configure_says_is_shown_without_control_characters() {
    let says = "(i32.store8 (i32.const 2048) (i32.const 1))
        (i32.store (i32.const 2052) (local.get $ptr)) (i32.store (i32.const 2056) (local.get $len))";
    let room = Room::new();
    let guest = Guest { configure: says.into(), ..Guest::default() };
    refused(
        room.load(&guest.build(), "\"no \u{1b}[31mpattern\"").map(|_| ()),
        Stage::Configure,
        "no \u{fffd}[31mpattern",
    );
}

#[test]
fn one_that_answers_differently_once_it_is_warm_is_refused() {
    // Traps on what it was tried with before once it has seen two chunks.
    let moody = Guest {
        process: "(if (i32.eq (local.get $len) (i32.const 2)) (then (global.set $count (i32.const 1))))
            (if (i32.and (global.get $count) (i32.eq (local.get $len) (i32.const 3))) (then
              (i32.store8 (i32.const 1) (i32.const 1))))"
            .into(),
        error: None,
        ..Guest::default()
    };
    let differs = "(i32.store8 (i32.const 1) (i32.const 1))";
    let drops = moody.process.replace(differs, "(global.set $count (i32.const 9))");
    let fields = "(func $moody (param i32) (result i32)
        (if (result i32) (i32.eq (global.get $count) (i32.const 9)) (then (i32.const 1)) (else (local.get 0))))";
    // The first verdict becomes `drop` by way of the byte that the guest looks at.
    let wat = Guest { process: drops, fields: fields.into(), ..moody };
    let bytes = component(&wat.wat_with("(i32.store (local.get $verdict) (i32.const 0))", "(i32.store offset=4 (local.get $verdict) (i32.const 0)) (i32.store (local.get $verdict) (call $moody (i32.const 0)))"));
    refused(
        Room::new().load(&bytes, "null").map(|_| ()),
        Stage::Conformance,
        "must not depend on earlier calls",
    );
}

#[test]
fn an_answer_that_does_not_fit_is_refused() {
    let wat = Guest::default();
    let bytes = component(&wat.wat_with("(i32.store (local.get $verdict) (i32.const 0))", "(i32.store offset=4 (local.get $verdict) (i32.const 1)) (i32.store (local.get $verdict) (i32.const 1))"));
    refused(Room::new().load(&bytes, "null").map(|_| ()), Stage::Conformance, "no such drop reason");
}

#[test]
fn a_compiler_that_takes_too_much_is_ended() {
    let slow = Guest { configure: "(loop $on (br $on))".into(), ..Guest::default() }.build();
    let room = Room::with(|settings| {
        settings.limits.configure_time = std::time::Duration::from_secs(60);
        settings.limits.compile_time = std::time::Duration::from_secs(1);
    });
    refused(room.load(&slow, "null").map(|_| ()), Stage::Compile, "CPU time");
    let room = Room::with(|settings| settings.limits.compile_memory_bytes = 6 << 20);
    refused(room.load(&Guest::default().build(), "null").map(|_| ()), Stage::Compile, "of memory");
    let room = Room::with(|settings| settings.compiler = "/bin/true".into());
    refused(room.load(&Guest::default().build(), "null").map(|_| ()), Stage::Compile, "without a result");
}
