//! A large object in parts: one buffer of a part's size, the condition at the end, aborted if it fails.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::bucket::Bucket;
use super::fault::Fault;
use super::key::content_type;
use super::write::{Pieces, Write};

/// An upload that is under way. Dropped before its end (its writer was cancelled), it is aborted in
/// the background; what escapes that is swept.
pub(super) struct Upload {
    bucket: Arc<Bucket>,
    key: String,
    /// `None`: nothing is left to abort.
    id: Option<String>,
}

type Faulty<T> = std::result::Result<T, Fault>;

impl Upload {
    /// Uploads and completes; returns the new object's `ETag`.
    pub(super) async fn run(bucket: &Arc<Bucket>, write: &Write<'_>) -> Faulty<Option<String>> {
        let mut upload = Self::begin(bucket, write).await?;
        let part_bytes = usize::try_from(bucket.settings.part_bytes).unwrap_or(usize::MAX);
        let written = upload.finish(write, part_bytes).await;
        if written.is_ok() {
            upload.id = None;
        } else {
            upload.abort().await;
        }
        written
    }

    async fn begin(bucket: &Arc<Bucket>, write: &Write<'_>) -> Faulty<Self> {
        let call = bucket.client.create_multipart_upload().bucket(bucket.name()).key(write.key);
        let call = call.content_type(content_type(write.key)).set_metadata(Some(write.metadata.clone()));
        let begun = call.send().await.map_err(|error| Fault::of(&error))?;
        let Some(id) = begun.upload_id else {
            return Err(Fault::of_body("the store began an upload without naming it"));
        };
        Ok(Self { bucket: Arc::clone(bucket), key: write.key.to_owned(), id: Some(id) })
    }

    async fn finish(&self, write: &Write<'_>, part_bytes: usize) -> Faulty<Option<String>> {
        let mut pieces = Pieces::new(write.body);
        let mut parts = Vec::new();
        while let Some(body) = pieces.next(part_bytes) {
            parts.push(self.send_part(parts.len() + 1, body).await?);
        }
        let bucket = &self.bucket;
        let call = bucket.client.complete_multipart_upload().bucket(bucket.name()).key(&self.key);
        let call = call
            .set_upload_id(self.id.clone())
            .set_if_match(write.condition.if_match.clone())
            .set_if_none_match(write.condition.if_none_match.clone())
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let completed = call.customize().config_override(bucket.patient()).send().await;
        completed.map(|completed| completed.e_tag).map_err(|error| Fault::of(&error))
    }

    async fn send_part(&self, number: usize, body: bytes::Bytes) -> Faulty<CompletedPart> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let bucket = &self.bucket;
        let call = bucket.client.upload_part().bucket(bucket.name()).key(&self.key);
        let call = call.set_upload_id(self.id.clone()).part_number(number).body(ByteStream::from(body));
        let sent = call.customize().config_override(bucket.patient()).send().await;
        let sent = sent.map_err(|error| Fault::of(&error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    async fn abort(&mut self) {
        if let Some(id) = self.id.take() {
            abort(&self.bucket, &self.key, &id).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let (bucket, key) = (Arc::clone(&self.bucket), std::mem::take(&mut self.key));
        runtime.spawn(async move { abort(&bucket, &key, &id).await });
    }
}

async fn abort(bucket: &Bucket, key: &str, id: &str) {
    if let Err(fault) = bucket.abort_upload(key, id).await {
        tracing::warn!(key, why = fault.told(), "an unfinished upload is left; the sweep takes it");
    }
}

impl Bucket {
    /// Aborts an upload. One that is not there is fine.
    pub(super) async fn abort_upload(&self, key: &str, id: &str) -> Faulty<()> {
        let call = self.client.abort_multipart_upload().bucket(self.name()).key(key).upload_id(id);
        match call.send().await.map_err(|error| Fault::of(&error)) {
            Err(fault) if !fault.is_no_upload() => Err(fault),
            _ => Ok(()),
        }
    }
}
