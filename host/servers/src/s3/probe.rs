//! What `open` finds out: whether the bucket is there, and whether the store holds conditions.
//!
//! That a store takes the headers of a condition says nothing: some ignore them. So each condition is
//! tried on a scratch key, where it holds and where it does not, also at the end of an upload in parts.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CompletedMultipartUpload, CompletedPart, CreateBucketConfiguration,
};
use replay_ports::Result;
use uuid::Uuid;

use super::bucket::Bucket;
use super::fault::Fault;
use super::write::Condition;

/// What scratch keys begin with.
pub(super) const SCRATCH: &str = ".replay-probe/";
/// A scratch object of this age was left by a probe that died.
const SCRATCH_AGE: Duration = Duration::from_secs(3600);

type Faulty<T> = std::result::Result<T, Fault>;

impl Bucket {
    /// Makes sure that the bucket is there.
    pub(super) async fn ensure(&self) -> Result<()> {
        let fault = match self.try_listing().await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        if !fault.is_no_bucket() || !self.settings.create_bucket {
            return Err(self.error(&fault, "list objects"));
        }
        let region = self.client.config().region().map(ToString::to_string);
        let place = region.filter(|region| region != "us-east-1").map(|region| {
            let constraint = BucketLocationConstraint::from(region.as_str());
            CreateBucketConfiguration::builder().location_constraint(constraint).build()
        });
        let call = self.client.create_bucket().bucket(self.name()).set_create_bucket_configuration(place);
        match call.send().await.map_err(|error| Fault::of(&error)) {
            Ok(_) => tracing::info!(place = self.place, "made the bucket of the cold store"),
            // Another process was faster.
            Err(fault) if fault.code == "BucketAlreadyOwnedByYou" => {}
            Err(fault) => return Err(self.error(&fault, "make the bucket")),
        }
        Ok(())
    }

    /// Whether the store holds the conditions of writes.
    pub(super) async fn holds_conditions(self: &Arc<Self>) -> Result<bool> {
        let key = format!("{SCRATCH}{}", Uuid::new_v4());
        let held = self.try_conditions(&key).await;
        let deleted = self.delete(&key).await;
        let held = held.map_err(|fault| self.error(&fault, "try conditional writes"))?;
        deleted?;
        self.delete_old_scratch().await?;
        Ok(held)
    }

    async fn try_conditions(&self, key: &str) -> Faulty<bool> {
        let absent = || Condition { if_none_match: Some("*".to_owned()), if_match: None };
        let matches = |tag: &str| Condition { if_match: Some(tag.to_owned()), if_none_match: None };
        // Where it holds, a write takes place …
        let Some(first) = self.try_put(key, "1", absent()).await? else { return Ok(false) };
        // … and where it does not, none does.
        if self.try_put(key, "2", absent()).await?.is_some() {
            return Ok(false);
        }
        let Some(second) = self.try_put(key, "3", matches(&first)).await? else { return Ok(false) };
        if second == first || self.try_put(key, "4", matches(&first)).await?.is_some() {
            return Ok(false);
        }
        for condition in [absent(), matches(&first)] {
            if self.try_parts(key, condition).await? {
                return Ok(false);
            }
        }
        if !self.try_parts(key, matches(&second)).await? {
            return Ok(false);
        }
        let gone = format!("{key}-gone");
        if self.try_put(&gone, "5", matches(&second)).await?.is_some() {
            // Nobody reads it; the sweep of old scratch objects takes it should this fail.
            drop(self.delete(&gone).await);
            return Ok(false);
        }
        Ok(true)
    }

    /// The new object's tag, or `None` if the condition did not hold or is unknown to the store.
    async fn try_put(&self, key: &str, text: &'static str, condition: Condition) -> Faulty<Option<String>> {
        let call = self.client.put_object().bucket(self.name()).key(key);
        let call = call.set_if_match(condition.if_match).set_if_none_match(condition.if_none_match);
        let sent = call.body(ByteStream::from_static(text.as_bytes())).send().await;
        unless_refused(sent.map(|written| written.e_tag).map_err(|error| Fault::of(&error)))
            .map(Option::flatten)
    }

    /// Whether an upload was completed under this condition.
    async fn try_parts(&self, key: &str, condition: Condition) -> Faulty<bool> {
        let call = self.client.create_multipart_upload().bucket(self.name()).key(key);
        let begun = call.send().await.map_err(|error| Fault::of(&error))?;
        let id = begun.upload_id.unwrap_or_default();
        let completed = self.try_completion(key, &id, condition).await;
        self.abort_upload(key, &id).await?;
        unless_refused(completed).map(|completed| completed.is_some())
    }

    async fn try_completion(&self, key: &str, id: &str, condition: Condition) -> Faulty<()> {
        let call = self.client.upload_part().bucket(self.name()).key(key).upload_id(id).part_number(1);
        let sent = call.body(ByteStream::from_static(b"in parts")).send().await;
        let sent = sent.map_err(|error| Fault::of(&error))?;
        let part = CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag).build();
        let call = self.client.complete_multipart_upload().bucket(self.name()).key(key).upload_id(id);
        let call = call.set_if_match(condition.if_match).set_if_none_match(condition.if_none_match);
        let call = call.multipart_upload(CompletedMultipartUpload::builder().parts(part).build());
        call.send().await.map(drop).map_err(|error| Fault::of(&error))
    }

    /// Deletes what probes left that died.
    async fn delete_old_scratch(&self) -> Result<()> {
        const PAGE: usize = 100;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let before_ms = u64::try_from(now.saturating_sub(SCRATCH_AGE).as_millis()).unwrap_or(u64::MAX);
        for head in self.list(SCRATCH, None, PAGE).await? {
            if head.modified_at_ms < before_ms {
                self.delete(&head.key).await?;
            }
        }
        Ok(())
    }
}

/// `None` where the condition did not hold, or where the store does not know it.
fn unless_refused<T>(sent: Faulty<T>) -> Faulty<Option<T>> {
    match sent {
        Ok(sent) => Ok(Some(sent)),
        Err(fault) if fault.is_precondition() || fault.is_not_there_to_ask() => Ok(None),
        // Stores that do not know a header say that the request is bad.
        Err(fault) if matches!(fault.code.as_str(), "InvalidArgument" | "InvalidRequest") => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What the log says of a store without them.
pub(super) fn warn_of_no_conditions(place: &str) {
    tracing::warn!(
        place,
        "the store of the cold objects does not hold the conditions of writes; each move writes an object \
         of its own there"
    );
}
