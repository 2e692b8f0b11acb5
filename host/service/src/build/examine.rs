//! What `doctor` looks at: every source and store that the config names, and the machine's own part.

use std::path::Path;

use replay_ports::{Finding, Verdict};

use super::servers;
use crate::chains::any_chain;
use crate::config::{ColdStore, DeadLetterStore, Hot, Place, Settings, Source};
use crate::lock::running_owner;

/// Less room than this on a data disk is said.
const LITTLE_ROOM_BYTES: u64 = 1 << 30;

/// Looks at everything, one server after the other; nothing that is there is changed.
pub(crate) async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = local(settings);
    findings.extend(plugins(settings).await);
    let letters = match &settings.dead_letters.store {
        DeadLetterStore::Topic { topic, .. } => Some(topic.as_str()),
        DeadLetterStore::Table => None,
    };
    if let Source::Kafka(kafka) = &settings.source {
        findings.extend(servers::examine_kafka(settings, kafka, letters).await);
    }
    if let Hot::ClickHouse(clickhouse) = &settings.hot {
        findings.extend(servers::examine_clickhouse(settings, clickhouse).await);
    }
    if let ColdStore::S3(s3) = &settings.cold.store {
        findings.extend(servers::examine_s3(s3).await);
    }
    findings
}

/// The worst of them.
pub(crate) fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Fine)
}

/// What needs no server: directories and the lock.
fn local(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![directory("data directory", &settings.embedded.dir, "embedded.dir")];
    if let ColdStore::Dir(dir) = &settings.cold.store {
        findings.push(directory("cold directory", dir, "cold.dir"));
    }
    if let Some(owner) = running_owner(&settings.embedded.dir) {
        let detail = format!("process {} (`{}`) has the data directory", owner.pid, owner.command);
        findings.push(Finding::fine("running service", detail));
    }
    findings
}

/// Where components come from. Asks servers: on a thread that may wait.
async fn plugins(settings: &Settings) -> Vec<Finding> {
    if !any_chain(&settings.tenants) {
        return Vec::new();
    }
    let registry = super::registry(settings);
    let looked = tokio::task::spawn_blocking(move || -> Vec<Finding> {
        registry.reach().into_iter().map(of_place).collect()
    });
    let failed = |error| vec![Finding::wrong("plugins", format!("looking ended early: {error}"), "")];
    looked.await.unwrap_or_else(failed)
}

fn of_place((place, reached): (&Place, Result<(), String>)) -> Finding {
    const CHECK: &str = "plugin registry";
    const ADVICE: &str = "until it answers, private copies serve and new versions cannot be taken";
    match reached {
        Ok(()) => Finding::fine(CHECK, format!("{place} answers")),
        Err(why) if place.is_remote() => Finding::unreachable(CHECK, format!("{place}: {why}"), ADVICE),
        Err(why) => Finding::wrong(CHECK, format!("{place}: {why}"), ADVICE),
    }
}

/// Whether a directory can be written to, and how much room there is.
fn directory(check: &'static str, dir: &Path, key: &str) -> Finding {
    let place = dir.display();
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&probe, b"probe"));
    let _ = std::fs::remove_file(&probe);
    if let Err(error) = written {
        let advice = format!("let the service's user write there, or set {key}");
        return Finding::wrong(check, format!("{place} cannot be written to: {error}"), advice);
    }
    match rustix::fs::statvfs(dir).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)) {
        Ok(free) if free < LITTLE_ROOM_BYTES => {
            let detail = format!("{place} has {} MiB left", free >> 20);
            Finding::warning(check, detail, "make room: at a full disk the intake answers 503 and waits")
        }
        Ok(free) => Finding::fine(check, format!("{place} can be written to, {} GiB free", free >> 30)),
        Err(error) => Finding::warning(check, format!("{place}: free space unknown: {error}"), ""),
    }
}
