//! A new plugin in JavaScript.

use serde_json::{Value, json};

use super::{Files, Project, VISIT, filled, program};

/// A package whose tools are those that this repository is tested with.
const PINNED: &str = include_str!("../../../../../../plugins/mask-basics-js/package.json");

pub(super) fn refuses(name: &str) -> Option<&'static str> {
    let taken = ["replay-plugin", "esbuild", "node-modules"];
    taken.contains(&name).then_some("it is the name of a package that the plugin itself needs")
}

pub(super) fn files(project: &Project<'_>) -> Files {
    let Project { name, sdk, visit_fields } = project;
    let program = program();
    let fill = |template| filled(template, &[("{{name}}", *name)]);
    let files = [
        ("package.json", package(name, sdk)),
        ("README.md", fill(include_str!("javascript/README.md.in"))),
        (".gitignore", include_str!("javascript/gitignore").to_owned()),
        ("config.schema.json", include_str!("rust/config.schema.json").to_owned()),
        ("plugin.js", fill(include_str!("javascript/plugin.js.in"))),
        ("test/plugin.test.js", include_str!("javascript/plugin.test.js.in").to_owned()),
        ("test/visit.fields.ndjson", (*visit_fields).to_owned()),
        ("recordings/visit.json", VISIT.to_owned()),
    ];
    Files {
        files: files.into_iter().map(|(path, text)| (path.into(), text)).collect(),
        next: [
            "npm install && npm test".to_owned(),
            format!("{program} plugin build"),
            format!("{program} plugin test {name}.wasm --input recordings"),
        ],
    }
}

fn package(name: &str, sdk: &str) -> String {
    let pinned: Value = serde_json::from_str(PINNED).unwrap_or_default();
    let package = json!({
        "name": name,
        "version": "0.1.0",
        "private": true,
        "type": "module",
        "main": "plugin.js",
        "scripts": { "test": "node --test" },
        "dependencies": { "replay-plugin": format!("file:{sdk}") },
        "devDependencies": pinned["devDependencies"],
    });
    format!("{package:#}\n")
}
