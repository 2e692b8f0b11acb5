//! How long the sessions of tenants are kept that left the list while the service runs.
//!
//! A file that is away for a moment must delete nothing: what the defaults give may be far less than what
//! the tenant had. So its days stay until the next start, as its chain does. The bound of
//! `erasure.tombstone_retention` needs no second look at them: they met it when they were taken, and it is
//! read at the start only.

use replay_core::lifecycle::RetentionPolicy;

use crate::config::Tenants;

/// What the config says, and the days that others had `before` and are not listed any more.
pub(super) fn with_departed(mut next: RetentionPolicy, before: &RetentionPolicy) -> RetentionPolicy {
    for (project, days) in &before.projects {
        next.projects.entry(project.clone()).or_insert(*days);
    }
    next
}

/// How many would keep days that are not in the config any more, if these were the tenants.
pub(super) fn departed_with(tenants: &Tenants, before: &RetentionPolicy) -> usize {
    before.projects.keys().filter(|project| !tenants.listed.contains_key(*project)).count()
}

/// Says whose days are kept that `was` listed and is not in `next`, where the defaults give others.
pub(super) fn tell(was: &Tenants, next: &Tenants) {
    let left = was.listed.iter().filter(|(project, _)| !next.listed.contains_key(*project));
    for (project, tenant) in left {
        let days = [tenant.hot_retention_days, tenant.cold_retention_days];
        if days != [next.defaults.hot_retention_days, next.defaults.cold_retention_days] {
            tracing::warn!(
                %project,
                hot_days = days[0],
                cold_days = days[1],
                "a tenant left the config: its sessions keep their days until the next start"
            );
        }
    }
}
