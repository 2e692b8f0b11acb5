//! `${VAR}` and `${VAR:-default}` in scalars, after parsing: a value can never become YAML.

use super::node::{Data, Node, Scalar};
use super::report::Problems;
use super::units::{Wrong, wrong};

/// Looks up an environment variable.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the variables of every scalar of the file, but those of plugin configs.
///
/// `$${` stands for a literal `${`. What a variable holds is not looked at again.
pub(super) fn interpolate(root: &mut Node, env: &Env<'_>, problems: &mut Problems) {
    walk(root, "", env, problems);
}

/// The same for a tenant's own file, whose keys are those below `path`.
pub(super) fn interpolate_tenant(root: &mut Node, path: &str, env: &Env<'_>, problems: &mut Problems) {
    walk(root, path, env, problems);
}

fn walk(node: &mut Node, path: &str, env: &Env<'_>, problems: &mut Problems) {
    let span = node.span;
    match &mut node.data {
        Data::Scalar(scalar) if scalar.text.contains("${") => {
            if is_bare(&scalar.text) {
                problems.reveal(span);
            }
            match expand(&scalar.text, env) {
                Ok(text) => *scalar = Scalar { text, from_env: true, ..scalar.clone() },
                Err(wrong) => {
                    problems.add(span, &format!("{path}: {}", wrong.what), &wrong.help);
                    scalar.broken = true;
                }
            }
        }
        Data::Scalar(_) => {}
        Data::Seq(items) => items.iter_mut().for_each(|item| walk(item, path, env, problems)),
        Data::Map(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
                if !is_plugin_config(&path) {
                    walk(value, &path, env, problems);
                }
            }
        }
    }
}

/// A plugin's config is the plugin's: its compiled snapshot holds it, so no secret may get there.
fn is_plugin_config(path: &str) -> bool {
    path.starts_with("tenants.") && path.ends_with(".plugins.config")
}

/// Exactly `${NAME}`: harmless to show, even where a secret stands.
pub(super) fn is_bare(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_name)
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

const SPELLING: &str = "write `${NAME}` or `${NAME:-default}`; a literal `${` is written `$${`";

fn expand(text: &str, env: &Env<'_>) -> Result<String, Wrong> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return wrong("`${` is not closed", SPELLING);
        };
        out.push_str(&variable(&rest[at + 2..at + end], env)?);
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of what stands between the braces.
fn variable(inside: &str, env: &Env<'_>) -> Result<String, Wrong> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return wrong("what stands between `${` and `}` is not the name of a variable", SPELLING);
    }
    match (env(name), default) {
        // As in a shell: a default also stands in for an empty value.
        (Some(value), Some(default)) if value.is_empty() => Ok(default.into()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.into()),
        (None, None) => wrong(
            format!("the environment variable `{name}` is not set"),
            format!("set {name}, or write a default: `${{{name}:-default}}`"),
        ),
    }
}
