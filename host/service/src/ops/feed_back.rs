//! `dead-letter replay`: records go back into the source and through the tenant's present chain.
//!
//! The letter stays until the record is settled; the pipeline closes it then, or replaces it.

use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::pipeline::ReplayOf;
use replay_ports::{LetterFilter, PortError, Result};

use super::{FedBack, FeedBackReport, Ops};

/// More attempts than this only with `force`.
const MAX_ATTEMPTS: u32 = 3;

const PAGE: usize = 200;

/// So many letters are told one by one; all are counted.
const MAX_TOLD: usize = 10_000;

/// Which letters to feed back, and how.
#[derive(Clone, Debug, Default)]
pub struct FeedBack {
    /// Only this one, whatever the filter says.
    pub letter: Option<LetterId>,
    /// Which letters.
    pub filter: LetterFilter,
    /// At most so many.
    pub limit: usize,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Also those tried more than three times.
    pub force: bool,
}

impl Ops {
    /// Feeds letters back, oldest position first.
    pub async fn feed_back(&self, request: &FeedBack) -> Result<FeedBackReport> {
        let mut report = FeedBackReport::default();
        if let Some(id) = &request.letter {
            if let Some(letter) = self.stores.kept.letters.get(id).await? {
                self.feed_back_and_tell(&letter, request, &mut report).await?;
            }
            return Ok(report);
        }
        let mut after: Option<LetterId> = None;
        // What is left alone does not count: it must not hide what could be fed back.
        while (report.fed_back as usize) < request.limit {
            let page = self.stores.kept.letters.list(&request.filter, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for letter in page {
                if report.fed_back as usize >= request.limit {
                    break;
                }
                self.feed_back_and_tell(&letter, request, &mut report).await?;
            }
        }
        Ok(report)
    }

    async fn feed_back_and_tell(
        &self,
        letter: &DeadLetter,
        request: &FeedBack,
        report: &mut FeedBackReport,
    ) -> Result<()> {
        let outcome = self.feed_back_one(letter, request).await?;
        if matches!(outcome, "fed_back" | "would_feed_back") {
            report.fed_back += 1;
        } else {
            report.left += 1;
        }
        if report.letters.len() < MAX_TOLD {
            report.letters.push(FedBack {
                id: letter.id.to_string(),
                reason: letter.reason.to_string(),
                outcome: outcome.to_owned(),
            });
        }
        Ok(())
    }

    async fn feed_back_one(&self, listed: &DeadLetter, request: &FeedBack) -> Result<&'static str> {
        if listed.attempts > MAX_ATTEMPTS && !request.force {
            return Ok("too_many_attempts");
        }
        let Some(original) = self.original(&listed.id).await? else { return Ok("original_gone") };
        if request.dry_run {
            return Ok("would_feed_back");
        }
        let replay_of = ReplayOf { letter: listed.id.clone(), attempts: listed.attempts };
        match self.stores.source.append(original, listed.received_at_ms, Some(replay_of)).await {
            Ok(_) => Ok("fed_back"),
            Err(PortError::Rejected { .. }) => Ok("refused_by_the_source"),
            Err(error) => Err(error),
        }
    }
}
