//! Plugins for tests, as core WebAssembly text made into components: they can do what no SDK lets an
//! author do.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A plugin that answers by the first byte of a chunk's text: `D` drops it, `C` masks that byte, and
/// anything else keeps it. The other fields put code into it.
///
/// A trial run has more than one chunk, so that a guest can tell it from a real batch of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guest {
    /// Runs first in `configure`; `$ptr` and `$len` are the config.
    pub(crate) configure: String,
    /// Runs first in `process`; `$len` is how many chunks there are.
    pub(crate) process: String,
    /// Runs first in `cabi_realloc`.
    pub(crate) realloc: String,
    /// Further fields of the module.
    pub(crate) fields: String,
    /// The memory's type.
    pub(crate) memory: Option<String>,
    /// Error that `process` answers to a batch of one, if any.
    pub(crate) error: Option<String>,
    /// Its name in the manifest.
    pub(crate) name: Option<String>,
}

impl Guest {
    /// Runs `code` in `process` when the batch has one chunk.
    pub(crate) fn on_a_batch(code: &str) -> Self {
        Self {
            process: format!("(if (i32.eq (local.get $len) (i32.const 1)) (then {code}))"),
            ..Self::default()
        }
    }

    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        component(&self.wat())
    }

    /// Its text, with one piece in the place of another.
    pub(crate) fn wat_with(&self, old: &str, new: &str) -> String {
        let wat = self.wat();
        assert_eq!(wat.matches(old).count(), 1);
        wat.replace(old, new)
    }

    fn wat(&self) -> String {
        let name = self.name.as_deref().unwrap_or("test");
        let error = self.error.as_deref().unwrap_or_default();
        let Self { configure, process, realloc, fields, .. } = self;
        let memory = self.memory.as_deref().unwrap_or("2");
        let manifest = manifest(name.len() as u32);
        let answers_error = u32::from(self.error.is_some());
        let error_len = error.len();
        format!(
            r#"(module
  (import "gosight:replay/chunks@1.0.0" "[resource-drop]chunk" (func $release (param i32)))
  (import "gosight:replay/chunks@1.0.0" "[method]chunk.fields" (func $fields (param i32 i32)))
  (import "gosight:replay/chunks@1.0.0" "[method]chunk.info" (func $info (param i32 i32)))
  (import "gosight:replay/chunks@1.0.0" "[method]chunk.events" (func $events (param i32 i32)))
  (import "gosight:replay/chunks@1.0.0" "[method]chunk.element" (func $element (param i32 i32 i32)))
  (import "$root" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") {memory})
  (global $heap (mut i32) (i32.const 32768))
  (global $count (mut i32) (i32.const 0))
  (data (i32.const 1024) "{name}")
  (data (i32.const 1152) "1.0.0")
  (data (i32.const 1160) "bot")
  (data (i32.const 1164) "broken")
  (data (i32.const 1184) "{bot}")
  (data (i32.const 1200) "{broken}")
  (data (i32.const 1216) "{error}")
  (data (i32.const 2048) "{manifest}")
  {fields}
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    {realloc}
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536)))))))
    (local.get $at))
  (func (export "configure") (param $ptr i32) (param $len i32) (result i32)
    {configure}
    (i32.const 2048))
  (func (export "process") (param $ptr i32) (param $len i32) (result i32)
    (local $at i32) (local $chunk i32) (local $verdict i32) (local $edit i32) (local $byte i32)
    {process}
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $len)))
        (local.set $chunk (i32.load (i32.add (local.get $ptr) (i32.mul (local.get $at) (i32.const 4)))))
        (local.set $verdict (i32.add (i32.const 8192) (i32.mul (local.get $at) (i32.const 36))))
        (local.set $edit (i32.add (i32.const 16384) (i32.mul (local.get $at) (i32.const 24))))
        (call $fields (local.get $chunk) (i32.const 3000))
        (local.set $byte (i32.const 0))
        (if (i32.load (i32.const 3012))
          (then (local.set $byte (i32.load8_u (i32.load (i32.const 3000))))))
        (i32.store (local.get $verdict) (i32.const 0))
        (if (i32.eq (local.get $byte) (i32.const 68)) (then
          (i32.store (local.get $verdict) (i32.const 1))
          (i32.store offset=4 (local.get $verdict) (i32.const 0))))
        (if (i32.eq (local.get $byte) (i32.const 67)) (then
          (i32.store (local.get $verdict) (i32.const 2))
          (i32.store offset=4 (local.get $verdict) (local.get $edit))
          (i32.store offset=8 (local.get $verdict) (i32.const 1))
          (i32.store offset=12 (local.get $verdict) (i32.const 0))
          (i32.store offset=16 (local.get $verdict) (i32.const 0))
          (i32.store offset=24 (local.get $verdict) (i32.const 0))
          (i32.store offset=32 (local.get $verdict) (i32.const 0))
          (i32.store offset=0 (local.get $edit) (i32.const 0))
          (i32.store offset=4 (local.get $edit) (i32.const 0))
          (i32.store offset=8 (local.get $edit) (i32.const 1))
          (i32.store offset=12 (local.get $edit) (i32.const 0))
          (i32.store offset=16 (local.get $edit) (i32.const 42))))
        (call $release (local.get $chunk))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 4096) (i32.const 0))
    (i32.store (i32.const 4100) (i32.const 8192))
    (i32.store (i32.const 4104) (local.get $len))
    (if (i32.and (i32.eq (local.get $len) (i32.const 1)) (i32.const {answers_error})) (then
      (i32.store (i32.const 4096) (i32.const 1))
      (i32.store (i32.const 4100) (i32.const 1216))
      (i32.store (i32.const 4104) (i32.const {error_len}))))
    (i32.const 4096)))"#,
            bot = words(&[1160, 3]),
            broken = words(&[1164, 6]),
        )
    }
}

/// What `configure` answers: a manifest with one drop reason, `bot`, and one error code, `broken`.
fn manifest(name_len: u32) -> String {
    let kinds = (1 << 14) - 1;
    words(&[0, 1024, name_len, 1152, 5, kinds, 1, 1184, 1, 1200, 1, 1152, 0])
}

/// Little-endian, as the text format writes bytes.
fn words(numbers: &[u32]) -> String {
    numbers.iter().flat_map(|number| number.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect()
}

/// Core WebAssembly text as a component of the world `plugin`.
pub(crate) fn component(wat: &str) -> Vec<u8> {
    component_of("plugin", &[("replay.wit", include_str!("../../../../wit/1.0.0/replay.wit"))], wat)
}

/// Core WebAssembly text as a component of another world.
pub(crate) fn component_of(world: &str, wit: &[(&str, &str)], wat: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let mut last = None;
    for (path, text) in wit {
        last = Some(resolve.push_str(path, text).unwrap());
    }
    let world = resolve.select_world(&[last.unwrap()], Some(world)).unwrap();
    let mut module = wat::parse_str(wat).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}
