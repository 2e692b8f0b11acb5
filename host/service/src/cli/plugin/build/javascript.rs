//! A plugin in JavaScript: bundled by esbuild, and wrapped with its interpreter by componentize-js. Both are
//! installed in the project, where its package.json pins them. Nothing of WASI is left in.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::tool::{Bench, checked_name, in_path, run};
use super::{Made, WORLD};
use crate::cli::CliError;

const BUNDLER: &str = "esbuild";
const COMPONENTIZER: &str = "@bytecodealliance/componentize-js";

/// Each of them would import WASI.
const DISABLED: [&str; 5] = ["stdio", "random", "clocks", "http", "fetch-event"];

pub(super) fn make(dir: &Path) -> Result<Made, CliError> {
    let manifest = dir.join("package.json");
    let package = read_json(&manifest)?;
    let name = package["name"].as_str().unwrap_or_default();
    let name = checked_name(name.rsplit('/').next().unwrap_or_default(), &manifest)?;
    let main = package["main"].as_str().unwrap_or("plugin.js");
    if !dir.join(main).is_file() {
        return Err(CliError::usage(format!(
            "{}: `main` is {main}, and there is no such file; it is the module whose default export is the plugin",
            manifest.display()
        )));
    }
    if in_path("node").is_none() {
        return Err(CliError::failed(
            "a plugin in JavaScript is built with Node.js, and there is no `node`: nodejs.org brings it",
        ));
    }
    let bundler = Installed::find(dir, &package, BUNDLER)?;
    let componentizer = Installed::find(dir, &package, COMPONENTIZER)?;

    let bench = Bench::new()?;
    let bundled = bench.file("plugin.js");
    std::fs::write(bench.file("entry.js"), entry(dir, main)?)?;
    run(bundler
        .command("esbuild")?
        .current_dir(dir)
        .arg(bench.file("entry.js"))
        .args([
            "--bundle",
            "--format=esm",
            "--platform=neutral",
            "--main-fields=module,main",
            "--target=es2022",
        ])
        // The host's function `log`: there when the component runs.
        .args(["--external:log", "--log-level=warning"])
        // The entry lies elsewhere; what it names is the project's.
        .env("NODE_PATH", bundler.modules())
        .arg(format!("--outfile={}", bundled.display())))?;
    let component = bench.file("plugin.wasm");
    run(componentizer
        .command("componentize-js")?
        .current_dir(bench.dir())
        .arg(&bundled)
        .arg("--wit")
        .arg(bench.wit())
        .args(["--world-name", WORLD, "--disable"])
        .args(DISABLED)
        .arg("--out")
        .arg(&component))?;
    Ok(Made { name, component: std::fs::read(component)? })
}

/// The component's exports, made of the project's plugin.
fn entry(dir: &Path, main: &str) -> Result<String, CliError> {
    let main = serde_json::to_string(&dir.canonicalize()?.join(main).display().to_string())
        .map_err(|error| CliError::failed(error.to_string()))?;
    Ok(format!(
        "import log from \"log\";\n\
         import {{ guest }} from \"replay-plugin/guest\";\n\
         import plugin from {main};\n\
         export const {{ configure, process }} = guest(plugin, log);\n"
    ))
}

/// A package that is installed in the project, in the version that the project pins.
struct Installed {
    dir: PathBuf,
    manifest: Value,
}

impl Installed {
    fn find(dir: &Path, package: &Value, name: &str) -> Result<Self, CliError> {
        let place = dir.join("package.json");
        let dependencies = ["devDependencies", "dependencies"];
        let pinned = dependencies.iter().find_map(|list| package[*list][name].as_str());
        let is_exact = |version: &&str| version.starts_with(|c: char| c.is_ascii_digit());
        let Some(pinned) = pinned.filter(is_exact) else {
            return Err(CliError::usage(format!(
                "{}: `devDependencies` pins no version of {name}: `npm install --save-dev --save-exact {name}` does",
                place.display()
            )));
        };
        // In the project, or in the workspace that it is part of.
        let full = dir.canonicalize()?;
        let installed = full.ancestors().map(|above| above.join("node_modules").join(name));
        let Some(found) = installed.into_iter().find(|found| found.join("package.json").is_file()) else {
            return Err(CliError::failed(format!(
                "{name} is not installed: `npm install` in {} does",
                full.display()
            )));
        };
        let manifest = read_json(&found.join("package.json"))?;
        let version = manifest["version"].as_str().unwrap_or("unknown");
        if version != pinned {
            return Err(CliError::failed(format!(
                "{name} {version} is installed, and {} wants {pinned}: `npm install` in {} brings that",
                place.display(),
                full.display()
            )));
        }
        Ok(Self { dir: found, manifest })
    }

    /// Its program of that name.
    fn command(&self, name: &str) -> Result<Command, CliError> {
        let bin = &self.manifest["bin"];
        let script = bin[name].as_str().or(bin.as_str()).map(|script| self.dir.join(script));
        let script = script.filter(|script| script.is_file()).ok_or_else(|| {
            CliError::failed(format!("{} has no program `{name}`: install it anew", self.dir.display()))
        })?;
        // Not through node: esbuild's installer may have put a program of the machine's in its place.
        Ok(Command::new(script))
    }

    /// The `node_modules` in which it lies.
    fn modules(&self) -> PathBuf {
        let modules = self.dir.ancestors().find(|above| above.ends_with("node_modules"));
        modules.unwrap_or(&self.dir).to_owned()
    }
}

fn read_json(path: &Path) -> Result<Value, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::usage(format!("{} is not JSON: {error}", path.display())))
}
