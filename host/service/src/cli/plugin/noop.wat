;; A plugin that takes the fields of each chunk and keeps them all: what a call costs without any work.
;; Marks are filled in: the interface's names, the kinds of fields, and where its records have their parts.
(module
  (import "{{chunks}}" "[resource-drop]chunk" (func $release (param i32)))
  (import "{{chunks}}" "[method]chunk.fields" (func $fields (param i32 i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 8192))
  (data (i32.const 1024) "no-op")
  (data (i32.const 1032) "1.0.0")
  ;; `ok` and a manifest: zeros, but for name, version and kinds.
  (data (i32.const {{name_at}}) "\00\04\00\00\05\00\00\00")
  (data (i32.const {{version_at}}) "\08\04\00\00\05\00\00\00")
  (data (i32.const {{kinds_at}}) "{{kinds}}")
  (func $allocate (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.set $missing (i32.sub (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $missing) (i32.const 0)) (then
      (if (i32.lt_s (memory.grow (i32.add (i32.shr_u (local.get $missing) (i32.const 16)) (i32.const 1)))
                    (i32.const 0))
        (then unreachable))))
    (local.get $at))
  (func (export "configure") (param i32 i32) (result i32) (i32.const {{manifest_at}}))
  (func (export "process") (param $chunks i32) (param $count i32) (result i32)
    (local $at i32) (local $chunk i32) (local $bytes i32) (local $verdicts i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $count)))
        (local.set $chunk
          (i32.load (i32.add (local.get $chunks) (i32.shl (local.get $at) (i32.const 2)))))
        (call $fields (local.get $chunk) (i32.const 6144))
        (call $release (local.get $chunk))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    ;; `keep` is the first case of a verdict.
    (local.set $bytes (i32.mul (local.get $count) (i32.const {{verdict_bytes}})))
    (local.set $verdicts
      (call $allocate (i32.const 0) (i32.const 0) (i32.const 16) (local.get $bytes)))
    (memory.fill (local.get $verdicts) (i32.const 0) (local.get $bytes))
    (i32.store (i32.const 7168) (i32.const 0))
    (i32.store offset=4 (i32.const 7168) (local.get $verdicts))
    (i32.store offset=8 (i32.const 7168) (local.get $count))
    ;; The next call begins where this one did: the host has read the answer by then.
    (global.set $heap (i32.const 8192))
    (i32.const 7168)))
