//! How the config on disk relates to what is in force, for metrics and readiness.

use std::sync::{Mutex, PoisonError};

use crate::clock::unix_ms;

/// The config on disk was refused.
pub(crate) const REFUSED: &str = "the config on disk is refused, the one before is in force; see the log";
/// It was taken as far as a running service can.
pub(crate) const NEEDS_A_RESTART: &str =
    "the config on disk is in force in part, the rest needs a restart; see the log";

/// So much is kept of why, bytes: hundreds of tenants may share a mistake.
const MAX_REFUSAL_BYTES: usize = 4096;

/// What reloads came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Configs put in force since the start.
    pub done: u64,
    /// Configs refused since the start.
    pub failed: u64,
    /// Since when (Unix milliseconds), and why, what is in force is not what is on disk.
    pub stale: Option<(u64, &'static str)>,
    /// Components of which only the private copy is there.
    pub away: usize,
}

/// The books of reloads.
#[derive(Debug, Default)]
pub struct Reloads {
    status: Mutex<ReloadStatus>,
    /// Why the config on disk is refused, while it is: for the operator, not for `/readyz`.
    refusal: Mutex<Option<String>>,
}

impl Reloads {
    /// As of now.
    pub fn now(&self) -> ReloadStatus {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the config on disk is refused, if it is: the beginning of what the log says.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn refused(&self, why: &str) {
        self.set_refusal(Some(beginning(why)));
        self.update(|status| {
            status.failed += 1;
            status.be_stale(REFUSED);
        });
    }

    /// `needs_restart`: parts of it are read at the start only.
    pub(crate) fn done(&self, needs_restart: bool) {
        self.set_refusal(None);
        self.update(|status| {
            status.done += 1;
            status.be_fresh(needs_restart);
        });
    }

    /// The config on disk is, again, the one that is in force.
    pub(crate) fn same_again(&self, needs_restart: bool) {
        self.set_refusal(None);
        self.update(|status| status.be_fresh(needs_restart));
    }

    pub(crate) fn away(&self, components: usize) {
        self.update(|status| status.away = components);
    }

    fn set_refusal(&self, refusal: Option<String>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    fn update(&self, update: impl FnOnce(&mut ReloadStatus)) {
        update(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ReloadStatus {
    fn be_fresh(&mut self, needs_restart: bool) {
        match needs_restart {
            true => self.be_stale(NEEDS_A_RESTART),
            false => self.stale = None,
        }
    }

    fn be_stale(&mut self, why: &'static str) {
        let since = match self.stale {
            Some((since, was)) if was == why => since,
            Some(_) | None => unix_ms(),
        };
        self.stale = Some((since, why));
    }
}

fn beginning(why: &str) -> String {
    let why = why.trim_end();
    if why.len() <= MAX_REFUSAL_BYTES {
        return why.to_owned();
    }
    let end = why.floor_char_boundary(MAX_REFUSAL_BYTES);
    format!("{}… (the log has all of it)", why.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_kept_until_it_is_mended_and_is_bounded() {
        let reloads = Reloads::default();
        reloads.refused("tenants.shop: no\n");
        assert_eq!(reloads.refusal().as_deref(), Some("tenants.shop: no"));
        reloads.refused(&"ü".repeat(MAX_REFUSAL_BYTES));
        let kept = reloads.refusal().unwrap();
        assert!(kept.len() < MAX_REFUSAL_BYTES + 64 && kept.ends_with("all of it)"), "{kept}");
        reloads.same_again(false);
        assert_eq!(reloads.refusal(), None);
    }
}
