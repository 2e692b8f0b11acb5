//! A new plugin in Python.

use super::{Files, Project, VISIT, filled, program};

/// A project whose tools are those that this repository is tested with.
const PINNED: &str = include_str!("../../../../../../plugins/mask-basics-py/requirements.txt");

pub(super) fn refuses(name: &str) -> Option<&'static str> {
    let taken = ["replay-plugin", "componentize-py"];
    taken.contains(&name).then_some("it is the name of a package that the plugin itself needs")
}

pub(super) fn files(project: &Project<'_>) -> Files {
    let Project { name, sdk, visit_fields } = project;
    let program = program();
    let fill = |template| filled(template, &[("{{name}}", *name)]);
    let files = [
        ("pyproject.toml", fill(include_str!("python/pyproject.toml.in"))),
        ("requirements.txt", requirements(sdk)),
        ("README.md", fill(include_str!("python/README.md.in"))),
        (".gitignore", include_str!("python/gitignore").to_owned()),
        ("plugin.py", fill(include_str!("python/plugin.py.in"))),
        ("tests/__init__.py", String::new()),
        ("tests/test_plugin.py", include_str!("python/test_plugin.py.in").to_owned()),
        ("tests/visit.fields.ndjson", (*visit_fields).to_owned()),
        ("recordings/visit.json", VISIT.to_owned()),
    ];
    Files {
        files: files.into_iter().map(|(path, text)| (path.into(), text)).collect(),
        next: [
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt".to_owned(),
            format!("{program} plugin build"),
            format!("{program} plugin test {name}.wasm --input recordings"),
        ],
    }
}

fn requirements(sdk: &str) -> String {
    let tool = PINNED.lines().find(|line| line.starts_with("componentize-py==")).unwrap_or_default();
    let sdk = if sdk.starts_with('/') { sdk.to_owned() } else { format!("./{sdk}") };
    format!("# What the plugin is built with; directories are put on its path.\n{tool}\n-e {sdk}\n")
}
