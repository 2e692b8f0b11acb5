//! Whether the service is ready, degraded or unready, and why: judged by the pipeline's books.

use replay_core::pipeline::{EdgeStatus, Status};
use serde::Serialize;

use super::{ReloadStatus, edges};

/// One check of `/readyz`.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// Since when it is not, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether this alone makes the service unready; otherwise it is degraded.
    #[serde(skip)]
    pub needed: bool,
}

/// What `/readyz` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// `ready`, `degraded` (a store is away; ingest pauses, nothing is lost) or `unready`.
    pub status: &'static str,
    /// Each check.
    pub checks: Vec<Check>,
}

/// Judges the service by the pipeline's books. `None`: the loop does not answer.
pub fn readiness(
    status: Option<&Status>,
    has_loop: bool,
    draining: bool,
    reloads: &ReloadStatus,
) -> Readiness {
    let mut checks = vec![Check {
        name: "running",
        ok: !draining,
        since: None,
        reason: draining.then(|| "the service is stopping".to_owned()),
        needed: true,
    }];
    if has_loop {
        checks.push(Check {
            name: "loop",
            ok: status.is_some(),
            since: None,
            reason: status.is_none().then(|| "the loop does not answer".to_owned()),
            needed: true,
        });
    }
    if let Some(status) = status {
        checks.extend(edges(status).map(|(name, edge)| edge_check(name, edge)));
        let paused = status.paused;
        checks.push(Check {
            name: "intake",
            ok: paused.is_none(),
            since: paused.map(|(since_ms, _)| since_ms),
            reason: paused.map(|(_, why)| format!("paused: {}", why.as_str())),
            needed: false,
        });
    }
    checks.extend(config_checks(reloads));
    let unready = checks.iter().any(|check| !check.ok && check.needed);
    let degraded = checks.iter().any(|check| !check.ok);
    let status = if unready {
        "unready"
    } else if degraded {
        "degraded"
    } else {
        "ready"
    };
    Readiness { status, checks }
}

/// Words for anybody: `/readyz` asks for no token, so the log alone says what exactly is wrong.
fn config_checks(reloads: &ReloadStatus) -> [Check; 2] {
    let stale = reloads.stale;
    let away = reloads.away;
    let config = Check {
        name: "config",
        ok: stale.is_none(),
        since: stale.map(|(since_ms, _)| since_ms),
        reason: stale.map(|(_, why)| why.to_owned()),
        needed: false,
    };
    let reason =
        || format!("{away} components are private copies: their registry cannot be asked; see the log");
    let registry = Check {
        name: "plugin_registry",
        ok: away == 0,
        since: None,
        reason: (away > 0).then(reason),
        needed: false,
    };
    [config, registry]
}

fn edge_check(name: &'static str, edge: &EdgeStatus) -> Check {
    let failing = edge.failing_since_ms.is_some();
    Check {
        name,
        ok: !failing,
        since: edge.failing_since_ms,
        reason: edge.last_error.as_ref().filter(|_| failing).map(|error| error.what.clone()),
        // Away: degraded. Refused (schema, credentials, rights): a person has to act.
        needed: edge.refused,
    }
}
