//! Many different components out of one: a section that no engine reads, with a number in it, makes
//! another digest, so another compilation.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use replay_sandbox::{LoadError, Plugin, Sandbox, sha256_hex};

use crate::cli::{CliError, output};

/// The name of the section.
const SECTION: &[u8] = b"variant";

/// `count` variants of the component `name`, compiled with `threads` at a time.
pub(super) fn load_variants(
    sandbox: &Sandbox,
    plugins: &Path,
    name: &str,
    dir: &Path,
    count: usize,
    threads: usize,
) -> Result<Vec<Plugin>, CliError> {
    let path = plugins.join(format!("{name}.wasm"));
    let component = std::fs::read(&path).map_err(|error| {
        let (path, plugins) = (path.display(), plugins.display());
        let build = format!("replay-processor plugin build plugins/{name} --out {plugins}");
        CliError::failed(format!("cannot read {path}: {error}; `{build}`"))
    })?;
    let (next, loaded) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count) {
                    let plugin = load_variant(sandbox, &component, dir, number);
                    loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(plugin);
                }
            });
        }
    });
    loaded.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_iter().collect()
}

fn load_variant(sandbox: &Sandbox, component: &[u8], dir: &Path, number: usize) -> Result<Plugin, CliError> {
    let component = variant(component, number);
    let path = dir.join(format!("variant-{number}.wasm"));
    std::fs::write(&path, &component)?;
    sandbox.load(&path, &sha256_hex(&component), "{}").map_err(|error| failed(&path, &error))
}

/// The component of a hostile tenant, if it was built.
pub(super) fn load_hostile(
    sandbox: &Sandbox,
    plugins: &Path,
    name: &str,
) -> Result<Option<Plugin>, CliError> {
    let path = plugins.join(format!("{name}.wasm"));
    let Ok(component) = std::fs::read(&path) else {
        output::complain(&format!(
            "no {}: a hostile tenant is not measured; `replay-processor plugin build tests/fixtures/hostile/{name} \
             --out {}`",
            path.display(),
            plugins.display()
        ));
        return Ok(None);
    };
    sandbox.load(&path, &sha256_hex(&component), "{}").map(Some).map_err(|error| failed(&path, &error))
}

fn failed(path: &Path, error: &LoadError) -> CliError {
    CliError::failed(format!("{}: {error}", path.display()))
}

/// Bytes of all compiled code on the disk.
pub(super) fn compiled_bytes(cache: &Path) -> u64 {
    let files = std::fs::read_dir(cache).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// The component with a custom section: id 0, size, name, number.
fn variant(component: &[u8], number: usize) -> Vec<u8> {
    let number = number.to_string();
    let size = 1 + SECTION.len() + number.len();
    // Both lengths are one byte of LEB128: a name of seven letters, a number of at most twenty digits.
    let lengths = [size, SECTION.len()].map(|length| u8::try_from(length).unwrap_or(u8::MAX) & 0x7f);
    [component, &[0, lengths[0], lengths[1]], SECTION, number.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_another_component_that_reads_the_same() {
        let empty = b"\0asm\x0d\0\x01\0";
        let (one, two) = (variant(empty, 1), variant(empty, 1_000_000));
        assert_ne!(sha256_hex(&one), sha256_hex(&two));
        assert_eq!(&one[empty.len()..], b"\0\x09\x07variant1");
        assert_eq!(&two[empty.len()..], b"\0\x0f\x07variant1000000");
    }
}
