//! `plugin status`: what each tenant's plugins did, and how its shadow compares; asked of the running
//! service, so exact and of now.

use std::collections::BTreeMap;
use std::path::Path;

use super::StatusArgs;
use crate::chains::{PluginReport, ShadowReport, SidesReport, TenantReport};
use crate::cli::client::Client;
use crate::cli::context::{Context, project_arg};
use crate::cli::{CliError, Exit, Format, output};

/// Digits of a digest that people compare.
const SHORT: usize = 12;

pub(super) fn status(config: Option<&Path>, args: &StatusArgs) -> Result<Exit, CliError> {
    if let Some(project) = &args.project {
        project_arg(project)?;
    }
    let context = Context::load(config)?;
    let reports = reports(&context.service()?, args.project.as_deref())?;
    match args.output.output {
        Format::Json => output::list(&reports, Format::Json)?,
        Format::Table if reports.is_empty() => output::complain("no tenant has a chain"),
        Format::Table => {
            for (position, report) in reports.iter().enumerate() {
                output::say(&format!("{}{}", if position > 0 { "\n" } else { "" }, text(report).join("\n")))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// What the service says of all tenants that have a chain, or of one.
pub(super) fn reports(service: &Client, project: Option<&str>) -> Result<Vec<TenantReport>, CliError> {
    match project {
        // What a project id is made of needs no escapes.
        Some(project) => service.get(&format!("/plugins?project={project}")),
        None => service.get("/plugins"),
    }
}

/// For people.
pub(super) fn text(report: &TenantReport) -> Vec<String> {
    let redacts = if report.redacts { "redacts" } else { "does not redact" };
    let digest = short(&report.chain_digest);
    let mut lines =
        vec![format!("{}  revision {}, chain {digest}, {redacts}", report.tenant, report.chain_revision)];
    lines.extend(report.plugins.iter().flat_map(|plugin| plugin_text(plugin, "  ")));
    if let Some(shadow) = &report.shadow {
        lines.extend(shadow_text(shadow));
    }
    lines
}

fn plugin_text(plugin: &PluginReport, indent: &str) -> Vec<String> {
    let time = |time: Option<u64>| time.map_or("-".to_owned(), |us| format!("{us} µs"));
    let mut lines = vec![
        format!("{indent}{}  {}, breaker {}", plugin.name, short(&plugin.sha256), plugin.breaker),
        format!(
            "{indent}  {} calls, p50 {}, p99 {}, {:.1} MiB at most",
            plugin.calls,
            time(plugin.p50_us),
            time(plugin.p99_us),
            plugin.memory_bytes as f64 / f64::from(1 << 20),
        ),
        format!(
            "{indent}  chunks: {} kept, {} changed ({} left empty), {} dropped, {} replaced",
            plugin.kept, plugin.changed, plugin.emptied, plugin.dropped, plugin.replaced
        ),
    ];
    let fields = named(&plugin.fields);
    if !fields.is_empty() || plugin.events_removed > 0 {
        let fields = if fields.is_empty() { "none".to_owned() } else { fields };
        lines.push(format!("{indent}  fields changed: {fields}; {} events removed", plugin.events_removed));
    }
    if !plugin.failures.is_empty() {
        lines.push(format!("{indent}  failures: {}", named(&plugin.failures)));
    }
    let [debug, info, warn, error] = plugin.log_lines;
    if debug + info + warn + error > 0 {
        lines.push(format!("{indent}  logged: {debug} debug, {info} info, {warn} warn, {error} error"));
    }
    lines
}

/// How the shadow compares.
pub(super) fn shadow_text(shadow: &ShadowReport) -> Vec<String> {
    let mut lines = vec![
        format!(
            "  shadow on {} % of the sessions, chain {}",
            shadow.share_percent,
            short(&shadow.chain_digest)
        ),
        format!(
            "    {} of {} batches compared, {} let go, {} not seen as the chain failed",
            shadow.compared, shadow.batches, shadow.fell_behind, shadow.active_failed
        ),
    ];
    if !shadow.chunks.is_empty() {
        lines.push(format!("    chunks, chain/shadow: {}", named(&shadow.chunks)));
    }
    for (kind, sides) in &shadow.fields {
        lines.push(format!("    {kind} fields: {}", sides_text(sides)));
    }
    if shadow.events != SidesReport::default() {
        lines.push(format!("    events removed: {}", sides_text(&shadow.events)));
    }
    if shadow.replaced > 0 {
        lines.push(format!("    {} chunks with replaced events: fields not compared", shadow.replaced));
    }
    if shadow.compared > 0 {
        let (active, other) = (&shadow.active, &shadow.shadow);
        lines.push(format!(
            "    bytes of chunks that both store: {} stored, {} redacted by the chain; {}, {} by the shadow",
            active.stored_bytes, active.redacted_bytes, other.stored_bytes, other.redacted_bytes
        ));
        lines.push(format!("    {} of them with less redacted by the shadow", shadow.redacted_less));
        lines.push(format!("    time: {} µs the chain, {} µs the shadow", active.cpu_us, other.cpu_us));
    }
    if !shadow.failures.is_empty() {
        lines.push(format!("    failures: {}", named(&shadow.failures)));
    }
    lines.extend(shadow.plugins.iter().flat_map(|plugin| plugin_text(plugin, "    ")));
    lines
}

fn sides_text(sides: &SidesReport) -> String {
    let SidesReport { active_only, shadow_only, alike, differing } = sides;
    format!(
        "{alike} by both alike, {differing} differently, {active_only} by the chain alone, {shadow_only} by \
         the shadow alone"
    )
}

fn named(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}
