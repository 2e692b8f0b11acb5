//! A new plugin in Rust.

use super::{Files, Project, VISIT, filled, program};

/// Words that name no crate: of the language, and of crates that the plugin itself needs.
#[rustfmt::skip]
const TAKEN: [&str; 59] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "proc-macro", "pub", "ref",
    "replay-plugin", "return", "self", "serde", "static", "std", "struct", "super", "test", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "build",
];

pub(super) fn refuses(name: &str) -> Option<&'static str> {
    TAKEN.contains(&name).then_some("Rust needs that word for itself")
}

pub(super) fn files(project: &Project<'_>) -> Files {
    let Project { name, sdk, visit_fields } = project;
    let program = program();
    let lib = name.replace('-', "_");
    // What JSON escapes in a string, TOML does.
    let sdk = serde_json::Value::from(*sdk).to_string();
    let fill = |template| {
        let marks = [("{{name}}", *name), ("{{lib}}", &lib), ("{{sdk}}", &sdk)];
        filled(template, &marks)
    };
    let files = [
        ("Cargo.toml", fill(include_str!("rust/Cargo.toml.in"))),
        ("README.md", fill(include_str!("rust/README.md.in"))),
        (".gitignore", include_str!("rust/gitignore").to_owned()),
        ("config.schema.json", include_str!("rust/config.schema.json").to_owned()),
        ("src/lib.rs", fill(include_str!("rust/lib.rs.in"))),
        ("tests/recorded.rs", fill(include_str!("rust/recorded.rs.in"))),
        ("tests/visit.fields.ndjson", (*visit_fields).to_owned()),
        ("recordings/visit.json", VISIT.to_owned()),
    ];
    Files {
        files: files.into_iter().map(|(path, text)| (path.into(), text)).collect(),
        next: [
            "cargo test".to_owned(),
            format!("{program} plugin build"),
            format!("{program} plugin test {name}.wasm --input recordings"),
        ],
    }
}
