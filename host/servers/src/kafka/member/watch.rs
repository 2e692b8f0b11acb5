//! The watchdog's eyes: lag but no progress, although nothing holds the partition back.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::Member;
use crate::kafka::watchdog::Standing;

impl Member<'_> {
    /// Whether a partition stands still for no reason, so that the group is to be joined anew.
    pub(super) fn is_stuck(&mut self, now: Instant) -> bool {
        if now < self.next_watch {
            return false;
        }
        self.next_watch =
            now + (self.settings.stall_timeout / 8).clamp(Duration::from_millis(50), Duration::from_secs(5));
        let context = self.consumer.context();
        // While the end cannot be asked for, a broker is away, and joining anew would help nobody.
        let patience = 2 * self.settings.end_offsets_interval + self.settings.request_timeout;
        let since = now.checked_sub(patience).unwrap_or(now);
        let standing = |(partition, held): (u32, &super::super::books::Held)| {
            // Beyond the last record lie only marks of transactions, if anything.
            let reached = context.fetching(partition).and_then(|state| u64::try_from(state.eof_offset).ok());
            let is_held_back =
                held.is_leaving || self.paused.contains(&partition) || self.inbox.holds(partition);
            Standing {
                partition,
                position: reached.map_or(held.position, |reached| held.position.max(reached)),
                end: self.ends.seen_since(partition, since).unwrap_or(0),
                is_excused: is_held_back,
            }
        };
        let standings: Vec<Standing> = self.books.iter().map(standing).collect();
        let Some(stuck) = self.watchdog.look(now, &standings) else { return false };
        let state = context.fetching(stuck.partition);
        tracing::error!(
            topic = self.settings.topic,
            partition = stuck.partition,
            position = stuck.position,
            end = stuck.end,
            fetch_state = state.as_ref().map_or("unknown", |state| &state.state),
            broker = state.as_ref().map_or(-1, |state| state.broker),
            complaint = context.complaint().map(|(_, reason)| reason),
            "records wait and none comes; joining the group anew"
        );
        true
    }
}
