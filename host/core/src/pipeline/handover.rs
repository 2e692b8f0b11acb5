//! Giving partitions back: what is revoked is drained, committed and released before its deadline;
//! stopping is the same for all of them.

use super::io::StopCause;

#[derive(Debug)]
struct Revocation {
    partitions: Vec<u32>,
    deadline_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Handover {
    revocations: Vec<Revocation>,
    drain_deadline_ms: Option<u64>,
    stopped: bool,
}

impl Handover {
    pub(super) fn revoke(&mut self, partitions: Vec<u32>, deadline_ms: u64) {
        self.revocations.push(Revocation { partitions, deadline_ms });
    }

    /// A second request can only bring the end nearer.
    pub(super) fn drain(&mut self, deadline_ms: u64) {
        let earlier = self.drain_deadline_ms.map_or(deadline_ms, |known| known.min(deadline_ms));
        self.drain_deadline_ms = Some(earlier);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drain_deadline_ms.is_some()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether rows should wait for no others.
    pub(super) fn in_hurry(&self) -> bool {
        self.is_draining() || !self.revocations.is_empty()
    }

    /// Whether records of this partition come too late.
    pub(super) fn closes(&self, partition: u32) -> bool {
        self.is_draining() || self.revoking().any(|revoked| revoked == partition)
    }

    pub(super) fn revoking(&self) -> impl Iterator<Item = u32> + '_ {
        self.revocations.iter().flat_map(|revocation| revocation.partitions.iter().copied())
    }

    /// The next revocation that is over: settled and committed, or out of time.
    pub(super) fn take_released(
        &mut self,
        now_ms: u64,
        is_clean: impl Fn(&[u32]) -> bool,
    ) -> Option<Vec<u32>> {
        let over =
            |revocation: &Revocation| now_ms >= revocation.deadline_ms || is_clean(&revocation.partitions);
        let index = self.revocations.iter().position(over)?;
        Some(self.revocations.remove(index).partitions)
    }

    /// How the pipeline stops now, if it does. Answers once.
    pub(super) fn take_stopped(&mut self, now_ms: u64, is_clean: bool) -> Option<StopCause> {
        let deadline_ms = self.drain_deadline_ms?;
        if self.stopped || !(is_clean || now_ms >= deadline_ms) {
            return None;
        }
        self.stopped = true;
        Some(if is_clean { StopCause::Drained } else { StopCause::DeadlinePassed })
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        if self.stopped {
            return None;
        }
        self.revocations.iter().map(|revocation| revocation.deadline_ms).chain(self.drain_deadline_ms).min()
    }
}
