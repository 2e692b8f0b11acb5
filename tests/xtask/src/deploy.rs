//! Lints the files for a deployment with whatever linters this machine has. That they parse, and agree with one
//! another and with the code, is tested beside the config (`host/service/src/config/tests/deploy.rs`).

use crate::shell;

/// A linter, a word that makes it say that it is there, and how it is run.
struct Linter {
    program: &'static str,
    is_there: &'static [&'static str],
    lint: &'static [&'static str],
}

const LINTERS: [Linter; 4] = [
    Linter {
        program: "promtool",
        is_there: &["--version"],
        lint: &["check", "rules", "--lint=all", "--lint-fatal", "config/deploy/alerts.yaml"],
    },
    Linter { program: "hadolint", is_there: &["--version"], lint: &["config/deploy/Dockerfile"] },
    Linter {
        program: "kubeconform",
        is_there: &["-v"],
        lint: &["-strict", "-summary", "config/deploy/kubernetes.yaml"],
    },
    // Needs no engine, but the plugin.
    Linter {
        program: "docker",
        is_there: &["compose", "version"],
        lint: &["compose", "--profile", "tests", "--file", "config/deploy/compose.yaml", "config", "--quiet"],
    },
];

/// What kubeconform says when it cannot fetch what it compares with.
const NO_SCHEMAS: &str = "failed downloading schema";

pub(crate) fn check() -> Result<(), String> {
    for Linter { program, is_there, lint } in LINTERS {
        let words = format!("{program} {}", lint.join(" "));
        if shell::output(program, is_there).is_err() {
            eprintln!("NOT LINTED: `{words}`: it is not here");
            continue;
        }
        eprintln!("+ {words}");
        match shell::output(program, lint) {
            Ok(_) => {}
            Err(why) if why.contains(NO_SCHEMAS) => {
                eprintln!("NOT LINTED: `{words}`: no network to its schemas")
            }
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
