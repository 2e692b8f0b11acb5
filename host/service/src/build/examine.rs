//! What `doctor` looks at: every source and store that the config names, and the machine's own part.

use std::path::Path;

use replay_ports::{Finding, Verdict};

use super::servers;
use crate::chains::check_components;
use crate::config::{ColdStore, DeadLetterStore, Hot, Settings, Source};
use crate::lock::running_owner;

/// Less room than this on a data disk is said.
const LITTLE_ROOM_BYTES: u64 = 1 << 30;

/// Looks at everything, one server after the other; nothing that is there is changed.
pub(crate) async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = local(settings);
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

/// What needs no server: directories, the lock, components.
fn local(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![directory("data directory", &settings.embedded.dir, "embedded.dir")];
    if let ColdStore::Dir(dir) = &settings.cold.store {
        findings.push(directory("cold directory", dir, "cold.dir"));
    }
    if let Some(owner) = running_owner(&settings.embedded.dir) {
        let detail = format!("process {} (`{}`) has the data directory", owner.pid, owner.command);
        findings.push(Finding::fine("running service", detail));
    }
    findings.push(match check_components(&settings.tenants, &settings.plugins.dir) {
        Ok(()) => Finding::fine("plugins", "every component is there and is what its pin says"),
        Err(problems) => Finding::wrong(
            "plugins",
            problems.to_string(),
            "put the reviewed components into plugins.dir, or mend their sha256",
        ),
    });
    findings
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
